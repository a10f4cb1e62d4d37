/** Runs a workload on OTP with one scheduler, or two nodes with one each, when `erl` is installed. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './port.mjs';

const distributed = '-start_epmd false -name troupe_bench@127.0.0.1 -setcookie troupe-bench'.split(' ');
const sources = ['troupe_bench.erl', 'troupe_bench_server.erl', 'troupe_dist_bench.erl'].map((file) =>
  fileURLToPath(new URL(`../otp/${file}`, import.meta.url)),
);

/**
 * @typedef {object} Otp
 * @property {string} release
 * @property {string} folder where the compiled modules are
 * @property {(name: string) => number} run runs a workload; between two nodes when its name begins with `nodes_`
 * @property {() => void} close
 */

/**
 * Compiles OTP's side.
 * @returns {Promise<Otp | undefined>} undefined without erl
 */
export async function openOtp() {
  const erl = (/** @type {string[]} */ ...args) =>
    execFileSync('erl', ['+S', '1', '-noshell', ...args], {
      encoding: 'utf8',
      cwd: folder,
      env: { ...process.env, ERL_EPMD_PORT: String(epmdPort) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const epmdPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  let epmd;
  const close = () => {
    epmd?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', close);
  try {
    execFileSync('erlc', ['-o', folder, ...sources], { stdio: 'inherit' });
    epmd = spawn('epmd', ['-port', String(epmdPort), '-address', '127.0.0.1'], { stdio: 'ignore' });
  } catch (error) {
    close();
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
  const release = erl('-eval', 'io:format("~s", [erlang:system_info(otp_release)]), halt().').trim();
  return {
    release,
    folder,
    close,
    run: (name) => {
      const line = name.startsWith('nodes_')
        ? erl(...distributed, '-run', 'troupe_dist_bench', 'main', name).trim()
        : erl('-run', 'troupe_bench', 'main', name).trim();
      const value = Number(line.split(' ')[1]);
      if (!line.startsWith(`${name} `) || !Number.isFinite(value))
        throw new Error(`OTP printed '${line}' for ${name}`);
      return value;
    },
  };
}
