// Compares the index with the texts: what the words of each note should be is worked out anew.
import { sql } from 'drizzle-orm';
import type { SqlRunner } from '../../../src/app/database/internal.ts';
import { NoteWords } from '../../../src/app/indexer/internal.ts';
import { notesTable as notes } from '../../../src/app/notes/internal.ts';

/** Notes compared with one statement. */
const PAGE = 500;

/** The notes of an index that are not marked and whose words are not those of their texts, and how many are marked. */
export async function wronglyIndexed(
  database: SqlRunner,
): Promise<{ readonly wrong: readonly number[]; readonly marked: number }> {
  const wrong: number[] = [];
  let marked = 0;
  for (let last = 0; ;) {
    const texts = await database.run((db) =>
      db
        .select({ id: notes.id, title: notes.title, body: notes.body, author: notes.author })
        .from(notes)
        .where(sql`${notes.id} > ${last}`)
        .orderBy(notes.id)
        .limit(PAGE),
    );
    const end = texts.at(-1)?.id;
    if (end === undefined) return { wrong, marked };
    const expected = JSON.stringify(
      texts.map(({ id, ...text }) => {
        const words = new NoteWords();
        for (const _ of words.collect(text));
        return { id, words: words.toString() };
      }),
    );
    const rows = await database.run((db) =>
      db.select({ id: sql<number>`id`, isMarked: sql<boolean>`is_marked` }).from(
        sql`(select notes.id, unindexed is not null as is_marked
            from json_to_recordset((${expected}::text)::json) as expected(id int, words text)
            join ${notes} on notes.id = expected.id
            where unindexed is not null or notes.words is distinct from expected.words::tsvector) as found`,
      ),
    );
    for (const { id, isMarked } of rows) {
      if (isMarked) marked += 1;
      else wrong.push(id);
    }
    last = end;
  }
}
