// The inspector of the own node. It reads the tables of the node, and asks nobody but a server for its state.
import { type ExitReason, type Node, pg, Pid, sys, TroupeError } from '../index.ts';
import { badArgument, checkInteger, checkOneOf } from '../options.ts';
import { inspectProcess } from '../process/info.ts';
import type { Process } from '../process/process.ts';
import { currentOf, groupText, processDetail, type ProcessDetail } from './details.ts';
import { CHANNEL_SCOPE, scopeNames, scopeRows } from './groups.ts';
import {
  type ChannelRow,
  type GroupSummary,
  type Inspector,
  type LoadFigures,
  type MemberRow,
  type NodeRow,
  type PeerRow,
  type ProcessesOptions,
  PROCESS_SORTS,
  type ProcessSort,
  type ProcessSummary,
  type ScopeSummary,
  type TraceTarget,
  type TreeRow,
} from './inspector.ts';
import { measure, type Measurement } from './measure.ts';
import { type Tracer, traceChannel, type TraceOptions, traceProcess, type TraceSink } from './trace.ts';
import { Trace } from './trace-stream.ts';
import { readTree, type TreeNode } from './tree.ts';

/** Options of {@link inspectNode}. */
export interface InspectOptions {
  /** Refuses what changes something. Default false. */
  readonly readOnly?: boolean;
}

const PROCESSES_DEFAULT = 1_000;
const PROCESSES_MAX = 100_000;
/** How many groups, members or channels are listed. */
const ROWS_MAX = 10_000;

/** Looks into the own node. */
export class LocalInspector implements Inspector {
  readonly #node: Node;
  readonly #readOnly: boolean;

  /** Use `inspectNode`. */
  constructor(node: Node, { readOnly = false }: InspectOptions) {
    this.#node = node;
    this.#readOnly = readOnly;
  }

  get node(): string {
    return this.#node.name;
  }

  // oxlint-disable-next-line require-await
  async nodes(): Promise<NodeRow[]> {
    const { router, origin, name } = this.#node;
    const self = { node: name, self: true, creation: origin.creation, links: 0, monitors: 0 };
    const others = router.connected().map((node) => {
      const peer = router.connectedPeer(node);
      return {
        node,
        self: false,
        creation: peer?.creation ?? 0,
        links: peer?.links.size ?? 0,
        monitors: (peer?.incoming.size ?? 0) + (peer?.outgoing.size ?? 0),
      };
    });
    return [self, ...others.toSorted(by(({ node }) => node))];
  }

  // oxlint-disable-next-line require-await
  async peers(): Promise<PeerRow[]> {
    return this.#node.router
      .carrierPeers()
      .map(({ name, state, since, sent, received, queuedBytes }) => ({
        node: name,
        state,
        since: since.getTime(),
        sentMessages: sent.messages,
        sentBytes: sent.bytes,
        receivedMessages: received.messages,
        receivedBytes: received.bytes,
        queuedBytes,
      }))
      .toSorted(by(({ node }) => node));
  }

  // oxlint-disable-next-line require-await
  async processes(options: ProcessesOptions = {}): Promise<ProcessSummary[]> {
    const { sort = 'pid', limit = PROCESSES_DEFAULT, match } = options;
    checkOneOf('sort', sort, PROCESS_SORTS);
    checkInteger('limit', limit, 0, PROCESSES_MAX);
    if (match !== undefined && typeof match !== 'string') throw badArgument('match is a text.');
    const measurement = measure(this.#node);
    const rows: Array<{ process: Process; row: ProcessSummary }> = [];
    for (const process of this.#node.table.all()) {
      if (match === undefined || matches(process, match)) {
        rows.push({ process, row: summaryOf(this.#node, process, measurement) });
      }
    }
    const order = ORDERS[sort];
    return rows
      .toSorted((a, b) => order(a.row, b.row) || byPid(a.process.pid, b.process.pid))
      .slice(0, limit)
      .map(({ row }) => row);
  }

  async process(target: string): Promise<ProcessDetail> {
    return await processDetail(this.#node, this.#live(target), measure(this.#node));
  }

  // oxlint-disable-next-line require-await
  async tree(): Promise<TreeRow> {
    let left = PROCESSES_MAX;
    const plain = ({ pid, id, name, label, type, status, strategy, children }: TreeNode): TreeRow => {
      left--;
      const shown: TreeRow[] = [];
      for (const child of children) if (left > 0) shown.push(plain(child));
      return { pid: pid?.toString(), id, name, label, type, status, strategy, children: shown };
    };
    return plain(readTree(this.#node));
  }

  // oxlint-disable-next-line require-await
  async scopes(): Promise<ScopeSummary[]> {
    return scopeRows(this.#node).map(({ scope, pid, groups }) => ({ scope, pid: pid.toString(), groups }));
  }

  // oxlint-disable-next-line require-await
  async groups(scope = CHANNEL_SCOPE): Promise<GroupSummary[]> {
    return this.#groupsOf(scope)
      .slice(0, ROWS_MAX)
      .map((group) => this.#group(scope, group))
      .toSorted(by(({ group }) => group));
  }

  // oxlint-disable-next-line require-await
  async members(group: string, scope = CHANNEL_SCOPE): Promise<MemberRow[]> {
    const groups = this.#groupsOf(scope);
    const found =
      pg.getMembers(this.#node, scope, group).length > 0
        ? group
        : groups.find((name) => groupText(name) === group);
    if (found === undefined) return [];
    const rows = new Map<string, MemberRow>();
    for (const pid of pg.getMembers(this.#node, scope, found)) {
      const text = pid.toString();
      const known = rows.get(text);
      if (known === undefined && rows.size === ROWS_MAX) break;
      const process = this.#node.find(pid);
      rows.set(text, {
        pid: text,
        node: pid.node,
        count: (known?.count ?? 0) + 1,
        name: process?.extra?.name,
        label: process?.label,
      });
    }
    return [...rows.values()];
  }

  // oxlint-disable-next-line require-await
  async channels(): Promise<ChannelRow[]> {
    const measurement = measure(this.#node);
    const joined = this.#groupsOf(CHANNEL_SCOPE).filter((group) => typeof group === 'string');
    const names = new Set([...joined, ...measurement.channelNames()]);
    return [...names]
      .slice(0, ROWS_MAX)
      .map((channel) => ({
        channel,
        members: pg.getMembers(this.#node, CHANNEL_SCOPE, channel).length,
        local: pg.getLocalMembers(this.#node, CHANNEL_SCOPE, channel).length,
        ...measurement.channelFigures(channel),
      }))
      .toSorted(by(({ channel }) => channel));
  }

  // oxlint-disable-next-line require-await
  async load(): Promise<LoadFigures> {
    const node = this.#node;
    const measurement = measure(node);
    const { rss, heapUsed } = process.memoryUsage();
    return {
      node: node.name,
      at: node.clock.wallTime(),
      startedAt: node.startedAt,
      processes: node.table.size,
      queued: node.scheduler.length,
      turns: node.scheduler.turns,
      memory: { rss, heapUsed },
      measuredMs: measurement.forMs,
      ...measurement.loadFigures(),
      blocked: [...measurement.blocked],
    };
  }

  // oxlint-disable-next-line require-await
  async trace(target: TraceTarget, options: TraceOptions = {}): Promise<Trace> {
    const trace = new Trace();
    const tracer = this.startTrace(target, options, trace);
    trace.onStop(() => {
      tracer.end('stopped');
    });
    return trace;
  }

  /** As `trace`, with what gets the messages. @returns what ends it */
  startTrace(target: TraceTarget, options: TraceOptions, sink: TraceSink): Tracer {
    if (typeof target === 'string') return traceProcess(this.#node, this.#live(target), options, sink);
    const { channel } = Object(target) as { readonly channel?: unknown };
    if (typeof channel !== 'string' || channel === '') throw badArgument('A channel is named by a text.');
    return traceChannel(this.#node, channel, options, sink);
  }

  // oxlint-disable-next-line require-await
  async exit(target: string, reason: ExitReason): Promise<void> {
    this.#checkAllowed('exit');
    this.#node.exit(this.#live(target).pid, reason);
  }

  // oxlint-disable-next-line require-await
  async send(target: string, message: unknown): Promise<void> {
    this.#checkAllowed('send');
    this.#node.send(this.#live(target).pid, message);
  }

  async suspend(target: string): Promise<void> {
    this.#checkAllowed('suspend');
    await sys.suspend(this.#node, this.#live(target).pid);
  }

  async resume(target: string): Promise<void> {
    this.#checkAllowed('resume');
    await sys.resume(this.#node, this.#live(target).pid);
  }

  #checkAllowed(what: string): void {
    if (this.#readOnly) throw notAllowed(what, this.node);
  }

  /** The groups of a scope; the scope of channels starts with its first use. */
  #groupsOf(scope: string): readonly unknown[] {
    if (scopeNames(this.#node).includes(scope)) return pg.whichGroups(this.#node, scope);
    if (scope === CHANNEL_SCOPE) return [];
    throw new TroupeError('TROUPE_NO_SCOPE', `No pg scope '${scope}' runs on ${this.node}.`);
  }

  #group(scope: string, group: unknown): GroupSummary {
    const nodes: Record<string, number> = Object.create(null) as Record<string, number>;
    const pids = pg.getMembers(this.#node, scope, group);
    for (const { node } of pids) nodes[node] = (nodes[node] ?? 0) + 1;
    return { group: groupText(group), members: pids.length, local: nodes[this.node] ?? 0, nodes };
  }

  #live(target: string | Pid): Process {
    const process = this.#node.find(this.#pid(target));
    if (process !== null) return process;
    throw new TroupeError('TROUPE_NOPROC', `No process ${String(target)} is alive on ${this.node}.`);
  }

  #pid(target: string | Pid): Pid {
    if (target instanceof Pid) return target;
    if (typeof target !== 'string')
      throw badArgument('A process is named by its pid or by its registered name.');
    const named = this.#node.whereis(target);
    if (named !== undefined) return named;
    if (target.startsWith('<')) return this.#node.pid(target);
    throw new TroupeError('TROUPE_NOPROC', `No process is registered as '${target}' on ${this.node}.`);
  }
}

/** The error of what a read-only inspector is asked to change. */
function notAllowed(what: string, node: string): TroupeError {
  return new TroupeError('TROUPE_NOT_ALLOWED', `${what} is not allowed on ${node}.`, { reason: 'read_only' });
}

function summaryOf(node: Node, process: Process, measurement: Measurement): ProcessSummary {
  const info = inspectProcess(process);
  return {
    pid: info.pid.toString(),
    name: info.registeredName,
    label: info.label,
    behaviour: info.currentBehaviour,
    status: info.status,
    mailbox: info.messageQueueLength,
    handled: info.messagesHandled,
    startedAt: info.startedAt.getTime(),
    awaitingMs: currentOf(node, process)?.forMs,
    ...measurement.processFigures(process),
  };
}

function matches(process: Process, text: string): boolean {
  const { extra, label, behaviour } = process;
  return [extra?.name ?? '', label, behaviour.name].some((each) => each.includes(text));
}

type Order = (a: ProcessSummary, b: ProcessSummary) => number;

const ORDERS: Readonly<Record<ProcessSort, Order>> = {
  pid: () => 0,
  name: (a, b) => Number(a.name === undefined) - Number(b.name === undefined) || compare(a.name, b.name),
  label: (a, b) => compare(a.label, b.label),
  mailbox: (a, b) => b.mailbox - a.mailbox,
  handled: (a, b) => b.handled - a.handled,
  age: (a, b) => a.startedAt - b.startedAt,
  busy: (a, b) => b.busyShare - a.busyShare || b.busyMs - a.busyMs,
  oldest: (a, b) => b.oldestMs - a.oldestMs || b.mailbox - a.mailbox,
  rate: (a, b) => b.handledPerSecond - a.handledPerSecond,
};

function byPid(a: Pid, b: Pid): number {
  return a.serial - b.serial || a.id - b.id;
}

function by<T>(key: (row: T) => string): (a: T, b: T) => number {
  return (a, b) => compare(key(a), key(b));
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : Number(a > b);
}
