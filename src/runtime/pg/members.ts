/**
 * The membership tables of a scope: who is in which group, here and elsewhere.
 *
 * Every operation on local members costs O(1) in the size of the group. The tables know neither processes that ask nor
 * peers that are told: each change says what it changed, for the scope to pass on.
 *
 * Invariants: a local member is watched exactly while it is in a group; a group is in the table exactly while it has
 * members.
 */
import { addWatch, removeWatch } from '../process/monitor.ts';
import type { Pid } from '../process/pid.ts';
import type { Process } from '../process/process.ts';
import { type Group, RemoteMembers } from './group.ts';
import { GroupTable } from './group-table.ts';
import { Member, type MemberKeeper } from './member.ts';
import type { Peer } from './peer.ts';

/** That a group got members, or lost some. */
export interface Change {
  readonly kind: 'join' | 'leave';
  readonly group: Group;
  readonly pids: readonly Pid[];
}

/** Who is in a group according to a peer: under an atom, where the group has another name here, and otherwise. */
export interface TellsOf {
  readonly texts: Pid[];
  readonly atoms: Pid[];
}

/** The tables of one scope. */
export class Members {
  readonly groups = new GroupTable();
  readonly #keeper: MemberKeeper;
  /** Local members, by the id of their pid, which no two live processes share. */
  readonly #members = new Map<number, Member>();

  /** @param keeper is told when a local member ends. */
  constructor(keeper: MemberKeeper) {
    this.#keeper = keeper;
  }

  // ---- local members ----

  /** A local process joins a group, once. */
  join(group: Group, process: Process): void {
    let member = this.#members.get(process.pid.id);
    if (member === undefined) {
      member = new Member(process, this.#keeper);
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

  /** A local member is gone from all its groups. @returns these groups, each as often as it had joined. */
  forget(member: Member): Group[] {
    const groups: Group[] = [];
    for (const membership of member.memberships()) {
      const { group, count } = membership;
      for (let times = count; times > 0; times--) groups.push(group);
      group.remove(membership);
      this.dropIfEmpty(group);
    }
    this.#members.delete(member.process.pid.id);
    return groups;
  }

  /** All local members by group, each as often as it has joined: a snapshot for peers. */
  snapshot(): Array<readonly [group: unknown, pids: readonly Pid[]]> {
    const snapshot: Array<readonly [unknown, readonly Pid[]]> = [];
    for (const group of this.groups.all()) {
      if (group.hasLocal) snapshot.push([group.name, group.localPids]);
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
  joinRemote(peer: Peer, group: Group, pids: readonly Pid[], isAtom: boolean): Change | undefined {
    if (pids.length === 0) return undefined;
    let members = peer.groups.get(group);
    if (members === undefined) {
      members = new RemoteMembers();
      peer.groups.set(group, members);
      (group.remote ??= new Map()).set(peer, members);
    }
    for (const pid of pids) members.add(pid, isAtom);
    if (isAtom) group.heardAsAtom = true;
    group.remoteChanged();
    return { kind: 'join', group, pids };
  }

  /** @returns the change, or undefined when none of the pids was there, under such a name. */
  leaveRemote(peer: Peer, group: Group, pids: readonly Pid[], isAtom: boolean): Change | undefined {
    const members = peer.groups.get(group);
    if (members === undefined) return undefined;
    const left = pids.filter((pid) => members.remove(pid, isAtom));
    if (left.length === 0) return undefined;
    if (members.empty) this.#dropRemote(peer, group);
    group.remoteChanged();
    this.dropIfEmpty(group);
    return { kind: 'leave', group, pids: left };
  }

  /** Removes all that a peer has told of. @returns the changes. */
  forgetPeer(peer: Peer): Change[] {
    const changes: Change[] = [];
    for (const [group, { pids }] of peer.groups) {
      this.#dropRemote(peer, group);
      group.remoteChanged();
      this.dropIfEmpty(group);
      changes.push({ kind: 'leave', group, pids });
    }
    return changes;
  }

  /** Puts a snapshot in place of what a peer has told so far. @returns what is different. */
  replacePeer(peer: Peer, groups: ReadonlyMap<Group, TellsOf>): Change[] {
    const changes: Array<Change | undefined> = [];
    // Joins first, so that a group which stays does not vanish in between.
    for (const [group, told] of groups) {
      const members = peer.groups.get(group);
      const texts = surplus(told.texts, members?.pidsAs(false) ?? []);
      const atoms = surplus(told.atoms, members?.pidsAs(true) ?? []);
      changes.push(this.joinRemote(peer, group, texts, false), this.joinRemote(peer, group, atoms, true));
    }
    for (const [group, members] of peer.groups) {
      const told = groups.get(group);
      const texts = surplus(members.pidsAs(false), told?.texts ?? []);
      const atoms = surplus(members.pidsAs(true), told?.atoms ?? []);
      changes.push(this.leaveRemote(peer, group, texts, false), this.leaveRemote(peer, group, atoms, true));
    }
    return changes.filter((change) => change !== undefined);
  }

  #dropRemote(peer: Peer, group: Group): void {
    peer.groups.delete(group);
    group.remote?.delete(peer);
  }

  /** Takes a group that has no members out of the table. */
  dropIfEmpty(group: Group): void {
    if (group.empty) this.groups.drop(group);
  }
}

/** The pids of a list that are not in another one, counting how often they stand in each. */
function surplus(pids: readonly Pid[], others: readonly Pid[]): Pid[] {
  const counts = new Map<string, number>();
  for (const { key } of others) counts.set(key, (counts.get(key) ?? 0) + 1);
  return pids.filter(({ key }) => {
    const count = counts.get(key) ?? 0;
    if (count > 0) counts.set(key, count - 1);
    return count === 0;
  });
}
