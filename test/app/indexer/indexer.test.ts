// How the indexer reads: others have their turn meanwhile, and what it is told meanwhile is not lost.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noteIndexer } from '../../../src/app/indexer/indexer.ts';
import { notes } from '../../../src/app/notes/channel.ts';
import type { Note } from '../../../src/app/notes/note.ts';
import type { NoteRepository } from '../../../src/app/notes/repository.ts';
import { createNode, type Node } from '../../../src/runtime/index.ts';

let node: Node;
beforeEach(() => {
  node = createNode();
});
afterEach(() => node.stop());

const note = (id: number, title: string, body = ''): Note => ({
  id,
  title,
  body,
  author: 'Ada',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
});

/** A repository from which everything can be read, and nothing else be done. */
function repositoryOf(batches: () => AsyncGenerator<Note[], void, undefined>): NoteRepository {
  const refuse = () => Promise.reject(new Error('the indexer reads everything, and does nothing else'));
  return {
    all: batches,
    list: refuse,
    get: refuse,
    getMany: refuse,
    create: refuse,
    update: refuse,
    delete: refuse,
  };
}

test('lets others have their turn while it reads many notes at once', async () => {
  const body = Array.from({ length: 10_000 }, (_, n) => n.toString(36)).join(' ');
  const many = Array.from({ length: 100 }, (_, id) => note(id + 1, 'long', body));
  const repository = repositoryOf(async function* () {
    yield many;
  });
  const indexer = await node.start(noteIndexer, [repository]);
  const index = { isReady: false };
  const ready = indexer.call('status').then((status) => (index.isReady = status.ready));
  let turns = 0;
  while (!index.isReady) {
    await nextTurn();
    turns++;
  }
  await ready;
  // Without a pause between the notes there are two or three.
  expect(turns).toBeGreaterThan(8);
  expect(await indexer.call('search', 'long')).toHaveLength(100);
});

test('follows what happens while it reads', async () => {
  let told = (): void => {};
  const isTold = new Promise<void>((resolve) => (told = resolve));
  const repository = repositoryOf(async function* () {
    yield [note(1, 'kept'), note(2, 'gone'), note(3, 'old')];
    notes.broadcast(node, 'note_deleted', { id: 2 });
    notes.broadcast(node, 'note_updated', { ...note(3, 'new'), updatedAt: '2026-01-01T00:00:00.001Z' });
    notes.broadcast(node, 'note_created', note(5, 'fresh'));
    yield [note(4, 'late')];
    told();
  });
  const indexer = await node.start(noteIndexer, [repository]);
  await isTold; // what is asked from now on stands behind it
  const found = await Promise.all(
    ['kept', 'gone', 'old', 'new', 'fresh', 'late'].map((query) => indexer.call('search', query)),
  );
  expect(found).toEqual([[1], [], [], [3], [5], [4]]);
  expect(await indexer.call('status')).toEqual({ ready: true, notes: 4 });
});

test('reads everything anew when it is asked to, once for all that ask meanwhile, and answers as before until then', async () => {
  const reads = { count: 0 };
  const repository = repositoryOf(async function* () {
    yield [note(1, ['one', 'two'][reads.count++] ?? 'more')];
  });
  const indexer = await node.start(noteIndexer, [repository]);
  expect(await indexer.call('search', 'one')).toEqual([1]);
  for (let n = 0; n < 10; n++) indexer.cast('reread');
  expect(await indexer.call('search', 'one')).toEqual([1]);
  while ((await indexer.call('search', 'two')).length === 0) await nextTurn();
  expect([reads.count, await indexer.call('search', 'one')]).toEqual([2, []]);
});
