// What happens again and again, told seldom: the first time at once, and then at most every ten seconds for each key, with
// how often it has happened meanwhile. What other nodes or clients cause must not fill the log.
//
// What comes last in a burst is not told before the next of its kind comes; there is no timer.

const TOLD_EVERY_MS = 10_000;
/** Keys whose counts are kept; with more, all counts begin anew. */
const KEYS_MAX = 1_000;

/** Counts what recurs, by key. */
export class Recurring {
  readonly #told = new Map<string, { at: number; count: number }>();

  /**
   * Counts once more.
   * @returns how often it has happened since it was last told, this time included; undefined when it is not to be told now
   */
  due(key: string): number | undefined {
    const now = performance.now();
    const told = this.#told.get(key) ?? { at: -Infinity, count: 0 };
    if (this.#told.size >= KEYS_MAX && !this.#told.has(key)) this.#told.clear();
    this.#told.set(key, told);
    told.count++;
    if (now - told.at < TOLD_EVERY_MS) return undefined;
    const { count } = told;
    told.at = now;
    told.count = 0;
    return count;
  }
}
