// The indexer as a server: what wakes it, what it survives, and which of several works.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DatabaseQueryError, DatabaseUnavailableError } from '../../../src/app/database/internal.ts';
import { type IndexerOptions, noteIndexer } from '../../../src/app/indexer/internal.ts';
import { IncomingEvents, type Note, notes } from '../../../src/app/notes/internal.ts';
import { ChannelReset, createNode, type Node } from 'troupe';
import { createMemoryNetwork } from 'troupe/testing';

let nodes: Node[];
beforeEach(() => {
  nodes = [];
});
afterEach(() => Promise.all(nodes.map((node) => node.stop())));

const note: Note = {
  id: 1,
  title: 'title',
  body: 'body',
  author: 'Ada',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};

/** A backlog that counts its steps; a test says what they answer. */
class Steps {
  taken = 0;
  more = 0;
  failures: Error[] = [];
  readonly missing: string[] = [];
  readonly failed: string[] = [];

  options(node: Node, group: string | undefined = 'indexers of the test'): IndexerOptions {
    return {
      backlog: {
        step: async () => {
          this.taken++;
          const failure = this.failures.shift();
          if (failure !== undefined) throw failure;
          return this.more-- > 0;
        },
        tidy: () => Promise.resolve(false),
        prepare: () => Promise.resolve('something'),
      },
      search: {
        search: (query) =>
          query === 'away'
            ? Promise.reject(new DatabaseUnavailableError('unreachable', 'away', 10))
            : Promise.resolve({ notes: [note], next: undefined, indexing: false }),
      },
      incoming: new IncomingEvents({
        node: node.name,
        isStranger: () => false,
        onLeftOut: () => {},
        get: () => Promise.resolve(undefined),
        tell: () => {},
        onMissed: () => {},
      }),
      group,
      onMissing: (what) => this.missing.push(what),
      onFailed: (error) => this.failed.push(String(error)),
    };
  }
}

function startNode(): Node {
  const node = createNode();
  nodes.push(node);
  return node;
}

async function start(node = startNode(), group?: string) {
  const steps = new Steps();
  const indexer = await node.start(noteIndexer, [steps.options(node, group)]);
  return { node, steps, indexer };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}

test('looks when it starts, and says once what is missing', async () => {
  const { steps, indexer } = await start();
  await until(() => steps.taken === 1);
  expect([steps.missing, await indexer.call('status')]).toEqual([['something'], { working: true }]);
});

test('looks after each change that it hears of, once for all that it has heard of, and goes on while there is more', async () => {
  const { node, steps, indexer } = await start();
  await until(() => steps.taken === 1);
  for (let n = 0; n < 10; n++) notes.broadcast(node, 'note_created', note);
  await indexer.call('status');
  await until(() => steps.taken === 2);
  steps.more = 3;
  notes.broadcast(node, 'note_updated', note);
  await until(() => steps.taken === 6);
  notes.broadcast(node, 'note_deleted', { id: 1 });
  await indexer.call('status');
  await indexer.call('status');
  expect(steps.taken).toBe(6);
});

test('looks when events were missed, and leaves the resets of other channels to others', async () => {
  const { node, steps, indexer } = await start();
  await until(() => steps.taken === 1);
  node.send(indexer.pid, new ChannelReset(notes.name, { epoch: 'e', position: 7 }));
  await until(() => steps.taken === 2);
  node.send(indexer.pid, new ChannelReset('other', { epoch: 'e', position: 7 }));
  await indexer.call('status');
  await indexer.call('status');
  expect(steps.taken).toBe(2);
});

test('answers others between its steps', async () => {
  const { node, steps, indexer } = await start();
  await until(() => steps.taken === 1);
  steps.more = 1_000_000;
  notes.broadcast(node, 'note_created', note);
  expect(await indexer.call('search', 'title')).toEqual([1]);
  expect(steps.more).toBeGreaterThan(0);
});

test('answers what is no query, and that the database is away', async () => {
  const { indexer } = await start();
  expect(await indexer.call('search', 7)).toEqual([]);
  expect(await indexer.call('search', 'away')).toBe('unavailable');
});

test('finds what it was not told of by looking from time to time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  try {
    const { steps, indexer } = await start();
    await until(() => steps.taken === 1);
    await vi.advanceTimersByTimeAsync(45_000);
    await until(() => steps.taken >= 2);
    expect(await indexer.call('status')).toEqual({ working: true });
  } finally {
    vi.useRealTimers();
  }
});

test('waits while the database is away, and lives on whatever else goes wrong', async () => {
  const { node, steps, indexer } = await start();
  await until(() => steps.taken === 1);
  steps.failures = [new DatabaseUnavailableError('unreachable', 'away', 10)];
  notes.broadcast(node, 'note_created', note);
  await until(() => steps.taken === 3);
  steps.failures = [new DatabaseQueryError('XX000', 'broken')];
  notes.broadcast(node, 'note_created', note);
  await until(() => steps.failed.length === 1);
  expect([steps.failed, await indexer.call('status')]).toEqual([
    ['DatabaseQueryError: broken (XX000)'],
    { working: true },
  ]);
});

test('tells the members of this node to read again when the database answers', async () => {
  const { node, steps, indexer } = await start();
  const heard: string[] = [];
  node.spawn(async (self) => {
    notes.join(self);
    for (;;) heard.push((await self.receive(notes.matching())).topic);
  });
  await until(() => steps.taken === 1);
  steps.failures = [new DatabaseUnavailableError('unreachable', 'away', 10)];
  indexer.cast('resync');
  indexer.cast('resync');
  await until(() => heard.length > 0);
  expect([heard, steps.taken]).toEqual([['resync'], 3]);
});

describe('of several', () => {
  async function cluster(names: readonly string[]) {
    const network = createMemoryNetwork();
    const members: Awaited<ReturnType<typeof start>>[] = [];
    for (const name of names) {
      const node = createNode({ name, carrier: network.carrier(name) });
      nodes.push(node);
      members.push(await start(node));
    }
    for (const { node } of members)
      for (const other of nodes) if (node !== other) await node.connect(other.name);
    const working = async () =>
      Promise.all(members.map(async ({ indexer }) => (await indexer.call('status')).working));
    /** Waits for it; what it waits for is what it answers. */
    const untilWorking = async (expected: boolean[]) => {
      for (;;) {
        const now = await working();
        if (now.join() === expected.join()) return now;
        await nextTurn();
      }
    };
    return { network, members, untilWorking };
  }

  test('the first works, whoever tells of a change, and the next takes over when it has gone', async () => {
    const { members, untilWorking } = await cluster(['b@test', 'a@test', 'c@test']);
    await untilWorking([false, true, false]);
    const before = members.map(({ steps }) => steps.taken);
    // The third may have heard of the second by now, and not yet of the first.
    await until(() => {
      notes.broadcast(members[2]!.node, 'note_created', note);
      return members[1]!.steps.taken > before[1]!;
    });
    expect([members[0]!.steps.taken, members[2]!.steps.taken]).toEqual([before[0], before[2]]);
    await members[1]!.node.stop();
    members.splice(1, 1);
    await untilWorking([true, false]);
    // It looks at once: the other may have left something.
    await until(() => members[0]!.steps.taken > before[0]!);
    expect(members[1]!.steps.taken).toBe(before[2]);
  });

  test('two work while they do not see each other, and one when they do', async () => {
    const { network, members, untilWorking } = await cluster(['a@test', 'b@test']);
    await untilWorking([true, false]);
    network.cut('a@test', 'b@test');
    expect(await untilWorking([true, true])).toEqual([true, true]);
    network.heal();
    await members[0]!.node.connect('b@test');
    await untilWorking([true, false]);
  });

  test('none works where another instance does it', async () => {
    const node = startNode();
    const steps = new Steps();
    const indexer = await node.start(noteIndexer, [{ ...steps.options(node), group: undefined }]);
    notes.broadcast(node, 'note_created', note);
    expect(await indexer.call('status')).toEqual({ working: false });
    expect(steps.taken).toBe(0);
  });

  test('the scope that they find each other in may end', async () => {
    const { node, steps, indexer } = await start();
    await until(() => steps.taken === 1);
    node.exit(node.whereis('nova_scope')!, 'kill');
    await until(() => node.whereis('nova_scope') !== undefined);
    notes.broadcast(node, 'note_created', note);
    while (!(await indexer.call('status')).working) await nextTurn();
    await until(() => steps.taken >= 2);
    expect(await indexer.call('status')).toEqual({ working: true });
  });
});
