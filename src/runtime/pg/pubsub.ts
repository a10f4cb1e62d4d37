/**
 * Channels: `nova_pubsub` of the Nova framework, on the pg scope `nova_scope`.
 *
 * A process joins a channel and receives what anybody broadcasts on it, on any node, as a `Broadcast`. A topic labels a
 * message and filters nothing: who joins a channel gets all its topics. As in Nova a sender that has joined receives its
 * own broadcasts, and who joins twice receives twice. Nothing is to be configured: the scope starts with the first use.
 *
 * Each function takes first where it runs: a process, or a node for code that is no process. `channel.ts` has the same
 * with types.
 */
import { TroupeError } from '../errors.ts';
import type { Pid } from '../process/pid.ts';
import type { Process } from '../process/process.ts';
import { Broadcast } from './broadcast.ts';
import type { Group } from './group.ts';
import { novaScope } from './nova-scope.ts';
import { nodeOf, ownPid, type Place } from './pg.ts';

/**
 * Starts the scope of a node, which otherwise starts with the first use of a channel. A node learns of the members on other
 * nodes from then on: call it early on one whose first use is to broadcast to others. See `nova_pubsub:start/0`.
 */
export function start(place: Place): void {
  novaScope(nodeOf(place));
}

/**
 * Makes processes members of a channel.
 * @param channel any string that is not empty.
 * @param pids processes of this node; the calling process when left out.
 * @throws TroupeError TROUPE_BAD_CHANNEL, TROUPE_NOT_LOCAL. See `nova_pubsub:join/1`, `join/2`.
 */
export function join(self: Process, channel: string): void;
export function join(place: Place, channel: string, pids: Pid | readonly Pid[]): void;
export function join(place: Place, channel: string, pids?: Pid | readonly Pid[]): void {
  novaScope(nodeOf(place)).join(checkChannel(channel), pids ?? ownPid(place));
}

/**
 * Lets processes leave a channel, each as often as it is named.
 * @returns `not_joined` when none of them was a member.
 * @throws TroupeError TROUPE_BAD_CHANNEL, TROUPE_NOT_LOCAL. See `nova_pubsub:leave/1`, `leave/2`.
 */
export function leave(self: Process, channel: string): 'ok' | 'not_joined';
export function leave(place: Place, channel: string, pids: Pid | readonly Pid[]): 'ok' | 'not_joined';
export function leave(place: Place, channel: string, pids?: Pid | readonly Pid[]): 'ok' | 'not_joined' {
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
export function broadcast(sender: Place, channel: string, topic: string, payload: unknown): void {
  const group = groupOf(sender, channel, topic);
  if (group === undefined) return;
  const from = senderPid(sender);
  const message = new Broadcast(channel, from, topic, payload);
  if (group.remote !== null) {
    for (const [peer, members] of group.remote) peer.sendToMembers(from, members.pids, message);
  }
  group.deliver(message);
}

/** As `broadcast`, to the members of this node only. See `nova_pubsub:local_broadcast/3`. */
export function localBroadcast(sender: Place, channel: string, topic: string, payload: unknown): void {
  const group = groupOf(sender, channel, topic);
  if (group?.hasLocal === true) group.deliver(new Broadcast(channel, senderPid(sender), topic, payload));
}

/** The members of a channel on all nodes that are known, each as often as it has joined. See `nova_pubsub:get_members/1`. */
export function getMembers(place: Place, channel: string): readonly Pid[] {
  return novaScope(nodeOf(place)).group(checkChannel(channel))?.pids ?? NONE;
}

/** The members of a channel on this node. See `nova_pubsub:get_local_members/1`. */
export function getLocalMembers(place: Place, channel: string): readonly Pid[] {
  return novaScope(nodeOf(place)).group(checkChannel(channel))?.localPids ?? NONE;
}

const NONE: readonly Pid[] = Object.freeze([]);

function groupOf(sender: Place, channel: string, topic: string): Group | undefined {
  checkText('topic', topic);
  return novaScope(nodeOf(sender)).group(checkChannel(channel));
}

function senderPid(sender: Place): Pid {
  return 'initPid' in sender ? sender.initPid : sender.pid;
}

/** @internal @throws TroupeError TROUPE_BAD_CHANNEL when it is no name of a channel. */
export function checkChannel(channel: string): string {
  return checkText('channel', channel);
}

function checkText(what: string, text: string): string {
  if (typeof text === 'string' && text !== '') return text;
  const shown = text === '' ? 'an empty string' : `a value of type ${typeof text}`;
  throw new TroupeError('TROUPE_BAD_CHANNEL', `The ${what} is ${shown}.`);
}
