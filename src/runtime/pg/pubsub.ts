/**
 * Channels: `nova_pubsub` of the Nova framework, on the pg scope `nova_scope`.
 *
 * A process joins a channel and receives what anybody broadcasts on it, on any node, as a `Broadcast`. A topic labels a
 * message and filters nothing: who joins a channel gets all its topics. As in Nova a sender that has joined receives its
 * own broadcasts, and a process that joins twice receives each twice. There is nothing to configure: the scope starts with the
 * first use.
 *
 * A channel is a string. To Erlang the name of one that is declared is an atom, and of any other a binary, as it may be
 * what a user typed: `defineChannel` declares a channel, and so does an `Atom` in place of the string, here.
 *
 * The first argument of each function says where it runs: in a process, or on a node, for code outside any process. `channel.ts`
 * has the same with types.
 */
import { FOR_MANY } from '../process/messages.ts';
import { NOVA_SCOPE, declareChannel, declareHeard } from './channel-forms.ts';
import { TroupeError } from '../errors.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { Atom } from '../terms/atom.ts';
import type { Group } from './group.ts';
import { MAX_GROUP_SIZE } from './group-table.ts';
import { type Place, nodeOf, ownPid } from './pg.ts';
import { type Formatter, TEXT } from '../terms/format.ts';
import type { Node } from '../process/node.ts';
import { TimerEntry } from '../process/timers.ts';
import { telemetry, tracing } from '../telemetry.ts';
import { type Scope, findScope, startScope } from './scope.ts';

const broadcasts = telemetry('troupe:pubsub:broadcast');
const deliveries = telemetry('troupe:pubsub:delivered');

// ---- messages ----

/**
 * What the members of a channel receive: `{nova_pubsub, Channel, Sender, Topic, Payload}`. It destructures as a tuple:
 * `const [channel, sender, topic, payload] = message`.
 *
 * All members of a node share one frozen object, and its payload with the sender, too: read it, do not change it.
 */
export class Broadcast<Topic extends string = string, Payload = unknown> {
  readonly channel: string;
  /**
   * Who sent it; the init process of its node when it was no process. Always of the node that the message came from: a
   * `nova_pubsub` tuple in the name of another node's process is not a broadcast, and arrives as a tuple.
   */
  readonly sender: Pid;
  readonly topic: Topic;
  readonly payload: Payload;
  /** The epoch of {@link position}; undefined without one. */
  declare readonly epoch: string | undefined;
  /** Its place in the history of a durable channel; undefined when it was not stored. It does not leave the node with the message. */
  declare readonly position: number | undefined;

  constructor(
    channel: string,
    sender: Pid,
    topic: Topic,
    payload: Payload,
    at?: { readonly epoch: string; readonly position: number },
  ) {
    this.channel = channel;
    this.sender = sender;
    this.topic = topic;
    this.payload = payload;
    if (at !== undefined) {
      this.epoch = at.epoch;
      this.position = at.position;
    }
    Object.freeze(this);
  }

  /** @internal */
  get [FOR_MANY](): boolean {
    return true;
  }

  /** Its topic and channel. The payload is left out. */
  toString(): string {
    return `broadcast '${this.topic}' on '${this.channel}'`;
  }

  /**
   * Its place as text, `<epoch>:<position>`: what a client keeps, and hands in as `since` to go on from there. Undefined for a message that
   * was not stored.
   */
  get id(): string | undefined {
    return this.epoch === undefined ? undefined : `${this.epoch}:${this.position}`;
  }

  /** Its fields in the order of the tuple. */
  *[Symbol.iterator](): Generator<string | Pid | Topic | Payload, void, void> {
    yield this.channel;
    yield this.sender;
    yield this.topic;
    yield this.payload;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('nova_pubsub', [this.channel, this.sender, this.topic, this.payload], depth);
  }
}

// ---- channels ----

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
 * goes once, whatever the number of members there. It does not wait for receivers, and a channel may have no members.
 * @param sender a process, or a node.
 * @param topic any string that is not empty.
 * @param payload what the members of this node share; do not change it afterwards.
 * @throws TroupeError TROUPE_BAD_CHANNEL; TROUPE_NOT_ENCODABLE, before anything is sent, when there are members on other
 * nodes and the payload cannot leave this one. See `nova_pubsub:broadcast/3`.
 */
export function broadcast(sender: Place, channel: ChannelName, topic: string, payload: unknown): void {
  const name = checkChannel(channel);
  const group = groupOf(sender, name, topic);
  const from = senderPid(sender);
  tellBroadcast(sender, name, topic, from);
  if (group === undefined) return;
  // Members that joined under the atom look for the atom in the message, too.
  if (group.heardAsAtom && group.remote.length > 0) declareHeard(name);
  const message = new Broadcast(name, from, topic, payload);
  nodeOf(sender).tap?.broadcast(name, message, group.localCount, remoteCount(group));
  group.broadcast(from, message);
  tellDelivered(group, nodeOf(sender), name);
}

/** As `broadcast`, to the members of this node only. See `nova_pubsub:local_broadcast/3`. */
export function localBroadcast(sender: Place, channel: ChannelName, topic: string, payload: unknown): void {
  const name = checkChannel(channel);
  const group = groupOf(sender, name, topic);
  const from = senderPid(sender);
  tellBroadcast(sender, name, topic, from);
  if (group?.hasLocal !== true) return;
  const message = new Broadcast(name, from, topic, payload);
  nodeOf(sender).tap?.broadcast(name, message, group.localCount, 0);
  group.deliver(message);
  tellDelivered(group, nodeOf(sender), name);
}

/** @internal Puts a message of a durable channel into the mailboxes of the members of this node. */
export function deliverHere(node: Node, channel: string, message: unknown): void {
  const group = novaScope(node).group(channel);
  if (group === undefined) return;
  node.tap?.broadcast(channel, message, group.localCount, 0);
  group.deliver(message);
  tellDelivered(group, node, channel);
}

/** @internal Publishes that there was a broadcast. */
export function tellBroadcast(place: Place, channel: string, topic: string, sender: Pid): void {
  tracing.tracer?.broadcast(channel, topic);
  if (broadcasts.hasSubscribers) broadcasts.publish({ node: nodeOf(place).name, channel, topic, sender });
}

function tellDelivered(group: Group, { name: node }: Node, channel: string): void {
  if (!group.hasLocal || !deliveries.hasSubscribers) return;
  deliveries.publish({ node, channel, members: group.localCount });
}

/** @internal As `broadcast`, to the members on those other nodes that the function accepts by name. */
export function broadcastElsewhere(
  place: Place,
  channel: string,
  accepts: (node: string) => boolean,
  make: () => Broadcast,
): void {
  const group = novaScope(nodeOf(place)).group(channel);
  if (group === undefined || group.remote.length === 0) return;
  if (group.heardAsAtom) declareHeard(channel);
  group.sendToNodes(senderPid(place), accepts, make);
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

function remoteCount(group: Group): number {
  return group.remote.reduce((count, { pids }) => count + pids.length, 0);
}

/** @internal Whom a broadcast is from: the process, or the init process of the node. */
export function senderPid(sender: Place): Pid {
  return 'initPid' in sender ? sender.initPid : sender.pid;
}

/** @internal The name as a string; an atom declares it. @throws TroupeError TROUPE_BAD_CHANNEL when it cannot name a channel. */
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

// ---- the scope ----

/** How many restarts may follow each other at once within the period. */
const MAX_RESTARTS = 10;
/** The period, in milliseconds. */
const RESTART_PERIOD_MS = 10_000;
/** How long a further restart waits, in milliseconds. */
const RESTART_PAUSE_MS = 1_000;

const restarted = telemetry('troupe:pubsub:restarted');
const restartFailed = telemetry('troupe:pubsub:restart_failed');

type LostMembers = ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>;

/**
 * The scope under the channels of a node, which is there whenever it is needed.
 *
 * It starts with the first use, and again when it has ended, with the members that it had on this node and that are still
 * alive. In Nova a scope that dies stays dead, and no process on its node hears or is heard until the node restarts.
 *
 * Limits: after 10 restarts within 10 s it waits 1 s before the next, unless a channel is used; a restart that
 * fails, because another process has the name, is tried again every second. With the node it ends for good.
 * The object is the timer of a restart that waits, too.
 */
class NovaScope extends TimerEntry {
  readonly #node: Node;
  #scope: Scope | null = null;
  /** What had been joined when the scope ended. */
  #lost: LostMembers = [];
  /** When it was restarted lately, by the clock of the node. */
  #restarts: number[] = [];

  constructor(node: Node) {
    super();
    this.#node = node;
  }

  /** The scope, started when it does not run. */
  get scope(): Scope {
    return this.#scope ?? this.#start();
  }

  override expired(): void {
    this.#restart();
  }

  #start(): Scope {
    const node = this.#node;
    const scope = findScope(node, NOVA_SCOPE) ?? startScope(node, NOVA_SCOPE);
    scope.onExit = (members) => {
      this.#scope = null;
      this.#lost = members;
      // Not at once: the node may be about to end all its processes.
      queueMicrotask(() => {
        this.#restartSoon();
      });
    };
    this.#scope = scope;
    for (const [group, pids] of this.#lost) scope.join(group, pids);
    this.#lost = [];
    return scope;
  }

  #restartSoon(): void {
    const now = this.#node.clock.now();
    this.#restarts = this.#restarts.filter((at) => at > now - RESTART_PERIOD_MS);
    if (this.#restarts.length < MAX_RESTARTS) this.#restart();
    else this.#pause();
  }

  #restart(): void {
    if (this.#scope !== null) return;
    this.#restarts.push(this.#node.clock.now());
    try {
      const { pid } = this.#start();
      if (restarted.hasSubscribers) restarted.publish({ node: this.#node.name, pid });
    } catch (error) {
      if (error instanceof TroupeError && error.code === 'TROUPE_NODE_STOPPED') return;
      if (restartFailed.hasSubscribers) restartFailed.publish({ node: this.#node.name, error });
      this.#pause();
    }
  }

  #pause(): void {
    if (this.timerQueue === null) this.#node.timers.start(this, RESTART_PAUSE_MS);
  }
}

const novaScopes = new WeakMap<Node, NovaScope>();

/** The scope of the channels of a node. */
export function novaScope(node: Node): Scope {
  let kept = novaScopes.get(node);
  if (kept === undefined) {
    kept = new NovaScope(node);
    novaScopes.set(node, kept);
  }
  return kept.scope;
}
