/**
 * Keeps the event loop awake for a moment after something has come, since an answer to what is sent then often follows at once, and
 * a processor that sleeps takes longer to wake up than the message takes to arrive. `erl +sbwt` does the same.
 *
 * It costs processor time that nobody else wants, and delays nothing: every turn of the event loop does all that there is to do.
 */

/** Waits busily, for all connections of a carrier. */
export class BusyWait {
  readonly #lengthMs: number;
  #until = 0;
  #waiting = false;

  readonly #turn = (): void => {
    if (performance.now() < this.#until) setImmediate(this.#turn);
    else this.#waiting = false;
  };

  /** @param lengthMs how long it waits after what came last; 0 for not at all. */
  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  /** Something has come. */
  begin(): void {
    if (this.#lengthMs === 0) return;
    this.#until = performance.now() + this.#lengthMs;
    if (this.#waiting) return;
    this.#waiting = true;
    setImmediate(this.#turn);
  }
}
