/**
 * A scope: a set of groups, shared by the processes that are registered under the scope's name on different nodes.
 *
 * The scope process holds the tables and talks to its peers. Unlike in OTP, callers send it no messages: `join` and `leave` take
 * effect in the caller's turn, and peers are notified in the same turn. When an exit returns, no reader sees the dead process as a
 * member any more, even when it leaves very many groups in slices: a group settles before it is read.
 *
 * Invariants: a node has one scope of a name; when its process ends, the scope ends, members are no longer watched, and no
 * membership is kept. See `pg.erl`. The process is not a `gen_server`, but it answers system messages (`sys`).
 */
import { TroupeError, badArgument } from '../errors.ts';
import { type SystemTarget, handleSystem, isSystemMessage } from '../otp/system.ts';
import type { Behaviour } from '../process/behaviour.ts';
import { link } from '../process/exit.ts';
import { type ExitReason, KEPT, ProcessExit } from '../process/messages.ts';
import { Watcher, addWatch, removeWatch } from '../process/monitor.ts';
import type { Node } from '../process/node.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import { ASKS_FROM } from '../process/state.ts';
import type { Process } from '../process/process.ts';
import { Exchange, FromNode } from './exchange.ts';
import type { Group, Member, Membership } from './group.ts';
import { type Change, Members } from './members.ts';
import { type Naming, namingOf } from './channel-forms.ts';
import { canonicalText } from './group-table.ts';
import { PIDS_PER_COUNT, Slices } from './slices.ts';

/** How many groups a leave names when a member of many has ended. */
const GROUPS_PER_LEAVE = 128;

/** The running scopes, by node and name. */
const running = new WeakMap<Node, Map<string, Scope>>();

const behaviour: Behaviour<Scope, [Scope]> = {
  name: 'pg',
  init: (_self, scope) => scope,
  handle: (self, message, scope) => scope.handle(self, message),
  fromPeer: (node, message) => (isSystemMessage(message) ? message : new FromNode(node, message)),
};

/** A scope that runs on a node. */
export class Scope extends Watcher {
  readonly name: string;
  readonly node: Node;
  /** Its process. */
  readonly process: Process;
  readonly #members = new Members((member) => {
    this.#memberExited(member);
  });
  readonly #monitors = new Monitors();
  /** Members that have ended but are still in groups, with the number of the newest monitor at that time. */
  readonly #exited = new Map<Member, number>();
  readonly #slices: Slices;
  readonly #naming: Naming;
  readonly #exchange: Exchange;
  readonly #system: SystemTarget;
  /** Called when the scope has ended, with the groups of its local members. */
  onExit: ((members: ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>) => void) | null = null;

  /** @internal Use {@link startScope}. */
  constructor(node: Node, name: string, parent: Process | undefined) {
    super();
    this.name = name;
    this.node = node;
    this.process = node.create(behaviour, [this], parent?.pid, { name, label: `pg scope ${name}` });
    this.process.flags |= ASKS_FROM;
    this.#naming = namingOf(name);
    this.#slices = new Slices(this.process);
    this.#exchange = new Exchange(this.process, name, this.#naming, this.#members, this.#slices, (change) => {
      this.#monitors.notify(change);
    });
    this.#system = this.#systemTarget(parent?.pid ?? null);
    addWatch(this.process, this);
    scopesOf(node).set(name, this);
    this.#exchange.start();
  }

  get pid(): Pid {
    return this.process.pid;
  }

  // ---- members ----

  /** @throws TroupeError TROUPE_NOT_LOCAL, TROUPE_BAD_ARGUMENT. See `pg:join/3`. */
  join(name: unknown, pids: Pid | readonly Pid[]): void {
    if (pids instanceof Pid && this.#unheard) {
      const process = localProcess(this.node, pids);
      if (process !== null) this.#members.join(this.#groupToJoin(name), process);
      return;
    }
    const processes = this.#local(pids);
    if (processes.length === 0) return;
    const group = this.#groupToJoin(name);
    for (const process of processes) this.#members.join(group, process);
    this.#changed('join', group, processes);
  }

  /** @throws TroupeError TROUPE_NOT_LOCAL, TROUPE_BAD_ARGUMENT. See `pg:leave/3`. */
  leave(name: unknown, pids: Pid | readonly Pid[]): 'ok' | 'not_joined' {
    if (pids instanceof Pid && this.#unheard) {
      const process = localProcess(this.node, pids);
      const group = this.group(name);
      const left = process !== null && group !== undefined && this.#members.leave(group, process);
      return left ? 'ok' : 'not_joined';
    }
    const processes = this.#local(pids);
    const group = this.group(name);
    if (group === undefined) return 'not_joined';
    const left = processes.filter((process) => this.#members.leave(group, process));
    if (left.length === 0) return 'not_joined';
    this.#changed('leave', group, left);
    return 'ok';
  }

  /** True while no monitor or peer hears of changes: one pid then needs no list. */
  get #unheard(): boolean {
    return this.#exchange.alone && this.#monitors.none;
  }

  /** Notifies peers, in the turn of the change, and then monitors. */
  #changed(kind: 'join' | 'leave', group: Group, processes: readonly Process[]): void {
    if (this.#unheard) return;
    const exchange = this.#exchange;
    const pids = processes.map(({ pid }) => pid);
    if (kind === 'join') exchange.joined(group, pids);
    else exchange.left(pids, [group]);
    this.#monitors.notify({ kind, group, pids });
  }

  /**
   * A member has ended. It leaves its groups at once, or in slices when there are very many. Nobody sees it in the rest, since a
   * group settles before it is read.
   */
  #memberExited(member: Member): void {
    this.#members.forget(member);
    this.#exited.set(member, this.#monitors.newest);
    this.#slices.run(member, null, 'end', this.#leaveAll(member));
  }

  *#leaveAll(member: Member): Generator<number, void> {
    let batch: Membership[] = [];
    for (const membership of member.memberships()) {
      batch.push(membership);
      if (batch.length < GROUPS_PER_LEAVE) continue;
      this.#leaveExited(member, batch);
      yield batch.length * PIDS_PER_COUNT;
      batch = [];
    }
    this.#leaveExited(member, batch);
    this.#exited.delete(member);
  }

  /** Removes a member that has ended from some of its groups. */
  #leaveExited(member: Member, memberships: readonly Membership[]): void {
    const pids = [member.process.pid];
    const groups: Group[] = [];
    for (const membership of memberships) {
      // It may have left already, when the group was read.
      if (member.find(membership.group) !== membership) continue;
      const count = this.#members.removeExited(member, membership);
      for (let times = count; times > 0; times--) groups.push(membership.group);
    }
    if (groups.length === 0) return;
    this.#exchange.left(pids, groups);
    const newest = this.#exited.get(member);
    for (const group of groups) this.#monitors.notify({ kind: 'leave', group, pids }, newest);
  }

  /** Removes members that have ended from a group before anybody reads it. */
  #settle(group: Group): Group | undefined {
    for (const member of this.#exited.keys()) {
      const membership = member.find(group);
      if (membership !== undefined) this.#leaveExited(member, [membership]);
    }
    return group.empty ? undefined : group;
  }

  /** Whether a group has members, or local ones, that have not ended. */
  #hasMembers(group: Group, localOnly: boolean): boolean {
    if (!localOnly && group.remote.length > 0) return true;
    if (this.#exited.size === 0) return group.hasLocal;
    let exited = 0;
    for (const member of this.#exited.keys()) if (member.find(group) !== undefined) exited++;
    return group.localCount > exited;
  }

  /** The groups that a live process of this node is in, and how often it has joined each. */
  groupsOf(process: Process): Array<{ readonly group: unknown; readonly count: number }> {
    return [...(this.#members.of(process)?.memberships() ?? [])].map(({ group, count }) => ({
      group: group.name,
      count,
    }));
  }

  /** The group of a name, when it has members. */
  group(name: unknown): Group | undefined {
    const group = this.#members.groups.find(typeof name === 'string' ? name : this.#naming.here(name));
    return this.#exited.size === 0 || group === undefined ? group : this.#settle(group);
  }

  /** The group of a name that a local process is about to join. */
  #groupToJoin(name: unknown): Group {
    return this.#members.groups.findOrMake(typeof name === 'string' ? name : this.#naming.joined(name));
  }

  /** The names of all groups, or of those with members on this node. */
  groups(localOnly: boolean): unknown[] {
    const names: unknown[] = [];
    for (const group of this.#members.groups.all()) {
      if (this.#hasMembers(group, localOnly)) names.push(group.name);
    }
    return names;
  }

  /** The local processes of some pids, without those that have ended. */
  #local(pids: Pid | readonly Pid[]): Process[] {
    const list = Array.isArray(pids) ? (pids as readonly Pid[]) : [pids as Pid];
    const processes: Process[] = [];
    for (const pid of list) {
      const process = localProcess(this.node, pid);
      if (process !== null) processes.push(process);
    }
    return processes;
  }

  // ---- monitors ----

  /** @param group the name of a group, in an array, or undefined for the whole scope. */
  monitor(owner: Process, group: readonly [name: unknown] | undefined): Ref {
    return this.#monitors.add(owner, group === undefined ? undefined : [this.#naming.here(group[0])]);
  }

  /** Ends a monitor and removes its messages from the mailbox. */
  demonitor(owner: Process, ref: Ref): boolean {
    if (!this.#monitors.end(owner, ref)) return false;
    owner.flush(
      (message) =>
        (message instanceof GroupJoined || message instanceof GroupLeft) && message.ref.equals(ref),
    );
    return true;
  }

  // ---- the process ----

  /** Handles a message of the scope process. */
  handle(self: Process, message: unknown): void | Promise<void> {
    if (isSystemMessage(message)) return handleSystem(self, message, this.#system);
    this.#exchange.handle(message);
  }

  targetExited(_reason: ExitReason): void {
    scopesOf(this.node).delete(this.name);
    const members = this.onExit === null ? [] : this.#members.snapshot(this.#isAlive);
    this.#members.release();
    this.#monitors.release();
    this.onExit?.(members);
  }

  readonly #isAlive = (pid: Pid): boolean => this.node.isAlive(pid);

  #systemTarget(parent: Pid | null): SystemTarget {
    return {
      behaviour: 'pg',
      parent,
      getState: () => ({
        scope: this.name,
        local: this.#members.snapshot(this.#isAlive),
        peers: this.#exchange.peers(),
      }),
      replaceState: () => {
        throw badArgument('The state of a scope is its members: join and leave.');
      },
      details: () => ({}),
      terminate: (_self, reason) => {
        throw new ProcessExit(reason);
      },
    };
  }
}

/**
 * Starts a scope on a node.
 * @throws TroupeError TROUPE_NAME_TAKEN when the name is already registered.
 */
export function startScope(node: Node, name: string, parent?: Process): Scope {
  const scope = new Scope(node, name, parent);
  if (parent !== undefined) link(parent, scope.pid);
  return scope;
}

/** The scope of a name on a node, when it runs. */
export function findScope(node: Node, name: string): Scope | undefined {
  return running.get(node)?.get(name);
}

function scopesOf(node: Node): Map<string, Scope> {
  let scopes = running.get(node);
  if (scopes === undefined) {
    scopes = new Map();
    running.set(node, scopes);
  }
  return scopes;
}

/** The live process of a pid, or null; throws for a pid of another node. */
function localProcess(node: Node, pid: Pid): Process | null {
  if (!(pid instanceof Pid) || !node.isLocal(pid)) {
    throw new TroupeError('TROUPE_NOT_LOCAL', `${String(pid)} is not a pid of node '${node.name}'.`, {
      reason: 'nolocal',
    });
  }
  return node.find(pid);
}

// ---- monitors ----

/** A message from the monitor of a group. */
abstract class GroupChange {
  readonly ref: Ref;
  readonly group: unknown;
  readonly pids: readonly Pid[];

  constructor(ref: Ref, group: unknown, pids: readonly Pid[]) {
    this.ref = ref;
    this.group = group;
    this.pids = pids;
  }

  /** @internal */
  get [KEPT](): boolean {
    return true;
  }
}

/** `{Ref, join, Group, Pids}`: processes joined a monitored group, each as often as it is listed. */
export class GroupJoined extends GroupChange {}

/** `{Ref, leave, Group, Pids}`: processes left a monitored group, or ended. */
export class GroupLeft extends GroupChange {}

/** A process that monitors a group, or a whole scope. */
class GroupMonitor extends Watcher {
  readonly owner: Process;
  readonly ref: Ref;
  readonly #monitors: Monitors;
  /** Key of the group; undefined for the whole scope. */
  readonly group: string | undefined;
  /** Monitors are numbered as they are made. */
  readonly number: number;

  constructor(owner: Process, monitors: Monitors, group: string | undefined, number: number) {
    super();
    this.number = number;
    this.owner = owner;
    this.ref = owner.node.makeRef();
    this.#monitors = monitors;
    this.group = group;
  }

  targetExited(): void {
    this.#monitors.remove(this);
  }
}

/**
 * The monitors of a scope: of single groups, and of all.
 *
 * Each owner is watched, so that its monitors end with it. It receives `GroupJoined` and `GroupLeft` messages, which continue the
 * snapshot that it was given. See `pg:monitor/2`, `pg:monitor_scope/1`.
 */
class Monitors {
  /** The number of the last monitor. */
  newest = 0;
  readonly #byRef = new Map<string, GroupMonitor>();
  readonly #ofScope = new Set<GroupMonitor>();
  /** By a key that differs for every group. */
  readonly #ofGroup = new Map<string, Set<GroupMonitor>>();

  /** @param group the name of a group, in an array, or undefined for the whole scope. */
  add(owner: Process, group: readonly [name: unknown] | undefined): Ref {
    const key = group === undefined ? undefined : canonicalText(group[0]);
    const monitor = new GroupMonitor(owner, this, key, ++this.newest);
    this.#byRef.set(monitor.ref.key, monitor);
    if (key === undefined) this.#ofScope.add(monitor);
    else this.#groupSet(key).add(monitor);
    addWatch(owner, monitor);
    return monitor.ref;
  }

  /** Ends the monitor of a ref. @returns false when the owner has none of that ref. */
  end(owner: Process, ref: Ref): boolean {
    const monitor = this.#byRef.get(ref.key);
    if (monitor === undefined || monitor.owner !== owner) return false;
    removeWatch(monitor);
    this.remove(monitor);
    return true;
  }

  /** Removes a monitor whose owner is no longer watched. */
  remove(monitor: GroupMonitor): void {
    this.#byRef.delete(monitor.ref.key);
    if (monitor.group === undefined) {
      this.#ofScope.delete(monitor);
      return;
    }
    const set = this.#ofGroup.get(monitor.group);
    set?.delete(monitor);
    if (set?.size === 0) this.#ofGroup.delete(monitor.group);
  }

  /** Removes all monitors when the scope ends. */
  release(): void {
    for (const monitor of this.#byRef.values()) removeWatch(monitor);
  }

  /** True when there are no monitors. */
  get none(): boolean {
    return this.#byRef.size === 0;
  }

  /** Notifies the monitors of a change. @param newest the last monitor to notify; all when left out. */
  notify({ kind, group, pids }: Change, newest = Infinity): void {
    if (this.none) return;
    const Message = kind === 'join' ? GroupJoined : GroupLeft;
    const ofGroup = this.#ofGroup.size > 0 ? this.#ofGroup.get(canonicalText(group.name)) : undefined;
    for (const monitors of ofGroup === undefined ? [this.#ofScope] : [this.#ofScope, ofGroup]) {
      for (const { number, owner, ref } of monitors) {
        if (number <= newest) owner.deliver(new Message(ref, group.name, pids));
      }
    }
  }

  #groupSet(key: string): Set<GroupMonitor> {
    let set = this.#ofGroup.get(key);
    if (set === undefined) {
      set = new Set();
      this.#ofGroup.set(key, set);
    }
    return set;
  }
}
