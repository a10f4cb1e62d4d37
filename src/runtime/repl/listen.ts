// Opens the REPL's socket, so that only the user of this process can ever open it.
//
// - Whoever can connect can run code in the application. The socket is made with mode 0600 by a umask that holds only
//   while it is bound, which happens inside the call: there is no moment with other permissions.
// - It is bound under a name of its own and gets the right one when it listens. So a socket under the right name that
//   nobody answers on is that of a process that was killed, and is replaced; one that somebody answers on is left alone,
//   and so is a file that is no socket. Of two that start at once, one gets the name.
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, lstatSync, mkdirSync, type Stats, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { socketAddress } from './socket-path.ts';

/** How often a stale socket is replaced before giving up: others may be doing the same. */
const ATTEMPTS_MAX = 5;
/** How long a socket that exists may take to answer before it counts as live. */
const PROBE_TIMEOUT_MS = 2_000;
/** Leaves everything to the user and nothing to others. */
const PRIVATE_FOLDER = 0o700;
/** Leaves read and write to the user and nothing to others. */
const PRIVATE_UMASK = 0o177;

/** With these the system says that the folder takes no sockets, such as a shared folder of another system. */
const NO_SOCKETS: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EINVAL',
  'EROFS',
]);

/** The folder takes no sockets: there can be no REPL, and nothing else is wrong. */
export class NoSocketsError extends Error {
  override readonly name = 'NoSocketsError';
}

/** A socket that is listened on. */
export interface Listener {
  /** Removes the socket and stops listening, at once; connections go on. */
  close(): void;
}

/**
 * Listens on a socket. The folder is made when it is not there.
 * @param onConnection gets each connection, paused
 * @throws NoSocketsError when no socket can be made there
 * @throws Error that says which process or file is in the way, or what the system says
 */
export async function listenPrivately(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true }, onConnection);
  try {
    // Not `recursive`: in /proc, Node.js 20 would try for ever.
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: PRIVATE_FOLDER });
    // No longer than the right name, but for two characters: addresses are short.
    const bound = join(dirname(path), `repl.${randomBytes(3).toString('hex')}`);
    const address = socketAddress(bound);
    server.once('close', address.release);
    await bind(server, address.path);
    try {
      await takeName(bound, path);
    } finally {
      unlinkSync(bound);
    }
  } catch (error) {
    server.close();
    const { message, code = '' } = error as NodeJS.ErrnoException;
    const Failure = NO_SOCKETS.has(code) ? NoSocketsError : Error;
    throw new Failure(`the REPL cannot listen on ${path}: ${message}`, { cause: error });
  }
  const { ino } = lstatSync(path);
  return {
    close: () => {
      if (lstat(path)?.ino === ino) unlinkSync(path);
      server.close();
    },
  };
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    const before = process.umask(PRIVATE_UMASK);
    try {
      server.listen(path);
    } finally {
      process.umask(before);
    }
  });
}

/** Gives a socket that is listened on its right name. */
async function takeName(bound: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      linkSync(bound, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === ATTEMPTS_MAX) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await removeStale(path);
  }
}

/** Removes a socket that nobody listens on. @throws Error when somebody does, or when it is no socket. */
async function removeStale(path: string): Promise<void> {
  const found = lstat(path);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error('there is a file of that name that is no socket');
  if (await answers(path)) {
    throw new Error('another process listens there; two applications cannot share a data folder');
  }
  // Unless another process has put its own there meanwhile.
  if (lstat(path)?.ino === found.ino) unlinkSync(path);
}

function lstat(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

async function answers(path: string): Promise<boolean> {
  const address = socketAddress(path);
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect(address.path);
      const settle = (live: boolean): void => {
        socket.destroy();
        resolve(live);
      };
      socket.setTimeout(PROBE_TIMEOUT_MS, () => {
        settle(true);
      });
      socket.once('connect', () => {
        settle(true);
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') settle(false);
        else reject(error);
      });
    });
  } finally {
    address.release();
  }
}
