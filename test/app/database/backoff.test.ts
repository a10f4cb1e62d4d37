// The waits between attempts: growing, bounded, spread.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs, RETRY_FIRST_MS } from '../../../src/app/database/internal.ts';

test('the wait doubles up to the limit', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 1_000].map((attempt) => backoffMs(attempt, 10_000, 1));
  expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  expect(backoffMs(1, 100, 1)).toBe(100);
});

test('the wait is between half and all of it, never longer than the limit and never nothing', () => {
  const attempts = fc.integer({ min: 1, max: 1_000_000 });
  const limits = fc.integer({ min: 100, max: 600_000 });
  const chance = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(attempts, limits, chance, (attempt, maxMs, random) => {
      const wait = backoffMs(attempt, maxMs, random);
      const all = backoffMs(attempt, maxMs, 1);
      expect(wait).toBeGreaterThanOrEqual(Math.floor(all / 2));
      expect(wait).toBeLessThanOrEqual(all);
      expect(all).toBeLessThanOrEqual(maxMs);
      expect(wait).toBeGreaterThanOrEqual(Math.min(maxMs, RETRY_FIRST_MS) / 2);
    }),
  );
});
