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

/** Packages whose binary comes inside of them; what a postinstall script downloads cannot be had everywhere. */
const PLATFORM = `${process.platform}-${process.arch}`;

/** @typedef {{ path: string, folder: string } | { reason: string }} Prepared the program or package, and its folder */

/**
 * Finds a release, or installs its newest version; one that is there stays as it is.
 * @param {string} release such as `22`
 * @param {{ install: boolean }} options
 * @returns {Promise<Prepared>} the program
 */
export async function prepareNode(release, options) {
  const name = `node-${PLATFORM}`;
  return probed(await prepareFromNpm(release, `${name}@${release}`, `${name}/bin/node`, options));
}

/**
 * Finds Bun or Deno, or installs it.
 * @param {'bun' | 'deno'} name
 * @param {string} version such as `1.4`
 * @param {{ install: boolean }} options
 * @returns {Promise<Prepared>} the program
 */
export async function prepareRuntime(name, version, options) {
  const arch = process.arch === 'arm64' ? 'aarch64' : process.arch; // as Bun calls it
  const [pack, program] =
    name === 'bun'
      ? [`@oven/bun-${process.platform}-${arch}`, 'bin/bun']
      : [`@deno/${PLATFORM}-glibc`, 'deno'];
  const home = `${name}-${version}`;
  return probed(await prepareFromNpm(home, `${pack}@${version}`, `${pack}/${program}`, options));
}

/**
 * Finds a package in the folder of its own that it is kept in, or installs it there.
 * @param {string} home the folder's name
 * @param {string} spec what npm is asked for
 * @param {string} path what is wanted of it, in node_modules
 * @param {{ install: boolean }} options
 * @returns {Promise<Prepared>}
 */
export async function prepareFromNpm(home, spec, path, { install }) {
  const kept = join(CACHE, home);
  const found = join(kept, 'node_modules', path);
  if (!existsSync(found)) {
    if (!install) return { reason: `${kept} has none, and nothing may be installed` };
    say(`node: npm install ${spec} into ${kept}`);
    const fresh = `${kept}.${process.pid}`;
    try {
      mkdirSync(fresh, { recursive: true });
      const args = ['install', '--prefix', fresh, '--no-audit', '--no-fund', '--loglevel=error'];
      const code = await run('npm', [...args, spec], { quiet: true, limitMs: INSTALL_LIMIT_MS });
      if (code !== 0) return { reason: `npm install ${spec} ended with exit code ${code}` };
      // Another run may have installed it meanwhile.
      if (!existsSync(kept)) renameSync(fresh, kept);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    if (!existsSync(found)) return { reason: `${spec} has no ${path}` };
  }
  return { path: found, folder: dirname(found) };
}

/**
 * @param {Prepared} prepared
 * @returns {Prepared}
 */
function probed(prepared) {
  if ('reason' in prepared) return prepared;
  const probe = spawnSync(prepared.path, ['--version'], { encoding: 'utf8', timeout: PROBE_LIMIT_MS });
  return probe.status === 0 ? prepared : { reason: `${prepared.path} does not run` };
}
