// How long to wait before a reading or a search that failed is repeated: what the server asks for, or else a random part
// of a ceiling that doubles with each failure. Never less than RELOAD_BASE_MS, never more than RELOAD_CAP_MS.
import { RELOAD_BASE_MS, RELOAD_CAP_MS } from './limits.ts';
import type { Failure } from './model.ts';

export type RetryDelay = {
  /** Counts a failure; the milliseconds to wait after it. */
  afterFailure(failure: Failure): number;
  /** Starts over, after a success. */
  reset(): void;
};

/** @param random gives at least 0 and less than 1 */
export function createRetryDelay(random: () => number): RetryDelay {
  let failures = 0;
  return {
    afterFailure(failure) {
      failures += 1;
      const ceilingMs = Math.min(RELOAD_CAP_MS, RELOAD_BASE_MS * 2 ** Math.min(failures, 30));
      const ownMs = RELOAD_BASE_MS + random() * (ceilingMs - RELOAD_BASE_MS);
      const askedMs = failure.kind === 'unavailable' ? (failure.retryAfterSeconds ?? 0) * 1_000 : 0;
      return Math.max(ownMs, Math.min(askedMs, RELOAD_CAP_MS));
    },
    reset() {
      failures = 0;
    },
  };
}
