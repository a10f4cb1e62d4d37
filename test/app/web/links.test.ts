// The links in a note: what becomes one, what stays text, and that neither a long nor a hostile text costs more than it is worth.
import { expect, test } from 'vitest';
import { LINKS_MAX, type Piece, piecesOf } from '../../../src/app/web/internal.ts';

/** Links as `[text](href)`, with the address only where it differs from the text. */
function shown(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) => {
      if (typeof piece === 'string') return piece;
      return piece.href === piece.text ? `[${piece.text}]` : `[${piece.text}](${piece.href})`;
    })
    .join('');
}

function textOf(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : piece.text)).join('');
}

test.each([
  ['see https://example.org/a?b=c&d#e for it', 'see [https://example.org/a?b=c&d#e] for it'],
  ['http://example.org', '[http://example.org](http://example.org/)'],
  ['HTTPS://Example.ORG/A', '[HTTPS://Example.ORG/A](https://example.org/A)'],
  ['(see https://example.org/a_(b)).', '(see [https://example.org/a_(b)]).'],
  ['https://example.org/a, https://example.org/b!', '[https://example.org/a], [https://example.org/b]!'],
  ['[there](https://example.org/a)', '[there]([https://example.org/a])'],
  ['“https://example.org/a”', '“[https://example.org/a]”'],
  ['a\nhttp://127.0.0.1:8080/x\nb', 'a\n[http://127.0.0.1:8080/x]\nb'],
  ['https://example.org/ä', '[https://example.org/ä](https://example.org/%C3%A4)'],
  [
    'https://good.example\\@evil.example',
    '[https://good.example\\@evil.example](https://good.example/@evil.example)',
  ],
])('%j has links', (text, expected) => {
  expect(shown(piecesOf(text))).toBe(expected);
  expect(textOf(piecesOf(text))).toBe(text);
});

test.each([
  '',
  'javascript:alert(1)',
  'javascript://example.org/%0aalert(1)',
  'JAVASCRIPT:alert(1)//http:/x',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x file:///etc/passwd ftp://example.org blob:https',
  'xhttp://example.org',
  'http:// https:// http:///',
  'https://good.example@evil.example/',
  'https://user:pass@evil.example/',
  'http://[::1',
  'http://a b'.replace('a', '\u202e'),
  'www.example.org and example.org',
  `http://${'x'.repeat(3_000)}.example`,
])('%j has none', (text) => {
  expect(piecesOf(text).filter((piece) => typeof piece !== 'string')).toEqual([]);
  expect(textOf(piecesOf(text))).toBe(text);
});

test('markup and what is not seen end an address, and only http and https are followed', () => {
  const pieces = piecesOf(
    'http://a.example/"onclick=x http://b.example/<b> http://c.example/\u202etxt http://d.example/\u200bx',
  );
  const links = pieces.filter((piece) => typeof piece !== 'string').map(({ href }) => href);
  expect(links).toEqual(['http://a.example/', 'http://b.example/', 'http://c.example/', 'http://d.example/']);
});

test('a link that the beginning cuts leads to the whole address', () => {
  const text = 'at https://example.org/long and more';
  expect(shown(piecesOf(text, 12))).toBe('at [https://e](https://example.org/long)');
  expect(shown(piecesOf(text, 3))).toBe('at ');
  expect(shown(piecesOf(text, 29))).toBe('at [https://example.org/long] a');
});

test('there are at most so many', () => {
  const text = 'http://a.example/ '.repeat(LINKS_MAX + 5);
  const pieces = piecesOf(text);
  expect(pieces.filter((piece) => typeof piece !== 'string')).toHaveLength(LINKS_MAX);
  expect(textOf(pieces)).toBe(text);
});

test('random texts come back whole, and their links are http', () => {
  const seed = Date.now() % 2 ** 31;
  let state = seed;
  const below = (max: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % max;
  };
  const parts = [
    'http',
    's',
    '://',
    'a.b',
    '/',
    '@',
    ':',
    '.',
    ')',
    '(',
    ' ',
    '\n',
    '<',
    '"',
    '\u202e',
    'javascript:',
    '%',
    '[',
    ']',
    '😀',
  ];
  for (let run = 0; run < 5_000; run += 1) {
    const text = Array.from({ length: below(20) }, () => parts[below(parts.length)]).join('');
    const length = below(text.length + 1);
    const pieces = piecesOf(text, length);
    expect(textOf(pieces), `seed ${seed}, ${JSON.stringify(text)}`).toBe(text.slice(0, length));
    const links = pieces.filter((piece) => typeof piece !== 'string');
    const strange = links.filter(({ href }) => !/^https?:\/\/[^@/]+\//.test(href));
    expect(strange, `seed ${seed}, ${JSON.stringify(text)}`).toEqual([]);
  }
});
