/**
 * One group: who of this node and of other nodes is in it.
 *
 * Local members stand in a dense array of processes, each once, which a broadcast walks; a parallel array holds their
 * memberships, so that one that leaves is replaced by the last: O(1) whatever the size. How often a member has joined is
 * counted in its membership. Members of other nodes are kept per scope process that told of them. A broadcast needs nothing but
 * the group.
 *
 * Invariants: `local[i]` is the process of `memberships[i]`, whose index is `i`; an array that is being walked is not
 * changed but replaced, so that a member which ends because of a delivery disturbs nothing. A group without members is in
 * no table. It tells nobody.
 */
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import type { ExitReason } from '../process/messages.ts';
import { Watcher } from '../process/monitor.ts';
import type { Peer } from '../process/peer.ts';

/** That a local process is in a group. */
export class Membership {
  readonly member: Member;
  readonly group: Group;
  /** Its place in the group. */
  index: number;
  /** How often it has joined and not left. */
  count = 1;

  constructor(member: Member, group: Group, index: number) {
    this.member = member;
    this.group = group;
    this.index = index;
  }
}

/** A member of a group that lives on another node. */
interface RemoteMember {
  readonly pid: Pid;
  /** How often it has joined and not left. */
  count: number;
  /** How often of these under an atom, in a group that has another name here. */
  atoms: number;
}

/**
 * The members of a group that live on one other node. Most are one: a Map is made with the second only.
 *
 * A channel may be two groups there, one named by an atom and one by a binary: who leaves one of them may do so more often
 * than he has joined it, and stays in the other.
 */
export class RemoteMembers {
  /** The scope process that told of them. */
  readonly peer: RemoteScope;
  #only: RemoteMember | null = null;
  #many: Map<string, RemoteMember> | null = null;
  /** How many joins there were under an atom. */
  #atoms = 0;
  #pids: readonly Pid[] | null = null;

  constructor(peer: RemoteScope) {
    this.peer = peer;
  }

  get empty(): boolean {
    return this.#only === null && (this.#many === null || this.#many.size === 0);
  }

  /** All of them, each as often as it has joined: the same array until that changes. */
  get pids(): readonly Pid[] {
    return (this.#pids ??= Object.freeze(this.#list(({ count }) => count)));
  }

  /** Those that have joined under an atom, or those that have not. */
  pidsAs(isAtom: boolean): readonly Pid[] {
    if (this.#atoms === 0) return isAtom ? [] : this.pids;
    return this.#list(({ count, atoms }) => (isAtom ? atoms : count - atoms));
  }

  add(pid: Pid, isAtom: boolean): void {
    let member = this.#find(pid);
    if (member === undefined) {
      member = { pid, count: 0, atoms: 0 };
      this.#insert(member);
    }
    this.#change(member, 1, isAtom);
  }

  /** @returns false when it was not there, under such a name. */
  remove(pid: Pid, isAtom: boolean): boolean {
    const member = this.#find(pid);
    if (member === undefined || (isAtom ? member.atoms : member.count - member.atoms) === 0) return false;
    this.#change(member, -1, isAtom);
    if (member.count > 0) return true;
    if (member === this.#only) this.#only = null;
    else this.#many?.delete(pid.key);
    return true;
  }

  #find(pid: Pid): RemoteMember | undefined {
    if (this.#only !== null) return this.#only.pid.equals(pid) ? this.#only : undefined;
    return this.#many?.get(pid.key);
  }

  #insert(member: RemoteMember): void {
    if (this.#only === null && this.#many === null) {
      this.#only = member;
      return;
    }
    this.#many ??= new Map();
    if (this.#only !== null) this.#many.set(this.#only.pid.key, this.#only);
    this.#only = null;
    this.#many.set(member.pid.key, member);
  }

  #change(member: RemoteMember, by: 1 | -1, isAtom: boolean): void {
    member.count += by;
    if (isAtom) {
      member.atoms += by;
      this.#atoms += by;
    }
    this.#pids = null;
  }

  #list(timesOf: (member: RemoteMember) => number): Pid[] {
    const pids: Pid[] = [];
    for (const member of this.#only === null ? (this.#many?.values() ?? []) : [this.#only]) {
      for (let times = timesOf(member); times > 0; times--) pids.push(member.pid);
    }
    return pids;
  }
}

/** Stand in a group before its first local member, and are never added to. */
const NO_PROCESSES: Process[] = [];
const NO_MEMBERSHIPS: Membership[] = [];
const NO_REMOTE: RemoteMembers[] = [];

/** A group with at least one member. */
export class Group {
  /** What it is called; a copy of its own. */
  readonly name: unknown;
  /** Members of other nodes, one for each scope process that told of some. */
  remote: RemoteMembers[] = NO_REMOTE;
  /** Whether a peer calls it by an atom; see `naming.ts`. */
  heardAsAtom = false;
  /** What peers are told it is called, while it has local members; undefined before they were. See `naming.ts`. */
  toldAs: unknown = undefined;
  #local: Process[] = NO_PROCESSES;
  #memberships: Membership[] = NO_MEMBERSHIPS;
  /** How many joins there are beyond the first of each member. */
  #repeats = 0;
  /** The array that a broadcast walks, or null. */
  #walked: Process[] | null = null;
  #localPids: readonly Pid[] | null = null;
  #pids: readonly Pid[] | null = null;

  constructor(name: unknown) {
    this.name = name;
  }

  /** True when it has members on this node. */
  get hasLocal(): boolean {
    return this.#local.length > 0;
  }

  /** How many processes of this node are in it. */
  get localCount(): number {
    return this.#local.length;
  }

  get empty(): boolean {
    return this.#local.length === 0 && this.remote.length === 0;
  }

  // ---- members of this node ----

  /** Adds a process that is not in the group. */
  add(member: Member): Membership {
    const membership = new Membership(member, this, this.#local.length);
    if (this.#local.length === 0) {
      this.toldAs = undefined;
      // Most groups stay small: an array that is made with its element has room for no more, one that is pushed to for many.
      this.#local = [member.process];
      this.#memberships = [membership];
    } else {
      this.#beforeChange();
      this.#local.push(member.process);
      this.#memberships.push(membership);
    }
    this.#forgetPids();
    return membership;
  }

  /** A member joins once more. */
  repeat(membership: Membership): void {
    membership.count++;
    this.#repeats++;
    this.#forgetPids();
  }

  /** A member leaves once, and is out when that was the last time. @returns whether it is out. */
  leave(membership: Membership): boolean {
    if (membership.count === 1) {
      this.remove(membership);
      return true;
    }
    membership.count--;
    this.#repeats--;
    this.#forgetPids();
    return false;
  }

  /** Removes a member, however often it has joined. */
  remove(membership: Membership): void {
    this.#beforeChange();
    this.#forgetPids();
    this.#repeats -= membership.count - 1;
    const { index } = membership;
    const last = this.#memberships.pop() as Membership;
    const process = this.#local.pop() as Process;
    if (last === membership) return;
    last.index = index;
    this.#memberships[index] = last;
    this.#local[index] = process;
  }

  /**
   * Sends a message to all members: to another node it goes once, whatever the number of members there.
   * @throws TroupeError TROUPE_NOT_ENCODABLE, before anything is sent, when it cannot leave the node and has to.
   */
  broadcast(from: Pid, message: unknown): void {
    for (const { peer, pids } of this.remote) peer.sendToMembers(from, pids, message);
    this.deliver(message);
  }

  /** Sends a message to the members on those other nodes that the function accepts by name. */
  sendToNodes(from: Pid, message: unknown, accepts: (node: string) => boolean): void {
    for (const { peer, pids } of this.remote) {
      if (accepts(peer.pid.node)) peer.sendToMembers(from, pids, message);
    }
  }

  /** Puts a message into the mailbox of each local member, as often as it has joined. */
  deliver(message: unknown): void {
    const local = this.#local;
    if (local.length === 0) return;
    // Paid for by whoever broadcasts, as a send is.
    (local[0] as Process).node.scheduler.reductions -= local.length;
    const before = this.#walked;
    this.#walked = local;
    try {
      if (this.#repeats > 0) this.#deliverRepeated(local, message);
      else for (let index = 0; index < local.length; index++) (local[index] as Process).deliver(message);
    } finally {
      this.#walked = before;
    }
  }

  #deliverRepeated(local: readonly Process[], message: unknown): void {
    const counts = this.#memberships.map(({ count }) => count);
    for (let index = 0; index < local.length; index++) {
      for (let times = counts[index] as number; times > 0; times--)
        (local[index] as Process).deliver(message);
    }
  }

  // ---- all members ----

  /** The local members, each as often as it has joined. */
  get localPids(): readonly Pid[] {
    if (this.#localPids !== null) return this.#localPids;
    const pids: Pid[] = [];
    for (const { member, count } of this.#memberships) {
      for (let times = count; times > 0; times--) pids.push(member.process.pid);
    }
    return (this.#localPids = Object.freeze(pids));
  }

  /** All members, each as often as it has joined. */
  get pids(): readonly Pid[] {
    if (this.remote.length === 0) return this.localPids;
    return (this.#pids ??= Object.freeze([
      ...this.localPids,
      ...this.remote.flatMap((members) => members.pids),
    ]));
  }

  /** The members that a scope process told of, which there are none of yet. */
  addRemote(peer: RemoteScope): RemoteMembers {
    const members = new RemoteMembers(peer);
    if (this.remote.length === 0) this.remote = [members];
    else this.remote.push(members);
    return members;
  }

  removeRemote(members: RemoteMembers): void {
    this.remote = this.remote.length === 1 ? NO_REMOTE : this.remote.filter((one) => one !== members);
  }

  /** To be called when members of other nodes have changed. */
  remoteChanged(): void {
    this.#pids = null;
  }

  #beforeChange(): void {
    if (this.#walked === this.#local) this.#local = this.#local.slice();
  }

  #forgetPids(): void {
    this.#localPids = null;
    this.#pids = null;
  }
}

// ---- who is in groups ----

/**
 * A local process that is in at least one group of a scope.
 *
 * It is watched once, however many groups it is in: the watch is the member itself. Most processes are in one group, so
 * a Map of their groups is made with the second only.
 */
export class Member extends Watcher {
  readonly process: Process;
  readonly #onExit: (member: Member) => void;
  #only: Membership | null = null;
  #many: Map<Group, Membership> | null = null;

  constructor(process: Process, onExit: (member: Member) => void) {
    super();
    this.process = process;
    this.#onExit = onExit;
  }

  targetExited(_reason: ExitReason): void {
    this.#onExit(this);
  }

  /** True when it is in no group. */
  get idle(): boolean {
    return this.#only === null && (this.#many === null || this.#many.size === 0);
  }

  find(group: Group): Membership | undefined {
    if (this.#only !== null) return this.#only.group === group ? this.#only : undefined;
    return this.#many?.get(group);
  }

  add(membership: Membership): void {
    if (this.#many === null && this.#only === null) {
      this.#only = membership;
      return;
    }
    this.#many ??= new Map();
    if (this.#only !== null) this.#many.set(this.#only.group, this.#only);
    this.#only = null;
    this.#many.set(membership.group, membership);
  }

  remove(membership: Membership): void {
    if (this.#only === membership) this.#only = null;
    else this.#many?.delete(membership.group);
  }

  /** In how many groups it is. */
  get groupCount(): number {
    return this.#only === null ? (this.#many?.size ?? 0) : 1;
  }

  /** What it is in; those that are removed meanwhile are left out. */
  memberships(): Iterable<Membership> {
    return this.#only === null ? (this.#many?.values() ?? []) : [this.#only];
  }
}

/**
 * A scope process of another node, pg.erl's peer.
 *
 * The rule that keeps a peer alive (an OTP scope dies of a `leave` for what it has not recorded): nothing goes to it
 * before a snapshot has, and what is sent afterwards is what the tables changed by since. So a snapshot goes out in the turn
 * in which a peer becomes known, and changes in the turn in which they happen. A peer belongs to one connection; over a
 * later one it is sent nothing, as it has forgotten us with the first, and its `Down` is on the way.
 */
export class RemoteScope {
  readonly pid: Pid;
  /** The monitor on it. */
  readonly ref: Ref;
  readonly #peer: Peer;
  /** The members that it has told of. */
  readonly groups = new Map<Group, RemoteMembers>();
  /**
   * What is left of the snapshot for it: groups that it was not told of yet, and whose changes it is not told of before. Every
   * other group it knows.
   */
  unsent: Set<Group> = NOTHING_UNSENT;
  /** Whether it has sent a snapshot. */
  synced = false;
  /**
   * Whether its first snapshot was the last that came of it. A discover that comes next is the second half of its answer to
   * ours: it was sent before the snapshot that it got from here could arrive, and so asks for nothing more.
   */
  justSynced = false;
  /** Whether changes of it were dropped, so that all others are worth nothing until its next snapshot. */
  lost = false;

  constructor(pid: Pid, ref: Ref, peer: Peer) {
    this.pid = pid;
    this.ref = ref;
    this.#peer = peer;
  }

  /** True while the connection on which it was met lasts. */
  get reachable(): boolean {
    return this.#peer.connected;
  }

  /** Resolves when little waits to be sent to it; undefined when that is so, or not known. */
  drained(): Promise<void> | undefined {
    return this.reachable ? this.#peer.drained() : undefined;
  }

  /** Sends it a message, unless its connection is lost. */
  send(from: Pid, message: unknown): void {
    if (this.reachable) this.#peer.send({ op: 'send', from, to: this.pid, message });
  }

  /** Sends one message to several of the members that it has told of. */
  sendToMembers(from: Pid, to: readonly Pid[], message: unknown): void {
    if (this.reachable) this.#peer.send({ op: 'sendMany', from, to, message });
  }
}

/** Is never added to. */
const NOTHING_UNSENT: Set<Group> = new Set();
