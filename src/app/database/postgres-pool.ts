// The connections to one server: opened when a call needs one and none is idle, kept until they break. How many calls
// run at a time, and so how many connections there are, is bounded by `calls.ts`.
import type { Session } from './calls.ts';
import { openConnection, PostgresConnection, type ConnectionSettings } from './postgres-connection.ts';

export class PostgresPool {
  readonly #settings: ConnectionSettings;
  readonly #onLost: () => void;
  readonly #open = new Set<PostgresConnection>();
  readonly #idle: PostgresConnection[] = [];
  #attempts = new AbortController();

  /** @param onLost called when a connection is gone that the pool did not end */
  constructor(settings: ConnectionSettings, onLost: () => void) {
    this.#settings = settings;
    this.#onLost = onLost;
  }

  /** An idle connection, the most recently used first, or a new one. */
  async acquire(): Promise<PostgresConnection> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.usable) return idle;
    }
    const { signal } = this.#attempts;
    const connection = await openConnection(this.#settings, signal, (closed) => {
      if (this.#open.delete(closed)) this.#onLost();
    });
    if (signal.aborted) connection.destroy(); // it was cut just as it became ready
    else this.#open.add(connection);
    return connection;
  }

  release(session: Session): void {
    if (session instanceof PostgresConnection && this.#open.has(session) && session.usable)
      this.#idle.push(session);
  }

  discard(session: Session): void {
    if (!(session instanceof PostgresConnection)) return;
    this.#open.delete(session);
    session.destroy();
  }

  /** Connects beside the others, asks, for as long as connecting may take, and disconnects again: is the server there? */
  async tryConnection<T>(ask: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    const { signal } = this.#attempts;
    const connection = await openConnection(this.#settings, signal);
    const stop = () => connection.destroy();
    const timer = setTimeout(stop, connection.connectTimeoutMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) stop();
      return await ask(connection);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      await connection.end();
    }
  }

  /** Cuts every connection, and the attempts to open one. The pool can be used again afterwards. */
  cut(): void {
    this.#attempts.abort();
    this.#attempts = new AbortController();
    for (const connection of this.#take()) connection.destroy();
  }

  /** Closes every connection in order, for a bounded time. None may be in use. */
  async end(): Promise<void> {
    this.#attempts.abort();
    await Promise.all(this.#take().map((connection) => connection.end()));
  }

  #take(): PostgresConnection[] {
    const connections = [...this.#open];
    this.#open.clear();
    this.#idle.length = 0;
    return connections;
  }
}
