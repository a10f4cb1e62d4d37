// Times, sentences and messages: the small pure parts.
import { describe, expect, test } from 'vitest';
import {
  absoluteTime,
  FIELD_MAX,
  firstProblem,
  parseEvent,
  relativeTime,
  sentences,
} from '../../../src/app/web/internal.ts';
import { noteOf } from './notes.ts';

describe('times', () => {
  const then = '2026-03-04T10:00:00.000Z';
  const after = (seconds: number): string => relativeTime(then, Date.parse(then) + seconds * 1_000, 'UTC');

  test.each([
    [-90, 'just now'],
    [59, 'just now'],
    [60, '1 minute ago'],
    [59 * 60 + 59, '59 minutes ago'],
    [3_600, '1 hour ago'],
    [86_399, '23 hours ago'],
    [86_400, '1 day ago'],
    [7 * 86_400 - 1, '6 days ago'],
    [7 * 86_400, '4 Mar 2026'],
  ])('after %i s', (seconds, text) => {
    expect(after(seconds)).toBe(text);
  });

  test('whole', () => {
    expect(absoluteTime(then, 'UTC')).toMatch(/^Wednesday,? 4 March 2026 at 10:00$/);
    expect(absoluteTime(then, 'Asia/Tokyo')).toMatch(/^Wednesday,? 4 March 2026 at 19:00$/);
  });
});

describe('sentences', () => {
  test('quote a title in part when it is long', () => {
    const said = sentences.added(noteOf(1, { title: 'x'.repeat(80) }));
    expect(said).toBe(`Added “${'x'.repeat(60)}…”.`);
  });

  test('say what happened, what became of the text, and what to do', () => {
    expect(sentences.failed('add', { kind: 'unreachable' })).toBe(
      'The server did not answer. Your text is kept. Look whether the note has appeared in the list before you add it again.',
    );
    expect(sentences.failed('save', { kind: 'refused', reason: 'title and body required.' })).toBe(
      'The server refused it: title and body required. Your text is kept. Change it and try again.',
    );
    expect(sentences.failed('delete', { kind: 'unavailable', reason: 'busy', retryAfterSeconds: 1 })).toBe(
      'The server cannot do this now: busy. The note is still there. Try again in 1 second.',
    );
  });
});

describe('checks', () => {
  const full = { title: 't', body: 'b', author: 'a' };

  test('the limit itself fits', () => {
    expect(firstProblem({ ...full, title: 'x'.repeat(FIELD_MAX.title) })).toBeNull();
    expect(firstProblem({ ...full, author: 'x'.repeat(FIELD_MAX.author + 1) })).toEqual({
      field: 'author',
      kind: 'too_long',
      length: FIELD_MAX.author + 1,
    });
  });

  test('space alone is nothing; an edit has no author', () => {
    expect(firstProblem({ ...full, body: ' \n ' })).toMatchObject({ field: 'body', kind: 'missing' });
    expect(firstProblem({ title: 't', body: 'b' })).toBeNull();
  });
});

describe('messages', () => {
  test('the three topics', () => {
    const note = noteOf(1);
    expect(parseEvent('note_created', note, true)).toEqual({ type: 'note_created', note, stored: true });
    expect(parseEvent('note_updated', note, false)).toEqual({ type: 'note_updated', note, stored: false });
    expect(parseEvent('note_deleted', { id: 1 }, true)).toEqual({ type: 'note_deleted', id: 1 });
  });

  test('the advice to read again', () => {
    expect(parseEvent('resync', {}, false)).toBe('resync');
  });

  test('a topic of a newer server is passed over', () => {
    expect(parseEvent('note_pinned', { id: 1 }, true)).toBe('unknown');
  });

  test.each([
    ['note_created', undefined],
    ['note_created', null],
    ['note_created', 'nonsense'],
    ['note_created', []],
    ['note_deleted', { id: '1' }],
    ['note_created', { ...noteOf(1), updatedAt: 'yesterday' }],
    ['note_updated', { ...noteOf(1), title: 1 }],
    ['note_updated', { ...noteOf(1), updatedBy: null }],
  ])('malformed: %s %j', (topic, payload) => {
    expect(parseEvent(topic, payload, true)).toBe('malformed');
  });
});
