// Runs the programs that the scripts need, from the root of the repository, and says what is being done.
// What a script says goes to stderr: stdout belongs to the program that it runs.
// A signal to a script reaches the program that it is waiting for; nothing is left running.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The root of the repository, without a slash at the end. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/**
 * Says one line on stderr.
 * @param {string} line
 */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * A failure whose message says everything: no stack is printed for it.
 */
export class Failure extends Error {
  /** @override */
  name = 'Failure';
}

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * Whether a process with this number runs.
 * @param {number} pid
 */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * The exit code that shells use for a program ended by a signal.
 * @param {NodeJS.Signals} signal
 */
export function signalCode(signal) {
  return { SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143 }[/** @type {string} */ (signal)] ?? 1;
}

/**
 * Runs a program to its end and answers its exit code. Its output goes where the script's own goes, its stdin is empty.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, quiet?: boolean, limitMs?: number }} [options] quiet: print its output only when it
 *   fails; limitMs: stop it after so long (SIGTERM, then SIGKILL) and answer 124
 * @returns {Promise<number>}
 */
export function run(command, args, options = {}) {
  const { env = {}, quiet = false, limitMs } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    });
    /** @type {Buffer[]} */
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    let late = false;
    /** @type {NodeJS.Signals | undefined} */
    let stoppedBy;
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => {
      stoppedBy = signal;
      child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, forward);
    /** @type {NodeJS.Timeout[]} */
    const timers = [];
    if (limitMs !== undefined) {
      timers.push(
        setTimeout(() => {
          late = true;
          say(`${command} took longer than ${Math.round(limitMs / 60_000)} minutes: stopped`);
          child.kill('SIGTERM');
        }, limitMs),
        setTimeout(() => child.kill('SIGKILL'), limitMs + 10_000),
      );
    }
    const settle = () => {
      for (const signal of SIGNALS) process.off(signal, forward);
      for (const timer of timers) clearTimeout(timer);
    };
    child.on('error', (error) => {
      settle();
      reject(new Failure(`${command} could not be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      settle();
      const exit = late ? 124 : (code ?? signalCode(signal ?? 'SIGKILL'));
      if (quiet && exit !== 0) process.stderr.write(Buffer.concat(output));
      if (stoppedBy !== undefined) reject(new Stopped(stoppedBy));
      else resolve(exit);
    });
  });
}

/** The script was told to stop while it waited for a program. */
export class Stopped extends Error {
  /** @override */
  name = 'Stopped';
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.exitCode = signalCode(signal);
  }
}

/**
 * Runs the body of a script and turns what it throws into one line and an exit code.
 * @param {() => Promise<number>} body answers the exit code
 */
export async function script(body) {
  try {
    process.exitCode = await body();
  } catch (error) {
    if (error instanceof Stopped) {
      process.exitCode = error.exitCode;
    } else if (error instanceof Failure) {
      say(error.message);
      process.exitCode = 1;
    } else {
      throw error;
    }
  }
}
