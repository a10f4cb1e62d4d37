/**
 * What the scope processes of different nodes tell each other: the protocol of `pg.erl` from OTP 23 to 28, version 0.
 *
 * A carrier that speaks to OTP translates these classes: `{discover, Pid}`, `{'$gen_cast', {sync, Pid, [{Group, [Pid]}]}}`,
 * `{join, Pid, Group, PidOrList}` and `{leave, Pid, PidOrList, [Group]}`. `Pid` is always the scope process that speaks.
 *
 * What arrives is read here, with care: a field of the wrong kind makes the whole message bad, and pids that do not live on
 * the node of the speaker are left out, since only that node can know of their end.
 */
import { Pid } from '../process/pid.ts';
import { defineRecord } from '../records.ts';
import { atom } from '../terms/atom.ts';
import { tuple } from '../terms/tuple.ts';

/** "I am here, tell me your members." */
export class Discover {
  readonly peer: Pid;
  /** The protocol that the speaker would like, from OTP 29 on; it is answered in version 0. */
  readonly version: unknown;

  constructor(peer: Pid, version?: unknown) {
    this.peer = peer;
    this.version = version;
  }
}

/** All local members of the speaker; replaces what was known of it. Each group is named once. */
export class Sync {
  readonly peer: Pid;
  readonly groups: ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>;

  constructor(peer: Pid, groups: ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>) {
    this.peer = peer;
    this.groups = groups;
  }
}

/** Local processes of the speaker joined a group, each as often as it is named. */
export class Join {
  readonly peer: Pid;
  readonly group: unknown;
  readonly pids: Pid | readonly Pid[];

  constructor(peer: Pid, group: unknown, pids: Pid | readonly Pid[]) {
    this.peer = peer;
    this.group = group;
    this.pids = pids;
  }
}

/** Local processes of the speaker left each of some groups. Mind the order of the fields. */
export class Leave {
  readonly peer: Pid;
  readonly pids: Pid | readonly Pid[];
  readonly groups: readonly unknown[];

  constructor(peer: Pid, pids: Pid | readonly Pid[], groups: readonly unknown[]) {
    this.peer = peer;
    this.pids = pids;
    this.groups = groups;
  }
}

defineRecord(Discover, 'discover', ['peer', 'version'], {
  toTerm: ({ peer, version }) =>
    version === undefined ? tuple(atom('discover'), peer) : tuple(atom('discover'), peer, version),
});
defineRecord(Sync, 'sync', ['peer', 'groups'], {
  toTerm: ({ peer, groups }) =>
    tuple(
      atom('$gen_cast'),
      tuple(
        atom('sync'),
        peer,
        groups.map((entry) => tuple(...entry)),
      ),
    ),
});
defineRecord(Join, 'join', ['peer', 'group', 'pids']);
defineRecord(Leave, 'leave', ['peer', 'pids', 'groups']);

/** A message whose fields have the right kinds. `pids` are those that live on the node of the peer. */
export type PeerMessage =
  | { readonly kind: 'discover'; readonly peer: Pid }
  | {
      readonly kind: 'sync';
      readonly peer: Pid;
      readonly groups: ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>;
    }
  | { readonly kind: 'join'; readonly peer: Pid; readonly group: unknown; readonly pids: readonly Pid[] }
  | {
      readonly kind: 'leave';
      readonly peer: Pid;
      readonly pids: readonly Pid[];
      readonly groups: readonly unknown[];
    };

/** Reads a message; undefined when it is none of the protocol, or malformed. */
export function readPeerMessage(message: unknown): PeerMessage | undefined {
  if (message instanceof Discover) {
    return message.peer instanceof Pid ? { kind: 'discover', peer: message.peer } : undefined;
  }
  if (message instanceof Sync) return readSync(message);
  if (message instanceof Join) return readJoin(message);
  if (message instanceof Leave) return readLeave(message);
  return undefined;
}

function readSync({ peer, groups }: Sync): PeerMessage | undefined {
  if (!(peer instanceof Pid) || !Array.isArray(groups)) return undefined;
  const read: Array<readonly [unknown, readonly Pid[]]> = [];
  for (const entry of groups as unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 2) return undefined;
    const pids = readPids(entry[1], peer);
    if (pids === undefined) return undefined;
    read.push([entry[0], pids]);
  }
  return { kind: 'sync', peer, groups: read };
}

function readJoin({ peer, group, pids }: Join): PeerMessage | undefined {
  if (!(peer instanceof Pid)) return undefined;
  const read = readPids(pids, peer);
  return read === undefined ? undefined : { kind: 'join', peer, group, pids: read };
}

function readLeave({ peer, pids, groups }: Leave): PeerMessage | undefined {
  if (!(peer instanceof Pid) || !Array.isArray(groups)) return undefined;
  const read = readPids(pids, peer);
  return read === undefined ? undefined : { kind: 'leave', peer, pids: read, groups };
}

function readPids(pids: unknown, peer: Pid): readonly Pid[] | undefined {
  const list: unknown = pids instanceof Pid ? [pids] : pids;
  if (!Array.isArray(list) || !list.every((pid) => pid instanceof Pid)) return undefined;
  return list.filter((pid) => pid.origin.equals(peer.origin));
}
