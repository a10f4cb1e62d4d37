/** Runs a workload on OTP with one scheduler, when `erl` is installed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = ['troupe_bench.erl', 'troupe_bench_server.erl'].map((file) =>
  fileURLToPath(new URL(`../otp/${file}`, import.meta.url)),
);

/**
 * Compiles OTP's side.
 * @returns {{ release: string, run: (name: string) => number, close: () => void } | undefined} undefined without erl
 */
export function openOtp() {
  const erl = (/** @type {string[]} */ ...args) =>
    execFileSync('erl', ['+S', '1', '-noshell', ...args], {
      encoding: 'utf8',
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  const close = () => rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync('erlc', ['-o', folder, ...sources], { stdio: 'inherit' });
  } catch (error) {
    close();
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    throw error;
  }
  const release = erl('-eval', 'io:format("~s", [erlang:system_info(otp_release)]), halt().').trim();
  return {
    release,
    close,
    run: (name) => {
      const line = erl('-run', 'troupe_bench', 'main', name).trim();
      const value = Number(line.split(' ')[1]);
      if (!line.startsWith(`${name} `) || !Number.isFinite(value))
        throw new Error(`OTP printed '${line}' for ${name}`);
      return value;
    },
  };
}
