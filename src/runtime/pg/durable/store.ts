/**
 * Where the events of durable channels are kept: what a store must do. `memory-store.ts` has one for tests and single nodes; an
 * application writes its own over its database.
 *
 * What the rest relies on:
 * - The positions of a channel are 1, 2, 3 ... in the order in which the transactions commit. A reader never sees one before all that
 *   are lower, and none is missing but those that were trimmed. (A counter that is taken as the last statement of a transaction, and
 *   locked until it has committed, gives that. A sequence does not: a transaction that took a number early may commit late.)
 * - An event of a transaction that was rolled back does not exist, and its position is given to another one.
 * - The epoch names the history. It changes when positions no longer mean the same events: another database, a restored backup.
 */

/** An event to store; `DurableChannel.event` makes one. */
export interface NewEvent {
  readonly channel: string;
  readonly topic: string;
  /** The payload in JSON. */
  readonly payload: string;
}

/** An event that was stored. */
export interface StoredEvent extends NewEvent {
  readonly epoch: string;
  readonly position: number;
}

/** How far the history of a channel goes. */
export interface Extent {
  readonly epoch: string;
  /** The position of the newest event; 0 when there was none. */
  readonly head: number;
  /** The lowest position that can still be read; `head + 1` when there is none. */
  readonly first: number;
}

/** A part of the history. */
export interface EventPage extends Extent {
  /** In the order of their positions, with none left out between them. Empty when there is nothing after the position. */
  readonly events: readonly StoredEvent[];
}

/** How much is read at a time. */
export interface ReadLimit {
  readonly events: number;
  /** Bytes of payloads after which no further event is read; the first is read whatever its size. */
  readonly bytes: number;
}

/** What is trimmed: an event goes when either applies to it. */
export interface TrimLimit {
  /** How many of the newest events stay. */
  readonly keep: number;
  /** The age in milliseconds beyond which events go. */
  readonly maxAgeMs: number;
}

/** Keeps events of channels; `Transaction` is what its user runs a transaction with. */
export interface ChannelStore<Transaction> {
  /**
   * Stores an event inside the caller's transaction. Call it last: from here to the commit, other transactions that append to the channel
   * wait.
   * @returns the event with the position that it has once the transaction has committed.
   */
  append(transaction: Transaction, event: NewEvent): Promise<StoredEvent>;
  /**
   * The events after a position, the oldest first.
   * @param after a position; those before `first` are gone, which the page's extent tells.
   */
  read(channel: string, after: number, limit: ReadLimit): Promise<EventPage>;
  /** How far the history goes. A channel that never had an event has the head 0. */
  extent(channel: string): Promise<Extent>;
  /** Removes old events, a bounded number at a time. @returns whether there is more to remove. */
  trim(channel: string, limit: TrimLimit): Promise<boolean>;
  /**
   * Calls the listener soon after a transaction with events of the channel has committed, on any node: with the
   * position when it is known. A call may be missed; readers look for themselves now and then. A store that cannot tell leaves it out.
   * @returns what ends it.
   */
  watch?(channel: string, listener: (position: number | undefined) => void): () => void;
}

/** What a log needs of its store. */
export type EventSource = Omit<ChannelStore<never>, 'append'>;

// ---- the text of a position ----

// `<epoch>:<position>`: what a client keeps and hands in to go on from there.

/** A place in the history of a channel: right after the event with this position. */
export interface Cursor {
  readonly epoch: string;
  readonly position: number;
}

const CURSOR = /^([\w-]{1,64}):(0|[1-9]\d{0,15})$/;

/** @internal Whether a text can be the epoch of a history: 1 to 64 letters, digits, `_` and `-`. */
export function isEpoch(text: string): boolean {
  return /^[\w-]{1,64}$/.test(text);
}

/** The text of a position. */
export function formatCursor({ epoch, position }: Cursor): string {
  return `${epoch}:${position}`;
}

/** The position that a text names; undefined when it names none. */
export function parseCursor(text: string): Cursor | undefined {
  const [, epoch, digits] = CURSOR.exec(text) ?? [];
  const position = Number(digits);
  return epoch === undefined || !Number.isSafeInteger(position) ? undefined : { epoch, position };
}
