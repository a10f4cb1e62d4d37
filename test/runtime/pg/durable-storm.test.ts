// Very many followers at once: they share reads of the store and messages, and hold up nobody.
import { expect, test } from 'vitest';
import { createMemoryStore, type EventSource, type MemoryStore } from 'troupe';
import { settle } from 'troupe/testing';
import { add, bare, follow, kinds, notes, numbers, pass, site, startLog } from './durable-helpers.ts';

/** A source that counts reads, altogether and at a time. */
function counted(store: MemoryStore) {
  const reads: number[] = [];
  let running = 0;
  let most = 0;
  const source: EventSource = {
    async read(channel, after, limit) {
      reads.push(after);
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
      return await store.read(channel, after, limit);
    },
    extent: (...args) => store.extent(...args),
    trim: (...args) => store.trim(...args),
  };
  return { source, reads, most: () => most };
}

/** A store with events of this many bytes, and a log that begins after them. */
async function stored(count: number, bytes = 0) {
  const { node } = site();
  const store = createMemoryStore();
  for (let n = 1; n <= count; n++) {
    if (bytes === 0) await add(store, n);
    else await addLarge(store, bytes);
  }
  const at = counted(store);
  await startLog(node, at.source);
  await settle(node);
  at.reads.length = 0;
  return { node, store, ...at };
}

const addLarge = (store: MemoryStore, bytes: number) =>
  store.transaction((transaction) =>
    store.append(transaction, {
      channel: notes.name,
      topic: 'added',
      payload: JSON.stringify({ n: 1, text: 'x'.repeat(bytes) }),
    }),
  );

test('followers that come back together share the reads and the messages', async () => {
  const { node, store, reads } = await stored(250);
  const all = Array.from({ length: 200 }, () => follow(node, `${store.epoch}:0`));
  await settle(node);
  for (const { seen } of all) expect(numbers(seen)).toHaveLength(250);
  for (const { seen } of all)
    expect(seen.every((one, index) => one === all[0]?.seen[index] || index === 250)).toBe(true);
  expect(reads).toEqual([0, 100, 200]);
  const late = follow(node, `${store.epoch}:150`);
  await settle(node);
  expect(numbers(late.seen)).toHaveLength(100);
  expect(reads).toHaveLength(3);
});

test('what was delivered a moment ago is not read again', async () => {
  const { node, store, reads } = await stored(0);
  for (let n = 1; n <= 20; n++) notes.publish(node, await add(store, n));
  const [back, current] = [follow(node, `${store.epoch}:5`), follow(node, `${store.epoch}:20`)];
  await settle(node);
  expect(numbers(back.seen)).toEqual(Array.from({ length: 15 }, (_, index) => index + 6));
  expect(kinds(current.seen)).toEqual(['live 20']);
  expect(reads).toEqual([]);
});

test('at most two reads run at a time', async () => {
  const { node, store, most } = await stored(120);
  const all = Array.from({ length: 120 }, (_, index) => follow(node, `${store.epoch}:${index}`));
  await settle(node);
  expect(all.map(({ seen }) => numbers(seen).length)).toEqual(all.map((_, index) => 120 - index));
  expect(most()).toBe(2);
});

test('a position that is too far behind is answered without a read', async () => {
  const { node, store, reads } = await stored(1_100);
  const all = Array.from({ length: 100 }, (_, index) => follow(node, `${store.epoch}:${index}`));
  await settle(node);
  for (const { seen } of all) expect(kinds(seen)).toEqual(['reset 1100', 'live 1100']);
  expect(reads).toEqual([]);
});

test('one that has too many bytes after it, or is gone, costs reads once', async () => {
  const { node, store, reads } = await stored(30, 200_000);
  const first = follow(node, `${store.epoch}:3`);
  await settle(node);
  expect(kinds(first.seen).slice(-2)).toEqual(['reset 30', 'live 30']);
  const { length } = reads;
  expect(length).toBeGreaterThan(0);
  const all = Array.from({ length: 50 }, (_, index) => follow(node, `${store.epoch}:${index % 4}`));
  await settle(node);
  for (const { seen } of all) expect(kinds(seen)).toEqual(['reset 30', 'live 30']);
  expect(reads).toHaveLength(length);
  const near = follow(node, `${store.epoch}:20`);
  await settle(node);
  expect(numbers(near.seen)).toHaveLength(10);
});

test('the messages in memory have a limit in bytes', async () => {
  const { node, store, reads } = await stored(0);
  for (let n = 1; n <= 30; n++) notes.publish(node, await addLarge(store, 200_000));
  follow(node, `${store.epoch}:15`);
  await settle(node);
  expect(reads).toEqual([]);
  follow(node, `${store.epoch}:1`);
  await settle(node);
  expect(reads[0]).toBe(1);
});

test('positions beyond the newest event share two reads: the second has not begun before they came', async () => {
  const { node, store, reads } = await stored(3);
  const all = Array.from({ length: 50 }, (_, index) => follow(node, `${store.epoch}:${index + 4}`));
  await settle(node);
  for (const { seen } of all) expect(kinds(seen)).toEqual(['reset 3', 'live 3']);
  expect(reads).toEqual([3, 3]);
});

test('a follower that has joined shares no read for good that is older than its joining', async () => {
  const { node } = site();
  const store = createMemoryStore();
  const gates = new Map<number, () => void>();
  // What was read is old when it arrives; the log reads more at a time.
  const read: EventSource['read'] = async (channel, after, limit) => {
    const page = await store.read(channel, after, limit);
    if (limit.events === 100) await new Promise<void>((resolve) => gates.set(after, resolve));
    return page;
  };
  await startLog(node, { ...bare(store), read }, { keep: 1 });
  const turns = async (until: () => boolean) => {
    while (!until()) await new Promise(setImmediate);
  };
  for (let n = 1; n <= 3; n++) notes.publish(node, await add(store, n));
  await settle(node);
  const beyond = follow(node, `${store.epoch}:7`);
  const back = follow(node, `${store.epoch}:1`);
  await turns(() => gates.has(3) && gates.has(1));
  for (let n = 4; n <= 5; n++) notes.publish(node, await add(store, n));
  gates.get(1)?.(); // it has 2 and 3, joins, and shares the read after 3
  const shared = gates.get(3);
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  gates.delete(3);
  shared?.();
  await turns(() => gates.has(3));
  gates.get(3)?.();
  await settle(node);
  expect(kinds(back.seen)).toEqual([2, 3, 4, 5, 'live 5']);
  expect(kinds(beyond.seen)).toEqual(['reset 5', 'live 5']);
});

test('a position that another node was faster to deliver is resumed from, too', async () => {
  const { node, store, reads } = await stored(3);
  for (let n = 4; n <= 6; n++) await add(store, n);
  const ahead = follow(node, `${store.epoch}:5`);
  await settle(node);
  expect(reads).toEqual([3]);
  expect(kinds(ahead.seen)).toEqual([6, 'live 6']);
});

test('events of a history that has just been replaced are not given to followers of the one before', async () => {
  const at = site();
  const { node } = at;
  const [first, second] = [createMemoryStore(), createMemoryStore()];
  for (let n = 1; n <= 3; n++) await add(first, n);
  for (let n = 11; n <= 13; n++) await add(second, n);
  let store = first;
  await startLog(node, {
    ...bare(first),
    read: (...args) => store.read(...args),
  });
  await settle(node);
  store = second;
  const one = follow(node, `${first.epoch}:0`);
  await settle(node);
  const two = follow(node, `${first.epoch}:0`);
  await settle(node);
  // The log did not know; who reads tells it to look, and waits for what it says.
  await pass(250, at);
  expect(kinds(one.seen)).toEqual(['reset 3', 'live 3']);
  expect(one.seen[0]).toMatchObject({ epoch: second.epoch });
  expect(two.seen).toEqual(one.seen);
});
