/**
 * Watchers, which are notified when a process ends, and monitors, which answer its end with one `Down`.
 *
 * A watcher stands in a doubly linked list of the process it watches, and a monitor in a second list of the process that
 * set it, so that setting and removing are O(1) and allocate nothing else. A call is a watcher too (`otp/gen.ts`): the end
 * of its server answers it as a monitor would.
 *
 * Invariant: a watcher is in its target's list exactly while `watched` is set. See `erlang:monitor/2`,
 * `erlang:demonitor/2`.
 */
import { Down, type ExitReason, type MonitorTarget } from './messages.ts';
import type { AwaitsPeer, Peer } from './peer.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type { Process } from './process.ts';
import { badArgument } from '../errors.ts';
import { exitReasonOf } from './state.ts';
import { locate, type Destination } from './destination.ts';

/** Is notified once when a process of this node ends; extend it to allocate nothing else. */
export abstract class Watcher {
  /** @internal The live process that is watched, or null. */
  declare watched: Process | null;
  /** @internal */ declare watchPrev: Watcher | null;
  /** @internal */ declare watchNext: Watcher | null;

  constructor() {
    this.watched = null;
    this.watchPrev = null;
    this.watchNext = null;
  }

  /** @internal Called once when the process ends, with the watcher already out of the list. */
  abstract targetExited(reason: ExitReason): void;
}

/** @internal Starts to watch a live process of this node. */
export function addWatch(target: Process, watcher: Watcher): void {
  const first = target.watchers;
  watcher.watched = target;
  watcher.watchNext = first;
  if (first !== null) first.watchPrev = watcher;
  target.watchers = watcher;
}

/** @internal Stops watching; no effect when it has stopped. */
export function removeWatch(watcher: Watcher): void {
  const target = watcher.watched;
  if (target === null) return;
  const { watchPrev, watchNext } = watcher;
  if (watchPrev === null) target.watchers = watchNext;
  else watchPrev.watchNext = watchNext;
  if (watchNext !== null) watchNext.watchPrev = watchPrev;
  watcher.watched = null;
  watcher.watchPrev = null;
  watcher.watchNext = null;
}

/** @internal Notifies all watchers of a process that has ended. */
export function tellWatchers(process: Process, reason: ExitReason): void {
  let watcher: Watcher | null = process.watchers;
  process.watchers = null;
  while (watcher !== null) {
    const next: Watcher | null = watcher.watchNext;
    watcher.watched = null;
    watcher.watchPrev = null;
    watcher.watchNext = null;
    watcher.targetExited(reason);
    watcher = next;
  }
}

class ExitListener extends Watcher {
  readonly #told: (reason: ExitReason) => void;

  constructor(told: (reason: ExitReason) => void) {
    super();
    this.#told = told;
  }

  targetExited(reason: ExitReason): void {
    this.#told(reason);
  }
}

/** @internal Calls a function once when a live process of this node ends. @returns what to give to `removeWatch`. */
export function onExit(process: Process, told: (reason: ExitReason) => void): Watcher {
  const watcher = new ExitListener(told);
  addWatch(process, watcher);
  return watcher;
}

/** A monitor set by a process of this node, on a process here or elsewhere. */
export class Monitor extends Watcher implements AwaitsPeer {
  declare readonly owner: Process;
  declare readonly ref: Ref;
  declare readonly target: MonitorTarget;
  /** The connection that a monitor on another node depends on. */
  declare readonly peer: Peer | null;
  declare ownPrev: Monitor | null;
  declare ownNext: Monitor | null;

  constructor(owner: Process, ref: Ref, target: MonitorTarget, peer: Peer | null) {
    super();
    this.owner = owner;
    this.ref = ref;
    this.target = target;
    this.peer = peer;
    ref.monitor = this;
    const first = owner.monitors;
    this.ownPrev = null;
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
export class RemoteMonitor extends Watcher {
  declare readonly peer: Peer;
  declare readonly from: Pid;
  declare readonly ref: Ref;
  declare readonly target: Pid | string;

  constructor(peer: Peer, from: Pid, ref: Ref, target: Pid | string) {
    super();
    this.peer = peer;
    this.from = from;
    this.ref = ref;
    this.target = target;
  }

  targetExited(reason: ExitReason): void {
    this.peer.removeMonitor(this);
    const { target, from, ref } = this;
    this.peer.sendReason((sent) => ({ op: 'down', target, to: from, ref, reason: sent }), reason);
  }
}

// ---- setting and removing monitors, here and on other nodes ----

/** Options of `demonitor`. */
export interface DemonitorOptions {
  /** Also removes the `Down` of this monitor from the mailbox. */
  readonly flush?: boolean;
}

/** @internal Sets a monitor for a live process. */
export function monitor(process: Process, to: Destination): Ref {
  const { node } = process;
  const found = locate(node, to);
  const ref = node.makeRef();
  ref.monitor = undefined;
  const home = found.node ?? node.name;
  const target = found.target instanceof Pid ? found.target : { name: found.target, node: home };
  if (found.node === null) monitorLocal(process, ref, target, found.process);
  else node.router.peer(found.node).monitor(process, ref, target);
  return ref;
}

function monitorLocal(process: Process, ref: Ref, target: Down['target'], found: Process | null): void {
  if (found === null) process.deliverSignal(new Down(ref, target, 'noproc'));
  // No process hears of its own end: as in OTP, a monitor of oneself is a ref and nothing more.
  else if (found !== process) addWatch(found, new Monitor(process, ref, target, null));
}

/**
 * @internal Sets a monitor on a process that was started just now: when it has ended meanwhile, its `Down` has the reason of
 * that. Of one of another node nothing is known any more, and the reason is `noproc`.
 * @param pid the one that the start answered.
 */
export function monitorStarted(process: Process, pid: Pid): Ref {
  const { node } = process;
  if (!node.isLocal(pid) || node.find(pid) !== null) return monitor(process, pid);
  const ref = node.makeRef();
  ref.monitor = undefined;
  process.deliverSignal(new Down(ref, pid, exitReasonOf(pid)));
  return ref;
}

/** @internal Removes a monitor of a live process. */
export function demonitor(process: Process, ref: Ref, options: DemonitorOptions | undefined): boolean {
  const found = ref.monitor === null ? ownMonitor(process, ref) : ((ref.monitor ?? null) as Monitor | null);
  if (found !== null && found.owner !== process) {
    throw badArgument(`The monitor ${ref.toString()} belongs to another process.`);
  }
  if (found !== null) remove(found);
  else if (options?.flush === true) {
    process.flush((message) => message instanceof Down && message.ref.equals(ref), 1);
  }
  return found !== null;
}

/** @internal Removes all monitors that a process has set, when it ends. */
export function dropMonitors(process: Process): void {
  while (process.monitors !== null) remove(process.monitors);
}

function remove(active: Monitor): void {
  removeWatch(active);
  active.forget();
  active.peer?.demonitor(active);
}

/** The monitor that a ref stands for which has travelled. */
function ownMonitor(process: Process, ref: Ref): Monitor | null {
  let own = process.monitors;
  while (own !== null && !own.ref.equals(ref)) own = own.ownNext;
  return own;
}
