// The state of a database, the listeners of its changes, and the waits between attempts to open it. `closed` is final: later
// changes are ignored, so an attempt that ends after `close` needs no check of its own.
import { backoffMs } from 'troupe';
import type { DatabaseEvent, DatabaseState } from './database.ts';
import type { Migrated } from './migrations.ts';
import { type DatabaseOpenError, DatabaseUnavailableError } from './errors.ts';

/** When callers should try again, if nothing better is known. */
export const RETRY_AFTER_MS = 1_000;

class Status {
  /** Not a private name, so that the observer and the REPL show it in the state of the process `database`. */
  latest: DatabaseEvent | { readonly state: 'starting' } = { state: 'starting' };
  readonly #listeners = new Set<(event: DatabaseEvent) => void>();
  readonly #opened: Promise<void>;
  #settleOpened: (error?: Error) => void = () => {};

  constructor() {
    this.#opened = new Promise((resolve, reject) => {
      this.#settleOpened = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#opened.catch(() => {}); // the failure is also an event, so no caller has to use the promise
  }

  get state(): DatabaseState {
    return this.latest.state;
  }

  /** When a further attempt may succeed; what a call that fails now says. */
  get retryAfterMs(): number {
    const event = this.latest;
    return event.state === 'unavailable' ? Math.max(event.retryInMs, RETRY_AFTER_MS) : RETRY_AFTER_MS;
  }

  opened(): Promise<void> {
    return this.#opened;
  }

  onEvent(listener: (event: DatabaseEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  ready(migrated?: Migrated): void {
    this.#change({ state: 'ready', ...(migrated && { migrated }) });
    this.#settleOpened();
  }

  unavailable(reason: string, attempt: number, retryInMs: number): void {
    this.#change({ state: 'unavailable', reason, attempt, retryInMs });
    this.#settleOpened();
  }

  closed(): void {
    this.#change({ state: 'closed' });
    this.#settleOpened(new DatabaseUnavailableError('closed', 'the database was closed', RETRY_AFTER_MS));
  }

  failed(error: DatabaseOpenError): void {
    this.#change({ state: 'closed', reason: error.message });
    this.#settleOpened(error);
  }

  /** @throws DatabaseUnavailableError with the reason, unless the state is `ready` */
  assertReady(): void {
    const event = this.latest;
    switch (event.state) {
      case 'ready':
        return;
      case 'starting':
        throw new DatabaseUnavailableError('starting', 'the database is being opened', RETRY_AFTER_MS);
      case 'unavailable':
        throw new DatabaseUnavailableError('unreachable', event.reason, this.retryAfterMs);
      case 'closed':
        throw new DatabaseUnavailableError(
          'closed',
          event.reason ?? 'the database was closed',
          RETRY_AFTER_MS,
        );
    }
  }

  #change(event: DatabaseEvent): void {
    if (this.latest.state === 'closed') return;
    this.latest = event;
    for (const listener of Array.from(this.#listeners)) tell(listener, event);
  }
}

/** The part of every database that exposes its state. */
export abstract class WithStatus {
  protected readonly status = new Status();

  get state(): DatabaseState {
    return this.status.state;
  }

  get retryAfterMs(): number {
    return this.status.retryAfterMs;
  }

  opened(): Promise<void> {
    return this.status.opened();
  }

  onEvent(listener: (event: DatabaseEvent) => void): () => void {
    return this.status.onEvent(listener);
  }
}

/** A listener that throws affects neither the database nor other listeners; its error is reported as uncaught. */
function tell(listener: (event: DatabaseEvent) => void, event: DatabaseEvent): void {
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The wait before the second attempt is at most this. */
const RETRY_FIRST_MS = 250;

/**
 * The wait after failed attempts, in milliseconds: at most `RETRY_FIRST_MS`, doubled with each attempt after the first, and `maxMs`; half of
 * that is random, so that instances that lost the same database do not all return to it at once.
 * @param attempt the number of failed attempts, from 1
 */
export function retryMs(attempt: number, maxMs: number): number {
  return backoffMs({ firstMs: RETRY_FIRST_MS, maxMs, jitter: 0.5 }, attempt, Math.random());
}
