// What waits in a log and in a follower is bounded: events before their turn by number and by bytes, messages while the store is read, and a
// mailbox that drops some of them loses nothing.
import { expect, test } from 'vitest';
import { createMemoryStore, defineChannel, type EventSource, type StoredEvent, sys, type Pid } from 'troupe';
import { createMemoryNetwork, settle } from 'troupe/testing';
import { Ahead, AHEAD_MAX, Published } from '../../../src/runtime/pg/internal.ts';
import {
  add,
  bare,
  kinds,
  member,
  notes,
  numbers,
  pass,
  site,
  type Site,
  startLog,
} from './durable-helpers.ts';

/** A store whose reads wait until they are let go. */
function held(source: EventSource): { readonly source: EventSource; release(): void } {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  return {
    source: { ...source, read: (...args) => released.then(() => source.read(...args)) },
    release,
  };
}

const aheadOf = async ({ node }: Site, pid: Pid): Promise<Ahead> => {
  const { progress } = (await sys.getState(node, pid)) as { progress: { ahead: Ahead } };
  return progress.ahead;
};

test.each([
  ['number', 10, AHEAD_MAX.events + 200],
  ['bytes', 200_000, 40],
])(
  'events before their turn are bounded by %s, and those that were left out are read',
  async (_what, bytes, count) => {
    const at = site();
    const store = createMemoryStore();
    const { source, release } = held(bare(store));
    const { pid } = await startLog(at.node, source);
    const { got } = member(at.node);
    await settle(at.node);
    const events: StoredEvent[] = [];
    for (let n = 1; n <= count; n++)
      events.push(
        await store.transaction((transaction) =>
          store.append(transaction, {
            ...notes.event('added', { n }),
            payload: `{"n":${n},"text":"${'x'.repeat(bytes)}"}`,
          }),
        ),
      );
    for (const event of events.slice(1)) notes.publish(at.node, event);
    await pass(20, at);
    const ahead = await aheadOf(at, pid);
    expect(ahead.size).toBeGreaterThan(0);
    expect(ahead.size).toBeLessThan(count - 1);
    expect(ahead.size).toBeLessThanOrEqual(AHEAD_MAX.events);
    expect(ahead.bytes).toBeLessThanOrEqual(AHEAD_MAX.bytes);
    expect(got).toEqual([]);
    release();
    await pass(20, at);
    expect(numbers(got)).toEqual(events.map((_, index) => index + 1));
    expect([ahead.size, ahead.bytes]).toEqual([0, 0]);
  },
);

test('what waits is counted as it comes and goes', async () => {
  const { node } = site();
  const store = createMemoryStore();
  const ahead = new Ahead();
  const published = new Published(await add(store, 1), node.initPid);
  ahead.add(published);
  ahead.add(published);
  expect([ahead.size, ahead.bytes]).toEqual([1, published.bytes]);
  ahead.dropUpTo(0);
  expect(ahead.take(2)).toBe(undefined);
  expect(ahead.take(1)).toBe(published);
  ahead.add(published);
  ahead.dropUpTo(1);
  expect([ahead.size, ahead.bytes]).toEqual([0, 0]);
});

test('a store that does not answer lets nothing pile up before the log: what others publish is delivered in its turn', async () => {
  const network = createMemoryNetwork();
  const [a, b] = ['a', 'b'].map((name) => site(`${name}@test`, network)) as [Site, Site];
  await a.node.connect('b@test');
  const store = createMemoryStore();
  await startLog(a.node, bare(store));
  const { source } = held(bare(store));
  const { pid } = await startLog(b.node, source);
  const { got } = member(b.node);
  await settle([a.node, b.node]);
  const missed = await add(store, 1);
  for (let n = 2; n <= 500; n++) notes.publish(a.node, await add(store, n));
  await pass(20, a, b); // b reads, and is not answered
  expect(b.node.processInfo(pid)?.messageQueueLength).toBe(0);
  expect(got).toEqual([]);
  notes.publish(a.node, missed);
  await settle([a.node, b.node]);
  expect(numbers(got)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
});

const dropping = { mailbox: { limit: 4, policy: 'dropOldest' } } as const;

test('a follower whose mailbox drops messages reads them', async () => {
  const at = site();
  const store = createMemoryStore();
  await startLog(at.node, store);
  const seen: unknown[] = [];
  at.node.spawnWith(dropping, async (self) => {
    const follower = notes.follow(self);
    for (;;) seen.push(...((await follower.read(await self.receive())) ?? []));
  });
  await settle(at.node);
  for (let round = 0; round < 3; round++) {
    const events: StoredEvent[] = [];
    for (let n = 1; n <= 20; n++) events.push(await add(store, round * 20 + n));
    for (const event of events) notes.publish(at.node, event);
    await settle(at.node);
  }
  expect(numbers(seen)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
});

test('one whose mailbox has dropped a reset is reset all the same', async () => {
  const at = site();
  const [first, second] = [createMemoryStore(), createMemoryStore()];
  let store = first;
  const source: EventSource = {
    read: (...args) => store.read(...args),
    extent: (...args) => store.extent(...args),
    trim: (...args) => store.trim(...args),
  };
  await startLog(at.node, source, { sweepMs: 1_000 });
  const seen: unknown[] = [];
  at.node.spawnWith(dropping, async (self) => {
    const follower = notes.follow(self);
    for (;;) {
      const message = await self.receive();
      if (message === 'wait') await self.receive((later) => later === 'go on');
      else seen.push(...((await follower.read(message)) ?? []));
    }
  });
  await settle(at.node);
  notes.publish(at.node, await add(first, 1));
  await settle(at.node);
  const [pid] = notes.getLocalMembers(at.node) as [Pid];
  at.node.send(pid, 'wait');
  await settle(at.node);
  store = second;
  await pass(1_300, at);
  for (let n = 11; n <= 30; n++) notes.publish(at.node, await add(second, n));
  at.node.send(pid, 'go on');
  await settle(at.node);
  notes.publish(at.node, await add(second, 31));
  await settle(at.node);
  const text = seen.map((one) =>
    (one as { id: string }).id.replace(second.epoch, 'second').replace(first.epoch, 'first'),
  );
  expect(text).toEqual(['first:0', 'first:1', 'second:20', 'second:20', 'second:21']);
});

test('one whose mailbox has dropped a reset while it read is reset all the same, by the newest event', async () => {
  const at = site();
  const [first, second] = [createMemoryStore(), createMemoryStore()];
  let store = first;
  const gates: Array<() => void> = [];
  const source: EventSource = {
    // A log reads more at a time than a follower.
    read: async (channel, after, limit) => {
      const page = store.read(channel, after, limit);
      if (limit.events === 100) await new Promise<void>((resolve) => gates.push(resolve));
      return await page;
    },
    extent: (...args) => store.extent(...args),
    trim: (...args) => store.trim(...args),
  };
  await startLog(at.node, source, { sweepMs: 1_000, keep: 1 });
  const turn = () => new Promise(setImmediate);
  const turns = async (count: number) => {
    for (let left = count; left > 0; left--) await turn();
  };
  for (let n = 1; n <= 3; n++) notes.publish(at.node, await add(first, n));
  await settle(at.node);
  const seen: unknown[] = [];
  at.node.spawnWith({ mailbox: { limit: 2, policy: 'dropOldest' } }, async (self) => {
    const follower = notes.follow(self, `${first.epoch}:1`);
    for (;;) seen.push(...((await follower.read(await self.receive())) ?? []));
  });
  while (gates.length === 0) await turn();
  for (let n = 4; n <= 6; n++) notes.publish(at.node, await add(first, n));
  gates.shift()?.(); // it has 2 and 3, joins, and reads on to 6
  while (gates.length === 0) await turn();
  for (let n = 11; n <= 13; n++) await add(second, n);
  store = second;
  await at.clock.advance(1_300);
  await turns(20);
  for (let n = 14; n <= 17; n++) notes.publish(at.node, await add(second, n));
  gates.shift()?.();
  await settle(at.node);
  notes.publish(at.node, await add(second, 18));
  await settle(at.node);
  expect(kinds(seen)).toEqual([2, 3, 'reset 7', 'live 7', 18]);
});

test('a process that is a member besides hears nothing twice, and nothing before it has caught up', async () => {
  const at = site();
  const store = createMemoryStore();
  await startLog(at.node, store);
  for (let n = 1; n <= 3; n++) notes.publish(at.node, await add(store, n));
  await settle(at.node);
  const seen: unknown[] = [];
  at.node.spawn(async (self) => {
    notes.join(self);
    const follower = notes.follow(self, `${store.epoch}:1`);
    for (;;) seen.push(...((await follower.read(await self.receive())) ?? []));
  });
  notes.publish(at.node, await add(store, 4));
  await settle(at.node);
  notes.publish(at.node, await add(store, 5));
  await settle(at.node);
  expect(numbers(seen)).toEqual([2, 3, 4, 5]);
  expect(defineChannel(notes.name, { durable: true }).getLocalMembers(at.node)).toHaveLength(2);
});
