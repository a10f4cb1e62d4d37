// Waits with a limit.
//
// - `Gate` admits a bounded number of calls at a time. A bounded number more wait in line, each until its signal aborts. A
//   call that gives up leaves the line and never runs later.
// - `within` waits for work to end, for a bounded time.

/** Thrown by `Gate.enter` when the line is full. */
export class GateFullError extends Error {
  override readonly name = 'GateFullError';
}

export class Gate {
  readonly #insideMax: number;
  readonly #waitingMax: number;
  #inside = 0;
  readonly #line = new Set<() => void>();
  #onEmpty: (() => void) | undefined;

  constructor(limits: { insideMax: number; waitingMax: number }) {
    this.#insideMax = limits.insideMax;
    this.#waitingMax = limits.waitingMax;
  }

  /**
   * Waits for a place. Returns the function that frees it again, to be called once.
   * @throws GateFullError when the line is full; the signal's reason when it aborts before a place is free
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#inside < this.#insideMax) this.#inside++;
    else await this.#wait(signal);
    return () => this.#leave();
  }

  /** Calls that are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** Calls that wait in line. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Resolves as soon as no call is inside. */
  empty(): Promise<void> {
    if (this.#inside === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onEmpty;
      this.#onEmpty = () => {
        before?.();
        resolve();
      };
    });
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#line.size >= this.#waitingMax)
      throw new GateFullError(`${this.#waitingMax} calls wait already`);
    return new Promise((resolve, reject) => {
      const admit = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#line.delete(admit);
        reject(signal.reason);
      };
      this.#line.add(admit);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Passes the place to the first in line, so that no later call overtakes it. */
  #leave(): void {
    const [next] = this.#line;
    if (next !== undefined) {
      this.#line.delete(next);
      next();
      return;
    }
    this.#inside--;
    if (this.#inside > 0) return;
    this.#onEmpty?.();
    this.#onEmpty = undefined;
  }
}

/** Resolves when the work does, or when the time is over; the caller does not need to know which. */
export async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
