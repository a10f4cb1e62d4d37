/**
 * Sets the connections of a node up: listens, dials, shakes hands, and decides what counts when both sides dial at once, or
 * when a node comes anew whose connection seems to be up still. See `erl_dist_protocol`, "Distribution Handshake".
 *
 * A connection that is up belongs to whoever was told; the connector asks about it (`ConnectionEvents.isUp`) and forgets it. There
 * is at most one attempt to dial a node. Anybody may say to have a name: a claim keeps nobody waiting who claims it, too, nor this
 * node from dialling, and the first who proves it has it.
 */
import type { Socket } from 'node:net';
import type { ConnectionEvents } from '../contracts.ts';
import { type ConnectFault, Dialling, type DiallingContext } from './dialling.ts';
import { OWN_FLAGS } from './flags.ts';
import { Acceptor, type Admission, type Agreed, type LocalNode } from './handshake.ts';
import { isNodeName } from './handshake-messages.ts';
import { Listener, type Place, addressOf } from './listener.ts';
import { Setup, type SetupFault, writeMessages } from './setup.ts';
import { SecureIdentity, type TlsOptions } from './credentials.ts';

/** How many connections from outside may be set up at a time, unless the carrier is told otherwise. */
const DEFAULT_MAX_PENDING = 256;
/** How many of them may come from one address, unless the carrier is told otherwise. */
const DEFAULT_MAX_PER_ADDRESS = 128;
/**
 * How many nodes may be dialled at a time, unless the carrier is told otherwise. Whoever is answered is dialled, and another
 * node may ask in the names of ever new ones.
 */
const DEFAULT_MAX_DIALLED = 1_024;

/** What a connector is made with. */
export interface ConnectorOptions {
  /** The full name of this node, and its incarnation. */
  readonly name: string;
  readonly creation: number;
  /** The cookie for a node. @throws TroupeError TROUPE_BAD_COOKIE */
  cookie(peer: string): string;
  /** Where other nodes connect, port 0 for any that is free; false when they cannot. */
  readonly listen: { readonly host: string; readonly port: number } | false;
  /** How long each step of a set-up may take: looking up, connecting, each message; as `net_setuptime` of OTP. */
  readonly setupTimeoutMs: number;
  /** How many connections from outside may be set up at a time; for more the oldest give way. Default 256. */
  readonly maxPending?: number;
  /** How many of them may come from one address. Default 128. */
  readonly maxPerAddress?: number;
  /** How many nodes may be dialled at a time; for more it fails at once. Default 1,024. */
  readonly maxDialled?: number;
  /** Connect with TLS, and let others in only so. */
  readonly tls?: TlsOptions;
  /** Where a node listens; undefined when it is not registered. */
  resolve(node: string): Promise<{ readonly host: string; readonly port: number } | undefined>;
  /** Who runs the connections. */
  readonly events: ConnectionEvents;
  /** An attempt to connect, either way, failed or was refused. `reason` begins with a stable word. */
  refused(peer: string | undefined, address: string, reason: string): void;
}

/** Sets the connections of a node up. */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #local: LocalNode;
  readonly #listener: Listener | undefined;
  readonly #tls: SecureIdentity | undefined;
  /** Attempts of this node, by the name of the other. */
  readonly #dialling = new Map<string, Dialling>();
  /** Handshakes that others began, with their sides of this node and their places. */
  readonly #inbound = new Map<Setup, { readonly machine: Acceptor; readonly place: Place }>();
  readonly #context: DiallingContext;
  #closed = false;

  /** @throws TroupeError TROUPE_BAD_ARGUMENT when the certificates cannot be used. */
  constructor(options: ConnectorOptions) {
    this.#options = options;
    const { name, creation, events, setupTimeoutMs } = options;
    const tls = options.tls === undefined ? undefined : new SecureIdentity(options.tls);
    this.#tls = tls;
    this.#local = {
      name,
      creation,
      flags: OWN_FLAGS,
      cookie: (peer) => options.cookie(peer),
      gaveOut: (challenge) =>
        [...this.#inbound.values()].some(({ machine }) => machine.challenge === challenge),
    };
    this.#context = {
      local: this.#local,
      setupTimeoutMs,
      tls,
      resolve: (peer) => options.resolve(peer),
      isUp: (peer) => events.isUp(peer),
      isClaimed: (peer) =>
        [...this.#inbound.values()].some(({ machine }) => machine.admitted && machine.peer === peer),
      done: (setup, agreed, send, leftover) => this.#up(setup, agreed, send, leftover, true),
      gaveUp: (dialling, address, fault) => this.#gaveUp(dialling, address, fault),
    };
    if (options.listen !== false) {
      this.#listener = new Listener({
        ...options.listen,
        tls,
        setupTimeoutMs,
        maxPending: options.maxPending ?? DEFAULT_MAX_PENDING,
        maxPerAddress: options.maxPerAddress ?? DEFAULT_MAX_PER_ADDRESS,
        accept: (socket, place) => this.#accept(socket, place),
        refused: (address, reason) => options.refused(undefined, address, reason),
      });
    }
  }

  /**
   * Begins to listen. @returns the port; 0 when this node does not listen.
   * @throws TroupeError TROUPE_LISTEN_FAILED
   */
  async listen(): Promise<number> {
    return this.#listener === undefined ? 0 : await this.#listener.listen();
  }

  /**
   * Connects to a node. Resolves after `events.up` was called for it, whichever side dialled, and at once when it is up.
   * @throws TroupeError TROUPE_CONNECT_FAILED, with a `ConnectReason` (`dialling.ts`) as its `reason`.
   */
  async dial(peer: string): Promise<void> {
    if (this.#options.events.isUp(peer)) return;
    const known = this.#dialling.get(peer);
    if (known !== undefined) return await known.promise;
    const dialling = new Dialling(this.#context, peer);
    this.#dialling.set(peer, dialling);
    if (this.#closed) {
      dialling.fail({ reason: 'aborted', detail: 'was not dialled: the connector is closed' });
    } else if (!isNodeName(peer)) {
      dialling.fail({ reason: 'bad_name', detail: 'is no name of a node: it has to be name@host' });
    } else if (peer === this.#options.name) {
      dialling.fail({ reason: 'own_name', detail: 'is this node itself' });
    } else if (this.#dialling.size > (this.#options.maxDialled ?? DEFAULT_MAX_DIALLED)) {
      dialling.fail({ reason: 'too_many', detail: 'is not dialled, as so many others are' });
    } else {
      dialling.start();
    }
    return await dialling.promise;
  }

  /** Gives up dialling a node; who waits for it gets an error with the reason `aborted`. */
  abort(peer: string): void {
    this.#dialling.get(peer)?.fail({ reason: 'aborted', detail: 'is not dialled any more' });
  }

  /** Stops listening, and ends all set-ups. Connections that are up go on. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const setup of this.#inbound.keys()) {
      setup.cancel();
      this.#release(setup);
    }
    for (const peer of this.#dialling.keys()) this.abort(peer);
    await this.#listener?.close();
  }

  #accept(socket: Socket, place: Place): void {
    const address = addressOf(socket);
    const machine = new Acceptor(this.#local, (peer) => this.#admit(peer));
    const setup: Setup = new Setup({
      socket,
      machine,
      secure: this.#tls !== undefined,
      connected: true,
      timeoutMs: this.#options.setupTimeoutMs,
      owner: {
        done: (_setup, agreed, send, leftover) => {
          this.#release(setup);
          this.#up(setup, agreed, send, leftover, false);
        },
        failed: (_setup, fault) => {
          this.#release(setup);
          this.#report(machine.peer, address, fault);
          if (machine.admitted) this.#dialling.get(machine.peer as string)?.otherFailed();
        },
      },
    });
    this.#inbound.set(setup, { machine, place });
    place.giveWay = () => {
      setup.cancel();
      this.#release(setup);
    };
  }

  /** Decides about a node that wants in; see `erl_dist_protocol`, the status messages, and `net_kernel` of OTP. */
  #admit(peer: string): Admission {
    if (this.#closed) return 'busy';
    // The own attempt goes on until the other has proven its name; the node that has it ends it with `nok`.
    if (this.#dialling.get(peer)?.crosses === true)
      return this.#options.name > peer ? 'nok' : 'ok_simultaneous';
    return this.#options.events.isUp(peer) ? 'alive' : 'ok';
  }

  /**
   * A handshake is done. What was up with that node is dead: the node would not have asked for a connection otherwise, or has
   * said so; and it has proved who it is.
   */
  #up(setup: Setup, agreed: Agreed, send: readonly Buffer[], leftover: Buffer, initiator: boolean): void {
    const { events } = this.#options;
    const { peer, creation, flags } = agreed;
    if (events.isUp(peer)) events.retire(peer);
    writeMessages(setup.socket, send, this.#tls !== undefined);
    events.up({ socket: setup.socket, leftover, peer, creation, flags, initiator });
    const dialling = this.#dialling.get(peer);
    this.#dialling.delete(peer);
    dialling?.finish();
  }

  #gaveUp(dialling: Dialling, address: string, fault: ConnectFault): void {
    this.#dialling.delete(dialling.peer);
    if (fault.reason !== 'aborted') {
      this.#options.refused(dialling.peer, address, `${fault.reason}: ${fault.detail}`);
    }
  }

  #report(peer: string | undefined, address: string, fault: SetupFault): void {
    // That attempts cross, and that a node finds it was connected after all, is no failure.
    if (fault.reason === 'nok' || fault.reason === 'alive') return;
    this.#options.refused(peer, address, `${fault.reason}: ${fault.detail}`);
  }

  /** A handshake that another node began is over. */
  #release(setup: Setup): void {
    this.#inbound.get(setup)?.place.release();
    this.#inbound.delete(setup);
  }
}
