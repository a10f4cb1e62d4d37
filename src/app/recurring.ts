// What happens again and again, told seldom: the first time at once, or the first times, and then no more than so many in ten
// seconds for each key, with how often it has happened meanwhile. What other nodes or clients cause must not fill the log.
//
// - Only so many keys are told apart in ten seconds; what has a further one counts as one kind. So who invents keys, such as
//   addresses, gets no more lines for it.
// - What comes last in a burst is not told before the next of its kind comes; there is no timer.

const PERIOD_MS = 10_000;
/** Keys that are told apart. */
export const KEYS_MAX = 200;
/** The key of all that are too many. */
const OTHERS = Symbol('others');

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
  readonly #counts = new Map<string | typeof OTHERS, Counts>();
  /** From when on there may be keys whose period is over. */
  #cleanAt = 0;

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
    const counts = this.#of(key, now);
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

  #of(key: string, now: number): Counts {
    let counts = this.#counts.get(key);
    if (counts !== undefined) return counts;
    if (this.#counts.size >= KEYS_MAX) this.#clean(now);
    const kept = this.#counts.size < KEYS_MAX ? key : OTHERS;
    counts = this.#counts.get(kept) ?? { since: -Infinity, told: 0, untold: 0 };
    this.#counts.set(kept, counts);
    return counts;
  }

  /** Forgets what has not happened for a while; looks for it once in a period. */
  #clean(now: number): void {
    if (now < this.#cleanAt) return;
    this.#cleanAt = now + PERIOD_MS;
    for (const [key, { since }] of this.#counts) if (now - since >= PERIOD_MS) this.#counts.delete(key);
  }
}
