// Deleted notes, which can be restored for a while: a table of their own, so that whatever lists, searches or indexes notes, here or in
// another program, needs to know nothing of them (docs/adr/0039).
//
// Each step is one statement: a note is never in both tables, nor in none, and a change that came in between is not lost. Other programs may
// have given a note an id that a deleted one has: the note stays as it is.
import { sql } from 'drizzle-orm';
import type { Queryable } from '../database/database.ts';
import { laterThan, withChange } from './history.ts';
import { deletedNotes, notes } from './schema.ts';

/** How long deleted notes can be restored, and how many of them are kept at most. */
export interface DeletedLimit {
  readonly maxAgeMs: number;
  readonly keep: number;
}

/** Deleted notes that one statement removes for good. */
export const removedMax = 200;

const unchanged = ['id', 'title', 'body', 'author', 'created_at'];
const names = [...unchanged, 'updated_at', 'updated_by', 'history'];
const columns = sql.raw(names.join(', '));

/** Moves a note to the deleted ones. @returns whether there was such a note */
export async function moveAway(db: Queryable, id: number): Promise<boolean> {
  const moved = await db.execute(sql`
    with gone as (delete from ${notes} where id = ${id}::int returning ${columns})
    insert into ${deletedNotes} (${columns}) select ${columns} from gone
    on conflict (id) do update set (${columns}, deleted_at) = (${sql.join(
      names.map((name) => sql.raw(`excluded.${name}`)),
      sql`, `,
    )}, excluded.deleted_at) returning id`);
  return [...moved].length > 0;
}

/** Makes a deleted note one of the notes again. @returns whether there was such a note, deleted less than `maxAgeMs` ago */
export async function bringBack(
  db: Queryable,
  id: number,
  maxAgeMs: number,
  by: string | undefined,
): Promise<boolean> {
  const updatedAt = laterThan(sql`updated_at`, sql`deleted_at`);
  const history = withChange(sql`history`, updatedAt, by, sql`array['restored']`);
  const back = await db.execute(sql`
    with back as (
      delete from ${deletedNotes} where id = ${id}::int and deleted_at > ${before(maxAgeMs)} returning ${columns}, deleted_at
    )
    insert into ${notes} (${columns}) overriding system value
    select ${sql.raw(unchanged.join(', '))}, ${updatedAt}, ${by ?? null}::text, ${history} from back
    on conflict (id) do nothing returning id`);
  return [...back].length > 0;
}

/** Removes for good some of the deleted notes that exceed the limit. @returns whether there may be more of them */
export async function removeOld(db: Queryable, { maxAgeMs, keep }: DeletedLimit): Promise<boolean> {
  const removed = await db.execute(sql`
    delete from ${deletedNotes} where id in (
      select id from ${deletedNotes} where deleted_at <= greatest(${before(maxAgeMs)}, (
        select deleted_at from ${deletedNotes} order by deleted_at desc offset ${keep}::bigint limit 1
      )) order by deleted_at limit ${removedMax}::int
    ) returning id`);
  return [...removed].length === removedMax;
}

function before(maxAgeMs: number) {
  return sql`clock_timestamp() - make_interval(secs => ${maxAgeMs / 1_000}::float8)`;
}
