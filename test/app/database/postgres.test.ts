// The database of a server: how it opens, and what happens when the server is full, slow, away or frozen.
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Database,
  migrationLockKey,
  openDatabase,
  type PostgresSettings,
} from '../../../src/app/database/internal.ts';
import { createNoteRepository, notesTable as notes } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { type TestPostgres, startPostgres } from '../../support/postgres.ts';
import { allMigrations, watch } from './support.ts';
import { firstPage } from '../support/first-page.ts';

const part = requirePart('postgres');
const note = (title: string) => ({ title, body: 'b', author: 'a' });

/** Opens a database that is closed when the test ends. Its limits are short where the test waits for them. */
function open(url: string, settings: Partial<PostgresSettings> = {}): Database {
  const database = openDatabase({
    kind: 'postgres',
    url,
    poolMax: 3,
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 10_000,
    retryMaxMs: 100,
    ...settings,
  });
  onTestFinished(() => database.close());
  return database;
}

async function openReady(url: string, settings: Partial<PostgresSettings> = {}): Promise<Database> {
  const database = open(url, settings);
  await database.opened();
  expect(database.state).toBe('ready');
  return database;
}

/** Runs SQL beside the database under test. */
async function administer(url: string, statement: string): Promise<Array<Record<string, unknown>>> {
  const client = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await client.unsafe(statement);
  } finally {
    await client.end({ timeout: 5 });
  }
}

const backendPid = (database: Pick<Database, 'run'>) =>
  database.run(async (db) => {
    await db.insert(notes).values(note('pid'));
    const [row] = await db
      .select({ pid: sql<number>`pg_backend_pid()` })
      .from(notes)
      .limit(1);
    return row?.pid ?? 0;
  });

/** A statement that the server works on for so long. */
const sleep = (database: Pick<Database, 'run'>, seconds: number) =>
  database.run((db) => db.select({ slept: sql`pg_sleep(${seconds})` }).from(sql`(values (1)) as one`));

const sleepers = (url: string) =>
  administer(
    url,
    `select pid from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()`,
  );

async function untilSleeping(url: string, count: number): Promise<void> {
  while ((await sleepers(url)).length < count);
}

function gate(): { opened: Promise<void>; open: () => void } {
  let release = (): void => {};
  const opened = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { opened, open: release };
}

const unavailable = (reason: string) => ({
  name: 'DatabaseUnavailableError',
  code: 'DATABASE_UNAVAILABLE',
  reason,
});

describe.skipIf(part.missing)('a server', () => {
  let server: TestPostgres;
  let url: string;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    ({ url } = await server.createDatabase());
  });
  const password = () => new URL(url).password;
  const name = () => new URL(url).pathname.slice(1);

  describe('that is there', () => {
    test('is opened, serves, and is left without a connection', async () => {
      const database = open(url);
      const { events } = watch(database);
      expect([database.kind, database.state]).toEqual(['postgres', 'starting']);
      expect(database.description).toBe(`PostgreSQL at 127.0.0.1:${server.port}, database "${name()}"`);
      await expect(firstPage(createNoteRepository(database))).rejects.toMatchObject(unavailable('starting'));
      await database.opened();
      const repository = createNoteRepository(database);
      await Promise.all(['a', 'b', 'c', 'd'].map((title) => repository.create(note(title))));
      await Promise.all([database.close(), database.close()]);
      await expect(firstPage(repository)).rejects.toMatchObject(unavailable('closed'));
      expect(events).toEqual([{ state: 'ready', migrated: allMigrations() }, { state: 'closed' }]);
      const others = `select pid from pg_stat_activity where datname = '${name()}' and pid <> pg_backend_pid()`;
      expect(await administer(url, others)).toEqual([]);
    });

    test('is migrated once by those who open it at the same time', async () => {
      const opened = await Promise.all(Array.from({ length: 6 }, () => openReady(url)));
      expect(opened).toHaveLength(6);
      const applied = await administer(url, 'select hash from drizzle.__drizzle_migrations');
      expect(new Set(applied.map(({ hash }) => hash)).size).toBe(applied.length);
      expect(applied.length).toBeGreaterThan(0);
      await createNoteRepository(opened[0]!).create(note('a'));
      expect(await firstPage(createNoteRepository(opened[5]!))).toHaveLength(1);
    });

    test('is waited for while another one migrates, and not for ever', async () => {
      const other = postgres(url, { max: 1 });
      onTestFinished(() => other.end({ timeout: 5 }));
      await other`select pg_advisory_lock(${migrationLockKey})`;
      const patient = open(url);
      const hasty = open(url, { migrationTimeoutMs: 100, retryMaxMs: 600_000 });
      await hasty.opened();
      expect(hasty.state).toBe('unavailable');
      expect(patient.state).toBe('starting');
      await other`select pg_advisory_unlock(${migrationLockKey})`;
      await patient.opened();
      expect(patient.state).toBe('ready');
    });

    test('reads times the same, whatever its settings are', async () => {
      await administer(url, `alter database ${name()} set DateStyle = 'SQL, DMY'`);
      await administer(url, `alter database ${name()} set TimeZone = 'Asia/Kathmandu'`);
      const repository = createNoteRepository(await openReady(url));
      const made = await repository.create(note('a'));
      expect(Math.abs(Date.parse(made.createdAt) - Date.now())).toBeLessThan(60_000);
    });

    test('that is full fails calls, and stays ready', async () => {
      const role = `guest_${name()}`;
      await administer(url, `create role ${role} login password 'guest' connection limit 2`);
      await administer(
        url,
        `alter database ${name()} owner to ${role}; alter schema public owner to ${role}`,
      );
      const guest = url.replace(/\/\/.*@/, `//${role}:guest@`);
      const database = await openReady(guest);
      const { events } = watch(database);
      const held = gate();
      const entered = [gate(), gate()];
      const two = entered.map(({ open: enter }) =>
        database.run(async (db) => {
          await db.select().from(notes);
          enter();
          await held.opened;
        }),
      );
      await Promise.all(entered.map(({ opened }) => opened));
      const third = database.run((db) => db.select().from(notes));
      await expect(third).rejects.toMatchObject(unavailable('busy'));
      held.open();
      await Promise.all(two);
      await database.run((db) => db.select().from(notes));
      expect(events).toEqual([]);
    });

    test('that is slow fails the statement, and stays ready', async () => {
      const database = await openReady(url, { queryTimeoutMs: 200 });
      const { events } = watch(database);
      await expect(sleep(database, 30)).rejects.toMatchObject(unavailable('timeout'));
      expect(await sleepers(url)).toEqual([]);
      await sleep(database, 0);
      expect(events).toEqual([]);
    });
  });

  test('whose name has a blank is found, and settings in its address hold', async () => {
    await administer(url, `create database "my ${name()}"`);
    const address = url.replace(name(), `my%20${name()}?channel_binding=prefer&options=-c%20work_mem%3D99kB`);
    const database = await openReady(address);
    expect(database.description).toContain(`database "my ${name()}"`);
    await createNoteRepository(database).create(note('a'));
    const [row] = await database.run((db) =>
      db.select({ set: sql<string>`current_setting('work_mem')` }).from(notes),
    );
    expect(row).toEqual({ set: '99kB' });
  });

  describe('that is not there yet', () => {
    test('is told with where and why, without the password, and comes by itself', async () => {
      await server.stop();
      const database = open(url);
      const { next, events } = watch(database);
      await database.opened();
      expect(database.state).toBe('unavailable');
      const first = await next('unavailable');
      expect(first).toMatchObject({
        attempt: 1,
        reason: `PostgreSQL at 127.0.0.1:${server.port}, database "${name()}" cannot be used: the connection was refused (ECONNREFUSED)`,
      });
      await expect(firstPage(createNoteRepository(database))).rejects.toMatchObject({
        ...unavailable('unreachable'),
        retryAfterMs: 1_000,
      });
      expect(await next('unavailable')).toMatchObject({ attempt: 2 });
      expect(await next('unavailable')).toMatchObject({ attempt: 3 });
      await server.start();
      await next('ready');
      expect(await firstPage(createNoteRepository(database))).toEqual([]);
      expect(JSON.stringify(events)).not.toContain(password());
    });

    test('a database that is made while it is tried again comes by itself', async () => {
      const later = new URL(url);
      later.pathname = `/later_${name()}`;
      await server.stop();
      const database = open(later.href);
      const { next } = watch(database);
      await next('unavailable');
      await server.start();
      let reason = '';
      while (!reason.includes(`database "later_${name()}" does not exist`))
        ({ reason } = { reason: '', ...(await next('unavailable')) });
      await administer(url, `create database later_${name()}`);
      expect(await next('ready')).toEqual({ state: 'ready', migrated: allMigrations() });
    });

    test('what only the operator can mend ends the first attempt for good, with what to do', async () => {
      const role = `late_${name()}`;
      await administer(url, `create role ${role} login password 'other'`);
      const at = (change: (to: URL) => void): string => {
        const changed = new URL(url);
        change(changed);
        return changed.href;
      };
      const user = at((to) => Object.assign(to, { username: role, password: 'secret-word' }));
      const cases: [string, RegExp][] = [
        [
          user,
          /password authentication failed for user ".*" \(28P01\): set the right user and password in DATABASE_URL$/,
        ],
        [
          user.replace('secret-word', 'other'),
          /permission denied .* \(42501\): let the user of DATABASE_URL create tables/,
        ],
        [
          at((to) => (to.pathname = '/none')),
          /database "none" does not exist \(3D000\): create that database/,
        ],
        [
          at((to) => (to.search = '?options=-c%20no_such%3D1')),
          /unrecognized configuration .* \(42704\): correct the options/,
        ],
        [at((to) => (to.search = '?sslmode=require')), /the server has no TLS \(NO_TLS\): set up TLS there/],
        [
          at((to) => (to.search = '?sslmode=verify-full&sslrootcert=/no/such')),
          /sslrootcert cannot be used: ENOENT/,
        ],
      ];
      for (const [wrong, told] of cases) {
        const database = open(wrong);
        const { events } = watch(database);
        // oxlint-disable-next-line no-await-in-loop
        await expect(database.opened()).rejects.toMatchObject({
          name: 'DatabaseOpenError',
          message: expect.stringMatching(told),
        });
        expect(events.map(({ state }) => state)).toEqual(['closed']);
        expect(JSON.stringify(events)).not.toContain('secret-word');
      }
    });

    test('but nothing does once it has been ready', async () => {
      const role = `once_${name()}`;
      await administer(url, `create role ${role} login password 'right'`);
      await administer(
        url,
        `alter database ${name()} owner to ${role}; alter schema public owner to ${role}`,
      );
      const database = await openReady(url.replace(/\/\/.*@/, `//${role}:right@`));
      const { next } = watch(database);
      await administer(url, `alter role ${role} password 'wrong'`);
      await server.stop();
      await next('unavailable');
      await server.start();
      let reason = '';
      while (!reason.includes('password authentication failed'))
        ({ reason } = { reason: '', ...(await next('unavailable')) });
      await administer(url, `alter role ${role} password 'right'`);
      expect(await next('ready')).toEqual({ state: 'ready' });
    });

    test('closing ends the attempts', async () => {
      await server.stop();
      onTestFinished(() => server.start());
      const database = open(url, { retryMaxMs: 600_000 });
      const { events } = watch(database);
      await database.opened();
      await database.close();
      expect(events.map(({ state }) => state)).toEqual(['unavailable', 'closed']);
      expect(database.state).toBe('closed');
    });
  });

  describe('that goes away', () => {
    test('fails what is under way and every new call at once, also when nobody calls, and comes back', async () => {
      const database = await openReady(url);
      const { next } = watch(database);
      for (let round = 0; round < 2; round++) {
        const underWay = [sleep(database, 30), database.transaction((transaction) => sleep(transaction, 30))];
        const outcomes = Promise.allSettled(underWay);
        await untilSleeping(url, 2);
        await server.stop();
        expect(await outcomes).toMatchObject([
          { status: 'rejected', reason: unavailable('unreachable') },
          { status: 'rejected', reason: unavailable('unreachable') },
        ]);
        expect(await next('unavailable')).toMatchObject({
          attempt: 1,
          reason: expect.stringContaining(' was lost: '),
        });
        await expect(database.transaction(() => Promise.resolve())).rejects.toMatchObject(
          unavailable('unreachable'),
        );
        await server.start();
        await next('ready');
        await createNoteRepository(database).create(note('after'));
      }
    });

    test('while nobody calls is noticed all the same', async () => {
      const database = await openReady(url);
      const { next } = watch(database);
      await server.stop();
      expect(await next('unavailable')).toMatchObject({ attempt: 1 });
      await server.start();
      expect(await next('ready')).toEqual({ state: 'ready' });
    });

    test.each(['idle', 'at work'])(
      'one connection that is cut while it is %s in a transaction fails that alone',
      async (how) => {
        const database = await openReady(url);
        const { events } = watch(database);
        const repository = createNoteRepository(database);
        await database.run((db) => db.delete(notes));
        const work = database.transaction(async (transaction) => {
          const inside = createNoteRepository(transaction);
          await inside.create(note('lost'));
          const pid = await backendPid(transaction);
          const asleep = how === 'at work' ? sleep(transaction, 30) : Promise.resolve();
          const outcome = Promise.allSettled([asleep]);
          if (how === 'at work') await untilSleeping(url, 1);
          await administer(url, `select pg_terminate_backend(${pid}, 10000)`);
          await outcome;
          await inside.create(note('lost too'));
        });
        await expect(work).rejects.toMatchObject(unavailable('unreachable'));
        expect(await firstPage(repository)).toEqual([]);
        // A transaction on what may be the same place in the pool has nothing of the one that was lost.
        await database.transaction((transaction) => createNoteRepository(transaction).create(note('kept')));
        expect((await firstPage(repository)).map(({ title }) => title)).toEqual(['kept']);
        expect(events).toEqual([]);
      },
    );

    test('closing does not wait for what never ends', async () => {
      const database = await openReady(url, { closeTimeoutMs: 50 });
      const asleep = sleep(database, 30);
      const outcomes = Promise.allSettled([asleep]);
      await untilSleeping(url, 1);
      await database.close();
      expect(await outcomes).toMatchObject([{ reason: { name: 'DatabaseUnavailableError' } }]);
    });

    test('closing lets calls end that were made before', async () => {
      const database = await openReady(url, { poolMax: 1 });
      const repository = createNoteRepository(database);
      const calls = ['a', 'b', 'c'].map((title) => repository.create(note(title)));
      await database.close();
      expect(await Promise.all(calls)).toHaveLength(3);
    });
  });

  describe('that is frozen', () => {
    const short = { connectTimeoutMs: 300, queryTimeoutMs: 200 };

    test('fails calls after their time, then at once, and comes back', async () => {
      const database = await openReady(url, short);
      const repository = createNoteRepository(database);
      await repository.create(note('before'));
      const { next } = watch(database);
      server.pause();
      onTestFinished(() => server.resume());
      const calls = ['a', 'b', 'c', 'd', 'e'].map((title) => repository.create(note(title)));
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({
          reason: { reason: expect.stringMatching(/^(timeout|busy|unreachable)$/) },
        });
      }
      expect(await next('unavailable')).toMatchObject({
        reason: expect.stringContaining('no answer in time'),
      });
      await expect(firstPage(repository)).rejects.toMatchObject(unavailable('unreachable'));
      server.resume();
      await next('ready');
      expect(await repository.create(note('after'))).toMatchObject({ title: 'after' });
    });

    test('is told while it is opened, and closing does not wait for it', async () => {
      server.pause();
      onTestFinished(() => server.resume());
      const database = open(url, short);
      await database.opened();
      expect(database.state).toBe('unavailable');
      const closing = open(url);
      await closing.close();
      expect(closing.state).toBe('closed');
    });

    test('is left by closing, with calls under way', async () => {
      const database = await openReady(url, { closeTimeoutMs: 50 });
      server.pause();
      onTestFinished(() => server.resume());
      const calls = [firstPage(createNoteRepository(database)), firstPage(createNoteRepository(database))];
      const outcomes = Promise.allSettled(calls);
      await database.close();
      for (const outcome of await outcomes) {
        expect(outcome).toMatchObject({ reason: { name: 'DatabaseUnavailableError' } });
      }
    });
  });
});

describe('what is no PostgreSQL server', () => {
  /** Counts connections and treats each as told. */
  async function listen(
    onConnection: (socket: Socket) => void,
  ): Promise<{ url: string; connections: () => number }> {
    let connections = 0;
    const sockets = new Set<Socket>();
    const listener: Server = createServer((socket) => {
      connections++;
      sockets.add(socket);
      socket.on('error', () => {});
      onConnection(socket);
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      listener.close();
    });
    const { port } = listener.address() as AddressInfo;
    return { url: `postgres://u:p@127.0.0.1:${port}/d`, connections: () => connections };
  }

  test.each([
    ['closes at once', (socket: Socket) => socket.end(), 'the connection was closed'],
    ['resets', (socket: Socket) => socket.resetAndDestroy(), 'the connection was'],
    ['says nothing', () => {}, 'no answer in time (CONNECT_TIMEOUT)'],
    [
      'speaks HTTP',
      (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      'the connection was closed',
    ],
  ])('that %s is tried once at each attempt', async (_, onConnection, reason) => {
    const { url, connections } = await listen(onConnection);
    const database = open(url, { connectTimeoutMs: 200 });
    const { next } = watch(database);
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect(await next('unavailable')).toMatchObject({ attempt, reason: expect.stringContaining(reason) });
      expect(connections()).toBe(attempt);
    }
  });

  test('a name that does not exist is told', async () => {
    const database = open('postgres://u:p@no-such-host.invalid/d', { retryMaxMs: 600_000 });
    const { next } = watch(database);
    const { reason } = { reason: '', ...(await next('unavailable')) };
    expect(reason).toMatch(
      /^PostgreSQL at no-such-host\.invalid:5432, database "d" cannot be used: the host name .* \((ENOTFOUND|EAI_AGAIN)\)$/,
    );
  });
});
