// A node with all that stands behind the connections of the distribution, and a carrier that only writes what it is given, as
// frames. What its processes and its router make of what arrives is watched: errors that are none of the runtime's own are kept.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type Carrier,
  type CarrierHost,
  createNode,
  type Node,
  pg,
  type Process,
  type Signal,
  TroupeError,
  type Tuple,
} from 'troupe';
import {
  ControlWriter,
  createServices,
  messageWriter,
  OWN_FLAGS,
  type PeerConnection,
  type Services,
} from '../src/runtime/distribution/erlang/internal.ts';
import { EtfError } from '../src/runtime/distribution/etf/internal.ts';
import { PEER, SELF } from './terms.ts';

const BUFFER_BYTES = 4_096;
const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const SCOPE = 'nova_scope';
/** How many turns of the event loop a batch may keep the node busy. */
const MAX_TURNS = 2_000;

/** What an exposed function throws, so that it is known again. */
class Expected extends Error {}

export class FuzzedNode {
  readonly host: CarrierHost;
  readonly services: Services;
  readonly link: PeerConnection;
  readonly #node: Node;
  readonly #faults: unknown[] = [];
  readonly #watch = (event: unknown): void => {
    const { error, reason } = event as { readonly error?: unknown; readonly reason?: unknown };
    const fault = error ?? reason;
    if (fault instanceof Error && !isKnown(fault)) this.#faults.push(fault);
  };

  constructor() {
    const writer = messageWriter({ maxBytes: MAX_FRAME_BYTES }, BUFFER_BYTES);
    const flags = OWN_FLAGS;
    const control = new ControlWriter(writer, {
      peer: PEER.name,
      creation: PEER.creation,
      flags,
      maxFrameBytes: MAX_FRAME_BYTES,
    });
    const write = (send: () => unknown) => {
      try {
        send();
      } finally {
        writer.length = 0;
      }
    };
    this.link = {
      ...PEER,
      flags,
      sendControl: (message: Tuple, ...payload: readonly [] | readonly [unknown]) => {
        write(() => control.raw(message, payload));
      },
    };
    this.services = createServices({
      expose: {
        exposed: {
          echo: (_self: Process, value: unknown) => value,
          fails: (_self: Process, value: unknown) => {
            throw new Expected(typeof value);
          },
        },
      },
      learn: false,
      output: () => undefined,
    });
    const attached: CarrierHost[] = [];
    const carrier: Carrier = {
      attach: (host) => void attached.push(host),
      send: (peer: string, signal: Signal) => {
        if (peer === PEER.name && signal.op !== 'sendMany') write(() => control.signal(signal));
      },
      connect: () => Promise.resolve(false),
      disconnect: () => false,
      close: () => {
        this.services.close();
        return Promise.resolve();
      },
    };
    for (const name of ['troupe:process:crash', 'troupe:node:bad_signal']) subscribe(name, this.#watch);
    this.#node = createNode({ ...SELF, carrier });
    this.host = attached[0] as CarrierHost;
    this.services.attach(this.#node);
    pg.start(this.#node, SCOPE);
    const body = { name: 'fuzzed', init: () => undefined, handle: () => undefined };
    const pids = Array.from({ length: 20 }, () => this.#node.spawn(body));
    this.#node.register('server', pids[0]!);
    pg.join(this.#node, SCOPE, 'local', pids.slice(1, 3));
    this.host.nodeUp(PEER.name, PEER.creation);
    this.services.peerUp(this.link);
  }

  /** Lets the node come to rest, takes the connection away, and looks at what is left. @throws Error, a finding. */
  async end(): Promise<void> {
    await this.#rest();
    this.host.nodeDown(PEER.name, 'fuzz');
    this.services.peerDown(PEER.name);
    await this.#rest();
    const scope = this.#node.whereis(SCOPE);
    const members = scope === undefined ? [] : pg.whichGroups(this.#node, SCOPE);
    const local = scope === undefined ? [] : pg.whichLocalGroups(this.#node, SCOPE);
    await this.#node.stop();
    for (const name of ['troupe:process:crash', 'troupe:node:bad_signal']) unsubscribe(name, this.#watch);
    const [fault] = this.#faults;
    if (fault !== undefined) throw new Error('a process or the router failed', { cause: fault });
    if (members.length !== local.length) throw new Error('groups have members of a node that is gone');
  }

  async #rest(): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.host.idle) return;
    }
    throw new Error(`the node did not come to rest within ${MAX_TURNS} turns`);
  }
}

function isKnown(error: Error): boolean {
  return error instanceof Expected || error instanceof TroupeError || error instanceof EtfError;
}
