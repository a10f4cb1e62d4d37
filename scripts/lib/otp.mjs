// Erlang/OTP of a given release, for tests: the machine's own when it is of that release, else Debian's, installed by debootstrap
// into a folder of its own and run by chroot. The folder is kept; remove it to install again.
//
// What is put into PATH are wrappers. Each runs its program in a mount namespace of its own, where the folder has the machine's
// /proc, /dev, hosts, temporary files and the repository, so that nothing stays mounted and paths mean the same on both sides.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { isAlive, root, run, say } from './run.mjs';

/**
 * The releases that are tested, and the suite of Debian that has them. What `sid` has changes.
 * @type {Readonly<Record<string, string>>}
 */
export const RELEASES = { 25: 'bookworm', 27: 'trixie', 29: 'sid' };

const CACHE = process.env['TROUPE_OTP_CACHE'] ?? '/var/cache/troupe-otp';
const MIRROR = 'http://deb.debian.org/debian';
const PACKAGES = ['erlang-base', 'erlang-crypto', 'erlang-asn1', 'erlang-public-key', 'erlang-ssl', 'elixir'];
const PROGRAMS = ['erl', 'epmd', 'elixir'];
const INSTALL_LIMIT_MS = 10 * 60_000;
const PROBE_LIMIT_MS = 20_000;
const RELEASE = 'io:put_chars(erlang:system_info(otp_release)), halt(0).';

/**
 * Finds a release, or installs it.
 * @param {string} release
 * @param {string} suite of Debian
 * @param {{ install: boolean }} options
 * @returns {Promise<{ path: string, remove: () => void } | { reason: string }>} `path` is the PATH that has it in front
 */
export async function prepareOtp(release, suite, { install }) {
  const path = process.env['PATH'] ?? '';
  if (releaseOf('erl', path) === release) return { path, remove: () => undefined };
  const folder = join(CACHE, release);
  const lacking = await missing(install);
  if (lacking !== undefined) return { reason: lacking };
  if (!existsSync(join(folder, 'usr/bin/erl'))) {
    if (!install) return { reason: `${folder} has none, and nothing may be installed` };
    const problem = await debootstrap(release, suite, folder);
    if (problem !== undefined) return { reason: problem };
  }
  const wrappers = mkdtempSync(join(tmpdir(), `troupe-otp-${release}-`));
  const remove = () => rmSync(wrappers, { recursive: true, force: true });
  for (const program of PROGRAMS) {
    writeFileSync(join(wrappers, program), wrapper(folder, program));
    chmodSync(join(wrappers, program), 0o755);
  }
  const found = releaseOf(join(wrappers, 'erl'), path);
  if (found === release) return { path: `${wrappers}${delimiter}${path}`, remove };
  remove();
  // What sid has may have moved on.
  return { reason: found === undefined ? `erl of ${folder} does not run` : `${folder} has OTP ${found}` };
}

/**
 * Why no other release can be run here; undefined when it can.
 * @param {boolean} install
 */
async function missing(install) {
  if (process.platform !== 'linux') return 'other releases of OTP come from Debian, and run on Linux only';
  if (process.getuid?.() !== 0)
    return 'only root can install another release of OTP in a folder, and run it there';
  const lacks = (/** @type {string} */ name) => spawnSync(name, ['--help']).error !== undefined;
  const without = ['chroot', 'unshare'].find(lacks);
  if (without !== undefined) return `there is no ${without}`;
  if (!lacks('debootstrap')) return undefined;
  if (!install || lacks('apt-get')) return 'there is no debootstrap';
  const args = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', 'debootstrap'];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const code = await run('apt-get', args, { env, quiet: true, limitMs: INSTALL_LIMIT_MS });
  return code === 0 ? undefined : 'there is no debootstrap, and apt-get cannot install it';
}

/**
 * @param {string} release
 * @param {string} suite
 * @param {string} folder
 * @returns {Promise<string | undefined>} why it failed
 */
async function debootstrap(release, suite, folder) {
  const fresh = `${folder}.${process.pid}`;
  say(`otp: debootstrap of ${suite} for OTP ${release} into ${folder}`);
  try {
    mkdirSync(CACHE, { recursive: true });
    removeAbandoned();
    // In a mount namespace of its own: what it mounts must be gone, however it ends, before the folder is removed.
    const args = ['--mount', '--propagation', propagation(), '--', 'debootstrap', '--variant=minbase'];
    args.push(`--include=${PACKAGES.join(',')}`, suite, fresh, MIRROR);
    const code = await run('unshare', args, { quiet: true, limitMs: INSTALL_LIMIT_MS });
    if (code !== 0) return `debootstrap of ${suite} ended with exit code ${code}`;
    for (const file of ['hosts', 'resolv.conf']) writeFileSync(join(fresh, 'etc', file), '', { flag: 'a' });
    // Another run may have installed it meanwhile.
    if (!existsSync(folder)) renameSync(fresh, folder);
    return undefined;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Removes what runs that were killed have left. */
function removeAbandoned() {
  for (const name of readdirSync(CACHE)) {
    const pid = /^\d+\.(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(CACHE, name), { recursive: true, force: true });
  }
}

/** Where mounts are shared, as with systemd, ours must not be. Where the root is no mount, as in a chroot, that cannot be said. */
function propagation() {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(' shared:') ? 'private' : 'unchanged';
}

/**
 * The text of a program that runs another one within a folder.
 * @param {string} folder
 * @param {string} program
 */
function wrapper(folder, program) {
  const mounts = ['/proc', '/dev', '/etc/hosts', '/etc/resolv.conf', tmpdir(), root];
  return `#!/bin/sh
# Runs ${program} of ${folder}. PATH is that of the folder: a program there must not find this one again.
exec unshare --mount --propagation ${propagation()} -- sh -ec '
  folder=$1; shift
  for mount in ${mounts.map((mount) => `"${mount}"`).join(' ')}; do
    [ -f "$mount" ] || mkdir -p "$folder$mount"
    mount --rbind "$mount" "$folder$mount"
  done
  exec chroot "$folder" env -C "$PWD" PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
' sh ${JSON.stringify(folder)} /usr/bin/${program} "$@"
`;
}

/**
 * @param {string} erl
 * @param {string} path
 * @returns {string | undefined}
 */
function releaseOf(erl, path) {
  const probe = spawnSync(erl, ['-noinput', '-boot', 'start_clean', '-eval', RELEASE], {
    encoding: 'utf8',
    cwd: root,
    env: { ...process.env, PATH: path },
    timeout: PROBE_LIMIT_MS,
  });
  return probe.status === 0 ? /\d+$/.exec(probe.stdout.trim())?.[0] : undefined;
}
