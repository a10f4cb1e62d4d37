/**
 * What the followers of a channel on one node read of its history: they share the messages, and the reads of the store.
 *
 * - The newest events are kept in memory as the messages that the members got: up to 1,000 of them and 4 MiB of payloads, which is what a
 *   follower is given at most by default. So clients that come back all at once, after a restart of their proxy for instance, do not read
 *   the store, and since they get the same messages, what `encodeOnce` makes of each is held once for all of them.
 * - What is not in memory is read a page at a time. Followers that need the same page wait for one read, and at most two reads run
 *   at a time, so that those who write do not wait behind a thousand who read.
 * - A position that turned out too old, or too far behind, stays so: the next follower from there is not worth a read.
 * - It is of one epoch: the log clears it when the epoch changes.
 */
import type { Broadcast } from '../pubsub.ts';
import type { Cursor, EventSource, Extent, StoredEvent } from './store.ts';

/** The default of what one follower is given at most, and what is kept in memory. */
export const REPLAY = { events: 1_000, bytes: 4_194_304 } as const;
/** What a follower gets in one turn, and what is read at a time. */
const PAGE = { events: 100, bytes: 262_144 } as const;
/** Pages that are read at a time. */
const READS_MAX = 2;

/** An event as its readers get it. */
export interface HistoryEntry {
  readonly position: number;
  readonly bytes: number;
  readonly message: Broadcast;
}

/** A part of the history; as an `EventPage`, with messages. */
export interface HistoryPage extends Extent {
  readonly entries: readonly HistoryEntry[];
}

/** The history of a channel, as followers read it. */
export class History {
  readonly #entries = new Map<number, HistoryEntry>();
  readonly #reads = new Map<number, Promise<HistoryPage>>();
  readonly #waiting: Array<() => void> = [];
  #reading = 0;
  #bytes = 0;
  /** No position below it is in memory. */
  #low = 1;
  /** The highest position that was found too old to be replayed. */
  #unreachable = -1;
  /** How many events may stay: no more than the log keeps. */
  #events: number = REPLAY.events;
  /** Counts epochs, so that what was read in an earlier one is not kept. */
  #epochs = 0;

  /** How many of the newest events the history has; older ones are not given from memory, either. */
  set keep(events: number) {
    this.#events = Math.min(REPLAY.events, events);
  }

  /** Whether a replay from here is known to pass the default limits, or the history to be gone. */
  isUnreachable(position: number): boolean {
    return position <= this.#unreachable;
  }

  /** Remembers that a replay from here, and from any place before it, is not possible. */
  markUnreachable(position: number): void {
    this.#unreachable = Math.max(this.#unreachable, position);
  }

  /** Keeps an event; `head` is the newest position that the members have got. */
  add(entry: HistoryEntry, head: number): void {
    const { position, bytes } = entry;
    const oldest = head - this.#events + 1;
    const before = this.#entries.get(position);
    if (position >= oldest && before === undefined) {
      this.#entries.set(position, entry);
      this.#bytes += bytes;
      this.#low = Math.min(this.#low, position);
    }
    while (this.#entries.size > 0 && (this.#low < oldest || this.#bytes > REPLAY.bytes)) this.#drop();
  }

  /** Forgets everything: positions mean something else from now on. */
  clear(): void {
    this.#entries.clear();
    this.#reads.clear();
    this.#bytes = 0;
    this.#low = 1;
    this.#unreachable = -1;
    this.#epochs++;
  }

  /** What is in memory after a position, up to a page of it; undefined when the store has to be asked. */
  recall(after: number, { epoch, position: head }: Cursor): HistoryPage | undefined {
    if (after > head) return undefined;
    const entries: HistoryEntry[] = [];
    let bytes = 0;
    for (let position = after + 1; position <= head; position++) {
      const entry = this.#entries.get(position);
      if (entry === undefined || entries.length === PAGE.events || bytes >= PAGE.bytes) break;
      entries.push(entry);
      bytes += entry.bytes;
    }
    if (after < head && entries.length === 0) return undefined;
    return { epoch, head, first: after + 1, entries };
  }

  /**
   * Reads a page from the store.
   * @param epoch that of the positions; what the store has of another one is not kept
   * @param toMessage makes the message of an event that is not in memory
   * @throws what the store throws
   */
  read(
    source: EventSource,
    channel: string,
    { epoch, position: after }: Cursor,
    toMessage: (event: StoredEvent) => Broadcast,
  ): Promise<HistoryPage> {
    let read = this.#reads.get(after);
    if (read === undefined) {
      read = this.#load(source, channel, { epoch, position: after }, toMessage);
      this.#reads.set(after, read);
      const forget = () => {
        if (this.#reads.get(after) === read) this.#reads.delete(after);
      };
      read.then(forget, forget);
    }
    return read;
  }

  async #load(
    source: EventSource,
    channel: string,
    { epoch, position: after }: Cursor,
    toMessage: (event: StoredEvent) => Broadcast,
  ): Promise<HistoryPage> {
    await this.#turn();
    const epochs = this.#epochs;
    try {
      const { events, ...extent } = await source.read(channel, after, PAGE);
      const isCurrent = epochs === this.#epochs && extent.epoch === epoch;
      const entries = events.map((event) => {
        const bytes = Buffer.byteLength(event.payload);
        const known = isCurrent ? this.#entries.get(event.position) : undefined;
        const entry = known ?? { position: event.position, bytes, message: toMessage(event) };
        if (isCurrent) this.add(entry, extent.head);
        return entry;
      });
      return { ...extent, entries };
    } finally {
      this.#reading--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#reading >= READS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#reading++;
  }

  /** Forgets the oldest event. */
  #drop(): void {
    const entry = this.#entries.get(this.#low);
    if (entry !== undefined) {
      this.#entries.delete(this.#low);
      this.#bytes -= entry.bytes;
    }
    this.#low++;
  }
}
