/**
 * The restart intensity: how many restarts have fallen into the period that ends now.
 *
 * It is pure: the time is given. Invariants: times are kept in ascending order, and never more than `intensity + 1` of
 * them, since one more than allowed ends the supervisor. See "Restart intensity and period" of the OTP module `supervisor`.
 */

/** How many forgotten times may stand at the front before they are cut off. */
const COMPACT_AT = 64;

/** @internal The restarts of a supervisor in the last period. */
export class RestartWindow {
  readonly #intensity: number;
  readonly #periodMs: number;
  #times: number[] = [];
  #start = 0;

  constructor(intensity: number, periodMs: number) {
    this.#intensity = intensity;
    this.#periodMs = periodMs;
  }

  /**
   * Counts a restart.
   * @param nowMs by the node's clock; not before the last one.
   * @returns false when it is one too many. A restart that is exactly one period old still counts, as in OTP.
   */
  add(nowMs: number): boolean {
    const times = this.#times;
    const oldest = nowMs - this.#periodMs;
    while (this.#start < times.length && (times[this.#start] as number) < oldest) this.#start++;
    if (this.#start >= COMPACT_AT && this.#start * 2 >= times.length) {
      times.splice(0, this.#start);
      this.#start = 0;
    }
    times.push(nowMs);
    return this.count <= this.#intensity;
  }

  /** How many restarts count now. */
  get count(): number {
    return this.#times.length - this.#start;
  }
}
