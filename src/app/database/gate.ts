// Lets a bounded number of calls in at a time; a bounded number more wait in line, each at most as long as its signal
// lets it. A call that gives up leaves the line: it never runs later.

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
   * Waits for a place; answers the function that gives it back, to be called once.
   * @throws GateFullError when the line is full; the signal's reason when it was aborted before there was a place
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#inside < this.#insideMax) this.#inside++;
    else await this.#wait(signal);
    return () => this.#leave();
  }

  /** Fulfilled as soon as nobody is inside. */
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

  /** The place goes to the first in line, so that nobody who comes now overtakes. */
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
