// The tables of the notes. `npm run db:generate` writes a migration to drizzle/ after a change here; never edit a released
// migration. Column names are explicit: other programs read the database, too.
//
// A trigger, which drizzle does not know of, sets `words` and `unindexed` at each change of a text, whoever makes it;
// see `drizzle/0001_search.sql` and docs/adr/0017.
import { sql } from 'drizzle-orm';
import { bigint, customType, index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

/** A change of a note, as it is stored. */
export interface StoredChange {
  readonly at: string;
  readonly by?: string;
  /** What it changed: these texts, or nothing but that the note is there again. */
  readonly what: readonly ('title' | 'body' | 'restored')[];
}

/** What people and the service say about a note: columns that a note keeps when it is deleted. */
const said = () => ({
  title: text('title').notNull(),
  body: text('body').notNull(),
  author: text('author').notNull(),
  // Milliseconds, as in JavaScript: what is answered is what is stored.
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  /** Who made the last change; null when there was none, or nobody said. */
  updatedBy: text('updated_by'),
  /** The last changes, the oldest first. */
  history: jsonb('history').$type<readonly StoredChange[]>().notNull().default([]),
});

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' });

export const notes = pgTable(
  'notes',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    ...said(),
    /** The words of the text, written by the indexer; null until then. */
    words: tsvector('words'),
    /** The number of the change that is not indexed yet: the newest has the highest. Null when `words` is current. */
    unindexed: bigint('unindexed', { mode: 'number' }).default(0),
  },
  ({ id, words, unindexed }) => [
    index('notes_words')
      .using('gin', words)
      .where(sql`${words} is not null`)
      // Kilobytes of new entries that a search must scan one by one.
      .with({ gin_pending_list_limit: 512 }),
    index('notes_unindexed')
      .on(unindexed, id)
      .where(sql`${unindexed} is not null`),
  ],
);

/**
 * Notes that were deleted a short time ago, so that it can be undone. They are no notes: nothing that lists, searches or indexes notes has
 * to leave them out (docs/adr/0039).
 */
export const deletedNotes = pgTable(
  'deleted_notes',
  {
    id: integer('id').primaryKey(),
    ...said(),
    deletedAt: timestamp('deleted_at', { withTimezone: true, precision: 3 })
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  ({ deletedAt }) => [index('deleted_notes_deleted_at').on(deletedAt)],
);

/** The columns of a note for readers. */
export const noteColumns = {
  id: notes.id,
  title: notes.title,
  body: notes.body,
  author: notes.author,
  createdAt: notes.createdAt,
  updatedAt: notes.updatedAt,
  updatedBy: notes.updatedBy,
};

/** A note as `noteColumns` reads it. */
export type NoteRow = Pick<typeof notes.$inferSelect, keyof typeof noteColumns>;

/** The words in use, to find those similar to a mistyped one. */
export const noteWords = pgTable('note_words', { word: text('word').primaryKey() });
