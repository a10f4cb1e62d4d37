// What arrives is not trusted: whatever is no term, or too large, is refused before it costs anything.
import { atom, ErlMap, float, ImproperList, Pid, Port, Ref, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { Messages } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { EtfError, TermReader } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';

const origin = new Origin('a@h', 5);
const host = { origin, internPid: (pid: Pid): Pid => pid };
const HUGE = [0xff, 0xff, 0xff, 0xff];
const NODE = [119, 3, 97, 64, 104];
const KEY = [109, 0, 0, 0, 1, 65];

function read(bytes: readonly number[]): unknown {
  const reader = new TermReader(host);
  reader.reset(Buffer.from(bytes), 0, bytes.length);
  return reader.term();
}

describe('no terms', () => {
  test.each<[string, readonly number[]]>([
    ['nothing', []],
    ['the version', [131, 97, 1]],
    ['an unknown tag', [0]],
    ['an old function', [117, 0, 0, 0, 0]],
    ['a term of its own node', [121, 0, 0]],
    ['a compressed term', [80, 0, 0, 0, 1, 120, 156, 75, 4, 0, 0, 98, 0, 98]],
    ['a reference to no header', [82, 0]],
    ['an atom that is not UTF-8', [119, 1, 0xff]],
    ['a long atom that is not UTF-8', [118, 0, 70, ...Array.from({ length: 70 }, () => 0xff)]],
    ['half a surrogate pair in an atom', [119, 3, 0xed, 0xa0, 0x80]],
    ['an atom of 256 characters', [118, 1, 0, ...Array.from({ length: 256 }, () => 97)]],
    ['an old atom of 256 characters', [100, 1, 0, ...Array.from({ length: 256 }, () => 97)]],
    ['NaN', [70, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
    ['infinity', [70, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['minus infinity', [70, 0xff, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['an old float that is none', [99, ...Buffer.alloc(31, 'x')]],
    ['an old float that is hexadecimal', [99, ...Buffer.from('0x10'.padEnd(31, '\0'))]],
    ['an old float that is too large', [99, ...Buffer.from('1.0e999'.padEnd(31, '\0'))]],
    ['a bitstring of 9 bits', [77, 0, 0, 0, 1, 9, 65]],
    ['a byte of 0 bits', [77, 0, 0, 0, 1, 0, 65]],
    ['no byte of 8 bits', [77, 0, 0, 0, 0, 8]],
    ['a ref of 6 words', [90, 0, 6, ...NODE, 0, 0, 0, 1, ...Buffer.alloc(24)]],
    ['a ref of no words', [90, 0, 0, ...NODE, 0, 0, 0, 1]],
    ['a pid whose node is no atom', [88, 97, 1, ...Buffer.alloc(12)]],
    ['a function of another size', [112, 0, 0, 0, 5, 1, ...Buffer.alloc(40)]],
    ['an export without arity', [113, 119, 1, 65, 119, 1, 65, 106]],
    ['a text key twice', [116, 0, 0, 0, 2, ...KEY, 97, 1, ...KEY, 97, 2]],
    ['an atom key twice', [116, 0, 0, 0, 2, 119, 1, 65, 97, 1, 100, 0, 1, 65, 97, 2]],
    ['a text key twice before another', [116, 0, 0, 0, 3, ...KEY, 97, 1, ...KEY, 97, 2, 97, 1, 97, 1]],
    ['a text and the same bytes', [116, 0, 0, 0, 2, ...KEY, 97, 1, 77, 0, 0, 0, 1, 8, 65, 97, 2]],
    ['an integer in two forms', [116, 0, 0, 0, 2, 97, 1, 97, 1, 110, 2, 0, 1, 0, 97, 2]],
    ['a list in two forms', [116, 0, 0, 0, 2, 107, 0, 1, 7, 97, 1, 108, 0, 0, 0, 1, 97, 7, 106, 97, 2]],
    ['equal tuples', [116, 0, 0, 0, 2, 104, 1, 97, 7, 97, 1, 105, 0, 0, 0, 1, 97, 7, 97, 2]],
  ])('%s', (_, bytes) => {
    expect(() => read(bytes)).toThrow(EtfError);
  });
});

describe('counts that are larger than what is there', () => {
  test.each<[string, readonly number[]]>([
    ['a tuple', [105, ...HUGE]],
    ['a list', [108, ...HUGE]],
    ['a map', [116, ...HUGE]],
    ['a map with some bytes', [116, 0, 0, 0, 2, 97, 1, 97]],
    ['a binary', [109, ...HUGE]],
    ['a bitstring', [77, ...HUGE, 8]],
    ['an integer', [111, ...HUGE, 0]],
    ['a short integer', [110, 255, 0]],
    ['a string', [107, 255, 255]],
    ['an atom', [118, 255, 255]],
    ['a function', [112, ...HUGE]],
    ['a native record', [67, ...HUGE]],
    ['a list in a list', [108, 0, 0, 0, 1, 97, 1, 108, ...HUGE]],
  ])('%s', (_, bytes) => {
    expect(() => read(bytes)).toThrow(EtfError);
  });

  test('what lies behind the end is not read', () => {
    const reader = new TermReader(host);
    const bytes = Buffer.from([109, 0, 0, 0, 3, 65, 66, 67]);
    for (let end = 0; end < bytes.length; end++) {
      reader.reset(bytes, 0, end);
      expect(() => reader.term()).toThrow('cut off');
    }
  });
});

test('every part of a term is none', () => {
  const term = tuple(
    atom('a'),
    'text',
    'é'.repeat(50),
    1,
    -1,
    2 ** 40,
    10n,
    2n ** 3_000n,
    1.5,
    float(1),
    true,
    null,
    [1, 2],
    [1, 'x'],
    new ImproperList([1], 2),
    { a: 1, b: {} },
    new ErlMap([[tuple(1), [2]]]),
    Uint8Array.from([255]),
    new Pid(origin, 1, 2),
    new Ref(origin, 1, 2),
    new Port(origin, 3n),
    new Port(origin, 2n ** 40n),
  );
  const bytes = Buffer.from(encodeTerm(term)).subarray(1);
  const reader = new TermReader(host);
  for (let end = 0; end < bytes.length; end++) {
    for (const part of [bytes.subarray(0, end), Buffer.from(bytes.subarray(0, end))]) {
      reader.reset(part, 0, part.length);
      expect(() => reader.term()).toThrow(EtfError);
      reader.reset(part, 0, part.length);
      expect(() => reader.message(new Messages('a@h'))).toThrow(EtfError);
      reader.reset(part, 0, part.length);
      expect(() => reader.reason()).toThrow(EtfError);
    }
  }
  reader.reset(bytes, 0, bytes.length);
  expect(reader.term()).toStrictEqual(term);
});

describe('limits', () => {
  const nested = (depth: number, head: readonly number[], tail: readonly number[]): Buffer =>
    Buffer.concat([
      ...Array.from({ length: depth }, () => Buffer.from(head)),
      Buffer.from([106]),
      ...Array.from({ length: depth }, () => Buffer.from(tail)),
    ]);

  test.each<[string, readonly number[], readonly number[]]>([
    ['tuples', [104, 1], []],
    ['large tuples', [105, 0, 0, 0, 1], []],
    ['lists', [108, 0, 0, 0, 1], [106]],
    ['maps', [116, 0, 0, 0, 1, ...KEY], []],
  ])('depth of %s', (_, head, tail) => {
    const reader = new TermReader(host, { maxDepth: 20 });
    const inside = nested(20, head, tail);
    reader.reset(inside, 0, inside.length);
    reader.term();
    expect(reader.peek()).toBe(-1);
    const outside = nested(21, head, tail);
    reader.reset(outside, 0, outside.length);
    expect(() => reader.term()).toThrow('deeper than 20');
    const standard = new TermReader(host);
    const deep = nested(100_000, head, tail);
    for (const readDeep of [
      () => standard.term(),
      () => standard.message(new Messages('a@h')),
      () => standard.reason(),
    ]) {
      standard.reset(deep, 0, deep.length);
      expect(readDeep).toThrow('deeper than 1024');
    }
  });

  test('depth of reasons', () => {
    const deep = nested(100_000, [104, 2, 119, 8, ...Buffer.from('shutdown')], []);
    const reader = new TermReader(host);
    reader.reset(deep, 0, deep.length);
    expect(() => reader.reason()).toThrow('deeper than 1024');
  });

  test('a list that is nested by its tails is no deeper', () => {
    const chain = nested(100_000, [108, 0, 0, 0, 1, 97, 1], []);
    expect(decodeTerm(Buffer.concat([Buffer.from([131]), chain]))).toHaveLength(100_000);
  });

  test('values', () => {
    const reader = new TermReader(host, { maxValues: 10 });
    const read10 = encodeTerm([1, 2, 3, 4, 5, [], [], [[]], 1000].slice(0, 9)).subarray(1);
    reader.reset(Buffer.from(read10), 0, read10.length);
    expect(reader.term()).toHaveLength(9);
    for (const term of [
      Array.from({ length: 11 }, () => 1),
      Array.from({ length: 11 }, () => []),
      { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1 },
    ]) {
      const bytes = Buffer.from(encodeTerm(term)).subarray(1);
      reader.reset(bytes, 0, bytes.length);
      expect(() => reader.term()).toThrow('more than 10 values');
    }
  });

  test('values of all the terms of a frame together', () => {
    const bytes = Buffer.from([
      ...encodeTerm([1, 2, 3, 4, 5, 6]).subarray(1),
      ...encodeTerm([1, 2, 3, 4, 5]).subarray(1),
    ]);
    const reader = new TermReader(host, { maxValues: 10 });
    reader.reset(bytes, 0, bytes.length);
    reader.term();
    expect(() => reader.term()).toThrow('more than 10 values');
  });

  test('bytes of an integer', () => {
    const reader = new TermReader(host, { maxBigBytes: 16 });
    const readPower = (power: bigint): unknown => {
      const bytes = Buffer.from(encodeTerm(2n ** power)).subarray(1);
      reader.reset(bytes, 0, bytes.length);
      return reader.term();
    };
    expect(readPower(127n)).toBe(2n ** 127n);
    expect(() => readPower(128n)).toThrow('more than 16 bytes');
    expect(() => readPower(2_100n)).toThrow('more than 16 bytes');
  });

  test('keys within keys', () => {
    const key = (depth: number): unknown => (depth === 0 ? 1 : new ErlMap([[key(depth - 1), depth]]));
    expect(decodeTerm(encodeTerm(key(9)))).toStrictEqual(key(9));
    expect(() => decodeTerm(encodeTerm(key(10)))).toThrow('nested too deeply as keys');
  });

  test('parts of a key', () => {
    const list = Array.from({ length: 100_000 }, () => [] as unknown[]);
    const bytes = Buffer.from(encodeTerm([list])).subarray(6);
    const map = Buffer.concat([
      Buffer.from([131, 116, 0, 0, 0, 1]),
      bytes.subarray(0, -1),
      Buffer.from([97, 1]),
    ]);
    expect(() => decodeTerm(map)).toThrow('A key of a map is too large');
  });
});
