// Counts what recurs, so that it is logged seldom: the first time, or the first few, at once, and then at most so many times in
// ten seconds for each key, with a count. What other nodes or clients cause must not fill the log.
//
// - Only `KEYS_MAX` keys are told apart in ten seconds; all further ones share a count. So inventing keys, such as addresses,
//   gets nobody more lines.
// - There is no timer: the last of a burst are counted in the line of the next of their kind.

const PERIOD_MS = 10_000;
/** How many keys are told apart. */
export const KEYS_MAX = 200;
/** The shared key of all further ones. */
const OTHERS = Symbol('others');

interface Counts {
  /** When the period began. */
  since: number;
  /** How often it was logged in it. */
  logged: number;
  /** How often it has happened since it was last logged. */
  unlogged: number;
}

/** Counts what recurs, by key. */
export class Recurring {
  readonly #burst: number;
  readonly #counts = new Map<string | typeof OTHERS, Counts>();
  /** When there may next be keys whose period is over. */
  #cleanAt = 0;

  /** @param options `burst`: how often it is logged in ten seconds; 1 by default. */
  constructor({ burst = 1 }: { readonly burst?: number } = {}) {
    this.#burst = burst;
  }

  /**
   * Counts once more.
   * @returns how often it has happened since it was last logged, this time included; undefined when it should not be logged now
   */
  due(key: string): number | undefined {
    const now = performance.now();
    const counts = this.#of(key, now);
    counts.unlogged++;
    if (now - counts.since >= PERIOD_MS) {
      counts.since = now;
      counts.logged = 0;
    }
    if (counts.logged >= this.#burst) return undefined;
    counts.logged++;
    const { unlogged } = counts;
    counts.unlogged = 0;
    return unlogged;
  }

  #of(key: string, now: number): Counts {
    let counts = this.#counts.get(key);
    if (counts !== undefined) return counts;
    if (this.#counts.size >= KEYS_MAX) this.#clean(now);
    const kept = this.#counts.size < KEYS_MAX ? key : OTHERS;
    counts = this.#counts.get(kept) ?? { since: -Infinity, logged: 0, unlogged: 0 };
    this.#counts.set(kept, counts);
    return counts;
  }

  /** Forgets what has not happened for a while; looks at most once in a period. */
  #clean(now: number): void {
    if (now < this.#cleanAt) return;
    this.#cleanAt = now + PERIOD_MS;
    for (const [key, { since }] of this.#counts) if (now - since >= PERIOD_MS) this.#counts.delete(key);
  }
}
