// How the indexer reads: others have their turn meanwhile, and what it is told meanwhile is not lost.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DatabaseUnavailableError } from '../../../src/app/database/errors.ts';
import { noteIndexer } from '../../../src/app/indexer/indexer.ts';
import { notes } from '../../../src/app/notes/channel.ts';
import { IncomingEvents } from '../../../src/app/notes/incoming.ts';
import type { Note } from '../../../src/app/notes/note.ts';
import type { NoteRepository } from '../../../src/app/notes/repository.ts';
import { createNode, type Node } from '../../../src/runtime/index.ts';
import { barrier } from '../support/faulty-database.ts';

let node: Node;
let incoming: IncomingEvents;
beforeEach(() => {
  node = createNode();
  incoming = new IncomingEvents({
    node: node.name,
    isStranger: () => false,
    onLeftOut: () => undefined,
    get: () => Promise.resolve(undefined),
    tell: () => undefined,
    onMissed: () => undefined,
  });
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
    listAfter: refuse,
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
  const indexer = await node.start(noteIndexer, [repository, incoming]);
  const index = { isReady: false };
  const ready = indexer
    .call('status', undefined, { timeoutMs: Infinity })
    .then((status) => (index.isReady = status.ready));
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
  const indexer = await node.start(noteIndexer, [repository, incoming]);
  await isTold; // what is asked from now on stands behind it
  const found = await Promise.all(
    ['kept', 'gone', 'old', 'new', 'fresh', 'late'].map((query) => indexer.call('search', query)),
  );
  expect(found).toEqual([[1], [], [], [3], [5], [4]]);
  expect(await indexer.call('status')).toEqual({ ready: true, notes: 4 });
});

describe('reading again', () => {
  const at = (id: number, title: string, second: number): Note => ({
    ...note(id, title),
    updatedAt: `2026-01-01T00:00:0${second}.000Z`,
  });

  test('is done once for all who ask meanwhile, and puts right what the index has wrong', async () => {
    const states = [
      [at(1, 'one', 0), at(2, 'gone', 0), at(3, 'same', 0)],
      [at(1, 'two', 1), at(3, 'same', 0), at(4, 'missed', 0)],
    ];
    const reads = { count: 0 };
    const repository = repositoryOf(async function* () {
      yield states[Math.min(reads.count++, 1)] ?? [];
    });
    const indexer = await node.start(noteIndexer, [repository, incoming]);
    expect(await indexer.call('search', 'one')).toEqual([1]);
    for (let n = 0; n < 10; n++) indexer.cast('reread');
    expect(await indexer.call('search', 'one')).toEqual([1]);
    while ((await indexer.call('search', 'two')).length === 0) await nextTurn();
    const found = await Promise.all(
      ['one', 'gone', 'same', 'missed'].map((query) => indexer.call('search', query)),
    );
    expect([reads.count, found]).toEqual([2, [[], [], [3], [4]]]);
  });

  test('answers searches and follows events between batches, and does not lose what they say', async () => {
    const between: Array<Promise<unknown>> = [];
    const reads = { count: 0, ended: 0 };
    const repository = repositoryOf(async function* () {
      yield [note(1, 'first')];
      if (reads.count++ > 0) {
        yield [note(2, 'second')];
        notes.broadcast(node, 'note_created', note(9, 'during'));
        notes.broadcast(node, 'note_deleted', { id: 1 });
        for (const query of ['first', 'second', 'during', 'last'])
          between.push(indexer.call('search', query));
        yield [note(3, 'third')];
        yield [note(4, 'last'), note(9, 'during')];
      }
      reads.ended++;
    });
    const indexer = await node.start(noteIndexer, [repository, incoming]);
    indexer.cast('reread');
    while (reads.ended < 2) await nextTurn();
    expect(await Promise.all(between)).toEqual([[], [2], [9], []]);
    const found = ['first', 'second', 'during', 'last'].map((query) => indexer.call('search', query));
    expect(await Promise.all(found)).toEqual([[], [2], [9], [4]]);
    expect(await indexer.call('status')).toEqual({ ready: true, notes: 4 });
  });

  test('waits for the reading that is under way, and tells the members of this node when it was asked to', async () => {
    const heard: string[] = [];
    node.spawn(async (self) => {
      notes.join(self);
      for (;;) heard.push((await self.receive(notes.matching())).topic);
    });
    const reads = { count: 0 };
    const gate = barrier();
    const repository = repositoryOf(async function* () {
      if (reads.count++ === 1) await gate.wait();
      yield [at(1, 'one', Math.min(reads.count, 3))];
    });
    const indexer = await node.start(noteIndexer, [repository, incoming]);
    await indexer.call('status');
    indexer.cast('resync');
    await gate.reached;
    indexer.cast('resync');
    gate.release();
    while (reads.count < 3) await nextTurn();
    await indexer.call('status');
    while (heard.length < 2) await nextTurn();
    expect([reads.count, heard]).toEqual([3, ['resync', 'resync']]);
  });

  test('is tried again while the database is away, and then tells', async () => {
    const heard: string[] = [];
    node.spawn(async (self) => {
      notes.join(self);
      for (;;) heard.push((await self.receive(notes.matching())).topic);
    });
    const reads = { count: 0 };
    const repository = repositoryOf(async function* () {
      if (reads.count++ === 1) throw new DatabaseUnavailableError('unreachable', 'away', 10);
      yield [note(1, 'one')];
    });
    const indexer = await node.start(noteIndexer, [repository, incoming]);
    await indexer.call('status');
    indexer.cast('resync');
    while (heard.length === 0) await nextTurn();
    expect([reads.count, await indexer.call('search', 'one')]).toEqual([3, [1]]);
  });
});
