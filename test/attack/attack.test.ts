// A short run of the attack on peers (`npm run attack`), as a program: the limits of time and memory are wide, as other tests run
// beside it; that good peers lose nothing and the application goes on is not.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const attack = (...args: readonly string[]) =>
  spawnSync(process.execPath, ['--import', 'tsx', 'attack/main.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
  });

test(
  'peers that forge, that say nothing and that reflect cost the others nothing',
  { timeout: 120_000 },
  () => {
    const kinds = ['peers:forged', 'peers:silent', 'peers:reflected'];
    const { status, stdout } = attack(...kinds, '--tcp', '--no-erlang', '--stop-ms', '10000');
    expect(stdout.trim().split('\n')).toEqual(
      ['forged', 'silent', 'reflected'].map((kind) =>
        expect.stringMatching(
          new RegExp(`^TCP ${kind} .*longest stop +\\d+ ms, peak +\\d+ MB, \\d+ calls .* \\d+ lost$`),
        ),
      ),
    );
    expect(status).toBe(0);
  },
);

test('a limit that is broken is told, and the exit code is 1', { timeout: 60_000 }, () => {
  const { status, stdout } = attack(
    'peers:forged',
    '--tcp',
    '--no-erlang',
    '--stop-ms',
    '10000',
    '--peak-mb',
    '1',
  );
  expect(stdout).toContain('more than 1 MB of memory');
  expect(status).toBe(1);
});

test('a kind that there is not is told', () => {
  const { status, stdout } = attack('peers:nothing');
  expect([status, stdout]).toEqual([2, expect.stringContaining('peers:forged')]);
});
