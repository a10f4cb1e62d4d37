// The repository of notes on both databases.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type DatabaseSettings, openDatabase } from '../../../src/app/database/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { describeNoteRepository } from './repository.contract.ts';

const POOL_MAX = 4;
const WAITING_MAX = 60;
const limits = { queryTimeoutMs: 2_000, waitingMax: WAITING_MAX };

async function open(settings: DatabaseSettings) {
  const database = openDatabase(settings);
  await database.opened();
  return database;
}

describe('on PGlite', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'troupe-notes-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describeNoteRepository(
    () => open({ kind: 'pglite', folder: join(folder, 'pglite'), ...limits }),
    1 + WAITING_MAX,
  );
});

const part = requirePart('postgres');

describe.skipIf(part.missing)('on PostgreSQL', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  describeNoteRepository(async () => {
    const { url } = await server.createDatabase();
    const waits = { connectTimeoutMs: 5_000, retryMaxMs: 1_000 };
    return await open({ kind: 'postgres', url, poolMax: POOL_MAX, ...waits, ...limits });
  }, POOL_MAX + WAITING_MAX);
});
