// Opens the REPL's socket, so that only the user of this process can ever open it.
//
// - Whoever can connect can run code in the application. The socket is made with mode 0600 by a umask that holds only
//   while it is bound, which happens inside the call: there is no moment with other permissions.
// - The socket of a process that was killed stays behind; nobody answers there, and it is replaced. One that somebody
//   answers on is left alone, and so is a file that is no socket.
import { lstatSync, mkdirSync, unlinkSync, type Stats } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { socketAddress, type SocketAddress } from './socket-path.ts';

/** How often a stale socket is replaced before giving up: others may be doing the same. */
const ATTEMPTS_MAX = 5;
/** How long a socket that exists may take to answer before it counts as live. */
const PROBE_TIMEOUT_MS = 2_000;
/** Leaves read and write to the user and nothing to others. */
const PRIVATE_UMASK = 0o177;

/**
 * Listens on a socket. The folder is made when it is not there.
 * @param onConnection gets each connection, paused
 * @throws Error that says which process or file is in the way, or what the system says
 */
export async function listenPrivately(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const address = socketAddress(path);
  try {
    for (let attempt = 1; ; attempt++) {
      const server = createServer({ pauseOnConnect: true }, onConnection);
      try {
        // oxlint-disable-next-line no-await-in-loop
        await bind(server, address.path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === ATTEMPTS_MAX) throw error;
        // oxlint-disable-next-line no-await-in-loop
        await removeStale(path, address);
        continue;
      }
      // Closing the server removes the socket by this name.
      server.once('close', address.release);
      return server;
    }
  } catch (error) {
    address.release();
    throw new Error(`the REPL cannot listen on ${path}: ${(error as Error).message}`, { cause: error });
  }
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

/** Removes a socket that nobody listens on. @throws Error when somebody does, or when it is no socket. */
async function removeStale(path: string, address: SocketAddress): Promise<void> {
  const found = lstat(path);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error('there is a file of that name that is no socket');
  if (await answers(address.path)) {
    throw new Error('another process listens there; two applications cannot share a data folder');
  }
  // Unless another process has put its own there meanwhile.
  if (lstat(path)?.ino === found.ino) unlinkSync(path);
}

function lstat(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
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
}
