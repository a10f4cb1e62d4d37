// Freezes processes for tests: their connections stay up and say nothing until they are thawed.
// A signal that stops a process reaches its threads one after another, and a busy machine lets them answer meanwhile;
// so `freeze` waits, without a turn of the event loop, until the kernel says that each of them has stopped (proc(5)).
// Only Linux tells that; elsewhere the signal is sent and no more.
import { readdirSync, readFileSync } from 'node:fs';
import { isAlive } from '../../scripts/lib/run.mjs';

const LIMIT_MS = 10_000;
const LOOK_EVERY_MS = 1;
/** States of proc_pid_stat(5) in which a thread does nothing: stopped, traced, ended. */
const STILL = new Set(['T', 't', 'Z', 'X']);

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Stops processes, all of whose threads have stopped when this returns. One that has ended is passed over. */
export function freeze(...pids: readonly number[]): void {
  for (const pid of pids) send(pid, 'SIGSTOP');
  if (process.platform !== 'linux') return;
  const limit = Date.now() + LIMIT_MS;
  for (const pid of pids) {
    while (!isStill(pid)) {
      if (Date.now() > limit) throw new Error(`process ${pid} does not stop`);
      Atomics.wait(sleeper, 0, 0, LOOK_EVERY_MS);
    }
  }
}

/** Lets frozen processes go on. One that has ended is passed over. */
export function thaw(...pids: readonly number[]): void {
  for (const pid of pids) send(pid, 'SIGCONT');
}

function send(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 0) throw new Error(`${pid} is not one process`);
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

function isStill(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => STILL.has(state(pid, thread)));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return !isAlive(pid); // it, or a thread of it, has ended
    throw error;
  }
}

/** The field after the name, which stands in parentheses and may hold any character. */
function state(pid: number, thread: string): string {
  const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
  return text.charAt(text.lastIndexOf(')') + 2);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
