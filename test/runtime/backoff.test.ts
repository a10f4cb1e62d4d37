// How long is waited between attempts.
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../src/runtime/internal.ts';

const limits = { firstMs: 500, maxMs: 30_000 };

describe('backoff', () => {
  test('doubles with each failure, up to a limit', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 1_000_000].map((failures) =>
      backoffMs({ ...limits, jitter: 1 }, failures, 0),
    );
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test.each([
    [0, 1_000, 1_000],
    [0.5, 750, 501],
    [1, 500, 1],
  ])('with a jitter of %d waits from the ceiling down', (jitter, half, least) => {
    const backoff = { ...limits, jitter };
    expect(backoffMs(backoff, 2, 0)).toBe(1_000);
    expect(backoffMs(backoff, 2, 0.5)).toBe(half);
    expect(backoffMs(backoff, 2, 0.9999)).toBe(least);
  });
});
