/**
 * A scope: a set of groups, shared by the processes that are registered under the scope's name on different nodes.
 *
 * The scope process holds the tables and speaks with its peers. Unlike OTP's it is not called by message: `join` and
 * `leave` take effect in the turn of the caller, and what peers are told goes out in the same turn. A member that ends has
 * left its groups when the exit returns; nobody sees a dead member.
 *
 * Invariants: one scope of a name per node; with its process the scope ends, the members are no longer watched, and no
 * membership is kept. See `pg.erl`; the process is no `gen_server`, but answers system messages (`sys`).
 */
import { TroupeError } from '../errors.ts';
import { type SystemTarget, handleSystem, isSystemMessage } from '../otp/system.ts';
import type { Behaviour } from '../process/behaviour.ts';
import { link } from '../process/exit.ts';
import { type ExitReason, ProcessExit } from '../process/messages.ts';
import { type Watch, addWatch } from '../process/monitor.ts';
import type { Node } from '../process/node.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { ASKS_FROM } from '../process/state.ts';
import { Exchange, FromNode } from './exchange.ts';
import type { Group } from './group.ts';
import type { Member } from './member.ts';
import { Members } from './members.ts';
import { type Naming, namingOf } from './naming.ts';
import { GroupJoined, GroupLeft, Observers } from './observers.ts';

/** The scopes that run, by node and name. */
const running = new WeakMap<Node, Map<string, Scope>>();

const behaviour: Behaviour<Scope, [Scope]> = {
  name: 'pg',
  init: (_self, scope) => scope,
  handle: (self, message, scope) => scope.handle(self, message),
  fromPeer: (node, message) => (isSystemMessage(message) ? message : new FromNode(node, message)),
};

/** A scope that runs on a node. */
export class Scope implements Watch {
  readonly name: string;
  readonly node: Node;
  /** Its process. */
  readonly process: Process;
  readonly #members = new Members(this);
  readonly #observers = new Observers();
  readonly #naming: Naming;
  readonly #exchange: Exchange;
  readonly #system: SystemTarget;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  /** Called when the scope has ended, with what its local members had joined. */
  onExit: ((members: ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>) => void) | null = null;

  /** @internal Use {@link startScope}. */
  constructor(node: Node, name: string, parent: Process | undefined) {
    this.name = name;
    this.node = node;
    this.process = node.create(behaviour, [this], parent?.pid, { name, label: `pg scope ${name}` });
    this.process.flags |= ASKS_FROM;
    this.#naming = namingOf(name);
    this.#exchange = new Exchange(this.process, name, this.#naming, this.#members, (change) => {
      this.#observers.tell(change);
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

  /** True while there is nobody who is told of changes: then one pid needs no list. */
  get #unheard(): boolean {
    return this.#exchange.alone && this.#observers.none;
  }

  /** Tells peers, in the turn of the change, and then those who follow. */
  #changed(kind: 'join' | 'leave', group: Group, processes: readonly Process[]): void {
    if (this.#unheard) return;
    const exchange = this.#exchange;
    const pids = processes.map(({ pid }) => pid);
    if (kind === 'join') exchange.joined(group, pids);
    else exchange.left(pids, [group]);
    this.#observers.tell({ kind, group, pids });
  }

  memberExited(member: Member): void {
    const groups = this.#members.forget(member);
    const pids = [member.process.pid];
    this.#exchange.left(pids, groups);
    for (const group of groups) this.#observers.tell({ kind: 'leave', group, pids });
  }

  /** The group of a name, when it has members. */
  group(name: unknown): Group | undefined {
    return this.#members.groups.find(typeof name === 'string' ? name : this.#naming.here(name));
  }

  /** The group of a name, which gets a local member at once. */
  #groupToJoin(name: unknown): Group {
    return this.#members.groups.findOrMake(typeof name === 'string' ? name : this.#naming.joined(name));
  }

  /** The names of all groups, or of those with members on this node. */
  groups(localOnly: boolean): unknown[] {
    const names: unknown[] = [];
    for (const group of this.#members.groups.all()) {
      if (!localOnly || group.hasLocal) names.push(group.name);
    }
    return names;
  }

  /** The processes of this node that pids stand for; those that have ended are left out. */
  #local(pids: Pid | readonly Pid[]): Process[] {
    const list = Array.isArray(pids) ? (pids as readonly Pid[]) : [pids as Pid];
    const processes: Process[] = [];
    for (const pid of list) {
      const process = localProcess(this.node, pid);
      if (process !== null) processes.push(process);
    }
    return processes;
  }

  // ---- those who follow ----

  /** @param group the name of a group in an array, or undefined for the whole scope. */
  observe(owner: Process, group: readonly [name: unknown] | undefined): Ref {
    return this.#observers.add(owner, group === undefined ? undefined : [this.#naming.here(group[0])]);
  }

  /** Ends following, and takes its messages out of the mailbox. */
  endObserving(owner: Process, ref: Ref): boolean {
    if (!this.#observers.end(owner, ref)) return false;
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
    const members = this.onExit === null ? [] : this.#members.snapshot();
    this.#members.release();
    this.#observers.release();
    this.onExit?.(members);
  }

  #systemTarget(parent: Pid | null): SystemTarget {
    return {
      behaviour: 'pg',
      parent,
      getState: () => ({ scope: this.name, local: this.#members.snapshot(), peers: this.#exchange.peers() }),
      replaceState: () => {
        throw new TroupeError('TROUPE_BAD_ARGUMENT', 'The state of a scope is its members: join and leave.');
      },
      details: () => ({}),
      terminate: (_self, reason) => {
        throw new ProcessExit(reason);
      },
    };
  }
}

/**
 * Starts a scope on a node; it takes part at once.
 * @throws TroupeError TROUPE_NAME_TAKEN when the name is registered already.
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

/** The live process of a pid, or null; throws when it is no pid of the node. */
function localProcess(node: Node, pid: Pid): Process | null {
  if (!(pid instanceof Pid) || !node.isLocal(pid)) {
    throw new TroupeError('TROUPE_NOT_LOCAL', `${String(pid)} is no pid of node '${node.name}'.`, {
      reason: 'nolocal',
    });
  }
  return node.find(pid);
}
