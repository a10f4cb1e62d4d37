/**
 * Channels with types: one declaration names a channel and says which topics it has and what each carries.
 *
 * It is a view on `pubsub.ts` and holds nothing but the name, so that two declarations of one name are one channel. Types
 * say what senders that use the declaration send; a member that is not so typed, or another node, may send something
 * else, and what comes from where it cannot be trusted is to be checked by who receives it.
 */
import { declareChannel } from '../channel-forms.ts';
import { UNHANDLED } from '../otp/server-actions.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { Broadcast } from './broadcast.ts';
import type {
  BroadcastOf,
  ChannelOptions,
  ReadonlyPayload,
  TopicHandlers,
  TopicOf,
} from './channel-types.ts';
import type { Place } from './pg.ts';
import * as pubsub from './pubsub.ts';

export type {
  BroadcastOf,
  ChannelOptions,
  ReadonlyPayload,
  TopicHandlers,
  TopicOf,
} from './channel-types.ts';

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
    if (pids === undefined) pubsub.join(place as Process, this.name);
    else pubsub.join(place, this.name, pids);
  }

  /** Lets processes leave; the calling one when none are named. See `pubsub.leave`. */
  leave(self: Process): 'ok' | 'not_joined';
  leave(place: Place, pids: Pid | readonly Pid[]): 'ok' | 'not_joined';
  leave(place: Place, pids?: Pid | readonly Pid[]): 'ok' | 'not_joined' {
    if (pids === undefined) return pubsub.leave(place as Process, this.name);
    return pubsub.leave(place, this.name, pids);
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

/**
 * Declares a channel: the type names its topics and the payload of each. To Erlang its name is an atom from now on, which a
 * BEAM node never frees: for names that are made while the program runs there is `pubsub`.
 * @param options how it looks to Erlang; two declarations of one channel may not contradict each other.
 * @throws TroupeError TROUPE_BAD_CHANNEL for an empty name, or one of more than 255 characters; when another declaration says
 * something else; for more than 10,000 channels.
 * @example `const notes = defineChannel<{ note_created: Note; note_deleted: { id: number } }>('notes')`
 * @example `const rooms = defineChannel<{ opened: { id: number } }>('rooms', { atomKeys: ['id'] })`
 */
export function defineChannel<Topics extends object>(
  name: string,
  options?: ChannelOptions<NoInfer<Topics>>,
): Channel<Topics> {
  const channel = new Channel<Topics>(name);
  declareChannel(name, options);
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
  const byTopic = new Map(Object.entries(handlers) as Array<[string, Handler]>);
  return (state, message, self) => {
    if (!(message instanceof Broadcast) || message.channel !== channel.name) return UNHANDLED;
    const handler = byTopic.get(message.topic);
    return handler === undefined ? UNHANDLED : handler(state, message.payload, self, message);
  };
}
