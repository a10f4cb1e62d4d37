/**
 * How long to wait before the next attempt: a ceiling that doubles with each failure up to a limit, less a random part, so that
 * those who failed together do not come back together.
 */

/** The waits of one kind of attempt. */
export interface Backoff {
  /** The ceiling after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** The highest ceiling, in milliseconds. */
  readonly maxMs: number;
  /** Which part of the ceiling is random: from 0, none, to 1, all of it ("full jitter"). */
  readonly jitter: number;
}

/** Doublings beyond which every ceiling has long reached its limit; more would only leave the range of integers. */
const DOUBLINGS_MAX = 30;

/**
 * The wait after some failures in a row, in whole milliseconds: at most the ceiling, at least 1.
 * @param failures how many attempts have failed, from 1
 * @param random from 0 up to, not including, 1
 */
export function backoffMs({ firstMs, maxMs, jitter }: Backoff, failures: number, random: number): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
  return Math.max(1, Math.ceil(ceiling * (1 - jitter * random)));
}
