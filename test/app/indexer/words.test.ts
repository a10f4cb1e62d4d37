// What counts as a word, in which form, and that cutting is linear in the text whatever is in it.
import { describe, expect, test } from 'vitest';
import {
  distance,
  fold,
  NoteQuery,
  NoteWords,
  queryMax,
  termsMax,
  termsOf,
  wordMax,
  wordsMax,
} from '../../../src/app/indexer/internal.ts';

/** The words that a note with this text is found by, each once. */
function wordsOf(body: string): string[] {
  const words = new NoteWords();
  for (const _ of words.collect({ title: '', body, author: '' })) continue;
  return [...words.words];
}

describe('folding', () => {
  test.each([
    ['case and accents', 'CRÈME Brûlée Ångström Łódź', 'creme brulee angstrom lodz'],
    ['letters that are two', 'Straße STRASSE Æsir œuvre þorn', 'strasse strasse aesir oeuvre thorn'],
    ['other letters of Europe', 'Øre đak ħ ğ İstanbul ISPARTA ısı', 'ore dak h g istanbul isparta isi'],
    ['Greek, with its last sigma', 'Ελλάς ΕΛΛΑΣ ἑλλάσ', 'ελλασ ελλασ ελλασ'],
    ['Cyrillic', 'ПРИВЕТ ёлка', 'привет елка'],
    ['Arabic vowels, tatweel, hamza', 'كِتَاب كـتـاب أحمد', 'كتاب كتاب احمد'],
    ['Arabic presentation forms', 'ﻛﺘﺎﺏ', 'كتاب'],
    ['Persian letters and digits', 'کتاب ۴۲ ٤٢ ४२', 'كتاب 42 42 42'],
    ['Hebrew points and last letters', 'שָׁלוֹם', 'שלומ'],
    ['width and ligatures', 'ＦＵＬＬ ﬁsh ｶﾞ', 'full fish ガ'],
    ['what is not seen', 'Zu\u00adsammen a\u200bb', 'zusammen ab'],
  ])('makes one of %s', (_what, text, folded) => {
    expect(fold(text)).toBe(folded);
  });

  test('keeps the marks that words are made of', () => {
    for (const text of ['นี้', 'हिन्दी', 'မြန်မာ', 'ภาษาไทย', 'ガギ', '한국어'])
      expect(fold(text)).toBe(text.normalize('NFC'));
    expect(fold('が')).not.toBe(fold('か'));
  });
});

describe('the words of a text', () => {
  test.each([
    ['signs between words', 'a|b c+d e→f <b>g</b> `h` ~~i~~ $j k=l m\tn', 'abcdefghijklmn'.split('')],
    [
      'a compound, and its parts',
      'example.com snake_case camelCase HTTPServer',
      [
        'example.com',
        'example',
        'com',
        'snake_case',
        'snake',
        'case',
        'camelcase',
        'camel',
        'httpserver',
        'http',
        'server',
      ],
    ],
    ['apostrophes', "don’t l'homme", ['dont', 'don', 't', 'lhomme', 'l', 'homme']],
    ['numbers', '3.14 2026-11-28', ['3.14', '3', '14', '2026', '11', '28']],
    ['languages of programmers', 'c++ C# c', ['c++', 'c', 'c#']],
    ['Chinese', '明天开会', ['明天', '天开', '开会', '会']],
    ['Latin in Chinese', '用SQL语', ['用', 'sql', '语']],
    ['Japanese', '検索、する', ['検索', '索', 'する', 'る']],
    ['Thai', 'ประชุมไทย', ['ประชุม', 'ไทย']],
    ['emoji', '👍🏽 ❤️ 🇩🇪 👨‍👩‍👧', ['👍', '❤', '🇩🇪', '👨👩👧']],
    ['nothing', ' \n… !!! () — " \u0301', []],
  ])('%s', (_what, text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  test('do not depend on where the segmenter had to stop', () => {
    for (const [unit, expected] of [
      ['lorem ipsum ', ['lorem', 'ipsum']],
      ['明天开会', ['明天', '天开', '开会', '会明', '会']],
      ['𠮷野', ['𠮷野', '野𠮷', '野']],
    ] as const) {
      for (let shift = 0; shift < 12; shift++) {
        expect(wordsOf(`${' '.repeat(shift)}${unit.repeat(400)}`)).toEqual(expected);
      }
    }
  });

  test(`are bounded: ${wordMax} characters of a word, ${wordsMax} words of a note, those of the title first`, () => {
    expect(wordsOf('a'.repeat(100_000))).toEqual(['a'.repeat(wordMax)]);
    expect(wordsOf('𠮷'.repeat(1)).at(-1)).toBe('𠮷');
    const words = new NoteWords();
    const body = Array.from({ length: 2 * wordsMax }, (_, n) => n.toString(36)).join(' ');
    for (const _ of words.collect({ title: 'zzzz', body, author: 'yyyy' })) continue;
    expect([...words.words].slice(0, 2)).toEqual(['zzzz', 'yyyy']);
    expect([...words.words]).toHaveLength(wordsMax);
  });

  // What is counted is the work between two chances for others: characters that are looked at in one piece.
  test.each([
    ['Latin', 'the quick brown fox '],
    ['Chinese', '我们明天开会研究生命科学'],
    ['Kana without end', 'ア'],
    ['Thai', 'ประชุมพรุ่งนี้'],
    ['Khmer', 'ភាសាខ្មែរ'],
    ['Arabic', 'كِتَاب جديد '],
    ['letters', 'a b c d '],
    ['one word', 'a'],
    ['marks', '\u0301\u0323'],
    ['emoji', '👍🏽'],
    ['joints', 'aB.'],
  ])('are cut in pieces: %s', (_what, unit) => {
    const text = unit.repeat(Math.ceil(100_000 / unit.length)).slice(0, 100_000);
    const pieces = [...termsOf(text)];
    expect(pieces.length).toBeGreaterThan(90);
    expect(Math.max(...pieces.map((terms) => terms.length))).toBeLessThan(1_100);
  });
});

describe('a query', () => {
  const of = (text: string) => new NoteQuery(text).toTsquery();

  test('looks for the beginnings of words, for a single letter only at its end', () => {
    expect(of('bread s')).toBe("('bread':* & 's':*)");
    expect(of('b bread')).toBe("('b' & 'bread':*)");
  });

  test('takes a compound or its parts, and all neighbours of a run of characters', () => {
    expect(of('snake_case')).toBe("('snake_case':* | ('snake':* & 'case':*))");
    expect(of('明天开')).toBe("('明天' & '天开')");
    expect(of('明')).toBe("'明':*");
  });

  test('quotes what has a meaning in it', () => {
    expect(new NoteQuery("\\ ' & | ! ( ) :* <->").isEmpty).toBe(true);
    expect(of("o'neil's")).toBe("('oneils':* | ('o':* & 'neil':* & 's':*))");
  });

  test(`counts ${termsMax} different terms of ${queryMax} characters`, () => {
    const words = Array.from({ length: termsMax + 5 }, (_, n) => `a${n}`);
    expect(of([...words, ...words].join(' ')).split('&')).toHaveLength(termsMax);
    expect(new NoteQuery(`${' '.repeat(queryMax)}late`).isEmpty).toBe(true);
  });

  test('looks once for words that begin each other', () => {
    expect(of('ab abc abc.abcd.abcdef')).toBe("('abc.abcd.abcdef':* | 'abcdef':*)");
    expect(of('abcd ab xyz abc')).toBe("('abcd':* & 'xyz':*)");
    expect(of('bread bread.soup')).toBe("('bread.soup':* | ('bread':* & 'soup':*))");
    const like = new Map([['bread', ['beard']]]);
    // A note with `beard` alone has not what begins with `brea`.
    expect(new NoteQuery('brea bread').toTsquery(like)).toBe("('brea':* & ('bread':* | 'beard'))");
  });

  test('takes other words for those that may be mistyped', () => {
    const query = new NoteQuery('sourdugh soup 明天开会吧');
    expect(query.forgiving).toEqual(['sourdugh']);
    expect(query.toTsquery(new Map([['sourdugh', ['sourdough']]]))).toMatch(
      /^\(\('sourdugh':\* \| 'sourdough'\) & /,
    );
  });

  test('counts slips', () => {
    const slips = [
      ['bread', 'braed'],
      ['bread', 'brad'],
      ['bread', 'breadd'],
      ['bread', 'bread'],
      ['bread', 'xxead'],
      ['', 'abc'],
    ];
    expect(slips.map(([a = '', b = '']) => distance(a, b))).toEqual([1, 1, 1, 0, 2, 3]);
  });
});
