// A peer that is led by hand, for tests of what a carrier sends and how it takes what comes: a real socket, handed to the
// carrier as if its handshake were done, with whatever flags.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { type Atom, createNode, type Node, type NodeOptions, Pid, Ref, type Tuple, tuple } from 'troupe';
import { createErlangCarrier, type ErlangCarrier, type ErlangCarrierOptions } from 'troupe/erlang';
import { onTestFinished } from 'vitest';
import {
  AtomCache,
  FLAGS,
  Fragments,
  FrameReader,
  OWN_FLAGS,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { TermReader, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';

/** What Troupe and OTP 25 agree on: headers, fragments, payloads. */
export const FULL_FLAGS = OWN_FLAGS;
/** As few flags as JInterface has: no headers, no payloads, no senders, no monitors. */
export const FEW_FLAGS =
  FULL_FLAGS &
  ~(
    FLAGS.DIST_HDR_ATOM_CACHE |
    FLAGS.FRAGMENTS |
    FLAGS.SEND_SENDER |
    FLAGS.EXIT_PAYLOAD |
    FLAGS.UNLINK_ID |
    FLAGS.ALIAS |
    FLAGS.DIST_MONITOR
  );

/** A node with its carrier. */
export interface Site {
  readonly node: Node;
  readonly carrier: ErlangCarrier;
}

/** Where the nodes of a test listen. */
export const addresses: Record<string, { host: string; port: number }> = {};

/** Starts a node that listens and is found by the others of the test; it stops with it. */
export async function startSite(
  name: string,
  options: Partial<ErlangCarrierOptions> = {},
  more: NodeOptions = {},
): Promise<Site> {
  const carrier = createErlangCarrier({
    cookie: 'raw',
    host: '127.0.0.1',
    epmd: false,
    addresses,
    learn: false,
    ...options,
  });
  const node = createNode({ ...more, name, carrier });
  onTestFinished(() => node.stop());
  await carrier.ready();
  if (carrier.port !== 0) addresses[name] = { host: '127.0.0.1', port: carrier.port };
  return { node, carrier };
}

/** A control message with its payload, as terms. */
export interface Received {
  readonly control: readonly unknown[];
  readonly payload: unknown;
}

/** The peer's side of a connection. */
export class RawPeer {
  readonly name: string;
  readonly origin: Origin;
  readonly socket: Socket;
  /** What has come and was not taken by `next`. */
  readonly received: Received[] = [];
  /** How many bytes each frame had that has come. */
  readonly frameBytes: number[] = [];
  ticks = 0;
  readonly #headers: boolean;
  readonly #waiting = new Set<() => void>();
  #closed = false;
  readonly #fragments = new Fragments();
  readonly #atoms = new AtomCache();
  readonly #terms: TermReader;

  constructor(name: string, creation: number, socket: Socket, flags: bigint) {
    this.name = name;
    this.origin = new Origin(name, creation);
    this.socket = socket;
    this.#headers = (flags & (FLAGS.DIST_HDR_ATOM_CACHE | FLAGS.FRAGMENTS)) !== 0n;
    this.#terms = new TermReader({ origin: this.origin, internPid: (pid) => pid });
    const frames = new FrameReader({ frame: (buffer, start, end) => this.#frame(buffer, start, end) });
    socket.on('data', (chunk) => {
      frames.push(chunk);
      this.#look();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#closed = true;
      this.#look();
    });
  }

  pid(id: number, creation = this.origin.creation): Pid {
    return new Pid(new Origin(this.name, creation), id, 0);
  }

  ref(...words: number[]): Ref {
    return new Ref(this.origin, 0, 0, words);
  }

  /** Sends a control message, with its payload where it has one. */
  send(control: readonly unknown[], ...payload: readonly unknown[]): void {
    this.write(this.frame(control, ...payload));
  }

  /** The bytes of a frame. */
  frame(control: readonly unknown[], ...payload: readonly unknown[]): Buffer {
    const writer = new TermWriter();
    for (const byte of this.#headers ? [131, 68, 0] : [112, 131]) writer.u8(byte);
    writer.term(tuple(...control));
    for (const term of payload) {
      if (!this.#headers) writer.u8(131);
      writer.term(term);
    }
    return framed(writer.buffer.subarray(0, writer.length));
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Takes the first message that has come, or comes, and for which `match` answers true. */
  async next(match: (received: Received) => boolean = () => true): Promise<Received> {
    for (;;) {
      const at = this.received.findIndex(match);
      if (at >= 0) return this.received.splice(at, 1)[0] as Received;
      if (this.#closed) throw new Error('the connection is closed');
      await this.#something();
    }
  }

  /** As `next`, for a control message of a kind. */
  op(op: number): Promise<Received> {
    return this.next(({ control }) => control[0] === op);
  }

  /** Waits until something is so, which is looked at whenever something has come. */
  async until(is: () => boolean): Promise<void> {
    while (!is()) await this.#something();
  }

  /** Waits until the node has closed the connection. */
  async closed(): Promise<void> {
    await this.until(() => this.#closed);
  }

  #something(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #look(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const look of waiting) look();
  }

  #frame(buffer: Buffer, start: number, end: number): boolean {
    if (start === end) {
      this.ticks++;
      return true;
    }
    this.frameBytes.push(end - start);
    if (!this.#headers) {
      this.#message(buffer, start + 1, end);
      return true;
    }
    const kind = buffer[start + 1];
    if (kind === 68) {
      const terms = this.#atoms.read(buffer, start + 2, end);
      if (terms < 0) throw new Error(this.#atoms.fault);
      this.#message(buffer, terms, end, this.#atoms.keepRefs());
      return true;
    }
    const sequence = buffer.readBigUInt64BE(start + 2);
    const fragment = buffer.readBigUInt64BE(start + 10);
    let result;
    if (kind === 69) {
      const body = this.#atoms.read(buffer, start + 18, end);
      if (body < 0) throw new Error(this.#atoms.fault);
      result = this.#fragments.first(sequence, fragment, this.#atoms.keepRefs(), buffer, body, end);
    } else result = this.#fragments.next(sequence, fragment, buffer, start + 18, end);
    if (typeof result === 'string') throw new Error(result);
    if (result !== undefined) this.#message(result.body, 0, result.body.length, result.refs);
    return true;
  }

  #message(buffer: Buffer, start: number, end: number, refs: readonly Atom[] = []): void {
    const terms = this.#terms;
    terms.reset(buffer, start, end, refs);
    const term = (): unknown => {
      if (!this.#headers && terms.peek() === 131) terms.position++;
      return terms.term();
    };
    const control = term() as Tuple;
    this.received.push({ control: control.elements, payload: terms.peek() === -1 ? undefined : term() });
  }
}

/** How `expect.poll` is to look at something that will be so soon, however busy the machine is. */
export const SOON = { interval: 5, timeout: 20_000 };

/** Puts a length before the bytes of a frame. */
export function framed(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The two ends of a connection over TCP. */
async function socketPair(): Promise<[near: Socket, far: Socket]> {
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  const near = await accepted;
  server.close();
  near.pause();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

/** Connects a peer with a node. */
export async function rawPeer(
  { carrier }: Site,
  options: {
    readonly name?: string;
    readonly creation?: number;
    readonly flags?: bigint;
    readonly leftover?: Buffer;
  } = {},
): Promise<RawPeer> {
  const { name = 'raw@x', creation = 77, flags = FULL_FLAGS, leftover = Buffer.alloc(0) } = options;
  const [near, far] = await socketPair();
  const peer = new RawPeer(name, creation, far, flags);
  carrier.up({ socket: near, leftover, peer: name, creation, flags, initiator: false });
  return peer;
}
