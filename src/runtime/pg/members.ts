/**
 * The membership tables of a scope: who is in which group, here and elsewhere.
 *
 * Every operation on local members costs O(1) in the size of the group. The tables know neither callers nor peers: each operation
 * returns what it changed, and the scope passes it on.
 *
 * Invariants: a local member is watched exactly while it is in a group; a group is in the table exactly while it has
 * members.
 */
import { addWatch, removeWatch } from '../process/monitor.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { type Group, Member, type Membership, type RemoteMembers, type RemoteScope } from './group.ts';
import { GroupTable } from './group-table.ts';

/** Processes joined a group, or left it. */
export interface Change {
  readonly kind: 'join' | 'leave';
  readonly group: Group;
  readonly pids: readonly Pid[];
}

/** Receives each change. */
export type Notify = (change: Change) => void;

/** The members of a group according to a peer, and whether the peer names it by an atom where this node uses another name. */
export interface SyncedGroup {
  readonly pids: readonly Pid[];
  readonly isAtom: boolean;
}

/** The members of a group that a peer reported before and that its snapshot lacks: under an atom, and otherwise. */
interface Missing {
  readonly texts: Tally;
  readonly atoms: Tally;
}

/** The groups that a snapshot has contained so far. */
export type Snapshot = Map<Group, Missing>;

/** The tables of one scope. */
export class Members {
  readonly groups = new GroupTable();
  readonly #onExit: (member: Member) => void;
  /** Local members, by the id of their pid, which no two live processes share. */
  readonly #members = new Map<number, Member>();

  /** @param onExit is called when a local member ends. */
  constructor(onExit: (member: Member) => void) {
    this.#onExit = onExit;
  }

  // ---- local members ----

  /** A local process as a member; undefined when it is in no group. */
  of(process: Process): Member | undefined {
    return this.#members.get(process.pid.id);
  }

  /** A local process joins a group, once. */
  join(group: Group, process: Process): void {
    let member = this.#members.get(process.pid.id);
    if (member === undefined) {
      member = new Member(process, this.#onExit);
      this.#members.set(process.pid.id, member);
      addWatch(process, member);
    }
    const membership = member.find(group);
    if (membership === undefined) member.add(group.add(member));
    else group.repeat(membership);
  }

  /** A local process leaves a group, once. @returns false when it was not in it. */
  leave(group: Group, process: Process): boolean {
    const member = this.#members.get(process.pid.id);
    const membership = member?.find(group);
    if (member === undefined || membership === undefined) return false;
    if (!group.leave(membership)) return true;
    member.remove(membership);
    if (member.idle) {
      removeWatch(member);
      this.#members.delete(process.pid.id);
    }
    this.dropIfEmpty(group);
    return true;
  }

  /** A local member has ended: it leaves its groups with `removeExited`, and joins no other. */
  forget(member: Member): void {
    this.#members.delete(member.process.pid.id);
  }

  /** Takes a member that has ended out of a group. @returns how often it had joined. */
  removeExited(member: Member, membership: Membership): number {
    const { group, count } = membership;
    member.remove(membership);
    group.remove(membership);
    this.dropIfEmpty(group);
    return count;
  }

  /** All local members by group, each as often as it has joined; without those that have ended. */
  snapshot(isAlive: (pid: Pid) => boolean): Array<readonly [group: unknown, pids: readonly Pid[]]> {
    const snapshot: Array<readonly [unknown, readonly Pid[]]> = [];
    for (const { name, localPids } of this.groups.all()) {
      const pids = localPids.filter(isAlive);
      if (pids.length > 0) snapshot.push([name, pids]);
    }
    return snapshot;
  }

  /** Ends all watches, when the scope ends. */
  release(): void {
    for (const member of this.#members.values()) removeWatch(member);
  }

  // ---- members of other nodes ----

  /**
   * @param isAtom whether the peer names the group by an atom, and it has another name here.
   * @returns the change, or undefined when there were no pids: such a join makes no group.
   */
  joinRemote(peer: RemoteScope, group: Group, pids: readonly Pid[], isAtom: boolean): Change | undefined {
    if (pids.length === 0) return undefined;
    let members = peer.groups.get(group);
    if (members === undefined) {
      members = group.addRemote(peer);
      peer.groups.set(group, members);
    }
    for (const pid of pids) members.add(pid, isAtom);
    if (isAtom) group.heardAsAtom = true;
    group.remoteChanged();
    return { kind: 'join', group, pids };
  }

  /** @returns the change, or undefined when none of the pids was there, under such a name. */
  leaveRemote(peer: RemoteScope, group: Group, pids: readonly Pid[], isAtom: boolean): Change | undefined {
    const members = peer.groups.get(group);
    if (members === undefined) return undefined;
    const left = pids.filter((pid) => members.remove(pid, isAtom));
    if (left.length === 0) return undefined;
    if (members.empty) dropRemote(peer, group, members);
    group.remoteChanged();
    this.dropIfEmpty(group);
    return { kind: 'leave', group, pids: left };
  }

  /** Removes all members of a peer, one group per step. @param notify receives each change as it happens. */
  *forgetPeer(peer: RemoteScope, notify: Notify): Generator<number, void> {
    for (const [group, members] of peer.groups) {
      const { pids } = members;
      dropRemote(peer, group, members);
      group.remoteChanged();
      this.dropIfEmpty(group);
      notify({ kind: 'leave', group, pids });
      yield pids.length;
    }
  }

  // ---- a snapshot of a peer, which replaces what it reported before ----

  /**
   * The peer has members in a group; those that are new join. All groups of a snapshot come before `leaveMissing`, so that a
   * group which stays does not vanish in between.
   */
  *syncGroup(
    peer: RemoteScope,
    group: Group,
    { pids, isAtom }: SyncedGroup,
    snapshot: Snapshot,
    notify: Notify,
  ): Generator<number, void> {
    let known = snapshot.get(group);
    if (known === undefined) {
      known = yield* tallyOf(peer.groups.get(group));
      snapshot.set(group, known);
    }
    for (const part of parts(pids)) {
      const change = this.joinRemote(peer, group, known[isAtom ? 'atoms' : 'texts'].without(part), isAtom);
      if (change !== undefined) notify(change);
      yield part.length;
    }
  }

  /** The snapshot is complete: members that it lacks leave. */
  *leaveMissing(peer: RemoteScope, snapshot: Snapshot, notify: Notify): Generator<number, void> {
    for (const [group, members] of peer.groups) {
      const missing = snapshot.get(group) ?? (yield* tallyOf(members));
      for (const isAtom of [false, true]) {
        for (const part of parts(missing[isAtom ? 'atoms' : 'texts'].rest())) {
          const change = this.leaveRemote(peer, group, part, isAtom);
          if (change !== undefined) notify(change);
          yield part.length;
        }
      }
      yield 0;
    }
  }

  /** Removes a group without members from the table. */
  dropIfEmpty(group: Group): void {
    if (group.empty) this.groups.drop(group);
  }
}

function dropRemote(peer: RemoteScope, group: Group, members: RemoteMembers): void {
  peer.groups.delete(group);
  group.removeRemote(members);
}

/** How many pids of one group make a step. */
const PIDS_PER_STEP = 256;

/** Splits a list into parts that are short enough for a step. */
export function parts<T>(list: readonly T[]): Iterable<readonly T[]> {
  return list.length > PIDS_PER_STEP ? split(list) : list.length === 0 ? [] : [list];
}

function* split<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < list.length; from += PIDS_PER_STEP) yield list.slice(from, from + PIDS_PER_STEP);
}

/** Counts of pids, some of which are taken out again. */
class Tally {
  readonly #counts = new Map<string, { readonly pid: Pid; count: number }>();

  add(pid: Pid): void {
    const entry = this.#counts.get(pid.key);
    if (entry === undefined) this.#counts.set(pid.key, { pid, count: 1 });
    else entry.count++;
  }

  /** Takes pids out. @returns those that were not there, each as often as it was missing. */
  without(pids: readonly Pid[]): readonly Pid[] {
    if (this.#counts.size === 0) return pids;
    return pids.filter(({ key }) => {
      const entry = this.#counts.get(key);
      if (entry === undefined) return true;
      if (--entry.count === 0) this.#counts.delete(key);
      return false;
    });
  }

  rest(): Pid[] {
    const pids: Pid[] = [];
    for (const { pid, count } of this.#counts.values()) {
      for (let times = count; times > 0; times--) pids.push(pid);
    }
    return pids;
  }
}

function* tallyOf(members: RemoteMembers | undefined): Generator<number, Missing> {
  if (members === undefined) return NOTHING;
  const missing: Missing = { texts: new Tally(), atoms: new Tally() };
  for (const isAtom of [false, true]) {
    for (const part of parts(members.pidsAs(isAtom))) {
      for (const pid of part) missing[isAtom ? 'atoms' : 'texts'].add(pid);
      if (part.length === PIDS_PER_STEP) yield part.length;
    }
  }
  return missing;
}

/** Is never added to. */
const NOTHING: Missing = { texts: new Tally(), atoms: new Tally() };
