// The attacker's side of a connection: sockets with or without a handshake, and frames whose bytes may be anything.
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import {
  digest,
  OWN_FLAGS,
  readChallenge,
  writeName,
  writeReply,
} from '../../src/runtime/distribution/erlang/internal.ts';
import { TermWriter } from '../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../src/runtime/terms/internal.ts';
import { atom, Pid, tuple } from 'troupe';
import type { Victim } from './victim.ts';

const CREATION = 77;
const SEND = 22;
const REG_SEND = 6;

/** A socket to the port of the attacked node; with TLS, without a certificate unless told otherwise. */
export function socketTo(victim: Victim, certified = false): Socket {
  const { tls } = victim.options;
  const target = { host: '127.0.0.1', port: victim.port };
  if (tls === undefined) return connect(target).on('error', () => undefined);
  const identity = certified ? { key: readFileSync(tls.key), cert: readFileSync(tls.cert) } : {};
  const socket = connectSecurely({
    ...target,
    ...identity,
    ca: readFileSync(tls.ca),
    servername: 'localhost',
    checkServerIdentity: () => undefined,
  });
  return socket.on('error', () => undefined);
}

/** Messages of a handshake, in both directions. */
export class Wire {
  readonly socket: Socket;
  readonly #prefix: number;
  #got = Buffer.alloc(0);
  #closed = false;

  constructor(socket: Socket, secure: boolean) {
    this.socket = socket;
    this.#prefix = secure ? 4 : 2;
    socket.on('data', (chunk: Buffer) => (this.#got = Buffer.concat([this.#got, chunk])));
    socket.on('close', () => (this.#closed = true));
  }

  send(message: Buffer): void {
    const length = Buffer.alloc(this.#prefix);
    length.writeUIntBE(message.length, 0, this.#prefix);
    this.socket.write(Buffer.concat([length, message]));
  }

  /** The next message; undefined when there is none any more. */
  async receive(): Promise<Buffer | undefined> {
    for (;;) {
      const size = this.#prefix;
      const length = this.#got.length < size ? Infinity : size + this.#got.readUIntBE(0, size);
      if (this.#got.length >= length) {
        const message = this.#got.subarray(size, length);
        this.#got = this.#got.subarray(length);
        return message;
      }
      if (this.#closed) return undefined;
      // oxlint-disable-next-line no-await-in-loop -- one chunk after the other
      await oneOf(this.socket, 'data', 'close');
    }
  }
}

/** A peer that has the cookie. */
export class Peer {
  readonly socket: Socket;
  readonly name: string;
  readonly victim: Victim;

  private constructor(socket: Socket, name: string, victim: Victim) {
    this.socket = socket;
    this.name = name;
    this.victim = victim;
    socket.resume();
  }

  static async connect(victim: Victim, name: string): Promise<Peer> {
    const socket = socketTo(victim, true);
    const wire = new Wire(socket, victim.options.tls !== undefined);
    wire.send(writeName(OWN_FLAGS, CREATION, name));
    await wire.receive();
    const given = await wire.receive();
    const challenge = given === undefined ? undefined : readChallenge(given, 0, given.length);
    if (challenge === undefined) throw new Error('the attacked node does not let anybody in');
    wire.send(writeReply(1, digest(victim.options.cookie, challenge.challenge)));
    if ((await wire.receive()) === undefined) throw new Error('the attacked node refuses its own cookie');
    return new Peer(socket, name, victim);
  }

  get pid(): Pid {
    return new Pid(new Origin(this.name, CREATION), 9, 0);
  }

  /** A pid of the attacked node: 0 is its supervisor, 1 the member. */
  pidThere(which: 0 | 1): Pid {
    const [creation, tree, child] = this.victim.pids as [number, number, number];
    return new Pid(new Origin(this.victim.options.name, creation), which === 0 ? tree : child, 0);
  }

  /** Sends a message to the member, by its pid. @returns false when the peer should wait. */
  send(payload: Uint8Array): boolean {
    return this.write(term(tuple(SEND, this.pid, this.pidThere(1))), payload);
  }

  /** Sends a message to a name. */
  sendNamed(name: string, payload: Uint8Array): boolean {
    return this.write(term(tuple(REG_SEND, this.pid, atom(''), atom(name))), payload);
  }

  /** Writes a frame of which the parts are given. */
  write(...parts: readonly Uint8Array[]): boolean {
    return this.raw(Buffer.concat([Buffer.of(131, 68, 0), ...parts]));
  }

  raw(body: Uint8Array): boolean {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return this.socket.write(Buffer.concat([length, body]));
  }

  /** Resolves when the attacked node has taken what was written, or has closed the connection. */
  async drained(): Promise<void> {
    const { socket } = this;
    if (socket.writableLength > 0 && !socket.destroyed) await oneOf(socket, 'drain', 'close');
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Waits for the first of some events; errors are followed by `close`. */
export function oneOf(socket: Socket, ...events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const happened = (): void => {
      for (const event of events) socket.off(event, happened);
      resolve();
    };
    for (const event of events) socket.on(event, happened);
  });
}

/** The bytes of a term. */
export function term(value: unknown): Buffer {
  const writer = new TermWriter();
  writer.term(value);
  return Buffer.from(writer.buffer.subarray(0, writer.length));
}

/** A number of four bytes. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
