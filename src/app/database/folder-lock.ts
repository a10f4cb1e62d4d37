// Lets one process at a time hold a folder, and frees it when that process ends, however it ends.
//
// The sign of life is a listening Unix socket. The kernel closes it with the process, also after `kill -9`, and nothing
// else looks like it: no number that another process may have got since (as with a file that names a pid), no clock, no
// boot; and it is seen from other containers on the same machine, which neither pids nor abstract sockets are. Node.js
// has no flock. The folder must not be shared between machines.
//
// A claim is a numbered file that names a process and its socket; the highest number counts. Who finds its socket dead
// links a claim of his own, which is complete and whose socket listens already, to the next number: only one can. As
// claims are removed in ascending order and a removed one never comes back, the new claim is the first of its number
// exactly if the dead one is still there afterwards; if not, others have come and gone meanwhile, and it does not count.
// One claim always remains, and the first, number 0, which nobody holds, comes into being together with the folder.
import { randomBytes } from 'node:crypto';
import { link, mkdtemp, open, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { FolderInUseError } from './errors.ts';

export interface FolderLock {
  /** Lets the next process in. */
  release(): Promise<void>;
}

interface Claim {
  readonly pid: number;
  /** The name of its socket in the folder of the lock. */
  readonly socket: string;
}

/** Each round is lost only to another process that went further, so a few are enough. */
const ROUNDS_MAX = 100;
/** A path of a Unix socket may have 103 bytes on some systems, 107 on Linux; Node.js 20 cuts longer ones off in silence. */
const SOCKET_PATH_MAX = 103;
const NOBODY: Claim = { pid: 0, socket: '' };

/**
 * Takes the lock that a folder stands for. The folder is made when it is missing and is not removed again; it holds
 * nothing else. Its parent must exist.
 * @throws FolderInUseError when another process, or this one, holds it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await makeLockFolder(folder);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const newest = await newestClaim(folder);
    const { pid, socket } = parseClaim(newest.text);
    if (await isAlive(folder, socket)) throw new FolderInUseError(`${folder} is held by process ${pid}`, pid);
    const lock = await tryClaim(folder, newest);
    if (lock !== undefined) return lock;
  }
  throw new Error(`${folder} could not be locked: other processes took it ${ROUNDS_MAX} times meanwhile`);
}

/** Claims the number after a dead claim's; answers nothing when another process was faster. */
async function tryClaim(
  folder: string,
  dead: { number: number; text: string },
): Promise<FolderLock | undefined> {
  const name = randomBytes(8).toString('hex');
  const socket = `${name}.socket`;
  const draft = join(folder, `${name}.claim`);
  const claim = join(folder, String(dead.number + 1));
  const server = await listen(folder, socket);
  const text = JSON.stringify({ pid: process.pid, socket } satisfies Claim);
  let claimed = false;
  try {
    await writeFile(draft, text, { flag: 'wx', mode: 0o600 });
    if (await tolerate(['EEXIST'], link(draft, claim))) {
      claimed = (await readClaim(folder, dead.number)) === dead.text;
      if (!claimed) await unlink(claim);
    }
    if (!claimed) return undefined;
    await removeOthers(folder, dead.number + 1, socket);
  } finally {
    await rm(draft, { force: true });
    if (!claimed) await close(server, join(folder, socket));
  }
  return { release: () => close(server, join(folder, socket)) };
}

/**
 * Removes what dead processes left, lower claims in ascending order. What belongs to a living one that is still on its
 * way to a claim goes too: it started from a lower claim, will find that it is late, and starts again with a new socket.
 */
async function removeOthers(folder: string, own: number, socket: string): Promise<void> {
  const names = await readdir(folder);
  const lower = claimNumbers(names).filter((number) => number < own);
  for (const number of lower) await rm(join(folder, String(number)), { force: true });
  const others = names.filter((name) => /\.(socket|claim)$/.test(name) && name !== socket);
  for (const name of others) await rm(join(folder, name), { force: true });
}

/** A folder that is renamed into place has its first claim from the start, and replaces none that has something in it. */
async function makeLockFolder(folder: string): Promise<void> {
  const draft = await mkdtemp(`${folder}-`);
  await writeFile(join(draft, '0'), JSON.stringify(NOBODY), { mode: 0o600 });
  if (await tolerate(['ENOTEMPTY', 'EEXIST'], rename(draft, folder))) return;
  await rm(draft, { recursive: true, force: true });
}

async function newestClaim(folder: string): Promise<{ number: number; text: string }> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const number = claimNumbers(await readdir(folder)).at(-1);
    if (number === undefined) throw new Error(`${folder} is not the folder of a lock: move it away`);
    const text = await readClaim(folder, number);
    if (text !== undefined) return { number, text };
  }
  throw new Error(`${folder} could not be read: other processes changed it ${ROUNDS_MAX} times meanwhile`);
}

function claimNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b);
}

async function readClaim(folder: string, number: number): Promise<string | undefined> {
  try {
    return await readFile(join(folder, String(number)), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseClaim(text: string): Claim {
  const claim: unknown = JSON.parse(text);
  if (typeof claim === 'object' && claim !== null && 'pid' in claim && 'socket' in claim) {
    const { pid, socket } = claim;
    if (typeof pid === 'number' && typeof socket === 'string') return { pid, socket };
  }
  throw new Error(`not a claim of a lock: ${text.slice(0, 100)}`);
}

/** Whether a process listens on the socket; one that is stopped or busy counts, as the kernel answers for it. */
async function isAlive(folder: string, socket: string): Promise<boolean> {
  if (socket === '') return false;
  return await withSocketPath(folder, socket, (path) => {
    return new Promise((resolve, reject) => {
      const attempt = connect(path);
      attempt.on('connect', () => {
        attempt.destroy();
        resolve(true);
      });
      attempt.on('error', (error) => {
        const code = codeOf(error) ?? '';
        if (['ECONNREFUSED', 'ENOENT'].includes(code)) resolve(false);
        else if (code === 'EAGAIN') resolve(true); // its queue of connections is full
        else reject(error);
      });
    });
  });
}

/** The socket does not keep the process running. */
async function listen(folder: string, socket: string): Promise<Server> {
  const server = createServer((connection) => connection.destroy()).unref();
  await withSocketPath(folder, socket, (path) => {
    return new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path }, () => {
        server.off('error', reject);
        server.on('error', () => {}); // a connection that cannot be accepted has told what it came for all the same
        resolve();
      });
    });
  });
  return server;
}

async function close(server: Server, socketPath: string): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await rm(socketPath, { force: true });
}

/** A long path is shortened over the file descriptor of the folder, where the system has those as files. */
async function withSocketPath<T>(
  folder: string,
  socket: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(folder, socket);
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return await use(path);
  if (process.platform !== 'linux') {
    throw new Error(`the path ${path} is too long for a socket: at most ${SOCKET_PATH_MAX} bytes`);
  }
  const handle = await open(folder, 'r');
  try {
    return await use(`/proc/self/fd/${handle.fd}/${socket}`);
  } finally {
    await handle.close();
  }
}

/** Whether it was done; false when it failed with one of the codes. */
async function tolerate(codes: readonly string[], work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (codes.includes(codeOf(error) ?? '')) return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
