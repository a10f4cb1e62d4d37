// npm test: everything that is checked, on a machine that has nothing but Node.js. Installs what is missing, then runs
// the static checks, the build and the tests. The last line is always `N passed, N failed, N skipped`.
//   npm test -- <arguments of vitest>   only the tests, e.g. npm test -- test/runtime/pg
//   npm run test:unit                   only the tests that start no other program: no BEAM, browser, database
//   npm run check                       the same as npm test, but installs no system packages
//   npm test -- --matrix                afterwards also what needs a BEAM node on OTP 29, and the runtime on other releases of Node.js
// With CI=true a missing part (PostgreSQL, Erlang, browser, pseudo-terminal) is a failure; otherwise its tests are skipped.
// Exits with 0 only if tests have run and nothing has failed.
import { build, ensureModules, tool } from './lib/fresh.mjs';
import { testOnNode, testOnOtp } from './lib/matrix.mjs';
import { prepareParts } from './lib/parts.mjs';
import { Failure, Stopped, run, say } from './lib/run.mjs';
import { unitTests } from './lib/unit.mjs';
import { add, conclude, vitest } from './lib/vitest.mjs';

const NO_PARTS = '--no-install-parts';
/** What is run as well, where everything is run. */
const MATRIX = '--matrix';
/** Only what needs nothing but Node.js; nothing is installed or checked for it. */
const UNIT = '--unit';
const MATRIX_OTP = ['29'];
const MATRIX_NODES = ['22', '26'];
/** The heart of the runtime: what differs between releases of Node.js shows there first. */
const MATRIX_NODE_FILES = ['test/runtime/process', 'test/runtime/otp', 'test/runtime/distribution/etf'];

/** @type {Array<[title: string, body: () => Promise<unknown>]>} */
const STATIC_STEPS = [
  ['format', () => must('oxfmt', ['--check', '.'])],
  ['lint', () => must('oxlint', ['--type-aware', '--deny-warnings'])],
  ['types', () => must('tsc', ['-p', '.'])],
  ['types of the page', () => must('tsc', ['-p', 'src/app/web'])],
  ["types of the observer's page", () => must('tsc', ['-p', 'src/runtime/observer/page'])],
  ['knip', () => must('knip', ['--no-progress', '--no-config-hints'])],
  ['migrations', () => must('drizzle-kit', ['check'], { quiet: true })],
  ['build', build],
];

const args = process.argv.slice(2).filter((arg) => ![NO_PARTS, MATRIX, UNIT].includes(arg));
const unit = process.argv.includes(UNIT);
const install = !process.argv.includes(NO_PARTS);
const counts = { passed: 0, failed: 0, skipped: 0 };

try {
  await ensureModules();
  const missing = unit ? [] : await prepareParts({ install });
  if (missing.length > 0 && process.env['CI'] === 'true') {
    throw new Failure(`missing: ${missing.join(', ')} (with CI=true every part must be there)`);
  }
  if (args.length === 0 && !unit) await staticSteps();
  add(counts, await vitest(tool('vitest'), ['run'], { args: unit ? unitArguments() : args }));
  if (process.argv.includes(MATRIX)) {
    add(counts, await testOnOtp(MATRIX_OTP, { install }));
    add(counts, await testOnNode(MATRIX_NODES, { install, files: MATRIX_NODE_FILES }));
  }
  if (counts.passed + counts.failed === 0) say('no test has run');
} catch (error) {
  counts.failed++;
  say(error instanceof Failure || error instanceof Stopped ? error.message : String(error));
}

process.exitCode = conclude(counts);

/** What is asked of vitest, with the files spelled out; paths among the arguments choose between them. */
function unitArguments() {
  const paths = args.filter((arg) => arg.startsWith('test/'));
  const chosen = unitTests().filter(
    (file) => paths.length === 0 || paths.some((path) => file.startsWith(path)),
  );
  if (chosen.length === 0) throw new Failure(`no unit test in ${paths.join(', ')}`);
  return [...args.filter((arg) => !paths.includes(arg)), ...chosen];
}

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
