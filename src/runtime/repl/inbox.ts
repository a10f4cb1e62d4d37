// The messages that reached the process of a REPL: they wait here for `flush()` and `receive()`.
//
// It holds a limited number and lets the oldest go, counted: a REPL that has joined a busy channel and is left open
// overnight must not fill the memory.

/** How many messages are kept. */
export const INBOX_MAX = 10_000;

/** A receive that waits. */
interface Waiter {
  readonly match: (message: unknown) => boolean;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What waits to be looked at. */
export class Inbox {
  #messages: unknown[] = [];
  readonly #waiters = new Set<Waiter>();
  /** How many messages were let go since the last `flush`. */
  dropped = 0;

  /** How many messages wait. */
  get length(): number {
    return this.#messages.length;
  }

  /** Adds a message, or gives it to a receive that waits for it. @returns false when a receive took it. */
  push(message: unknown): boolean {
    for (const waiter of this.#waiters) {
      try {
        if (!waiter.match(message)) continue;
        waiter.resolve(message);
      } catch (error) {
        waiter.reject(error);
        continue;
      }
      return false;
    }
    this.#messages.push(message);
    if (this.#messages.length > INBOX_MAX) {
      this.#messages.shift();
      this.dropped++;
    }
    return true;
  }

  /** Takes all messages. */
  flush(): unknown[] {
    const all = this.#messages;
    this.#messages = [];
    this.dropped = 0;
    return all;
  }

  /**
   * Takes the first message that matches, waiting for it when there is none.
   * @param afterMs gives up after so many milliseconds, with undefined
   * @param signal gives up when it fires, with an error
   */
  receive(
    match: (message: unknown) => boolean,
    afterMs: number | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const index = this.#messages.findIndex(match);
    if (index !== -1) return Promise.resolve(this.#messages.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined = undefined;
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', aborted);
      };
      const waiter: Waiter = {
        match,
        resolve: (message) => {
          settle();
          resolve(message);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const aborted = (): void => {
        waiter.reject(signal.reason);
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', aborted);
      if (afterMs !== undefined) timer = setTimeout(waiter.resolve, afterMs, undefined);
    });
  }
}
