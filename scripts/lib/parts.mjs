// The programs that parts of the tests need and npm cannot bring: PostgreSQL, PgBouncer, Erlang and its library for C, Elixir, a
// browser, a pseudo-terminal, shells, network namespaces, a compiler, a small disk.
// Finds them, and on Debian as root installs what is missing. test/support/parts.ts asks here too.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Failure, run, say } from './run.mjs';

const PROBE_LIMIT_MS = 20_000;
const APT_LIMIT_MS = 10 * 60_000;
/** Where Debian, and OTP's own installation, have erl_interface. */
const EI_FOLDERS = ['/usr/lib/erlang/usr', '/usr/local/lib/erlang/usr'];

/** @typedef {'postgres' | 'pgbouncer' | 'erl' | 'ei' | 'elixir' | 'chromium' | 'pty' | 'netns' | 'gcc' | 'tmpfs' | 'bash' | 'zsh' | 'fish'} PartName */
/** @typedef {{ found: true, path: string } | { found: false, reason: string }} Part */

/**
 * What to look for, and the Debian packages that bring it.
 * @type {Record<PartName, { title: string, packages: string[], find: () => Part }>}
 */
const PARTS = {
  postgres: { title: 'PostgreSQL', packages: ['postgresql'], find: findPostgres },
  pgbouncer: { title: 'PgBouncer', packages: ['pgbouncer'], find: findPgbouncer },
  erl: {
    title: 'Erlang/OTP',
    packages: [
      'erlang-base',
      'erlang-dev',
      'erlang-crypto',
      'erlang-asn1',
      'erlang-public-key',
      'erlang-ssl',
    ],
    find: findErl,
  },
  ei: { title: 'erl_interface and a C compiler', packages: ['erlang-dev', 'gcc', 'libc6-dev'], find: findEi },
  elixir: { title: 'Elixir', packages: ['elixir'], find: findElixir },
  chromium: { title: 'Chromium', packages: ['chromium-headless-shell'], find: findChromium },
  pty: { title: 'pseudo-terminal', packages: ['bsdutils'], find: findScript },
  netns: { title: 'network namespaces', packages: ['iproute2'], find: findNamespaces },
  gcc: { title: 'C compiler', packages: ['gcc', 'libc6-dev'], find: findCompiler },
  bash: { title: 'bash', packages: ['bash'], find: () => findShell('bash') },
  zsh: { title: 'zsh', packages: ['zsh'], find: () => findShell('zsh') },
  fish: { title: 'fish', packages: ['fish'], find: () => findShell('fish') },
  tmpfs: { title: 'disks in memory', packages: ['mount'], find: findTmpfs },
};

const PART_NAMES = /** @type {PartName[]} */ (Object.keys(PARTS));

/**
 * Looks for a part. `path` is a folder for PostgreSQL (the one with initdb and postgres), for erl_interface (the one
 * with include and lib) and for Elixir (the one of its applications), else a program.
 * @param {PartName} name
 * @returns {Part}
 */
export function findPart(name) {
  if (process.env['TROUPE_TEST_WITHOUT_PARTS'] === 'true') {
    return { found: false, reason: 'TROUPE_TEST_WITHOUT_PARTS leaves it out' };
  }
  return PARTS[name].find();
}

/**
 * Installs the missing parts where that is possible and says what is there and what is not.
 * @param {{ install: boolean }} options
 * @returns {Promise<PartName[]>} what is still missing
 */
export async function prepareParts({ install }) {
  let missing = PART_NAMES.filter((name) => !findPart(name).found);
  if (missing.length > 0 && install) {
    await installParts(missing);
    missing = missing.filter((name) => !findPart(name).found);
  }
  for (const name of PART_NAMES) {
    const part = findPart(name);
    say(
      `parts: ${PARTS[name].title}: ${part.found ? part.path : `missing, its tests are skipped (${part.reason})`}`,
    );
  }
  return missing;
}

/** @param {PartName[]} missing */
async function installParts(missing) {
  const titles = missing.map((name) => PARTS[name].title).join(', ');
  if (onPath('apt-get') === undefined)
    return say(`parts: ${titles} missing, and there is no apt-get to install with`);
  if (process.getuid?.() !== 0) return say(`parts: ${titles} missing, and only root can install packages`);
  // RUNLEVEL=1 keeps the packages from starting their services: the tests start their own.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const lock = ['-o', 'DPkg::Lock::Timeout=120'];
  say('parts: apt-get update');
  if ((await run('apt-get', ['update', ...lock], { env, quiet: true, limitMs: APT_LIMIT_MS })) !== 0) {
    say('parts: apt-get update failed; trying with the lists that are there');
  }
  for (const name of missing) {
    const { packages } = PARTS[name];
    say(`parts: apt-get install ${packages.join(' ')}`);
    const args = ['install', '-y', '--no-install-recommends', ...lock, ...packages];
    const code = await run('apt-get', args, { env, quiet: true, limitMs: APT_LIMIT_MS });
    if (code !== 0) say(`parts: apt-get install ended with exit code ${code}`);
  }
}

/** @returns {Part} */
function findPostgres() {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const debian = '/usr/lib/postgresql';
  if (existsSync(debian)) {
    const versions = readdirSync(debian).filter((name) => /^\d+$/.test(name));
    versions.sort((a, b) => Number(b) - Number(a));
    folders.unshift(...versions.map((version) => join(debian, version, 'bin')));
  }
  const path = folders.find(
    (folder) => isProgram(join(folder, 'initdb')) && isProgram(join(folder, 'postgres')),
  );
  if (path === undefined) return { found: false, reason: 'no folder with initdb and postgres' };
  if (process.platform === 'linux' && onPath('setpriv') === undefined) {
    return { found: false, reason: 'no setpriv (util-linux), which ends it with the tests' };
  }
  if (process.getuid?.() === 0 && userId('postgres') === undefined) {
    return { found: false, reason: 'no user "postgres" to run it as, and it refuses to run as root' };
  }
  return { found: true, path };
}

/**
 * @param {string} name
 * @returns {Part}
 */
function findShell(name) {
  const path = onPath(name);
  return path === undefined ? { found: false, reason: `no ${name} in PATH` } : { found: true, path };
}

/** @returns {Part} */
function findPgbouncer() {
  // Debian has it where only root's PATH leads.
  const path = onPath('pgbouncer') ?? ['/usr/sbin/pgbouncer'].find((each) => existsSync(each));
  return path === undefined ? { found: false, reason: 'no pgbouncer in PATH' } : { found: true, path };
}

/** @returns {Part} */
function findErl() {
  const path = onPath('erl');
  if (path === undefined) return { found: false, reason: 'no erl in PATH' };
  if (onPath('epmd') === undefined) return { found: false, reason: 'no epmd in PATH' };
  // Distributions split OTP in packages: look for the applications that distribution, plain and over TLS, needs.
  const program =
    'Missing = [A || A <- [kernel, compiler, crypto, asn1, public_key, ssl], {error, _} <- [code:lib_dir(A)]],' +
    'io:format("missing ~w", [Missing]), halt(0).';
  const probe = spawnSync(path, ['-noinput', '-boot', 'start_clean', '-eval', program], {
    encoding: 'utf8',
    timeout: PROBE_LIMIT_MS,
  });
  const listed = /missing \[(.*)\]/.exec(probe.stdout ?? '')?.[1];
  if (listed === undefined) return { found: false, reason: 'erl does not run' };
  return listed === ''
    ? { found: true, path }
    : { found: false, reason: `without the applications ${listed}` };
}

/** @returns {Part} */
function findEi() {
  if (onPath('cc') === undefined) return { found: false, reason: 'no cc in PATH' };
  const path = EI_FOLDERS.find(
    (folder) => existsSync(join(folder, 'include/ei.h')) && existsSync(join(folder, 'lib/libei.a')),
  );
  return path === undefined
    ? { found: false, reason: `no include/ei.h and lib/libei.a in ${EI_FOLDERS.join(' or ')}` }
    : { found: true, path };
}

/** @returns {Part} */
function findElixir() {
  const program = onPath('elixir');
  if (program === undefined) return { found: false, reason: 'no elixir in PATH' };
  const probe = spawnSync(program, ['-e', 'IO.write([:code.lib_dir(:elixir), 10, System.version()])'], {
    encoding: 'utf8',
    timeout: PROBE_LIMIT_MS,
  });
  const [folder = '', version = ''] = (probe.stdout ?? '').trim().split('\n').slice(-2);
  return probe.status === 0 && /^\d+\./.test(version)
    ? { found: true, path: dirname(folder) }
    : { found: false, reason: 'elixir does not run' };
}

/** @returns {Part} */
function findChromium() {
  const names = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'chrome'];
  const path = names.map(onPath).find((found) => found !== undefined);
  return path === undefined
    ? { found: false, reason: `none of ${names.join(', ')} in PATH` }
    : { found: true, path };
}

/** @returns {Part} */
function findScript() {
  const path = onPath('script');
  if (path === undefined) return { found: false, reason: 'no script in PATH' };
  const probe = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: PROBE_LIMIT_MS });
  return /util-linux/.test(probe.stdout ?? '')
    ? { found: true, path }
    : { found: false, reason: 'script is not the one of util-linux' };
}

/** @returns {Part} */
function findNamespaces() {
  if (process.platform !== 'linux') return { found: false, reason: 'there are none but on Linux' };
  const path = onPath('ip');
  if (path === undefined) return { found: false, reason: 'no ip (iproute2) in PATH' };
  const missing = ['unshare', 'nsenter', 'setpriv'].find((name) => onPath(name) === undefined);
  if (missing !== undefined) return { found: false, reason: `no ${missing} (util-linux) in PATH` };
  // The namespace that is tried ends with the program.
  const pair = ['link', 'add', 'troupe0', 'type', 'veth', 'peer', 'name', 'troupe1'];
  const probe = spawnSync('unshare', ['--net', '--', path, ...pair], {
    encoding: 'utf8',
    timeout: PROBE_LIMIT_MS,
  });
  return probe.status === 0
    ? { found: true, path }
    : { found: false, reason: `it may not be made: ${(probe.stderr ?? '').trim()}` };
}

/** @returns {Part} */
function findCompiler() {
  if (process.platform !== 'linux') return { found: false, reason: 'what is compiled is for Linux' };
  const path = onPath('gcc');
  return path === undefined ? { found: false, reason: 'no gcc in PATH' } : { found: true, path };
}

/** @returns {Part} */
function findTmpfs() {
  if (process.platform !== 'linux') return { found: false, reason: 'there are none but on Linux' };
  const path = onPath('mount');
  if (path === undefined) return { found: false, reason: 'no mount in PATH' };
  if (onPath('unshare') === undefined) return { found: false, reason: 'no unshare (util-linux) in PATH' };
  // What is mounted is seen by, and ends with, the program alone.
  const probe = spawnSync('unshare', ['--mount', '--', path, '-t', 'tmpfs', 'tmpfs', tmpdir()], {
    encoding: 'utf8',
    timeout: PROBE_LIMIT_MS,
  });
  return probe.status === 0
    ? { found: true, path }
    : { found: false, reason: `it may not be mounted: ${(probe.stderr ?? '').trim()}` };
}

/**
 * The numbers of a user of this machine.
 * @param {string} name
 * @returns {{ uid: number, gid: number } | undefined}
 */
export function userId(name) {
  const ids = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
  if (ids.some(({ status }) => status !== 0)) return undefined;
  const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
  if (!Number.isInteger(uid) || !Number.isInteger(gid))
    throw new Failure(`id printed no number for user ${name}`);
  return { uid: Number(uid), gid: Number(gid) };
}

/**
 * @param {string} name
 * @returns {string | undefined}
 */
function onPath(name) {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not to be run: the same for who looks for a program
  }
}
