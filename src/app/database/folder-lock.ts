// Lets one process at a time hold a folder, and frees it when that process ends, however it ends.
//
// The sign of life is a listening Unix socket. The kernel closes it with the process, also after `kill -9`, and nothing
// else looks like it: no number that another process may have got since (as with a file that names a pid), no clock, no
// boot. It is seen from other containers on the same machine, which neither pids nor abstract sockets are. Node.js has
// no flock. The folder must not be shared between machines.
//
// Who holds the folder is written in a claim (`folder-claims.ts`), which names the process and its socket. The socket
// listens before the claim can be seen, so a claim whose socket does not answer is dead, and stays so.
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { FolderInUseError } from './errors.ts';
import { claimAfter, makeClaimFolder, newestClaim, sweep } from './folder-claims.ts';

export interface FolderLock {
  /** Lets the next process in. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  /** The name of its socket in the folder of the lock. */
  readonly socket: string;
}

/** Each round is lost only to another process that went further, so a few are enough. */
const ROUNDS_MAX = 100;
/** A path of a Unix socket may have 103 bytes on some systems, 107 on Linux; Node.js 20 cuts longer ones off in silence. */
const SOCKET_PATH_MAX = 103;
const SOCKET = /\.socket$/;
const NOBODY: Holder = { pid: 0, socket: '' };

/**
 * Takes the lock that a folder stands for. The folder is made when it is missing and is not removed again; it holds
 * nothing else. Its parent must exist.
 * @throws FolderInUseError when another process, or this one, holds it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await makeClaimFolder(folder, JSON.stringify(NOBODY));
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const newest = await newestClaim(folder);
    const { pid, socket } = parseHolder(newest.text);
    if (await isAlive(folder, socket)) throw new FolderInUseError(`${folder} is held by process ${pid}`, pid);

    const own: Holder = { pid: process.pid, socket: `${randomBytes(8).toString('hex')}.socket` };
    const server = await listen(folder, own.socket);
    const release = () => close(server, join(folder, own.socket));
    try {
      const claim = await claimAfter(folder, newest, JSON.stringify(own));
      if (claim !== undefined) {
        await sweep(folder, claim, (name) => SOCKET.test(name) && name !== own.socket);
        return { release };
      }
    } catch (error) {
      await release();
      throw error;
    }
    await release();
  }
  throw new Error(`${folder} could not be locked: other processes took it ${ROUNDS_MAX} times meanwhile`);
}

function parseHolder(text: string): Holder {
  const holder: unknown = JSON.parse(text);
  if (typeof holder === 'object' && holder !== null && 'pid' in holder && 'socket' in holder) {
    const { pid, socket } = holder;
    if (typeof pid === 'number' && typeof socket === 'string') return { pid, socket };
  }
  throw new Error(`not a claim of a lock: ${text.slice(0, 100)}`);
}

/** Whether a process listens on the socket; one that is stopped or busy counts, as the kernel answers for it. */
async function isAlive(folder: string, socket: string): Promise<boolean> {
  if (socket === '') return false;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const code = await withSocketPath(folder, socket, connectOnce);
    if (code === 'CONNECTED' || code === 'EAGAIN') return true; // EAGAIN: its queue of connections is full
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
    // ECONNRESET: it closed while it was asked. Another round tells for certain.
  }
  throw new Error(`the socket ${join(folder, socket)} neither answers nor refuses`);
}

/** How an attempt to connect ended; failures that say nothing of the other side are thrown. */
function connectOnce(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const attempt = connect(path);
    attempt.on('connect', () => {
      attempt.destroy();
      resolve('CONNECTED');
    });
    attempt.on('error', (error) => {
      const code = 'code' in error ? String(error.code) : '';
      if (['EAGAIN', 'ECONNREFUSED', 'ENOENT', 'ECONNRESET'].includes(code)) resolve(code);
      else reject(error);
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
