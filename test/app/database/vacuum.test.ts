// The space of what was changed is used again: the embedded database does not grow with the number of edits.
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Database, openDatabase } from '../../../src/app/database/internal.ts';
import { DatabaseBacklog, Vocabulary } from '../../../src/app/indexer/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { temporaryFolder } from './support.ts';

vi.setConfig({ testTimeout: 120_000 });

const NOTES = 20;
/** It does not compress, so it is kept in pieces in a table of its own. */
const longBody = () => randomBytes(20_000).toString('hex');

async function sizeOf(database: Database): Promise<number> {
  const [row] = await database.run((db) =>
    db.select({ bytes: sql<string>`bytes` }).from(sql`pg_total_relation_size('notes') as bytes`),
  );
  return Number(row?.bytes);
}

/** Does what the indexer does when nothing is to be indexed; answers how many times it had something to do. */
async function tidy(database: Database): Promise<number> {
  let times = 0;
  // What the database counts it tells a moment later, unless it is asked to.
  await database.run((db) => db.execute(sql`select pg_stat_force_next_flush()`));
  const backlog = new DatabaseBacklog(database, new Vocabulary(database), ({ problem }) => {
    throw new Error(problem);
  });
  while (await backlog.tidy()) times++;
  return times;
}

test('edits of the same notes take no more room than a few of them', async () => {
  const folder = join(temporaryFolder(), 'data');
  const database = openDatabase({ kind: 'pglite', folder, queryTimeoutMs: 20_000 });
  onTestFinished(() => database.close());
  await database.opened();
  const repository = createNoteRepository(database);
  for (let i = 0; i < NOTES; i++) await repository.create({ title: 't', body: longBody(), author: 'a' });
  const editAll = async () => {
    for (let id = 1; id <= NOTES; id++) await repository.update(id, { title: 't', body: longBody() });
    return await tidy(database);
  };
  let times = 0;
  for (let round = 0; round < 3; round++) times += await editAll();
  expect(times).toBeGreaterThan(0);
  const size = await sizeOf(database);
  for (let round = 0; round < 12; round++) await editAll();
  expect(await sizeOf(database)).toBeLessThan(1.5 * size);
  expect(await tidy(database)).toBe(0);
});
