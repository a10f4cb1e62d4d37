/**
 * How many messages a client may send: a bucket that holds one second's worth, loses one for each message and is
 * filled at the allowed rate.
 */

/** Counts against a rate. */
export class Rate {
  readonly #perSecond: number;
  #left: number;
  #lastMs: number;

  /** @param perSecond messages a second on average, and at once. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#lastMs = nowMs;
  }

  /** Takes one. @returns false when it is one too many. */
  take(nowMs: number): boolean {
    const gained = ((nowMs - this.#lastMs) * this.#perSecond) / 1000;
    this.#left = Math.min(this.#perSecond, this.#left + gained);
    this.#lastMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
