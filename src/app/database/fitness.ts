// Whether a server that answers has what the service needs: it takes changes, the tables are there, and the role may use them. A
// standby after a failover, a table that was dropped or a right that was revoked would otherwise leave the service ready while it
// answers nothing.
import { sql } from 'drizzle-orm';
import type { PostgresConnection } from './postgres-connection.ts';

/** The tables that the migrations make, and what the service does with each. A test compares the names. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  notes: ['select', 'insert', 'update', 'delete'],
  note_words: ['select'],
  deleted_notes: ['select', 'insert', 'delete'],
  channel_events: ['select', 'insert'],
  channel_heads: ['select', 'update'],
};

export const tableNames: readonly string[] = Object.keys(TABLES);

/** Why the service cannot work with the database that it is connected with, and what to do; undefined when it can. */
export async function unfitness({ db }: PostgresConnection): Promise<string | undefined> {
  const needs = Object.entries(TABLES).flatMap(([table, rights]) =>
    rights.map((right) => sql`(${table}::text, ${right}::text)`),
  );
  const [first] = await db.execute(sql`
    select current_setting('transaction_read_only') = 'on' as read_only, pg_is_in_recovery() as standby,
      (select min(name) from (values ${sql.join(needs, sql`, `)}) as need(name, privilege) where to_regclass(name) is null) as missing,
      (select min(privilege || ' on ' || name) from (values ${sql.join(needs, sql`, `)}) as need(name, privilege)
        where not has_table_privilege(to_regclass(name)::oid, privilege)) as forbidden`);
  const { read_only: readOnly, standby, missing, forbidden } = first ?? {};
  if (standby === true)
    return 'the server is a standby and takes no changes: name the primary, or promote it';
  if (readOnly === true)
    return 'the server takes no changes: turn default_transaction_read_only off, or free its disk';
  if (typeof missing === 'string')
    return `the table ${missing} is gone: restore it, with the other tables, from a backup`;
  if (typeof forbidden === 'string') return `the user has not the right to ${forbidden}: grant it`;
  return undefined;
}
