// Nodes that are connected over real sockets, behind the same face as the network in memory: the tests of signals between
// nodes run over both. Between two nodes stands a proxy, which can hold back, drop and cut.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { createNode, type Node, type NodeOptions } from 'troupe';
import { createErlangCarrier, type ErlangCarrier, type ErlangCarrierOptions } from 'troupe/erlang';
import { afterAll, beforeAll, onTestFinished } from 'vitest';

/** How many nodes the tests of one file have at a time, at most. */
const PLACES = 16;
/** For how many turns of the event loop nothing may move before it counts as settled. */
const QUIET_TURNS = 3;

/** A connection through a proxy. */
interface Wire {
  readonly dialler: string;
  readonly target: string;
  /** By the node that sends into it. */
  readonly ends: Readonly<Record<'dialler' | 'target', Socket>>;
}

/** Where one node is dialled. */
class Place {
  readonly #server: Server;
  network: TcpNetwork | undefined = undefined;
  target = '';

  constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const { network, target } = this;
    socket.on('error', () => socket.destroy());
    // The first message of the handshake says who dials: length:16, 'N', flags:64, creation:32, length:16, name.
    socket.once('data', (first) => {
      socket.pause();
      const dialler = first.toString('latin1', 17, 17 + first.readUInt16BE(15));
      void network?.wire(dialler, target, socket, first);
    });
  }
}

const places: Place[] = [];
let nextPlace = 0;

beforeAll(async () => {
  places.push(...Array.from({ length: PLACES }, () => new Place()));
  await Promise.all(places.map((place) => place.listen()));
});
afterAll(() => Promise.all(places.map((place) => place.close())));

/** The sockets between the nodes of a test. */
export class TcpNetwork {
  readonly addresses: Record<string, { host: string; port: number }> = {};
  readonly carriers = new Map<string, ErlangCarrier>();
  readonly #wires = new Set<Wire>();
  readonly #cuts = new Set<string>();
  readonly #held = new Set<string>();

  carrier(name: string, options: Partial<ErlangCarrierOptions> = {}): ErlangCarrier {
    const place = places[nextPlace++ % PLACES] as Place;
    place.network = this;
    place.target = name;
    this.addresses[name] = { host: '127.0.0.1', port: place.port };
    const { addresses } = this;
    const carrier = createErlangCarrier({
      cookie: 'tcp-cluster',
      host: '127.0.0.1',
      epmd: false,
      addresses,
      ...options,
    });
    this.carriers.set(name, carrier);
    return carrier;
  }

  /** Connects a dialler's socket with the node that it wants. */
  async wire(dialler: string, target: string, from: Socket, first: Buffer): Promise<void> {
    const carrier = this.carriers.get(target);
    if (this.#cuts.has(pairOf(dialler, target)) || carrier === undefined) {
      from.destroy();
      return;
    }
    await carrier.ready();
    const to = connect({ port: carrier.port, host: '127.0.0.1', noDelay: true });
    to.write(first);
    const wire: Wire = { dialler, target, ends: { dialler: from, target: to } };
    this.#wires.add(wire);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on('data', (chunk) => other.write(chunk));
      one.on('error', () => one.destroy());
      one.on('end', () => other.end());
      one.on('close', () => {
        other.destroy();
        this.#wires.delete(wire);
      });
    }
    this.#flow(wire);
  }

  cut(a: string, b: string): void {
    this.#cuts.add(pairOf(a, b));
    this.drop(a, b);
  }

  heal(a?: string, b?: string): void {
    if (a === undefined || b === undefined) this.#cuts.clear();
    else this.#cuts.delete(pairOf(a, b));
  }

  drop(a: string, b: string): boolean {
    const between = [...this.#wires].filter((wire) => pairOf(wire.dialler, wire.target) === pairOf(a, b));
    for (const { ends } of between) {
      ends.dialler.destroy();
      ends.target.destroy();
    }
    return between.length > 0;
  }

  hold(from: string, to: string): void {
    this.#held.add(`${from} ${to}`);
    for (const wire of this.#wires) this.#flow(wire);
  }

  release(): void {
    this.#held.clear();
    for (const wire of this.#wires) this.#flow(wire);
  }

  /** What is under way is in sockets, where nobody can count it. */
  readonly inFlight = 0;

  /** Waits until nothing moves: no process can run, and all that was sent has arrived, but for what is held. */
  async settle(nodes: readonly Node[]): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.#isQuiet(nodes.filter(({ name }) => this.carriers.has(name)))) quiet = -1;
    }
  }

  #isQuiet(nodes: readonly Node[]): boolean {
    return nodes.every((node) => {
      const peers = this.carriers.get(node.name)?.peers() ?? [];
      if (!node.router.idle || peers.some(({ state }) => state !== 'up')) return false;
      if (
        peers
          .map(({ name }) => name)
          .toSorted()
          .join() !== node.nodes().toSorted().join()
      )
        return false;
      return peers.every((peer) => {
        const other = this.carriers
          .get(peer.name)
          ?.peers()
          .find(({ name }) => name === node.name);
        if (other === undefined || peer.queuedBytes > 0) return false;
        return peer.sent.bytes === other.received.bytes || this.#held.has(`${node.name} ${peer.name}`);
      });
    });
  }

  #flow({ dialler, target, ends }: Wire): void {
    if (this.#held.has(`${dialler} ${target}`)) ends.dialler.pause();
    else ends.dialler.resume();
    if (this.#held.has(`${target} ${dialler}`)) ends.target.pause();
    else ends.target.resume();
  }
}

/** The nodes of a test, which are stopped when it ends. */
export class Cluster {
  readonly network = new TcpNetwork();
  readonly #nodes: Node[] = [];

  node(name: string, options: NodeOptions = {}): Node {
    const node = createNode({ ...options, name, carrier: this.network.carrier(name) });
    this.#nodes.push(node);
    onTestFinished(() => node.stop());
    return node;
  }

  nodes(...names: readonly string[]): Node[] {
    return names.map((name) => this.node(name));
  }

  async mesh(nodes: readonly Node[]): Promise<void> {
    for (const [index, node] of nodes.entries()) {
      for (const other of nodes.slice(index + 1)) {
        if (!(await node.connect(other.name)))
          throw new Error(`${node.name} and ${other.name}: no connection`);
      }
    }
    await this.settle();
  }

  settle(): Promise<void> {
    return this.network.settle(this.#nodes);
  }
}

function pairOf(a: string, b: string): string {
  return [a, b].toSorted().join(' ');
}
