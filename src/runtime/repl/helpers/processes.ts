// Helpers that look at processes and act on them.
import { formatReason, type Pid, type ProcessInfo, sys } from '../../index.ts';
import { Fault } from '../fault.ts';
import { type Helpers, livePidOf, parsePid, pidOf, type Shell, WHO, whoCells } from '../shell.ts';
import { present, presentRows, showLine } from '../show.ts';
import { type Column, visible } from '../table.ts';

/** What `processes()` tells of one. */
interface ProcessRow {
  readonly pid: Pid;
  readonly name: string | undefined;
  readonly label: string;
  readonly behaviour: string;
  readonly status: ProcessInfo['status'];
  readonly mailbox: number;
  readonly handled: number;
  readonly startedAt: Date;
}

/** What can be asked of `processes`. */
interface ProcessesOptions {
  readonly sort?: string;
  readonly limit?: number;
  readonly match?: string | RegExp;
}

type Order = (a: ProcessRow, b: ProcessRow) => number;
const ORDERS: Readonly<Record<string, Order>> = {
  pid: (a, b) => a.pid.serial - b.pid.serial || a.pid.id - b.pid.id,
  name: (a, b) => Number(a.name === undefined) - Number(b.name === undefined) || compare(a.name, b.name),
  label: (a, b) => compare(a.label, b.label),
  mailbox: (a, b) => b.mailbox - a.mailbox,
  handled: (a, b) => b.handled - a.handled,
  age: (a, b) => a.startedAt.getTime() - b.startedAt.getTime(),
};
const COLUMNS: readonly Column[] = [
  ...WHO,
  { heading: 'STATUS' },
  { heading: 'MAILBOX', numeric: true },
  { heading: 'HANDLED', numeric: true },
];

/** The helpers of this file. */
export function processHelpers(shell: Shell): Helpers {
  const { node, self } = shell;
  const options = () => ({ from: self, signal: shell.signal() });
  return {
    processes: {
      usage: "processes({sort: 'mailbox', limit: 10, match: 'repl'})",
      about: `all processes; sort by ${Object.keys(ORDERS).join(', ')}`,
      run: (asked?: ProcessesOptions) => processes(shell, asked ?? {}),
    },
    info: {
      usage: "info('<0.12.0>')",
      about: 'what can be seen of a process',
      run: (target: unknown) => {
        const info = node.processInfo(livePidOf(node, target)) as ProcessInfo;
        return present(info, ({ colour }) => properties(info, (value) => showLine(value, { colour })));
      },
    },
    registered: {
      usage: 'registered()',
      about: 'the registered names and who has them',
      run: () => {
        const rows = node
          .registered()
          .toSorted()
          .map((name) => ({ name, pid: node.whereis(name) as Pid }));
        const cells = ({ pid, name }: { pid: Pid; name: string }) => [
          name,
          ...whoCells(node, pid).toSpliced(1, 1),
        ];
        return presentRows(
          rows,
          [{ heading: 'NAME' }, { heading: 'PID' }, { heading: 'LABEL' }],
          cells,
          'no names',
        );
      },
    },
    whereis: {
      usage: "whereis('name')",
      about: 'the pid that has a registered name',
      run: (name: unknown) => pidOf(node, name),
    },
    pid: {
      usage: "pid('<0.12.0>')",
      about: 'the pid that a text stands for; the text will do wherever a pid is asked for',
      run: (...parts: unknown[]) => {
        if (parts.length === 3) return parsePid(node, `<${parts.join('.')}>`);
        return parsePid(node, String(parts[0]));
      },
    },
    self: { usage: 'self()', about: 'the pid of this REPL', run: () => self.pid },
    exit: {
      usage: "exit(pid, 'shutdown')",
      about: "sends an exit signal; 'kill' cannot be trapped",
      run: (...args: unknown[]) => {
        if (args.length < 2) throw new Fault('exit(pid, reason) needs both; to leave the REPL type .exit');
        self.exit(livePidOf(node, args[0]), args[1]);
        return true;
      },
    },
    spawn: {
      usage: 'spawn(async (self) => { ... })',
      about: 'starts a process, which goes on when the REPL ends',
      run: (body: (self: typeof shell.self) => unknown) => {
        if (typeof body !== 'function') throw new Fault('spawn(fn) needs a function');
        return self.spawn(shell.own(body));
      },
    },
    monitor: {
      usage: 'monitor(pid)',
      about: 'tells this REPL when a process ends: flush() shows the Down',
      run: (target: unknown) => self.monitor(livePidOf(node, target)),
    },
    link: {
      usage: 'link(pid)',
      about: 'links this REPL with a process: its exit is printed, the end of the REPL ends it',
      run: (target: unknown) => {
        self.link(livePidOf(node, target));
        return true;
      },
    },
    unlink: {
      usage: 'unlink(pid)',
      about: 'ends a link',
      run: (target: unknown) => {
        self.unlink(livePidOf(node, target));
        return true;
      },
    },
    getState: {
      usage: 'getState(server)',
      about: 'the state of a server or supervisor',
      run: (target: unknown) => sys.getState(node, livePidOf(node, target), options()),
    },
    getStatus: {
      usage: 'getStatus(server)',
      about: 'all that a server or supervisor tells about itself',
      run: (target: unknown) => sys.getStatus(node, livePidOf(node, target), options()),
    },
    suspend: {
      usage: 'suspend(server)',
      about: 'holds a server: what is sent to it waits',
      run: async (target: unknown) => {
        await sys.suspend(node, livePidOf(node, target), options());
        return 'ok';
      },
    },
    resume: {
      usage: 'resume(server)',
      about: 'lets a held server go on',
      run: async (target: unknown) => {
        await sys.resume(node, livePidOf(node, target), options());
        return 'ok';
      },
    },
  };
}

function processes({ node }: Shell, { sort = 'pid', limit, match }: ProcessesOptions): readonly ProcessRow[] {
  const order = Object.hasOwn(ORDERS, sort) ? ORDERS[sort] : undefined;
  if (order === undefined) throw new Fault(`processes can be sorted by ${Object.keys(ORDERS).join(', ')}`);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
    throw new Fault('limit is a whole number');
  const matches = ({ name, label, behaviour }: ProcessRow): boolean =>
    match === undefined ||
    [name ?? '', label, behaviour].some((text) =>
      typeof match === 'string' ? text.includes(match) : text.search(match) !== -1,
    );
  const rows = node
    .processes()
    .flatMap((pid) => rowOf(node.processInfo(pid)))
    .filter(matches)
    .toSorted(order);
  return presentRows(
    rows.slice(0, limit),
    COLUMNS,
    ({ pid, name, label, status, mailbox, handled }) => [
      pid.toString(),
      name ?? '',
      label,
      status,
      String(mailbox),
      String(handled),
    ],
    'no process matches',
  );
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

/** The properties of an object, one a line. */
function properties(object: object, show: (value: unknown) => string): string {
  const entries = Object.entries(object);
  const width = Math.max(...entries.map(([name]) => name.length));
  const text = (value: unknown): string => {
    if (value === undefined) return '-';
    if (value instanceof Date) return value.toISOString();
    return typeof value === 'string' ? visible(value) : show(value);
  };
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${text(value)}`).join('\n');
}

/** A reason in one line, for what is printed beside the prompt. */
export function exitLine(from: Pid, reason: unknown): string {
  return `** (EXIT from ${from.toString()}) ${visible(formatReason(reason))}`;
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : Number(a > b);
}
