// The processes of a node, as rows: sorted and selected.
import { type Node, type Pid, type ProcessInfo } from '../index.ts';

/** One process. */
export interface ProcessRow {
  readonly pid: Pid;
  readonly name: string | undefined;
  readonly label: string;
  readonly behaviour: string;
  readonly status: ProcessInfo['status'];
  /** Messages that wait in its mailbox. */
  readonly mailbox: number;
  /** Messages that it has handled. */
  readonly handled: number;
  readonly startedAt: Date;
}

/** What rows are sorted by. */
export type ProcessOrder = keyof typeof ORDERS;

type Order = (a: ProcessRow, b: ProcessRow) => number;
const ORDERS = {
  pid: (a, b) => a.pid.serial - b.pid.serial || a.pid.id - b.pid.id,
  name: (a, b) => Number(a.name === undefined) - Number(b.name === undefined) || compare(a.name, b.name),
  label: (a, b) => compare(a.label, b.label),
  mailbox: (a, b) => b.mailbox - a.mailbox,
  handled: (a, b) => b.handled - a.handled,
  age: (a, b) => a.startedAt.getTime() - b.startedAt.getTime(),
} satisfies Record<string, Order>;

/** All orders: mailbox and handled put the highest first, age the oldest. */
export const processOrders = Object.keys(ORDERS) as readonly ProcessOrder[];

/** The processes of a node whose name, label or behaviour matches, in an order. */
export function processRows(node: Node, order: ProcessOrder, match?: string | RegExp): ProcessRow[] {
  const matches = ({ name, label, behaviour }: ProcessRow): boolean =>
    match === undefined ||
    [name ?? '', label, behaviour].some((text) =>
      typeof match === 'string' ? text.includes(match) : text.search(match) !== -1,
    );
  return node
    .processes()
    .flatMap((pid) => rowOf(node.processInfo(pid)))
    .filter(matches)
    .toSorted(ORDERS[order]);
}

function rowOf(info: ProcessInfo | undefined): ProcessRow[] {
  if (info === undefined) return [];
  const { pid, label, status, startedAt } = info;
  return [
    {
      pid,
      name: info.registeredName,
      label,
      behaviour: info.currentBehaviour,
      status,
      mailbox: info.messageQueueLength,
      handled: info.messagesHandled,
      startedAt,
    },
  ];
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : Number(a > b);
}
