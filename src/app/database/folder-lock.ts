// Lets one process at a time hold a folder, and frees it when that process ends, however it ends.
//
// The lock is the kernel's, on a file beside the folder. The file is never removed, so no later process has to judge a leftover.
// Its content, the holder's pid, is only for people.
//
// - Linux: `flock`, taken by the program of that name (util-linux, BusyBox) on a file that this process has open: such a
//   lock belongs to the open file. It holds across the containers of a machine, and on file systems without sockets and links.
// - macOS and the BSDs: the same lock, taken by `open`.
// - Linux without that program, or with a file system that refuses the lock: an abstract socket named after the file. It
//   is released as reliably, but a container with a network of its own does not see it.
import { spawnSync } from 'node:child_process';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderInUseError } from './errors.ts';

export interface FolderLock {
  /** Lets the next process in. */
  release(): Promise<void>;
}

/** How long a holder may take to end: one that was just killed may still be there. */
const WAIT_MS = 3_000;
const POLL_MS = 25;
/** Of `open` on macOS and the BSDs; Node.js has no name for it. */
const O_EXLOCK = 0x20;
const BSDS: ReadonlySet<NodeJS.Platform> = new Set(['darwin', 'freebsd', 'netbsd', 'openbsd']);

/**
 * Takes the lock of a file. The file is created when missing and stays; its parent must exist.
 * @param holder the pid that others are shown
 * @throws FolderInUseError when another process, or this one, holds it and does not release it in time
 */
export async function lockFolder(path: string, holder: number, waitMs = WAIT_MS): Promise<FolderLock> {
  const { fd, release } = await (BSDS.has(process.platform) ? openLocked : lockOpened)(path, waitMs);
  ftruncateSync(fd);
  writeSync(fd, `${holder}\n`, 0);
  let isReleased = false;
  return {
    async release() {
      if (isReleased) return;
      isReleased = true;
      closeSync(fd);
      await release();
    },
  };
}

interface Held {
  readonly fd: number;
  /** Releases what closing the file does not release. */
  release(): Promise<void> | void;
}

async function lockOpened(path: string, waitMs: number): Promise<Held> {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const refusal = flock(fd, waitMs);
    if (refusal === undefined) return { fd, release: () => {} };
    if (refusal === 'held') throw inUse(path);
    if (process.platform !== 'linux') throw new Error(`${path} cannot be locked: ${refusal}`);
    return { fd, release: await bindAbstract(path, fd, waitMs) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Takes the lock of an open file. @returns undefined when it has the lock, otherwise why not */
function flock(fd: number, waitMs: number): string | undefined {
  // None of these programs has an option that limits the wait.
  const { status, error, stderr } = spawnSync('flock', ['-x', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
    timeout: waitMs,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined) return codeOf(error) === 'ETIMEDOUT' ? 'held' : error.message;
  return status === 0 ? undefined : `flock: ${stderr.trim()}`;
}

async function bindAbstract(path: string, fd: number, waitMs: number): Promise<() => Promise<void>> {
  const { dev, ino } = fstatSync(fd);
  const listen = (): Promise<Server> =>
    new Promise((resolve, reject) => {
      // It only has to exist: it never answers.
      const listening = createServer().unref();
      listening.on('error', reject);
      listening.listen(`\0troupe-folder-${dev}-${ino}`, () => resolve(listening));
    });
  const server = await untilTaken(path, waitMs, 'EADDRINUSE', listen);
  return () => new Promise((resolve) => server.close(() => resolve()));
}

async function openLocked(path: string, waitMs: number): Promise<Held> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK;
  const fd = await untilTaken(path, waitMs, 'EAGAIN', () => openSync(path, flags, 0o600));
  return { fd, release: () => {} };
}

/** Tries until it succeeds, for a bounded time while it fails with the code of a held lock. */
async function untilTaken<T>(
  path: string,
  waitMs: number,
  held: string,
  attempt: () => T | Promise<T>,
): Promise<T> {
  const end = performance.now() + waitMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (codeOf(error) !== held) throw error;
      if (performance.now() >= end) throw inUse(path);
    }
    await delay(POLL_MS);
  }
}

function inUse(path: string): FolderInUseError {
  const pid = Number(/^\d{1,15}$/m.exec(readFileSync(path, 'utf8').slice(0, 100))?.[0] ?? 0);
  return new FolderInUseError(`${path} is held by ${pid === 0 ? 'another process' : `process ${pid}`}`, pid);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
