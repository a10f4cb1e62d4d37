// Reads and writes notes, in the database or inside one of its transactions: the caller chooses the runner.
//
// - Newest first means by id, descending: ids ascend, and no second note gets one. A missing note is `undefined` or `false`, not an error,
//   and so is an id that no note can have.
// - Each version of a note is later than the one before, whatever the clock says: followers of the changes tell by it which is the newest.
// - A deleted note can be restored for a while; see `deleted.ts`.
// Errors are those of `SqlRunner.run`.
import { desc, eq, lt, sql } from 'drizzle-orm';
import type { Queryable, SqlRunner } from '../database/database.ts';
import type { NewNote, Note, NoteChange } from './note.ts';
import { bringBack, type DeletedLimit, moveAway, removeOld } from './deleted.ts';
import { type Change, changesOf, laterThan, withChange } from './history.ts';
import { assertPage, BadCursorError, type NotePage, type PageRequest } from './page.ts';
import { noteColumns, type NoteRow, notes } from './schema.ts';

const ID_MAX = 2_147_483_647;

/** Reads notes. */
export interface NoteReader {
  /**
   * A page of the notes, newest first; the database reads only what is on it. Creating or deleting notes meanwhile moves no
   * others to another page.
   * @throws BadCursorError for a `page.after` that `list` did not write
   */
  list(page: PageRequest): Promise<NotePage>;
  get(id: number): Promise<Note | undefined>;
  /** The last changes of a note, the newest first. */
  changes(id: number): Promise<readonly Change[] | undefined>;
}

export interface NoteRepository extends NoteReader {
  /** Creates a note; both of its times are now. */
  create(note: NewNote): Promise<Note>;
  /** Changes title and body, and sets `updatedAt` to now, or later if it would not grow otherwise. @returns the changed note */
  update(id: number, change: NoteChange): Promise<Note | undefined>;
  /** Whether there was such a note. It can be restored for a while. */
  delete(id: number): Promise<boolean>;
  /**
   * Brings back a note that was deleted less than `maxAgeMs` ago, with its id and its texts, as a later version.
   * @returns undefined when there is none to bring back
   */
  restore(id: number, maxAgeMs: number, by?: string): Promise<Note | undefined>;
  /** Removes for good some of the deleted notes that exceed the limit. @returns whether there may be more of them */
  purge(limit: DeletedLimit): Promise<boolean>;
}

/** Whether a note can have this id: a whole number from 1 to 2,147,483,647. */
export function isNoteId(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= ID_MAX;
}

/** The notes of a database, or as a transaction sees them. */
export function createNoteRepository(runner: SqlRunner): NoteRepository {
  return {
    async list(page) {
      assertPage(page);
      const before = page.after === undefined ? undefined : readCursor(page.after);
      const rows = await runner.run((db) => pageBefore(db, before, page));
      const last = rows.at(-1);
      return {
        notes: rows.map(({ note }) => toNote(note)),
        next: last?.isLast === false ? writeCursor(last.note.id) : undefined,
      };
    },

    async get(id) {
      if (!isNoteId(id)) return undefined;
      const [row] = await runner.run((db) => db.select(noteColumns).from(notes).where(eq(notes.id, id)));
      return row && toNote(row);
    },

    async changes(id) {
      if (!isNoteId(id)) return undefined;
      const columns = { history: notes.history, author: notes.author, createdAt: notes.createdAt };
      const [row] = await runner.run((db) => db.select(columns).from(notes).where(eq(notes.id, id)));
      return row && changesOf(row);
    },

    async create({ title, body, author }) {
      const [row] = await runner.run((db) =>
        db.insert(notes).values({ title, body, author }).returning(noteColumns),
      );
      if (row === undefined) throw new Error('an insert returned no row');
      return toNote(row);
    },

    async update(id, { title, body, updatedBy }) {
      if (!isNoteId(id)) return undefined;
      const updatedAt = laterThan(notes.updatedAt);
      const what = sql`array_remove(array[
        case when ${notes.title} is distinct from ${title}::text then 'title' end,
        case when ${notes.body} is distinct from ${body}::text then 'body' end], null)`;
      const history = withChange(notes.history, updatedAt, updatedBy, what);
      const values = { title, body, updatedAt, updatedBy: updatedBy ?? null, history };
      const [row] = await runner.run((db) =>
        db.update(notes).set(values).where(eq(notes.id, id)).returning(noteColumns),
      );
      return row && toNote(row);
    },

    async delete(id) {
      if (!isNoteId(id)) return false;
      return await runner.run((db) => moveAway(db, id));
    },

    async restore(id, maxAgeMs, by) {
      if (!isNoteId(id) || !(await runner.run((db) => bringBack(db, id, maxAgeMs, by)))) return undefined;
      return await this.get(id);
    },

    purge: (limit) => runner.run((db) => removeOld(db, limit)),
  };
}

/**
 * The newest notes with ids below `before`. The database decides how many fit: it knows the size of a text without reading it.
 */
function pageBefore(db: Queryable, before: number | undefined, { limit, maxBytes }: PageRequest) {
  const newest = db
    .select({
      id: notes.id,
      bytes:
        sql<number>`octet_length(${notes.title}) + octet_length(${notes.body}) + octet_length(${notes.author})`.as(
          'bytes',
        ),
    })
    .from(notes)
    .where(before === undefined ? undefined : lt(notes.id, before))
    .orderBy(desc(notes.id))
    .limit(limit + 1)
    .as('newest');
  const placed = db
    .select({
      id: newest.id,
      place: sql<number>`row_number() over (order by ${newest.id} desc)`.as('place'),
      bytesBefore: sql<number>`sum(${newest.bytes}) over (order by ${newest.id} desc) - ${newest.bytes}`.as(
        'bytes_before',
      ),
      oldest: sql<number>`min(${newest.id}) over ()`.as('oldest'),
    })
    .from(newest)
    .as('placed');
  return db
    .select({ note: noteColumns, isLast: sql<boolean>`${notes.id} = ${placed.oldest}` })
    .from(notes)
    .innerJoin(placed, eq(placed.id, notes.id))
    .where(sql`${placed.place} <= ${limit} and ${placed.bytesBefore} < ${maxBytes}`)
    .orderBy(desc(notes.id));
}

/** A cursor names the last note of the previous page, in a form that invites nobody to construct one. */
function writeCursor(id: number): string {
  return Buffer.from(`note ${id}`).toString('base64url');
}

/** @throws BadCursorError for what `writeCursor` did not write */
function readCursor(cursor: string): number {
  const id = Number(/^note (\d{1,10})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1]);
  if (!isNoteId(id) || writeCursor(id) !== cursor) {
    throw new BadCursorError('the cursor is not from a list of the notes');
  }
  return id;
}

/** A row as a note. */
export function toNote({ createdAt, updatedAt, updatedBy, ...row }: NoteRow): Note {
  const times = { createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
  return { ...row, ...times, ...(updatedBy !== null && { updatedBy }) };
}
