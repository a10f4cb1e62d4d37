// What the index finds, and what it makes of versions of a note.
import { beforeEach, describe, expect, test } from 'vitest';
import { goneMax, resultsMax, SearchIndex, wordsMax } from '../../../src/app/indexer/search-index.ts';
import type { Note } from '../../../src/app/notes/note.ts';

let index: SearchIndex;

beforeEach(() => {
  index = new SearchIndex();
});

function note(
  id: number,
  title: string,
  { body = '', author = '', updatedAt = '2026-01-01T00:00:00.000Z' } = {},
): Note {
  return { id, title, body, author, createdAt: '2026-01-01T00:00:00.000Z', updatedAt };
}

function put(...what: Parameters<typeof note>): void {
  index.put(note(...what));
}

describe('a search', () => {
  test('finds a word whatever its case, accents and form', () => {
    put(1, 'Crème brûlée');
    put(2, 'ＦＵＬＬ width ﬁsh');
    put(3, 'Ångström Ελλάδα Привет İstanbul');
    for (const query of ['creme', 'CRÈME', 'cre\u0300me', 'brulee', 'brûl'])
      expect(index.search(query)).toEqual([1]);
    for (const query of ['full', 'fish', 'ＷＩＤＴＨ']) expect(index.search(query)).toEqual([2]);
    for (const query of ['angstrom', 'ελλαδα', 'ПРИВЕТ', 'istanbul'])
      expect(index.search(query)).toEqual([3]);
  });

  test('finds the beginning of a word, a single letter only at the end of the query', () => {
    put(1, 'bread and butter');
    expect(index.search('br')).toEqual([1]);
    expect(index.search('b')).toEqual([1]);
    expect(index.search('bread b')).toEqual([1]);
    expect(index.search('b bread')).toEqual([]);
    put(2, '漢字 かな');
    expect(index.search('漢 か')).toEqual([2]);
  });

  test('finds notes that have all of its words, and one slip of the pen in each long one', () => {
    put(1, 'sourdough bread', { body: 'flour', author: 'Ada' });
    expect(index.search('ada flour bread')).toEqual([1]);
    expect(index.search('ada flour soup')).toEqual([]);
    expect(index.search('sourdugh')).toEqual([1]);
    expect(index.search('adb')).toEqual([]);
  });

  test(`looks at ${wordsMax} different words`, () => {
    put(1, 'a0 a1 a2 a3 a4 a5 a6 a7 a8 a9');
    const words = Array.from({ length: wordsMax }, (_, n) => `a${n}`);
    expect(index.search([...words, ...words, 'missing'].join(' '))).toEqual([1]);
    expect(index.search([...words.slice(1), 'missing'].join(' '))).toEqual([]);
  });

  test('puts a title before a text, and answers so many at most', () => {
    put(1, 'other', { body: 'bread' });
    put(2, 'bread');
    expect(index.search('bread')).toEqual([2, 1]);
    for (let id = 3; id < 3 + resultsMax; id++) put(id, 'bread');
    expect(index.search('bread')).toHaveLength(resultsMax);
  });

  test('takes any text for words', () => {
    put(1, 'constructor __proto__ toString', { body: 'null undefined NaN' });
    for (const query of ['constructor', '__proto__', 'toString', 'null'])
      expect(index.search(query)).toEqual([1]);
    for (const query of ['', ' ', '...', '"', '\u0000', '\ud800', '*', 'hasOwnProperty', '💥']) {
      expect(index.search(query)).toEqual([]);
    }
  });
});

describe('a note', () => {
  test('that comes again is taken when it is newer', () => {
    put(1, 'first', { updatedAt: '2026-01-01T00:00:00.001Z' });
    put(1, 'older', { updatedAt: '2026-01-01T00:00:00.000Z' });
    put(1, 'same', { updatedAt: '2026-01-01T00:00:00.001Z' });
    expect([index.search('first'), index.search('older'), index.search('same')]).toEqual([[1], [], []]);
    put(1, 'newer', { updatedAt: '2026-01-01T00:00:00.002Z' });
    expect([index.search('first'), index.search('newer'), index.size]).toEqual([[], [1], 1]);
  });

  test('that is removed is not found, and stays away, as its deletion may overtake what was told of it before', () => {
    put(1, 'here');
    index.remove(1);
    index.remove(1);
    index.remove(2);
    expect([index.search('here'), index.size]).toEqual([[], 0]);
    put(1, 'here again');
    put(2, 'here late');
    expect([index.search('here'), index.size]).toEqual([[], 0]);
  });

  test('of the deleted ones the last thousand are remembered', () => {
    for (let id = 1; id <= goneMax + 1; id++) index.remove(id);
    put(1, 'forgotten');
    put(2, 'known');
    expect([index.search('forgotten'), index.search('known')]).toEqual([[1], []]);
  });

  test('that was read from the database counts, whichever version is known', () => {
    const later = note(1, 'wrong', { updatedAt: '2999-01-01T00:00:00.000Z' });
    index.put(later);
    index.set(note(1, 'right'));
    index.set(note(2, 'right'));
    expect([index.search('wrong'), index.search('right'), [...index.ids]]).toEqual([[], [1, 2], [1, 2]]);
  });
});
