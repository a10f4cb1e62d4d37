// Durable channels: what is stored reaches every member once and in order, whichever way it takes; who comes back is brought up to date
// exactly, or told that it is not.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Broadcast,
  ChannelReset,
  createMemoryStore,
  type EventSource,
  formatCursor,
  parseCursor,
  pubsub,
  sys,
} from 'troupe';
import { createMemoryNetwork, createProbe, settle } from 'troupe/testing';
import { recordTelemetry } from '../process/helpers.ts';

import {
  add,
  bare,
  follow,
  kinds,
  member,
  notes,
  numbers,
  pass,
  site,
  type Site,
  startLog,
} from './durable-helpers.ts';

describe('one node', () => {
  test('a published event reaches the members with its position; what is broadcast has none', async () => {
    const { node } = site();
    const store = createMemoryStore();
    await startLog(node, store);
    const { got } = member(node);
    await settle(node);
    notes.publish(node, await add(store, 1));
    notes.broadcast(node, 'added', { n: 2 });
    await settle(node);
    expect(new Set(numbers(got))).toEqual(new Set([1, 2]));
    const stored = got.find((message) => numbers([message])[0] === 1) as Broadcast;
    expect(stored).toMatchObject({
      epoch: store.epoch,
      position: 1,
      id: `${store.epoch}:1`,
      sender: node.initPid,
    });
    const plain = got.find((message) => message !== stored) as Broadcast;
    expect([plain.epoch, plain.position, plain.id]).toEqual([undefined, undefined, undefined]);
  });

  test('without a log nothing is published, nor followed', async () => {
    const { node } = site();
    const stored = await add(createMemoryStore(), 1);
    expect(() => notes.publish(node, stored)).toThrow('TROUPE_NO_LOG');
    const probe = createProbe(node);
    expect(() => notes.follow(probe.self)).toThrow('TROUPE_NO_LOG');
  });

  test('events that are published out of order come in order', async () => {
    const { node } = site();
    const store = createMemoryStore();
    await startLog(node, bare(store));
    const { got } = member(node);
    await settle(node);
    const [first, second, third] = [await add(store, 1), await add(store, 2), await add(store, 3)];
    notes.publish(node, third);
    notes.publish(node, second);
    await settle(node);
    expect(got).toEqual([]);
    notes.publish(node, first);
    await settle(node);
    expect(numbers(got)).toEqual([1, 2, 3]);
    notes.publish(node, second);
    await settle(node);
    expect(numbers(got)).toEqual([1, 2, 3]);
  });

  test('a gap is filled from the store', async () => {
    const at = site();
    const store = createMemoryStore();
    await startLog(at.node, bare(store));
    const { got } = member(at.node);
    await settle(at.node);
    await add(store, 1);
    notes.publish(at.node, await add(store, 2));
    await pass(20, at);
    expect(numbers(got)).toEqual([1, 2]);
  });

  test('what nobody published is found when the store tells of it, or at the next sweep', async () => {
    const watched = site();
    const store = createMemoryStore();
    await startLog(watched.node, store);
    const { got } = member(watched.node);
    await settle(watched.node);
    await add(store, 1);
    await pass(20, watched);
    expect(numbers(got)).toEqual([1]);
    expect((got[0] as Broadcast).sender.node).toBe(watched.node.name);

    const swept = site();
    await startLog(swept.node, bare(store), { sweepMs: 1_000 });
    const late = member(swept.node);
    await settle(swept.node);
    await add(store, 2);
    await pass(1_300, swept);
    expect(numbers(late.got)).toEqual([2]);
  });

  test('a log that is started again goes on from where the one before was', async () => {
    const at = site();
    const store = createMemoryStore();
    const { pid } = await startLog(at.node, bare(store));
    const { got } = member(at.node);
    await settle(at.node);
    notes.publish(at.node, await add(store, 1));
    await settle(at.node);
    at.node.exit(pid, 'kill');
    notes.publish(at.node, await add(store, 2));
    await settle(at.node);
    expect(numbers(got)).toEqual([1]);
    await startLog(at.node, bare(store));
    await settle(at.node);
    expect(numbers(got)).toEqual([1, 2]);
    await expect(startLog(at.node, store)).rejects.toMatchObject({ reason: { code: 'TROUPE_NAME_TAKEN' } });
  });

  test('members are told when positions mean something else, or what is next was trimmed', async () => {
    const at = site();
    const [first, second] = [createMemoryStore(), createMemoryStore()];
    let store = first;
    const source: EventSource = {
      read: (...args) => store.read(...args),
      extent: (...args) => store.extent(...args),
      trim: (...args) => store.trim(...args),
    };
    await startLog(at.node, source, { sweepMs: 1_000 });
    const { got } = member(at.node);
    await settle(at.node);
    await add(second, 1);
    store = second;
    await pass(1_300, at);
    expect(got).toEqual([new ChannelReset(notes.name, { epoch: second.epoch, position: 1 })]);
    for (let n = 2; n <= 5; n++) await add(second, n);
    await second.trim(notes.name, { keep: 1, maxAgeMs: 1_000_000 });
    await pass(1_300, at);
    expect(kinds(got)).toEqual(['reset 1', 'reset 5']);
  });

  test('a follower that has caught up is told that it is live again after such a reset', async () => {
    const at = site();
    const [first, second] = [createMemoryStore(), createMemoryStore()];
    let store = first;
    const source: EventSource = {
      read: (...args) => store.read(...args),
      extent: (...args) => store.extent(...args),
      trim: (...args) => store.trim(...args),
    };
    await startLog(at.node, source, { sweepMs: 1_000 });
    const { seen, position } = follow(at.node, '');
    await settle(at.node);
    await add(second, 1);
    store = second;
    await pass(1_300, at);
    await add(second, 2);
    await pass(1_300, at);
    expect(kinds(seen)).toEqual(['live 0', 'reset 1', 'live 1', 2]);
    expect(position()).toBe(`${second.epoch}:2`);
  });

  test('a store that fails is asked again, and the failure is told', async () => {
    const events = recordTelemetry('troupe:channel:log_failed');
    const at = site();
    const store = createMemoryStore();
    let fails = true;
    const source: EventSource = {
      ...bare(store),
      extent: (name) => (fails ? Promise.reject(new Error('away')) : store.extent(name)),
    };
    await startLog(at.node, source);
    await settle(at.node);
    expect(events).toMatchObject([{ channel: notes.name, error: new Error('away') }]);
    const { seen } = follow(at.node);
    fails = false;
    await pass(1_300, at);
    await pass(300, at);
    expect(kinds(seen)).toEqual(['live 0']);
    notes.publish(at.node, await add(store, 1));
    await settle(at.node);
    expect(kinds(seen)).toEqual(['live 0', 1]);
  });

  test('a store that is slow keeps nobody from starting, and members from nothing that is published meanwhile', async () => {
    const at = site();
    const store = createMemoryStore();
    await add(store, 1);
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await startLog(at.node, { ...bare(store), extent: (name) => held.then(() => store.extent(name)) });
    const { got } = member(at.node);
    const { seen } = follow(at.node);
    notes.publish(at.node, await add(store, 2));
    notes.publish(at.node, await add(store, 3));
    answer();
    await pass(300, at);
    expect(numbers(got)).toEqual([2, 3]);
    expect(kinds(seen)).toEqual(['live 3']);
  });

  test('the history is trimmed by count and by age, by the first node', async () => {
    const at = site();
    const store = createMemoryStore();
    await startLog(at.node, store, { keep: 2, sweepMs: 1_000 });
    for (let n = 1; n <= 5; n++) await add(store, n);
    await pass(1_300, at);
    expect(await store.extent(notes.name)).toMatchObject({ first: 4, head: 5 });
    await store.trim(notes.name, { keep: 10, maxAgeMs: -1 });
    expect(await store.extent(notes.name)).toMatchObject({ first: 6, head: 5 });
  });

  test('without a log there is an error that says what to do', async () => {
    const { node } = site();
    const store = createMemoryStore();
    const stored = await add(store, 1);
    expect(() => notes.publish(node, stored)).toThrow(/no log .* Start channelLog/);
    expect(() => notes.event('added', undefined as never)).toThrow(/written as JSON/);
  });

  test('a server that never ends is found by sys', async () => {
    const { node } = site();
    const { pid } = await startLog(node, createMemoryStore());
    expect(await sys.getState(node, pid)).toMatchObject({ progress: { cursor: { position: 0 } } });
  });
});

describe('following', () => {
  test('from now on, and from a position', async () => {
    const { node } = site();
    const store = createMemoryStore();
    await startLog(node, store);
    for (let n = 1; n <= 3; n++) notes.publish(node, await add(store, n));
    await settle(node);
    const now = follow(node);
    const back = follow(node, formatCursor({ epoch: store.epoch, position: 1 }));
    const current = follow(node, `${store.epoch}:3`);
    await settle(node);
    notes.publish(node, await add(store, 4));
    await settle(node);
    expect(kinds(now.seen)).toEqual(['live 3', 4]);
    expect(kinds(back.seen)).toEqual([2, 3, 'live 3', 4]);
    expect(kinds(current.seen)).toEqual(['live 3', 4]);
    expect(back.position()).toBe(`${store.epoch}:4`);
  });

  test.each<[string, (epoch: string) => string]>([
    ['of another epoch', () => 'elsewhere:2'],
    ['that is no position', () => 'x'],
    ['beyond the newest event', (epoch) => `${epoch}:9`],
    ['whose history is gone', (epoch) => `${epoch}:1`],
  ])('a position %s is answered with a reset', async (_what, since) => {
    const { node } = site();
    const store = createMemoryStore();
    for (let n = 1; n <= 4; n++) await add(store, n);
    await store.trim(notes.name, { keep: 2, maxAgeMs: 1_000_000 });
    await startLog(node, store);
    const { seen } = follow(node, since(store.epoch));
    await settle(node);
    notes.publish(node, await add(store, 5));
    await settle(node);
    expect(kinds(seen)).toEqual(['reset 4', 'live 4', 5]);
  });

  test('a history that is longer than it is worth is answered with a reset', async () => {
    const { node } = site();
    const store = createMemoryStore();
    await startLog(node, store);
    for (let n = 1; n <= 30; n++) notes.publish(node, await add(store, n));
    await settle(node);
    const count = follow(node, `${store.epoch}:0`, { eventsMax: 29 });
    const bytes = follow(node, `${store.epoch}:0`, { bytesMax: 100 });
    const all = follow(node, `${store.epoch}:0`, { eventsMax: 30 });
    await settle(node);
    expect(kinds(count.seen)).toEqual(['reset 30', 'live 30']);
    expect(kinds(bytes.seen)).toEqual(['reset 30', 'live 30']);
    expect(numbers(all.seen)).toHaveLength(30);
  });

  test('messages of others are left to others', async () => {
    const { node } = site();
    await startLog(node, createMemoryStore());
    const read: unknown[] = [];
    const pid = node.spawn(async (self) => {
      const follower = notes.follow(self);
      for (;;) read.push(follower.read(await self.receive()));
    });
    node.send(pid, 'hello');
    node.send(pid, new Broadcast('other', node.initPid, 'added', 1));
    await settle(node);
    expect(read.filter((value) => value === undefined)).toHaveLength(2);
  });
});

describe('several nodes', () => {
  test('each member on each node gets each event once; a node without a log gets the plain broadcast', async () => {
    const network = createMemoryNetwork();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => site(`${name}@test`, network)) as [Site, Site, Site];
    const nodes = [a.node, b.node, c.node];
    await Promise.all([a.node.connect('b@test'), a.node.connect('c@test'), b.node.connect('c@test')]);
    const store = createMemoryStore();
    for (const { node } of [a, b]) await startLog(node, store);
    const got = nodes.map((node) => member(node).got);
    await settle(nodes);
    await pass(1_000, a, b, c);
    notes.publish(a.node, await add(store, 1));
    notes.publish(b.node, await add(store, 2));
    await pass(30, a, b, c);
    expect(got.map(numbers)).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    expect(got.map((messages) => (messages[0] as Broadcast).position)).toEqual([1, 1, undefined]);
    expect(got[1]).toMatchObject([{ sender: { node: 'a@test' } }, {}]);
    // A node that dies between commit and broadcast.
    await add(store, 3);
    await pass(30, a, b, c);
    expect(got.map(numbers)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2],
    ]);
  });

  test('what another node says that no log says is left out', async () => {
    const network = createMemoryNetwork();
    const [a, b] = ['a', 'b'].map((name) => site(`${name}@test`, network)) as [Site, Site];
    await a.node.connect('b@test');
    const store = createMemoryStore();
    const { pid } = await startLog(a.node, store);
    const { got } = member(a.node);
    const { atom, tuple } = await import('troupe');
    const sender = b.node.initPid;
    const forged = [
      [notes.name, store.epoch, 1, sender, 'added'],
      [notes.name, store.epoch, 1.5, sender, 'added', '{}'],
      [notes.name, store.epoch, 1, sender, 'added', '{'],
      ['other', store.epoch, 1, sender, 'added', '{}'],
      [notes.name, 'a:b', 1, sender, 'added', '{}'],
      [notes.name, store.epoch, 1, 'me', 'added', '{}'],
    ];
    for (const fields of forged) b.node.send(pid, tuple(atom('troupe_event'), ...fields));
    await pass(30, a, b);
    expect(got).toEqual([]);
    notes.publish(a.node, await add(store, 1));
    await settle([a.node, b.node]);
    expect(numbers(got)).toEqual([1]);
  });
});

describe('the store in memory', () => {
  test('a transaction that commits late does not come out of order', async () => {
    const store = createMemoryStore();
    const order: string[] = [];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const late = store.transaction(async (transaction) => {
      const event = await store.append(transaction, notes.event('added', { n: 1 }));
      await held;
      order.push('late');
      return event;
    });
    const early = store.transaction(async (transaction) => {
      const event = await store.append(transaction, notes.event('added', { n: 2 }));
      order.push('early');
      return event;
    });
    await settle(site().node);
    expect(await store.extent(notes.name)).toMatchObject({ head: 0, first: 1 });
    release();
    expect([(await late).position, (await early).position]).toEqual([1, 2]);
    expect(order).toEqual(['late', 'early']);
  });

  test('what was rolled back does not exist', async () => {
    const store = createMemoryStore();
    const failing = store.transaction(async (transaction) => {
      await store.append(transaction, notes.event('added', { n: 1 }));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await add(store, 2)).position).toBe(1);
    const page = await store.read(notes.name, 0, { events: 10, bytes: 1_000 });
    expect(page.events.map(({ payload }) => payload)).toEqual(['{"n":2}']);
  });

  test('positions are text and back', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.nat(), (epoch, position) => {
        expect(parseCursor(formatCursor({ epoch, position }))).toEqual({ epoch, position });
      }),
    );
    for (const text of [
      '',
      'a',
      ':1',
      'a:',
      'a:-1',
      'a:01',
      'a:1.5',
      'a b:1',
      `a:${'9'.repeat(16)}`,
      'a:1:2',
      'ä:1',
    ])
      expect([text, parseCursor(text)]).toEqual([text, undefined]);
  });
});

test('members that do not follow are none of the log’s business', async () => {
  const { node } = site();
  await startLog(node, createMemoryStore());
  expect(pubsub.getLocalMembers(node, notes.name)).toEqual([]);
});
