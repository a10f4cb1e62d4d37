// Terms as text, compared with what Erlang prints.
import * as fc from 'fast-check';
import {
  atom,
  atomKeys,
  BitString,
  charlist,
  Down,
  ErlMap,
  ExternalFunction,
  float,
  formatReason,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Pid,
  Port,
  Ref,
  tuple,
} from 'troupe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeTerm } from 'troupe/erlang';
import { formatTerm, Origin } from '../../../src/runtime/terms/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { atoms, floats, integers, text } from '../distribution/etf/arbitraries.ts';
import { Erl } from '../distribution/etf/erl.ts';

const origin = new Origin('format@h', 5);

test.each<[unknown, string]>([
  ['text', '<<"text">>'],
  ['', '<<"">>'],
  ['a"b\\c\n', '<<"a\\"b\\\\c\\n">>'],
  ['é', '<<"é"/utf8>>'],
  ['\0', '<<0>>'],
  [[97, 98], '[97,98]'],
  [charlist('a"b'), '"a\\"b"'],
  [1, '1'],
  [10n, '10'],
  [NaN, '[NaN]'],
  [float(1), '1.0'],
  [-0, '-0.0'],
  [null, 'nil'],
  [undefined, 'undefined'],
  [true, 'true'],
  [Uint8Array.from([104, 105]), '<<"hi">>'],
  [Uint8Array.from([255, 1]), '<<255,1>>'],
  [new BitString(Uint8Array.from([255, 160]), 3), '<<255,5:3>>'],
  [new BitString(Uint8Array.from([160]), 3), '<<5:3>>'],
  [new ImproperList([1, 2], 3), '[1,2|3]'],
  [tuple(), '{}'],
  [{ a: 1, b: [] }, '#{<<"a">> => 1,<<"b">> => []}'],
  [atomKeys({ a: 1, B: 2 }), "#{a => 1,'B' => 2}"],
  [new Map([[1, 2]]), '#{1 => 2}'],
  [new ExternalFunction(atom('a b'), atom('c'), 2), "fun 'a b':c/2"],
  [new OpaqueFunction(new Uint8Array()), '#Fun<opaque>'],
  [new NativeRecord(atom('m'), atom('r'), true, [[atom('x'), 1]]), '#m:r{x=1}'],
  [() => 1, '[function]'],
  [Symbol('x'), '[symbol]'],
  [new Date(0), '[Date]'],
  [Object.create(Object.create(null) as object), '[object]'],
])('%o', (term, expected) => {
  expect(formatTerm(term)).toBe(expected);
});

test('pids, refs, ports and records', () => {
  const pid = new Pid(origin, 1, 2);
  const ref = new Ref(origin, 3, 4);
  expect(formatTerm([pid, ref])).toBe(`[${pid.toString()},${ref.toString()}]`);
  expect(formatTerm(new Port(origin, 7n))).toMatch(/^#Port<\d+\.7>$/);
  expect(formatTerm(tuple(new Down(ref, pid, 'normal')))).toBe(
    `{{'DOWN',${ref.toString()},${pid.toString()},<<"normal">>}}`,
  );
});

describe('what is large is cut off', () => {
  test('elements', () => {
    const many = Array.from({ length: 5_000 }, () => 1);
    expect(formatTerm(many)).toBe(`[${'1,'.repeat(1_000)}...]`);
    expect(formatTerm(tuple(many, many)).length).toBeLessThan(2_100);
    expect(formatTerm(Uint8Array.from({ length: 5_000 }, () => 255)).length).toBeLessThan(4_100);
    expect(formatTerm(new Map(many.map((_, index) => [index, 1]))).length).toBeLessThan(12_000);
  });

  test('levels, and so a value within itself', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(formatTerm(cycle)).toBe(`${'['.repeat(33)}...${']'.repeat(33)}`);
  });

  test('characters', () => {
    expect(formatTerm('x'.repeat(10_000))).toBe(`<<"${'x'.repeat(4_096)}...">>`);
    expect(formatTerm('\0'.repeat(10_000))).toBe(`<<${'0,'.repeat(4_096)}...>>`);
  });
});

const part = requirePart('erl');

describe.skipIf(part.missing)('as Erlang prints it', () => {
  let erl: Erl;

  beforeAll(() => {
    erl = new Erl(part.path);
  });

  afterAll(() => erl.stop());

  const print = (term: unknown): Promise<string> => erl.print(encodeTerm(term));

  test.each([
    'a',
    'A',
    '',
    'a b',
    'aB_@1',
    '1a',
    'after',
    'xor',
    '@a',
    '_a',
    'ß',
    'ÿ',
    '÷',
    'a×',
    'aÞ',
    "a'b",
    'a\\b',
    'a\nb\t',
    'a\u007f',
    '\u0080',
    '日本',
    'a.b',
    '$gen_cast',
  ])('the atom %s', async (name) => {
    expect(formatTerm(atom(name))).toBe(await print(atom(name)));
  });

  test.each<[string, fc.Arbitrary<unknown>]>([
    ['atom', atoms],
    ['number', fc.oneof(floats, integers)],
    ['text', text.filter((value) => value !== '')],
  ])('any %s', async (_, values) => {
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        expect(formatTerm(value)).toBe(await print(value));
      }),
      { numRuns: 200 },
    );
  });

  test('floats of any size', async () => {
    const exponents = Array.from({ length: 60 }, (_, index) => index - 30);
    const floatsOf = exponents.flatMap((exponent) => [`1e${exponent}`, `123456e${exponent}`]).map(Number);
    for (const value of [...floatsOf, 2 ** 53, 2 ** 53 - 1]) {
      expect(formatTerm(float(value))).toBe(await print(float(value)));
    }
  });

  test.each<[unknown]>([
    [tuple(atom('a'), [1, 'x', []], new ImproperList([1], tuple()), { a: 1.5 })],
    [
      new ErlMap<unknown>([
        [atom('a'), {}],
        ['b', [float(1)]],
      ]),
    ],
    [new BitString(Uint8Array.from([97, 98, 128]), 1)],
    [Uint8Array.from([1, 2, 255])],
    [new ExternalFunction(atom('lists'), atom('map'), 2)],
  ])('%s', async (term) => {
    expect(formatTerm(term)).toBe(await print(term));
  });
});

test('integers of very many digits, and very many texts, cost no more than they show', () => {
  const huge = 1n << 500_000n;
  const shown = formatTerm(Array.from({ length: 1_000 }, () => huge));
  expect(shown.slice(0, 40)).toBe(`[16#1${'0'.repeat(31)}...,`.slice(0, 40));
  expect(formatTerm(-huge)).toMatch(/^-16#10+\.\.\.$/);
  expect(formatTerm(10n ** 299n)).toBe(String(10n ** 299n));
  expect(formatTerm(Array.from({ length: 1_000 }, () => 'x'.repeat(4_000))).length).toBe(65_536 + 3);
  expect(formatReason(['shutdown', huge])).toBe('{shutdown, [bigint]}');
  expect(formatReason('x'.repeat(100_000)).length).toBe(65_536 + 3);
});
