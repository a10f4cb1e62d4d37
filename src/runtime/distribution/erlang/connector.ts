/**
 * Sets the connections of a node up: listens, dials, shakes hands, and decides what counts when both sides dial at once, or
 * when a node comes anew whose connection seems to be up still. See `erl_dist_protocol`, "Distribution Handshake".
 *
 * A connection that is up belongs to whoever was told; the connector asks about it (`LinkEvents.isUp`) and forgets it. There
 * is at most one handshake at a time with a node that says to have a certain name, and at most one attempt to dial it.
 */
import type { Socket } from 'node:net';
import type { LinkEvents } from './contracts.ts';
import { type ConnectFault, Dialling, type DiallingContext } from './dialling.ts';
import { OWN_FLAGS } from './flags.ts';
import type { Agreed, LocalNode } from './handshake.ts';
import { Acceptor, type Admission } from './handshake-acceptor.ts';
import { isNodeName } from './handshake-messages.ts';
import { addressOf, Listener } from './listener.ts';
import { Setup, type SetupFault, writeMessages } from './setup.ts';
import { SecureIdentity, type TlsOptions } from './tls.ts';

export type { TlsOptions } from './tls.ts';

/** How many connections from outside may be set up at a time, unless the carrier is told otherwise. */
const DEFAULT_MAX_PENDING = 256;
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
  /** How many connections from outside may be set up at a time; more are closed at once. Default 256. */
  readonly maxPending?: number;
  /** How many nodes may be dialled at a time; for more it fails at once. Default 1,024. */
  readonly maxDialled?: number;
  /** Connect with TLS, and let others in only so. */
  readonly tls?: TlsOptions;
  /** Where a node listens; undefined when it is not registered. */
  resolve(node: string): Promise<{ readonly host: string; readonly port: number } | undefined>;
  /** Who runs the connections. */
  readonly events: LinkEvents;
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
  /** Handshakes that others began, and of them those that were let in so far, by the name they gave. */
  readonly #inbound = new Set<Setup>();
  readonly #accepting = new Map<string, Setup>();
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
    };
    this.#context = {
      local: this.#local,
      setupTimeoutMs,
      tls,
      resolve: (peer) => options.resolve(peer),
      isUp: (peer) => events.isUp(peer),
      isAccepting: (peer) => this.#accepting.has(peer),
      stopAccepting: (peer) => this.#stopAccepting(peer),
      done: (setup, agreed, send, leftover) => this.#up(setup, agreed, send, leftover, true),
      gaveUp: (dialling, address, fault) => this.#gaveUp(dialling, address, fault),
    };
    if (options.listen !== false) {
      this.#listener = new Listener({
        ...options.listen,
        tls,
        setupTimeoutMs,
        maxPending: options.maxPending ?? DEFAULT_MAX_PENDING,
        accept: (socket) => this.#accept(socket),
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
    for (const setup of this.#inbound) {
      setup.cancel();
      this.#release(setup);
    }
    for (const peer of this.#dialling.keys()) this.abort(peer);
    await this.#listener?.close();
  }

  #accept(socket: Socket): void {
    const address = addressOf(socket);
    const machine = new Acceptor(this.#local, (peer) => this.#admit(peer, setup));
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
          const wasIn = this.#release(setup);
          this.#report(machine.peer, address, fault);
          if (wasIn && machine.peer !== undefined) this.#dialling.get(machine.peer)?.otherFailed();
        },
      },
    });
    this.#inbound.add(setup);
  }

  /** Decides about a node that wants in; see `erl_dist_protocol`, the status messages, and `net_kernel` of OTP. */
  #admit(peer: string, setup: Setup): Admission {
    if (this.#closed || this.#accepting.has(peer)) return 'busy';
    const dialling = this.#dialling.get(peer);
    if (dialling?.crosses === true) {
      if (this.#options.name > peer) return 'nok';
      this.#accepting.set(peer, setup);
      dialling.giveWay();
      return 'ok_simultaneous';
    }
    this.#accepting.set(peer, setup);
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

  #stopAccepting(peer: string): void {
    const setup = this.#accepting.get(peer);
    if (setup === undefined) return;
    setup.cancel();
    this.#release(setup);
    this.#options.refused(peer, '', 'timeout: took too long to prove who it is');
  }

  /** A handshake that another node began is over. @returns whether it had been let in. */
  #release(setup: Setup): boolean {
    if (!this.#inbound.delete(setup)) return false;
    this.#listener?.release();
    const { peer } = setup.machine;
    if (peer === undefined || this.#accepting.get(peer) !== setup) return false;
    this.#accepting.delete(peer);
    return true;
  }
}
