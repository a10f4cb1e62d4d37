/**
 * How processes end, exit signals, and the links that carry them.
 *
 * A link within the node is an entry in a set on each side; one to another node is a `RemoteLink` in the process and in the
 * peer. See `erlang:link/1`, `erlang:unlink/1`.
 *
 * The end of a process can end others through links, and so on; the signals go through a queue of the node instead of
 * the call stack, so that a chain of any length is safe. All of them have taken effect when the outermost call returns.
 *
 * Rules: "Processes", section "Exit signals", of the Erlang reference manual; `erlang:exit/2`.
 */
import type { AsyncResource } from 'node:async_hooks';
import { telemetry } from '../telemetry.ts';
import { withoutContext } from './async.ts';
import { Exit, type ExitReason, isProcessExit, reasonOfThrown } from './messages.ts';
import { soundReason } from '../terms/reasons.ts';
import { dropMonitors, tellWatchers } from './monitor.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from './process.ts';
import { EXITED, keepExitReason, TRAP_EXIT } from './state.ts';
import { abandonReceive } from './receive.ts';
import { reportFailure } from './report.ts';
import { TroupeError } from '../errors.ts';

const exited = telemetry('troupe:process:exit');
const crash = telemetry('troupe:process:crash');

/** An exit signal on its way. */
interface PendingExit {
  readonly to: Pid;
  readonly from: Pid;
  readonly reason: ExitReason;
}

/** @internal The exit signals of a node that links have caused and that have not taken effect yet. */
export class ExitQueue {
  readonly #pending: PendingExit[] = [];
  #draining = false;

  /** Sends a signal through a link, once those before it have taken effect. */
  push(to: Pid, from: Pid, reason: ExitReason): void {
    this.#pending.push({ to, from, reason });
  }

  /** Lets all of them take effect; a nested call leaves that to the outer one. */
  drain(): void {
    if (this.#draining || this.#pending.length === 0) return;
    this.#draining = true;
    try {
      for (let i = 0; i < this.#pending.length; i++) {
        const { to, from, reason } = this.#pending[i] as PendingExit;
        const process = to.process as Process | null;
        if (process !== null) linkExit(process, from, reason);
      }
    } finally {
      this.#pending.length = 0;
      this.#draining = false;
    }
  }
}

/** @internal Ends a process: for all others it is gone when this returns. */
export function terminate(process: Process, given: ExitReason): void {
  if (process.status === EXITED) return;
  const reason = soundReason(given);
  const { node, pid, extra } = process;
  const report = exited.hasSubscribers ? { pid, label: process.label, name: extra?.name, reason } : undefined;
  process.status = EXITED;
  pid.process = null;
  node.table.delete(process);
  process.clearMailbox();
  if (reason !== 'normal') {
    process.ensureExtra().exitReason = reason;
    keepExitReason(pid, reason);
  }
  if (extra?.name !== undefined) node.registry.forget(extra.name);
  tellWatchers(process, reason);
  if (process.monitors !== null) dropMonitors(process);
  if (process.links !== null) {
    for (const linked of process.links) {
      (linked.process as Process | null)?.links?.delete(pid);
      node.exits.push(linked, pid, reason);
    }
    process.links = null;
  }
  if (extra !== null) {
    for (const remote of extra.remoteLinks?.values() ?? []) remote.peer.breakLink(remote, reason);
    abandonReceive(process, reason);
    while (extra.pending !== null) extra.pending.ownerExited();
    if (extra.abort !== undefined) abort(extra.abort, extra.context, reason);
  }
  if (report !== undefined) exited.publish(report);
  node.exits.drain();
}

/** Listeners of the signal run in the context of their process, not in that of the code that ended it. */
function abort(controller: AbortController, context: AsyncResource | null, reason: ExitReason): void {
  const run = (): void => {
    controller.abort(reason);
  };
  if (context === null) withoutContext(run);
  else context.runInAsyncScope(run);
}

/** @internal Ends a process whose code threw. */
export function crashed(process: Process, thrown: unknown): void {
  // A continuation of a dead process that learns of the death by an error ends there, and nothing waits for it.
  if (process.status === EXITED) return;
  const reason = reasonOfThrown(thrown);
  const { pid, label, extra, node } = process;
  const name = extra?.name;
  terminate(process, reason);
  if (isProcessExit(thrown)) return;
  if (crash.hasSubscribers) crash.publish({ pid, label, name, reason });
  else reportFailure(node, { kind: 'crash', channel: 'troupe:process:crash', pid, label, name, reason });
}

/** @internal The effect of `exit/2` on a process of this node. */
export function exitSignal(process: Process, from: Pid, reason: ExitReason): void {
  if (reason === 'kill') terminate(process, 'killed');
  else if ((process.flags & TRAP_EXIT) !== 0) process.deliverSignal(new Exit(from, reason));
  else if (reason !== 'normal' || from.equals(process.pid)) terminate(process, reason);
}

/** @internal The effect of the end of a linked process; here `kill` is a reason like any other. */
export function linkExit(process: Process, from: Pid, reason: ExitReason): void {
  if ((process.flags & TRAP_EXIT) !== 0) process.deliverSignal(new Exit(from, reason));
  else if (reason !== 'normal') terminate(process, reason);
}

// ---- links ----

/** @internal Links a live process with another. */
export function link(process: Process, pid: Pid): void {
  const { node } = process;
  if (!node.isLocal(pid)) {
    node.router.peer(pid.node).link(process, pid);
    return;
  }
  const other = node.find(pid);
  if (other === process) return;
  if (other === null) {
    if ((process.flags & TRAP_EXIT) === 0) {
      throw new TroupeError('TROUPE_NOPROC', `${String(pid)} is not alive.`, { reason: 'noproc' });
    }
    process.deliverSignal(new Exit(pid, 'noproc'));
    return;
  }
  (process.links ??= new Set()).add(other.pid);
  (other.links ??= new Set()).add(process.pid);
}

/** @internal Removes a link, if there is one. */
export function unlink(process: Process, pid: Pid): void {
  const { node } = process;
  if (!node.isLocal(pid)) {
    process.extra?.remoteLinks?.get(pid.key)?.peer.unlink(process, pid);
    return;
  }
  const other = node.find(pid);
  if (other !== null) dropLink(process, other);
}

/** @internal Removes the link between two processes of this node, if there is one; either may be dead. */
export function dropLink(one: Process, other: Process): void {
  one.links?.delete(other.pid);
  other.links?.delete(one.pid);
}
