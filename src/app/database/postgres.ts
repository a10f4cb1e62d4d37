// The database of a PostgreSQL server, and what happens when the server goes away.
//
// - Opening means migrating, then connecting. When it fails the database is `unavailable`, says why, and tries again for ever,
//   with growing waits: nothing has to be restarted when the server comes. But what the operator alone can mend, such as a wrong
//   password, ends the first attempt for good; once it was tried again, or has been ready, nothing does.
// - While it is `ready`, every sign of trouble (a connection that closes, a call that breaks or is not answered) leads to
//   one trial connection. When that fails too the database is `unavailable`: all its connections are cut, so that calls
//   under way fail at once, as new ones do.
// - One connection that breaks, and a server that takes no further connection, fail a call, not the database.
import { backoffMs } from './backoff.ts';
import { Calls, type SessionSource } from './calls.ts';
import type { Database, Queryable, SqlRunner } from './database.ts';
import { DatabaseOpenError, DatabaseUnavailableError } from './errors.ts';
import { explain, hopelessness } from './faults.ts';
import { within } from './limits.ts';
import { migratePostgres } from './migrations.ts';
import { PostgresPool } from './postgres-pool.ts';
import { describeTarget, parsePostgresUrl } from './postgres-url.ts';
import { RETRY_AFTER_MS, WithStatus } from './status.ts';

export interface PostgresSettings {
  readonly kind: 'postgres';
  /** See `postgres-url.ts`. */
  readonly url: string;
  /** Connections at a time, without those of migrations and trials. */
  readonly poolMax: number;
  readonly connectTimeoutMs: number;
  /** How long the server may take for one statement. A whole call may take half a second more. */
  readonly queryTimeoutMs: number;
  /** The longest wait between two attempts to open the database. */
  readonly retryMaxMs: number;
  /** Calls that may wait for a connection; 1,000 when left out. */
  readonly waitingMax?: number;
  /** How long the migrations may take, with those of another server; one minute when left out. */
  readonly migrationTimeoutMs?: number;
  /** How long `close` lets calls end; 5 s when left out. */
  readonly closeTimeoutMs?: number;
}

const WAITING_MAX = 1_000;
const MIGRATION_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** The server's own limit comes first, so that a slow statement costs its call and not the connection. */
const GRACE_MS = 500;

/** Opens a server's database; it is `starting` when this returns. */
export function openPostgres(settings: PostgresSettings): Database {
  return new PostgresDatabase(settings);
}

class PostgresDatabase extends WithStatus implements Database {
  readonly kind = 'postgres';
  readonly description: string;
  readonly #settings: PostgresSettings;
  readonly #pool: PostgresPool;
  readonly #calls: Calls;
  readonly #closing = new AbortController();
  #opening: Promise<void>;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #trial: 'none' | 'running' | 'again' = 'none';
  #closed: Promise<void> | undefined;
  /** From when on calls that were taken before `close` are not carried out any more. */
  #ended = false;

  constructor(settings: PostgresSettings) {
    super();
    const { url, connectTimeoutMs, queryTimeoutMs, poolMax, waitingMax = WAITING_MAX } = settings;
    this.#settings = settings;
    this.description = describeTarget(parsePostgresUrl(url));
    const parameters = {
      statement_timeout: queryTimeoutMs,
      idle_in_transaction_session_timeout: queryTimeoutMs + 2 * GRACE_MS,
    };
    this.#pool = new PostgresPool({ url, connectTimeoutMs, parameters }, () => this.#suspect());
    const source: SessionSource = {
      acquire: () => this.#acquire(),
      release: (session) => this.#pool.release(session),
      discard: (session) => this.#pool.discard(session),
      suspect: () => this.#suspect(),
    };
    const timeoutMs = queryTimeoutMs + GRACE_MS;
    this.#calls = new Calls(source, { activeMax: poolMax, waitingMax, timeoutMs });
    this.#opening = this.#open();
  }

  async run<T>(work: (db: Queryable) => PromiseLike<T>): Promise<T> {
    this.status.assertReady();
    return await this.#calls.run(work);
  }

  async transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T> {
    this.status.assertReady();
    return await this.#calls.transaction(work);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.status.closed();
    clearTimeout(this.#retry);
    this.#closing.abort();
    await within(this.#settings.closeTimeoutMs ?? CLOSE_TIMEOUT_MS, this.#calls.idle());
    this.#ended = true;
    await this.#pool.end();
    await this.#opening;
  }

  /** Never rejected. */
  async #open(): Promise<void> {
    const { url, connectTimeoutMs, migrationTimeoutMs: timeoutMs = MIGRATION_TIMEOUT_MS } = this.#settings;
    try {
      await migratePostgres({ url, connectTimeoutMs, timeoutMs }, this.#closing.signal);
      this.#pool.release(await this.#pool.acquire());
    } catch (error) {
      const hopeless = this.status.state === 'starting' ? hopelessness(error) : undefined;
      if (hopeless === undefined)
        this.#openLater(`${this.description} cannot be used: ${explain(error).message}`);
      else this.status.failed(new DatabaseOpenError(`${this.description} cannot be used: ${hopeless}`));
      return;
    }
    this.#failures = 0;
    this.status.ready();
  }

  #openLater(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#failures++;
    const retryInMs = backoffMs(this.#failures, this.#settings.retryMaxMs, Math.random());
    this.#retry = setTimeout(() => {
      this.#opening = this.#open();
    }, retryInMs);
    this.status.unavailable(reason, this.#failures, retryInMs);
  }

  async #acquire() {
    // The state may have changed while the call waited for its turn.
    if (this.#ended || this.status.state === 'unavailable') this.status.assertReady();
    try {
      return await this.#pool.acquire();
    } catch (error) {
      const { kind, message } = explain(error);
      if (kind === 'busy') throw new DatabaseUnavailableError('busy', message, RETRY_AFTER_MS);
      this.#suspect();
      const reason = `${this.description} cannot be reached: ${message}`;
      throw new DatabaseUnavailableError('unreachable', reason, RETRY_AFTER_MS);
    }
  }

  #suspect(): void {
    if (this.status.state !== 'ready') return;
    if (this.#trial === 'none') void this.#tryConnection();
    else this.#trial = 'again';
  }

  /** One trial at a time; a sign of trouble during it asks for another, since the trial may have come just before. */
  async #tryConnection(): Promise<void> {
    let failure: string | undefined;
    do {
      this.#trial = 'running';
      failure = await this.#trialFailure();
    } while (failure === undefined && this.#isTrialWanted());
    this.#trial = 'none';
    if (failure === undefined || this.status.state !== 'ready') return;
    this.#pool.cut();
    this.#openLater(`${this.description} was lost: ${failure}`);
  }

  #isTrialWanted(): boolean {
    return this.#trial === 'again' && this.status.state === 'ready';
  }

  async #trialFailure(): Promise<string | undefined> {
    try {
      await this.#pool.tryConnection();
      return undefined;
    } catch (error) {
      const { kind, message } = explain(error);
      return kind === 'busy' ? undefined : message; // a server that is full is there
    }
  }
}
