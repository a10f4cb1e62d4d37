// Reclaims the space of changed and deleted rows. A server has autovacuum; the embedded database has nothing, so each edit would
// leave its old texts in the files for good.
//
// - One table at a time, the one with the most to gain first, by the rule of autovacuum: fifty rows and a fifth of all are dead, or
//   a thousand and a fifth are new. So the cost stays in proportion to the changes. Long texts have a table of their own.
// - There is one session: calls wait while a table is vacuumed, and those that wait too long fail, since the database is busy. An
//   interrupted vacuum starts over.
// - Nothing is analyzed: that would read all words of large notes, and no plan of a search depends on statistics.
import { sql } from 'drizzle-orm';
import type { Database } from './database.ts';

/** The wait after nothing was due. */
const EVERY_MS = 10_000;
/** How long one table may take; a database that takes longer counts as hung. */
const VACUUM_TIMEOUT_MS = 60_000;

export class Vacuum {
  readonly #database: Database;
  #askAt = 0;
  /** The table that was vacuumed last: one that is due again at once must wait, since it would be due forever. */
  #last: string | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Vacuums one table of an embedded database, if one is due.
   * @returns whether another one may be due
   * @throws as `SqlRunner.run`
   */
  async step(): Promise<boolean> {
    if (this.#database.kind !== 'pglite' || performance.now() < this.#askAt) return false;
    const table = await this.#due();
    const isDone = table === undefined || table === this.#last;
    this.#last = isDone ? undefined : table;
    if (isDone) {
      this.#askAt = performance.now() + EVERY_MS;
      return false;
    }
    await this.#database.run((db) => db.execute(sql.raw(`vacuum ${table}`)), {
      timeoutMs: VACUUM_TIMEOUT_MS,
    });
    return true;
  }

  /** The name of a due table, quoted where necessary. */
  async #due(): Promise<string | undefined> {
    const [row] = await this.#database.run((db) =>
      db.select({ name: sql<string>`name` }).from(
        sql`(
            select format('%I.%I', schemaname, relname) as name from pg_stat_all_tables
            where n_dead_tup > 50 + 0.2 * n_live_tup or n_ins_since_vacuum > 1000 + 0.2 * n_live_tup
            order by n_dead_tup desc, n_ins_since_vacuum desc limit 1
          ) as due`,
      ),
    );
    return row?.name;
  }
}
