// The words in use, in a table of the database, so that a mistyped word leads to similar ones.
//
// - PostgreSQL's extension pg_trgm finds them. Without it typing errors are not forgiven, and everything else works.
// - Words similar to too many others are not forgiven: a search compares a bounded number (`crowds.ts`).
// - Words that no note has any longer are removed: each added word has two others checked, in turn. So the table grows with the
//   present text, not with past text.
// - A word is added in the transaction that writes it for a note, under a shared lock, and removed under the exclusive one: a word
//   that has just come into use is not removed.
import { asc, gt, inArray, sql } from 'drizzle-orm';
import type { Database, Queryable, SqlRunner } from '../database/database.ts';
import { notes, noteWords } from '../notes/schema.ts';
import { comparedMax, Crowds } from './crowds.ts';
import { distance, slipsIn } from './query.ts';
import { lexeme } from './tsvector.ts';

/** Words added for a note, at most. */
const addedMax = 2_000;
/** Similar words used for a mistyped one, at most. */
const similarMax = 8;

/** Words that share a part with a mistyped one, of which the nearest are taken. */
const CANDIDATES_MAX = 50;
/** pg_trgm's own 0.3 misses two swapped letters of a short word. */
const SIMILARITY = 0.2;
/** Words checked for each added one. */
const LOOKED_AT = 2;
/** Words checked in one statement. */
const SLICE_MAX = 200;
/** Most words in use are in one of this many newest notes. */
const NEWEST = 200;
/** Shorter words are never the nearest. */
const WORD_MIN = 4;
const WORD = /^\p{L}+$/u;
/** Any number that no other lock of the same database uses. */
const LOCK = sql.raw("x'6e6f7465776f7264'::bigint");

/** The words in use. */
export class Vocabulary {
  readonly #database: Database;
  #preparation: Promise<string | undefined> | undefined;
  /** Words left to check. */
  #due = 0;
  /** The last checked word. */
  #last = '';

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Creates what finds similar words, unless it exists; the first time only.
   * @returns why typing errors are not forgiven; undefined when they are
   * @throws as `SqlRunner.run`; then it can be tried again
   */
  prepare(): Promise<string | undefined> {
    this.#preparation ??= this.#prepare().catch((error: unknown) => {
      this.#preparation = undefined;
      throw error;
    });
    return this.#preparation;
  }

  async #prepare(): Promise<string | undefined> {
    const [answer] = await this.#database.run((db) =>
      db.select({ problem: sql<string | null>`problem` }).from(sql`notes_forgive_typos() as problem`),
    );
    return answer?.problem ?? undefined;
  }

  /** Adds the words of a note, in the transaction that writes them into it. */
  async add(db: Queryable, words: Iterable<string>): Promise<void> {
    // In one order, so that two transactions that add the same words do not wait for each other.
    const sorted = [...new Set(words)].toSorted();
    if (sorted.length === 0) return;
    await db.select({ lock: sql`1` }).from(sql`pg_advisory_xact_lock_shared(${LOCK}) as lock`);
    const values = sql`select word from json_array_elements_text((${JSON.stringify(sorted)}::text)::json) as word`;
    const added = await db
      .insert(noteWords)
      .select(values)
      .onConflictDoNothing()
      .returning({ word: noteWords.word });
    this.#due += added.length * LOOKED_AT;
  }

  /** Whether there are words to check. */
  get isCleaningDue(): boolean {
    return this.#due > 0;
  }

  /** Removes some of the words that no note has any longer. */
  async clean(): Promise<void> {
    const count = Math.min(this.#due, SLICE_MAX);
    if (count === 0) return;
    await this.#database.transaction(async (transaction) => {
      await transaction.run((db) =>
        db.select({ lock: sql`1` }).from(sql`pg_advisory_xact_lock(${LOCK}) as lock`),
      );
      await transaction.run((db) => planned(db));
      const rows = await transaction.run((db) =>
        db
          .select()
          .from(noteWords)
          .where(gt(noteWords.word, this.#last))
          .orderBy(asc(noteWords.word))
          .limit(count),
      );
      const unused = await transaction.run((db) => unusedOf(db, rows));
      if (unused.length > 0)
        await transaction.run((db) => db.delete(noteWords).where(inArray(noteWords.word, unused)));
      this.#last = rows.length < count ? '' : (rows.at(-1)?.word ?? '');
    });
    this.#due -= count;
  }

  /** For each mistyped word, the similar words in use, the nearest first; in a `planned` transaction. */
  async similar(transaction: SqlRunner, words: readonly string[]): Promise<Map<string, readonly string[]>> {
    const similar = new Map<string, readonly string[]>();
    if (words.length === 0) return similar;
    const crowds = await Crowds.of(transaction, words.length);
    let left = comparedMax;
    for (const word of words) {
      const comparisons = crowds.comparisonsWith(word, SIMILARITY);
      if (comparisons > left) continue;
      left -= comparisons;
      similar.set(word, await transaction.run((db) => similarTo(db, word)));
    }
    return similar;
  }
}

async function similarTo(db: Queryable, word: string): Promise<string[]> {
  const slips = slipsIn(word);
  const rows = await db
    .select()
    .from(noteWords)
    .where(
      sql`${noteWords.word} % ${word} and length(${noteWords.word}) between ${word.length - slips}::int and ${word.length + slips}::int`,
    )
    .orderBy(sql`similarity(${noteWords.word}, ${word}) desc`, asc(noteWords.word))
    .limit(CANDIDATES_MAX);
  return rows
    .map((row) => ({ word: row.word, slips: distance(row.word, word) }))
    .filter((found) => found.slips > 0 && found.slips <= slips)
    .toSorted((a, b) => a.slips - b.slips)
    .slice(0, similarMax)
    .map((found) => found.word);
}

/** The words of a note that are candidates for a mistyped one, at most as many as are added. */
export function vocabularyOf(words: Iterable<string>): string[] {
  const known: string[] = [];
  for (const word of words) {
    if (known.length >= addedMax) break;
    if (word.length >= WORD_MIN && WORD.test(word)) known.push(word);
  }
  return known;
}

/**
 * For the rest of a transaction: indexes are used, however many notes the planner expects, and similarity begins at
 * `SIMILARITY`.
 */
export async function planned(db: Queryable): Promise<void> {
  await db
    .select({ set: sql`1` })
    .from(
      sql`(select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), set_config('pg_trgm.similarity_threshold', ${String(SIMILARITY)}, true)) as settings`,
    );
}

async function unusedOf(db: Queryable, rows: readonly { readonly word: string }[]): Promise<string[]> {
  if (rows.length === 0) return [];
  const queries = rows.map(({ word }) => ({ word, query: lexeme(word, false) }));
  // In two steps: a word in many notes is in one of the newest, and a word in few notes is found in the index.
  const found = await db.select({ word: sql<string>`word` }).from(sql`(
    select word from json_to_recordset((${JSON.stringify(queries)}::text)::json) as looked(word text, query text)
    where not exists (
      select from (select ${notes.words} from ${notes} order by ${notes.id} desc limit ${NEWEST}) as newest
      where newest.words @@ looked.query::tsquery
    ) and not exists (select from ${notes} where ${notes.words} @@ looked.query::tsquery)
  ) as unused`);
  return found.map(({ word }) => word);
}
