/**
 * What a node has to do with epmd, the Erlang port mapper: registering its name, and finding where other nodes listen.
 *
 * A node that has a name registers it with the epmd of its machine, together with the port on which it listens; whoever wants
 * to connect asks the epmd of the machine that the name says. When there is none on this machine, this process can be it: the
 * nodes of the machine agree by who gets the port, and when the one that serves ends, the others notice and begin anew.
 *
 * Whether a node speaks a version that this one understands is not judged by what it registered: the handshake says it.
 */
import { setMaxListeners } from 'node:events';
import { TroupeError } from '../../errors.ts';
import { listNames, lookUp } from './client.ts';
import { EpmdFailure } from './failure.ts';
import { isThisHost, splitNodeName } from './node-name.ts';
import { type EpmdOptions, checkEpmdOptions, checkPort } from './options.ts';
import { entryOf } from './protocol.ts';
import { Registrar, type RegistrarEvents } from './registrar.ts';

export type { EpmdMode, EpmdOptions } from './options.ts';

/** What is told of a registration. Who is told must not throw. */
export interface EpmdEvents {
  /**
   * - `serving`: this process is the epmd of the machine now
   * - `registered`: the name is registered, the first time or again
   * - `lost`: it was, and the connection to epmd is gone; it is tried again
   * - `failed`: it was tried again without success; told once for each error in a row, and tried on
   *
   * That a first registration fails is not told here: `register` rejects.
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
    // Each lookup listens, and many at a time are no leak, of which Node.js would warn.
    setMaxListeners(0, this.#closing.signal);
  }

  /**
   * Registers the node (the part before the @) with its distribution port, and keeps it registered until `close`: when epmd
   * is lost it tries again every 2 s. Once it has succeeded it is not called again. Neither the connection nor a server keeps
   * the operating system process alive afterwards.
   *
   * A name that is taken is asked for again during some 4 s: who restarts fast is told so until epmd has seen the end of the
   * connection before.
   * @returns when registered, with mode `false` at once
   * @throws TroupeError TROUPE_LISTEN_FAILED when the name is taken or no epmd can be had
   */
  async register(alive: string, port: number, hidden: boolean): Promise<void> {
    const { mode, port: epmdPort } = this.#options;
    if (splitNodeName(`${alive}@h`) === undefined) {
      throw new TroupeError(
        'TROUPE_BAD_ARGUMENT',
        `'${alive}' cannot be the part before the @ of a node name.`,
      );
    }
    checkPort('The port of a node', port);
    const what = `The node '${alive}' could not be registered`;
    if (this.#closing.signal.aborted) throw registerError(closedFailure(), what, 0);
    if (this.#registrar !== undefined) {
      throw new TroupeError('TROUPE_BAD_ARGUMENT', 'An Epmd registers one node.');
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
   * Where a node listens: what `addresses` says, else what the epmd of its host says. The nodes of this machine are asked for
   * at the own epmd.
   * @returns undefined when nobody of that name is registered there
   * @throws TroupeError TROUPE_CONNECT_FAILED when its epmd cannot be asked, TROUPE_BAD_ARGUMENT when it is no node name
   */
  async resolve(node: string): Promise<{ host: string; port: number } | undefined> {
    const { addresses, mode, fixedPort } = this.#options;
    const known = Object.hasOwn(addresses, node) ? addresses[node] : undefined;
    if (known !== undefined) return { host: known.host, port: known.port };
    const parts = splitNodeName(node);
    if (parts === undefined) throw new TroupeError('TROUPE_BAD_ARGUMENT', `'${node}' is no node name.`);
    const { alive, host } = parts;
    if (mode === false) return fixedPort === undefined ? undefined : { host, port: fixedPort };
    const asked = isThisHost(host) ? this.#options.host : host;
    const entry = await this.#ask(asked, (inquiry) => lookUp(inquiry, alive));
    // A node that does not listen may have registered 0.
    return entry === undefined || entry.port === 0 ? undefined : { host, port: entry.port };
  }

  /**
   * The names registered with an epmd; with the own one unless a host is given.
   * @throws TroupeError TROUPE_CONNECT_FAILED when it cannot be asked
   */
  names(host: string = this.#options.host): Promise<Array<{ name: string; port: number }>> {
    return this.#ask(host, listNames);
  }

  /** Gives the name back, ends what is being asked and stops serving; resolves when that is done. */
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

/** @param embeddedPort the port that this process had to have; 0 when it did not have to */
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
