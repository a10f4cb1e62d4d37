// The search in the database: the notes with the words of a query, the best first, a page at a time.
//
// - First it indexes recent changes, within bounds: a search after a change finds it, on every instance. If more remains, the answer
//   says so.
// - The cost is bounded whatever the words are. Words in many notes are looked for among the newest notes, words in few notes in the
//   index; the newest `rankedMax` of the matches are ranked, and only the texts of a page are read. The server's time limit for
//   a statement applies as well.
// - A page begins after the rank and the id of the last note of the previous one.
import { sql, type SQL } from 'drizzle-orm';
import type { Database, Queryable, SqlRunner } from '../database/database.ts';
import { DatabaseQueryError } from '../database/errors.ts';
import type { Note } from '../notes/note.ts';
import { BadCursorError, type NoteSearch, type PageRequest, type SearchPage } from '../notes/page.ts';
import { isNoteId, toNote } from '../notes/repository.ts';
import { noteColumns, notes } from '../notes/schema.ts';
import type { Backlog } from './backlog.ts';
import { NoteQuery } from './query.ts';
import { planned, type Vocabulary } from './vocabulary.ts';

/** Notes that are ranked, at most: the newest matches. */
const rankedMax = 1_000;

/** Steps of indexing that a search does first, at most. */
const STEPS_MAX = 4;
/** Notes that are scanned, the newest first, before the index is asked. */
const NEWEST = 2_000;
/** Notes taken from the index; if there are more, the newest `DEEP` are scanned. */
const FOUND_MAX = 5_000;
const DEEP = 50_000;
/** Bytes of words that are scanned, or ranked; matches beyond that have no rank. */
const BYTES_MAX = 16_000_000;
/** Weights of a word in body or author (D, C, B), and in the title (A). */
const WEIGHTS = sql.raw("'{0.5, 0.5, 0.5, 1}'");
const CURSOR = /^(\d{1,2}(?:\.\d{1,20})?(?:e-\d{1,3})?)_(\d{1,10})$/;

interface Match {
  readonly id: number;
  readonly rank: number;
}

interface Sought {
  readonly query: string;
  /** The same without the words similar to mistyped ones. */
  readonly exact: string;
}

/** Searches a database. */
export class DatabaseSearch implements NoteSearch {
  readonly #database: Database;
  readonly #backlog: Backlog;
  readonly #vocabulary: Vocabulary;

  constructor(database: Database, backlog: Backlog, vocabulary: Vocabulary) {
    this.#database = database;
    this.#backlog = backlog;
    this.#vocabulary = vocabulary;
  }

  async search(text: string, page: PageRequest): Promise<SearchPage> {
    const after = page.after === undefined ? undefined : parseCursor(page.after);
    const query = new NoteQuery(text);
    if (query.isEmpty) return { notes: [], next: undefined, indexing: false };
    const indexing = await this.#catchUp();
    const forgiving = (await this.#vocabulary.prepare()) === undefined ? query.forgiving : [];
    return await this.#database.transaction(async (transaction) => {
      await transaction.run((db) => planned(db));
      const similar = await this.#vocabulary.similar(transaction, forgiving);
      const sought = { query: query.toTsquery(similar), exact: query.toTsquery() };
      const matches = (await matchesOf(transaction, sought)).toSorted(inOrder);
      const rest = after === undefined ? matches : matches.filter((match) => inOrder(after, match) < 0);
      return { ...(await readPage(transaction, rest, page)), indexing };
    });
  }

  /** @returns whether notes may remain that are not indexed */
  async #catchUp(): Promise<boolean> {
    try {
      for (let step = 0; step < STEPS_MAX; step++) if (!(await this.#backlog.step())) return false;
    } catch (error) {
      // A database that refuses writes can be searched all the same; the indexer reports the refusal.
      if (!(error instanceof DatabaseQueryError)) throw error;
    }
    return true;
  }
}

async function matchesOf(transaction: SqlRunner, sought: Sought): Promise<Match[]> {
  const newest = await transaction.run((db) => amongNewest(db, sought, NEWEST));
  if (newest.length >= rankedMax) return newest;
  const indexed = await transaction.run((db) => inIndex(db, sought));
  if (indexed.length < rankedMax || Number(indexed[0]?.total) < FOUND_MAX) return indexed;
  const deep = await transaction.run((db) => amongNewest(db, sought, DEEP));
  const distinct = new Map([...deep, ...indexed].map((match) => [match.id, match]));
  return [...distinct.values()].toSorted((a, b) => b.id - a.id).slice(0, rankedMax);
}

function amongNewest(db: Queryable, sought: Sought, count: number): Promise<Match[]> {
  return db.select({ id: sql<number>`id`, rank: rankOf(sought) }).from(sql`(
    select id, words, bytes from (
      select id, words, ${bytesBefore} as bytes
      from (select id, words from ${notes} order by id desc limit ${count}::int) as newest
    ) as sized where bytes < ${BYTES_MAX}::int and words @@ ${tsquery(sought.query)}
    order by id desc limit ${rankedMax}::int
  ) as found`);
}

function inIndex(db: Queryable, sought: Sought) {
  const columns = { id: sql<number>`id`, rank: rankOf(sought), total: sql<string>`total` };
  return db.select(columns).from(sql`(
    select id, words, ${bytesBefore} as bytes, count(*) over () as total
    from (select id, words from ${notes} where words @@ ${tsquery(sought.query)} limit ${FOUND_MAX}::int) as matching
    order by id desc limit ${rankedMax}::int
  ) as found`);
}

/** The bytes of all newer notes; the database knows the size without reading the words. */
const bytesBefore = sql`coalesce(sum(pg_column_size(words)) over (order by id desc rows between unbounded preceding and 1 preceding), 0)`;

/** Exact matches come before similar ones. */
function rankOf({ query, exact }: Sought): SQL<number> {
  const rank = sql`ts_rank(${WEIGHTS}, words, ${tsquery(query)})`;
  const whole = query === exact ? rank : sql`(words @@ ${tsquery(exact)})::int + ${rank}`;
  return sql<number>`(case when bytes < ${BYTES_MAX}::int then ${whole} else 0 end)::float8`.mapWith(Number);
}

function tsquery(text: string): SQL {
  return sql`(${text}::text)::tsquery`;
}

/** The best first; among equals, the newest. */
function inOrder(a: Match, b: Match): number {
  return b.rank - a.rank || b.id - a.id;
}

async function readPage(transaction: SqlRunner, rest: readonly Match[], { limit, maxBytes }: PageRequest) {
  const wanted = rest.slice(0, limit);
  const found = wanted.length === 0 ? [] : await transaction.run((db) => readNotes(db, wanted, maxBytes));
  // The page may be full before the last of them; notes deleted meanwhile are missing, too.
  const last = found.at(-1)?.isFull === true ? wanted[found.at(-1)!.place - 1] : wanted.at(-1);
  const next = last === undefined || last === rest.at(-1) ? undefined : cursorOf(last);
  return { notes: found.map(({ note }) => note), next };
}

interface Read {
  readonly note: Note;
  /** The place among the requested ones, from 1. */
  readonly place: number;
  /** Whether it ends the page. */
  readonly isFull: boolean;
}

async function readNotes(db: Queryable, wanted: readonly Match[], maxBytes: number): Promise<Read[]> {
  const ids = JSON.stringify(wanted.map(({ id }) => id));
  const columns = { ...noteColumns, place: sql<string>`place`, bytes: sql<string>`bytes` };
  const size = sql`octet_length(title) + octet_length(body) + octet_length(author)`;
  const page = sql`(
    select wanted.id::int as wanted, place, sum(${size}) over (order by place) as bytes,
      sum(${size}) over (order by place rows between unbounded preceding and 1 preceding) as bytes_before
    from json_array_elements_text((${ids}::text)::json) with ordinality as wanted(id, place)
    join ${notes} on notes.id = wanted.id::int
  ) as page`;
  const rows = await db
    .select(columns)
    .from(notes)
    .innerJoin(page, sql`${notes.id} = wanted and coalesce(bytes_before, 0) < ${maxBytes}::bigint`)
    .orderBy(sql`place`);
  return rows.map(({ place, bytes, ...row }) => ({
    note: toNote(row),
    place: Number(place),
    isFull: Number(bytes) >= maxBytes,
  }));
}

function cursorOf({ rank, id }: Match): string {
  return `${rank}_${id}`;
}

function parseCursor(text: string): Match {
  const [, rank, id] = CURSOR.exec(text) ?? [];
  if (rank === undefined || id === undefined || !isNoteId(Number(id)))
    throw new BadCursorError('the cursor is not from a search');
  return { rank: Number(rank), id: Number(id) };
}
