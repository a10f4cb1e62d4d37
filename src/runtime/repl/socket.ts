// The REPL's socket: its path, its address, and how the server opens it so that only the user of this process can connect.
//
// - Anyone who can connect can run code in the application. The socket has mode 0600 from the start: a umask set only
//   around the call that binds it ensures that, so there is no moment with other permissions.
// - The server binds the socket under a temporary name and links it to its final name once it listens. A socket under the
//   final name that refuses connections therefore belongs to a process that was killed, and is replaced. One that
//   answers is left alone, and so is a file that is not a socket. Of two servers that start at once, one gets the name.
// - A Unix socket's address holds little more than a hundred bytes, and data folders can be deep. On Linux an open folder
//   has a short second name, /proc/self/fd/N, for binding and connecting; elsewhere a path that is too long is an error
//   that names the limit.
import { randomBytes } from 'node:crypto';
import {
  type Stats,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { basename, dirname, join, resolve as absolute } from 'node:path';

/** How often a stale socket is replaced before giving up: other processes may be doing the same. */
const ATTEMPTS_MAX = 5;
/** A socket that has neither accepted nor refused a connection by then counts as live. */
const PROBE_TIMEOUT_MS = 2_000;
/** Full access for the user, none for others. */
const PRIVATE_FOLDER = 0o700;
/** Read and write access for the user, none for others. */
const PRIVATE_UMASK = 0o177;

/** The codes with which the system refuses sockets in a folder, such as a folder shared from another system. */
const NO_SOCKETS: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EINVAL',
  'EROFS',
]);

/** The folder does not support sockets: there can be no REPL, but nothing else is wrong. */
export class NoSocketsError extends Error {
  override readonly name = 'NoSocketsError';
}

/** A listening socket. */
export interface Listener {
  /** Removes the socket and stops listening, at once; open connections stay open. */
  close(): void;
}

/**
 * Listens on a socket. Creates the folder if it does not exist.
 * @param onConnection gets each connection, paused
 * @throws NoSocketsError when no socket can be made there
 * @throws Error that names the process or file in the way, or gives the system's reason
 */
export async function listenPrivately(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true }, onConnection);
  try {
    // Not `recursive`: in /proc, Node.js 20 would try forever.
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: PRIVATE_FOLDER });
    // At most two characters longer than the final name: addresses are short.
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

/** Gives a listening socket its final name. */
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

/** Removes a socket that no process listens on. @throws Error when one does, or when the file is not a socket. */
async function removeStale(path: string): Promise<void> {
  const found = lstat(path);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error('a file of that name exists and is not a socket');
  if (await answers(path)) {
    throw new Error('another process listens there; two applications cannot share a data folder');
  }
  // Unless another process has put its own there in the meantime.
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

// ---- paths and addresses ----

/** The longest path of a socket in bytes, without its NUL: 108 on Linux, 104 on macOS and the BSDs. */
const PATH_MAX_BYTES = process.platform === 'linux' ? 107 : 103;

/** The data folder when `DATA_DIR` is not set; the notes application has the same default. */
export const DEFAULT_DATA_DIR = './data';

/** The path of the socket in a data folder. */
export function socketPath(dataDir: string): string {
  return join(absolute(dataDir), 'repl.sock');
}

/** The path of the history, beside a socket. */
export function historyPath(socket: string): string {
  return join(dirname(socket), 'repl-history');
}

/** A name for a socket that fits into an address. */
export interface SocketAddress {
  readonly path: string;
  /** Frees the resources behind the name, which is invalid afterwards. */
  release(): void;
}

/**
 * A name for the socket at `path` to bind or connect to. For a long path the folder must exist.
 * @throws Error that names the limit, on systems without a way around it.
 */
export function socketAddress(path: string): SocketAddress {
  if (Buffer.byteLength(path) <= PATH_MAX_BYTES) return { path, release: () => undefined };
  if (process.platform !== 'linux') {
    throw new Error(
      `the path of the REPL's socket, ${path}, is longer than the ${PATH_MAX_BYTES} bytes that this system allows: ` +
        'choose a shorter DATA_DIR',
    );
  }
  const folder = openSync(dirname(path), 'r');
  return {
    path: `/proc/self/fd/${folder}/${basename(path)}`,
    release: () => {
      closeSync(folder);
    },
  };
}
