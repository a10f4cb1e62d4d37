// npm test: everything that is checked, on a machine that has nothing but Node.js. Installs what is missing, then runs
// the static checks, the build and the tests. The last line is always `N passed, N failed, N skipped`.
//   npm test -- <arguments of vitest>   only the tests, e.g. npm test -- test/runtime/pg
//   npm run check                       the same as npm test, but installs no system packages
// With CI=true a missing part (PostgreSQL, Erlang, browser, pseudo-terminal) is a failure; otherwise its tests are skipped.
// Exits with 0 only if tests have run and nothing has failed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, ensureModules, tool } from './lib/fresh.mjs';
import { prepareParts } from './lib/parts.mjs';
import { Failure, Stopped, run, say } from './lib/run.mjs';
import { readCounts } from './lib/vitest-counts.mjs';

const VITEST_LIMIT_MS = 30 * 60_000;
const NO_PARTS = '--no-install-parts';

/** @type {Array<[title: string, body: () => Promise<unknown>]>} */
const STATIC_STEPS = [
  ['format', () => must('oxfmt', ['--check', '.'])],
  ['lint', () => must('oxlint', ['--type-aware', '--deny-warnings'])],
  ['types', () => must('tsc', ['-p', '.'])],
  ['types of the page', () => must('tsc', ['-p', 'src/app/web'])],
  ['knip', () => must('knip', ['--no-progress', '--no-config-hints'])],
  ['migrations', () => must('drizzle-kit', ['check'], { quiet: true })],
  ['build', build],
];

const args = process.argv.slice(2).filter((arg) => arg !== NO_PARTS);
const install = !process.argv.includes(NO_PARTS);
const counts = { passed: 0, failed: 0, skipped: 0 };

try {
  await ensureModules();
  const missing = await prepareParts({ install });
  if (missing.length > 0 && process.env['CI'] === 'true') {
    throw new Failure(`missing: ${missing.join(', ')} (with CI=true every part must be there)`);
  }
  if (args.length === 0) await staticSteps();
  await vitest();
  if (counts.passed + counts.failed === 0) say('no test has run');
} catch (error) {
  counts.failed++;
  say(error instanceof Failure || error instanceof Stopped ? error.message : String(error));
}

process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;

async function staticSteps() {
  for (const [title, body] of STATIC_STEPS) {
    const startedAt = performance.now();
    try {
      await body();
    } catch (error) {
      say(`${title}: FAILED, the steps after it were not run`);
      throw error;
    }
    say(`${title}: ok (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  }
}

/**
 * @param {string} name
 * @param {string[]} toolArgs
 * @param {{ quiet?: boolean }} [options]
 */
async function must(name, toolArgs, options) {
  const code = await run(tool(name), toolArgs, options);
  if (code !== 0) throw new Failure(`${name} ended with exit code ${code}`);
}

async function vitest() {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-test-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await run(tool('vitest'), ['run', ...reporters, ...args], { limitMs: VITEST_LIMIT_MS });
    Object.assign(counts, readCounts(report));
    // A run can fail without a failed test: an error that no test caught, a worker that died.
    if (code !== 0 && counts.failed === 0) {
      counts.failed = 1;
      say(`vitest ended with exit code ${code}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
