// Where the REPL's socket and history are, for the client and the server.
//
// The address of a Unix socket holds little more than a hundred bytes, and data folders can be deep. On Linux a folder
// that is open has a short second name, /proc/self/fd/N, under which the socket can be bound and connected to; elsewhere
// a path that is too long is a fault that names the limit.
import { closeSync, openSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** The longest path of a socket in bytes, without its NUL: 108 on Linux, 104 on macOS and the BSDs. */
const PATH_MAX_BYTES = process.platform === 'linux' ? 107 : 103;

/** The data folder when `DATA_DIR` is not set; the same as the default in config.ts. */
export const DEFAULT_DATA_DIR = './data';

/** The socket in a data folder. */
export function socketPath(dataDir: string): string {
  return join(resolve(dataDir), 'repl.sock');
}

/** The history in the folder of a socket. */
export function historyPath(socket: string): string {
  return join(dirname(socket), 'repl-history');
}

/** A name of a socket that fits into an address. */
export interface SocketAddress {
  readonly path: string;
  /** Gives back what the name needs; the name is void afterwards. */
  release(): void;
}

/**
 * A name for the socket at `path` that can be bound or connected to; its folder must exist when the path is long.
 * @throws Error that names the limit, where there is no way around it.
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
