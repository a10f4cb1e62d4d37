// Brings a database to the tables that this version of the application needs. The migrations are the files of `drizzle/`
// at the root of the package, found from here, so that it works from `src/`, from `dist/` and from any folder.
//
// Several servers may start at once: on PostgreSQL one migrates, under an advisory lock of its transaction, and the others wait
// for it. The lock ends with the transaction, however that ends. (One of the session would stay with a connection of a pooler
// that gives each transaction another one.) The connection never reconnects, so no statement of a migration runs without the
// lock. An embedded database is locked already: it has one process.
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
  const connection = await openConnection({ url, connectTimeoutMs, parameters: {} }, cut);
  const begin =
    `begin; set local lock_timeout = ${timeoutMs}; set local statement_timeout = ${timeoutMs}; ` +
    `select pg_advisory_xact_lock(${migrationLockKey})`;
  try {
    await migrate(connection, timeoutMs, cut, begin);
  } finally {
    await connection.end();
  }
}

/**
 * Migrates over a connection, which is cut when that takes too long.
 * @param begin a statement that begins a transaction for all of it
 */
export async function migrate(
  connection: PostgresConnection,
  timeoutMs: number,
  cut: AbortSignal,
  begin?: string,
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
    if (begin !== undefined) await connection.command(begin);
    await migrateWith(connection.db, { migrationsFolder });
    // The migrator's own transaction is this one, which it commits; this is for a version that has none.
    if (begin !== undefined) await connection.command('commit');
  } catch (error) {
    throw late ? new Error(`the migrations did not end within ${timeoutMs} ms`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    cut.removeEventListener('abort', stop);
  }
}
