// A peer that does the handshake as it should and then sends whatever a test wants. It shares no code with the carrier.
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { TEST_COOKIE } from '../support/erl.ts';

/** What OTP 25 requires, and headers with an atom cache, fragments, monitors, long messages for exits. */
const FLAGS = 0xd_07df_7fbcn | 0x400_0000n;
const CREATION = 77;

export class HostilePeer {
  readonly name: string;
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;

  constructor(name: string, socket: Socket) {
    this.name = name;
    this.#socket = socket;
    socket.on('error', () => socket.destroy()); // what was written after the other side had closed
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.resume();
  }

  /** Sends a frame: its length, and some bytes. */
  frame(...bytes: ReadonlyArray<number | Uint8Array>): void {
    const body = Buffer.concat(bytes.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    this.raw(Buffer.concat([length, body]));
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Connects to the node that listens at a port, under a name. */
export async function openHostile(port: number, name: string): Promise<HostilePeer> {
  const socket = connect(port, '127.0.0.1');
  const message = messages(socket);
  const send = (body: Buffer) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(body.length);
    socket.write(Buffer.concat([length, body]));
  };
  const greeting = Buffer.alloc(15 + name.length);
  greeting.write('N');
  greeting.writeBigUInt64BE(FLAGS, 1);
  greeting.writeUInt32BE(CREATION, 9);
  greeting.writeUInt16BE(name.length, 13);
  greeting.write(name, 15);
  send(greeting);
  const status = (await message()).toString();
  if (status !== 'sok') throw new Error(`refused: ${status}`);
  const challenge = (await message()).readUInt32BE(9);
  const reply = Buffer.alloc(21);
  reply.write('r');
  reply.writeUInt32BE(12345, 1);
  createHash('md5').update(`${TEST_COOKIE}${challenge}`).digest().copy(reply, 5);
  send(reply);
  await message();
  socket.removeAllListeners('data').removeAllListeners('close');
  return new HostilePeer(name, socket);
}

/** Takes the messages of the handshake one by one. */
function messages(socket: Socket): () => Promise<Buffer> {
  let received: Buffer = Buffer.alloc(0);
  let wake: () => void = () => undefined;
  let ended = false;
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  socket.on('close', () => {
    ended = true;
    wake();
  });
  return async () => {
    for (;;) {
      const length = received.length < 2 ? Infinity : 2 + received.readUInt16BE();
      if (received.length >= length) {
        const body = received.subarray(2, length);
        received = received.subarray(length);
        return body;
      }
      if (ended) throw new Error('closed during the handshake');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}
