/**
 * What a log has been handed before its turn: events that wait for those before them.
 *
 * Bounded by number and by bytes of payloads. What does not fit is left out: the store has it, and the log reads it there when its turn comes.
 */
import type { Pid } from '../../terms/identifiers.ts';
import type { StoredEvent } from './store.ts';

/** @internal How much waits at most. */
export const AHEAD_MAX = { events: 1_000, bytes: 4_194_304 } as const;

/** An event, on the way from the process that has stored it to the log of its node. */
export class Published {
  readonly event: StoredEvent;
  readonly sender: Pid;
  /** The size of the payload. */
  readonly bytes: number;

  constructor(event: StoredEvent, sender: Pid) {
    this.event = event;
    this.sender = sender;
    this.bytes = Buffer.byteLength(event.payload);
  }
}

/** The events of one epoch that wait, by position. */
export class Ahead {
  readonly #waiting = new Map<number, Published>();
  #bytes = 0;

  get size(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps an event, unless it is there already or there is no room. */
  add(published: Published): void {
    const { position } = published.event;
    const isFull = this.size >= AHEAD_MAX.events || this.#bytes + published.bytes > AHEAD_MAX.bytes;
    if (isFull || this.#waiting.has(position)) return;
    this.#waiting.set(position, published);
    this.#bytes += published.bytes;
  }

  /** Takes out the event of a position, if it waits here. */
  take(position: number): Published | undefined {
    const published = this.#waiting.get(position);
    if (published === undefined) return undefined;
    this.#waiting.delete(position);
    this.#bytes -= published.bytes;
    return published;
  }

  /** Forgets what has had its turn. */
  dropUpTo(position: number): void {
    for (const waiting of this.#waiting.keys()) if (waiting <= position) this.take(waiting);
  }

  clear(): void {
    this.#waiting.clear();
    this.#bytes = 0;
  }
}
