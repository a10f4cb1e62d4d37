/**
 * One buffer that all plain TCP connections of the program read into.
 *
 * By itself Node.js makes 64 KiB for each read, which is most of the work of the garbage collector while large messages come. `net` reads
 * into a given buffer when a socket is made with `onread`. The sockets of a server cannot be made so, so the same is switched on later, with
 * two fields of `net.Socket` and a method of its handle.
 *
 * Invariant: what is in the buffer is there until the function returns that it was given to; `isShared` tells what has to be copied to be
 * kept. Without those fields, as on other runtimes, and over TLS, sockets read as they always do.
 */
import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** As much as Node.js makes for a read. With more, less is copied, but the system lets more come ahead of a small message. */
const BUFFER_BYTES = 64 * 1024;

/** Made with the first connection. */
let shared: Buffer | undefined;

/** What `net.Socket` keeps for `onread`. */
interface Fields {
  [field: symbol]: unknown;
  readonly _handle?: { useUserBuffer?(buffer: Buffer): void } | null;
}

/**
 * Has a socket read into the shared buffer from now on. What it has read before has to be taken with `read` afterwards.
 * @param take gets what has come; called while the event loop reads.
 * @returns false when this socket cannot; it emits `data` then.
 */
export function readsIntoShared(socket: Socket, take: (chunk: Buffer) => void): boolean {
  if (socket instanceof TLSSocket) return false;
  const fields = socket as unknown as Fields;
  // oxlint-disable-next-line no-underscore-dangle
  const handle = fields._handle;
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  if (typeof handle?.useUserBuffer !== 'function' || buffer === undefined || callback === undefined) {
    return false;
  }
  const bytes = (shared ??= Buffer.allocUnsafeSlow(BUFFER_BYTES));
  fields[buffer] = bytes;
  fields[callback] = (length: number) => {
    take(bytes.subarray(0, length));
    return true;
  };
  handle.useUserBuffer(bytes);
  return true;
}

/** True for bytes that the next read overwrites. */
export function isShared(bytes: Buffer): boolean {
  return bytes.buffer === shared?.buffer;
}
