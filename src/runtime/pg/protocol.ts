/**
 * What the scope processes of different nodes tell each other: the protocol of `pg.erl` from OTP 23 to 28, version 0, which
 * OTP 29 speaks with those that ask for no other.
 *
 * `{discover, Pid}`, the cast `{sync, Pid, [{Group, [Pid]}]}`, `{join, Pid, Group, PidOrList}` and
 * `{leave, Pid, PidOrList, [Group]}`; the first `Pid` is always the scope process that speaks. A scope of OTP ends of any
 * other message, and so nothing else is ever sent.
 *
 * What arrives is read here, with care: a field of the wrong kind makes the whole message bad, and pids that do not live on
 * the node of the speaker are left out, since only that node can know of their end. Messages of version 1 (`local_data`,
 * `update`) are not understood; a peer sends them only on request.
 */
import { Cast } from '../otp/gen.ts';
import { Pid } from '../terms/identifiers.ts';
import { atom } from '../terms/atom.ts';
import { Tuple } from '../terms/values.ts';

const DISCOVER = atom('discover');
const SYNC = atom('sync');
const JOIN = atom('join');
const LEAVE = atom('leave');

/** The name of a request that is a term of any form. */
const REQUEST = '$request';

/** A group by name, and its members. */
export type NamedGroup = readonly [group: unknown, pids: readonly Pid[]];

/** "I am here, tell me your members." */
export function discover(self: Pid): Tuple {
  return new Tuple([DISCOVER, self]);
}

/** All local members of the speaker; replaces what was known of it. Each group is named once. */
export function sync(self: Pid, groups: readonly NamedGroup[]): Cast {
  return new Cast(REQUEST, new Tuple([SYNC, self, groups.map((group) => new Tuple(group))]));
}

/** Local processes of the speaker joined a group, each as often as it is named. */
export function join(self: Pid, group: unknown, pids: Pid | readonly Pid[]): Tuple {
  return new Tuple([JOIN, self, group, pids]);
}

/** Local processes of the speaker left each of some groups. */
export function leave(self: Pid, pids: Pid | readonly Pid[], groups: readonly unknown[]): Tuple {
  return new Tuple([LEAVE, self, pids, groups]);
}

/** A message whose fields have the right kinds. `pids` are those that live on the node of the peer. */
export type PeerMessage =
  | { readonly kind: 'discover'; readonly peer: Pid }
  | { readonly kind: 'sync'; readonly peer: Pid; readonly entries: readonly Tuple[] }
  | { readonly kind: 'join'; readonly peer: Pid; readonly group: unknown; readonly pids: readonly Pid[] }
  | {
      readonly kind: 'leave';
      readonly peer: Pid;
      readonly pids: readonly Pid[];
      readonly groups: readonly unknown[];
    };

/** Reads a message; undefined when it does not belong to the protocol, or is malformed. */
export function readPeerMessage(message: unknown): PeerMessage | undefined {
  if (message instanceof Cast) return message.name === REQUEST ? readCast(message.argument) : undefined;
  if (!(message instanceof Tuple)) return undefined;
  const [tag, peer, third, fourth] = message.elements;
  if (!(peer instanceof Pid)) return undefined;
  // With its version, from OTP 29 on. The answer in version 0 makes us a peer of version 0.
  if (tag === DISCOVER && (message.length === 2 || message.length === 3)) return { kind: 'discover', peer };
  if (message.length !== 4) return undefined;
  if (tag === JOIN) return readJoin(peer, third, fourth);
  if (tag === LEAVE) return readLeave(peer, third, fourth);
  return undefined;
}

function readCast(request: unknown): PeerMessage | undefined {
  if (!(request instanceof Tuple) || request.length !== 3) return undefined;
  const [tag, peer, groups] = request.elements;
  if (tag !== SYNC || !(peer instanceof Pid) || !Array.isArray(groups)) return undefined;
  return groups.every(isEntry) ? { kind: 'sync', peer, entries: groups } : undefined;
}

/** Only looked at: there may be so many that they are read one by one, by `readEntry`. */
function isEntry(entry: unknown): entry is Tuple {
  return entry instanceof Tuple && entry.length === 2 && arePids(entry.elements[1]);
}

/** Reads an entry of a snapshot. */
export function readEntry(peer: Pid, { elements: [group, pids] }: Tuple): NamedGroup {
  return [group, readPids(pids, peer) ?? []];
}

function readJoin(peer: Pid, group: unknown, pids: unknown): PeerMessage | undefined {
  const read = readPids(pids, peer);
  return read === undefined ? undefined : { kind: 'join', peer, group, pids: read };
}

function readLeave(peer: Pid, pids: unknown, groups: unknown): PeerMessage | undefined {
  if (!Array.isArray(groups)) return undefined;
  const read = readPids(pids, peer);
  return read === undefined ? undefined : { kind: 'leave', peer, pids: read, groups };
}

function readPids(pids: unknown, peer: Pid): readonly Pid[] | undefined {
  if (!arePids(pids)) return undefined;
  const list = pids instanceof Pid ? [pids] : pids;
  const livesThere = (pid: Pid): boolean => pid.origin.equals(peer.origin);
  return list.every(livesThere) ? list : list.filter(livesThere);
}

function arePids(pids: unknown): pids is Pid | readonly Pid[] {
  return pids instanceof Pid || (Array.isArray(pids) && pids.every(isPid));
}

function isPid(value: unknown): value is Pid {
  return value instanceof Pid;
}
