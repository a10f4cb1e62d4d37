// The state of a database and those who listen to it. `closed` is final: later changes are ignored, so an attempt that
// ends after `close` needs no check of its own.
import type { DatabaseEvent, DatabaseState } from './database.ts';
import { DatabaseUnavailableError, type DatabaseOpenError } from './errors.ts';

/** What a caller is told to wait when nothing better is known. */
export const RETRY_AFTER_MS = 1_000;

class Status {
  #event: DatabaseEvent | { readonly state: 'starting' } = { state: 'starting' };
  readonly #listeners = new Set<(event: DatabaseEvent) => void>();
  readonly #opened: Promise<void>;
  #settleOpened: (error?: Error) => void = () => {};

  constructor() {
    this.#opened = new Promise((resolve, reject) => {
      this.#settleOpened = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#opened.catch(() => {}); // an event tells of the failure also when nobody asks for the promise
  }

  get state(): DatabaseState {
    return this.#event.state;
  }

  opened(): Promise<void> {
    return this.#opened;
  }

  onEvent(listener: (event: DatabaseEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  ready(): void {
    this.#change({ state: 'ready' });
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

  /** Throws a DatabaseUnavailableError that says why, unless the state is `ready`. */
  assertReady(): void {
    const event = this.#event;
    switch (event.state) {
      case 'ready':
        return;
      case 'starting':
        throw new DatabaseUnavailableError('starting', 'the database is being opened', RETRY_AFTER_MS);
      case 'unavailable':
        throw new DatabaseUnavailableError(
          'unreachable',
          event.reason,
          Math.max(event.retryInMs, RETRY_AFTER_MS),
        );
      case 'closed':
        throw new DatabaseUnavailableError(
          'closed',
          event.reason ?? 'the database was closed',
          RETRY_AFTER_MS,
        );
    }
  }

  #change(event: DatabaseEvent): void {
    if (this.#event.state === 'closed') return;
    this.#event = event;
    for (const listener of Array.from(this.#listeners)) tell(listener, event);
  }
}

/** What all databases show of their state. */
export abstract class WithStatus {
  protected readonly status = new Status();

  get state(): DatabaseState {
    return this.status.state;
  }

  opened(): Promise<void> {
    return this.status.opened();
  }

  onEvent(listener: (event: DatabaseEvent) => void): () => void {
    return this.status.onEvent(listener);
  }
}

/** A listener that throws breaks neither the database nor the other listeners; its error ends like any uncaught one. */
function tell(listener: (event: DatabaseEvent) => void, event: DatabaseEvent): void {
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
