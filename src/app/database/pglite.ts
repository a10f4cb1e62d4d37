// The embedded database: PGlite, PostgreSQL compiled to WebAssembly, with its data in a folder that one process at a time
// can open. It runs in a process of its own, and the driver for servers reaches it over one connection: no query blocks
// this process, and a database that hangs, breaks or meets a fault of the disk is ended and opened again.
//
// A commit that was answered is on the disk: it survives the end of both processes at any moment, `kill -9` included, and
// a power cut as far as the disk keeps its promises.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Session } from './calls.ts';
import type { Database } from './database.ts';
import { DatabaseOpenError } from './errors.ts';
import { explain } from './faults.ts';
import { within } from './gate.ts';
import { migrate, type Migrated } from './migrations.ts';
import { PgliteProcess } from './pglite-process.ts';
import { type LentSession, openConnection, type PostgresConnection } from './postgres-connection.ts';
import { type Engine, ReopeningDatabase } from './reopening.ts';

export interface PgliteSettings {
  readonly kind: 'pglite';
  /** The folder of the data; it and its parents are created when missing. Its lock is a file beside it, with `.pid` appended. */
  readonly folder: string;
  /** How long a call may take, from its turn on. */
  readonly queryTimeoutMs: number;
  /** Calls that may wait for their turn, each as long as it may take; 1,000 when left out. */
  readonly waitingMax?: number;
  /** The longest wait between two attempts to open the database again; 10 s when left out. */
  readonly retryMaxMs?: number;
  /** How long `close` waits for calls to end; 5 s when left out. */
  readonly closeTimeoutMs?: number;
}

const WAITING_MAX = 1_000;
const RETRY_MAX_MS = 10_000;
/** How long opening may take, including creating or recovering the folder, and migrating. */
const OPEN_TIMEOUT_MS = 120_000;
/** How long the process may take for its last checkpoint. Without one the next start takes longer, but nothing is lost. */
const GOODBYE_MS = 2_500;
/** How long a statement of a late call may run on before the process counts as hung. */
const GRACE_MS = 1_000;
/** The driver requires a URL; the socket that it gets leads to the process. */
const URL = 'postgres://postgres@localhost/postgres?sslmode=disable';

/** Opens the folder; it is `starting` when this returns. */
export function openPglite(settings: PgliteSettings): Database {
  const { waitingMax = WAITING_MAX, retryMaxMs = RETRY_MAX_MS, closeTimeoutMs, queryTimeoutMs } = settings;
  return new ReopeningDatabase((onLost) => new PgliteEngine(settings, onLost), {
    activeMax: 1,
    waitingMax,
    timeoutMs: queryTimeoutMs,
    retryMaxMs,
    closeTimeoutMs,
  });
}

/** One process and its one connection, or none. */
class PgliteEngine implements Engine {
  readonly kind = 'pglite';
  readonly description: string;
  readonly #settings: PgliteSettings;
  readonly #onLost: () => void;
  #process: PgliteProcess | undefined;
  #connection: PostgresConnection | undefined;
  #session: LentSession | undefined;
  /** Whether the folder has been opened before. */
  #hasData = false;
  folderIdentity: string | undefined = undefined;
  /** Until when the session of a late call is settled. */
  #settled: Promise<void> | undefined;

  constructor(settings: PgliteSettings, onLost: () => void) {
    this.#settings = settings;
    this.#onLost = onLost;
    this.description = `PGlite in ${settings.folder}`;
  }

  async open(closing: AbortSignal, onMigrated: (migrated: Migrated | undefined) => void): Promise<void> {
    const { folder } = this.#settings;
    await this.#process?.ended;
    closing.throwIfAborted();
    const started = new PgliteProcess(folder, this.#hasData);
    this.#process = started;
    let connection: PostgresConnection | undefined;
    try {
      const target = {
        url: URL,
        connect: () => started.socket,
        connectTimeoutMs: OPEN_TIMEOUT_MS,
        parameters: {},
      };
      connection = await openConnection(target, closing, () => this.#onLost());
      onMigrated(await migrate(connection, OPEN_TIMEOUT_MS, closing));
      this.#connection = connection;
      this.#session = connection.lend();
      this.#hasData = true;
      this.folderIdentity = folderIdentity(folder);
    } catch (error) {
      connection?.destroy();
      if (closing.aborted) started.kill('it was closed');
      const { reason, isUnusable } = await started.endSoon(explain(error).message);
      // The cause is what its process says, not that the connection to it broke.
      throw isUnusable ? new DatabaseOpenError(`the data folder ${folder} ${reason}`) : new Error(reason);
    }
  }

  async acquire(): Promise<Session> {
    await this.#settled;
    if (this.#connection?.usable === true && this.#session !== undefined) return this.#session;
    throw Object.assign(new Error('its connection is gone'), { code: 'CONNECTION_CLOSED' });
  }

  release(): void {}

  discard(session: Session): void {
    // If it is broken already, `whyLost` asks it and its process why.
    if (session !== this.#session || this.#connection?.usable !== true) return;
    this.#session.revoke();
    this.#session = undefined;
    this.#settled = this.#settle(this.#connection, this.#process);
  }

  /** Nothing of a late call continues: it is rolled back after its current statement, or with the process. */
  async #settle(connection: PostgresConnection, running: PgliteProcess | undefined): Promise<void> {
    const rollback = { isOver: false, isDone: false };
    const rolledBack = connection
      .command('rollback')
      .then(
        () => (rollback.isDone = true),
        () => false,
      )
      .finally(() => (rollback.isOver = true));
    await within(GRACE_MS, rolledBack);
    if (rollback.isDone && connection.usable) {
      this.#session = connection.lend();
      return;
    }
    // Where the connection broke, `whyLost` asks the process why.
    if (!rollback.isOver)
      running?.kill(`it did not answer a call within ${this.#settings.queryTimeoutMs} ms`);
    connection.destroy();
  }

  async whyLost(): Promise<string | undefined> {
    if (this.#connection?.usable === true) return undefined;
    return (await this.#process?.endSoon('its connection broke'))?.reason ?? 'it has no process';
  }

  cut(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  async end(): Promise<void> {
    const [connection, ending] = [this.#connection, this.#process];
    this.#connection = undefined;
    if (connection?.usable === true) {
      await connection.end();
      if (ending !== undefined) await within(GOODBYE_MS, ending.ended);
    }
    ending?.kill('it was closed');
    await ending?.ended;
  }
}

/** A copy of a folder has files of its own. This one is never written again. */
function folderIdentity(folder: string): string {
  const { ino, birthtimeMs } = statSync(join(folder, 'PG_VERSION'));
  return `${ino}.${Math.round(birthtimeMs)}`;
}
