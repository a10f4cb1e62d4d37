// The connection on which a server notifies of appended events: one beside those of the pool, opened with the first listener and
// reopened, with growing waits, when it is lost.
//
// Notifications are missed while it is away: listeners get an empty text when it is back, and look for themselves. Behind a pooler
// that shares connections between transactions none ever arrive, and listeners depend on looking.
import { backoffMs } from './status.ts';
import { type ConnectionSettings, openConnection, type PostgresConnection } from './postgres-connection.ts';

type Listener = (payload: string) => void;

const TOPIC = /^[a-z_]{1,63}$/;

/** Listens to notifications of one server. */
export class PostgresListener {
  readonly #settings: ConnectionSettings;
  readonly #retryMaxMs: number;
  readonly #listeners = new Map<string, Set<Listener>>();
  #attempt = new AbortController();
  #connection: PostgresConnection | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #state: 'off' | 'on' | 'ended' = 'off';

  constructor(settings: ConnectionSettings, retryMaxMs: number) {
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

  /** Closes it for good. */
  end(): void {
    this.#state = 'ended';
    clearTimeout(this.#retry);
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
      if (!(await this.#ask(connection, [...this.#listeners.keys()]))) return;
      this.#failures = 0;
      for (const topic of this.#listeners.keys()) this.#heard(topic, '');
    } catch {
      this.#openLater(); // the database reports what is wrong with the server
    }
  }

  /** @returns whether the server listens; otherwise the connection is given up */
  async #ask(connection: PostgresConnection, topics: readonly string[]): Promise<boolean> {
    try {
      for (const topic of topics) await connection.command(`listen ${topic}`);
      return true;
    } catch {
      connection.destroy();
      return false;
    }
  }

  #lost(connection: PostgresConnection): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.#openLater();
  }

  #openLater(): void {
    if (this.#state !== 'on') return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(
      () => void this.#open(),
      backoffMs(++this.#failures, this.#retryMaxMs, Math.random()),
    );
    this.#retry.unref();
  }

  #heard(topic: string, payload: string): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener(payload);
  }
}
