/**
 * A store of events in memory, for tests and for programs of one node whose history may end with them.
 *
 * A transaction collects its events and stores them when its work is done; one that fails stores none. Transactions run one after
 * another from their first `append` to their end, as those of a database do that lock the channel. The epoch is of this store:
 * positions of another one mean nothing to it.
 */
import { randomUUID } from 'node:crypto';
import { badArgument, kindOf } from '../../errors.ts';
import type {
  ChannelStore,
  EventPage,
  Extent,
  NewEvent,
  ReadLimit,
  StoredEvent,
  TrimLimit,
} from './store.ts';

/** A transaction of a {@link MemoryStore}. */
export class MemoryTransaction {
  /** @internal What it has appended. */
  readonly events: StoredEvent[] = [];
  /** @internal Ends its turn; undefined before it has one, and after its end. */
  leave: (() => void) | undefined = undefined;
  /** @internal */
  ended = false;
}

interface Kept extends StoredEvent {
  readonly at: number;
}

interface History {
  head: number;
  kept: Kept[];
}

/** Keeps the events of channels in memory; made by {@link createMemoryStore}. */
export class MemoryStore implements ChannelStore<MemoryTransaction> {
  readonly epoch: string = randomUUID();
  readonly #histories = new Map<string, History>();
  readonly #watchers = new Map<string, Set<(position: number | undefined) => void>>();
  /** Ends with the turn of the last transaction that waits for one. */
  #turns: Promise<void> = Promise.resolve();

  /**
   * Runs a transaction: what it appends is stored when `work` is fulfilled, and not when it is rejected.
   * @throws what `work` throws
   */
  async transaction<Result>(work: (transaction: MemoryTransaction) => Promise<Result>): Promise<Result> {
    const transaction = new MemoryTransaction();
    try {
      const result = await work(transaction);
      this.#commit(transaction.events);
      return result;
    } finally {
      transaction.ended = true;
      transaction.leave?.();
    }
  }

  async append(transaction: MemoryTransaction, event: NewEvent): Promise<StoredEvent> {
    if (!(transaction instanceof MemoryTransaction))
      throw badArgument(`append takes the transaction first, not ${kindOf(transaction)}.`);
    if (typeof event.channel !== 'string' || typeof event.payload !== 'string')
      throw badArgument('append takes an event: channel.event(topic, payload).');
    if (transaction.ended) throw badArgument('The transaction has ended.');
    if (transaction.leave === undefined) {
      const before = this.#turns;
      let leave: () => void = () => undefined;
      this.#turns = new Promise((resolve) => {
        leave = resolve;
      });
      transaction.leave = leave;
      await before;
    }
    const own = transaction.events.filter(({ channel }) => channel === event.channel).length;
    const position = this.#historyOf(event.channel).head + own + 1;
    const stored = { ...event, epoch: this.epoch, position };
    transaction.events.push(stored);
    return stored;
  }

  async read(channel: string, after: number, { events: most, bytes }: ReadLimit): Promise<EventPage> {
    const { kept } = this.#historyOf(channel);
    const events: StoredEvent[] = [];
    let size = 0;
    const from = Math.max(0, after - (kept[0]?.position ?? 0) + 1);
    for (let index = from; index < kept.length && events.length < most; index++) {
      const { at: _at, ...event } = kept[index] as Kept;
      if (size >= bytes) break;
      size += Buffer.byteLength(event.payload);
      events.push(event);
    }
    return { ...this.#extent(channel), events };
  }

  async extent(channel: string): Promise<Extent> {
    return this.#extent(channel);
  }

  async trim(channel: string, { keep, maxAgeMs }: TrimLimit): Promise<boolean> {
    const history = this.#historyOf(channel);
    const oldest = Date.now() - maxAgeMs;
    const tooMany = history.kept.length - keep;
    const young = history.kept.findIndex(({ at }, index) => index >= tooMany && at >= oldest);
    history.kept.splice(0, young === -1 ? history.kept.length : young);
    return false;
  }

  watch(channel: string, listener: (position: number | undefined) => void): () => void {
    const watchers = this.#watchers.get(channel) ?? new Set();
    this.#watchers.set(channel, watchers.add(listener));
    return () => watchers.delete(listener);
  }

  #extent(channel: string): Extent {
    const { head, kept } = this.#historyOf(channel);
    return { epoch: this.epoch, head, first: kept[0]?.position ?? head + 1 };
  }

  #commit(events: readonly StoredEvent[]): void {
    const at = Date.now();
    for (const event of events) {
      const history = this.#historyOf(event.channel);
      history.head = event.position;
      history.kept.push({ ...event, at });
    }
    for (const { channel, position } of events) {
      for (const listener of this.#watchers.get(channel) ?? []) listener(position);
    }
  }

  #historyOf(channel: string): History {
    let history = this.#histories.get(channel);
    if (history === undefined) {
      history = { head: 0, kept: [] };
      this.#histories.set(channel, history);
    }
    return history;
  }
}

/** A new store in memory, with an epoch of its own. */
export function createMemoryStore(): MemoryStore {
  return new MemoryStore();
}
