// Reads and writes notes, in the database or inside one of its transactions: the caller chooses the runner.
//
// Newest first means by id, descending: ids ascend and are never reused. A missing note is `undefined` or `false`, not an error,
// and so is an id that no note can have.
// Errors are those of `SqlRunner.run`.
import { desc, eq, lt, sql } from 'drizzle-orm';
import type { Queryable, SqlRunner } from '../database/database.ts';
import type { NewNote, Note, NoteChange } from './note.ts';
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
}

export interface NoteRepository extends NoteReader {
  /** Creates a note; both of its times are now. */
  create(note: NewNote): Promise<Note>;
  /** Changes title and body, and sets `updatedAt` to now, or later if it would not grow otherwise. @returns the changed note */
  update(id: number, change: NoteChange): Promise<Note | undefined>;
  /** Whether there was such a note. */
  delete(id: number): Promise<boolean>;
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

    async create({ title, body, author }) {
      const [row] = await runner.run((db) =>
        db.insert(notes).values({ title, body, author }).returning(noteColumns),
      );
      if (row === undefined) throw new Error('an insert returned no row');
      return toNote(row);
    },

    async update(id, { title, body }) {
      if (!isNoteId(id)) return undefined;
      // Later than before even when the clock has not moved, or the statement waited for another change of the note: followers
      // of the changes tell by it which version is the newest.
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
export function toNote({ createdAt, updatedAt, ...row }: NoteRow): Note {
  return { ...row, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
