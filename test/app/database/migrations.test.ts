// The migrations in drizzle/ make the tables that the code declares.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { drizzle as drizzleFolder } from 'drizzle-orm/pglite';
import { migrate as migrateFolder } from 'drizzle-orm/pglite/migrator';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { type Database, openDatabase } from '../../../src/app/database/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { startPostgres } from '../../support/postgres.ts';
import { firstPage } from '../support/first-page.ts';
import { allMigrations, migrationsBefore, temporaryFolder, watch } from './support.ts';

const root = join(import.meta.dirname, '../../..');

test('no migration is missing', () => {
  const folder = join(temporaryFolder(), 'drizzle');
  cpSync(join(root, 'drizzle'), folder, { recursive: true });
  const before = readdirSync(folder, { recursive: true });
  // It takes no absolute paths.
  const paths = ['--schema', './src/app/{notes,events}/schema.ts', '--out', relative(root, folder)];
  const args = ['generate', '--dialect', 'postgresql', ...paths];
  const result = spawnSync(process.execPath, [join(root, 'node_modules/drizzle-kit/bin.cjs'), ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(result).toMatchObject({ status: 0, stdout: expect.stringContaining('No schema changes') });
  expect(readdirSync(folder, { recursive: true })).toEqual(before);
});

test.skipIf(requirePart('postgres').missing)(
  'a database that is up to date is opened by a role that may create nothing',
  async () => {
    const server = await startPostgres();
    onTestFinished(() => server.remove());
    const { url } = await server.createDatabase();
    const owned = await openReady(url);
    await owned.close();
    const administer = postgres(url, { max: 1, onnotice: () => {} });
    await administer.unsafe(
      `create role reader login password 'user'; revoke create on schema public from public;
        grant usage on schema drizzle to reader; grant select on drizzle.__drizzle_migrations to reader;
        grant select, insert, update, delete on all tables in schema public to reader;
        grant usage on all sequences in schema public to reader`,
    );
    await administer.end({ timeout: 5 });
    const database = await openReady(url.replace(/\/\/.*@/, '//reader:user@'));
    expect(await firstPage(createNoteRepository(database))).toEqual([]);
    await database.close();
  },
);

test.skipIf(requirePart('postgres').missing)(
  'notes of a version that knew neither who changed them nor deleted ones stay as they are',
  async () => {
    const server = await startPostgres();
    onTestFinished(() => server.remove());
    const { url } = await server.createDatabase();
    const administer = postgres(url, { max: 1, onnotice: () => {} });
    await migrate(drizzle(administer), { migrationsFolder: migrationsBefore('0003') });
    await administer.unsafe(`insert into notes (title, body, author) values ('old', 'text', 'Ada')`);
    await administer.end({ timeout: 5 });
    const database = await openReady(url);
    const repository = createNoteRepository(database);
    const [note] = await firstPage(repository);
    expect(note).toMatchObject({ title: 'old', author: 'Ada' });
    expect(note).not.toHaveProperty('updatedBy');
    const { id, createdAt } = note!;
    expect(await repository.changes(id)).toEqual([{ at: createdAt, by: 'Ada', what: ['created'] }]);
    await repository.update(id, { title: 'new', body: 'text', updatedBy: 'Joe' });
    expect(await repository.delete(id)).toBe(true);
    expect(await repository.restore(id, 60_000)).toMatchObject({ id, title: 'new', author: 'Ada' });
    await database.close();
  },
);

test('a data folder of an older version gets what is missing, and is told of', async () => {
  const folder = join(temporaryFolder(), 'pglite');
  const older = new PGlite(folder);
  await migrateFolder(drizzleFolder(older), { migrationsFolder: migrationsBefore('0002') });
  await older.close();
  const database = openDatabase({ kind: 'pglite', folder, queryTimeoutMs: 10_000 });
  onTestFinished(() => database.close());
  const { events } = watch(database);
  await database.opened();
  const { count, last } = allMigrations();
  expect(events).toEqual([{ state: 'ready', migrated: { count: count - 2, last } }]);
  expect(await firstPage(createNoteRepository(database))).toEqual([]);
});

test.skipIf(requirePart('postgres').missing)(
  'of several instances that start at once, one applies the migrations and tells of them',
  async () => {
    const server = await startPostgres();
    onTestFinished(() => server.remove());
    const { url } = await server.createDatabase();
    const databases = [1, 2, 3].map(() => openServer(url));
    const watched = databases.map(watch);
    await Promise.all(databases.map((database) => database.opened()));
    expect(watched.flatMap(({ events }) => events.filter((event) => 'migrated' in event))).toEqual([
      { state: 'ready', migrated: allMigrations() },
    ]);
    await Promise.all(databases.map((database) => database.close()));
  },
);

function openServer(url: string): Database {
  const limits = { poolMax: 1, connectTimeoutMs: 10_000, queryTimeoutMs: 10_000, retryMaxMs: 100 };
  return openDatabase({ kind: 'postgres', url, ...limits });
}

async function openReady(url: string): Promise<Database> {
  const database = openServer(url);
  await database.opened();
  expect(database.state).toBe('ready');
  return database;
}
