// What may be written into a note, and the exact errors for what may not.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkNewNote,
  checkNoteChange,
  checkRestoration,
  noteLimits,
} from '../../../src/app/notes/internal.ts';

const note = { title: 'A title', body: 'A body', author: 'An author' };
const errorOf = (input: unknown) => {
  const checked = checkNewNote(input);
  return checked.ok ? undefined : checked.error;
};

describe('a new note', () => {
  test('has a title, a body and an author, as they were sent', () => {
    const sent = { title: '  Größe ', body: 'line\n\tline\u2028😀', author: 'é' };
    expect(checkNewNote(sent)).toEqual({ ok: true, value: sent });
  });

  test('has nothing else', () => {
    expect(checkNewNote({ ...note, id: 7, createdAt: 'x', extra: {} })).toEqual({ ok: true, value: note });
  });

  const empty = [undefined, null, 7, true, {}, ['a'], '', ' ', '\n\t', '\u00a0\u2003'];
  const noNotes: unknown[] = [
    undefined,
    null,
    'title, body, author',
    [note],
    {},
    ...Object.keys(noteLimits).flatMap((field) => empty.map((value) => ({ ...note, [field]: value }))),
  ];

  test.each(noNotes.map((input) => ({ input })))('is not $input', ({ input }) => {
    expect(checkNewNote(input)).toEqual({ ok: false, error: 'title, body and author required' });
  });

  test.each(Object.entries(noteLimits))('%s has at most %i characters', (field, limit) => {
    for (const character of ['a', 'ß', '漢', '😀']) {
      expect(errorOf({ ...note, [field]: character.repeat(limit) })).toBe(undefined);
      expect(errorOf({ ...note, [field]: character.repeat(limit + 1) })).toBe(
        `${field} must have at most ${limit} characters`,
      );
    }
  });

  test.each(Object.keys(noteLimits))('%s holds what PostgreSQL can store', (field) => {
    for (const text of ['a\u0000', '\ud83d', 'a\ude00b', '\ude00\ud83d']) {
      expect(errorOf({ ...note, [field]: text })).toBe(
        `${field} must not contain the character U+0000 or half of a surrogate pair`,
      );
    }
  });

  test('is told what is missing before what is wrong', () => {
    expect(errorOf({ title: 'a'.repeat(201), body: 'a\u0000' })).toBe('title, body and author required');
    expect(errorOf({ title: 'a'.repeat(201), body: 'a\u0000', author: 'b' })).toBe(
      'title must have at most 200 characters',
    );
  });
});

describe('a change', () => {
  test('has a title and a body, and leaves the author alone', () => {
    expect(checkNoteChange(note)).toEqual({ ok: true, value: { title: note.title, body: note.body } });
    expect(checkNoteChange({ ...note, author: 7 }).ok).toBe(true);
  });

  test('is told what is missing, too long or cannot be stored', () => {
    const required = { ok: false, error: 'title and body required' };
    for (const input of [undefined, {}, { title: 'a' }, { body: 'a' }, { title: ' ', body: 'a' }]) {
      expect(checkNoteChange(input)).toEqual(required);
    }
    expect(checkNoteChange({ title: 'a', body: 'a'.repeat(100_001) })).toEqual({
      ok: false,
      error: 'body must have at most 100000 characters',
    });
    expect(checkNoteChange({ title: '\u0000', body: 'a' })).toEqual({
      ok: false,
      error: 'title must not contain the character U+0000 or half of a surrogate pair',
    });
  });
});

describe('a name for a change', () => {
  const change = { title: 'a', body: 'b' };

  test('is taken, and may be left out', () => {
    expect(checkNoteChange({ ...change, updatedBy: 'Ada' })).toEqual({
      ok: true,
      value: { ...change, updatedBy: 'Ada' },
    });
    expect(checkNoteChange({ ...change, updatedBy: undefined })).toEqual({ ok: true, value: change });
    expect(checkRestoration({ updatedBy: 'Ada', title: 7 })).toEqual({
      ok: true,
      value: { updatedBy: 'Ada' },
    });
    for (const none of [undefined, null, {}]) expect(checkRestoration(none)).toEqual({ ok: true, value: {} });
  });

  test('that is none, too long or cannot be stored is refused', () => {
    const refusedFor = (updatedBy: unknown) => {
      const checked = checkNoteChange({ ...change, updatedBy });
      expect(checkRestoration({ updatedBy })).toEqual(checked);
      return checked.ok ? undefined : checked.error;
    };
    for (const none of ['', ' \n', 7, null, ['Ada'], {}]) {
      expect(refusedFor(none)).toBe('updatedBy must be a name, or be left out');
    }
    expect(refusedFor('😀'.repeat(101))).toBe('updatedBy must have at most 100 characters');
    expect(refusedFor('a\u0000')).toBe(
      'updatedBy must not contain the character U+0000 or half of a surrogate pair',
    );
    expect(checkNoteChange({ title: 'a', updatedBy: 7 })).toEqual({
      ok: false,
      error: 'title and body required',
    });
    for (const body of [[], 'text', 7])
      expect(checkRestoration(body)).toEqual({ ok: false, error: 'a body must be an object' });
  });
});

/** The rules once more, in other words. */
const isAllowed = (value: unknown, limit: number): boolean =>
  typeof value === 'string' &&
  value.trim() !== '' &&
  Array.from(value).length <= limit &&
  !value.includes('\u0000') &&
  Buffer.from(value).toString() === value;

const refused = { ok: false, error: expect.any(String) };

test('any input is judged by these rules, and what is allowed is what was sent', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.string({ unit: fc.constantFrom(' ', '\u0000', '\ud83d', '\ude00', 'a'), maxLength: 3 }),
    fc.integer({ min: 95, max: 205 }).map((length) => '😀'.repeat(length)),
    fc.anything(),
  );
  fc.assert(
    fc.property(fc.record({ title: text, body: text, author: text }, { requiredKeys: [] }), (sent) => {
      const isChange = isAllowed(sent.title, 200) && isAllowed(sent.body, 100_000);
      expect(checkNoteChange(sent)).toEqual(
        isChange ? { ok: true, value: { title: sent.title, body: sent.body } } : refused,
      );
      const isNew = isChange && isAllowed(sent.author, 100);
      expect(checkNewNote(sent)).toEqual(isNew ? { ok: true, value: sent } : refused);
    }),
  );
});
