// The page's limits on fields are the server's.
import { expect, test } from 'vitest';
import { checkNewNote, noteLimits } from '../../../src/app/notes/internal.ts';
import { type Field, FIELD_MAX, firstProblem } from '../../../src/app/web/internal.ts';

test('the values are the same', () => {
  expect(FIELD_MAX).toEqual(noteLimits);
});

test.each(['title', 'body', 'author'] satisfies Field[])('the %s is checked alike', (field) => {
  const max = FIELD_MAX[field];
  const blank = ['', ' ', ' \n\t', '\u00a0', 'a'];
  const long = [
    '😀'.repeat(max),
    '😀'.repeat(max + 1),
    'x'.repeat(max),
    'x'.repeat(max + 1),
    'e\u0301'.repeat(max / 2 + 1),
  ];
  const drafts = [...blank, ...long].map((text) => ({ title: 't', body: 'b', author: 'a', [field]: text }));
  expect(drafts.map((draft) => firstProblem(draft) === null)).toEqual(
    drafts.map((draft) => checkNewNote(draft).ok),
  );
});
