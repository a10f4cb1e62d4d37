// The inspector of the own node. It reads the tables of the node, and asks nobody but a server for its state.
import { type ExitReason, type Node, nodeStatistics, pg, Pid, sys, TroupeError } from '../index.ts';
import { badArgument, checkInteger, checkNumber } from '../errors.ts';
import { inspectProcess } from '../process/info.ts';
import type { Process } from '../process/process.ts';
import { currentOf, groupText, processDetail, type ProcessDetail } from './details.ts';
import { CHANNEL_SCOPE, scopeNames, scopeRows } from './groups.ts';
import type {
  ChannelRow,
  GroupsOptions,
  GroupSummary,
  Inspector,
  LoadFigures,
  MemberRow,
  NodeRow,
  Page,
  PageOptions,
  PeerRow,
  ProcessesOptions,
  ProcessSummary,
  ScopeSummary,
  TraceTarget,
  TreeLine,
  TreeOptions,
  TreePageOptions,
  TreeRow,
} from './inspector.ts';
import { type LoadPoint, measure, type Measurement, secondsOf } from './measure.ts';
import { compareTexts, pageOf } from './page.ts';
import { processPage } from './processes.ts';
import { type Tracer, traceChannel, type TraceOptions, traceProcess, type TraceSink } from './trace.ts';
import { Trace } from './trace-stream.ts';
import { readLines, readTree, type TreeNode } from './tree.ts';

/** Options of {@link inspectNode}. */
export interface InspectOptions {
  /** Refuses what changes something. Default false. */
  readonly readOnly?: boolean;
}

/** How many processes are listed. */
const PROCESSES_MAX = 100_000;
const PAGE_DEFAULT = 1_000;
/** How many processes of a tree can be open. */
const OPEN_MAX = 10_000;
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

  async processes(options?: ProcessesOptions): Promise<ProcessSummary[]> {
    return [...(await this.processPage(options)).rows];
  }

  // oxlint-disable-next-line require-await
  async processPage(options: ProcessesOptions = {}): Promise<Page<ProcessSummary>> {
    checkMatch(options);
    const measurement = measure(this.#node);
    return processPage(this.#node, options, PROCESSES_MAX, (process) =>
      summaryOf(this.#node, process, measurement),
    );
  }

  async process(target: string): Promise<ProcessDetail> {
    return await processDetail(this.#node, this.#live(target), measure(this.#node));
  }

  // oxlint-disable-next-line require-await
  async tree({ open, limit = PROCESSES_MAX }: TreeOptions = {}): Promise<TreeRow> {
    checkInteger('limit', limit, 1, PROCESSES_MAX);
    return plainTree(readTree(this.#node, { open: open && this.#openPids(open), limit }));
  }

  // oxlint-disable-next-line require-await
  async treePage({ open = [], first = 0, limit = PAGE_DEFAULT }: TreePageOptions = {}): Promise<
    Page<TreeLine>
  > {
    checkInteger('first', first, 0);
    checkInteger('limit', limit, 0, PROCESSES_MAX);
    const { total, lines } = readLines(this.#node, this.#openPids(open), first, limit);
    return { first, total, rows: lines.map((line) => ({ ...line, pid: line.pid?.toString() })) };
  }

  // oxlint-disable-next-line require-await
  async scopes(): Promise<ScopeSummary[]> {
    return scopeRows(this.#node).map(({ scope, pid, groups }) => ({ scope, pid: pid.toString(), groups }));
  }

  async groups(scope = CHANNEL_SCOPE): Promise<GroupSummary[]> {
    return [...(await this.groupPage({ scope, limit: ROWS_MAX })).rows];
  }

  // oxlint-disable-next-line require-await
  async groupPage({ scope = CHANNEL_SCOPE, ...page }: GroupsOptions = {}): Promise<Page<GroupSummary>> {
    const groups = this.#groupsOf(scope).map((group) => ({ group, text: groupText(group) }));
    return this.#namedPage(groups, page, ({ group }) => this.#group(scope, group));
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

  async channels(): Promise<ChannelRow[]> {
    return [...(await this.channelPage({ limit: ROWS_MAX })).rows];
  }

  // oxlint-disable-next-line require-await
  async channelPage(page: PageOptions = {}): Promise<Page<ChannelRow>> {
    const measurement = measure(this.#node);
    const joined = this.#groupsOf(CHANNEL_SCOPE).filter((group) => typeof group === 'string');
    const names = new Set([...joined, ...measurement.channelNames()]);
    return this.#namedPage(
      Array.from(names, (text) => ({ text })),
      page,
      ({ text: channel }) => ({
        channel,
        members: pg.getMembers(this.#node, CHANNEL_SCOPE, channel).length,
        local: pg.getLocalMembers(this.#node, CHANNEL_SCOPE, channel).length,
        ...measurement.channelFigures(channel),
      }),
    );
  }

  // oxlint-disable-next-line require-await
  async load(): Promise<LoadFigures> {
    const node = this.#node;
    const measurement = measure(node);
    const { rss, heapUsed } = process.memoryUsage();
    const { runQueue: queued, ...counts } = nodeStatistics(node);
    return {
      node: node.name,
      at: node.clock.wallTime(),
      startedAt: node.startedAt,
      ...counts,
      queued,
      memory: { rss, heapUsed },
      measuredMs: measurement.forMs,
      ...measurement.loadFigures(),
      blocked: [...measurement.blocked],
    };
  }

  // oxlint-disable-next-line require-await
  async loadHistory(since = 0): Promise<LoadPoint[]> {
    checkNumber('since', since, 0, Number.MAX_SAFE_INTEGER);
    return secondsOf(this.#node, since);
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

  /** A page of what has a name, sorted by it. */
  #namedPage<Named extends { readonly text: string }, Row>(
    all: Named[],
    page: PageOptions,
    row: (named: Named) => Row,
  ): Page<Row> {
    checkMatch(page);
    const { match } = page;
    const found = match === undefined ? all : all.filter(({ text }) => text.includes(match));
    return pageOf(found, (a, b) => compareTexts(a.text, b.text), page, ROWS_MAX, row);
  }

  #live(target: string | Pid): Process {
    const process = this.#node.find(this.#pid(target)) ?? this.#own(target);
    if (process !== null) return process;
    throw new TroupeError('TROUPE_NOPROC', `No process ${String(target)} is alive on ${this.node}.`);
  }

  #openPids(open: readonly string[]): Pid[] {
    if (!Array.isArray(open) || open.length > OPEN_MAX)
      throw badArgument(`open lists at most ${OPEN_MAX} pids.`);
    return open.map((text) => this.#node.pid(String(text)));
  }

  /** Who asks from another node writes 0 for this one, which is the first of its program nearly always. */
  #own(target: string | Pid): Process | null {
    const [, id, serial] = /^<0\.(\d+)\.(\d+)>$/.exec(String(target)) ?? [];
    return serial === undefined ? null : this.#node.table.find(Number(id), Number(serial));
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

function checkMatch({ match }: PageOptions): void {
  if (match !== undefined && typeof match !== 'string') throw badArgument('match is a text.');
}

/** Spelled out: rest and spread take ten times as long. */
function plainTree({
  pid,
  id,
  name,
  label,
  type,
  status,
  strategy,
  childCount,
  children,
}: TreeNode): TreeRow {
  const below = children.map(plainTree);
  return { pid: pid?.toString(), id, name, label, type, status, strategy, childCount, children: below };
}

function by<T>(key: (row: T) => string): (a: T, b: T) => number {
  return (a, b) => compareTexts(key(a), key(b));
}
