// The tables of the events of durable channels. What the columns mean to readers is in the runtime's `ChannelStore`.
import { bigint, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { sql } from 'drizzle-orm';

/** How far each channel has come: its row is locked from an append to the commit, so that positions are in the order of the commits. */
export const channelHeads = pgTable('channel_heads', {
  channel: text('channel').primaryKey(),
  /** Made with the row. Together with what identifies the database it names the history. */
  epoch: text('epoch')
    .notNull()
    .default(sql`gen_random_uuid()::text`),
  position: bigint('position', { mode: 'number' }).notNull().default(0),
});

/** The events that are kept. */
export const channelEvents = pgTable(
  'channel_events',
  {
    channel: text('channel').notNull(),
    position: bigint('position', { mode: 'number' }).notNull(),
    topic: text('topic').notNull(),
    /** JSON, as it was written: `jsonb` would change it. */
    payload: text('payload').notNull(),
    /** Of the append, not of the beginning of its transaction: ages grow in the order of the positions. */
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 })
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  ({ channel, position }) => [primaryKey({ columns: [channel, position] })],
);
