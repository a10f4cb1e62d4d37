// What is indexed and found, on both databases, and on a server that does not give the right to pg_trgm.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, type DatabaseSettings, openDatabase } from '../../../src/app/database/internal.ts';
import {
  DatabaseBacklog,
  DatabaseSearch,
  type NotIndexed,
  Vocabulary,
} from '../../../src/app/indexer/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { type TestPostgres, startPostgres } from '../../support/postgres.ts';
import { describeCrashes } from './crash.contract.ts';
import { describeIndexing } from './indexing.contract.ts';

const limits = { queryTimeoutMs: 20_000 };
const waits = { connectTimeoutMs: 5_000, retryMaxMs: 1_000 };

async function open(settings: DatabaseSettings): Promise<Database> {
  const database = openDatabase(settings);
  await database.opened();
  return database;
}

describe('on PGlite', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'troupe-search-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describeIndexing(() => open({ kind: 'pglite', folder: join(folder, 'pglite'), ...limits }));
  describe('crashes', () => {
    describeCrashes(() => open({ kind: 'pglite', folder: join(folder, 'crashes'), ...limits }));
  });
});

const part = requirePart('postgres');

describe.skipIf(part.missing)('on PostgreSQL', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  const openAt = (url: string) => open({ kind: 'postgres', url, poolMax: 6, ...waits, ...limits });

  describeIndexing(async () => openAt((await server.createDatabase()).url));
  describe('crashes', () => {
    describeCrashes(async () => openAt((await server.createDatabase()).url));
  });

  function parts(database: Database) {
    const told: NotIndexed[] = [];
    const vocabulary = new Vocabulary(database);
    const backlog = new DatabaseBacklog(database, vocabulary, (what) => told.push(what));
    const search = new DatabaseSearch(database, backlog, vocabulary);
    const titles = async (query: string) =>
      (await search.search(query, { limit: 10, maxBytes: 1_000_000 })).notes.map(({ title }) => title);
    return { told, backlog, titles, repository: createNoteRepository(database) };
  }

  test('without the right to make pg_trgm it runs, says what is missing, and takes it up at a later start', async () => {
    const { url } = await server.createDatabase();
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    try {
      await admin.unsafe(`create function refuse() returns event_trigger language plpgsql as
        $$ begin raise insufficient_privilege using message = 'permission denied to create extension'; end $$;
        create event trigger refuse on ddl_command_start when tag in ('CREATE EXTENSION') execute function refuse()`);
      const database = await openAt(url);
      expect(database.state).toBe('ready');
      const first = parts(database);
      await first.repository.create({ title: 'sourdough', body: 'b', author: 'a' });
      const missing = await first.backlog.prepare();
      expect(missing).toMatch(/permission denied to create extension.*run "create extension pg_trgm"/);
      expect([await first.titles('sourdough'), await first.titles('sourdugh')]).toEqual([['sourdough'], []]);
      await admin.unsafe('drop event trigger refuse; create extension pg_trgm');
      const second = parts(database);
      expect(await second.backlog.prepare()).toBeUndefined();
      expect(await second.titles('sourdugh')).toEqual(['sourdough']);
      await database.close();
    } finally {
      await admin.end();
    }
  });

  test('a note that the database does not take words of does not keep the others from being found', async () => {
    const { url } = await server.createDatabase();
    const database = await openAt(url);
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    try {
      await admin.unsafe("alter table notes add check (not words @@ 'poison')");
      const { told, titles, repository } = parts(database);
      await repository.create({ title: 'before', body: 'soup', author: 'a' });
      const { id } = await repository.create({ title: 'poison', body: 'soup', author: 'a' });
      await repository.create({ title: 'after', body: 'soup', author: 'a' });
      expect(await titles('soup')).toEqual(['after', 'before']);
      expect(told).toEqual([{ id, problem: expect.stringContaining('check constraint') as string }]);
      expect(await titles('soup')).toEqual(['after', 'before']);
      expect(told).toHaveLength(1);
    } finally {
      await admin.end();
      await database.close();
    }
  });

  test('another program that may write notes only needs no further right, whatever its search path', async () => {
    const { url } = await server.createDatabase();
    const database = await openAt(url);
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    try {
      await admin.unsafe(`create role writer; grant insert, update, select on notes to writer;
        set role writer; set search_path = pg_catalog;
        insert into public.notes (title, body, author) values ('theirs', 'b', 'a');
        update public.notes set body = 'changed'`);
      expect(await parts(database).titles('changed')).toEqual(['theirs']);
    } finally {
      await admin.end();
      await database.close();
    }
  });
});
