// The table of the notes. `npm run db:generate` writes a migration to drizzle/ after a change here; a migration that has
// been released is never edited. Column names are explicit: the database is also read by other programs.
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

export const notes = pgTable('notes', {
  id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
  title: text('title').notNull(),
  body: text('body').notNull(),
  author: text('author').notNull(),
  // Milliseconds, as JavaScript's: what is answered is what is stored.
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
});
