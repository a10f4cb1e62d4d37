// What can be asked about a node, the same for the own one and for another.
//
// All answers are plain data that JSON keeps: a pid is its text as the inspected node prints it, a time is milliseconds since 1970, a
// value of the program is text that may be cut. Lists are bounded. What is measured only while somebody looks is measured for
// ten seconds after the last question that needs it; the first answer has no rates yet.
import type { ExitReason, NodeStatistics } from '../index.ts';
import type { ProcessDetail } from './details.ts';
import type { BlockedRow, LoadPoint } from './measure.ts';
import type { TraceOptions } from './trace.ts';
import type { Trace } from './trace-stream.ts';

/** A node: the one that is asked, and those that it is connected with. */
export interface NodeRow {
  readonly node: string;
  /** True for the one that is asked. */
  readonly self: boolean;
  /** Its incarnation. */
  readonly creation: number;
  /** Links between its processes and those of the node that is asked. */
  readonly links: number;
  /** What waits there for the end of processes here, and here for the end of processes there: monitors and calls. */
  readonly monitors: number;
}

/** A connection with another node, or one that is being made, as its carrier counts. */
export interface PeerRow {
  readonly node: string;
  readonly state: 'connecting' | 'up';
  readonly since: number;
  readonly sentMessages: number;
  readonly sentBytes: number;
  readonly receivedMessages: number;
  readonly receivedBytes: number;
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
}

/** What processes are sorted by: `pid`, `name`, `label` and `age` ascending, all others with the highest first. */
export type ProcessSort = (typeof PROCESS_SORTS)[number];

/** All ways to sort processes. */
export const PROCESS_SORTS = [
  'pid',
  'name',
  'label',
  'mailbox',
  'handled',
  'age',
  'busy',
  'oldest',
  'rate',
] as const;

/** A part of a sorted list. */
export interface PageOptions {
  /** How many rows are left out before it. Default 0. */
  readonly first?: number;
  /** How many rows it has at most. Default 1,000; at most 100,000 processes, 10,000 groups or channels. */
  readonly limit?: number;
  /** Lists only what contains this: of processes their name, label or behaviour, of groups and channels their name. */
  readonly match?: string;
}

/** A part of a sorted list. What it leaves out was not made: it costs one pass over the list and its own rows. */
export interface Page<Row> {
  /** How many rows are left out before it. */
  readonly first: number;
  /** How many rows the whole list has. */
  readonly total: number;
  readonly rows: readonly Row[];
}

/** Which processes are listed, and in which order. */
export interface ProcessesOptions extends PageOptions {
  /** Default `pid`. */
  readonly sort?: ProcessSort;
  /** The other way round. Default false. */
  readonly reverse?: boolean;
}

/** Which groups are listed. */
export interface GroupsOptions extends PageOptions {
  /** The scope; that of the channels by default. */
  readonly scope?: string;
}

/** How much of the supervision tree is listed. */
export interface TreeOptions {
  /**
   * The pids, as text, of the processes whose children are listed, at most 10,000; `init` is always one. All processes by default. A pid
   * that is not alive is none.
   */
  readonly open?: readonly string[];
  /** How many rows are listed at most, those deep in the tree before the next ones beside it. Default and most 100,000. */
  readonly limit?: number;
}

/** A process in a list. */
export interface ProcessSummary {
  readonly pid: string;
  readonly name: string | undefined;
  readonly label: string;
  readonly behaviour: string;
  readonly status: ProcessDetail['status'];
  /** Messages that wait. They are shared by reference, so this is also what the mailbox holds in memory. */
  readonly mailbox: number;
  /** Messages handled since the start. */
  readonly handled: number;
  readonly startedAt: number;
  /** For how long it awaits a promise of its own code, in milliseconds, as `current` of the process has it; undefined when it does not. */
  readonly awaitingMs: number | undefined;
  /** How long its oldest message has waited at least, in milliseconds, as far as it has been measured. */
  readonly oldestMs: number;
  /** Time in its handlers while the node was measured, in milliseconds; without what runs after an `await`. */
  readonly busyMs: number;
  /** The longest run of these, in milliseconds. */
  readonly longestMs: number;
  /** The part of the last one or two seconds that its handlers took, 0 to 1. */
  readonly busyShare: number;
  readonly handledPerSecond: number;
}

/** A process in the supervision tree, or a child that does not run. */
export interface TreeRow {
  readonly pid: string | undefined;
  /** Its id in its supervisor. */
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly type: string;
  readonly status: string;
  readonly strategy: string | undefined;
  /** How many children it has, listed or not. */
  readonly childCount: number;
  /** Those that are listed. */
  readonly children: readonly TreeRow[];
}

/** A line of the supervision tree as a list. */
export interface TreeLine extends Omit<TreeRow, 'children'> {
  /** Tells it from all others: its pid, or for a child that does not run the pid of its supervisor and its id. */
  readonly key: string;
  /** 0 for the root. */
  readonly depth: number;
  /** Whether its children are lines, if it has any. */
  readonly open: boolean;
}

/** Which part of the supervision tree is listed as lines. */
export interface TreePageOptions extends Omit<PageOptions, 'match'> {
  /** The pids, as text, of the processes whose children are lines, at most 10,000; `init` is always one. Default none. */
  readonly open?: readonly string[];
}

/** A pg scope. */
export interface ScopeSummary {
  readonly scope: string;
  readonly pid: string;
  readonly groups: number;
}

/** A group. */
export interface GroupSummary {
  /** Its name, as text where it is not a string. */
  readonly group: string;
  /** Members on all nodes, each as often as it has joined. */
  readonly members: number;
  /** Members on the node that is asked. */
  readonly local: number;
  /** Members by node. */
  readonly nodes: Readonly<Record<string, number>>;
}

/** A member of a group. */
export interface MemberRow {
  readonly pid: string;
  readonly node: string;
  /** How often it has joined. */
  readonly count: number;
  /** Of a member on the node that is asked. */
  readonly name: string | undefined;
  readonly label: string | undefined;
}

/** A channel that has members, or on which something was broadcast lately. */
export interface ChannelRow {
  readonly channel: string;
  readonly members: number;
  readonly local: number;
  /** Broadcasts that were made here or reached members here, while the node was measured. */
  readonly published: number;
  /** The same in one second, over the last one or two. */
  readonly perSecond: number;
  /** Messages that were put into mailboxes of this node by them. */
  readonly delivered: number;
  /** How many members the last one reached, as far as this node knows. */
  readonly lastReach: number;
}

/** How busy a node is: what `nodeStatistics` counts, and what is measured while somebody looks. */
export interface LoadFigures extends Omit<NodeStatistics, 'runQueue'> {
  readonly node: string;
  readonly at: number;
  readonly startedAt: number;
  /** What stands in the run queue: processes with something to do, and answers that callers wait for. */
  readonly queued: number;
  /** Turns of the scheduler in one second. */
  readonly turnsPerSecond: number;
  /** The part of the last one or two seconds that processes ran, 0 to 1. */
  readonly busyShare: number;
  /** Of the operating system's process, in bytes. */
  readonly memory: { readonly rss: number; readonly heapUsed: number };
  /** For how long the node has been measured, in milliseconds. */
  readonly measuredMs: number;
  /** The event loop while the node was measured: how busy it was, 0 to 1, and how late it came back, in milliseconds. */
  readonly loop: {
    readonly utilisation: number;
    readonly meanMs: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  };
  /** The last 32 handlers that ran for 20 milliseconds or longer without giving way, the oldest first. */
  readonly blocked: readonly BlockedRow[];
}

/** What is traced: a process by its pid, the text of one or its name, or a channel. */
export type TraceTarget = string | { readonly channel: string };

/**
 * Looks into a node. Every function is a question that is answered at once, but for `process`, which waits up to a second for the
 * state of a busy server.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for options that are not as documented, TROUPE_NOPROC for a process that is not alive,
 * TROUPE_NO_SCOPE; about another node also as a call to it fails.
 */
export interface Inspector {
  /** The node that is inspected. */
  readonly node: string;
  nodes(): Promise<NodeRow[]>;
  peers(): Promise<PeerRow[]>;
  processes(options?: ProcessesOptions): Promise<ProcessSummary[]>;
  /** As `processes`, with how many there are in all. */
  processPage(options?: ProcessesOptions): Promise<Page<ProcessSummary>>;
  /** One process, by its pid, the text of one, or its name. */
  process(target: string): Promise<ProcessDetail>;
  /** The supervision tree, with all other processes below those that spawned them; at most 1,000 levels of it. */
  tree(options?: TreeOptions): Promise<TreeRow>;
  /** The supervision tree as a list, each process before its children: a part of it. */
  treePage(options?: TreePageOptions): Promise<Page<TreeLine>>;
  scopes(): Promise<ScopeSummary[]>;
  /** The groups of a scope, sorted by name; of that of the channels when none is named. At most 10,000. */
  groups(scope?: string): Promise<GroupSummary[]>;
  /** As `groups`, with how many there are in all. */
  groupPage(options?: GroupsOptions): Promise<Page<GroupSummary>>;
  /** The members of a group; none when it has none. At most 10,000. */
  members(group: string, scope?: string): Promise<MemberRow[]>;
  /** The channels, sorted by name; at most 10,000. */
  channels(): Promise<ChannelRow[]>;
  /** As `channels`, with how many there are in all. */
  channelPage(options?: PageOptions): Promise<Page<ChannelRow>>;
  load(): Promise<LoadFigures>;
  /**
   * The last seconds, at most 300, the oldest first: those that the node has been measured for. It is, for a minute after this was asked
   * last.
   * @param since leaves out what ended until then, in milliseconds since 1970
   */
  loadHistory(since?: number): Promise<LoadPoint[]>;
  /** Begins to trace. Every trace ends; see {@link TraceOptions}. */
  trace(target: TraceTarget, options?: TraceOptions): Promise<Trace>;

  // ---- what changes something: TROUPE_NOT_ALLOWED unless it is allowed ----

  /** Sends an exit signal. See `erlang:exit/2`. */
  exit(target: string, reason: ExitReason): Promise<void>;
  /** Sends a message. */
  send(target: string, message: unknown): Promise<void>;
  /** See `sys:suspend/1`. */
  suspend(target: string): Promise<void>;
  /** See `sys:resume/1`. */
  resume(target: string): Promise<void>;
}
