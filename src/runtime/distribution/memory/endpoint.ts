/**
 * One node's end of the network: its carrier.
 *
 * For each peer it knows the connection that the node believes to have, and keeps what is sent while there is none until
 * a connection is made or has failed. What goes on in between is the network's.
 */
import { TroupeError } from '../../errors.ts';
import { Origin } from '../../terms/identifiers.ts';
import type { Carrier, CarrierHost, Signal } from '../../process/carrier.ts';
import { EtfError } from '../etf/reader.ts';
import { type PackedSignal, Packer, Unpacker } from './codec.ts';
import { type Arrival, type Connection, type Lane } from './lane.ts';
import type { Switchboard } from './switchboard.ts';

/** A node's view of one peer. */
class Line {
  readonly lane: Lane;
  connection: Connection | null = null;
  /** What was sent while there was no connection. */
  waiting: PackedSignal[] = [];
  dialling = false;
  /** More was sent than may wait; the attempt to connect will fail. */
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
  readonly #packer: Packer;
  #unpacker: Unpacker | null = null;
  #host: CarrierHost | null = null;
  /** Name and creation of the node; set when it is attached. */
  origin: Origin;

  constructor(name: string, switchboard: Switchboard) {
    this.name = name;
    this.#switchboard = switchboard;
    this.#packer = new Packer(switchboard.limits);
    this.origin = new Origin(name, 0);
  }

  /** True while no process of the node can run. */
  get idle(): boolean {
    return this.#host?.idle ?? true;
  }

  attach(host: CarrierHost): void {
    if (host.origin.node !== this.name) {
      throw new TroupeError(
        'TROUPE_BAD_ARGUMENT',
        `The carrier of '${this.name}' was given to node '${host.origin.node}'.`,
      );
    }
    this.#switchboard.add(this);
    this.#host = host;
    this.#unpacker = new Unpacker(host, this.#switchboard.limits);
    this.origin = host.origin;
  }

  send(peer: string, signal: Signal): void {
    const packed = this.#packer.pack(signal);
    if (this.#host === null) return;
    const line = this.line(peer);
    if (line.connection !== null) {
      this.#switchboard.transmit(line.connection, this, packed);
      return;
    }
    if (line.waiting.length < this.#switchboard.limits.maxQueuedSignals) line.waiting.push(packed);
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
    // Now: what is sent from here on goes over another connection.
    this.#failed(line, 'disconnect');
    return true;
  }

  close(): Promise<void> {
    this.#switchboard.remove(this, true);
    return Promise.resolve();
  }

  /** Ends all dealings with the node, which is not told. */
  detach(): void {
    this.#host = null;
    for (const line of this.#lines.values()) answer(line, false);
    this.#lines.clear();
  }

  /** What is known about a peer. */
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

  /** Lets something that has come through a lane take effect. */
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
    let unpacked: Signal | undefined;
    try {
      unpacked = this.#unpacker?.unpack(signal, connection.other(this).origin);
    } catch (error) {
      if (!(error instanceof EtfError)) throw error;
      // As on a wire: what cannot be read costs the connection.
      this.#switchboard.break(connection, 'bad_frame');
    }
    if (unpacked !== undefined) host.receive(peer, unpacked);
  }

  #dial(line: Line): void {
    if (line.dialling) return;
    line.dialling = true;
    this.#switchboard.push(line.lane, { kind: 'dial' });
  }

  #flush(line: Line, connection: Connection): void {
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
    // Who asked for a connection since then waits for that attempt.
    if (!line.dialling) answer(line, false);
  }
}

function answer(line: Line, connected: boolean): void {
  for (const resolve of line.callers.splice(0)) resolve(connected);
}
