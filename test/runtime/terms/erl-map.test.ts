// Maps whose keys are compared by what they are to Erlang.
import { inspect } from 'node:util';
import * as fc from 'fast-check';
import {
  atom,
  atomKeys,
  BitString,
  charlist,
  ErlMap,
  ExternalFunction,
  Float,
  float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Pid,
  Port,
  Ref,
  tuple,
} from 'troupe';
import { describe, expect, test } from 'vitest';
import { hasEqualKeys, Origin } from '../../../src/runtime/terms/internal.ts';
import { terms } from '../distribution/etf/arbitraries.ts';

const origin = (): Origin => new Origin('a@h', 5);

/** Makes a value, a new one each time. */
type Make = () => unknown;

/** Each line is one term to Erlang; all lines are different ones. */
const lines: ReadonlyArray<readonly Make[]> = [
  [() => 1, () => 1n],
  [() => float(1), () => new Float(1)],
  [() => 1.5, () => new Float(1.5)],
  [() => '1', () => Buffer.from('1'), () => Uint8Array.from([49])],
  [() => 'é', () => Buffer.from('é')],
  [() => Uint8Array.from([233])],
  [() => atom('1')],
  [() => true, () => atom('true')],
  [() => null, () => atom('nil')],
  [() => undefined, () => atom('undefined')],
  [() => 'true'],
  [() => 0, () => 0n],
  [() => float(0)],
  [() => new Float(-0)],
  [() => 2n ** 60n],
  [() => [], () => charlist('')],
  [() => [97, 98], () => charlist('ab'), () => [97n, 98]],
  [() => [float(97), 98]],
  [() => tuple(), () => tuple()],
  [() => tuple(97, 98)],
  [() => tuple(tuple(97), 98)],
  [() => tuple([97], 98)],
  [() => ({}), () => new Map(), () => new ErlMap(), () => atomKeys({})],
  [
    () => ({ a: 1, b: 2 }),
    () => ({ b: 2, a: 1 }),
    () =>
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
  ],
  [() => atomKeys({ a: 1 }), () => new Map([[atom('a'), 1]])],
  [() => new ErlMap([[tuple(1), 2]]), () => new Map([[tuple(1n), 2]])],
  [() => new Pid(origin(), 1, 2), () => new Pid(origin(), 1, 2)],
  [() => new Pid(origin(), 12, 0)],
  [() => new Ref(origin(), 1, 2), () => new Ref(origin(), 0, 0, [1, 2, 0])],
  [() => new Ref(origin(), 0, 0, [1, 2])],
  [() => new Port(origin(), 1n), () => new Port(origin(), 1n)],
  [() => new BitString(Uint8Array.from([128]), 1), () => new BitString(Uint8Array.from([128]), 1)],
  [() => new BitString(Uint8Array.from([128]), 2)],
  [() => new ImproperList([1], 2), () => new ImproperList([1n], 2)],
  [() => [1, 2]],
  [() => new ExternalFunction(atom('a'), atom('b'), 1), () => new ExternalFunction(atom('a'), atom('b'), 1)],
  [() => new ExternalFunction(atom('a'), atom('b'), 2)],
  [() => new OpaqueFunction(Uint8Array.from([1])), () => new OpaqueFunction(Uint8Array.from([1]))],
  [
    () => new NativeRecord(atom('a'), atom('b'), true, [[atom('x'), 1]]),
    () => new NativeRecord(atom('a'), atom('b'), true, [[atom('x'), 1n]]),
  ],
  [() => new NativeRecord(atom('a'), atom('b'), false, [[atom('x'), 1]])],
];

test('keys that are one term to Erlang are one key, others are not', () => {
  const map = new ErlMap();
  lines.forEach(([first], index) => map.set(first?.(), index));
  expect(map.size).toBe(lines.length);
  lines.forEach((line, index) => {
    for (const make of line) {
      expect(map.has(make())).toBe(true);
      expect(map.get(make())).toBe(index);
      map.set(make(), index);
      expect(map.size).toBe(lines.length);
      expect(hasEqualKeys(new Map([[line[0]?.(), 1]]))).toBe(false);
    }
  });
  // In the order in which they came, as they were first given.
  expect([...map.values()]).toEqual(lines.map((_, index) => index));
  lines.forEach((line) => {
    expect(map.delete(line.at(-1)?.())).toBe(true);
    expect(map.delete(line[0]?.())).toBe(false);
    expect(map.has(line[0]?.())).toBe(false);
    expect(map.get(line[0]?.())).toBeUndefined();
  });
  expect(map.size).toBe(0);
});

describe('a map', () => {
  test('of entries', () => {
    const map = new ErlMap([[tuple(1), 'a'] as const, [tuple(1), 'b'] as const]);
    expect([...map]).toStrictEqual([[tuple(1), 'b']]);
    map.clear();
    expect([map.size, map.has(tuple(1))]).toEqual([0, false]);
    map.set(tuple(1), 'a');
    expect(map.get(tuple(1))).toBe('a');
    expect(new ErlMap(null).size).toBe(0);
  });

  test('keeps keys in their plainest form', () => {
    const keys = [1n, Buffer.from('a'), atom('nil'), -0, new Float(1.5)];
    expect([...new ErlMap(keys.map((key) => [key, 1])).keys()]).toStrictEqual([
      1,
      'a',
      null,
      new Float(-0),
      1.5,
    ]);
  });

  test('is shown as Erlang does', () => {
    const map = new ErlMap<unknown>([
      [atom('a'), 1],
      [tuple(1), { b: 2 }],
    ]);
    expect(String(map)).toBe('#{a => 1,{1} => #{<<"b">> => 2}}');
    expect(inspect(map)).toBe('#{a => 1,{1} => #{<<"b">> => 2}}');
  });

  test('has no keys that hold anything but terms, or are too large', () => {
    class Custom {
      readonly field = 1;
    }
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const key of [
      new Date(),
      [() => 1],
      [Symbol('x')],
      [new Custom()],
      cycle,
      { [Symbol('x')]: 1 },
      Array.from({ length: 100_001 }, () => 1),
    ]) {
      expect(() => new ErlMap().set(key, 1)).toThrow(
        expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
      );
    }
  });
});

test('any term is found again, and only that', () => {
  fc.assert(
    fc.property(terms, terms, (a, b) => {
      const map = new ErlMap([[a, 1]]);
      expect(map.get(a)).toBe(1);
      map.set(b, 2);
      expect(map.get(b)).toBe(2);
      expect(map.get(a)).toBe(map.size === 1 ? 2 : 1);
    }),
    { numRuns: 300 },
  );
});
