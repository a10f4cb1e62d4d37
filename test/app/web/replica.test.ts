// The merge of lists and events, rule by rule; races.test.ts has them all at once.
import { describe, expect, test } from 'vitest';
import { TOMBSTONES_MAX } from '../../../src/app/web/limits.ts';
import { askList, emptyReplica, newestFirst, put, remove, takeList } from '../../../src/app/web/replica.ts';
import type { Note, NoteList } from '../../../src/app/web/model.ts';
import { listed } from '../../../src/app/web/rows.ts';
import { noteOf } from './notes.ts';

const first = noteOf(1, { version: 1 });
const second = noteOf(1, { version: 2 });

function all(...notes: Note[]): NoteList {
  return { notes, all: true };
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
    expect(takeList(askList(replica), all(second)).notes.size).toBe(0);
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
});

describe('a list', () => {
  test('is right about what was here before it was asked for, even against the clock', () => {
    const replica = put(put(emptyReplica, second), noteOf(2));
    expect([...takeList(askList(replica), all(first)).notes.values()]).toEqual([first]);
  });

  test('does not undo a change that came after it was asked for', () => {
    const replica = put(askList(put(emptyReplica, first)), second);
    expect(takeList(replica, all(first)).notes.get(1)).toBe(second);
  });

  test('brings a newer version than the event that came meanwhile', () => {
    const replica = put(askList(emptyReplica), first);
    expect(takeList(replica, all(second)).notes.get(1)).toBe(second);
  });

  test('does not take away a note that came after it was asked for', () => {
    const replica = put(askList(emptyReplica), first);
    expect(takeList(replica, all()).notes.get(1)).toBe(first);
  });

  test('does not bring back a note whose deletion came after it was asked for', () => {
    const replica = remove(askList(put(emptyReplica, first)), 1);
    expect(takeList(replica, all(first)).notes.size).toBe(0);
  });
});

test('a list that is not all there is answers for notes from its last one on', () => {
  const replica = takeList(askList(put(emptyReplica, noteOf(2))), {
    notes: [noteOf(9), noteOf(7)],
    all: false,
  });
  expect(replica.floor).toBe(7);
  expect(listed(replica).map(({ id }) => id)).toEqual([9, 7]);
  const later = put(replica, noteOf(3));
  expect(later.notes.get(3)).toBeDefined();
  expect(listed(put(later, noteOf(10))).map(({ id }) => id)).toEqual([10, 9, 7]);
  expect(takeList(askList(later), all(noteOf(9), noteOf(3))).floor).toBe(0);
});

test('newest first means by id', () => {
  const ids = newestFirst([noteOf(1), noteOf(3), noteOf(2, { created: 9 }), noteOf(4)]).map(({ id }) => id);
  expect(ids).toEqual([4, 3, 2, 1]);
});
