// Brings what is derived up to date: node_modules from the lock file, dist/ from the sources.
// Freshness is judged by modification times, folders included, so that a removed source counts as a change.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Failure, isAlive, root, run, say } from './run.mjs';

const SOURCES = ['src', 'drizzle', 'package.json', 'package-lock.json', 'vite.config.ts'];
const SOURCE_CONFIGS = ['tsconfig.json', 'tsconfig.build.json'];
const STAMP = 'dist/.built';
const SWAP_ATTEMPTS_MAX = 5;

/**
 * The path of a program that a dependency brings.
 * @param {string} name
 */
export function tool(name) {
  return join(root, 'node_modules/.bin', name);
}

/** Runs `npm ci` when node_modules is missing or older than the lock file. */
export async function ensureModules() {
  const installed = modifiedAt(join(root, 'node_modules/.package-lock.json'));
  if (installed !== undefined && installed >= (modifiedAt(join(root, 'package-lock.json')) ?? 0)) return;
  say(`npm ci: node_modules is ${installed === undefined ? 'missing' : 'older than package-lock.json'}`);
  const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    env: { npm_config_engine_strict: 'true', npm_config_omit: '', NODE_ENV: 'development' },
  });
  if (code !== 0) throw new Failure(`npm ci failed with exit code ${code}`);
}

/** Builds dist/ when it is missing or older than the sources. Installs what the build needs first. */
export async function ensureBuild() {
  const reason = staleness();
  if (reason === undefined) return;
  await ensureModules();
  say(`build: dist is ${reason}`);
  await build();
}

/** Why dist/ must be built, or nothing. */
function staleness() {
  const built = modifiedAt(join(root, STAMP));
  if (built === undefined) return 'missing';
  const sources = Math.max(...[...SOURCES, ...SOURCE_CONFIGS].map((path) => newest(join(root, path))));
  return sources > built ? 'older than the sources' : undefined;
}

/**
 * Builds dist/: the compiler's output, the pages, and the template of the embedded database. It grows in a folder of its own, which takes
 * dist's place when it is complete, so that nobody sees half a build and no removed file lingers.
 */
export async function build() {
  const startedAt = new Date();
  removeAbandoned();
  const fresh = `dist.${process.pid}`;
  try {
    mkdirSync(join(root, fresh), { recursive: true });
    await step('tsc', ['-p', 'tsconfig.build.json', '--outDir', fresh]);
    await step('vite', ['build', '--logLevel', 'warn', '--outDir', join(root, fresh, 'web')]);
    await buildObserverPage(join(root, fresh, 'runtime/observer/page'));
    await makeTemplate(join(root, fresh, 'app/database'));
    writeFileSync(join(root, fresh, '.built'), '');
    // A source changed while the build ran makes it stale.
    utimesSync(join(root, fresh, '.built'), startedAt, startedAt);
    swap(join(root, fresh), join(root, 'dist'));
  } finally {
    rmSync(join(root, fresh), { recursive: true, force: true });
    rmSync(join(root, `${fresh}.old`), { recursive: true, force: true });
  }
}

/**
 * Builds the page of the observer, compressed as its server sends it.
 * @param {string} folder
 */
export async function buildObserverPage(folder) {
  const config = 'src/runtime/observer/page/vite.config.ts';
  await step('vite', ['build', '--config', config, '--logLevel', 'warn', '--outDir', folder]);
}

/**
 * Makes the data folder that new ones are copied from, with the program that uses them: it makes one, and closes it when its
 * client, which is nobody, has nothing to say.
 * @param {string} folder of that program
 */
async function makeTemplate(folder) {
  const made = join(folder, 'made');
  const child = spawn(process.execPath, [join(folder, 'pglite-server.js'), made], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
  });
  const client = /** @type {import('node:net').Socket} */ (child.stdio[3]);
  client.end();
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Failure(`build failed: the embedded database ended with exit code ${code}`);
  rmSync(`${made}.pid`);
  openToOthers(made);
  renameSync(made, join(folder, 'template'));
}

/**
 * Lets other users read what has been built, as all of dist: the service may run as one. Nobody's notes are in it.
 * @param {string} folder
 */
function openToOthers(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToOthers(path);
    else chmodSync(path, 0o644);
  }
}

/**
 * @param {string} name
 * @param {string[]} args
 */
async function step(name, args) {
  if (!existsSync(tool(name))) {
    throw new Failure(`the build needs ${name}, which is not installed: run npm ci (without --omit=dev)`);
  }
  const code = await run(tool(name), args);
  if (code !== 0) throw new Failure(`build failed: ${name} ended with exit code ${code}`);
}

/**
 * Puts one folder in the place of another. Another build may do the same at the same time: the last one wins.
 * @param {string} fresh
 * @param {string} target
 */
function swap(fresh, target) {
  for (let attempt = 1; ; attempt++) {
    try {
      if (existsSync(target)) renameSync(target, `${fresh}.old`);
      renameSync(fresh, target);
      return;
    } catch (error) {
      if (attempt === SWAP_ATTEMPTS_MAX) throw error;
      rmSync(`${fresh}.old`, { recursive: true, force: true });
    }
  }
}

/** Removes what builds that were killed have left. */
function removeAbandoned() {
  for (const name of readdirSync(root)) {
    const pid = /^dist\.(\d+)(\.old)?$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(root, name), { recursive: true, force: true });
  }
}

/**
 * The latest modification in a file or a folder with all that is in it, in milliseconds since 1970; 0 when it does not exist.
 * @param {string} path
 * @returns {number}
 */
function newest(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** @param {string} path */
function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}
