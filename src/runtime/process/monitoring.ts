/**
 * Setting and removing monitors, here and on other nodes. See `erlang:monitor/2`, `erlang:demonitor/2`.
 */
import { TroupeError } from '../errors.ts';
import { exitReasonOf } from './exit.ts';
import { flush } from './flush.ts';
import { Down } from './messages.ts';
import { addWatch, Monitor, removeWatch } from './monitor.ts';
import { checkDestination } from './check-options.ts';
import type { Destination } from './node.ts';
import { Pid } from '../terms/pid.ts';
import type { Process } from './process.ts';
import type { Ref } from '../terms/ref.ts';

/** Options of `demonitor`. */
export interface DemonitorOptions {
  /** Also removes the `Down` of this monitor from the mailbox. */
  readonly flush?: boolean;
}

/** @internal Sets a monitor for a live process. */
export function monitor(process: Process, to: Destination): Ref {
  const { node } = process;
  checkDestination(to);
  const ref = node.makeRef();
  ref.monitor = undefined;
  const pid = to instanceof Pid ? to : typeof to === 'object' && 'pid' in to ? to.pid : undefined;
  if (pid !== undefined) {
    if (node.isLocal(pid)) monitorLocal(process, ref, pid, node.find(pid));
    else node.router.monitor(process, ref, pid, pid.node);
    return ref;
  }
  const target =
    typeof to === 'string' ? { name: to, node: node.name } : (to as { name: string; node: string });
  if (target.node === node.name) monitorLocal(process, ref, target, node.registry.find(target.name));
  else node.router.monitor(process, ref, target, target.node);
  return ref;
}

function monitorLocal(process: Process, ref: Ref, target: Down['target'], found: Process | null): void {
  if (found === null) process.deliverSignal(new Down(ref, target, 'noproc'));
  // Nobody hears of their own end: as in OTP, a monitor of oneself is a ref and nothing more.
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
  const found = ref.monitor === null ? ownMonitor(process, ref) : (ref.monitor ?? null);
  if (found !== null && found.owner !== process) {
    throw new TroupeError('TROUPE_BAD_ARGUMENT', `The monitor ${ref.toString()} belongs to another process.`);
  }
  if (found !== null) remove(found);
  else if (options?.flush === true) {
    flush(process, (message) => message instanceof Down && message.ref.equals(ref), 1);
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
  if (active.peer !== null) active.owner.node.router.demonitor(active);
}

/** The monitor that a ref stands for which has travelled. */
function ownMonitor(process: Process, ref: Ref): Monitor | null {
  let own = process.monitors;
  while (own !== null && !own.ref.equals(ref)) own = own.ownNext;
  return own;
}
