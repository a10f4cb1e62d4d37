// A part that is missing is a reason to skip, said aloud; with CI=true it is a failure.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const fresh = () => import('../support/parts.ts');
const stderr = () => vi.spyOn(process.stderr, 'write').mockReturnValue(true);

beforeEach(() => vi.resetModules());
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('is said once, and its path cannot be had', async () => {
  vi.stubEnv('PATH', '');
  vi.stubEnv('CI', '');
  const written = stderr();
  const { requirePart } = await fresh();
  const part = requirePart('erl');
  expect(requirePart('erl')).toBe(part);
  expect(part.missing).toBe(true);
  expect(written.mock.calls).toEqual([
    ['tests skipped: erl is not usable on this machine: no erl in PATH\n'],
  ]);
  expect(() => part.path).toThrow('no erl in PATH');
});

test('is a failure with CI=true', async () => {
  vi.stubEnv('PATH', '');
  vi.stubEnv('CI', 'true');
  const { requirePart } = await fresh();
  expect(() => requirePart('chromium')).toThrow(/^chromium is not usable on this machine: .*CI=true/);
});

test('nothing is said of a part that is there', async () => {
  vi.doMock('../../scripts/lib/parts.mjs', () => ({ findPart: () => ({ found: true, path: 'somewhere' }) }));
  const written = stderr();
  const { requirePart } = await fresh();
  expect(requirePart('pty')).toMatchObject({ missing: false, path: 'somewhere' });
  expect(written).not.toHaveBeenCalled();
});
