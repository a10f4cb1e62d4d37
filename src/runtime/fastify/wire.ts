/**
 * The wire below a connection: WebSocket frames as bytes, and what this folder knows of the insides of a socket of `ws`.
 *
 * A server does not mask its frames (RFC 6455, 5.1), so one buffer can go to many clients. `ws` frames each message for each
 * client; here whole frames are written to the TCP socket below it. That is right as long as `ws` itself compresses nothing and
 * has nothing in its queue, which is checked for each write; otherwise frames go through `ws`.
 *
 * Limits: `ws` keeps its limits per server, and offers no way to change those of one socket.
 */
// oxlint-disable no-underscore-dangle -- the fields of `ws`
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from '@fastify/websocket';
import type { OutgoingFrame } from './handler.ts';
import { type Receiver, readTurns } from './intake.ts';
import type { Limits } from './limits.ts';

/** `WebSocket.OPEN` of `ws`. */
const OPEN = 1;
/** FIN with the opcode; RFC 6455, 5.2. */
const FIRST_BYTE = { text: 0x81, binary: 0x82, ping: 0x89 } as const;

/** A frame with so many bytes of payload is written as it is, and not copied to be joined with others. */
export const JOIN_MAX = 16_384;

/** The header of a frame as a server sends it: final, neither masked nor compressed. @returns a buffer with room for the rest. */
export function frameHeader(type: keyof typeof FIRST_BYTE, length: number, room = 0): Buffer {
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(start + room);
  bytes[0] = FIRST_BYTE[type];
  if (start === 2) {
    bytes[1] = length;
  } else if (start === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
  return bytes;
}

/** A frame as a server sends it. */
export function encodeFrame(type: keyof typeof FIRST_BYTE, data: string | Uint8Array): Buffer {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
  const bytes = frameHeader(type, length, length);
  if (typeof data === 'string') bytes.write(data, bytes.length - length);
  else bytes.set(data, bytes.length - length);
  return bytes;
}

/** The fields of a `WebSocket` of `ws` that are used here. */
interface Insides {
  _closeTimeout: number;
  readonly _socket: (Socket & { readonly _httpMessage?: ServerResponse | null }) | null;
  readonly _extensions: { readonly 'permessage-deflate'?: unknown };
  /** Null on Bun, which brings a `ws` of its own. */
  readonly _sender: { readonly _state: number; readonly _queue: readonly unknown[] } | null;
  readonly _receiver: Receiver & {
    _maxPayload: number;
    readonly _extensions: { readonly 'permessage-deflate'?: { _maxPayload: number } };
  };
}

/** Called when what was written has left the process, or cannot any more. */
export type Written = (error?: Error | null) => void;

/** What whole frames are written to. */
export type DirectSocket = Pick<Socket, 'write' | 'cork' | 'uncork'>;

/** False once the connection is closing. */
export function isOpen(socket: WebSocket): boolean {
  return socket.readyState === OPEN;
}

/** The TCP socket, while whole frames can be written to it, or else null. */
export function directSocket(socket: WebSocket): DirectSocket | null {
  const { _socket: below, _sender: sender, _extensions: extensions } = socket as unknown as Insides;
  if (sender === null || extensions['permessage-deflate'] !== undefined) return null;
  return sender._state === 0 && sender._queue.length === 0 ? below : null;
}

/** Sends a frame in the way of `ws`. */
export function sendFrame(socket: WebSocket, frame: OutgoingFrame, written: Written): void {
  if (frame.type === 'ping') socket.ping(frame.data, false, written);
  else socket.send(frame.data, { binary: frame.type === 'binary' }, written);
}

/** Sets the limits of one socket, where those of its server are higher. Call it before the socket has read anything. */
export function limitSocket(socket: WebSocket, { closeTimeoutMs, maxPayloadBytes }: Limits): void {
  const insides = socket as unknown as Insides;
  insides._closeTimeout = Math.min(insides._closeTimeout, closeTimeoutMs);
  const { _receiver: receiver } = insides;
  receiver._maxPayload = lower(receiver._maxPayload, maxPayloadBytes);
  const inflate = receiver._extensions['permessage-deflate'];
  if (inflate !== undefined) inflate._maxPayload = lower(inflate._maxPayload, maxPayloadBytes);
}

/** Has a socket leave the event loop to others when many clients send at once. Call it before the socket has read anything. */
export function readInTurns(socket: WebSocket): void {
  const { _receiver: receiver } = socket as unknown as Partial<Insides>;
  if (receiver) readTurns.bound(receiver);
}

/**
 * Ends the response of the request that was upgraded, as `@fastify/websocket` makes one for each upgrade. It would hold itself and
 * the request, several kilobytes, until the connection ends.
 */
export function releaseRequest(socket: WebSocket): void {
  const { _socket: below } = socket as unknown as Insides;
  const response = below?._httpMessage;
  if (!response || below === null) return;
  response.detachSocket(below);
  response.emit('close');
}

/** The lower of two limits, of which `ws` takes 0 for none. */
function lower(limit: number, other: number): number {
  return limit > 0 ? Math.min(limit, other) : other;
}
