// The last changes of a note: who made each, when, and which of its texts. They are kept with the note, written by the statement that
// makes the change, and bounded. The texts that a change replaced are not kept.
import { type Column, type SQL, sql } from 'drizzle-orm';
import { type Static, Type } from 'typebox';
import type { StoredChange } from './schema.ts';

/** Changes of one note that are kept: the last ones. */
export const changesMax = 50;

/** A change as it is answered. */
export const Change = Type.Object(
  {
    at: Type.Readonly(Type.String({ format: 'date-time' })),
    by: Type.Readonly(Type.Optional(Type.String({ description: 'Who made it; left out when nobody said.' }))),
    what: Type.Readonly(
      Type.Array(Type.Enum(['created', 'title', 'body', 'restored']), {
        description: 'The texts that it changed; or `created`, or `restored` after a deletion.',
      }),
    ),
  },
  { examples: [{ at: '2026-11-23T23:44:38.276Z', by: 'you', what: ['title'] }] },
);
export type Change = Static<typeof Change>;

/** The changes of a note with this history, the newest first. Its creation is the last, unless others have taken its place. */
export function changesOf({
  history,
  author,
  createdAt,
}: {
  readonly history: readonly StoredChange[];
  readonly author: string;
  readonly createdAt: Date;
}): Change[] {
  const changes: Change[] = history.map(({ at, by, what }) => ({
    at: new Date(at).toISOString(),
    ...(by !== undefined && { by }),
    what: [...what],
  }));
  if (changes.length < changesMax)
    changes.unshift({ at: createdAt.toISOString(), by: author, what: ['created'] });
  return changes.toReversed();
}

/** Now, or a little later than these times: the clock may not have moved, or the statement may have waited for another change. */
export function laterThan(...times: readonly (Column | SQL)[]): SQL {
  const last = sql.join(
    times.map((time) => sql`${time}`),
    sql`, `,
  );
  return sql`greatest(statement_timestamp(), greatest(${last}) + interval '1 millisecond')::timestamptz(3)`;
}

/** A history with one more change, and without its first when there are too many. @param what an array of texts */
export function withChange(history: Column | SQL, at: SQL, by: string | undefined, what: SQL): SQL {
  const kept = sql`case when jsonb_array_length(${history}) >= ${changesMax}::int then ${history} - 0 else ${history} end`;
  const change = sql`jsonb_strip_nulls(jsonb_build_object('at', ${at}, 'by', ${by ?? null}::text, 'what', ${what}))`;
  return sql`(${kept}) || ${change}`;
}
