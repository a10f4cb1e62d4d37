// Helpers that look at processes and act on them: a table of processes, the supervision tree, and the connections with other
// nodes. The data comes from `inspect/`; this file prints it.
import type { PeerInfo } from '../../distribution/erlang/index.ts';
import { formatReason, type Pid, type ProcessInfo, sys } from '../../index.ts';
import { plainOrders, processPage } from '../../inspect/processes.ts';
import type { TreeRow } from '../../inspect/index.ts';
import { inspectProcess } from '../../process/info.ts';
import type { Process } from '../../process/process.ts';
import { readTree, type TreeNode } from '../../inspect/tree.ts';
import { Fault, type Helpers, livePidOf, parsePid, pidOf, type Shell, WHO, whoCells } from '../shell.ts';
import { type Column, cut, present, presentRows, showLine, type TextFormat, visible } from '../show.ts';

/** Options of `processes`. */
interface ProcessesOptions {
  readonly sort?: string;
  readonly limit?: number;
  readonly match?: string | RegExp;
}

const COLUMNS: readonly Column[] = [
  ...WHO,
  { heading: 'STATUS' },
  { heading: 'MAILBOX', numeric: true },
  { heading: 'HANDLED', numeric: true },
];

/** The helpers for processes. */
export function processHelpers(shell: Shell): Helpers {
  const { node, self } = shell;
  const options = () => ({ from: self, signal: shell.signal() });
  return {
    processes: {
      usage: "processes({sort: 'mailbox', limit: 10, match: 'repl'})",
      about: `all processes; sort by ${plainOrders.join(', ')}`,
      run: (asked?: ProcessesOptions) => processes(shell, asked ?? {}),
    },
    info: {
      usage: "info('<0.12.0>')",
      about: 'all properties of a process',
      run: (target: unknown) => {
        const info = node.processInfo(livePidOf(node, target)) as ProcessInfo;
        return present(info, ({ colour }) => properties(info, (value) => showLine(value, { colour })));
      },
    },
    registered: {
      usage: 'registered()',
      about: 'the registered names and their processes',
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
      about: 'the pid of a registered name',
      run: (name: unknown) => pidOf(node, name),
    },
    pid: {
      usage: "pid('<0.12.0>')",
      about: 'the pid of a text; all helpers accept the text in place of the pid',
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
      about: 'starts a process that survives the REPL',
      run: (body: (self: typeof shell.self) => unknown) => {
        if (typeof body !== 'function') throw new Fault('spawn(fn) needs a function');
        return self.spawn(shell.own(body));
      },
    },
    monitor: {
      usage: 'monitor(pid)',
      about: 'sends this REPL a Down when a process ends: flush() shows it',
      run: (target: unknown) => self.monitor(livePidOf(node, target)),
    },
    link: {
      usage: 'link(pid)',
      about: 'links this REPL with a process: its exit is printed, and it exits with the REPL',
      run: (target: unknown) => {
        self.link(livePidOf(node, target));
        return true;
      },
    },
    unlink: {
      usage: 'unlink(pid)',
      about: 'removes a link',
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
    replaceState: {
      usage: 'replaceState(server, (state) => ({...state, count: 0}))',
      about: 'gives a server the state that a function makes of its own',
      run: async (target: unknown, replace: (state: never) => unknown) => {
        if (typeof replace !== 'function')
          throw new Fault(
            'replaceState(server, fn) needs a function that takes the state and returns the new one',
          );
        return await sys.replaceState(node, livePidOf(node, target), shell.own(replace), options());
      },
    },
    getStatus: {
      usage: 'getStatus(server)',
      about: 'everything a server or supervisor reports about itself',
      run: (target: unknown) => sys.getStatus(node, livePidOf(node, target), options()),
    },
    suspend: {
      usage: 'suspend(server)',
      about: 'suspends a server: messages to it wait',
      run: async (target: unknown) => {
        await sys.suspend(node, livePidOf(node, target), options());
        return 'ok';
      },
    },
    resume: {
      usage: 'resume(server)',
      about: 'resumes a suspended server',
      run: async (target: unknown) => {
        await sys.resume(node, livePidOf(node, target), options());
        return 'ok';
      },
    },
  };
}

/** One process of `processes()`. */
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

function rowOf(process: Process): ProcessRow {
  const info = inspectProcess(process);
  const { pid, label, status, startedAt } = info;
  return {
    pid,
    name: info.registeredName,
    label,
    behaviour: info.currentBehaviour,
    status,
    mailbox: info.messageQueueLength,
    handled: info.messagesHandled,
    startedAt,
  };
}

function processes({ node }: Shell, { sort = 'pid', limit, match }: ProcessesOptions): readonly ProcessRow[] {
  const order = plainOrders.find((name) => name === sort);
  if (order === undefined) throw new Fault(`processes can be sorted by ${plainOrders.join(', ')}`);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
    throw new Fault('limit is a whole number');
  const asked = { sort: order, match, limit: limit ?? node.table.size };
  return presentRows(
    processPage(node, asked, Number.MAX_SAFE_INTEGER, rowOf).rows,
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

/** The properties of an object, one a line. */
export function properties(object: object, show: (value: unknown) => string): string {
  const entries = Object.entries(object);
  const width = Math.max(...entries.map(([name]) => name.length));
  const text = (value: unknown): string => {
    if (value === undefined) return '-';
    if (value instanceof Date) return value.toISOString();
    return typeof value === 'string' ? visible(value) : show(value);
  };
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${text(value)}`).join('\n');
}

/** An exit in one line, printed above the prompt. */
export function exitLine(from: Pid, reason: unknown): string {
  return `** (EXIT from ${from.toString()}) ${visible(formatReason(reason))}`;
}

// ---- other nodes ----

const PEER_COLUMNS: readonly Column[] = [
  { heading: 'NODE' },
  { heading: 'STATE' },
  { heading: 'KIND' },
  { heading: 'SINCE' },
  { heading: 'SENT', numeric: true },
  { heading: 'BYTES', numeric: true },
  { heading: 'RECEIVED', numeric: true },
  { heading: 'BYTES', numeric: true },
  { heading: 'QUEUED', numeric: true },
];

/** The helpers for other nodes. */
export function nodeHelpers({ node, peers }: Shell): Helpers {
  return {
    nodes: { usage: 'nodes()', about: 'the connected nodes', run: () => node.nodes() },
    peers: {
      usage: 'peers()',
      about: 'the connections with other nodes: messages and bytes each way, and queued bytes',
      run: () => {
        if (peers === undefined)
          throw new Fault(
            'this node has no connections to others; the notes application sets them up with TROUPE_NODE',
          );
        return presentRows(byName(peers()), PEER_COLUMNS, peerCells, 'no other nodes');
      },
    },
  };
}

function byName(peers: readonly PeerInfo[]): PeerInfo[] {
  return peers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function peerCells({ name, state, troupe, since, sent, received, queuedBytes }: PeerInfo): string[] {
  return [
    name,
    state,
    state === 'up' ? (troupe ? 'Troupe' : 'Erlang') : '',
    since.toISOString(),
    String(sent.messages),
    String(sent.bytes),
    String(received.messages),
    String(received.bytes),
    String(queuedBytes),
  ];
}

// ---- the supervision tree ----

/** The most children of one process that are drawn. */
const CHILDREN_DRAWN_MAX = 30;

/** The helper for the supervision tree. */
export function treeHelpers({ node }: Shell): Helpers {
  return {
    tree: {
      usage: 'tree()',
      about: 'the supervision tree, with all other processes below their parents',
      run: () => {
        const root = readTree(node);
        return present(root, (format) => drawTree(plainTree(root), format));
      },
    },
  };
}

/** Branches: before a child, before the last child, and below each of them. */
const BRANCHES = { unicode: ['├─ ', '└─ ', '│  ', '   '], ascii: ['|- ', '`- ', '|  ', '   '] } as const;

function plainTree(root: TreeNode): TreeRow {
  return { ...root, pid: root.pid?.toString(), children: root.children.map(plainTree) };
}

/** Draws a supervision tree. */
export function drawTree(root: TreeRow, format: TextFormat): string {
  const [branch, last, line, space] = format.unicode ? BRANCHES.unicode : BRANCHES.ascii;
  const lines: string[] = [];
  const draw = (node: TreeRow, before: string, below: string): void => {
    lines.push(drawLine(node, before, format));
    const shown = node.children.slice(0, CHILDREN_DRAWN_MAX);
    const more = node.childCount - shown.length;
    shown.forEach((child, index) => {
      const isLast = index === shown.length - 1 && more === 0;
      draw(child, below + (isLast ? last : branch), below + (isLast ? space : line));
    });
    if (more > 0) lines.push(`${below}${last}${format.unicode ? '…' : '...'} ${more} more`);
  };
  draw(root, '', '');
  return lines.join('\n');
}

function drawLine(node: TreeRow, before: string, format: TextFormat): string {
  const { pid, id, name, label, type, status, strategy } = node;
  const [called, ...more] = new Set([id, name, label].filter((text) => text !== undefined));
  const kind = type === 'supervisor' ? (strategy ?? 'supervisor') : undefined;
  const notes = [kind, status === 'running' ? undefined : status].filter((note) => note !== undefined);
  const parts = [called, pid?.toString(), ...more, notes.length === 0 ? undefined : `(${notes.join(', ')})`];
  const line = before + visible(parts.filter((part) => part !== undefined).join(' '));
  return format.columns > 0 ? cut(line, format.columns, format) : line;
}
