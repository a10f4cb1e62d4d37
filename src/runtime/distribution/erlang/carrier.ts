/**
 * The carrier for the Erlang distribution protocol: nodes of Troupe and of OTP 25 and later, over TCP or TLS.
 *
 * It combines the parts: the connector sets up connections, `Connection` runs them, and services answer everything that is not a
 * signal. It holds a `Line` for each peer.
 *
 *     (nothing) ──send, connect──▶ connecting ──▶ up ──lost──▶ (nothing)
 *                                      │ failed: what waited is lost, `nodeDown`
 *                                      ▼
 *                                  (nothing)
 *
 * Invariants: for each peer the node gets `nodeUp` and `nodeDown` alternately; before the next `nodeUp` everything of the
 * previous connection is gone; what waited for a connection goes out in order, before anything that is sent later.
 */
import { TroupeError, badArgument } from '../../errors.ts';
import { telemetry } from '../../telemetry.ts';
import type { Carrier, CarrierHost, Signal } from '../../process/carrier.ts';
import type { Node } from '../../process/node.ts';
import { reportFailure } from '../../process/report.ts';
import { Epmd } from '../epmd/epmd.ts';
import { BusyWait } from './keep-alive.ts';
import { Connection, type ConnectionOwner, type EndReason } from './connection.ts';
import { Connector, type ConnectionEvents, type EstablishedConnection } from './connect/connector.ts';
import { createServices, type Services } from './services/index.ts';
import { Cookies, readCookieFile } from './connect/credentials.ts';
import { hasNames, isNodeName } from './connect/handshake-messages.ts';
import { type FaultCounts, Line, type PeerInfo } from './line.ts';
import { type ErlangCarrierOptions, type Settings, checkOptions } from './options.ts';
import { Unfinished } from './wire/frames.ts';
import { Packer } from './wire/send-queue.ts';

const refused = telemetry('troupe:distribution:refused');
const badFrame = telemetry('troupe:distribution:bad_frame');
const busy = telemetry('troupe:distribution:busy');
const queueFull = telemetry('troupe:distribution:queue_full');
const dropped = telemetry('troupe:distribution:dropped');
const epmdState = telemetry('troupe:distribution:epmd');

/** Why a connection could not be set up, when nothing more is known; OTP's word. */
const SETUP_FAILED = 'connection_setup_failed';

/** Peers whose last refusal is remembered. */
const TOLD_MAX = 1_000;

/** The parts that need to know the node. */
interface Attached {
  readonly host: CarrierHost;
  readonly connector: Connector;
  readonly epmd: Epmd;
  readonly ready: Promise<void>;
}

/** How many of the longest frames all peers together may have begun and not finished. */
const UNFINISHED_FRAMES = 2;

/** A carrier that speaks Erlang's distribution protocol; make one with {@link createErlangCarrier}. */
export class ErlangCarrier implements Carrier, ConnectionEvents, ConnectionOwner {
  /** @internal */ readonly settings: Settings;
  /** @internal */ readonly packer: Packer;
  /** @internal */ readonly unfinished: Unfinished;
  /** @internal */ readonly services: Services;
  /** @internal */ readonly busyWait: BusyWait;
  readonly #cookies: Cookies;
  readonly #lines = new Map<string, Line>();
  /** Whether somebody hears from `ready` that the node cannot listen. */
  #awaited = false;
  /** Why connections could not be made, as it was reported last, by peer. */
  readonly #told = new Map<string, string>();
  #attached: Attached | undefined = undefined;
  #closed: Promise<void> | undefined = undefined;
  #port = 0;
  readonly #faults: { -readonly [Name in keyof FaultCounts]: number } = {
    refused: 0,
    badFrames: 0,
    queuesFull: 0,
    dropped: 0,
  };

  /** @internal Use {@link createErlangCarrier}. */
  constructor(options: ErlangCarrierOptions) {
    const settings = checkOptions(options);
    const { cookie, cookieFile, cookies } = settings;
    const own =
      cookieFile === undefined ? cookie : readCookieFile(cookieFile === true ? undefined : cookieFile);
    this.settings = settings;
    this.#cookies = new Cookies(own, cookies);
    this.busyWait = new BusyWait(settings.busyWaitMs);
    this.packer = new Packer(settings.sendQueue.maxBytes);
    this.unfinished = new Unfinished(UNFINISHED_FRAMES * settings.maxFrameBytes);
    const { seeds, learn, expose, output } = settings;
    this.services = createServices({ seeds, learn, output, ...(expose === undefined ? {} : { expose }) });
  }

  // ---- the node ----

  /**
   * @throws TroupeError TROUPE_BAD_ARGUMENT when other nodes cannot use the node's name, or the carrier already has a node.
   */
  attach(host: CarrierHost): void {
    const { node: name, creation } = host.origin;
    if (this.#attached !== undefined) {
      throw badArgument('A carrier serves one node; make another carrier.');
    }
    if (name === 'nonode@nohost') {
      throw badArgument(
        "A node with a carrier needs a name: createNode({ name: 'one@127.0.0.1', carrier }).",
      );
    }
    if (!isNodeName(name)) {
      throw badArgument(
        `'${name}' cannot name a distributed node: the form is name@host, in ASCII, with at most 255 characters.`,
      );
    }
    const { settings } = this;
    const epmd = new Epmd(this.#epmdOptions(), {
      state: (state, error) => {
        if (!epmdState.hasSubscribers) return;
        epmdState.publish({ node: name, state, ...(error === undefined ? {} : { error }) });
      },
    });
    const connector = new Connector({
      name,
      creation,
      cookie: (peer) => this.#cookies.of(peer),
      listen: settings.listen && { host: settings.host ?? hostOf(name), port: settings.port },
      setupTimeoutMs: settings.setupTimeoutMs,
      ...(settings.tls === undefined ? {} : { tls: settings.tls }),
      resolve: (peer) => epmd.resolve(peer),
      events: this,
      refused: (peer, address, reason) => {
        this.#faults.refused++;
        if (refused.hasSubscribers) refused.publish({ node: name, peer, address, reason });
        else this.#warn(host.node, peer ?? address.replace(/:\d+$/, ''), reason);
      },
    });
    const ready = this.#listen(connector, epmd, name);
    // A program that does not await `ready` learns it from the event or the report.
    ready.catch((error: unknown) => {
      if (epmdState.hasSubscribers) epmdState.publish({ node: name, state: 'failed', error });
      else if (!this.#awaited) {
        const context = 'other nodes cannot find this node';
        const channel = 'troupe:distribution:epmd';
        reportFailure(host.node, { kind: 'warning', channel, label: name, reason: error, context });
      }
    });
    this.#attached = { host, connector, epmd, ready };
    this.services.attach(host.node, ready);
  }

  /** Says what nobody has subscribed to: each peer's reason once, until there is a connection. */
  #warn(node: Node, peer: string, reason: string): void {
    if (this.#told.get(peer) === reason) return;
    if (this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#told.set(peer, reason);
    const context = 'a connection with this node could not be made';
    reportFailure(node, {
      kind: 'warning',
      channel: 'troupe:distribution:refused',
      label: peer,
      reason,
      context,
    });
  }

  #epmdOptions() {
    const { epmd, epmdHost, epmdPort, epmdServeOn, addresses, port } = this.settings;
    return {
      mode: epmd,
      host: epmdHost,
      port: epmdPort,
      serveOn: epmdServeOn,
      addresses,
      ...(epmd === false && port !== 0 ? { fixedPort: port } : {}),
    };
  }

  async #listen(connector: Connector, epmd: Epmd, name: string): Promise<void> {
    if (!this.settings.listen) return;
    this.#port = await connector.listen();
    await epmd.register(name.slice(0, name.indexOf('@')), this.#port, true);
  }

  /** @internal */
  get host(): CarrierHost {
    if (this.#attached === undefined) throw notAttached();
    return this.#attached.host;
  }

  /**
   * Resolves when others can connect: the node listens and is registered with epmd. Seeds are dialled from then on; the node can
   * connect to others before.
   * @throws TroupeError TROUPE_LISTEN_FAILED when the port or the name is not available; TROUPE_BAD_ARGUMENT before the carrier was
   * given to `createNode`.
   */
  async ready(): Promise<void> {
    if (this.#attached === undefined) throw notAttached();
    this.#awaited = true;
    await this.#attached.ready;
  }

  /** The port on which the node listens; 0 before it does. */
  get port(): number {
    return this.#port;
  }

  /** The nodes that are connected or being connected. */
  peers(): PeerInfo[] {
    return [...this.#lines.values()].flatMap((line) => line.info() ?? []);
  }

  /** @internal As `peers`, for the node. */
  connections(): readonly PeerInfo[] {
    return this.peers();
  }

  /** How often something went wrong with other nodes since the start; each was published as an event. */
  faults(): FaultCounts {
    return { ...this.#faults };
  }

  /**
   * Resolves when nothing in this program waits to be sent to a node, at once when nothing does; also when the connection is
   * lost. Await it when sending more than the network takes; see docs/adr/0015.
   */
  async drained(peer: string): Promise<void> {
    const line = this.#lines.get(peer);
    if (line === undefined) return;
    if (line.connection === null && !(await line.connected())) return;
    await line.connection?.drained();
  }

  // ---- signals ----

  send(peer: string, signal: Signal): void {
    const line = this.#lines.get(peer);
    if (line !== undefined && line.connection !== null) line.connection.send(signal);
    else this.#sendLater(peer, signal);
  }

  #sendLater(peer: string, signal: Signal): void {
    const packed = this.packer.pack(signal);
    if (this.#closed !== undefined) return;
    const line = this.#line(peer);
    if (line.overflown) return;
    if (!line.pending.add(packed)) {
      line.overflown = true;
      this.full(peer, line.pending.bytes);
      line.pending.take();
      // Later: a process is sending.
      setImmediate(() => {
        if (line.overflown) this.#failed(line, 'queue_full');
      });
    }
    this.#dial(line);
  }

  /** See `Carrier`. */
  givesBareState(peer: string): Promise<boolean> {
    const isTroupe = this.#lines.get(peer)?.connection?.info().troupe === true;
    return isTroupe ? Promise.resolve(false) : this.services.givesBareState(peer);
  }

  // ---- connections ----

  async connect(peer: string): Promise<boolean> {
    const { host } = this;
    if (this.#closed !== undefined) return false;
    if (peer === host.origin.node) return true;
    const line = this.#line(peer);
    if (line.connection?.usable === true) return true;
    const connected = line.connected();
    // The end of the previous connection is reported first.
    if (line.connection === null) this.#dial(line);
    return await connected;
  }

  disconnect(peer: string): boolean {
    const line = this.#lines.get(peer);
    const connection = line?.connection;
    if (line === undefined || connection?.usable !== true) return false;
    const closing = connection.close('disconnect');
    line.closing = closing;
    void closing.then(() => {
      if (line.closing === closing) line.closing = null;
      this.#dropIfIdle(line);
    });
    // At once: sends, calls and monitors from here on use another connection.
    connection.tellNow();
    return true;
  }

  /** Closes all connections in an orderly way, so that the other nodes see it at once. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const attached = this.#attached;
    if (attached === undefined) return;
    // In the turn of the call, like the node's last signals. Services first, since they send as well.
    this.services.close();
    const ends = [...this.#lines.values()].map((line) => line.connection?.close('connection_closed'));
    for (const line of this.#lines.values()) {
      line.pending.take();
      line.answer(false);
    }
    await Promise.all([...ends, attached.connector.close(), attached.epmd.close()]);
    this.#lines.clear();
  }

  #isClosed(): boolean {
    return this.#closed !== undefined;
  }

  #line(peer: string): Line {
    let line = this.#lines.get(peer);
    if (line === undefined) {
      line = new Line(peer, this.settings.maxPendingSignals, this.settings.sendQueue.maxBytes);
      this.#lines.set(peer, line);
    }
    return line;
  }

  #dropIfIdle(line: Line): void {
    if (line.idle && this.#lines.get(line.peer) === line) this.#lines.delete(line.peer);
  }

  #dial(line: Line): void {
    if (line.dialling || line.arriving || this.#attached === undefined) return;
    line.dials();
    const { connector } = this.#attached;
    // Data still being written to a dropped connection arrives before the next connection replaces it.
    const dialled =
      line.closing === null ? connector.dial(line.peer) : line.closing.then(() => connector.dial(line.peer));
    dialled.then(
      () => this.#dialled(line, undefined),
      (error: unknown) => this.#dialled(line, reasonOf(error)),
    );
  }

  /** An attempt to connect is over. @param reason why it failed. */
  #dialled(line: Line, reason: unknown): void {
    line.dialling = false;
    if (this.#closed !== undefined) return;
    if (line.connection !== null) return;
    if (reason !== undefined) this.#failed(line, reason);
    // It came up and has been lost since: what was sent afterwards waits for another.
    else if (line.wanted) this.#dial(line);
    this.#dropIfIdle(line);
  }

  /** There is no connection: what waited for one is lost. */
  #failed(line: Line, reason: unknown): void {
    line.pending.take();
    line.overflown = false;
    line.answer(false);
    if (this.#closed === undefined) this.host.nodeDown(line.peer, reason);
    this.#dropIfIdle(line);
  }

  // ---- from the connector ----

  /** @internal */
  up(established: EstablishedConnection): void {
    if (this.#closed !== undefined) {
      established.socket.destroy();
      return;
    }
    const line = this.#line(established.peer);
    line.arriving = true;
    if (line.connection !== null) {
      line.connection.end('connection_closed');
      line.connection.tellNow();
    }
    if (line.overflown) this.#failed(line, 'queue_full');
    // Either may have dropped the line as idle.
    this.#lines.set(established.peer, line);
    this.#told.delete(established.peer);
    const connection = new Connection(established, this);
    // Responses wait until what had waited before is sent.
    this.host.nodeUp(established.peer, established.creation, hasNames(established));
    line.arriving = false;
    if (this.#isClosed()) {
      // By a listener of `nodeUp`.
      established.socket.destroy();
      return;
    }
    line.connection = connection;
    connection.start(line.pending.take());
    if (line.overflown) {
      // Just now, by listeners of `nodeUp`. The node has to learn that what they sent is lost.
      line.overflown = false;
      connection.end('queue_full');
    }
    this.services.peerUp(connection);
    connection.read();
    line.answer(true);
  }

  /** @internal */
  isUp(peer: string): boolean {
    return this.#lines.get(peer)?.connection?.usable === true;
  }

  /** @internal */
  retire(peer: string): void {
    const line = this.#lines.get(peer);
    if (line === undefined || line.connection === null) return;
    line.arriving = true;
    line.connection.end('connection_closed');
    line.connection.tellNow();
  }

  // ---- from connections ----

  /** @internal */
  ended(connection: Connection, reason: EndReason): void {
    const line = this.#lines.get(connection.name);
    if (line === undefined || line.connection !== connection) return;
    line.connection = null;
    if (this.#closed !== undefined) return;
    this.host.nodeDown(connection.name, reason);
    this.services.peerDown(connection.name, reason);
    if (line.wanted) this.#dial(line);
    this.#dropIfIdle(line);
  }

  /** @internal */
  leftOut(peer: string, what: string): void {
    this.#faults.dropped++;
    if (dropped.hasSubscribers) dropped.publish({ node: this.host.origin.node, peer, what });
  }

  /** @internal */
  badFrame(peer: string, reason: string): void {
    this.#faults.badFrames++;
    if (badFrame.hasSubscribers) badFrame.publish({ node: this.host.origin.node, peer, reason });
  }

  /** @internal */
  busy(peer: string, queuedBytes: number): void {
    if (busy.hasSubscribers) busy.publish({ node: this.host.origin.node, peer, queuedBytes });
  }

  /** @internal */
  full(peer: string, queuedBytes: number): void {
    this.#faults.queuesFull++;
    if (queueFull.hasSubscribers) queueFull.publish({ node: this.host.origin.node, peer, queuedBytes });
  }
}

/**
 * Makes a carrier for `createNode`. Other nodes can find the node and connect to it as soon as `ready()` resolves.
 * @throws TroupeError TROUPE_BAD_ARGUMENT, TROUPE_BAD_COOKIE
 */
export function createErlangCarrier(options: ErlangCarrierOptions): ErlangCarrier {
  return new ErlangCarrier(options);
}

function hostOf(name: string): string {
  return name.slice(name.indexOf('@') + 1);
}

function notAttached(): TroupeError {
  return badArgument('The carrier has not been given to createNode() yet.');
}

/** Why a connection could not be set up. */
function reasonOf(error: unknown): unknown {
  return error instanceof TroupeError && error.reason !== undefined ? error.reason : SETUP_FAILED;
}
