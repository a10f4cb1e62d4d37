/**
 * Processes that follow the changes of one group, or of a whole scope.
 *
 * Each is watched, so that it is forgotten when it ends. What it gets are `GroupJoined` and `GroupLeft` messages, which
 * continue the snapshot it was given. See `pg:monitor/2`, `pg:monitor_scope/1`.
 */
import { KEPT } from '../process/messages.ts';
import { type Watch, addWatch, removeWatch } from '../process/monitor.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import type { Group } from './group.ts';
import { canonicalText } from './group-key.ts';
import type { Change } from './members.ts';

/** `{Ref, join, Group, Pids}`: processes joined a group that is followed, each as often as it is named. */
export class GroupJoined {
  readonly ref: Ref;
  readonly group: unknown;
  readonly pids: readonly Pid[];

  constructor(ref: Ref, group: unknown, pids: readonly Pid[]) {
    this.ref = ref;
    this.group = group;
    this.pids = pids;
  }

  get [KEPT](): boolean {
    return true;
  }
}

/** `{Ref, leave, Group, Pids}`: processes left a group that is followed, or ended. */
export class GroupLeft {
  readonly ref: Ref;
  readonly group: unknown;
  readonly pids: readonly Pid[];

  constructor(ref: Ref, group: unknown, pids: readonly Pid[]) {
    this.ref = ref;
    this.group = group;
    this.pids = pids;
  }

  get [KEPT](): boolean {
    return true;
  }
}

/** One who follows. */
class Observer implements Watch {
  readonly owner: Process;
  readonly ref: Ref;
  readonly #observers: Observers;
  /** Key of the group; undefined for the whole scope. */
  readonly group: string | undefined;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;

  constructor(owner: Process, observers: Observers, group: string | undefined) {
    this.owner = owner;
    this.ref = owner.node.makeRef();
    this.#observers = observers;
    this.group = group;
  }

  targetExited(): void {
    this.#observers.remove(this);
  }
}

/** All who follow groups of a scope. */
export class Observers {
  readonly #byRef = new Map<string, Observer>();
  readonly #ofScope = new Set<Observer>();
  /** By a key that differs for every group. */
  readonly #ofGroup = new Map<string, Set<Observer>>();

  /** @param group what is followed: the name of a group in an array, or undefined for the whole scope. */
  add(owner: Process, group: readonly [name: unknown] | undefined): Ref {
    const key = group === undefined ? undefined : canonicalText(group[0]);
    const observer = new Observer(owner, this, key);
    this.#byRef.set(observer.ref.key, observer);
    if (key === undefined) this.#ofScope.add(observer);
    else this.#groupSet(key).add(observer);
    addWatch(owner, observer);
    return observer.ref;
  }

  /** Ends the following that a ref of the owner stands for. @returns false when there is none. */
  end(owner: Process, ref: Ref): boolean {
    const observer = this.#byRef.get(ref.key);
    if (observer === undefined || observer.owner !== owner) return false;
    removeWatch(observer);
    this.remove(observer);
    return true;
  }

  /** Forgets one who is not watched any more. */
  remove(observer: Observer): void {
    this.#byRef.delete(observer.ref.key);
    if (observer.group === undefined) {
      this.#ofScope.delete(observer);
      return;
    }
    const set = this.#ofGroup.get(observer.group);
    set?.delete(observer);
    if (set?.size === 0) this.#ofGroup.delete(observer.group);
  }

  /** Forgets all, when the scope ends. */
  release(): void {
    for (const observer of this.#byRef.values()) removeWatch(observer);
  }

  /** True when nobody follows anything. */
  get none(): boolean {
    return this.#byRef.size === 0;
  }

  /** Tells those concerned of a change. */
  tell({ kind, group, pids }: Change): void {
    if (this.none) return;
    const Message = kind === 'join' ? GroupJoined : GroupLeft;
    for (const observer of [...this.#ofScope, ...(this.#ofGroup.get(observerKey(group)) ?? [])]) {
      observer.owner.deliver(new Message(observer.ref, group.name, pids));
    }
  }

  #groupSet(key: string): Set<Observer> {
    let set = this.#ofGroup.get(key);
    if (set === undefined) {
      set = new Set();
      this.#ofGroup.set(key, set);
    }
    return set;
  }
}

/** Key of a group among all of a scope, whatever kind of name it has. */
function observerKey(group: Group): string {
  return canonicalText(group.name);
}
