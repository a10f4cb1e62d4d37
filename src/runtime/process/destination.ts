/**
 * Where messages, monitors and timers go: a pid, something that has one, a name of this node, or a name of some node.
 *
 * {@link locate} is the one place that tells these apart and says whether the target is on this node, so that sends,
 * monitors, timers and calls agree on it.
 */
import { badArgument } from '../errors.ts';
import { Pid } from '../terms/identifiers.ts';
import type { Node } from './node.ts';
import type { Process } from './process.ts';

/** Where a message can be sent: a pid, something that has one, a registered name here, or a name on a node. */
export type Destination =
  | Pid
  | string
  | { readonly name: string; readonly node: string }
  | { readonly pid: Pid };

/** @internal What a destination leads to: a process of this node, nothing on this node, or something on another node. */
export type Location =
  /** On this node; `process` is null when no process has the pid or the name. */
  | { readonly node: null; readonly target: Pid | string; readonly process: Process | null }
  /** On another node. */
  | { readonly node: string; readonly target: Pid | string; readonly process: null };

/** @internal What a destination leads to. @throws TroupeError TROUPE_BAD_ARGUMENT for any other value. */
export function locate(node: Node, to: Destination): Location {
  const target = targetOf(to);
  if (target instanceof Pid) {
    if (node.isLocal(target)) return { node: null, target, process: node.find(target) };
    return { node: target.node, target, process: null };
  }
  const home = typeof to === 'string' ? node.name : (to as { readonly node: string }).node;
  if (home === node.name) return { node: null, target, process: node.registry.find(target) };
  return { node: home, target, process: null };
}

/** @internal The name of the node that a destination is on. */
export function nodeOf(node: Node, to: Destination): string {
  if (typeof to === 'string') return node.name;
  if (to instanceof Pid) return to.node;
  return 'pid' in to ? to.pid.node : to.node;
}

/** The pid or the name that a destination stands for. @throws TroupeError TROUPE_BAD_ARGUMENT. */
/** @internal What it addresses on its node. @throws TroupeError TROUPE_BAD_ARGUMENT for what is no destination. */
export function targetOf(to: Destination): Pid | string {
  if (to instanceof Pid || typeof to === 'string') return to;
  const { pid, name, node } = Object(to) as Readonly<Record<string, unknown>>;
  if (pid instanceof Pid) return pid;
  if (typeof name === 'string' && typeof node === 'string') return name;
  throw badArgument('A destination is a pid, an object with a pid, a registered name, or {name, node}.');
}

/** @internal @throws TroupeError TROUPE_BAD_ARGUMENT when a value is not a pid. */
export function checkPid(pid: unknown): void {
  if (!(pid instanceof Pid)) throw badArgument(`A pid was expected, not a value of type ${typeof pid}.`);
}
