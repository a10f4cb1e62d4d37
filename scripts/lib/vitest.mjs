// Runs vitest and counts what it has run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, say } from './run.mjs';
import { readCounts } from './vitest-counts.mjs';

const VITEST_LIMIT_MS = 30 * 60_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {string} program that runs vitest
 * @param {string[]} command of vitest, after what else the program wants
 * @param {{ args?: readonly string[], env?: Record<string, string>, limitMs?: number }} [options]
 * @returns {Promise<Counts>}
 */
export async function vitest(program, command, { args = [], env = {}, limitMs = VITEST_LIMIT_MS } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-test-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await run(program, [...command, ...reporters, ...args], { limitMs, env });
    const counts = readCounts(report);
    // A run can fail without a failed test: an error that no test caught, a worker that died.
    if (code !== 0 && counts.failed === 0) {
      counts.failed = 1;
      say(`vitest ended with exit code ${code}`);
    }
    return counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The last line of a run of tests, and its exit code: 0 only if tests have run and nothing has failed.
 * @param {Counts} counts
 */
export function conclude(counts) {
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

/**
 * Adds to counts.
 * @param {Counts} counts
 * @param {Counts} more
 */
export function add(counts, more) {
  counts.passed += more.passed;
  counts.failed += more.failed;
  counts.skipped += more.skipped;
}
