// The connection on which a server notifies of appended events: one beside those of the pool, opened with the first listener and
// reopened, with growing waits, when it is lost.
//
// - Notifications are missed while it is away: listeners get an empty text when it is back, and look for themselves.
// - A server that cannot be listened to is reported, once until it can be: it refuses (a standby does), or takes the order and never
//   notifies, as behind a pooler that shares connections between transactions. So once it listens, another connection notifies it.
//   Nothing else is affected: listeners depend on looking, and the database is as ready as ever.
import { randomInt } from 'node:crypto';
import { explain } from './faults.ts';
import { retryMs } from './status.ts';
import { type ConnectionSettings, openConnection, type PostgresConnection } from './postgres-connection.ts';

type Listener = (payload: string) => void;

const TOPIC = /^[a-z_]{1,63}$/;
/** How long a notification may take to arrive. */
const PROBE_MS = 5_000;
const LETTERS = 12;

/** Listens to notifications of one server. */
export class PostgresListener {
  readonly #settings: ConnectionSettings;
  readonly #plain: ConnectionSettings;
  readonly #retryMaxMs: number;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #deafListeners = new Set<(reason: string) => void>();
  /** A topic that no other program notifies. */
  readonly #probe = `troupe_probe_${Array.from({ length: LETTERS }, () => String.fromCharCode(97 + randomInt(26))).join('')}`;
  #probing: NodeJS.Timeout | undefined;
  #attempt = new AbortController();
  #connection: PostgresConnection | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #isTold = false;
  #state: 'off' | 'on' | 'ended' = 'off';

  constructor(settings: ConnectionSettings, retryMaxMs: number) {
    this.#plain = settings;
    this.#settings = { ...settings, onNotify: (topic, payload) => this.#heard(topic, payload) };
    this.#retryMaxMs = retryMaxMs;
  }

  /**
   * Calls the listener with the payload of each notification, and with an empty text when some may have been missed.
   * @param topic lower-case letters and `_`
   * @returns a function that unsubscribes it
   */
  onNotify(topic: string, listener: Listener): () => void {
    if (!TOPIC.test(topic)) throw new Error(`'${topic}' cannot be listened to`);
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    if (this.#state === 'off') {
      this.#state = 'on';
      void this.#open();
    } else if (this.#connection !== undefined) void this.#ask(this.#connection, [topic]);
    return () => listeners.delete(listener);
  }

  /** Calls the listener with why the server cannot be listened to: once, until it can be. @returns what unsubscribes it */
  onDeaf(listener: (reason: string) => void): () => void {
    this.#deafListeners.add(listener);
    return () => this.#deafListeners.delete(listener);
  }

  /** Closes it for good. */
  end(): void {
    this.#state = 'ended';
    clearTimeout(this.#retry);
    clearTimeout(this.#probing);
    this.#attempt.abort();
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  /** Never rejects. */
  async #open(): Promise<void> {
    this.#attempt = new AbortController();
    try {
      const { signal } = this.#attempt;
      const connection = await openConnection(this.#settings, signal, (closed) => this.#lost(closed));
      this.#connection = connection;
      // A server that refuses to be listened to is asked with growing waits, as one that is away.
      if (!(await this.#ask(connection, [this.#probe, ...this.#listeners.keys()]))) return;
      this.#failures = 0;
      for (const topic of this.#listeners.keys()) this.#heard(topic, '');
      await this.#notifyItself(signal);
    } catch (error) {
      // The database reports what is wrong with a server that it cannot use either.
      const { kind, message } = explain(error);
      if (kind === 'busy') this.#tellDeaf(message);
      this.#openLater();
    }
  }

  /** @returns whether the server listens; otherwise the connection is given up */
  async #ask(connection: PostgresConnection, topics: readonly string[]): Promise<boolean> {
    try {
      for (const topic of topics) await connection.command(`listen ${topic}`);
      return true;
    } catch (error) {
      const { kind, message } = explain(error);
      if (kind === 'query' || kind === 'unfit')
        this.#tellDeaf(`the server refuses to be listened to: ${message}`);
      connection.destroy();
      return false;
    }
  }

  /** On a connection of its own: a pooler may well pass on what comes with the answer to a statement. Never rejects. */
  async #notifyItself(signal: AbortSignal): Promise<void> {
    clearTimeout(this.#probing);
    this.#probing = setTimeout(
      () =>
        this.#tellDeaf(
          'the server does not notify: a pooler between may share connections between transactions',
        ),
      PROBE_MS,
    );
    this.#probing.unref();
    try {
      const connection = await openConnection(this.#plain, signal);
      await connection.command(`notify ${this.#probe}`);
      await connection.end();
    } catch {
      clearTimeout(this.#probing); // nobody knows then
    }
  }

  #tellDeaf(reason: string): void {
    if (this.#isTold || this.#state !== 'on') return;
    this.#isTold = true;
    for (const listener of this.#deafListeners) listener(reason);
  }

  #lost(connection: PostgresConnection): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    clearTimeout(this.#probing);
    this.#openLater();
  }

  #openLater(): void {
    if (this.#state !== 'on') return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#open(), retryMs(++this.#failures, this.#retryMaxMs));
    this.#retry.unref();
  }

  #heard(topic: string, payload: string): void {
    if (topic === this.#probe) {
      clearTimeout(this.#probing);
      this.#isTold = false;
    }
    for (const listener of this.#listeners.get(topic) ?? []) listener(payload);
  }
}
