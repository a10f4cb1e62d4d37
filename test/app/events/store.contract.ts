// The store of events on a database: positions in the order of the commits, without gaps, whatever transactions do; pages of one moment;
// trimming that leaves no holes.
import { sql } from 'drizzle-orm';
import { beforeAll, beforeEach, afterAll, expect, test } from 'vitest';
import type { NewEvent, StoredEvent } from 'troupe';
import type { Database } from '../../../src/app/database/internal.ts';
import { channelEvents, channelHeads, DatabaseEvents } from '../../../src/app/events/internal.ts';

const ALL = { events: 1_000, bytes: 1_000_000 };
const NEVER = 1_000_000_000;
export const event = (payload: unknown, channel = 'notes'): NewEvent => ({
  channel,
  topic: 'added',
  payload: JSON.stringify(payload),
});

export function describeEvents(open: () => Promise<Database>): void {
  let database: Database;
  let store: DatabaseEvents;

  beforeAll(async () => {
    database = await open();
  }, 60_000);
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.run((db) => db.delete(channelEvents));
    await database.run((db) => db.delete(channelHeads));
    store = new DatabaseEvents(database);
  });

  const add = (payload: unknown, channel?: string): Promise<StoredEvent> =>
    database.transaction((transaction) => store.append(transaction, event(payload, channel)));
  const payloads = async (after = 0, limit = ALL) => {
    const { events } = await store.read('notes', after, limit);
    return events.map(({ position, payload }) => [position, JSON.parse(payload)]);
  };

  test('positions begin with 1, for each channel, in one history', async () => {
    const [first, second, other] = [await add('a'), await add('b'), await add('c', 'other')];
    expect([first.position, second.position, other.position]).toEqual([1, 2, 1]);
    expect(second).toEqual({ ...event('b'), epoch: first.epoch, position: 2 });
    expect(first.epoch).toMatch(/^[\w-]{22}$/);
    expect(await payloads()).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(await store.extent('notes')).toEqual({ epoch: first.epoch, head: 2, first: 1 });
  });

  test('a channel without events has a head, and keeps its epoch', async () => {
    const { epoch, ...extent } = await store.extent('notes');
    expect(extent).toEqual({ head: 0, first: 1 });
    expect(await store.read('notes', 0, ALL)).toEqual({ epoch, head: 0, first: 1, events: [] });
    expect((await add('a')).epoch).toBe(epoch);
    expect((await new DatabaseEvents(database).extent('notes')).epoch).toBe(epoch);
  });

  test('what was rolled back does not exist, and its position goes to another event', async () => {
    await add('a');
    const failing = database.transaction(async (transaction) => {
      expect((await store.append(transaction, event('b'))).position).toBe(2);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await add('c')).position).toBe(2);
    expect(await payloads()).toEqual([
      [1, 'a'],
      [2, 'c'],
    ]);
  });

  test('several events of one transaction stand together', async () => {
    const stored = await database.transaction(async (transaction) => [
      await store.append(transaction, event('a')),
      await store.append(transaction, event('b')),
    ]);
    expect(stored.map(({ position }) => position)).toEqual([1, 2]);
  });

  test('a page has as many events as asked for, and bytes, but at least one', async () => {
    for (const payload of ['aaaa', 'bbbb', 'cccc', 'dddd']) await add(payload);
    expect(await payloads(1, { events: 2, bytes: 1_000 })).toEqual([
      [2, 'bbbb'],
      [3, 'cccc'],
    ]);
    expect(await payloads(0, { events: 10, bytes: 7 })).toEqual([
      [1, 'aaaa'],
      [2, 'bbbb'],
    ]);
    expect(await payloads(0, { events: 10, bytes: 1 })).toEqual([[1, 'aaaa']]);
    expect(await payloads(4)).toEqual([]);
    expect(await payloads(99)).toEqual([]);
  });

  test('a payload comes back as it was', async () => {
    const payload = { b: 1, a: ['ä', '"', '\\', '\n', '😀', null, 1e21], '': {} };
    await add(payload);
    const { events } = await store.read('notes', 0, ALL);
    expect(events[0]?.payload).toBe(JSON.stringify(payload));
  });

  test('trimming takes a beginning of the history: by number, by age, bounded', async () => {
    await database.run((db) =>
      db.insert(channelHeads).values({ channel: 'notes', position: 2_500 }).onConflictDoNothing(),
    );
    await database.run((db) =>
      db.execute(sql`insert into ${channelEvents} (channel, position, topic, payload, created_at)
        select 'notes', n, 'added', '{}', now() - make_interval(secs => 3000 - n) from generate_series(1, 2500) as n`),
    );
    expect(await store.trim('notes', { keep: NEVER, maxAgeMs: NEVER })).toBe(false);
    expect(await store.extent('notes')).toMatchObject({ head: 2_500, first: 1 });
    expect(await store.trim('notes', { keep: 500, maxAgeMs: NEVER })).toBe(true);
    expect(await store.extent('notes')).toMatchObject({ first: 1_001 });
    expect(await store.trim('notes', { keep: 500, maxAgeMs: NEVER })).toBe(true);
    expect(await store.trim('notes', { keep: 500, maxAgeMs: NEVER })).toBe(false);
    expect(await store.extent('notes')).toMatchObject({ head: 2_500, first: 2_001 });
    await store.trim('notes', { keep: NEVER, maxAgeMs: 600_000 });
    const { first } = await store.extent('notes');
    expect(first).toBeGreaterThan(2_390);
    expect(first).toBeLessThanOrEqual(2_500);
    // One that is old for its place does not make a hole.
    await database.run((db) =>
      db.execute(
        sql`update ${channelEvents} set created_at = now() - interval '1 day' where position = 2450`,
      ),
    );
    await store.trim('notes', { keep: NEVER, maxAgeMs: 7_200_000 });
    expect(await store.extent('notes')).toMatchObject({ first });
    await store.trim('notes', { keep: 0, maxAgeMs: NEVER });
    expect(await store.extent('notes')).toMatchObject({ head: 2_500, first: 2_501 });
    expect((await add('next')).position).toBe(2_501);
  });

  test('a row that was given another epoch, after a disk was put back for instance, begins another history', async () => {
    const { epoch } = await add('a');
    await database.run((db) =>
      db.execute(sql`update channel_heads set epoch = gen_random_uuid()::text where channel = 'notes'`),
    );
    expect((await store.extent('notes')).epoch).not.toBe(epoch);
  });

  test('a history whose row was made anew has another epoch', async () => {
    const { epoch } = await add('a');
    await database.run((db) => db.delete(channelHeads));
    await database.run((db) => db.delete(channelEvents));
    expect((await add('b')).epoch).not.toBe(epoch);
  });
}
