// The migrations in drizzle/ make the tables that the code declares.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { type Database, openDatabase } from '../../../src/app/database/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { startPostgres } from '../../support/postgres.ts';
import { firstPage } from '../support/first-page.ts';
import { temporaryFolder } from './support.ts';

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
    const folder = join(temporaryFolder(), 'drizzle');
    cpSync(join(root, 'drizzle'), folder, { recursive: true });
    const journal = join(folder, 'meta/_journal.json');
    const { entries, ...rest } = JSON.parse(readFileSync(journal, 'utf8')) as { entries: { tag: string }[] };
    const before = entries.filter(({ tag }) => tag < '0003');
    writeFileSync(journal, JSON.stringify({ ...rest, entries: before }));
    const administer = postgres(url, { max: 1, onnotice: () => {} });
    await migrate(drizzle(administer), { migrationsFolder: folder });
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

async function openReady(url: string): Promise<Database> {
  const limits = { poolMax: 1, connectTimeoutMs: 10_000, queryTimeoutMs: 10_000, retryMaxMs: 100 };
  const database = openDatabase({ kind: 'postgres', url, ...limits });
  await database.opened();
  expect(database.state).toBe('ready');
  return database;
}
