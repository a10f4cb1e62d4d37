/**
 * Sets up the connections of a node: listens, dials, runs handshakes, and decides which attempt counts when both sides dial at
 * once, or when a node connects again whose connection still seems to be up. See `erl_dist_protocol`, "Distribution Handshake".
 *
 * A connection that is up belongs to the receiver of `ConnectionEvents.up`; the connector forgets it, and asks `isUp` about it. At
 * most one attempt to dial a node runs at a time. Anyone can claim a name: a claim blocks neither other claims of that name nor
 * this node's own dialling, and the first to prove the claim has the name.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ConnectFault, Dialling, type DiallingContext } from './dialling.ts';
import { isNodeName, OWN_FLAGS } from './handshake-messages.ts';
import { Acceptor, type Admission, type Agreed, type LocalNode } from './handshake.ts';
import { Listener, type SetupSlot, addressOf } from './listener.ts';
import { Setup, type SetupFault, writeMessages } from './setup.ts';
import { SecureIdentity, type TlsOptions } from './credentials.ts';

/** A connection after its handshake, before anything else was read. */
export interface EstablishedConnection {
  /** Without listeners, and paused. */
  readonly socket: Socket | TLSSocket;
  /** What was read beyond the last message of the handshake. */
  readonly leftover: Buffer;
  /** Name and creation of the other node. */
  readonly peer: string;
  readonly creation: number;
  /** The flags that both sides have set. */
  readonly flags: bigint;
  /** True when this node dialled. */
  readonly initiator: boolean;
}

/** What the connector reports to the owner of connections. All calls are synchronous. */
export interface ConnectionEvents {
  /** @internal A handshake is done; the receiver of this call owns the connection from now on. */
  up(established: EstablishedConnection): void;
  /** @internal True while a connection to the peer is up. */
  isUp(peer: string): boolean;
  /** @internal The peer has connected again, so its current connection is dead: end it, and report the end, before `up`. */
  retire(peer: string): void;
}

/** How many incoming connections may be set up at a time, by default. */
const DEFAULT_MAX_PENDING = 256;
/** How many of them may come from one address, by default. */
const DEFAULT_MAX_PER_ADDRESS = 128;
/**
 * How many nodes may be dialled at a time, by default. Answering a message can mean dialling, and another node may send messages
 * in the names of ever more nodes.
 */
const DEFAULT_MAX_DIALLED = 1_024;

/** What a connector is made with. */
export interface ConnectorOptions {
  /** The full name of this node, and its incarnation. */
  readonly name: string;
  readonly creation: number;
  /** The cookie for a node. @throws TroupeError TROUPE_BAD_COOKIE */
  cookie(peer: string): string;
  /** Where other nodes connect, with port 0 for any free one; false if they cannot. */
  readonly listen: { readonly host: string; readonly port: number } | false;
  /** How long each step of a set-up may take (lookup, connecting, each message), as OTP's `net_setuptime`. */
  readonly setupTimeoutMs: number;
  /** How many incoming connections may be set up at a time; beyond that the oldest give way. Default 256. */
  readonly maxPending?: number;
  /** How many of them may come from one address. Default 128. */
  readonly maxPerAddress?: number;
  /** How many nodes may be dialled at a time; further attempts fail at once. Default 1,024. */
  readonly maxDialled?: number;
  /** Use TLS in both directions, and nothing else. */
  readonly tls?: TlsOptions;
  /** Where a node listens; undefined if it is not registered. */
  resolve(node: string): Promise<{ readonly host: string; readonly port: number } | undefined>;
  /** The owner of the connections. */
  readonly events: ConnectionEvents;
  /** An attempt to connect, in either direction, failed or was refused. `reason` begins with a stable word. */
  refused(peer: string | undefined, address: string, reason: string): void;
}

/** Sets up the connections of a node. */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #local: LocalNode;
  readonly #listener: Listener | undefined;
  readonly #tls: SecureIdentity | undefined;
  /** This node's own attempts, by the name of the other node. */
  readonly #dialling = new Map<string, Dialling>();
  /** Handshakes that other nodes began, each with this node's machine and its slot. */
  readonly #inbound = new Map<Setup, { readonly machine: Acceptor; readonly slot: SetupSlot }>();
  readonly #context: DiallingContext;
  #closed = false;

  /** @throws TroupeError TROUPE_BAD_ARGUMENT if the certificates cannot be used. */
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
        accept: (socket, slot) => this.#accept(socket, slot),
        refused: (address, reason) => options.refused(undefined, address, reason),
      });
    }
  }

  /**
   * Starts to listen. @returns the port; 0 if this node does not listen.
   * @throws TroupeError TROUPE_LISTEN_FAILED
   */
  async listen(): Promise<number> {
    return this.#listener === undefined ? 0 : await this.#listener.listen();
  }

  /**
   * Connects to a node. Resolves after `events.up` was called for it, whichever side dialled, and at once if it is up.
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
      dialling.fail({ reason: 'bad_name', detail: 'is not a node name: the form is name@host' });
    } else if (peer === this.#options.name) {
      dialling.fail({ reason: 'own_name', detail: 'is this node itself' });
    } else if (this.#dialling.size > (this.#options.maxDialled ?? DEFAULT_MAX_DIALLED)) {
      dialling.fail({ reason: 'too_many', detail: 'is not dialled, since too many others are' });
    } else {
      dialling.start();
    }
    return await dialling.promise;
  }

  /** Stops dialling a node; its callers get an error with the reason `aborted`. */
  abort(peer: string): void {
    this.#dialling.get(peer)?.fail({ reason: 'aborted', detail: 'is not dialled any more' });
  }

  /** Stops listening and ends all set-ups. Connections that are up go on. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const setup of this.#inbound.keys()) {
      setup.cancel();
      this.#release(setup);
    }
    for (const peer of this.#dialling.keys()) this.abort(peer);
    await this.#listener?.close();
  }

  #accept(socket: Socket, slot: SetupSlot): void {
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
    this.#inbound.set(setup, { machine, slot });
    slot.giveWay = () => {
      setup.cancel();
      this.#release(setup);
    };
  }

  /** Decides about a node that wants to connect; see `erl_dist_protocol`, status messages, and OTP's `net_kernel`. */
  #admit(peer: string): Admission {
    if (this.#closed) return 'busy';
    // This node's own attempt goes on until the other has proven its name; the real node ends it with `nok`.
    if (this.#dialling.get(peer)?.crosses === true)
      return this.#options.name > peer ? 'nok' : 'ok_simultaneous';
    return this.#options.events.isUp(peer) ? 'alive' : 'ok';
  }

  /**
   * A handshake is done. Any earlier connection to that node is dead: the node has said so, or would not have asked for another; and
   * it has proven its name.
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
    // Crossing attempts, and a node that finds it is connected after all, are not failures.
    if (fault.reason === 'nok' || fault.reason === 'alive') return;
    this.#options.refused(peer, address, `${fault.reason}: ${fault.detail}`);
  }

  /** A handshake that another node began is over. */
  #release(setup: Setup): void {
    this.#inbound.get(setup)?.slot.release();
    this.#inbound.delete(setup);
  }
}
