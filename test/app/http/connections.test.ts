// How many connections there may be, from the number of files that the process may open.
import { expect, test } from 'vitest';
import { connectionsFor, openFilesLimit } from '../../../src/app/http/internal.ts';

test('some descriptors are left to others, and half of few', () => {
  const cases = [
    [1_048_576, 10_000],
    [10_256, 10_000],
    [10_255, 9_999],
    [1_024, 768],
    [512, 256],
    [511, 255],
    [64, 32],
    [1, 1],
    [Infinity, 10_000],
    [undefined, 1_000],
  ] as const;
  for (const [files, most] of cases) expect([files, connectionsFor(files)]).toEqual([files, most]);
});

test.runIf(process.platform === 'linux')('Linux tells how many files a process may open', () => {
  expect(openFilesLimit()).toBeGreaterThan(0);
});
