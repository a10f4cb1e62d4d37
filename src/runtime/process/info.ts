/**
 * What can be seen from outside: of one process, as `erlang:process_info/2` shows it; of a node, as `erlang:statistics/1` and
 * `erlang:system_info/1` do for a BEAM node; and, through the tap, calls and broadcasts as they happen.
 *
 * Everything is read when it is asked for; a process costs nothing until someone asks about it. The figures of a node take one pass over the
 * processes, without an allocation for each: about a millisecond for 100,000 processes.
 *
 * A node has no tap while nobody looks. A broadcast then costs one comparison more, and so does a call whose caller is a process. The
 * rest needs no tap: `inspect/` overrides methods of the one object that it looks at, the scheduler or a traced process, so that
 * a message between two others costs nothing.
 */
import type { Destination } from './destination.ts';
import type { MonitorTarget } from './messages.ts';
import { Monitor, RemoteMonitor } from './monitor.ts';
import type { Node } from './node.ts';
import type { Process } from './process.ts';
import { AWAITING, IDLE, RECEIVING, RUNNING, TRAP_EXIT } from './state.ts';
import type { Pid } from '../terms/identifiers.ts';

/** A snapshot of a live process. */
export interface ProcessInfo {
  readonly pid: Pid;
  readonly registeredName: string | undefined;
  /** The label, or what the process was spawned from when it has none. */
  readonly label: string;
  /** What the process was spawned from: a behaviour's or function's name. */
  readonly initialCall: string;
  /** The behaviour that handles its messages; `function` for one that runs a function. */
  readonly currentBehaviour: string;
  /** `waiting` for a message, `runnable`, `running`, or `awaiting` a promise of its own code. */
  readonly status: 'waiting' | 'runnable' | 'running' | 'awaiting';
  /** Number of messages in the mailbox; messages are shared by reference, so this is also its memory. */
  readonly messageQueueLength: number;
  /** Messages taken from the mailbox since the start. */
  readonly messagesHandled: number;
  /** Messages that the bound of the mailbox dropped. */
  readonly messagesDropped: number;
  readonly links: readonly Pid[];
  /** What this process monitors. */
  readonly monitors: readonly MonitorTarget[];
  /** The processes that monitor this one. Calls that wait for it are not listed. */
  readonly monitoredBy: readonly Pid[];
  readonly trapExit: boolean;
  /** The process that spawned it; undefined when it was spawned from outside of any process. */
  readonly parent: Pid | undefined;
  /**
   * Where its output goes, when it was spawned by another node or one has said so; undefined for all others. See
   * `erlang:group_leader/0`.
   */
  readonly groupLeader: Pid | undefined;
  /** When it was spawned. */
  readonly startedAt: Date;
}

/** @internal Looks at a live process. */
export function inspectProcess(process: Process): ProcessInfo {
  const { extra, node } = process;
  const monitors: MonitorTarget[] = [];
  for (let monitor = process.monitors; monitor !== null; monitor = monitor.ownNext)
    monitors.push(monitor.target);
  const monitoredBy: Pid[] = [];
  for (let watch = process.watchers; watch !== null; watch = watch.watchNext) {
    if (watch instanceof Monitor) monitoredBy.push(watch.owner.pid);
    else if (watch instanceof RemoteMonitor) monitoredBy.push(watch.from);
  }
  const remoteLinks = [...(extra?.remoteLinks?.values() ?? [])].filter((link) => link.active);
  return {
    pid: process.pid,
    registeredName: extra?.name,
    label: process.label,
    initialCall: process.initialCall,
    currentBehaviour: process.behaviour.name,
    status: statusOf(process),
    messageQueueLength: process.mailboxLength,
    messagesHandled: process.handled,
    messagesDropped: extra?.dropped ?? 0,
    links: [...(process.links ?? []), ...remoteLinks.map((link) => link.remote)],
    monitors: monitors.toReversed(),
    monitoredBy: monitoredBy.toReversed(),
    trapExit: (process.flags & TRAP_EXIT) !== 0,
    parent: process.parent ?? undefined,
    groupLeader: extra?.groupLeader,
    startedAt: new Date(node.startedAt + process.bornMs),
  };
}

function statusOf(process: Process): ProcessInfo['status'] {
  switch (process.status) {
    case IDLE:
    case RECEIVING:
      return 'waiting';
    case RUNNING:
      return 'running';
    case AWAITING:
      return 'awaiting';
    default:
      return 'runnable';
  }
}

// ---- the figures of a node ----

/** The figures of a node at one moment. */
export interface NodeStatistics {
  /** Live processes. See `erlang:system_info(process_count)`. */
  readonly processes: number;
  /** The most processes that may be alive. See `erlang:system_info(process_limit)`. */
  readonly processLimit: number;
  /** Processes that wait for a promise of their own code. */
  readonly awaiting: number;
  /** What stands in the run queue: processes with something to do, and answers that callers wait for. See `erlang:statistics(run_queue)`. */
  readonly runQueue: number;
  /** Turns that the scheduler has taken since the node started. */
  readonly turns: number;
  /** Messages handled since the node started, by processes that have ended too. An answer to a call counts as one. */
  readonly messagesHandled: number;
  /** Messages in all mailboxes together. */
  readonly messagesWaiting: number;
  /** The length of the longest mailbox. */
  readonly longestMailbox: number;
}

/** Reads the figures of a node. */
export function nodeStatistics(node: Node): NodeStatistics {
  const { scheduler, table } = node;
  let awaiting = 0;
  let messagesWaiting = 0;
  let longestMailbox = 0;
  table.forEach((process) => {
    const length = process.mailboxLength;
    if (process.status === AWAITING) awaiting++;
    messagesWaiting += length;
    if (length > longestMailbox) longestMailbox = length;
  });
  return {
    processes: table.size,
    processLimit: table.max,
    awaiting,
    runQueue: scheduler.length,
    turns: scheduler.turns,
    messagesHandled: scheduler.handled,
    messagesWaiting,
    longestMailbox,
  };
}

// ---- the tap ----

/** @internal A call that a process makes, as far as a trace looks at it. */
export interface TracedCall {
  readonly to: Destination;
  readonly name: string;
  readonly argument: unknown;
  reply(value: unknown): void;
  aliasMessage(message: unknown): void;
}

/** @internal Hears of calls and broadcasts. */
export interface Tap {
  /** A process with the flag `TRACED` makes a call. */
  called(caller: Process, call: TracedCall): void;
  /**
   * A message of a channel is delivered on this node, and sent to members on others.
   * @param local how many members of this node get it
   * @param remote how many members of other nodes get it
   */
  broadcast(channel: string, message: unknown, local: number, remote: number): void;
}
