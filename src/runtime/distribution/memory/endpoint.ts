/**
 * One node's end of an in-memory network: its carrier, and the codec its signals pass through.
 *
 * For each peer an endpoint keeps the connection that its node believes to have. Signals sent without a connection wait until
 * one is made or the attempt fails. The switchboard decides everything in between.
 *
 * A message or exit reason is encoded when it is sent, so that later changes by the sender do not travel, and decoded when it
 * is delivered. It arrives as it would from a real node, with the same conversions (a Map whose keys are strings as a plain
 * object, a charlist as an array), and what cannot be sent is refused with the same error. The rest of a signal (pids, refs,
 * names) is recreated for the receiving side without being encoded.
 */
import { badArgument } from '../../errors.ts';
import { Origin, Pid, Ref } from '../../terms/identifiers.ts';
import type { Carrier, CarrierHost, Signal } from '../../process/carrier.ts';
import { TermReader } from '../etf/reader.ts';
import { EtfError } from '../etf/tags.ts';
import type { Arrival, MemoryConnection, Lane, Switchboard } from './switchboard.ts';
import type { TermWriter } from '../etf/writer.ts';
import { Messages, messageWriter } from '../messages.ts';

/** A node's view of one peer. */
class Line {
  readonly lane: Lane;
  connection: MemoryConnection | null = null;
  /** What was sent without a connection. */
  waiting: EncodedSignal[] = [];
  dialling = false;
  /** More was sent than may wait, so the attempt to connect will fail. */
  overflown = false;
  readonly callers: Array<(connected: boolean) => void> = [];

  constructor(lane: Lane) {
    this.lane = lane;
  }
}

/** The carrier of one incarnation of a node. */
export class Endpoint implements Carrier {
  readonly name: string;
  readonly #switchboard: Switchboard;
  readonly #lines = new Map<string, Line>();
  readonly #encoder: SignalEncoder;
  #decoder: SignalDecoder | null = null;
  #host: CarrierHost | null = null;
  /** Name and creation of the node; set when it is attached. */
  origin: Origin;

  constructor(name: string, switchboard: Switchboard) {
    this.name = name;
    this.#switchboard = switchboard;
    this.#encoder = new SignalEncoder(switchboard.limits);
    this.origin = new Origin(name, 0);
  }

  /** True while no process of the node can run. */
  get idle(): boolean {
    return this.#host?.idle ?? true;
  }

  attach(host: CarrierHost): void {
    if (host.origin.node !== this.name) {
      throw badArgument(`The carrier of '${this.name}' was given to node '${host.origin.node}'.`);
    }
    this.#switchboard.add(this);
    this.#host = host;
    this.#decoder = new SignalDecoder(host, this.#switchboard.limits);
    this.origin = host.origin;
  }

  send(peer: string, signal: Signal): void {
    const encoded = this.#encoder.encode(signal);
    if (this.#host === null) return;
    const line = this.line(peer);
    if (line.connection !== null) {
      this.#switchboard.transmit(line.connection, this, encoded);
      return;
    }
    if (line.waiting.length < this.#switchboard.limits.maxQueuedSignals) line.waiting.push(encoded);
    else line.overflown = true;
    this.#dial(line);
  }

  connect(peer: string): Promise<boolean> {
    if (this.#host === null) return Promise.resolve(false);
    const line = this.line(peer);
    if (line.connection?.broken === false) return Promise.resolve(true);
    return new Promise((resolve) => {
      line.callers.push(resolve);
      this.#dial(line);
    });
  }

  disconnect(peer: string): boolean {
    const line = this.#lines.get(peer);
    const connection = line?.connection ?? null;
    if (line === undefined || connection === null || connection.broken) return false;
    connection.leftBy = this;
    this.#switchboard.break(connection, 'disconnect');
    // At once: signals from here on use another connection.
    this.#failed(line, 'disconnect');
    return true;
  }

  close(): Promise<void> {
    this.#switchboard.remove(this, true);
    return Promise.resolve();
  }

  /** Separates the endpoint from its node without notifying it. */
  detach(): void {
    this.#host = null;
    for (const line of this.#lines.values()) answer(line, false);
    this.#lines.clear();
  }

  /** The state of a peer. */
  line(peer: string): Line {
    let line = this.#lines.get(peer);
    if (line === undefined) {
      line = new Line(this.#switchboard.lane(peer, this));
      this.#lines.set(peer, line);
    }
    return line;
  }

  /** The lanes that lead here. */
  lanes(): Lane[] {
    return [...this.#lines.values()].map(({ lane }) => lane);
  }

  /** Applies something that has arrived through a lane. */
  arrived(peer: string, arrival: Arrival): void {
    const host = this.#host;
    if (host === null || (arrival.kind !== 'dial' && arrival.connection.leftBy === this)) return;
    const line = this.line(peer);
    switch (arrival.kind) {
      case 'dial':
        line.dialling = false;
        if (line.connection !== null) answer(line, true);
        else if (line.overflown) this.#failed(line, 'queue_full');
        else if (!this.#switchboard.dial(this, peer)) this.#failed(line, 'connection_setup_failed');
        return;
      case 'up':
        line.connection = arrival.connection;
        host.nodeUp(peer, arrival.connection.other(this).origin.creation);
        this.#flush(line, arrival.connection);
        return;
      case 'signal':
        this.#receive(host, peer, arrival);
        return;
      default:
        this.#failed(line, arrival.reason);
        return;
    }
  }

  #receive(host: CarrierHost, peer: string, { connection, signal }: Arrival & { kind: 'signal' }): void {
    let decoded: Signal | undefined;
    try {
      decoded = this.#decoder?.decode(signal, connection.other(this).origin);
    } catch (error) {
      if (!(error instanceof EtfError)) throw error;
      // As over a network: input that cannot be read costs the connection.
      this.#switchboard.break(connection, 'bad_frame');
    }
    if (decoded !== undefined) host.receive(peer, decoded);
  }

  #dial(line: Line): void {
    if (line.dialling) return;
    line.dialling = true;
    this.#switchboard.push(line.lane, { kind: 'dial' });
  }

  #flush(line: Line, connection: MemoryConnection): void {
    const { waiting } = line;
    line.waiting = [];
    for (const signal of waiting) this.#switchboard.transmit(connection, this, signal);
    answer(line, true);
  }

  /** There is no connection: what waited for one is lost. */
  #failed(line: Line, reason: string): void {
    line.connection = null;
    line.waiting = [];
    line.overflown = false;
    this.#host?.nodeDown(line.lane.peer, reason);
    // Callers since then wait for the new attempt.
    if (!line.dialling) answer(line, false);
  }
}

function answer(line: Line, connected: boolean): void {
  for (const resolve of line.callers.splice(0)) resolve(connected);
}

/** Limits of one signal. */
export interface CodecLimits {
  /** How deep values may be nested. */
  readonly maxDepth: number;
  /** How many values a signal may hold, counting each element, key and value. */
  readonly maxValues: number;
}

/** A signal in transit. */
export interface EncodedSignal {
  readonly signal: Signal;
  /** The message or reason of the signal, which itself leaves it out; empty if there is none. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** Encodes what a node sends. */
export class SignalEncoder {
  readonly #writer: TermWriter;

  constructor(limits: CodecLimits) {
    this.#writer = messageWriter({ ...limits, nativeRecords: true });
  }

  /** @throws TroupeError TROUPE_NOT_ENCODABLE if the signal holds what cannot leave a node, or exceeds a limit. */
  encode(signal: Signal): EncodedSignal {
    const writer = this.#writer;
    writer.reset();
    if ('message' in signal) {
      writer.term(signal.message);
      return { signal: { ...signal, message: undefined }, bytes: this.#bytes() };
    }
    if ('reason' in signal) {
      writer.reason(signal.reason);
      return { signal: { ...signal, reason: undefined }, bytes: this.#bytes() };
    }
    return { signal, bytes: NO_BYTES };
  }

  #bytes(): Uint8Array {
    return Uint8Array.from(this.#writer.buffer.subarray(0, this.#writer.length));
  }
}

/** Decodes what arrives at a node. */
export class SignalDecoder {
  readonly #host: CarrierHost;
  readonly #reader: TermReader;

  constructor(host: CarrierHost, { maxValues }: CodecLimits) {
    this.#host = host;
    this.#reader = new TermReader(host, { maxValues });
  }

  /**
   * Makes a signal of the receiving side.
   * @param peer the node it came from.
   * @throws EtfError for an `OpaqueFunction` made from bytes other than those of a function.
   */
  decode({ signal, bytes }: EncodedSignal, peer: Origin): Signal {
    const made: Record<string, unknown> = {};
    for (const [field, value] of Object.entries(signal)) made[field] = this.#remake(value, peer);
    if (bytes.length > 0) {
      this.#reader.reset(Buffer.from(bytes.buffer), 0, bytes.length);
      if ('message' in signal) made['message'] = this.#reader.message(new Messages(peer.node));
      else made['reason'] = this.#reader.reason();
    }
    return made as unknown as Signal;
  }

  #remake(value: unknown, peer: Origin): unknown {
    if (value instanceof Pid) {
      return this.#host.internPid(new Pid(this.#origin(value.origin, peer), value.id, value.serial));
    }
    if (value instanceof Ref) {
      return new Ref(this.#origin(value.origin, peer), value.low, value.high, value.foreign);
    }
    return Array.isArray(value) ? value.map((item) => this.#remake(item, peer)) : value;
  }

  /** Reuses the origins of both nodes, so that the pids of one node share one object. */
  #origin(origin: Origin, peer: Origin): Origin {
    if (origin.equals(this.#host.origin)) return this.#host.origin;
    return origin.equals(peer) ? peer : new Origin(origin.node, origin.creation);
  }
}
