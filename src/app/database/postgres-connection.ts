// One connection to PostgreSQL, on a server or embedded, used once: when it is gone it stays gone, and every further
// statement on it fails.
//
// Why not the pool and the transactions of the driver (postgres.js 3.4.9): when a connection breaks under a transaction
// they write to a socket that is no longer there, which ends the whole process, and a statement of the broken
// transaction can be carried out in the next one on the same connection, since connections reconnect by themselves
// (porsager/postgres#1208, #1155, #1216). So each instance of the driver has one connection and one socket in its life,
// and `begin`, `commit` and `rollback` are plain statements on it.
import { connect, type Socket } from 'node:net';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import type { Session } from './calls.ts';

export interface ConnectionSettings {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** How to connect, when not to the address in the URL. */
  readonly connect?: () => Socket;
  /** How long connecting may take, with the greeting of the server. */
  readonly connectTimeoutMs: number;
  /** Settings of the server for this connection, such as `statement_timeout`. */
  readonly parameters: Readonly<Record<string, string | number>>;
}

/** How long a connection that ends waits for the server to close it. */
const GOODBYE_MS = 1_000;
/** The driver's own limit ends when the server is ready; this much later an answer must have come. */
const FIRST_ANSWER_MS = 1_000;
const SECONDS = 1_000;

/** Every connection reads and writes times the same, whatever the server's settings are. */
const PARAMETERS = { application_name: 'troupe', TimeZone: 'UTC', DateStyle: 'ISO' };

/**
 * Connects, and answers when the server has answered a statement.
 * @param cut ends the attempt, not the connection that came of it
 * @param onClosed called once when the connection is gone, whoever ended it
 */
export async function openConnection(
  settings: ConnectionSettings,
  cut: AbortSignal,
  onClosed: (connection: PostgresConnection) => void = () => {},
): Promise<PostgresConnection> {
  const connection = new PostgresConnection(settings, onClosed);
  const stop = () => connection.destroy();
  const timer = setTimeout(stop, settings.connectTimeoutMs + FIRST_ANSWER_MS);
  cut.addEventListener('abort', stop, { once: true });
  try {
    cut.throwIfAborted();
    await connection.command('select 1');
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    cut.removeEventListener('abort', stop);
  }
}

export interface LentSession extends Session {
  /** Makes every further statement of `db` fail. */
  readonly revoke: () => void;
}

export class PostgresConnection implements Session {
  readonly db: PostgresJsDatabase;
  readonly #sql: postgres.Sql;
  readonly #onClosed: (connection: PostgresConnection) => void;
  readonly #open: () => Socket;
  #socket: Socket | undefined;
  #usable = true;
  #retired = false;

  constructor(
    { url, connect: open, connectTimeoutMs, parameters }: ConnectionSettings,
    onClosed: (connection: PostgresConnection) => void,
  ) {
    this.#onClosed = onClosed;
    this.#open = open ?? (() => connectTo(addressOf(url)));
    // The driver's types leave `socket` out; see its README, "Connection details".
    const options: postgres.Options<Record<string, never>> & { socket: () => Socket } = {
      max: 1,
      connect_timeout: connectTimeoutMs / SECONDS,
      idle_timeout: undefined,
      max_lifetime: null, // it would end the connection between two statements of a transaction
      fetch_types: false,
      connection: { ...PARAMETERS, ...parameters },
      onnotice: () => {}, // the driver would print them
      onclose: () => this.#retire(),
      socket: () => this.#connect(),
    };
    this.#sql = postgres(url, options);
    // For drizzle's migrator, which asks the driver for its transactions.
    const begin = (work: (sql: postgres.Sql) => Promise<unknown>) => this.#inTransaction(work);
    this.db = drizzle(Object.assign(this.#sql, { begin }));
  }

  /** Whether a statement may still be sent. */
  get usable(): boolean {
    return this.#usable;
  }

  async command(text: string): Promise<string | undefined> {
    if (!this.#usable) throw closedError();
    return (await this.#sql.unsafe(text)).command;
  }

  /** A session that can be taken back from a call, while the connection goes on. */
  lend(): LentSession {
    const { proxy, revoke } = Proxy.revocable(this.#sql, {});
    return { db: drizzle(proxy), command: (text) => this.command(text), revoke };
  }

  /** Cuts the connection; statements under way fail. */
  destroy(): void {
    this.#socket?.destroy();
    this.#retire();
  }

  /** Takes leave of the server, for a bounded time. Only without a statement under way. */
  async end(): Promise<void> {
    this.#usable = false;
    await this.#sql.end({ timeout: GOODBYE_MS / SECONDS });
    this.destroy(); // a server that does not answer leaves the socket half open
  }

  /** Called by the driver; a second time when the server closed the first connection during the greeting. */
  #connect(): Socket {
    if (this.#socket !== undefined || !this.#usable) throw closedError();
    const socket = this.#open();
    this.#socket = socket;
    // Before the driver's own listener: when that rejects the statements under way, no further one is taken.
    // For TLS the driver removes it; `onclose` follows then.
    socket.once('close', () => this.#retire());
    return socket;
  }

  #retire(): void {
    this.#usable = false;
    if (this.#retired) return;
    this.#retired = true;
    void this.#sql.end({ timeout: 0 }); // from now on the driver refuses statements by itself
    this.#onClosed(this);
  }

  async #inTransaction(work: (sql: postgres.Sql) => Promise<unknown>): Promise<unknown> {
    await this.command('begin');
    try {
      const result = await work(this.#sql);
      await this.command('commit');
      return result;
    } catch (error) {
      if (this.#usable) await this.command('rollback');
      throw error;
    }
  }
}

/** The driver reads the host from the socket, to check certificates. */
function connectTo(address: { host: string; port: number }): Socket {
  return Object.assign(connect(address), address);
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? 5432 : Number(port) };
}

function closedError(): Error {
  return Object.assign(new Error('the server closed the connection'), { code: 'CONNECTION_CLOSED' });
}
