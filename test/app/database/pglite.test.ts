// The embedded database: one process at a time, what is kept when a process ends, and what cannot be opened.
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type Database,
  DatabaseOpenError,
  DatabaseUnavailableError,
  openDatabase,
} from '../../../src/app/database/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { allMigrations, startProgram, temporaryFolder, watch } from './support.ts';
import { firstPage } from '../support/first-page.ts';

// Each test starts processes, and some create data again.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Data without notes, made once: PGlite takes seconds to make them. */
let template: string;
beforeAll(async () => {
  template = join(mkdtempSync(join(tmpdir(), 'troupe-template-')), 'data');
  const database = openDatabase({ kind: 'pglite', folder: template, queryTimeoutMs: 5_000 });
  await database.opened();
  await database.close();
});
afterAll(() => rmSync(dirname(template), { recursive: true, force: true }));

/** A folder with data, in a folder of its own. */
function dataFolder(): string {
  const folder = join(temporaryFolder(), 'data');
  cpSync(template, folder, { recursive: true });
  return folder;
}

function open(folder: string, options: { queryTimeoutMs?: number; closeTimeoutMs?: number } = {}): Database {
  const database = openDatabase({ kind: 'pglite', folder, queryTimeoutMs: 5_000, ...options });
  onTestFinished(() => database.close());
  return database;
}

const titles = async (database: Database) =>
  (await firstPage(createNoteRepository(database))).map(({ title }) => title);
const note = (title: string) => ({ title, body: 'b', author: 'a' });

describe('a life', () => {
  test('it opens, serves, closes, and has everything when it is opened again', async () => {
    const folder = join(temporaryFolder(), 'made', 'when', 'missing');
    const first = open(folder);
    const { events } = watch(first);
    expect([first.kind, first.state, first.description]).toEqual([
      'pglite',
      'starting',
      `PGlite in ${folder}`,
    ]);
    await expect(titles(first)).rejects.toMatchObject({
      name: 'DatabaseUnavailableError',
      reason: 'starting',
    });
    await first.opened();
    expect(first.state).toBe('ready');
    await createNoteRepository(first).create(note('kept'));
    const closing = first.close();
    expect(first.state).toBe('closed');
    await expect(titles(first)).rejects.toMatchObject({ name: 'DatabaseUnavailableError', reason: 'closed' });
    await Promise.all([closing, first.close()]);
    expect(events).toEqual([{ state: 'ready', migrated: allMigrations() }, { state: 'closed' }]);

    const second = open(folder);
    const { events: later } = watch(second);
    await second.opened();
    expect(await titles(second)).toEqual(['kept']);
    expect(later).toEqual([{ state: 'ready' }]);
  });

  test('closed while it opens, it lets the folder go', async () => {
    const folder = dataFolder();
    const first = open(folder);
    await first.close();
    await expect(first.opened()).rejects.toMatchObject({
      name: 'DatabaseUnavailableError',
      reason: 'closed',
    });
    const second = open(folder);
    await second.opened();
    expect(await titles(second)).toEqual([]);
  });

  test('closing lets calls end that were made before', async () => {
    const folder = dataFolder();
    const first = open(folder);
    await first.opened();
    const repository = createNoteRepository(first);
    const calls = ['a', 'b', 'c'].map((title) => repository.create(note(title)));
    await first.close();
    expect(await Promise.all(calls)).toHaveLength(3);
    const second = open(folder);
    await second.opened();
    expect(await titles(second)).toEqual(['c', 'b', 'a']);
  });

  test('closing does not wait for ever, and lets the folder go also then', async () => {
    const folder = dataFolder();
    const database = open(folder, { queryTimeoutMs: 1_000, closeTimeoutMs: 20 });
    await database.opened();
    const stuck = database.run(() => new Promise(() => {}));
    const outcomes = Promise.allSettled([stuck]);
    await database.close();
    const next = open(folder);
    await next.opened();
    expect(await titles(next)).toEqual([]);
    expect(await outcomes).toMatchObject([{ reason: { reason: 'timeout' } }]);
  });
});

describe('a second process', () => {
  test('is refused with the reason, and goes on with what was kept when the first was killed', async () => {
    const folder = dataFolder();
    const first = startProgram('pglite-program.ts', folder);
    expect(await first.line()).toBe('{"state":"ready"}');
    first.say('before');
    expect(JSON.parse(await first.line())).toMatchObject({ title: 'before' });

    const reason = `the data folder ${folder} is in use by process ${first.pid}: stop that process, or set DATA_DIR to another folder, or DATABASE_URL to a PostgreSQL server`;
    const refused = open(folder);
    const { events } = watch(refused);
    await expect(refused.opened()).rejects.toThrow(new DatabaseOpenError(reason));
    expect(events).toEqual([{ state: 'closed', reason }]);
    await expect(titles(refused)).rejects.toThrow(reason);
    const second = startProgram('pglite-program.ts', folder);
    expect(JSON.parse(await second.line())).toEqual({ state: 'closed', reason });

    first.say('last');
    expect(JSON.parse(await first.line())).toMatchObject({ title: 'last' });
    await first.signal('SIGKILL');
    const third = open(folder);
    await third.opened();
    expect(await titles(third)).toEqual(['last', 'before']);
  });
});

describe('a folder', () => {
  test('that was left in the middle of being made is made anew; the data of others are not touched', async () => {
    const parent = temporaryFolder();
    const folder = join(parent, 'data');
    mkdirSync(join(folder, 'base'), { recursive: true });
    writeFileSync(join(folder, 'PG_VERSION'), '18\n');
    writeFileSync(`${folder}.unfinished`, '');
    writeFileSync(join(parent, 'diary'), 'dear');
    const database = open(folder);
    await database.opened();
    expect(await titles(database)).toEqual([]);
    expect(readdirSync(parent).toSorted()).toEqual(['data', 'data.pid', 'diary']);
  });

  test('that was made, but not to its end, is marked', async () => {
    const folder = join(temporaryFolder(), 'data');
    const program = startProgram('pglite-program.ts', folder);
    // The mark is there from before the first file until the database is ready.
    const mark = `${folder}.unfinished`;
    await until(() => existsSync(mark));
    await program.signal('SIGKILL');
    expect(existsSync(mark)).toBe(true);
    const database = open(folder);
    await database.opened();
    expect(existsSync(mark)).toBe(false);
    expect(await titles(database)).toEqual([]);
  });

  test('that others could enter is closed to them, with all that is made in it', async () => {
    const folder = dataFolder();
    chmodSync(folder, 0o777);
    const database = open(folder);
    await database.opened();
    await createNoteRepository(database).create(note('private'));
    await database.run((db) => db.execute(sql`create table made (id int primary key)`));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const paths = [
      `${folder}.pid`,
      ...readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))),
    ];
    expect(paths.filter((path) => (statSync(path).mode & 0o077) !== 0)).toEqual([]);
  });

  test.each(['', '-42', '1\n/somewhere', 'garbage'])(
    'is opened with %j in its postmaster.pid',
    async (text) => {
      const folder = dataFolder();
      writeFileSync(join(folder, 'postmaster.pid'), text);
      const database = open(folder);
      await database.opened();
      expect(await titles(database)).toEqual([]);
    },
  );

  test('that an older version has, which listens beside it, is refused until that has ended', async () => {
    const folder = dataFolder();
    mkdirSync(`${folder}.lock`);
    const older = createServer().listen(join(`${folder}.lock`, '0123456789abcdef.socket'));
    onTestFinished(() => void older.close());
    await once(older, 'listening');
    await expect(open(folder).opened()).rejects.toThrow(
      `the data folder ${folder} is in use by an older version of this service: stop that one first`,
    );
    const ended = once(older, 'close');
    older.close();
    await ended;
    await open(folder).opened();
  });

  test('that holds something else is left alone', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'diary'), 'dear');
    await expect(open(folder).opened()).rejects.toThrow(
      `the data folder ${folder} cannot be opened: it holds something other than data of PostgreSQL; set DATA_DIR to another folder`,
    );
    expect(readdirSync(folder)).toEqual(['diary']);
  });

  test('that cannot be opened is told in one line', async () => {
    const folder = join(temporaryFolder(), 'data');
    writeFileSync(folder, 'a file');
    const file = open(folder);
    await expect(file.opened()).rejects.toThrow(`the data folder ${folder} cannot be opened: `);
    expect(file.state).toBe('closed');
    await file.close();

    rmSync(folder);
    mkdirSync(folder);
    writeFileSync(join(folder, 'PG_VERSION'), '7\n');
    const old = open(folder);
    const { events } = watch(old);
    await expect(old.opened()).rejects.toBeInstanceOf(DatabaseOpenError);
    expect(events).toEqual([{ state: 'closed', reason: expect.stringMatching(/^[^\n]+$/) }]);
    await expect(titles(old)).rejects.toBeInstanceOf(DatabaseUnavailableError);
    expect(readdirSync(folder)).toContain('PG_VERSION');
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}
