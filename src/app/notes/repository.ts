// Reads and writes notes. On the database, or inside a transaction of it: whoever makes a repository says on what.
//
// Newest first means by id, descending: ids are given in ascending order and never again. A note that is not there is
// `undefined` or `false`, not an error, and so is an id that no note can have.
// Errors are those of `SqlRunner.run`.
import { asc, desc, eq, gt, inArray, lt, sql } from 'drizzle-orm';
import type { SqlRunner } from '../database/database.ts';
import type { NewNote, Note, NoteChange } from './note.ts';
import { noteColumns, type NoteRow, notes } from './schema.ts';

/** Notes in one answer of `list`, at most and when nothing else is asked. */
export const listLimitMax = 500;
/** Notes in one answer of `getMany`, at most. */
export const getManyMax = 1_000;
/** Notes in one batch of `all`, when nothing else is asked. */
const batchSizeDefault = 200;

const ID_MAX = 2_147_483_647;

export interface NoteRepository {
  /**
   * The newest notes, newest first.
   * @param options.limit how many, from 1 to `listLimitMax`, which is what it is when left out
   * @param options.before only notes with ids below this whole number, to go on after the last one of an answer
   */
  list(options?: { readonly limit?: number; readonly before?: number }): Promise<Note[]>;
  /** Notes with ids above this whole number, by id ascending, at most `limit` (from 1 to `getManyMax`). */
  listAfter(after: number, limit: number): Promise<Note[]>;
  get(id: number): Promise<Note | undefined>;
  /** The notes with these ids, at most `getManyMax`, in the order of the ids; those that are not there are left out. */
  getMany(ids: readonly number[]): Promise<Note[]>;
  /**
   * Every note, in batches of `options.batchSize` (200 when left out, at most `getManyMax`), by id ascending. It is no snapshot: each batch is as it is when it is read. A note that is
   * written while one iterates may be missed, so who follows the changes starts to before this.
   */
  all(options?: { readonly batchSize?: number }): AsyncGenerator<Note[], void, undefined>;
  /** Makes a note; both of its times are now. */
  create(note: NewNote): Promise<Note>;
  /** Changes title and body, and `updatedAt` to now, or later where it must differ from the one before; answers the note as it is afterwards. */
  update(id: number, change: NoteChange): Promise<Note | undefined>;
  /** Whether there was such a note. */
  delete(id: number): Promise<boolean>;
}

/** Whether a note can have this id: a whole number from 1 to 2,147,483,647. */
export function isNoteId(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= ID_MAX;
}

/** The notes of a database, or as one of its transactions sees them. */
export function createNoteRepository(runner: SqlRunner): NoteRepository {
  return {
    async list({ limit = listLimitMax, before } = {}) {
      assertWithin('limit', limit, listLimitMax);
      if (before !== undefined && before <= 1) return [];
      const older = before === undefined || before > ID_MAX ? undefined : lt(notes.id, before);
      const rows = await runner.run((db) =>
        db.select(noteColumns).from(notes).where(older).orderBy(desc(notes.id)).limit(limit),
      );
      return rows.map(toNote);
    },

    async get(id) {
      if (!isNoteId(id)) return undefined;
      const [row] = await runner.run((db) => db.select(noteColumns).from(notes).where(eq(notes.id, id)));
      return row && toNote(row);
    },

    async getMany(ids) {
      if (ids.length > getManyMax) throw new RangeError(`at most ${getManyMax} ids, not ${ids.length}`);
      const possible = [...new Set(ids.filter(isNoteId))];
      if (possible.length === 0) return [];
      const rows = await runner.run((db) =>
        db.select(noteColumns).from(notes).where(inArray(notes.id, possible)),
      );
      const found = new Map(rows.map((row) => [row.id, toNote(row)]));
      return ids.map((id) => found.get(id)).filter((note) => note !== undefined);
    },

    async listAfter(after, limit) {
      assertWithin('limit', limit, getManyMax);
      if (after >= ID_MAX) return [];
      const rows = await runner.run((db) =>
        db.select(noteColumns).from(notes).where(gt(notes.id, after)).orderBy(asc(notes.id)).limit(limit),
      );
      return rows.map(toNote);
    },

    async *all({ batchSize = batchSizeDefault } = {}) {
      assertWithin('batchSize', batchSize, getManyMax);
      yield* allOf(this, batchSize);
    },

    async create({ title, body, author }) {
      const [row] = await runner.run((db) =>
        db.insert(notes).values({ title, body, author }).returning(noteColumns),
      );
      if (row === undefined) throw new Error('an insert answered no row');
      return toNote(row);
    },

    async update(id, { title, body }) {
      if (!isNoteId(id)) return undefined;
      // Later than before also when the clock has not moved, or the statement waited for another change of the note: who
      // follows the changes tells by it which version is the newest.
      const updatedAt = sql`greatest(clock_timestamp(), ${notes.updatedAt} + interval '1 millisecond')`;
      const values = { title, body, updatedAt };
      const [row] = await runner.run((db) =>
        db.update(notes).set(values).where(eq(notes.id, id)).returning(noteColumns),
      );
      return row && toNote(row);
    },

    async delete(id) {
      if (!isNoteId(id)) return false;
      const rows = await runner.run((db) =>
        db.delete(notes).where(eq(notes.id, id)).returning({ id: notes.id }),
      );
      return rows.length > 0;
    },
  };
}

/** Every note that a repository has, in batches; see `NoteRepository.all`. */
export async function* allOf(
  repository: Pick<NoteRepository, 'listAfter'>,
  batchSize: number,
): AsyncGenerator<Note[], void, undefined> {
  let last = 0;
  for (;;) {
    const batch = await repository.listAfter(last, batchSize);
    const end = batch.at(-1);
    if (end === undefined) return;
    yield batch;
    if (batch.length < batchSize) return;
    last = end.id;
  }
}

/** A row as a note. */
export function toNote({ createdAt, updatedAt, ...row }: NoteRow): Note {
  return { ...row, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

/** @throws RangeError for a value that is none of 1 to `max`. */
export function assertWithin(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new RangeError(`${name} must be a whole number from 1 to ${max}, not ${value}`);
}
