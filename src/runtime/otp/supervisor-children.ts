/**
 * The children of a supervisor that is not dynamic, in the order in which they were first started.
 *
 * Invariants: ids are unique; the order is that of adding and survives restarts; a child is found by a pid exactly while
 * it runs as that pid. Adding, finding and removing are O(1). It starts and stops nothing.
 */
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Atom } from '../terms/atom.ts';
import type { ChildType, FullChildSpec } from './supervisor-spec.ts';

/** What a child is called. On a BEAM node it may be any term, and is an atom as a rule. */
export type ChildId = string | Atom;

/** What `whichChildren` tells of a child. */
export interface ChildInfo {
  /** Undefined for the children of a dynamic supervisor. */
  readonly id: ChildId | undefined;
  /** The process, when there is one. */
  readonly pid: Pid | undefined;
  /** `restarting`: the last attempt to restart it has failed and another follows. */
  readonly status: 'running' | 'restarting' | 'stopped';
  readonly type: ChildType;
  readonly modules: readonly string[];
}

/** What `countChildren` tells. */
export interface ChildCounts {
  /** Child specs, whether or not there is a process; 1 for a dynamic supervisor. */
  readonly specs: number;
  /** Live processes. */
  readonly active: number;
  /** Children of type supervisor, running or not. */
  readonly supervisors: number;
  /** Children of type worker, running or not. */
  readonly workers: number;
}

/** @internal A pid as a key of a map: cheap for those of this node. */
export function pidKey(node: Node, pid: Pid): number | string {
  return node.isLocal(pid) ? pid.serial * 2 ** 28 + pid.id : pid.key;
}

/** @internal False for a process of this node that is dead. */
export function isRunning(node: Node, pid: Pid): boolean {
  return !node.isLocal(pid) || node.isAlive(pid);
}

/** @internal A child; only {@link Children} changes it. */
export class Child {
  readonly spec: FullChildSpec;
  /** Set while `status` is `running`. */
  pid: Pid | undefined = undefined;
  status: ChildInfo['status'] = 'stopped';

  constructor(spec: FullChildSpec) {
    this.spec = spec;
  }
}

/** @internal The table of children. */
export class Children {
  readonly #node: Node;
  readonly #byId = new Map<string, Child>();
  readonly #byPid = new Map<number | string, Child>();

  constructor(node: Node) {
    this.#node = node;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** How many are found by a pid. */
  get running(): number {
    return this.#byPid.size;
  }

  /** All, in start order. */
  all(): Child[] {
    return [...this.#byId.values()];
  }

  /** True until the child is removed. */
  has(child: Child): boolean {
    return this.#byId.get(child.spec.id) === child;
  }

  find(id: string): Child | undefined {
    return this.#byId.get(id);
  }

  findByPid(pid: Pid): Child | undefined {
    return this.#byPid.get(pidKey(this.#node, pid));
  }

  /** Adds a child behind all others. */
  add(child: Child): void {
    this.#byId.set(child.spec.id, child);
  }

  remove(child: Child): void {
    this.#forgetPid(child);
    this.#byId.delete(child.spec.id);
  }

  /** The child has a process. */
  run(child: Child, pid: Pid): void {
    this.#forgetPid(child);
    child.pid = pid;
    child.status = 'running';
    this.#byPid.set(pidKey(this.#node, pid), child);
  }

  /** The child has no process, and is `stopped` or about to be `restarting`. */
  rest(child: Child, status: 'stopped' | 'restarting'): void {
    this.#forgetPid(child);
    child.status = status;
  }

  /** The child has no process any more and is not to be restarted: a temporary one is gone for good. */
  drop(child: Child): void {
    if (child.spec.restart === 'temporary') this.remove(child);
    else this.rest(child, 'stopped');
  }

  *infos(): Generator<ChildInfo> {
    for (const { spec, pid, status } of this.#byId.values()) {
      yield { id: spec.id, pid, status, type: spec.type, modules: spec.modules };
    }
  }

  counts(): ChildCounts {
    let active = 0;
    let supervisors = 0;
    for (const { spec, pid } of this.#byId.values()) {
      if (pid !== undefined && isRunning(this.#node, pid)) active++;
      if (spec.type === 'supervisor') supervisors++;
    }
    return { specs: this.size, active, supervisors, workers: this.size - supervisors };
  }

  #forgetPid(child: Child): void {
    if (child.pid !== undefined) this.#byPid.delete(pidKey(this.#node, child.pid));
    child.pid = undefined;
  }
}
