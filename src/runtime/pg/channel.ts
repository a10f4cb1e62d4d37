/**
 * Channels with types: one declaration names a channel and says which topics it has and what each carries.
 *
 * It is a view on `pubsub.ts` and holds nothing but the name, so that two declarations of one name are one channel. Types
 * say what senders that use the declaration send; a member that is not so typed, or another node, may send something
 * else: a receiver checks what comes from a source that it does not trust.
 */
import { type ChannelFormOptions, declareChannel } from './channel-forms.ts';
import { UNHANDLED } from '../otp/actions.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { checkOptionNames, badArgument, kindOf, type OptionNames } from '../errors.ts';
import { Follower, type FollowOptions } from './durable/follower.ts';
import { publish } from './durable/log.ts';
import type { NewEvent, StoredEvent } from './durable/store.ts';
import * as pubsub from './pubsub.ts';
import { Broadcast } from './pubsub.ts';
import { ownPid, type Place } from './pg.ts';
import type {
  Atom,
  BitString,
  Charlist,
  ExternalFunction,
  Float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Port,
  Tuple,
} from '../terms/index.ts';

// ---- types ----

/** The names of the topics of a channel. */
export type TopicOf<Topics> = keyof Topics & string;

/** Immutable values, and those that have no readonly form. */
type Whole =
  | Pid
  | Ref
  | Date
  | Uint8Array
  | Atom
  | BitString
  | Charlist
  | ExternalFunction
  | Float
  | ImproperList
  | NativeRecord
  | OpaqueFunction
  | Port
  | Tuple
  | ((...args: never[]) => unknown);

/** A payload as its readers get it: they share it, so none of them may change it. */
export type ReadonlyPayload<Payload> = Payload extends Whole
  ? Payload
  : Payload extends ReadonlyMap<infer Key, infer Value>
    ? ReadonlyMap<ReadonlyPayload<Key>, ReadonlyPayload<Value>>
    : Payload extends object
      ? { readonly [Key in keyof Payload]: ReadonlyPayload<Payload[Key]> }
      : Payload;

/** The messages of some topics of a channel, distinguished by `topic`; of all when they are left out. */
export type BroadcastOf<Topics, Topic extends TopicOf<Topics> = TopicOf<Topics>> =
  Topic extends TopicOf<Topics> ? Broadcast<Topic, ReadonlyPayload<Topics[Topic]>> : never;

/** Handlers of broadcasts by topic; see `on`. */
export type TopicHandlers<Topics, State> = {
  readonly [Topic in TopicOf<Topics>]?: (
    state: State,
    payload: ReadonlyPayload<Topics[Topic]>,
    self: Process,
    message: BroadcastOf<Topics, Topic>,
  ) => unknown;
};

/** How deep {@link PayloadKey} looks; what is nested deeper may have any keys. */
type Depth = 6;

/** The keys of a payload, at any depth; `string` where the type does not say. */
export type PayloadKey<Payload, Level extends readonly unknown[] = []> = unknown extends Payload
  ? string
  : Level['length'] extends Depth
    ? string
    : Payload extends Tuple<infer Elements>
      ? PayloadKey<Elements[number], [...Level, 0]>
      : Payload extends Whole
        ? never
        : Payload extends ReadonlyMap<infer Key, infer Value>
          ? (Key & string) | PayloadKey<Value, [...Level, 0]>
          : Payload extends readonly (infer Item)[]
            ? PayloadKey<Item, [...Level, 0]>
            : Payload extends object
              ? (keyof Payload & string) | PayloadKey<Payload[keyof Payload], [...Level, 0]>
              : never;

/** How a channel looks to Erlang; see `defineChannel`. Its `atomKeys` are keys that the payloads have. */
export interface ChannelOptions<Topics> extends ChannelFormOptions {
  readonly atomKeys?: ReadonlyArray<PayloadKey<Topics[keyof Topics]>>;
}

// ---- declaring and using ----

/** A channel whose topics are known; make one with {@link defineChannel}. */
export class Channel<Topics> {
  readonly name: string;

  /** @internal Use {@link defineChannel}. */
  constructor(name: string) {
    this.name = pubsub.checkChannel(name);
  }

  /** Makes processes members; the calling one when none are named. See `pubsub.join`. */
  join(self: Process): void;
  join(place: Place, pids: Pid | readonly Pid[]): void;
  join(place: Place, pids?: Pid | readonly Pid[]): void {
    pubsub.join(place, this.name, pids ?? ownPid(place));
  }

  /** Lets processes leave; the calling one when none are named. See `pubsub.leave`. */
  leave(self: Process): 'ok' | 'not_joined';
  leave(place: Place, pids: Pid | readonly Pid[]): 'ok' | 'not_joined';
  leave(place: Place, pids?: Pid | readonly Pid[]): 'ok' | 'not_joined' {
    return pubsub.leave(place, this.name, pids ?? ownPid(place));
  }

  /** Sends to every member on every node. See `pubsub.broadcast`. */
  broadcast<Topic extends TopicOf<Topics>>(
    sender: Place,
    topic: Topic,
    payload: ReadonlyPayload<Topics[Topic]>,
  ): void {
    pubsub.broadcast(sender, this.name, topic, payload);
  }

  /** Sends to the members of this node. See `pubsub.localBroadcast`. */
  localBroadcast<Topic extends TopicOf<Topics>>(
    sender: Place,
    topic: Topic,
    payload: ReadonlyPayload<Topics[Topic]>,
  ): void {
    pubsub.localBroadcast(sender, this.name, topic, payload);
  }

  /** The members on all nodes. See `pubsub.getMembers`. */
  getMembers(place: Place): readonly Pid[] {
    return pubsub.getMembers(place, this.name);
  }

  /** The members on this node. See `pubsub.getLocalMembers`. */
  getLocalMembers(place: Place): readonly Pid[] {
    return pubsub.getLocalMembers(place, this.name);
  }

  /** True for a broadcast of this channel, with one of the topics when any are named. */
  matches<Topic extends TopicOf<Topics> = TopicOf<Topics>>(
    message: unknown,
    ...topics: readonly Topic[]
  ): message is BroadcastOf<Topics, Topic> {
    return (
      message instanceof Broadcast &&
      message.channel === this.name &&
      (topics.length === 0 || topics.includes(message.topic as Topic))
    );
  }

  /**
   * A matcher for `receive`: takes broadcasts of this channel, with one of the topics when any are named.
   * @example `const message = await self.receive(notes.matching('note_created'))`
   */
  matching<Topic extends TopicOf<Topics> = TopicOf<Topics>>(
    ...topics: readonly Topic[]
  ): (message: unknown) => message is BroadcastOf<Topics, Topic> {
    return (message): message is BroadcastOf<Topics, Topic> => this.matches(message, ...topics);
  }
}

/** Makes a channel durable; see `defineChannel`. */
export interface DurableOptions {
  /** Events are stored with the change that caused them, and handed out in order by the log of each node (`channelLog`). */
  readonly durable: true;
}

const CHANNEL_OPTIONS: OptionNames<ChannelFormOptions & DurableOptions> = {
  topics: true,
  atomKeys: true,
  durable: true,
};

/**
 * A durable channel; make one with `defineChannel(name, { durable: true })`.
 *
 * An event is stored in the transaction of the change that it reports: `store.append(transaction, notes.event(topic, payload))`. After
 * the commit it is handed out: `notes.publish(self, stored)`. An event that is never published, because the program died in between, the logs find in
 * the store. `broadcast` sends what need not be stored.
 */
export class DurableChannel<Topics> extends Channel<Topics> {
  /**
   * An event, to be stored. Its payload is kept as JSON: members get what JSON keeps of it.
   * @throws TroupeError TROUPE_BAD_ARGUMENT for a payload that JSON has no text for.
   */
  event<Topic extends TopicOf<Topics>>(topic: Topic, payload: ReadonlyPayload<Topics[Topic]>): NewEvent {
    const text: string | undefined = JSON.stringify(payload);
    if (text === undefined || topic === '')
      throw badArgument(`An event has a topic and a payload that can be written as JSON.`);
    return { channel: this.name, topic, payload: text };
  }

  /**
   * Hands a stored event to the members on all nodes. Call it when the transaction has committed, and only then.
   * @param place who its sender is: a process, or a node.
   * @throws TroupeError TROUPE_NO_LOG when `channelLog` was not started for the channel on this node.
   */
  publish(place: Place, event: StoredEvent): void {
    publish(place, event);
  }

  /**
   * Lets a process follow the channel from a position, as its `Follower` says: it becomes a member when it has caught up. Hand each message
   * that it gets to `Follower.read`.
   * @param since what `formatCursor` gave for the last event that was seen; undefined or empty to begin with what comes.
   * @throws TroupeError TROUPE_NO_LOG when `channelLog` was not started for the channel on this node.
   */
  follow(self: Process, since?: string, options?: FollowOptions): Follower<BroadcastOf<Topics>> {
    return new Follower(self, this.name, since, options);
  }
}

/**
 * Declares a channel: the type names its topics and the payload of each. To Erlang its name is an atom from now on, which a
 * BEAM node never frees: for names that are made while the program runs there is `pubsub`.
 * @param options how it looks to Erlang, and whether its events are stored; two declarations of one channel may not contradict each
 * other.
 * @throws TroupeError TROUPE_BAD_CHANNEL for an empty name, or one of more than 255 characters; when another declaration says
 * something else; for more than 10,000 channels.
 * @example `const notes = defineChannel<{ note_created: Note; note_deleted: { id: number } }>('notes')`
 * @example `const notes = defineChannel<Topics>('notes', { durable: true })`
 * @example `const rooms = defineChannel<{ opened: { id: number } }>('rooms', { atomKeys: ['id'] })`
 */
export function defineChannel<Topics extends object>(
  name: string,
  options: ChannelOptions<NoInfer<Topics>> & DurableOptions,
): DurableChannel<Topics>;
export function defineChannel<Topics extends object>(
  name: string,
  options?: ChannelOptions<NoInfer<Topics>>,
): Channel<Topics>;
export function defineChannel<Topics extends object>(
  name: string,
  options: ChannelOptions<NoInfer<Topics>> & Partial<DurableOptions> = {},
): Channel<Topics> {
  checkOptionNames('defineChannel', options, CHANNEL_OPTIONS);
  const { durable, ...forms } = options;
  const channel = durable === true ? new DurableChannel<Topics>(name) : new Channel<Topics>(name);
  declareChannel(name, forms);
  return channel;
}

/**
 * An `info` handler of a server for the broadcasts of a channel, by topic. What a handler returns is what the info handler
 * returns; other messages, and topics without a handler, are left to the next one (`UNHANDLED`).
 *
 * The compiler infers the state from `init` when that has types for all its parameters (`init(self: Process)`); otherwise
 * give the state of one handler its type.
 * @example `info: on(notes, { note_created: (index, note) => index.add(note) })`
 */
export function on<Topics, State>(
  channel: Channel<Topics>,
  handlers: TopicHandlers<Topics, State>,
): (state: State, message: unknown, self: Process) => unknown {
  type Handler = (state: State, payload: unknown, self: Process, message: Broadcast) => unknown;
  if (!(channel instanceof Channel))
    throw badArgument(`on() takes a channel of defineChannel, not ${kindOf(channel)}.`);
  if (Object(handlers) !== handlers)
    throw badArgument(`on() takes the handlers of topics as an object, not ${kindOf(handlers)}.`);
  const byTopic = new Map(Object.entries(handlers) as Array<[string, Handler]>);
  for (const [topic, handler] of byTopic) {
    if (typeof handler === 'function') continue;
    throw badArgument(
      `The handler of '${topic}' on the channel '${channel.name}' must be a function, not ${kindOf(handler)}.`,
    );
  }
  return (state, message, self) => {
    if (!(message instanceof Broadcast) || message.channel !== channel.name) return UNHANDLED;
    const handler = byTopic.get(message.topic);
    return handler === undefined ? UNHANDLED : handler(state, message.payload, self, message);
  };
}
