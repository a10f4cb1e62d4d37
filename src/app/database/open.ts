// Opens the database that the settings name: a PostgreSQL server's, or the embedded one.
import type { Database } from './database.ts';
import { openPglite, type PgliteSettings } from './pglite.ts';
import { openPostgres, type PostgresSettings } from './postgres.ts';

export type DatabaseSettings = PgliteSettings | PostgresSettings;

/**
 * Begins to open a database and returns at once; its `opened()` and its events tell what came of it. To be closed with
 * `close()`, whatever came of it.
 */
export function openDatabase(settings: DatabaseSettings): Database {
  return settings.kind === 'pglite' ? openPglite(settings) : openPostgres(settings);
}
