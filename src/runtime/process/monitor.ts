/**
 * Monitors: one-way watches on a process, answered by one `Down` when it ends.
 *
 * A watch hangs in a doubly linked list of the process it watches, and a monitor in a second one of the process that
 * set it, so that setting and removing are O(1) and allocate nothing else. Calls are watches too
 * (`otp/call.ts`): a server's end answers them as a monitor would.
 *
 * Invariant: a watch is in its target's list exactly while `watched` is set. See `erlang:monitor/2`.
 */
import { Down, type ExitReason, type MonitorTarget } from './messages.ts';
import type { AwaitsPeer, Peer } from './peer.ts';
import type { Pid } from '../terms/pid.ts';
import type { Process } from './process.ts';
import type { Ref } from '../terms/ref.ts';

/** Something that is told once when a process ends. */
export interface Watch {
  /** @internal The live local process that is watched, or null. */
  watched: Process | null;
  /** @internal */ watchPrev: Watch | null;
  /** @internal */ watchNext: Watch | null;
  /** @internal Called once when the process ends, with the watch already out of the list. */
  targetExited(reason: ExitReason): void;
}

/** Starts a watch on a live local process. */
export function addWatch(target: Process, watch: Watch): void {
  const first = target.watches;
  watch.watched = target;
  watch.watchNext = first;
  if (first !== null) first.watchPrev = watch;
  target.watches = watch;
}

/** Ends a watch; no effect when it has ended. */
export function removeWatch(watch: Watch): void {
  const target = watch.watched;
  if (target === null) return;
  const { watchPrev, watchNext } = watch;
  if (watchPrev === null) target.watches = watchNext;
  else watchPrev.watchNext = watchNext;
  if (watchNext !== null) watchNext.watchPrev = watchPrev;
  watch.watched = null;
  watch.watchPrev = null;
  watch.watchNext = null;
}

/** A monitor set by a process of this node, on a process here or elsewhere. */
export class Monitor implements Watch, AwaitsPeer {
  readonly owner: Process;
  readonly ref: Ref;
  readonly target: MonitorTarget;
  /** The connection that a monitor on another node depends on. */
  readonly peer: Peer | null;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  ownPrev: Monitor | null = null;
  ownNext: Monitor | null = null;

  constructor(owner: Process, ref: Ref, target: MonitorTarget, peer: Peer | null) {
    this.owner = owner;
    this.ref = ref;
    this.target = target;
    this.peer = peer;
    ref.monitor = this;
    const first = owner.monitors;
    this.ownNext = first;
    if (first !== null) first.ownPrev = this;
    owner.monitors = this;
  }

  targetExited(reason: ExitReason): void {
    this.forget();
    this.owner.deliverSignal(new Down(this.ref, this.target, reason));
  }

  peerDown(reason: ExitReason): void {
    this.targetExited(reason);
  }

  /** Takes the monitor out of its owner; it must be out of the target's list. */
  forget(): void {
    const { owner, ownPrev, ownNext } = this;
    this.ref.monitor = undefined;
    if (ownPrev === null) owner.monitors = ownNext;
    else ownPrev.ownNext = ownNext;
    if (ownNext !== null) ownNext.ownPrev = ownPrev;
    this.ownPrev = null;
    this.ownNext = null;
  }
}

/** A monitor that a process of another node has set on a process here. */
export class RemoteMonitor implements Watch {
  readonly peer: Peer;
  readonly from: Pid;
  readonly ref: Ref;
  readonly target: Pid | string;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;

  constructor(peer: Peer, from: Pid, ref: Ref, target: Pid | string) {
    this.peer = peer;
    this.from = from;
    this.ref = ref;
    this.target = target;
  }

  targetExited(reason: ExitReason): void {
    this.peer.incoming.delete(this.ref.key);
    const { target, from, ref } = this;
    this.peer.sendReason((sent) => ({ op: 'down', target, to: from, ref, reason: sent }), reason);
  }
}
