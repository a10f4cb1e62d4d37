/**
 * A node's use of epmd, the Erlang port mapper: registering its name, and finding where other nodes listen.
 *
 * A node registers its name with the epmd of its machine, together with the port on which it listens; to connect to a node, others
 * ask the epmd on the host in its name. If none runs on this machine, this process can serve as one: whichever node gets the port
 * serves, and when it ends, the others notice and compete for the port again.
 *
 * What a node registered about its protocol versions is ignored: the handshake decides.
 */
import { setMaxListeners } from 'node:events';
import { TroupeError, badArgument, checkInteger, checkOneOf } from '../../errors.ts';
import { listNames, lookUp, Registrar, type RegistrarEvents } from './client.ts';
import { EpmdFailure, entryOf, isThisHost, splitNodeName } from './protocol.ts';

/**
 * Which epmd is used: `'auto'` uses the one that runs on this machine, and serves as one in this process if none does; `'client'`
 * only uses one; `'embedded'` must itself be the epmd; `false` uses none.
 */
export type EpmdMode = 'auto' | 'client' | 'embedded' | false;

/** Where the epmds are, and how to ask them. */
export interface EpmdOptions {
  /** Default `'auto'`. */
  readonly mode: EpmdMode;
  /**
   * The host of the epmd that registers this node. Default 127.0.0.1. On another machine, `'auto'` only asks, and the epmd there
   * must let this machine register, which OTP's does not.
   */
  readonly host: string;
  /** The port of every epmd. Default: the environment variable ERL_EPMD_PORT, or 4369. */
  readonly port: number;
  /** Where nodes listen, by full node name; asked first. */
  readonly addresses: Readonly<Record<string, { host: string; port: number }>>;
  /** With mode `false`: the port on which every node listens. */
  readonly fixedPort?: number;
  /**
   * The address at which this process serves when it is the epmd. Default 127.0.0.1; a cluster of several machines, or nodes named
   * by the address of this one, needs an address that they can reach, such as 0.0.0.0. Only this machine may register in any case.
   */
  readonly serveOn?: string;
  /**
   * The interval in milliseconds at which a lost epmd is tried again. Default 2,000, as in OTP. A first registration is retried up to
   * eight times, each after a quarter of it.
   */
  readonly retryMs?: number;
  /** How many milliseconds an epmd may take to answer, including connecting. Default 5,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_PORT = '4369';
const MODES: readonly EpmdMode[] = ['auto', 'client', 'embedded', false];
const WAIT_MAX_MS = 600_000;

/** The events of a registration. A listener must not throw. */
export interface EpmdEvents {
  /**
   * - `serving`: this process is now the epmd of the machine
   * - `registered`: the name is registered, for the first time or again
   * - `lost`: the connection to epmd is gone, and with it the registration; it is tried again
   * - `failed`: trying again failed; reported once for successive equal errors, and tried further
   *
   * The failure of a first registration is not reported here: `register` rejects.
   */
  state(state: 'registered' | 'lost' | 'failed' | 'serving', error?: unknown): void;
}

/** Registers one node and finds others. */
export class Epmd {
  readonly #options: ReturnType<typeof checkEpmdOptions>;
  readonly #events: RegistrarEvents;
  readonly #closing = new AbortController();
  #registrar: Registrar | undefined;

  /** @throws TroupeError TROUPE_BAD_ARGUMENT */
  constructor(options: Partial<EpmdOptions>, events: EpmdEvents) {
    this.#options = checkEpmdOptions(options);
    this.#events = events;
    // Each lookup adds a listener; many at a time are not the leak of which Node.js would warn.
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * Registers the node (the part before the @) with its distribution port, and keeps it registered until `close`: when epmd is lost,
   * it tries again every 2 s. After a success, do not call it again. Neither the connection nor a server then keeps the operating
   * system process alive.
   *
   * A name that is taken is retried for some 4 s: after a fast restart it counts as taken until epmd has seen the end of the previous
   * connection.
   * @returns when registered; with mode `false` at once
   * @throws TroupeError TROUPE_LISTEN_FAILED if the name is taken or no epmd is available
   */
  async register(alive: string, port: number, hidden: boolean): Promise<void> {
    const { mode, port: epmdPort } = this.#options;
    if (splitNodeName(`${alive}@h`) === undefined) {
      throw badArgument(`'${alive}' cannot be the part before the @ of a node name.`);
    }
    checkPort('The port of a node', port);
    const what = `The node '${alive}' could not be registered`;
    if (this.#closing.signal.aborted) throw registerError(closedFailure(), what, 0);
    if (this.#registrar !== undefined) {
      throw badArgument('An Epmd registers one node.');
    }
    if (mode === false) return;
    const registrar = new Registrar({ ...this.#options, mode }, entryOf(alive, port, hidden), this.#events);
    this.#registrar = registrar;
    try {
      await registrar.start();
    } catch (error) {
      this.#registrar = undefined;
      throw registerError(error, what, mode === 'embedded' ? epmdPort : 0);
    }
  }

  /**
   * Where a node listens, by `addresses` or else by the epmd of its host. For nodes of this machine it asks the epmd that registers
   * this node.
   * @returns undefined if the name is not registered there
   * @throws TroupeError TROUPE_CONNECT_FAILED if that epmd cannot be asked, TROUPE_BAD_ARGUMENT if it is not a node name
   */
  async resolve(node: string): Promise<{ host: string; port: number } | undefined> {
    const { addresses, mode, fixedPort } = this.#options;
    const known = Object.hasOwn(addresses, node) ? addresses[node] : undefined;
    if (known !== undefined) return { host: known.host, port: known.port };
    const parts = splitNodeName(node);
    if (parts === undefined) throw badArgument(`'${node}' is not a node name.`);
    const { alive, host } = parts;
    if (mode === false) return fixedPort === undefined ? undefined : { host, port: fixedPort };
    const asked = isThisHost(host) ? this.#options.host : host;
    const entry = await this.#ask(asked, (inquiry) => lookUp(inquiry, alive));
    // A node that does not listen may have registered 0.
    return entry === undefined || entry.port === 0 ? undefined : { host, port: entry.port };
  }

  /**
   * The names registered with an epmd. Default: the one that registers this node.
   * @throws TroupeError TROUPE_CONNECT_FAILED if it cannot be asked
   */
  names(host: string = this.#options.host): Promise<Array<{ name: string; port: number }>> {
    return this.#ask(host, listNames);
  }

  /** Gives the name back, ends pending requests and stops serving; resolves when that is done. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#registrar?.close();
  }

  async #ask<T>(host: string, ask: (inquiry: Parameters<typeof lookUp>[0]) => Promise<T>): Promise<T> {
    const { port, timeoutMs } = this.#options;
    try {
      return await ask({ host, port, timeoutMs, signal: this.#closing.signal });
    } catch (error) {
      const reason = error instanceof EpmdFailure ? `epmd_${error.kind}` : undefined;
      throw new TroupeError('TROUPE_CONNECT_FAILED', text(error), { cause: error, reason });
    }
  }
}

function closedFailure(): EpmdFailure {
  return new EpmdFailure('closed', 'This side was closed.');
}

/** @param embeddedPort the port that this process must have; 0 if it need not have it */
function registerError(error: unknown, what: string, embeddedPort: number): TroupeError {
  const isTaken = error instanceof EpmdFailure && error.kind === 'port_taken' && embeddedPort > 0;
  const advice = isTaken ? ` Another epmd has port ${embeddedPort}: with \`epmd: 'auto'\` it is shared.` : '';
  return new TroupeError('TROUPE_LISTEN_FAILED', `${what}: ${text(error)}${advice}`, {
    cause: error,
    reason: error instanceof EpmdFailure ? `epmd_${error.kind}` : undefined,
  });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Checks options and fills in their defaults. @throws TroupeError TROUPE_BAD_ARGUMENT */
function checkEpmdOptions(given: Partial<EpmdOptions>): EpmdOptions & {
  readonly serveOn: string;
  readonly retryMs: number;
  readonly timeoutMs: number;
} {
  const options = {
    mode: given.mode ?? 'auto',
    host: given.host ?? '127.0.0.1',
    port: given.port ?? Number(process.env['ERL_EPMD_PORT'] || DEFAULT_PORT),
    addresses: given.addresses ?? {},
    serveOn: given.serveOn ?? '127.0.0.1',
    retryMs: given.retryMs ?? 2_000,
    timeoutMs: given.timeoutMs ?? 5_000,
    ...(given.fixedPort !== undefined && { fixedPort: given.fixedPort }),
  };
  checkOneOf('The mode of epmd', options.mode, MODES);
  checkHost('The host of epmd', options.host);
  checkHost('The host that epmd is served on', options.serveOn);
  checkPort(given.port === undefined ? 'ERL_EPMD_PORT' : 'The port of epmd', options.port);
  if (options.fixedPort !== undefined) checkPort('The fixed port of all nodes', options.fixedPort);
  for (const [node, { host, port }] of Object.entries(options.addresses)) {
    checkHost(`The host of ${node}`, host);
    checkPort(`The port of ${node}`, port);
  }
  checkInteger('retryMs', options.retryMs, 1, WAIT_MAX_MS);
  checkInteger('timeoutMs', options.timeoutMs, 1, WAIT_MAX_MS);
  return options;
}

/** @throws TroupeError TROUPE_BAD_ARGUMENT unless it is a port that can be connected to */
function checkPort(what: string, port: number): void {
  checkInteger(what, port, 1, 0xffff);
}

function checkHost(what: string, host: string): void {
  if (typeof host !== 'string' || host === '')
    throw badArgument(`${what} is a name or an address, not '${host}'.`);
}
