// Atoms: one object for each name, within Erlang's limits.
import { inspect } from 'node:util';
import {
  Atom,
  atom,
  AtomKeyed,
  atomKeys,
  Charlist,
  charlist,
  Float,
  float,
  text,
  Tuple,
  tuple,
} from 'troupe';
import { describe, expect, test } from 'vitest';

describe('atoms', () => {
  test('of one name are one object', () => {
    expect(atom('ok')).toBe(atom('ok'));
    expect(atom('ok')).toBe(atom(['o', 'k'].join('')));
    expect(atom('ok')).not.toBe(atom('OK'));
    expect(atom('ok').name).toBe('ok');
    expect(atom('ok')).toBeInstanceOf(Atom);
  });

  test('are shown as Erlang does', () => {
    expect(String(atom('ok'))).toBe('ok');
    expect(inspect(atom('a b'))).toBe("'a b'");
    expect(JSON.stringify([atom('a b')])).toBe('["a b"]');
  });

  test('have at most 255 characters, each of them whole', () => {
    expect(atom('').name).toBe('');
    expect(atom('x'.repeat(255)).name).toHaveLength(255);
    expect(atom('\u{1f600}'.repeat(255)).name).toHaveLength(510);
    for (const name of ['x'.repeat(256), '\u{1f600}'.repeat(256), 'x'.repeat(600), '\ud800', 'x\udfff']) {
      expect(() => atom(name)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
    }
    expect(() => atom(7 as unknown as string)).toThrow('at most 255 characters');
  });
});

describe('floats', () => {
  test('are numbers where they have a fraction', () => {
    expect(float(1.5)).toBe(1.5);
    expect(float(-0)).toBe(-0);
    expect(float(1)).toStrictEqual(new Float(1));
    expect(float(0)).toStrictEqual(new Float(0));
  });

  test('count as numbers', () => {
    const one = float(1) as Float;
    expect(Number(one) + 1).toBe(2);
    expect(String(one)).toBe('1.0');
    expect(inspect([one])).toBe('[ 1.0 ]');
    expect(JSON.stringify({ one })).toBe('{"one":1}');
  });

  test('are finite', () => {
    for (const value of [NaN, Infinity, -Infinity, '1' as unknown as number]) {
      expect(() => float(value)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
    }
  });
});

describe('texts', () => {
  test.each<[unknown, string | undefined]>([
    ['text', 'text'],
    [charlist('text'), 'text'],
    [[116, 233, 0x1f600], 'té\u{1f600}'],
    [[], ''],
    [[-1], undefined],
    [[0x110000], undefined],
    [[0xd800], undefined],
    [[1.5], undefined],
    [['a'], undefined],
    [7, undefined],
    [atom('a'), undefined],
  ])('%o', (value, read) => {
    expect(text(value)).toBe(read);
  });

  test('of any length', () => {
    const long = 'é'.repeat(300_000);
    expect(text(Array.from(long, (character) => character.codePointAt(0)))).toBe(long);
  });

  test('a charlist is shown as its text', () => {
    expect(charlist('a')).toBeInstanceOf(Charlist);
    expect(String(charlist('a'))).toBe('a');
    expect(JSON.stringify([charlist('a')])).toBe('["a"]');
  });
});

test('tuples can be iterated, and so destructured', () => {
  const point = tuple(atom('point'), 1, 'x');
  expect(point).toBeInstanceOf(Tuple);
  expect(point).toHaveLength(3);
  const [tag, x, label] = point;
  expect([tag, x, label]).toEqual([atom('point'), 1, 'x']);
  expect(String(point)).toBe('{point,1,<<"x">>}');
  expect(inspect(point)).toBe('{point,1,<<"x">>}');
  expect(JSON.stringify(point)).toBe('["point",1,"x"]');
});

test('atomKeys keeps the object', () => {
  const object = { id: 1 };
  expect(atomKeys(object)).toBeInstanceOf(AtomKeyed);
  expect(atomKeys(object).object).toBe(object);
});
