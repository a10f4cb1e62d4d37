// The embedded database: PGlite, PostgreSQL compiled to WebAssembly, with its data in a folder that no second process
// can open at the same time (that would destroy the data). It runs in this process: there is nothing to reach, so it is
// `ready` or `closed`, and a folder that cannot be opened is an error for the operator.
//
// It survives the end of the process at any moment, `kill -9` included: the write-ahead log is in files. It does not
// call fsync, so after a power failure the last changes, or more, may be lost: use a server for what must survive that.
// A statement runs to its end on this thread: the limit of a call counts its wait, and between its statements.
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { drizzle } from 'drizzle-orm/pglite';
import { Calls, type Session } from './calls.ts';
import type { Database, Queryable, SqlRunner } from './database.ts';
import { DatabaseOpenError, FolderInUseError } from './errors.ts';
import { explain } from './faults.ts';
import { lockFolder, type FolderLock } from './folder-lock.ts';
import { within } from './limits.ts';
import { migratePglite } from './migrations.ts';
import { WithStatus } from './status.ts';

export interface PgliteSettings {
  readonly kind: 'pglite';
  /** Of the data; it and its parents are made when missing. Beside it, a folder with `.lock` at the end of its name. */
  readonly folder: string;
  /** How long a call may take, with its wait. */
  readonly queryTimeoutMs: number;
  /** Calls that may wait for their turn; 1,000 when left out. */
  readonly waitingMax?: number;
  /** How long `close` lets calls end; 5 s when left out. */
  readonly closeTimeoutMs?: number;
}

const WAITING_MAX = 1_000;
const CLOSE_TIMEOUT_MS = 5_000;

/** Opens the folder; it is `starting` when this returns. */
export function openPglite(settings: PgliteSettings): Database {
  return new PgliteDatabase(settings);
}

class PgliteDatabase extends WithStatus implements Database {
  readonly kind = 'pglite';
  readonly description: string;
  readonly #settings: PgliteSettings;
  readonly #calls: Calls;
  readonly #opening: Promise<void>;
  #client: PGlite | undefined;
  #session: Session | undefined;
  #lock: FolderLock | undefined;
  #closed: Promise<void> | undefined;

  constructor(settings: PgliteSettings) {
    super();
    const { folder, waitingMax = WAITING_MAX, queryTimeoutMs } = settings;
    this.#settings = settings;
    this.description = `PGlite in ${folder}`;
    // There is one session, and it is always good: transactions are ended by the calls themselves.
    const source = {
      acquire: () => this.#acquire(),
      release: () => {},
      discard: () => {},
      suspect: () => {},
    };
    this.#calls = new Calls(source, { activeMax: 1, waitingMax, timeoutMs: queryTimeoutMs });
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
    await within(this.#settings.closeTimeoutMs ?? CLOSE_TIMEOUT_MS, this.#shutDown());
  }

  /** Opening cannot be cut short, so closing waits for it. The lock goes last, when the data are at rest. */
  async #shutDown(): Promise<void> {
    await this.#opening;
    await this.#calls.idle();
    this.#session = undefined;
    await this.#client?.close();
    await this.#lock?.release();
  }

  /** Never rejected. */
  async #open(): Promise<void> {
    const { folder } = this.#settings;
    try {
      await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
      this.#lock = await lockFolder(`${folder}.lock`);
      this.#client = await openData(folder);
    } catch (error) {
      await this.#lock?.release();
      this.#lock = undefined;
      this.status.failed(openError(folder, error));
      return;
    }
    this.#session = sessionOf(this.#client);
    this.status.ready();
  }

  async #acquire(): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    this.status.assertReady();
    throw new Error('the database is ready without a session');
  }
}

/**
 * Opens the data and migrates them. A process that ends while PGlite writes its first files leaves a folder that cannot
 * be opened and has nothing in it yet: a mark beside it tells that this is the case, and the folder is made anew.
 */
async function openData(folder: string): Promise<PGlite> {
  const mark = `${folder}.unfinished`;
  if (existsSync(mark)) await rm(folder, { recursive: true, force: true });
  if (!existsSync(folder)) await writeFile(mark, '');
  const client = await PGlite.create(folder, { extensions: { pg_trgm } });
  try {
    await migratePglite(client);
    await rm(mark, { force: true });
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

function sessionOf(client: PGlite): Session {
  return { db: drizzle(client), command: async (text) => (await client.query(text)).command };
}

function openError(folder: string, error: unknown): DatabaseOpenError {
  const message =
    error instanceof FolderInUseError
      ? `the data folder ${folder} is in use by process ${error.pid}: stop that process, or set DATA_DIR to another folder, or DATABASE_URL to a PostgreSQL server`
      : `the data folder ${folder} cannot be opened: ${explain(error).message}`;
  return new DatabaseOpenError(message, { cause: error });
}
