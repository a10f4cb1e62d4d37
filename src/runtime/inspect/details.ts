// One process, as data: what `processInfo` has, its groups, what it is at, and its state through `sys`.
import { type Node, type Pid, sys, TroupeError } from '../index.ts';
import { Server } from '../otp/server-loop.ts';
import { Supervisor } from '../otp/supervisor-process.ts';
import { findScope } from '../pg/scope.ts';
import { functionBody } from '../process/behaviour.ts';
import { inspectProcess } from '../process/info.ts';
import type { Process } from '../process/process.ts';
import { AWAITING } from '../process/state.ts';
import { scopeNames } from './groups.ts';
import { type Measurement, type ProcessFigures } from './measure.ts';
import { destinationText, messageText, textOf } from './text.ts';

/** How long a process may take to show its state, in milliseconds. */
const STATE_TIMEOUT_MS = 1_000;
/** How many links, monitors and groups of one process are listed. */
const LISTED_MAX = 1_000;

/** What a process is at that has not given way to its next message. */
export interface Current {
  /** `init` of a behaviour, a handler, or the function that the process runs. */
  readonly kind: 'init' | 'handler' | 'function';
  /** The message that a server handles, where it is known; the name of a function. */
  readonly what: string | undefined;
  /**
   * For how long, in milliseconds. A function counts from the spawn of its process. What a behaviour awaits may have begun later, by a
   * tenth of a second and as much as the event loop was late then.
   */
  readonly forMs: number;
}

/** One process. */
export interface ProcessDetail extends Partial<ProcessFigures> {
  readonly node: string;
  readonly pid: string;
  readonly name: string | undefined;
  readonly label: string;
  /** What it was spawned from: a function, a behaviour, a definition. */
  readonly initialCall: string;
  readonly behaviour: string;
  readonly status: 'waiting' | 'runnable' | 'running' | 'awaiting';
  readonly mailbox: number;
  readonly handled: number;
  readonly dropped: number;
  readonly trapExit: boolean;
  readonly parent: string | undefined;
  readonly groupLeader: string | undefined;
  readonly links: readonly string[];
  /** What it monitors: pids, and names as `name@node`. */
  readonly monitors: readonly string[];
  readonly monitoredBy: readonly string[];
  readonly groups: ReadonlyArray<{ readonly scope: string; readonly group: string; readonly count: number }>;
  readonly startedAt: number;
  /** What it is at while its status is `awaiting`. */
  readonly current: Current | undefined;
  /** The state of a server or supervisor, as text that may be cut; undefined for all others, and with `stateProblem`. */
  readonly state: string | undefined;
  /** Why the state cannot be shown: the process did not answer in time, or failed to. */
  readonly stateProblem: string | undefined;
}

/** Looks at a live process; its state takes until it has handled the messages before, and at most a second. */
export async function processDetail(
  node: Node,
  process: Process,
  measurement: Measurement | undefined,
): Promise<ProcessDetail> {
  const state = await stateOf(node, process);
  const info = inspectProcess(process);
  return {
    node: node.name,
    pid: info.pid.toString(),
    name: info.registeredName,
    label: info.label,
    initialCall: info.initialCall,
    behaviour: info.currentBehaviour,
    status: info.status,
    mailbox: info.messageQueueLength,
    handled: info.messagesHandled,
    dropped: info.messagesDropped,
    trapExit: info.trapExit,
    parent: info.parent?.toString(),
    groupLeader: info.groupLeader?.toString(),
    links: texts(info.links),
    monitors: info.monitors.slice(0, LISTED_MAX).map(destinationText),
    monitoredBy: texts(info.monitoredBy),
    groups: groupsOf(node, process),
    startedAt: info.startedAt.getTime(),
    current: currentOf(node, process),
    ...state,
    ...measurement?.processFigures(process),
  };
}

function texts(pids: readonly Pid[]): string[] {
  return pids.slice(0, LISTED_MAX).map(String);
}

/** The groups that a process is in. */
function groupsOf(node: Node, process: Process): ProcessDetail['groups'] {
  return scopeNames(node)
    .flatMap((scope) =>
      (findScope(node, scope)?.groupsOf(process) ?? []).map(({ group, count }) => ({
        scope,
        group: groupText(group),
        count,
      })),
    )
    .slice(0, LISTED_MAX);
}

/** The name of a group as text: a string as it is. */
export function groupText(group: unknown): string {
  return typeof group === 'string' ? group : textOf(group);
}

/** What a process is at that awaits. */
export function currentOf(node: Node, process: Process): Current | undefined {
  if (process.status !== AWAITING) return undefined;
  if (process.behaviour === functionBody) {
    const sinceMs = node.clock.wallTime() - (node.startedAt + process.bornMs);
    return { kind: 'function', what: process.initialCall, forMs: Math.max(0, sinceMs) };
  }
  const forMs = performance.now() - (process.extra?.awaitingSince ?? 0);
  // Before `init` has returned the state of a behaviour is the array of its arguments.
  if (Array.isArray(process.state)) return { kind: 'init', what: undefined, forMs };
  const message = process.state instanceof Server ? process.state.lastMessage : undefined;
  return { kind: 'handler', what: message === undefined ? undefined : messageText(message).text, forMs };
}

async function stateOf(
  node: Node,
  process: Process,
): Promise<{ readonly state: string | undefined; readonly stateProblem: string | undefined }> {
  const shows = process.state instanceof Server || process.state instanceof Supervisor;
  if (!shows) return { state: undefined, stateProblem: undefined };
  try {
    const state = await sys.getState(node, process.pid, { timeoutMs: STATE_TIMEOUT_MS });
    return { state: textOf(state instanceof Supervisor ? state.shown() : state), stateProblem: undefined };
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    return { state: undefined, stateProblem: error.what };
  }
}
