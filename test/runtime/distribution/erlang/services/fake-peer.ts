// A node with services, and another node that is none: what is sent to it is recorded, and what it sends is made up.
import {
  type Carrier,
  type CarrierHost,
  type Node,
  type NodeOptions,
  Pid,
  Ref,
  type Signal,
  TroupeError,
  Tuple,
} from 'troupe';
import {
  createServices,
  OWN_FLAGS,
  type PeerConnection,
  type Services,
  type ServicesOptions,
} from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { Origin } from '../../../../../src/runtime/terms/internal.ts';
import { makeNode, turns } from '../../../process/helpers.ts';

/** Connects when it is told to. Functions cannot leave the node. */
export class FakeCarrier implements Carrier {
  readonly sent: Array<{ readonly peer: string; readonly signal: Signal }> = [];
  readonly dialled: string[] = [];
  /** What becomes of an attempt to connect. */
  onConnect: (peer: string) => boolean | Promise<boolean> = () => false;
  host: CarrierHost | undefined = undefined;

  attach(host: CarrierHost): void {
    this.host = host;
  }

  send(peer: string, signal: Signal): void {
    if ('message' in signal) refuseFunctions(signal.message);
    this.sent.push({ peer, signal });
  }

  connect(peer: string): Promise<boolean> {
    this.dialled.push(peer);
    return Promise.resolve(this.onConnect(peer));
  }

  disconnect(): boolean {
    return false;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A connected node. */
export class FakePeer implements PeerConnection {
  readonly name: string;
  readonly creation = 7;
  readonly flags: bigint;
  readonly origin: Origin;
  /** The control messages that were sent to it, each followed by its payload when there is one. */
  readonly controls: Array<readonly unknown[]> = [];
  readonly #host: CarrierHost;
  #words = 0;
  #ids = 10;

  constructor(host: CarrierHost, name: string, flags = OWN_FLAGS) {
    this.name = name;
    this.flags = flags;
    this.origin = new Origin(name, this.creation);
    this.#host = host;
  }

  sendControl(control: Tuple, ...payload: readonly unknown[]): void {
    for (const term of payload) refuseFunctions(term);
    refuseFunctions(control);
    this.controls.push([control, ...payload]);
  }

  pid(): Pid {
    return new Pid(this.origin, ++this.#ids, 0);
  }

  ref(): Ref {
    return new Ref(this.origin, 0, 0, [++this.#words, 0, 1]);
  }

  receive(signal: Signal): void {
    this.#host.receive(this.name, signal);
  }
}

function refuseFunctions(term: unknown): void {
  if (typeof term === 'function') throw new TroupeError('TROUPE_NOT_ENCODABLE', 'A function.');
  if (term instanceof Tuple || Array.isArray(term)) for (const item of term) refuseFunctions(item);
}

/** A node with services. */
export interface Site {
  readonly node: Node;
  readonly carrier: FakeCarrier;
  readonly services: Services;
  /** Connects another node. */
  peer(name?: string, flags?: bigint): FakePeer;
  /** Loses its connection. */
  lose(peer: FakePeer, reason?: unknown): void;
  /** Lets everything that is under way come to its end. */
  settle(): Promise<void>;
}

export function makeSite(options: ServicesOptions = {}, nodeOptions: NodeOptions = {}): Site {
  const carrier = new FakeCarrier();
  const services = createServices({ learn: false, ...options });
  const node = makeNode({ name: 'here@x', carrier, ...nodeOptions });
  const host = carrier.host as CarrierHost;
  services.attach(node);
  return {
    node,
    carrier,
    services,
    peer(name = 'beam@x', flags) {
      const peer = new FakePeer(host, name, flags);
      host.nodeUp(name, peer.creation);
      services.peerUp(peer);
      return peer;
    },
    lose(peer, reason = 'connection_closed') {
      host.nodeDown(peer.name, reason);
      services.peerDown(peer.name, reason);
    },
    settle: () => turns(10),
  };
}
