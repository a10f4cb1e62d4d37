// The tables of the events of durable channels. The runtime's `ChannelStore` says what the columns mean to readers.
import { bigint, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';
import { sql } from 'drizzle-orm';

/** The last position of each channel: its row is locked from an append to the commit, so that positions are in commit order. */
export const channelHeads = pgTable('channel_heads', {
  channel: text('channel').primaryKey(),
  /** Generated with the row. It names the history, together with the identity of the database. */
  epoch: text('epoch')
    .notNull()
    .default(sql`gen_random_uuid()::text`),
  position: bigint('position', { mode: 'number' }).notNull().default(0),
});

/** The kept events. */
export const channelEvents = pgTable(
  'channel_events',
  {
    channel: text('channel').notNull(),
    position: bigint('position', { mode: 'number' }).notNull(),
    topic: text('topic').notNull(),
    /** JSON, as it was written: `jsonb` would change it. */
    payload: text('payload').notNull(),
    /** The time of the append, not of the start of its transaction, so that ages are in the order of the positions. */
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 })
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  ({ channel, position }) => [primaryKey({ columns: [channel, position] })],
);
