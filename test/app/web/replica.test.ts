// The merge of lists and events, rule by rule; races.test.ts has them all at once.
import { describe, expect, test } from 'vitest';
import {
  beginReading,
  believe,
  emptyReplica,
  endReading,
  KEPT_MAX,
  listed,
  LISTED_MAX,
  newestFirst,
  type Note,
  type NotePage,
  put,
  putAnswer,
  putStored,
  remove,
  removeAnswered,
  type Replica,
  takePage,
  TOMBSTONES_MAX,
} from '../../../src/app/web/internal.ts';
import { noteOf } from './notes.ts';

const first = noteOf(1, { version: 1 });
const second = noteOf(1, { version: 2 });

const top = Number.POSITIVE_INFINITY;

function all(...notes: Note[]): NotePage {
  return { notes, next: null, indexing: false };
}

function part(...ids: number[]): NotePage {
  return { notes: ids.map((id) => noteOf(id)), next: `below ${ids.at(-1)}`, indexing: false };
}

function takeAll(replica: Replica, ...notes: Note[]): Replica {
  return takePage(replica, all(...notes), top);
}

describe('events', () => {
  test('an older version does not replace a newer one that overtook it', () => {
    const replica = put(put(emptyReplica, second), first);
    expect(replica.notes.get(1)).toBe(second);
  });

  test('the same note again changes nothing to be seen', () => {
    const replica = put(emptyReplica, first);
    expect(put(replica, { ...first }).notes).toBe(replica.notes);
  });

  test('of two versions with the same time the later to arrive stands', () => {
    const rewritten = { ...first, body: 'rewritten' };
    expect(put(put(emptyReplica, first), rewritten).notes.get(1)).toBe(rewritten);
  });

  test('a deleted note stays away, whoever still speaks of it', () => {
    const replica = remove(put(emptyReplica, first), 1);
    expect(put(replica, second)).toBe(replica);
    const asked = remove(beginReading(put(emptyReplica, first)), 1);
    expect(takeAll(asked, second).notes.size).toBe(0);
    expect(putAnswer(asked, second, 0).notes.size).toBe(0);
  });

  test('a deleted note is there again when a stored event says so, or what was asked for later', () => {
    const deleted = remove(put(emptyReplica, first), 1);
    expect(putStored(deleted, second).notes.get(1)).toBe(second);
    expect(putAnswer(deleted, second, 1).notes.get(1)).toBe(second);
    expect(takeAll(beginReading(deleted), second).notes.get(1)).toBe(second);
    expect(believe(deleted, 1, 1).deleted.size).toBe(0);
  });

  test('an answer that a note is gone is not undone by events of earlier versions', () => {
    const gone = removeAnswered(put(emptyReplica, second), 1, second.updatedAt);
    expect(putStored(putStored(gone, first), second)).toBe(gone);
    const third = noteOf(1, { version: 3 });
    expect(putStored(gone, third).notes.get(1)).toBe(third);
  });

  test('an answer that a note is gone does not take away a version of which it cannot know', () => {
    const restored = put(emptyReplica, second);
    expect(removeAnswered(restored, 1, first.updatedAt)).toBe(restored);
    expect(removeAnswered(restored, 1, undefined)).toBe(restored);
  });

  test('a note may be deleted before it arrives', () => {
    expect(put(remove(emptyReplica, 1), first).notes.size).toBe(0);
  });

  test(`the ids of ${TOMBSTONES_MAX} deleted notes are remembered, the latest ones`, () => {
    let replica = emptyReplica;
    for (let id = 1; id <= TOMBSTONES_MAX + 5; id += 1) replica = remove(replica, id);
    expect(replica.deleted.size).toBe(TOMBSTONES_MAX);
    expect(replica.deleted.has(5)).toBe(false);
    expect(replica.deleted.has(6)).toBe(true);
    expect(replica.deleted.has(TOMBSTONES_MAX + 5)).toBe(true);
  });

  test('none of them is forgotten while an answer is on its way', () => {
    let replica = beginReading(put(emptyReplica, first));
    for (let id = 1; id <= TOMBSTONES_MAX + 5; id += 1) replica = remove(replica, id);
    replica = takeAll(replica, first);
    expect(replica.notes.size).toBe(0);
    expect(remove(endReading(replica), TOMBSTONES_MAX + 6).deleted.size).toBe(TOMBSTONES_MAX);
  });
});

describe('a list', () => {
  test('is right about what was here before it was asked for, even against the clock', () => {
    const replica = put(put(emptyReplica, second), noteOf(2));
    expect([...takeAll(beginReading(replica), first).notes.values()]).toEqual([first]);
  });

  test('does not undo a change that came after it was asked for', () => {
    const replica = put(beginReading(put(emptyReplica, first)), second);
    expect(takeAll(replica, first).notes.get(1)).toBe(second);
  });

  test('brings a newer version than the event that came meanwhile', () => {
    const replica = put(beginReading(emptyReplica), first);
    expect(takeAll(replica, second).notes.get(1)).toBe(second);
  });

  test('does not take away a note that came after it was asked for', () => {
    const replica = put(beginReading(emptyReplica), first);
    expect(takeAll(replica).notes.get(1)).toBe(first);
  });

  test('does not bring back a note whose deletion came after it was asked for', () => {
    const replica = remove(beginReading(put(emptyReplica, first)), 1);
    expect(takeAll(replica, first).notes.size).toBe(0);
  });
});

describe('pages', () => {
  const ids = (replica: Replica): number[] => listed(replica).map(({ id }) => id);

  test('answer for notes from where the page before ended down to their last', () => {
    const one = takePage(beginReading(put(emptyReplica, noteOf(2))), part(9, 7), top);
    expect(one).toMatchObject({ floor: 7, next: 'below 7' });
    expect(ids(one)).toEqual([9, 7]);
    const meanwhile = put(put(one, noteOf(3, { body: 'changed', version: 9 })), noteOf(10));
    expect(ids(meanwhile)).toEqual([10, 9, 7]);
    const two = takePage(meanwhile, part(5, 3), 7);
    expect(two).toMatchObject({ floor: 3, next: 'below 3' });
    expect(ids(two)).toEqual([10, 9, 7, 5, 3]);
    expect(two.notes.get(3)?.body).toBe('changed');
    expect(takePage(two, all(), 3)).toMatchObject({ floor: 0, next: null });
  });

  test('of a reading from the top take away what is gone as they come, and leave the rest until then', () => {
    const before = takePage(takePage(beginReading(emptyReplica), part(9, 7), top), part(5, 3), 7);
    const again = takePage(beginReading(endReading(before)), part(9, 8), top);
    expect(ids(again)).toEqual([9, 8, 7, 5, 3]);
    expect(again).toMatchObject({ floor: 3, next: 'below 3' });
    expect(ids(takePage(again, part(5, 2), 8))).toEqual([9, 8, 5, 2]);
  });

  test('do not close a gap: what they hold below is not listed then', () => {
    const raised = { ...takePage(beginReading(emptyReplica), part(9, 7), top), floor: 9, next: null };
    expect(takePage(raised, part(5, 3), 7)).toMatchObject({ floor: 9, next: null });
  });
});

describe('limits', () => {
  test(`of ${KEPT_MAX.notes} notes and more, those that are not listed give way first, then the oldest`, () => {
    let replica = endReading(takePage(beginReading(emptyReplica), part(20_002, 20_001), top));
    for (let id = 1; id <= KEPT_MAX.notes - 2; id += 1) replica = put(replica, noteOf(id));
    expect(replica.notes.size).toBe(KEPT_MAX.notes);
    replica = put(replica, noteOf(30_000));
    expect([...replica.notes.keys()]).toEqual([20_002, 20_001, 30_000]);
    for (let id = 30_001; replica.notes.size < KEPT_MAX.notes; id += 1) replica = put(replica, noteOf(id));
    expect(replica).toMatchObject({ floor: 20_001, next: 'below 20001' });
    replica = put(replica, noteOf(50_000));
    expect(replica.notes.size).toBe(LISTED_MAX.notes);
    expect(replica.notes.has(50_000)).toBe(true);
    expect(replica.floor).toBe(newestFirst(replica.notes.values()).at(-1)?.id);
    expect(replica.next).toBeNull();
  });

  test('of text likewise', () => {
    const body = 'x'.repeat(100_000);
    let replica = endReading(takePage(beginReading(emptyReplica), all(), top));
    const many = Math.floor(KEPT_MAX.characters / 100_010);
    for (let id = 1; id <= many; id += 1) replica = put(replica, noteOf(id, { body }));
    expect(replica.notes.size).toBe(many);
    for (let id = many + 1; id <= many + 2; id += 1) replica = put(replica, noteOf(id, { body }));
    expect(replica.characters).toBeLessThanOrEqual(LISTED_MAX.characters + 2 * 100_020);
    expect(replica.notes.has(many + 2)).toBe(true);
    for (const id of replica.notes.keys()) replica = remove(replica, id);
    expect(replica.characters).toBe(0);
  });
});

test('newest first means by id', () => {
  const ids = newestFirst([noteOf(1), noteOf(3), noteOf(2, { created: 9 }), noteOf(4)]).map(({ id }) => id);
  expect(ids).toEqual([4, 3, 2, 1]);
});
