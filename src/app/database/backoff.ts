// How long to wait before the next attempt: doubled after each, up to a limit, and spread by chance, so that servers
// that lost the same database do not come back to it at the same moment.

/** The wait before the second attempt is at most this. */
export const RETRY_FIRST_MS = 250;

/**
 * The wait after some failed attempts, in milliseconds: between half and all of `RETRY_FIRST_MS` doubled at each
 * attempt but the first, at most `maxMs`.
 * @param attempt how many attempts have failed, from 1
 * @param random between 0 and 1, as `Math.random()`
 */
export function backoffMs(attempt: number, maxMs: number, random: number): number {
  const ceiling = Math.min(maxMs, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
