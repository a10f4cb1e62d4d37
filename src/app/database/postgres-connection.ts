// One connection to PostgreSQL, on a server or embedded, used once: when it is gone it stays gone, and every further
// statement on it fails.
//
// Why not the driver's pool and transactions (postgres.js 3.4.9): when a connection breaks under a transaction, they write to
// a socket that no longer exists, which ends the whole process; and a statement of the broken transaction can run in the next
// one on the same connection, since connections reconnect automatically
// (porsager/postgres#1208, #1155, #1216). So each instance of the driver has one connection and one socket in its life,
// and `begin`, `commit` and `rollback` are plain statements on it.
import { connect, type Socket } from 'node:net';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import type { Session } from './calls.ts';
import { NO_TLS } from './faults.ts';
import { parsePostgresUrl, type PostgresTarget, tlsOptions } from './postgres-url.ts';

export interface ConnectionSettings {
  /** See `postgres-url.ts`. */
  readonly url: string;
  /** How to connect, if not to the address in the URL. */
  readonly connect?: () => Socket;
  /** How long connecting may take, including the greeting of the server. */
  readonly connectTimeoutMs: number;
  /** Settings of the server for this connection, such as `statement_timeout`. */
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Gets the notifications that the server sends on this connection, after a `listen`. */
  readonly onNotify?: (topic: string, payload: string) => void;
}

/** How long an ending connection waits for the server to close it. */
const GOODBYE_MS = 1_000;
/** The driver's own limit covers the time until the server is ready; the answer must come at most this much later. */
const FIRST_ANSWER_MS = 1_000;
const SECONDS = 1_000;
/** A server without TLS answers this to a request for it. */
const REFUSES_TLS = 'N'.charCodeAt(0);

/** Every connection reads and writes times alike, whatever the server's settings. */
const PARAMETERS = { application_name: 'troupe', TimeZone: 'UTC', DateStyle: 'ISO' };

/** The connections whose server is a pooler: it would refuse the server's settings each time. */
const pooled = new WeakSet<ConnectionSettings>();

/**
 * Connects, and resolves when the server has answered a statement. A pooler such as PgBouncer refuses settings of the server, so it
 * gets none; then only this side ends what takes too long.
 * @param cut ends the attempt, not the resulting connection
 * @param onClosed called once when the connection is gone, whichever side ended it
 */
export async function openConnection(
  settings: ConnectionSettings,
  cut: AbortSignal,
  onClosed: (connection: PostgresConnection) => void = () => {},
): Promise<PostgresConnection> {
  if (pooled.has(settings)) return await tryToOpen({ ...settings, parameters: {} }, cut, onClosed);
  try {
    return await tryToOpen(settings, cut, onClosed);
  } catch (error) {
    if (!(error instanceof Error && /unsupported startup parameter/.test(error.message))) throw error;
    pooled.add(settings);
    return await tryToOpen({ ...settings, parameters: {} }, cut, onClosed);
  }
}

async function tryToOpen(
  settings: ConnectionSettings,
  cut: AbortSignal,
  onClosed: (connection: PostgresConnection) => void,
): Promise<PostgresConnection> {
  const connection = new PostgresConnection(settings, onClosed);
  const stop = () => connection.destroy();
  const timer = setTimeout(stop, connection.connectTimeoutMs + FIRST_ANSWER_MS);
  cut.addEventListener('abort', stop, { once: true });
  try {
    cut.throwIfAborted();
    await connection.command('select 1');
    return connection;
  } catch (error) {
    connection.destroy();
    throw connection.lacksTls ? Object.assign(new Error('the server has no TLS'), { code: NO_TLS }) : error;
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
  readonly #target: PostgresTarget;
  readonly #open: () => Socket;
  readonly connectTimeoutMs: number;
  #socket: Socket | undefined;
  #usable = true;
  #lacksTls = false;
  #retired = false;

  constructor(
    { url, connect: open, connectTimeoutMs, parameters, onNotify }: ConnectionSettings,
    onClosed: (connection: PostgresConnection) => void,
  ) {
    this.#onClosed = onClosed;
    const target = parsePostgresUrl(url);
    this.#target = target;
    this.#open = open ?? (() => connect(target.address));
    this.connectTimeoutMs = target.connectTimeoutMs ?? connectTimeoutMs;
    const { host, port, user, password, database, sslnegotiation } = target;
    // The driver's types leave `socket` and `onnotify` out; see its README, "Connection details".
    const options = {
      host,
      port,
      user,
      password,
      database,
      ssl: tlsOptions(target),
      sslnegotiation,
      ...(target.readWrite && { target_session_attrs: 'read-write' as const }),
      max: 1,
      connect_timeout: this.connectTimeoutMs / SECONDS,
      idle_timeout: undefined,
      max_lifetime: null, // it would end the connection between two statements of a transaction
      fetch_types: false,
      connection: { ...PARAMETERS, ...parameters, ...target.startup },
      onnotice: () => {}, // the driver would print them
      onclose: () => this.#retire(),
      ...(onNotify && { onnotify: onNotify }),
      socket: () => this.#connect(),
    };
    this.#sql = postgres(options);
    // For drizzle's migrator, which takes its transactions from the driver.
    const begin = (work: (sql: postgres.Sql) => Promise<unknown>) => this.#inTransaction(work);
    this.db = drizzle(Object.assign(this.#sql, { begin }));
  }

  /** Whether the server was asked for TLS and has none. */
  get lacksTls(): boolean {
    return this.#lacksTls;
  }

  /** Whether a statement may still be sent. */
  get usable(): boolean {
    return this.#usable;
  }

  async command(text: string): Promise<string | undefined> {
    if (!this.#usable) throw closedError();
    return (await this.#sql.unsafe(text)).command;
  }

  /** A session that can be taken back from a call while the connection lives on. */
  lend(): LentSession {
    const { proxy, revoke } = Proxy.revocable(this.#sql, {});
    return { db: drizzle(proxy), command: (text) => this.command(text), revoke };
  }

  /** Cuts the connection; statements under way fail. */
  destroy(): void {
    this.#socket?.destroy();
    this.#retire();
  }

  /** Says goodbye to the server, for a bounded time. Call it only when no statement is running. */
  async end(): Promise<void> {
    this.#usable = false;
    await this.#sql.end({ timeout: GOODBYE_MS / SECONDS });
    this.destroy(); // a server that does not answer leaves the socket half open
  }

  /** Called by the driver; a second time if the server closed the first connection during the greeting. */
  #connect(): Socket {
    if (this.#socket !== undefined || !this.#usable) throw closedError();
    const { host, sslmode } = this.#target;
    const socket = this.#open();
    this.#socket = socket;
    // The driver continues with TLS whatever the server answers, and the resulting error says nothing.
    if (sslmode !== 'disable' && sslmode !== 'prefer') {
      socket.once('data', (answer: Buffer) => {
        this.#lacksTls = answer.length === 1 && answer[0] === REFUSES_TLS;
      });
    }
    // Before the driver's own listener: when that rejects running statements, no further one is accepted.
    // For TLS the driver removes it; `onclose` follows then.
    socket.once('close', () => this.#retire());
    return Object.assign(socket, { host }); // the driver reads the host from there, to check certificates
  }

  #retire(): void {
    this.#usable = false;
    if (this.#retired) return;
    this.#retired = true;
    void this.#sql.end({ timeout: 0 }); // from now on the driver refuses statements
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

function closedError(): Error {
  return Object.assign(new Error('the server closed the connection'), { code: 'CONNECTION_CLOSED' });
}
