/**
 * One group: who of this node and of other nodes is in it.
 *
 * Local members are in a dense array of processes, each once, which a broadcast walks. A parallel array holds their memberships;
 * a member that leaves is replaced by the last, in O(1) whatever the size. A membership counts how often its process has joined.
 * Members on other nodes are kept per scope process that reported them. A broadcast needs only the group.
 *
 * Invariants: `local[i]` is the process of `memberships[i]`, whose index is `i`. An array that is being walked is replaced, not
 * changed, so that a member which ends because of a delivery disturbs nothing. A group without members is in no table. A group
 * notifies nobody.
 */
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import type { ExitReason } from '../process/messages.ts';
import { Watcher } from '../process/monitor.ts';
import type { Peer } from '../process/peer.ts';

/** The membership of a local process in a group. */
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
  /** How many of these joins were under an atom, in a group that has another name here. */
  atoms: number;
}

/**
 * The members of a group that live on one other node. Usually there is one: the second makes a Map.
 *
 * A channel may be two groups there, one named by an atom and one by a binary. A process that leaves one of them more often than it
 * joined stays in the other.
 */
export class RemoteMembers {
  /** The scope process that reported them. */
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

  /** All of them, each as often as it has joined; the same array until that changes. */
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
    if (this.#only !== null) return repeated(this.#only.pid, timesOf(this.#only));
    const pids: Pid[] = [];
    for (const member of this.#many?.values() ?? []) {
      for (let times = timesOf(member); times > 0; times--) pids.push(member.pid);
    }
    return pids;
  }
}

/** A pid several times, without the spare room of an array that is pushed to: most groups have one member. */
function repeated(pid: Pid, times: number): Pid[] {
  return times === 1 ? [pid] : Array.from({ length: times }, () => pid);
}

/** Empty arrays for groups without local members; never added to. */
const NO_PROCESSES: Process[] = [];
const NO_MEMBERSHIPS: Membership[] = [];
const NO_REMOTE: RemoteMembers[] = [];

/** A group with at least one member. */
export class Group {
  /** Its name: a copy that no other code holds. */
  readonly name: unknown;
  /** Members on other nodes, one entry per scope process that reported some. */
  remote: RemoteMembers[] = NO_REMOTE;
  /** Whether a peer calls it by an atom; see `channel-forms.ts`. */
  heardAsAtom = false;
  /** Its name in messages to peers while it has local members; undefined before the first. See `channel-forms.ts`. */
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
      // Most groups stay small: an array made with its element has no spare room, one that is pushed to has much.
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

  /** A member leaves once. @returns whether it has now left as often as it had joined. */
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
   * Sends a message to all members. To another node it goes once, whatever the number of members there.
   * @throws TroupeError TROUPE_NOT_ENCODABLE, before anything is sent, when the message cannot leave the node but has to.
   */
  broadcast(from: Pid, message: unknown): void {
    if (this.remote.length > 0) {
      for (const { peer, pids } of this.remote) peer.sendToMembers(from, pids, message);
    }
    this.deliver(message);
  }

  /** Sends a message to the members on those other nodes that `accepts` names; makes it only if there is one. */
  sendToNodes(from: Pid, accepts: (node: string) => boolean, make: () => unknown): void {
    let message: unknown;
    for (const { peer, pids } of this.remote) {
      if (accepts(peer.pid.node)) peer.sendToMembers(from, pids, (message ??= make()));
    }
  }

  /** Puts a message into the mailbox of each local member, as often as it has joined. */
  deliver(message: unknown): void {
    const local = this.#local;
    if (local.length === 0) return;
    // The process that broadcasts pays, as for a send.
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
    const pids =
      this.#repeats === 0
        ? this.#memberships.map(({ member }) => member.process.pid)
        : this.#memberships.flatMap(({ member, count }) => repeated(member.process.pid, count));
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

  /** Adds an entry for the members that a scope process reports. */
  addRemote(peer: RemoteScope): RemoteMembers {
    const members = new RemoteMembers(peer);
    if (this.remote.length === 0) this.remote = [members];
    else this.remote.push(members);
    return members;
  }

  removeRemote(members: RemoteMembers): void {
    this.remote = this.remote.length === 1 ? NO_REMOTE : this.remote.filter((one) => one !== members);
  }

  /** Call this after a change to the members on other nodes. */
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

// ---- members and peers ----

/**
 * A local process that is in at least one group of a scope.
 *
 * It is watched once, however many groups it is in: the watch is the member itself. Most processes are in one group; the second
 * makes a Map.
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

  /** Its memberships, without those that are removed during the iteration. */
  memberships(): Iterable<Membership> {
    return this.#only === null ? (this.#many?.values() ?? []) : [this.#only];
  }
}

/**
 * A scope process on another node: a peer.
 *
 * An OTP scope dies of a `leave` for a group that it has not recorded. So nothing goes to a peer before a snapshot, and afterwards
 * exactly what has changed in the tables since: the snapshot goes out in the turn in which the peer becomes known, and changes in the
 * turn in which they happen, unless their group is still unsent. A peer belongs to one connection. Over a later one nothing is sent:
 * the peer has forgotten us with the first, and its `Down` is on the way.
 */
export class RemoteScope {
  readonly pid: Pid;
  /** The monitor on it. */
  readonly ref: Ref;
  readonly #peer: Peer;
  /** Its members, by group. */
  readonly groups = new Map<Group, RemoteMembers>();
  /**
   * The rest of the snapshot for it: groups that have not been sent yet, and whose changes are not sent before them. It knows every
   * other group.
   */
  unsent: Set<Group> = NOTHING_UNSENT;
  /** Whether it has sent a snapshot. */
  synced = false;
  /**
   * Whether its first snapshot was its latest message. A discover that follows directly is the second half of its answer to our
   * discover. It was sent before our snapshot could arrive, so it asks for nothing more.
   */
  justSynced = false;
  /** Whether changes from it were dropped; further changes are ignored until its next snapshot. */
  lost = false;

  constructor(pid: Pid, ref: Ref, peer: Peer) {
    this.pid = pid;
    this.ref = ref;
    this.#peer = peer;
  }

  /** True while the connection over which it became known lasts. */
  get reachable(): boolean {
    return this.#peer.connected;
  }

  /** Resolves when nothing waits to be sent to it; undefined when the carrier cannot say. */
  drained(): Promise<void> | undefined {
    return this.reachable ? this.#peer.drained() : undefined;
  }

  /** Sends it a message, unless its connection is lost. */
  send(from: Pid, message: unknown): void {
    if (this.reachable) this.#peer.send({ op: 'send', from, to: this.pid, message });
  }

  /** Sends one message to several of its members. */
  sendToMembers(from: Pid, to: readonly Pid[], message: unknown): void {
    if (this.reachable) this.#peer.send({ op: 'sendMany', from, to, message });
  }
}

/** Never added to. */
const NOTHING_UNSENT: Set<Group> = new Set();
