// Other releases of Node.js, for tests: the binaries that npm has, installed into a folder outside the repository and kept there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { run, say } from './run.mjs';

/** The releases that are tested besides that of the machine. */
export const NODES = ['22', '24', '26'];

const CACHE =
  process.env['TROUPE_NODE_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'troupe-node');
const INSTALL_LIMIT_MS = 5 * 60_000;
const PROBE_LIMIT_MS = 20_000;

/**
 * Finds a release, or installs its newest version; one that is there stays as it is.
 * @param {string} release such as `22`
 * @param {{ install: boolean }} options
 * @returns {Promise<{ path: string, folder: string } | { reason: string }>} the program, and its folder
 */
export async function prepareNode(release, { install }) {
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(CACHE, release);
  const path = join(home, 'node_modules', name, 'bin/node');
  if (!existsSync(path)) {
    if (!install) return { reason: `${home} has none, and nothing may be installed` };
    say(`node: npm install ${name}@${release} into ${home}`);
    const fresh = `${home}.${process.pid}`;
    try {
      mkdirSync(fresh, { recursive: true });
      const args = ['install', '--prefix', fresh, '--no-audit', '--no-fund', '--loglevel=error'];
      const code = await run('npm', [...args, `${name}@${release}`], {
        quiet: true,
        limitMs: INSTALL_LIMIT_MS,
      });
      if (code !== 0) return { reason: `npm install ${name}@${release} ended with exit code ${code}` };
      // Another run may have installed it meanwhile.
      if (!existsSync(home)) renameSync(fresh, home);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  const probe = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: PROBE_LIMIT_MS });
  if (probe.status !== 0) return { reason: `${path} does not run` };
  return { path, folder: dirname(path) };
}
