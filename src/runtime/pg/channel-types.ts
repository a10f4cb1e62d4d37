/**
 * The types that the declaration of a channel gives its users. No code.
 */
import type { ChannelFormOptions } from '../channel-forms.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
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
import type { Broadcast } from './broadcast.ts';

/** The names of the topics of a channel. */
export type TopicOf<Topics> = keyof Topics & string;

/** Values that nobody changes, or that have no readonly form. */
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

/** A payload as its readers get it: they share it with each other, so that nobody may change it. */
export type ReadonlyPayload<Payload> = Payload extends Whole
  ? Payload
  : Payload extends ReadonlyMap<infer Key, infer Value>
    ? ReadonlyMap<ReadonlyPayload<Key>, ReadonlyPayload<Value>>
    : Payload extends object
      ? { readonly [Key in keyof Payload]: ReadonlyPayload<Payload[Key]> }
      : Payload;

/** The messages of some topics of a channel, told apart by `topic`; of all when they are left out. */
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
