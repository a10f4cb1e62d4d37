// The processes of a node, sorted and selected. Nothing is made of a process but what it is sorted by, until it is chosen.
import type { Node } from '../index.ts';
import { checkOneOf } from '../errors.ts';
import type { Process } from '../process/process.ts';
import { type Page, PROCESS_SORTS, type ProcessesOptions, type ProcessSort } from './inspector.ts';
import { measure, type ProcessFigures } from './measure.ts';
import { compareTexts, pageOf } from './page.ts';

/** What is listed: as for the inspector, and in the REPL also what a regular expression finds. */
export type Asked = Omit<ProcessesOptions, 'match'> & { readonly match?: string | RegExp | undefined };

/** A process, and what it is sorted by: each where the one before does not tell. */
interface Keyed {
  readonly process: Process;
  readonly figure: number;
  readonly tie: number;
  readonly text: string;
}

type KeyOf = (process: Process) => Keyed;

/** The orders that need no measuring. */
const PLAIN = {
  pid: (process) => keyed(process),
  name: (process) => keyed(process, Number(nameOf(process) === undefined), 0, nameOf(process)),
  label: (process) => keyed(process, 0, 0, process.label),
  mailbox: (process) => keyed(process, -process.mailboxLength),
  handled: (process) => keyed(process, -process.handled),
  age: (process) => keyed(process, process.bornMs),
} satisfies Partial<Record<ProcessSort, KeyOf>>;

/** All orders, for a node. */
const KEYS: Readonly<Record<ProcessSort, (node: Node) => KeyOf>> = {
  pid: () => PLAIN.pid,
  name: () => PLAIN.name,
  label: () => PLAIN.label,
  mailbox: () => PLAIN.mailbox,
  handled: () => PLAIN.handled,
  age: () => PLAIN.age,
  busy: measured(({ busyShare, busyMs }) => [-busyShare, -busyMs]),
  oldest: measured(({ oldestMs }, { mailboxLength }) => [-oldestMs, -mailboxLength]),
  rate: measured(({ handledPerSecond }) => [-handledPerSecond, 0]),
};

/** The names of the orders that need no measuring. */
export const plainOrders = Object.keys(PLAIN) as ReadonlyArray<keyof typeof PLAIN>;

/**
 * A page of the processes of a node.
 * @param limitMax the highest limit
 * @param row makes the row of a process
 * @throws TroupeError TROUPE_BAD_ARGUMENT
 */
export function processPage<Row>(
  node: Node,
  { sort = 'pid', reverse = false, match, ...page }: Asked,
  limitMax: number,
  row: (process: Process) => Row,
): Page<Row> {
  const key = KEYS[checkOneOf('sort', sort, PROCESS_SORTS)](node);
  const found: Keyed[] = [];
  node.table.forEach((process) => {
    if (match === undefined || matches(process, match)) found.push(key(process));
  });
  const order = reverse ? (a: Keyed, b: Keyed): number => compare(b, a) : compare;
  return pageOf(found, order, page, limitMax, ({ process }) => row(process));
}

function measured(
  figures: (measured: ProcessFigures, process: Process) => readonly [figure: number, tie: number],
): (node: Node) => KeyOf {
  return (node) => {
    const measurement = measure(node);
    return (process) => keyed(process, ...figures(measurement.processFigures(process), process));
  };
}

function keyed(process: Process, figure = 0, tie = 0, text = ''): Keyed {
  return { process, figure, tie, text };
}

function compare(a: Keyed, b: Keyed): number {
  if (a.figure !== b.figure) return a.figure - b.figure;
  if (a.text !== b.text) return compareTexts(a.text, b.text);
  if (a.tie !== b.tie) return a.tie - b.tie;
  const { pid } = a.process;
  const { pid: other } = b.process;
  return pid.serial - other.serial || pid.id - other.id;
}

function nameOf({ extra }: Process): string | undefined {
  return extra?.name;
}

function matches(process: Process, match: string | RegExp): boolean {
  return [nameOf(process) ?? '', process.label, process.behaviour.name].some((text) =>
    typeof match === 'string' ? text.includes(match) : text.search(match) !== -1,
  );
}
