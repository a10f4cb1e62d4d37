// The tests on other releases of what they run with: those that need a BEAM node on releases of Erlang/OTP, those that need no other
// program on releases of Node.js. A release that cannot be had is skipped with the reason; a test that fails on one is a failure.
import { delimiter, join } from 'node:path';
import { tool } from './fresh.mjs';
import { prepareNode } from './nodes.mjs';
import { prepareOtp, RELEASES } from './otp.mjs';
import { Failure, root, say } from './run.mjs';
import { add, vitest } from './vitest.mjs';

/** @typedef {import('./vitest.mjs').Counts} Counts */

/** Whatever uses it needs `erl`. */
const NEEDS_ERL = 'test/support/erl.ts';
/** What tests the repository and its tools, and what needs a browser. */
const NOT_FOR_NODES = ['test/house/**', 'test/e2e/**'];
const RELEASE_LIMIT_MS = 30 * 60_000;

/**
 * Runs the files that need a BEAM node, or those given, on releases of OTP.
 * @param {readonly string[]} releases
 * @param {{ install: boolean, files?: readonly string[] }} options
 * @returns {Promise<Counts>}
 */
export async function testOnOtp(releases, { install, files = [] }) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const release of releases) {
    const suite = RELEASES[release];
    if (suite === undefined)
      throw new Failure(`OTP ${release} is not one of ${Object.keys(RELEASES).join(', ')}`);
    const otp = await prepareOtp(release, suite, { install });
    if ('reason' in otp) {
      say(`otp ${release}: skipped: ${otp.reason}`);
      continue;
    }
    try {
      const command = files.length > 0 ? ['run'] : ['related', '--run'];
      const args = files.length > 0 ? files : [NEEDS_ERL];
      const options = { args, env: { PATH: otp.path }, limitMs: RELEASE_LIMIT_MS };
      const ran = await vitest(tool('vitest'), command, options);
      say(`otp ${release}: ${ran.passed} passed, ${ran.failed} failed, ${ran.skipped} skipped`);
      add(counts, ran);
    } finally {
      otp.remove();
    }
  }
  return counts;
}

/**
 * Runs the tests that need nothing but Node.js, or those of the files given, on releases of it.
 * @param {readonly string[]} releases
 * @param {{ install: boolean, files?: readonly string[] }} options
 * @returns {Promise<Counts>}
 */
export async function testOnNode(releases, { install, files = [] }) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const exclude = NOT_FOR_NODES.map((pattern) => `--exclude=${pattern}`);
  for (const release of releases) {
    const node = await prepareNode(release, { install });
    if ('reason' in node) {
      say(`node ${release}: skipped: ${node.reason}`);
      continue;
    }
    const env = {
      PATH: `${node.folder}${delimiter}${process.env['PATH'] ?? ''}`,
      TROUPE_TEST_WITHOUT_PARTS: 'true',
      CI: '',
    };
    const command = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...exclude];
    const ran = await vitest(node.path, command, { args: files, env, limitMs: RELEASE_LIMIT_MS });
    say(`node ${release}: ${ran.passed} passed, ${ran.failed} failed, ${ran.skipped} skipped`);
    add(counts, ran);
  }
  return counts;
}
