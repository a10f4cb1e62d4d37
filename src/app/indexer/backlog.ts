// The notes that are not indexed yet, and the work on them.
//
// - A trigger of the database marks a note at each change, whoever makes it, and numbers the changes. Words are written only if
//   the note still has the number it was read with: a note changed meanwhile stays marked. So the work can be interrupted at any
//   moment, and several can do it at once.
// - The newest changes come first, and of those the quick notes, so that a note is found right after its change whatever else
//   there is to do: large notes of others do not delay it.
// - Little is read at a time, by number and by bytes, and the event loop gets its turn while text is cut into words.
// - A request during a step gets the next step: the running one may have read before the requester's change.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';
import { DatabaseQueryError } from '../database/errors.ts';
import { Vacuum } from '../database/vacuum.ts';
import { noteLimits } from '../notes/note.ts';
import { notes } from '../notes/schema.ts';
import { NoteWords, type Text } from './tsvector.ts';
import { type Vocabulary, vocabularyOf } from './vocabulary.ts';

/**
 * Notes read at a time, and bytes of their texts after which no further note is read; they are chosen from this many of the newest
 * changes.
 */
export const readMax = { notes: 50, bytes: 64_000, candidates: 200 } as const;

/** `Backlog.pending` counts no further than this. */
const pendingMax = 10_000;

/** How long text is cut into words before others get their turn on this thread. */
const TURN_MS = 5;
/** Two wrote at once, and one must try again: a deadlock, a conflict. */
const AGAIN = new Set(['40P01', '40001']);

/** A note that cannot be found by its words, and why. */
export interface NotIndexed {
  readonly id: number;
  readonly problem: string;
}

/** What remains to be indexed, wherever the notes are. */
export interface Backlog {
  /**
   * Indexes some of the waiting notes, the newest change first. It reads after the call, so it sees every change answered before.
   * @returns whether there are more
   * @throws as `SqlRunner.run`
   */
  step(): Promise<boolean>;
  /** Does work that can wait until nothing is left to index. @returns whether there is more of it */
  tidy(): Promise<boolean>;
  /** Prepares, the first time only. @returns what is missing and what to do about it; undefined when nothing is */
  prepare(): Promise<string | undefined>;
  /** How many notes are to be indexed, counted up to `pendingMax`. Left out where another instance indexes them. */
  pending?(): Promise<number>;
}

interface Unindexed extends Text {
  readonly id: number;
  readonly change: number;
}

interface Indexed {
  readonly id: number;
  readonly change: number;
  /** The text of a `tsvector`. */
  readonly words: string;
}

/** The backlog of a database. */
export class DatabaseBacklog implements Backlog {
  readonly #database: Database;
  readonly #vocabulary: Vocabulary;
  readonly #vacuum: Vacuum;
  readonly #onNotIndexed: (what: NotIndexed) => void;
  #running: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;

  constructor(database: Database, vocabulary: Vocabulary, onNotIndexed: (what: NotIndexed) => void) {
    this.#database = database;
    this.#vocabulary = vocabulary;
    this.#vacuum = new Vacuum(database);
    this.#onNotIndexed = onNotIndexed;
  }

  step(): Promise<boolean> {
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async tidy(): Promise<boolean> {
    await this.#vocabulary.clean();
    const isVacuuming = await this.#vacuum.step();
    return isVacuuming || this.#vocabulary.isCleaningDue;
  }

  async prepare(): Promise<string | undefined> {
    const problem = await this.#vocabulary.prepare();
    return (
      problem &&
      `searches do not forgive typing errors, since pg_trgm cannot be used (${problem}): if it is missing, install it beside the ` +
        'server (it comes with postgresql-contrib); run "create extension pg_trgm" in this database as its owner, and restart ' +
        'the service'
    );
  }

  async pending(): Promise<number> {
    const [row] = await this.#database.run((db) =>
      db
        .select({ count: sql<string>`count(*)` })
        .from(sql`(select 1 from ${notes} where unindexed is not null limit ${pendingMax}) as pending`),
    );
    return Number(row?.count ?? 0);
  }

  async #after(running: Promise<boolean> | undefined): Promise<boolean> {
    await running?.catch(() => {}); // its requester gets the error
    this.#next = undefined;
    this.#running = this.#step();
    return await this.#running;
  }

  async #step(): Promise<boolean> {
    const { batch, isAll } = await this.#read();
    if (batch.length === 0) return false;
    const indexed: Indexed[] = [];
    const vocabulary: string[] = [];
    let turnEnd = performance.now() + TURN_MS;
    for (const { id, change, ...text } of batch) {
      const words = new NoteWords();
      for (const _ of words.collect(text)) {
        if (performance.now() < turnEnd) continue;
        await nextTurn();
        turnEnd = performance.now() + TURN_MS;
      }
      indexed.push({ id, change, words: words.toString() });
      vocabulary.push(...vocabularyOf(words.words));
    }
    const written = await this.#write(indexed, vocabulary);
    return !isAll || written < batch.length;
  }

  /** Other programs may have stored texts of any length: what exceeds the service's limits is not read. */
  async #read(): Promise<{ readonly batch: Unindexed[]; readonly isAll: boolean }> {
    const columns = {
      id: sql<number>`id`,
      change: sql<string>`change`,
      title: sql<string>`title`,
      author: sql<string>`author`,
      body: sql<string>`body`,
      total: sql<string>`total`,
    };
    const bytes = sql`least(octet_length(body), ${noteLimits.body * 4}::int)`;
    const inTurn = sql`order by ${bytes} / ${readMax.bytes}::int, unindexed desc, id desc`;
    const rows = await this.#database.run((db) =>
      db.select(columns).from(sql`(
        select id, unindexed as change, left(title, ${noteLimits.title}::int) as title,
          left(author, ${noteLimits.author}::int) as author, left(body, ${noteLimits.body}::int) as body, total
        from (
          select *, sum(${bytes}) over (${inTurn} rows between unbounded preceding and 1 preceding) as bytes_before,
            row_number() over (${inTurn}) as place, count(*) over () as total
          from (
            select id, unindexed, title, author, body from ${notes} where unindexed is not null
            order by unindexed desc, id desc limit ${readMax.candidates}
          ) as newest
        ) as sized where coalesce(bytes_before, 0) < ${readMax.bytes}::int and place <= ${readMax.notes}
      ) as unindexed`),
    );
    const total = Number(rows[0]?.total ?? 0);
    const batch = rows.map(({ id, change, title, author, body }) => {
      return { id, change: Number(change), title, author, body };
    });
    return { batch, isAll: batch.length === total };
  }

  /** @returns how many are indexed; the others were changed meanwhile */
  async #write(indexed: readonly Indexed[], vocabulary: readonly string[]): Promise<number> {
    try {
      return await this.#store(indexed, vocabulary);
    } catch (error) {
      if (!(error instanceof DatabaseQueryError)) throw error;
      if (AGAIN.has(error.sqlState)) return 0;
      // One of them must not block the others, or the service.
      let written = 0;
      for (const note of indexed) written += await this.#storeAlone(note);
      return written;
    }
  }

  async #storeAlone(note: Indexed): Promise<number> {
    try {
      return await this.#store([note], []);
    } catch (error) {
      if (!(error instanceof DatabaseQueryError) || AGAIN.has(error.sqlState)) throw error;
      const written = await this.#store([{ ...note, words: '' }], []);
      this.#onNotIndexed({ id: note.id, problem: error.message });
      return written;
    }
  }

  async #store(indexed: readonly Indexed[], vocabulary: readonly string[]): Promise<number> {
    const values = sql`json_to_recordset((${JSON.stringify(indexed)}::text)::json) as written(id int, change bigint, words text)`;
    return await this.#database.transaction(async (transaction) => {
      await transaction.run((db) => this.#vocabulary.add(db, vocabulary));
      const written = await transaction.run((db) =>
        db
          .update(notes)
          .set({ words: sql`written.words::tsvector`, unindexed: null })
          .from(values)
          .where(sql`${notes.id} = written.id and ${notes.unindexed} = written.change`)
          .returning({ id: notes.id }),
      );
      return written.length;
    });
  }
}
