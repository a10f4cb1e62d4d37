// What happens again and again, told seldom: the first time at once, or the first times, and then no more than so many in ten
// seconds for each key, with how often it has happened meanwhile. What other nodes or clients cause must not fill the log.
//
// What comes last in a burst is not told before the next of its kind comes; there is no timer.

const PERIOD_MS = 10_000;
/** Keys whose counts are kept; with more, all counts begin anew. */
const KEYS_MAX = 1_000;

interface Counts {
  /** When the period began. */
  since: number;
  /** How often it was told in it. */
  told: number;
  /** How often it has happened since it was told. */
  untold: number;
}

/** Counts what recurs, by key. */
export class Recurring {
  readonly #burst: number;
  readonly #counts = new Map<string, Counts>();

  /** @param options `burst`: how often it is told in ten seconds; 1 by default. */
  constructor({ burst = 1 }: { readonly burst?: number } = {}) {
    this.#burst = burst;
  }

  /**
   * Counts once more.
   * @returns how often it has happened since it was last told, this time included; undefined when it is not to be told now
   */
  due(key: string): number | undefined {
    const now = performance.now();
    const counts = this.#counts.get(key) ?? { since: -Infinity, told: 0, untold: 0 };
    if (this.#counts.size >= KEYS_MAX && !this.#counts.has(key)) this.#counts.clear();
    this.#counts.set(key, counts);
    counts.untold++;
    if (now - counts.since >= PERIOD_MS) {
      counts.since = now;
      counts.told = 0;
    }
    if (counts.told >= this.#burst) return undefined;
    counts.told++;
    const { untold } = counts;
    counts.untold = 0;
    return untold;
  }
}
