// Helpers that ask the inspector: of this node, or of the one that the client has named. They are all that a read-only REPL has, and
// what the command `troupe` calls.
import { setTimeout as delay } from 'node:timers/promises';
import { Pid } from '../../index.ts';
import {
  type Inspector,
  type LoadFigures,
  type ProcessDetail,
  type ProcessesOptions,
  type ProcessSummary,
  type Trace,
  type TraceEvent,
  type TraceOptions,
  type TraceTarget,
  inspectRemote,
  sequenceChart,
} from '../../inspect/index.ts';
import { PROCESS_SORTS } from '../../inspect/inspector.ts';
import { observerAddresses } from '../../inspect/observer-pages.ts';
import {
  type Column,
  cut,
  present,
  presentRows,
  showLine,
  textTable,
  tinted,
  type TextFormat,
  type Tint,
  toJson,
  visible,
} from '../show.ts';
import { Fault, type Helpers, type Shell } from '../shell.ts';
import { drawTree, properties } from './processes.ts';

/** Options of `top`. */
interface TopOptions extends ProcessesOptions {
  /** How many tables are shown; without it, until Ctrl-C at a terminal, and otherwise one. */
  readonly times?: number;
  /** Milliseconds between two. */
  readonly everyMs?: number;
}

/** Options of `trace`. */
interface TraceAsked extends TraceOptions {
  /** Shows a sequence chart at the end, as text for Mermaid. */
  readonly chart?: boolean;
}

const EVERY_MS = 1_000;
const TOP_ROWS = 20;
/** Limits of a watch: it is meant to run for long. */
const WATCH: TraceOptions = { limit: 100_000, perSecond: 1_000, forMs: 3_600_000, textMax: 1_000 };

const PROCESS_COLUMNS: readonly Column[] = [
  { heading: 'PID' },
  { heading: 'NAME' },
  { heading: 'LABEL' },
  { heading: 'STATUS', tint: statusTint },
  { heading: 'MAILBOX', numeric: true },
  { heading: 'OLDEST', numeric: true, tint: () => 'yellow' },
  { heading: 'HANDLED', numeric: true },
  { heading: 'MSG/S', numeric: true },
  { heading: 'BUSY', numeric: true, tint: (cell) => (parseFloat(cell) >= BUSY_PERCENT ? 'red' : undefined) },
];

/** From here on a process is busy enough to be looked at. */
const BUSY_PERCENT = 50;

function statusTint(status: string): Tint | undefined {
  if (status.startsWith('awaiting')) return 'yellow';
  return status === 'running' || status === 'runnable' ? 'green' : undefined;
}

/** The helpers that a REPL has for this. */
export function inspectHelpers(shell: Shell): Helpers {
  const { inspector } = shell;
  return {
    i: {
      usage: "i('<0.12.0>')",
      about: 'all processes with their figures; with a pid or name, everything about one',
      run: async (...args: unknown[]) =>
        args.length === 0 ? rowsOf(await inspector.processes()) : await one(shell, args[0]),
    },
    ps: {
      usage: "ps({sort: 'mailbox', limit: 10, match: 'repl'})",
      about: `the processes with their figures; sort by ${PROCESS_SORTS.join(', ')}`,
      run: async (options?: ProcessesOptions) => rowsOf(await inspector.processes(options)),
    },
    top: {
      usage: "top({sort: 'busy', limit: 20})",
      about: 'what the node is busy with, every second until Ctrl-C',
      run: (options?: TopOptions) => top(shell, options ?? {}),
    },
    load: {
      usage: 'load()',
      about: 'how busy the node is, and which handlers have blocked it',
      run: async () => {
        const load = await inspector.load();
        return presentFigures(load);
      },
    },
    channels: {
      usage: 'channels()',
      about: 'the channels, their members and how much is broadcast on them',
      run: async () =>
        presentRows(
          await inspector.channels(),
          [
            { heading: 'CHANNEL' },
            ...['MEMBERS', 'LOCAL', 'PUBLISHED', '/S', 'REACH'].map((heading) => ({
              heading,
              numeric: true,
            })),
          ],
          ({ channel, members, local, published, perSecond, lastReach }) => [
            channel,
            ...[members, local, published, Math.round(perSecond), lastReach].map(String),
          ],
          'no channels',
        ),
    },
    observer: {
      usage: 'observer()',
      about: 'the address of the page that shows this node',
      run: () => observer(shell),
    },
    trace: {
      usage: "trace('<0.12.0>', {limit: 10, chart: true})",
      about:
        'the messages of a process, or of a channel by {channel: name}, as they come; until Ctrl-C or a limit',
      run: (target: unknown, options?: TraceAsked) => traced(shell, target, options ?? {}),
    },
  };
}

const MOUNT =
  "no page observes this node: register troupe/observer in a Fastify application, `app.register(troupeObserver, { node, prefix: '/observer' })`";

/** Says where the page is that shows this node. */
function observer({ node }: Shell): readonly string[] {
  const addresses = observerAddresses(node);
  if (addresses.length === 0) throw new Fault(MOUNT);
  return present(addresses, () => addresses.map(visible).join('\n'));
}

/** The helpers of a REPL that only asks. */
export function questionHelpers(shell: Shell): Helpers {
  const { inspector } = shell;
  const helpers: Helpers = {
    ...inspectHelpers(shell),
    tree: {
      usage: 'tree()',
      about: 'the supervision tree, with all other processes below their parents',
      run: async () => {
        const root = await inspector.tree();
        return present(root, (format) => drawTree(root, format));
      },
    },
    scopes: {
      usage: 'scopes()',
      about: 'the pg scopes that run',
      run: async () =>
        presentRows(
          await inspector.scopes(),
          [{ heading: 'SCOPE' }, { heading: 'PID' }, { heading: 'GROUPS', numeric: true }],
          ({ scope, pid, groups }) => [scope, pid, String(groups)],
          'no scope runs',
        ),
    },
    groups: {
      usage: "groups('scope')",
      about: 'the groups of a scope and their members by node; of the channels when none is named',
      run: async (scope?: string) =>
        presentRows(
          await inspector.groups(scope),
          [
            { heading: 'GROUP' },
            { heading: 'MEMBERS', numeric: true },
            { heading: 'LOCAL', numeric: true },
            { heading: 'NODES' },
          ],
          ({ group, members, local, nodes }) => [
            group,
            String(members),
            String(local),
            Object.entries(nodes)
              .map(([node, count]) => `${node}: ${count}`)
              .join(', '),
          ],
          'no groups',
        ),
    },
    members: {
      usage: "members('group', 'scope')",
      about: 'the members of a group on all nodes',
      run: async (group: string, scope?: string) =>
        presentRows(
          await inspector.members(group, scope),
          [
            { heading: 'PID' },
            { heading: 'NODE' },
            { heading: 'JOINED', numeric: true },
            { heading: 'NAME' },
            { heading: 'LABEL' },
          ],
          ({ pid, node, count, name, label }) => [pid, node, String(count), name ?? '', label ?? ''],
          'no members',
        ),
    },
    nodes: {
      usage: 'nodes()',
      about: 'the node and those that it is connected with',
      run: async () =>
        presentRows(
          await inspector.nodes(),
          [
            { heading: 'NODE' },
            { heading: '' },
            { heading: 'LINKS', numeric: true },
            { heading: 'MONITORS', numeric: true },
          ],
          ({ node, self, links, monitors }) => [node, self ? 'asked' : '', String(links), String(monitors)],
          'no nodes',
        ),
    },
    peers: {
      usage: 'peers()',
      about: 'the connections with other nodes, and what waits for them',
      run: async () =>
        presentRows(
          await inspector.peers(),
          [
            { heading: 'NODE' },
            { heading: 'STATE' },
            { heading: 'SINCE' },
            ...['SENT', 'BYTES', 'RECEIVED', 'BYTES', 'QUEUED'].map((heading) => ({
              heading,
              numeric: true,
            })),
          ],
          ({ node, state, since, ...figures }) => [
            node,
            state,
            new Date(since).toISOString(),
            ...[
              figures.sentMessages,
              figures.sentBytes,
              figures.receivedMessages,
              figures.receivedBytes,
              figures.queuedBytes,
            ].map(String),
          ],
          'no other nodes',
        ),
    },
    watch: {
      usage: "watch('channel')",
      about: 'the messages of a channel as they come, until Ctrl-C',
      run: (channel: unknown) => traced(shell, { channel }, WATCH),
    },
  };
  return {
    help: {
      usage: 'help()',
      about: 'this list',
      run: () =>
        presentRows(
          Object.entries(helpers).map(([name, { usage, about }]) => ({ name, usage, about })),
          [{ heading: 'QUESTION' }, { heading: 'ANSWER' }],
          ({ usage, about }) => [usage, about],
          '',
        ),
    },
    ...helpers,
  };
}

async function one(shell: Shell, target: unknown): Promise<ProcessDetail> {
  const { inspector, named } = wherever(shell, target);
  return presentFigures(await inspector.process(textOf(named)));
}

/** Whom to ask for a process: its own node, where it has the pid that it has there. */
function wherever(
  { node, inspector }: Shell,
  target: unknown,
): { readonly inspector: Inspector; readonly named: unknown } {
  if (!(target instanceof Pid) || target.node === node.name) return { inspector, named: target };
  return { inspector: inspectRemote(node, target.node), named: `<0.${target.id}.${target.serial}>` };
}

/** Shows times as dates, and no more digits than anybody reads. */
function presentFigures<T extends object>(figures: T): T {
  return present(figures, ({ colour }) => {
    const shown = Object.entries(figures).map(([name, value]: [string, unknown]) => [
      name,
      TIMES.has(name) ? new Date(value as number) : rounded(value),
    ]);
    return properties(Object.fromEntries(shown) as object, (value) => showLine(value, { colour }));
  });
}

const TIMES: ReadonlySet<string> = new Set(['at', 'startedAt']);

function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1_000) / 1_000;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]: [string, unknown]) => [name, rounded(each)]),
  );
}

function rowsOf(rows: readonly ProcessSummary[]): readonly ProcessSummary[] {
  return presentRows(rows, PROCESS_COLUMNS, processCells, 'no process matches');
}

function processCells(row: ProcessSummary): string[] {
  const { pid, name, label, status, awaitingMs, mailbox, oldestMs, handled, handledPerSecond, busyShare } =
    row;
  const now = awaitingMs === undefined ? status : `${status} ${seconds(awaitingMs)}`;
  return [
    pid,
    name ?? '',
    label,
    now,
    String(mailbox),
    oldestMs === 0 ? '' : seconds(oldestMs),
    String(handled),
    String(Math.round(handledPerSecond)),
    `${(busyShare * 100).toFixed(1)}%`,
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)}s`;
}

/** Shows tables until the line is given up. @returns the rows of the last */
async function top(shell: Shell, { times, everyMs = EVERY_MS, ...options }: TopOptions): Promise<unknown> {
  const { inspector, interactive, json } = shell;
  const asked = { sort: 'busy', limit: TOP_ROWS, ...options } as const;
  const tables = times ?? (interactive ? Infinity : 1);
  const signal = shell.signal();
  await inspector.processes({ limit: 0 }); // begins to measure
  for (let shown = 1; ; shown++) {
    // oxlint-disable-next-line no-await-in-loop
    await delay(everyMs, undefined, { signal, ref: false });
    // oxlint-disable-next-line no-await-in-loop
    const [load, rows] = await Promise.all([inspector.load(), inspector.processes(asked)]);
    if (shown >= tables) {
      return present(rows, (format) => topTable(load, rows, format));
    }
    shell.announce((format) => {
      if (json) return toJson(rows);
      const table = topTable(load, rows, format);
      // A terminal shows each in the place of the one before.
      return interactive && format.columns > 0 ? `\u001B[H\u001B[2J${table}` : table;
    });
  }
}

function topTable(load: LoadFigures, rows: readonly ProcessSummary[], format: TextFormat): string {
  const line = format.columns > 0 ? cut(loadLine(load), format.columns, format) : loadLine(load);
  return `${line}\n${textTable(PROCESS_COLUMNS, rows.map(processCells), format)}`;
}

function loadLine({ node, processes, queued, busyShare, loop, memory }: LoadFigures): string {
  const parts = [
    `${processes} processes`,
    `${queued} queued`,
    `busy ${(busyShare * 100).toFixed(1)}%`,
    `loop late ${loop.p99Ms.toFixed(1)} ms (p99), ${loop.maxMs.toFixed(1)} ms (max)`,
    `${Math.round(memory.rss / 1_048_576)} MiB`,
  ];
  return `${node}: ${parts.join(', ')}`;
}

/** Prints the messages of a trace. @returns how it has ended, or a chart */
async function traced(
  shell: Shell,
  target: unknown,
  { chart = false, ...options }: TraceAsked,
): Promise<unknown> {
  const { inspector, named } = wherever(shell, target);
  const trace = await inspector.trace(traceTarget(named), options);
  const signal = shell.signal();
  const stop = (): void => {
    trace.stop();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    const events = await follow(shell, trace, chart);
    if (chart) return sequenceChart(events);
    const end = await trace.ended;
    return present(end, () => `${end.reason}: ${end.reported} messages, ${end.leftOut} left out`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function follow(shell: Shell, trace: Trace, keep: boolean): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  for await (const event of trace) {
    if (keep) events.push(event);
    shell.announce((format) => (shell.json ? toJson(event) : eventLine(event, format)));
  }
  return events;
}

const KIND_TINTS: Readonly<Record<TraceEvent['kind'], Tint | undefined>> = {
  message: undefined,
  call: 'cyan',
  cast: 'cyan',
  reply: 'green',
  broadcast: 'yellow',
  signal: 'red',
};

function eventLine({ at, direction, kind, from, to, text }: TraceEvent, format: TextFormat): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const way = direction === 'in' ? `${to ?? '?'} <- ${from ?? '?'}` : `${from ?? '?'} -> ${to ?? '?'}`;
  return `${time} ${visible(way)} ${tinted(kind, KIND_TINTS[kind], format)} ${visible(text)}`;
}

function traceTarget(target: unknown): TraceTarget {
  if (typeof target !== 'object' || target === null || !('channel' in target)) return textOf(target);
  const { channel } = target;
  const name: unknown =
    typeof channel === 'object' && channel !== null && 'name' in channel ? channel.name : channel;
  if (typeof name === 'string' && name !== '') return { channel: name };
  throw new Fault("name a channel by its string, such as 'notes'");
}

/** A process as the inspector takes it: the text of its pid, or its name. */
function textOf(target: unknown): string {
  if (typeof target === 'string') return target;
  const pid: unknown = typeof target === 'object' && target !== null && 'pid' in target ? target.pid : target;
  if (pid instanceof Pid) return pid.toString();
  throw new Fault("name a process by its pid, such as '<0.12.0>', or by its registered name");
}
