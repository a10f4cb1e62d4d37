// Brings a database to the tables that this version of the application needs. The migrations are the files of `drizzle/`
// at the root of the package, found from here, so that it works from `src/`, from `dist/` and from any folder.
//
// Several servers may start at once: on PostgreSQL one migrates, under an advisory lock of the session, and the others
// wait for it. The lock ends with its connection, however the process ends; the connection never reconnects, so no
// statement of a migration runs without the lock. An embedded database is locked already: it has one process.
import { fileURLToPath } from 'node:url';
import { migrate as migrateWith } from 'drizzle-orm/postgres-js/migrator';
import { openConnection, type PostgresConnection } from './postgres-connection.ts';

const migrationsFolder = fileURLToPath(new URL('../../../drizzle', import.meta.url));

/** Any number will do that is not used for another lock of the same database; this one is `troupe` in ASCII. */
export const migrationLockKey = 0x74_72_6f_75_70_65;

export interface MigrationSettings {
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** How long everything may take, with the wait for another server's migrations. */
  readonly timeoutMs: number;
}

/**
 * Migrates a PostgreSQL server's database, on a connection of its own.
 * @param cut ends it early: the connection is cut and what was not committed is undone
 */
export async function migratePostgres(settings: MigrationSettings, cut: AbortSignal): Promise<void> {
  const { url, connectTimeoutMs, timeoutMs } = settings;
  const parameters = { lock_timeout: timeoutMs, statement_timeout: timeoutMs };
  const connection = await openConnection({ url, connectTimeoutMs, parameters }, cut);
  try {
    await migrate(connection, timeoutMs, cut, `select pg_advisory_lock(${migrationLockKey})`);
  } finally {
    await connection.end(); // gives the lock back
  }
}

/**
 * Migrates over a connection, which is cut when that takes too long.
 * @param first a statement that is run before
 */
export async function migrate(
  connection: PostgresConnection,
  timeoutMs: number,
  cut: AbortSignal,
  first?: string,
): Promise<void> {
  const stop = () => connection.destroy();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, timeoutMs);
  cut.addEventListener('abort', stop, { once: true });
  try {
    cut.throwIfAborted();
    if (first !== undefined) await connection.command(first);
    await migrateWith(connection.db, { migrationsFolder });
  } catch (error) {
    throw late ? new Error(`the migrations did not end within ${timeoutMs} ms`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    cut.removeEventListener('abort', stop);
  }
}
