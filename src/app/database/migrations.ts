// Brings a database to the tables that this version of the application needs. The migrations are the files of `drizzle/`
// at the root of the package, found from here, so that it works from `src/`, from `dist/` and from any folder.
//
// Several servers may start at once: on PostgreSQL one migrates, under an advisory lock of its transaction, and the others wait
// for it. The lock ends with the transaction, however that ends. (One of the session would stay with a connection of a pooler
// that gives each transaction another one.) The connection never reconnects, so no statement of a migration runs without the lock.
import { fileURLToPath } from 'node:url';
import type { PGlite } from '@electric-sql/pglite';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { migrate as migrateOnPglite } from 'drizzle-orm/pglite/migrator';
import { migrate as migrateOnPostgres } from 'drizzle-orm/postgres-js/migrator';
import { openConnection } from './postgres-connection.ts';

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
  const stop = () => connection.destroy();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, timeoutMs);
  cut.addEventListener('abort', stop, { once: true });
  try {
    cut.throwIfAborted();
    await connection.command(
      `begin; set local lock_timeout = ${timeoutMs}; set local statement_timeout = ${timeoutMs}; ` +
        `select pg_advisory_xact_lock(${migrationLockKey})`,
    );
    // Its own transaction is this one, which it commits; the `commit` is for a version that has none.
    await migrateOnPostgres(connection.db, { migrationsFolder });
    await connection.command('commit');
  } catch (error) {
    throw late ? new Error(`the migrations did not end within ${timeoutMs} ms`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    cut.removeEventListener('abort', stop);
    await connection.end(); // gives the lock back
  }
}

/** Migrates an embedded database; its folder is locked already. */
export async function migratePglite(client: PGlite): Promise<void> {
  await migrateOnPglite(drizzlePglite(client), { migrationsFolder });
}
