// The store of events on both databases, and what only a server has: several transactions at a time, and notifications.
import * as fc from 'fast-check';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { channelLog, ChannelReset, createNode, matching, pubsub } from 'troupe';
import { type Database, type DatabaseSettings, openDatabase } from '../../../src/app/database/internal.ts';
import { DatabaseEvents } from '../../../src/app/events/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { type TestPostgres, startPostgres } from '../../support/postgres.ts';
import { describeEvents, event } from './store.contract.ts';

async function open(settings: DatabaseSettings): Promise<Database> {
  const database = openDatabase(settings);
  await database.opened();
  return database;
}

async function rowsAt(url: string): Promise<number> {
  const client = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const [row] = await client`select count(*)::int as count from channel_heads`;
    return Number(row?.['count']);
  } finally {
    await client.end();
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('on PGlite', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'troupe-events-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  describeEvents(() => open({ kind: 'pglite', folder: join(folder, 'pglite'), queryTimeoutMs: 20_000 }));

  test('the epoch stays when the folder is opened again, and is another one in a copy', async () => {
    const at = temporaryFolder();
    const epochIn = async (name: string): Promise<string> => {
      const database = await open({ kind: 'pglite', folder: join(at, name), queryTimeoutMs: 20_000 });
      const { epoch } = await new DatabaseEvents(database).extent('notes');
      await database.close();
      return epoch;
    };
    const epoch = await epochIn('one');
    expect(await epochIn('one')).toBe(epoch);
    cpSync(join(at, 'one'), join(at, 'two'), { recursive: true });
    expect(await epochIn('two')).not.toBe(epoch);
  }, 60_000);
});

const part = requirePart('postgres');
describe.skipIf(part.missing)('on PostgreSQL', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  const openAt = (url: string) =>
    open({
      kind: 'postgres',
      url,
      poolMax: 6,
      connectTimeoutMs: 10_000,
      queryTimeoutMs: 20_000,
      retryMaxMs: 50,
    });

  describeEvents(async () => openAt((await server.createDatabase()).url));

  test('transactions that commit late come in order: no reader sees a position before all that are lower', async () => {
    const database = await openAt((await server.createDatabase()).url);
    onTestFinished(() => database.close());
    const store = new DatabaseEvents(database);
    await store.extent('notes');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ before: fc.nat(3), after: fc.nat(3), fails: fc.boolean() }), {
          minLength: 2,
          maxLength: 8,
        }),
        async (plans) => {
          const from = (await store.extent('notes')).head;
          const written = { done: false };
          const seen: number[] = [];
          const turns = async (count: number) => {
            for (let turn = 0; turn < count; turn++) await setImmediate();
          };
          const reading = (async () => {
            for (let last = from; !written.done;) {
              const { events } = await store.read('notes', last, { events: 100, bytes: 100_000 });
              seen.push(...events.map(({ position }) => position));
              last = seen.at(-1) ?? from;
            }
            const rest = await store.read('notes', seen.at(-1) ?? from, { events: 100, bytes: 100_000 });
            seen.push(...rest.events.map(({ position }) => position));
          })();
          const committed = await Promise.all(
            plans.map(({ before, after, fails }) =>
              database
                .transaction(async (transaction) => {
                  await turns(before);
                  const { position } = await store.append(transaction, event({}));
                  await turns(after);
                  if (fails) throw new Error('rolled back');
                  return position;
                })
                .catch(() => undefined),
            ),
          );
          written.done = true;
          await reading;
          const positions = committed.filter((position) => position !== undefined).toSorted((a, b) => a - b);
          const expected = positions.map((_, index) => from + index + 1);
          expect(positions).toEqual(expected);
          expect(seen).toEqual(expected);
        },
      ),
      { numRuns: 30 },
    );
  }, 60_000);

  test('a commit is told to who listens, on another connection too; after a loss listeners are to look', async () => {
    const { url } = await server.createDatabase();
    const [one, two] = [await openAt(url), await openAt(url)];
    onTestFinished(async () => {
      await one.close();
      await two.close();
    });
    const [writer, reader] = [new DatabaseEvents(one), new DatabaseEvents(two)];
    const heard: Array<number | undefined> = [];
    const stop = reader.watch('notes', (position) => heard.push(position));
    const others: unknown[] = [];
    reader.watch('other', (position) => others.push(position));
    await vi.waitUntil(() => heard.length === 1, { timeout: 20_000 }); // it listens now
    await one.transaction(async (transaction) => {
      await writer.append(transaction, event('a'));
      expect(heard).toEqual([undefined]);
    });
    await vi.waitUntil(() => heard.length === 2, { timeout: 20_000 });
    expect(heard).toEqual([undefined, 1]);

    const admin = postgres(url, { max: 1, onnotice: () => {} });
    onTestFinished(() => admin.end());
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'`;
    await vi.waitUntil(() => heard.length === 3, { timeout: 20_000 });
    await one.transaction((transaction) => writer.append(transaction, event('b')));
    await vi.waitUntil(() => heard.length === 4, { timeout: 20_000 });
    expect(heard).toEqual([undefined, 1, undefined, 2]);
    expect(others.every((position) => position === undefined)).toBe(true);
    stop();
    await one.transaction((transaction) => writer.append(transaction, event('c')));
    expect((await reader.read('notes', 2, { events: 9, bytes: 999 })).events).toHaveLength(1);
    expect(heard).toHaveLength(4);
  }, 60_000);

  test('a standby that was promoted has another epoch, though it has the same rows, and lacks the last events', async () => {
    const primary = await startPostgres();
    onTestFinished(() => primary.remove());
    const { url } = await primary.createDatabase();
    let port = primary.port;
    const sockets = new Set<Socket>();
    const proxy = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from.on('error', () => {}).on('close', () => to.destroy()));
        from.pipe(to);
      }
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    onTestFinished(() => void proxy.close());
    const through = new URL(url);
    through.port = String((proxy.address() as AddressInfo).port);
    const database = await openAt(through.href);
    onTestFinished(() => database.close());
    const store = new DatabaseEvents(database);
    const add = (payload: string) =>
      database.transaction((transaction) => store.append(transaction, event(payload)));
    const before = await add('a');

    const standby = await primary.standby();
    onTestFinished(() => standby.remove());
    await standby.stop();
    await add('never copied');
    const node = createNode();
    onTestFinished(() => node.stop());
    await node.start(channelLog, ['notes', store, { sweepMs: 500 }]);
    const resets: ChannelReset[] = [];
    node.spawn(async (self) => {
      pubsub.join(self, 'notes');
      for (;;) resets.push(await self.receive(matching(ChannelReset)));
    });

    await standby.start();
    // The same rows, read without the program's knowing of another server, and right after the promotion.
    await primary.stop('immediate');
    await standby.promote();
    port = standby.port;
    for (const socket of sockets) socket.destroy();
    await vi.waitUntil(() => resets.length > 0, { timeout: 20_000 });
    expect(resets).toMatchObject([{ position: 1 }]);
    expect(resets[0]?.epoch).not.toBe(before.epoch);
    const after = await add('in place of it');
    expect(after).toMatchObject({ epoch: resets[0]?.epoch, position: 2 });
    expect(await new DatabaseEvents(database).extent('notes')).toMatchObject({ epoch: after.epoch, head: 2 });
  }, 60_000);

  test('what was learnt of one server is not used for another, though nobody tells of the change', async () => {
    const primary = await startPostgres();
    onTestFinished(() => primary.remove());
    const { url } = await primary.createDatabase();
    const here = await openAt(url);
    onTestFinished(() => here.close());
    const standby = await primary.standby();
    onTestFinished(() => standby.remove());
    let answering = here;
    const store = new DatabaseEvents({
      ...here,
      run: (work) => answering.run(work),
      transaction: (work) => answering.transaction(work),
    });
    const { epoch } = await store.extent('notes');
    await vi.waitUntil(async () => (await rowsAt(standby.at(url))) === 1, { timeout: 20_000 });
    await standby.promote();
    answering = await openAt(standby.at(url));
    onTestFinished(() => answering.close());
    expect((await store.extent('notes')).epoch).not.toBe(epoch);
    const stored = await answering.transaction((transaction) => store.append(transaction, event('a')));
    expect(stored.epoch).not.toBe(epoch);
    answering = here;
    expect((await store.extent('notes')).epoch).toBe(epoch);
    answering = await openAt(standby.at(url));
    onTestFinished(() => answering.close());
    expect((await store.extent('notes')).epoch).toBe(stored.epoch);
    await here.close();
  }, 60_000);

  test('a backup that is restored into a running server begins another history', async () => {
    const { url } = await server.createDatabase();
    const database = await openAt(url);
    onTestFinished(() => database.close());
    const store = new DatabaseEvents(database);
    const add = (payload: string) =>
      database.transaction((transaction) => store.append(transaction, event(payload)));
    const { epoch } = await add('a');
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    onTestFinished(() => admin.end());
    // What pg_restore --clean does: the table is made anew, with the rows of then.
    await admin`create table backup as select * from channel_heads`;
    await add('lost');
    await admin.begin(async (transaction) => {
      await transaction`alter table channel_heads rename to former`;
      await transaction`create table channel_heads (like former including all)`;
      await transaction`insert into channel_heads select * from backup`;
      await transaction`delete from channel_events where position > 1`;
      await transaction`drop table former`;
    });
    const after = await add('b');
    expect(after).toMatchObject({ position: 2 });
    expect(after.epoch).not.toBe(epoch);
    expect(await store.extent('notes')).toMatchObject({ epoch: after.epoch });
  }, 60_000);

  test('a role that may only read and write the tables has the epoch of every other role', async () => {
    const { url } = await server.createDatabase();
    const database = await openAt(url);
    onTestFinished(() => database.close());
    const { epoch } = await new DatabaseEvents(database).extent('notes');
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    onTestFinished(() => admin.end());
    await admin`create role plain login password 'plain'`;
    await admin`grant select, insert, update, delete on all tables in schema public to plain`;
    await admin`grant usage on schema drizzle to plain`;
    await admin`grant select on all tables in schema drizzle to plain`;
    const here = new URL(url);
    [here.username, here.password] = ['plain', 'plain'];
    const plain = await openAt(here.href);
    onTestFinished(() => plain.close());
    expect(plain.state).toBe('ready');
    const store = new DatabaseEvents(plain);
    const stored = await plain.transaction((transaction) => store.append(transaction, event('a')));
    expect(stored).toMatchObject({ epoch, position: 1 });
    expect((await store.extent('notes')).epoch).toBe(epoch);
  }, 60_000);

  test('another database has another epoch', async () => {
    const [here, there] = [await server.createDatabase(), await server.createDatabase()];
    const databases = [await openAt(here.url), await openAt(there.url)];
    onTestFinished(async () => {
      for (const database of databases) await database.close();
    });
    const [one, two] = await Promise.all(
      databases.map(async (database) => (await new DatabaseEvents(database).extent('notes')).epoch),
    );
    expect(one).not.toBe(two);
  }, 60_000);
});
