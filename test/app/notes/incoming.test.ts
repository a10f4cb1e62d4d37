// What is taken of the channel's messages, and how often it is told that something was left out.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KEYS_MAX } from 'troupe/log';
import { IncomingEvents, type LeftOut, type Note } from '../../../src/app/notes/internal.ts';
import { Strangers } from '../../../src/app/cluster/internal.ts';
import { atom, Broadcast, charlist, createNode, type Pid, tuple } from 'troupe';

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
let stored: (id: number) => Promise<Note | undefined>;
let toldHere: unknown[];
let missed: number;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'Date'], now: Date.UTC(2026, 0, 2) });
  told = [];
  toldHere = [];
  missed = 0;
  stored = () => Promise.resolve(undefined);
  strangers = new Strangers(() => {});
  events = new IncomingEvents({
    node: 'own@test',
    isStranger: (node) => strangers.has(node),
    onLeftOut: (what) => told.push(what),
    get: (id) => stored(id),
    tell: (topic, noted) => toldHere.push([topic, noted]),
    onMissed: () => missed++,
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

  test('is told of so many nodes alone, and of the rest as one', () => {
    for (let n = 0; n < 1_000; n++) read(pidOf(`n${n}@test`), 'nonsense', 0);
    expect(told).toHaveLength(KEYS_MAX + 1);
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

describe('a note of a program that has other fields', () => {
  const { createdAt: _created, updatedAt: _updated, ...bare } = note;
  const NOW = '2026-01-02T00:00:00.000Z';
  const at = (time: string) => `2026-01-01T${time}Z`;
  const both = (time: string) => ({ createdAt: time, updatedAt: time });

  test.each<[string, object, object]>([
    ['without times', {}, both(NOW)],
    ['a datetime', { inserted_at: tuple(tuple(2026, 1, 1), tuple(10, 20, 30)) }, both(at('10:20:30.000'))],
    [
      'a datetime with a fraction',
      { inserted_at: tuple(tuple(2026, 1, 1), tuple(1, 2, 3.25)) },
      both(at('01:02:03.250')),
    ],
    ['a text without milliseconds', { inserted_at: '2026-01-01T10:20:30Z' }, both(at('10:20:30.000'))],
    ['a text without a zone', { created_at: '2026-01-01 10:20:30.123456' }, both(at('10:20:30.123'))],
    ['a text with a zone', { created_at: '2026-01-01T10:20:30+02:00' }, both(at('08:20:30.000'))],
    [
      'a list of characters',
      { inserted_at: [...Buffer.from('2026-01-01T10:20:30Z')] },
      both(at('10:20:30.000')),
    ],
    ['seconds', { inserted_at: 1_767_262_830 }, both(at('10:20:30.000'))],
    [
      'a struct',
      { inserted_at: { year: 2026, month: 1, day: 1, hour: 1, minute: 2, second: 3, __struct__: atom('x') } },
      both(at('01:02:03.000')),
    ],
    [
      'both times',
      { inserted_at: 1_767_262_830, updated_at: 1_767_262_831 },
      { createdAt: at('10:20:30.000'), updatedAt: at('10:20:31.000') },
    ],
    ['no date', { inserted_at: tuple(tuple(2026, 6, 31), tuple(0, 0, 0)) }, both(NOW)],
    ['what is no time', { inserted_at: atom('soon'), updated_at: -1 }, both(NOW)],
  ])('is told with the times there are, or now: %s', async (_what, times, expected) => {
    expect(read(other, 'note_created', { ...bare, ...times })).toBeUndefined();
    await vi.waitFor(() => expect(toldHere).toEqual([['note_created', { ...bare, ...expected }]]));
    expect([told, missed]).toEqual([[], 0]);
  });

  test('is told as it is stored, where it is; a text may be a list of characters', async () => {
    stored = () => Promise.resolve(note);
    read(other, 'note_updated', { ...bare, title: 'other', body: [...Buffer.from('text')] });
    await vi.waitFor(() => expect(toldHere).toEqual([['note_updated', note]]));
    stored = () => Promise.resolve(undefined);
    read(other, 'note_updated', { ...bare, id: 2, title: charlist('characters') });
    await vi.waitFor(() =>
      expect(toldHere[1]).toMatchObject(['note_updated', { id: 2, title: 'characters' }]),
    );
  });

  test('is told all the same when it cannot be read, and all are read again', async () => {
    stored = () => Promise.reject(new Error('away'));
    read(other, 'note_created', bare);
    await vi.waitFor(() => expect(toldHere).toHaveLength(1));
    expect(missed).toBe(1);
  });

  test('is told once, although each process that follows the channel gets it, and anew when it has changed', async () => {
    const titles = ['a', 'a', 'b', 'b', 'a'];
    for (const title of titles) {
      read(other, 'note_updated', { ...bare, title });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(toldHere.map((event) => (event as [string, Note])[1].title)).toEqual(['a', 'b', 'a']);
  });

  test('is forgotten when it is deleted meanwhile', async () => {
    let answer = (_note: Note | undefined): void => undefined;
    stored = () => new Promise((resolve) => (answer = resolve));
    read(other, 'note_created', bare);
    expect(read(other, 'note_deleted', { id: 1 })).toMatchObject({ topic: 'note_deleted' });
    answer(note);
    await Promise.resolve();
    stored = () => Promise.resolve(undefined);
    read(other, 'note_created', { ...bare, id: 2 });
    await vi.waitFor(() => expect(toldHere).toMatchObject([['note_created', { id: 2 }]]));
  });

  test('is not read beyond a hundred at a time: all are read again instead', () => {
    stored = () => new Promise(() => undefined);
    for (let id = 1; id <= 100; id++) read(other, 'note_created', { ...bare, id });
    expect(missed).toBe(0);
    read(other, 'note_created', { ...bare, id: 101 });
    expect(missed).toBe(1);
  });
});

test('what is left out has all notes read again, at once and then every ten seconds', () => {
  read(other, 'note_created', { id: 1 });
  expect(missed).toBe(1);
  for (let n = 0; n < 5; n++) read(other, 'note_created', { id: 1 });
  expect(missed).toBe(1);
  vi.advanceTimersByTime(10_000);
  expect(missed).toBe(2);
  vi.advanceTimersByTime(60_000);
  expect(missed).toBe(2);
  strangers.add('other@test', 'theirs');
  read(other, 'note_created', { id: 1 });
  expect(missed).toBe(2);
});
