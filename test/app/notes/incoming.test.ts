// What is taken of the channel's messages, and how often it is told that something was left out.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { IncomingEvents, type LeftOut } from '../../../src/app/notes/incoming.ts';
import { Strangers } from '../../../src/app/cluster/strangers.ts';
import { Broadcast, createNode, type Pid } from '../../../src/runtime/index.ts';

const note = {
  id: 1,
  title: 'title',
  body: 'body',
  author: 'Ada',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};
const pidOf = (name: string): Pid => createNode({ name }).initPid;
const own = pidOf('own@test');
const other = pidOf('other@test');

let told: LeftOut[];
let strangers: Strangers;
let events: IncomingEvents;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  told = [];
  strangers = new Strangers(() => {});
  events = new IncomingEvents({
    node: 'own@test',
    isStranger: (node) => strangers.has(node),
    onLeftOut: (what) => told.push(what),
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const read = (sender: Pid, topic: string, payload: unknown) =>
  events.read(new Broadcast('notes', sender, topic, payload));

test('an event of this node is checked, too, and only this node says to read everything again', () => {
  expect(read(own, 'note_created', note)).toEqual({ topic: 'note_created', payload: note });
  expect(read(own, 'resync', {})).toEqual({ topic: 'resync', payload: {} });
  expect(read(other, 'resync', {})).toBeUndefined();
  expect(read(own, 'something', {})).toBeUndefined();
  // What JSON has no form for would close the socket of every client.
  expect(read(own, 'note_created', { ...note, id: 2n ** 64n })).toBeUndefined();
  expect(read(own, 'note_deleted', { id: 2n ** 64n })).toBeUndefined();
});

test('of another node a note is taken with what belongs to it, once for all who read it', () => {
  const message = new Broadcast('notes', other, 'note_updated', { ...note, more: 1 });
  const event = events.read(message);
  expect(event).toEqual({ topic: 'note_updated', payload: note });
  expect(events.read(message)).toBe(event);
  expect(read(other, 'note_deleted', { id: 1, more: 1 })).toEqual({
    topic: 'note_deleted',
    payload: { id: 1 },
  });
});

describe('what is left out', () => {
  test('is told with what is wrong, and without what it says', () => {
    expect(read(other, 'note_created', { ...note, title: 7, createdAt: 'soon' })).toBeUndefined();
    expect(told).toEqual([
      {
        peer: 'other@test',
        topic: 'note_created',
        problem: 'these keys of the payload are missing or no value of a note: title, createdAt',
        count: 1,
      },
    ]);
  });

  test('with a topic that is no text is no different', () => {
    expect(read(other, 7 as unknown as string, note)).toBeUndefined();
    expect(told).toMatchObject([{ topic: 'no text' }]);
  });

  test('is told every ten seconds for each node, with how many there were', () => {
    for (let n = 0; n < 5; n++) read(other, 'nonsense', n);
    read(pidOf('third@test'), 'nonsense', 0);
    expect(told).toMatchObject([
      { peer: 'other@test', count: 1 },
      { peer: 'third@test', count: 1 },
    ]);
    vi.advanceTimersByTime(10_000);
    read(other, 'nonsense', 0);
    expect(told[2]).toMatchObject({ peer: 'other@test', count: 5 });
  });

  test('is forgotten when a thousand nodes have sent such', () => {
    read(other, 'nonsense', 0);
    for (let n = 0; n < 1_000; n++) read(pidOf(`n${n}@test`), 'nonsense', 0);
    read(other, 'nonsense', 0);
    expect(told.filter(({ peer }) => peer === 'other@test')).toHaveLength(2);
  });

  test('is all that an instance tells which keeps other notes', () => {
    strangers.add('other@test', 'theirs');
    expect(read(other, 'note_created', note)).toBeUndefined();
    strangers.forget('other@test');
    expect(read(other, 'note_created', note)).toBeDefined();
  });
});

test('strangers are told of once, and a thousand of them are known', () => {
  const met: string[] = [];
  strangers = new Strangers((node) => met.push(node));
  for (let n = 0; n < 3; n++) strangers.add('a@test', 'theirs');
  strangers.add('a@test', 'others');
  expect(met).toEqual(['a@test', 'a@test']);
  for (let n = 0; n < 2_000; n++) strangers.add(`n${n}@test`, 'theirs');
  expect([met.length, strangers.has('n998@test'), strangers.has('n999@test')]).toEqual([1_001, true, false]);
});
