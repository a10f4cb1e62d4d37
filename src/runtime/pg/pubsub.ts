/**
 * Channels: `nova_pubsub` of the Nova framework, on the pg scope `nova_scope`.
 *
 * A process joins a channel and receives what anybody broadcasts on it, on any node, as a `Broadcast`. A topic labels a
 * message and filters nothing: who joins a channel gets all its topics. As in Nova a sender that has joined receives its
 * own broadcasts, and who joins twice receives twice. Nothing is to be configured: the scope starts with the first use.
 *
 * A channel is a string. To Erlang the name of one that is declared is an atom, and of any other a binary, as it may be
 * what a user typed: `defineChannel` declares a channel, and so does an `Atom` in place of the string, here.
 *
 * Each function takes first where it runs: a process, or a node for code that is no process. `channel.ts` has the same
 * with types.
 */
import { declareChannel, declareHeard } from '../channel-forms.ts';
import { TroupeError } from '../errors.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { Atom } from '../terms/atom.ts';
import { Broadcast } from './broadcast.ts';
import type { Group } from './group.ts';
import { MAX_GROUP_SIZE } from './group-key.ts';
import { novaScope } from './nova-scope.ts';
import { nodeOf, ownPid, type Place } from './pg.ts';

/** The name of a channel: a string, or an atom, which declares the channel of its name. */
export type ChannelName = string | Atom;

/**
 * Starts the scope of a node, which otherwise starts with the first use of a channel. A node learns of the members on other
 * nodes from then on: call it early on one whose first use is to broadcast to others. See `nova_pubsub:start/0`.
 */
export function start(place: Place): void {
  novaScope(nodeOf(place));
}

/**
 * Makes processes members of a channel.
 * @param channel any string that is not empty and not longer than 65,536, or an atom, which declares it.
 * @param pids processes of this node; the calling process when left out.
 * @throws TroupeError TROUPE_BAD_CHANNEL, TROUPE_NOT_LOCAL. See `nova_pubsub:join/1`, `join/2`.
 */
export function join(self: Process, channel: ChannelName): void;
export function join(place: Place, channel: ChannelName, pids: Pid | readonly Pid[]): void;
export function join(place: Place, channel: ChannelName, pids?: Pid | readonly Pid[]): void {
  novaScope(nodeOf(place)).join(checkChannel(channel), pids ?? ownPid(place));
}

/**
 * Lets processes leave a channel, each as often as it is named.
 * @returns `not_joined` when none of them was a member.
 * @throws TroupeError TROUPE_BAD_CHANNEL, TROUPE_NOT_LOCAL. See `nova_pubsub:leave/1`, `leave/2`.
 */
export function leave(self: Process, channel: ChannelName): 'ok' | 'not_joined';
export function leave(place: Place, channel: ChannelName, pids: Pid | readonly Pid[]): 'ok' | 'not_joined';
export function leave(place: Place, channel: ChannelName, pids?: Pid | readonly Pid[]): 'ok' | 'not_joined' {
  return novaScope(nodeOf(place)).leave(checkChannel(channel), pids ?? ownPid(place));
}

/**
 * Sends a message to every member of a channel on every node, the sender included when it has joined. To another node it
 * goes once, whatever the number of members there. Nobody is waited for, and no members are no error.
 * @param sender a process, or a node.
 * @param topic any string that is not empty.
 * @param payload what the members of this node share; do not change it afterwards.
 * @throws TroupeError TROUPE_BAD_CHANNEL; TROUPE_NOT_ENCODABLE, before anything is sent, when there are members on other
 * nodes and the payload cannot leave this one. See `nova_pubsub:broadcast/3`.
 */
export function broadcast(sender: Place, channel: ChannelName, topic: string, payload: unknown): void {
  const name = checkChannel(channel);
  const group = groupOf(sender, name, topic);
  if (group === undefined) return;
  const from = senderPid(sender);
  const message = new Broadcast(name, from, topic, payload);
  if (group.remote !== null) {
    // Its members there look for the atom in the message, too.
    if (group.heardAsAtom) declareHeard(name);
    for (const [peer, members] of group.remote) peer.sendToMembers(from, members.pids, message);
  }
  group.deliver(message);
}

/** As `broadcast`, to the members of this node only. See `nova_pubsub:local_broadcast/3`. */
export function localBroadcast(sender: Place, channel: ChannelName, topic: string, payload: unknown): void {
  const name = checkChannel(channel);
  const group = groupOf(sender, name, topic);
  if (group?.hasLocal === true) group.deliver(new Broadcast(name, senderPid(sender), topic, payload));
}

/** The members of a channel on all nodes that are known, each as often as it has joined. See `nova_pubsub:get_members/1`. */
export function getMembers(place: Place, channel: ChannelName): readonly Pid[] {
  return novaScope(nodeOf(place)).group(checkChannel(channel))?.pids ?? NONE;
}

/** The members of a channel on this node. See `nova_pubsub:get_local_members/1`. */
export function getLocalMembers(place: Place, channel: ChannelName): readonly Pid[] {
  return novaScope(nodeOf(place)).group(checkChannel(channel))?.localPids ?? NONE;
}

const NONE: readonly Pid[] = Object.freeze([]);

function groupOf(sender: Place, name: string, topic: string): Group | undefined {
  checkText('topic', topic);
  return novaScope(nodeOf(sender)).group(name);
}

function senderPid(sender: Place): Pid {
  return 'initPid' in sender ? sender.initPid : sender.pid;
}

/** @internal The name as a string; an atom declares it. @throws TroupeError TROUPE_BAD_CHANNEL when it is no name of a channel. */
export function checkChannel(channel: ChannelName): string {
  if (!(channel instanceof Atom)) {
    const text = checkText('channel', channel);
    if (text.length <= MAX_GROUP_SIZE) return text;
    const why = `The name of the channel has more than ${MAX_GROUP_SIZE} characters.`;
    throw new TroupeError('TROUPE_BAD_CHANNEL', why);
  }
  const name = checkText('channel', channel.name);
  declareChannel(name);
  return name;
}

function checkText(what: string, text: string): string {
  if (typeof text === 'string' && text !== '') return text;
  const shown = text === '' ? 'an empty string' : `a value of type ${typeof text}`;
  throw new TroupeError('TROUPE_BAD_CHANNEL', `The ${what} is ${shown}.`);
}
