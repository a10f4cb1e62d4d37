// Migrates a database to the tables that this version of the application needs. The migrations are the files of `drizzle/` at the
// root of the package, located relative to this file, so that it works from `src/`, from `dist/` and from any folder.
//
// - A server's database that is up to date is only read: the role of the service then needs no right to create anything.
//   (Drizzle's migrator would begin with `create schema`, which requires that right even where the schema exists.)
// - Several instances may start at once: on PostgreSQL one migrates, under an advisory lock of its transaction, and the others
//   wait. The lock ends with the transaction, however that ends. (A session lock would stay with one connection of a pooler that
//   gives each transaction another.) The connection never reconnects, so no statement of a migration runs
//   without the lock. An embedded database is locked already: it has one process.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { migrate as migrateWith } from 'drizzle-orm/postgres-js/migrator';
import { explain } from './faults.ts';
import { openConnection, type PostgresConnection } from './postgres-connection.ts';

const migrationsFolder = fileURLToPath(new URL('../../../drizzle', import.meta.url));

/** Any number that no other lock of the same database uses; this one is `troupe` in ASCII. */
export const migrationLockKey = 0x74_72_6f_75_70_65;

export interface MigrationSettings {
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** The time limit for everything, including the wait for the migrations of another instance. */
  readonly timeoutMs: number;
}

/** What has been applied to a database. */
export interface Migrated {
  readonly count: number;
  /** The name of the last one. */
  readonly last: string;
}

/**
 * Migrates the database of a PostgreSQL server, on a connection of its own.
 * @param cut ends it early: the connection is closed, and what was not committed is rolled back
 * @returns what was applied; undefined when nothing was
 */
export async function migratePostgres(
  settings: MigrationSettings,
  cut: AbortSignal,
): Promise<Migrated | undefined> {
  const { url, connectTimeoutMs, timeoutMs } = settings;
  const connection = await openConnection({ url, connectTimeoutMs, parameters: {} }, cut);
  const begin =
    `begin; set local lock_timeout = ${timeoutMs}; set local statement_timeout = ${timeoutMs}; ` +
    `select pg_advisory_xact_lock(${migrationLockKey})`;
  try {
    return await migrate(connection, timeoutMs, cut, begin);
  } finally {
    await connection.end();
  }
}

/**
 * Migrates over a connection, which is closed when that takes too long.
 * @param begin for a server's database: a statement that begins a transaction for everything, unless it is up to date
 * @returns what was applied; undefined when nothing was
 */
export async function migrate(
  connection: PostgresConnection,
  timeoutMs: number,
  cut: AbortSignal,
  begin?: string,
): Promise<Migrated | undefined> {
  const stop = () => connection.destroy();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, timeoutMs);
  cut.addEventListener('abort', stop, { once: true });
  try {
    cut.throwIfAborted();
    if (begin !== undefined) {
      if (await isUpToDate(connection)) return undefined;
      await connection.command(begin);
    }
    // Under the lock: another instance may have migrated since.
    const before = await newestApplied(connection);
    await migrateWith(connection.db, { migrationsFolder });
    // The migrator uses this transaction as its own and commits it; this is for a version that does not.
    if (begin !== undefined) await connection.command('commit');
    return newerThan(before);
  } catch (error) {
    throw late ? new Error(`the migrations did not end within ${timeoutMs} ms`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    cut.removeEventListener('abort', stop);
  }
}

/** Without the right to read the table, nothing is known; nor when it has just been dropped. */
const NOT_READABLE = /^(3F000|42P01|42501)$/;

/** Whether the newest migration has been applied, by the rule of drizzle's migrator. */
async function isUpToDate(connection: PostgresConnection): Promise<boolean> {
  const newest = readMigrationFiles({ migrationsFolder }).at(-1)?.folderMillis ?? 0;
  try {
    return (await newestApplied(connection)) >= newest;
  } catch (error) {
    if (NOT_READABLE.test(explain(error).sqlState ?? '')) return false;
    throw error;
  }
}

/** When the newest migration that has been applied was made; -1 for none. Asks first for the table: an error would end a transaction. */
async function newestApplied({ db }: PostgresConnection): Promise<number> {
  const [table] = await db.execute(
    sql`select 1 from pg_catalog.pg_tables where schemaname = 'drizzle' and tablename = '__drizzle_migrations'`,
  );
  if (table === undefined) return -1;
  const [row] = await db.execute(sql`select max(created_at) as applied from drizzle.__drizzle_migrations`);
  return Number(row?.['applied'] ?? -1);
}

/** The migrations that were made after a time. */
function newerThan(time: number): Migrated | undefined {
  const journal = JSON.parse(readFileSync(join(migrationsFolder, 'meta/_journal.json'), 'utf8')) as {
    readonly entries: ReadonlyArray<{ readonly when: number; readonly tag: string }>;
  };
  const newer = journal.entries.filter(({ when }) => when > time);
  const last = newer.at(-1);
  return last && { count: newer.length, last: last.tag };
}
