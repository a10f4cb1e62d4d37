/**
 * Links between processes: setting and removing them. What they do when a process ends is in `exit.ts`.
 *
 * A link within the node is an entry in a set on each side. One to another node is a `RemoteLink` in the process and in
 * the peer. See `erlang:link/1`, `erlang:unlink/1`.
 */
import { TroupeError } from '../errors.ts';
import { Exit } from './messages.ts';
import type { Pid } from '../terms/pid.ts';
import { type Process, TRAP_EXIT } from './process.ts';

/** @internal Links a live process with another. */
export function link(process: Process, pid: Pid): void {
  const { node } = process;
  if (!node.isLocal(pid)) {
    node.router.link(process, pid);
    return;
  }
  const other = node.find(pid);
  if (other === process) return;
  if (other === null) {
    if ((process.flags & TRAP_EXIT) === 0) {
      throw new TroupeError('TROUPE_NOPROC', `Cannot link to ${pid.toString()}.`, { reason: 'noproc' });
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
    node.router.unlink(process, pid);
    return;
  }
  const other = node.find(pid);
  if (other !== null) dropLink(process, other);
}

/** @internal Removes the link between two processes of one node, if there is one; either may be dead. */
export function dropLink(one: Process, other: Process): void {
  one.links?.delete(other.pid);
  other.links?.delete(one.pid);
}
