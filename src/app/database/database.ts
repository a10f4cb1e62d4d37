// What the application sees of its database, whichever it is: run statements, in a transaction or not; know whether it
// is there; close it. `open.ts` makes one. Of notes that another instance keeps there is the second part only.
//
// - States: `starting` until the first attempt to open has ended; then `ready` or `unavailable`, back and forth as a
//   server goes and comes; `closed` is final. Outside `ready` every call fails at once.
// - No wait is without a limit: a call that has not been answered in its time fails, whatever the server does.
// - It does not log, and it knows nothing of processes or HTTP: listeners are told what happens.
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';

/** What statements are built on. */
export type Queryable = Pick<PostgresJsDatabase, 'select' | 'insert' | 'update' | 'delete' | 'execute'>;

/** Something that statements run on: the database, or one transaction of it. */
export interface SqlRunner {
  /**
   * Runs one statement or a few, on one connection. `work` awaits nothing but statements, and builds none later.
   * @throws DatabaseUnavailableError when the database is away, too busy or too slow: trying again later may help
   * @throws DatabaseQueryError when the database refused a statement
   */
  run<T>(work: (db: Queryable) => PromiseLike<T>): Promise<T>;
}

export type DatabaseState = 'starting' | 'ready' | 'unavailable' | 'closed';

export type DatabaseEvent =
  | { readonly state: 'ready' }
  /** Told again after each failed attempt to come back. */
  | {
      readonly state: 'unavailable';
      /** For the operator: which database, and why; never a password. */
      readonly reason: string;
      /** Failed attempts since it was last ready. */
      readonly attempt: number;
      readonly retryInMs: number;
    }
  /** `reason` says why it could not be opened at all; without it, `close` was called. */
  | { readonly state: 'closed'; readonly reason?: string };

/** Whether the notes can be reached, wherever they are. */
export interface DatabaseStatus {
  readonly kind: 'pglite' | 'postgres' | 'instance';
  /** Which database this is, for the operator; never a password. */
  readonly description: string;
  readonly state: DatabaseState;
  /**
   * Fulfilled when the first attempt to open the database has ended: `state` then is `ready` or `unavailable`.
   * @throws DatabaseOpenError when there is no use in trying again: what the operator alone can mend
   */
  opened(): Promise<void>;
  /** Calls the listener at every event from now on; answers how to stop. */
  onEvent(listener: (event: DatabaseEvent) => void): () => void;
  /**
   * Refuses new calls, lets the ones under way end for a bounded time, then cuts them. Fulfilled also when they were
   * cut; every further call answers the same.
   */
  close(): Promise<void>;
}

export interface RunOptions {
  /** How long the call may take from when it has its turn, where that is not what the settings say. */
  readonly timeoutMs?: number;
}

/** A database that statements run on. */
export interface Database extends SqlRunner, DatabaseStatus {
  readonly kind: 'pglite' | 'postgres';
  run<T>(work: (db: Queryable) => PromiseLike<T>, options?: RunOptions): Promise<T>;
  /**
   * Runs statements in one transaction: committed when `work` is fulfilled, rolled back when it is rejected or takes
   * longer than the time a call has. Statements of the transaction go through the runner it is given, and only until
   * `work` has settled.
   */
  transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T>;
  /** Tells the data folder from a copy of it; undefined on a server. */
  readonly folderIdentity?: string | undefined;
  /**
   * Calls the listener with each payload that is notified under the topic, and with an empty text when some may have been missed. There
   * only where several programs can use the database at a time.
   * @returns what ends it
   */
  onNotify?(topic: string, listener: (payload: string) => void): () => void;
}
