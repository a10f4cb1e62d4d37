// The database as the application sees it, embedded or on a server: open it, run statements with or without a transaction,
// ask for its state, close it. For notes that another instance keeps, only the state exists.
//
// - States: `starting` until the first attempt to open it ends; then `ready` or `unavailable`, back and forth as a server
//   goes and comes; `closed` is final. Outside `ready` every call fails at once.
// - Every wait has a limit: a call that is not answered in time fails, whatever the server does.
// - It does not log and knows nothing of processes or HTTP: it reports events to listeners.
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type { Migrated } from './migrations.ts';
import { type PgliteSettings, openPglite } from './pglite.ts';
import { type PostgresSettings, openPostgres } from './postgres.ts';

/** Builds statements. */
export type Queryable = Pick<PostgresJsDatabase, 'select' | 'insert' | 'update' | 'delete' | 'execute'>;

/** Runs statements: the database, or one transaction. */
export interface SqlRunner {
  /**
   * Runs one statement or a few on one connection. `work` awaits only statements, and builds none after it settles.
   * @throws DatabaseUnavailableError when the database is unreachable, too busy or too slow: a later attempt may succeed
   * @throws DatabaseQueryError when the database refused a statement
   */
  run<T>(work: (db: Queryable) => PromiseLike<T>): Promise<T>;
}

export type DatabaseState = 'starting' | 'ready' | 'unavailable' | 'closed';

export type DatabaseEvent =
  /** `migrated`: what was applied to it since it was ready before, if anything was. */
  | { readonly state: 'ready'; readonly migrated?: Migrated }
  /** Repeated after each failed attempt to reconnect. */
  | {
      readonly state: 'unavailable';
      /** For the operator: which database, and why. Never contains a password. */
      readonly reason: string;
      /** Failed attempts since the database was last ready. */
      readonly attempt: number;
      readonly retryInMs: number;
    }
  /** `reason`: why it could not be opened at all; undefined after `close`. */
  | { readonly state: 'closed'; readonly reason?: string };

/** Whether the notes can be reached, wherever they are kept. */
export interface DatabaseStatus {
  readonly kind: 'pglite' | 'postgres' | 'instance';
  /** Which database this is, for the operator. Never contains a password. */
  readonly description: string;
  readonly state: DatabaseState;
  /** When a further attempt may succeed, while the state is not `ready`. */
  readonly retryAfterMs: number;
  /**
   * Resolves when the first attempt to open the database ends: `state` is then `ready` or `unavailable`.
   * @throws DatabaseOpenError when trying again is useless: only the operator can fix the cause
   */
  opened(): Promise<void>;
  /** Calls the listener at every event from now on. Returns a function that unsubscribes it. */
  onEvent(listener: (event: DatabaseEvent) => void): () => void;
  /**
   * Refuses new calls, gives running ones a bounded time to end, then aborts them. Resolves in both cases; further calls
   * return the same promise.
   */
  close(): Promise<void>;
}

export interface RunOptions {
  /** Replaces the time that the settings allow a call from its turn on. */
  readonly timeoutMs?: number;
}

/** The calls of a database. */
export interface DatabaseLoad {
  /** Calls that are carried out now. */
  readonly running: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  /** Calls and transactions since the start that were answered. */
  readonly succeeded: number;
  /** Those that were not: the database was away, too slow or too busy, or refused a statement. */
  readonly failed: number;
}

/** A call or transaction that has ended. */
export interface DatabaseCall {
  readonly kind: 'call' | 'transaction';
  readonly outcome: 'succeeded' | 'failed';
  /** From the call to its answer, with its wait for its turn. */
  readonly seconds: number;
}

/** A database that statements run on. */
export interface Database extends SqlRunner, DatabaseStatus {
  readonly kind: 'pglite' | 'postgres';
  run<T>(work: (db: Queryable) => PromiseLike<T>, options?: RunOptions): Promise<T>;
  /**
   * Runs statements in one transaction: committed when `work` resolves, rolled back when it rejects or exceeds the time of
   * a call. Only statements run through the given runner, and before `work` settles, belong to the transaction.
   */
  transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T>;
  /** Its calls, for a watcher; undefined for a stand-in that does not count. */
  readonly load?: DatabaseLoad;
  /**
   * Calls the listener with each call that ends; undefined as `load`. Nothing is timed while there is no listener.
   * @returns a function that unsubscribes it
   */
  onCall?(listener: (call: DatabaseCall) => void): () => void;
  /** Tells the data folder from a copy of it; undefined on a server. */
  readonly folderIdentity?: string | undefined;
  /**
   * Calls the listener with each payload notified under the topic, and with an empty text when some may have been missed. It exists
   * only where several programs can use the database at a time.
   * @returns a function that unsubscribes it
   */
  onNotify?(topic: string, listener: (payload: string) => void): () => void;
  /**
   * Calls the listener with why the server does not notify, so that `onNotify` depends on luck: once, until it does.
   * @returns a function that unsubscribes it
   */
  onDeaf?(listener: (reason: string) => void): () => void;
}

/** A PostgreSQL server, or the embedded database. */
export type DatabaseSettings = PgliteSettings | PostgresSettings;

/**
 * Begins to open a database and returns at once; `opened()` and the events report the outcome. Close it with `close()`,
 * whatever the outcome.
 */
export function openDatabase(settings: DatabaseSettings): Database {
  return settings.kind === 'pglite' ? openPglite(settings) : openPostgres(settings);
}
