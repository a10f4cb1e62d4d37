// The tables of the notes. `npm run db:generate` writes a migration to drizzle/ after a change here; a migration that has
// been released is never edited. Column names are explicit: the database is also read by other programs.
//
// A trigger, which drizzle does not know of, sets `words` and `unindexed` at each change of a text, whoever makes it;
// see `drizzle/0001_search.sql` and docs/adr/0017.
import { sql } from 'drizzle-orm';
import { bigint, customType, index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' });

export const notes = pgTable(
  'notes',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    title: text('title').notNull(),
    body: text('body').notNull(),
    author: text('author').notNull(),
    // Milliseconds, as JavaScript's: what is answered is what is stored.
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    /** The words of the text, written by the indexer; null until it has been there. */
    words: tsvector('words'),
    /** The number of the change that is not indexed yet: the newest has the highest. Null when `words` is right. */
    unindexed: bigint('unindexed', { mode: 'number' }).default(0),
  },
  ({ id, words, unindexed }) => [
    index('notes_words')
      .using('gin', words)
      .where(sql`${words} is not null`)
      // Kilobytes of new entries that a search has to look through one by one.
      .with({ gin_pending_list_limit: 512 }),
    index('notes_unindexed')
      .on(unindexed, id)
      .where(sql`${unindexed} is not null`),
  ],
);

/** What a note is to those who read it. */
export const noteColumns = {
  id: notes.id,
  title: notes.title,
  body: notes.body,
  author: notes.author,
  createdAt: notes.createdAt,
  updatedAt: notes.updatedAt,
};

/** A note as `noteColumns` reads it. */
export type NoteRow = Pick<typeof notes.$inferSelect, keyof typeof noteColumns>;

/** The words in use, for what is like a word that was mistyped. */
export const noteWords = pgTable('note_words', { word: text('word').primaryKey() });
