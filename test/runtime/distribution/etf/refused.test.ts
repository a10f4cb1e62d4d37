// What cannot be sent throws where it is sent, says where in the message it stands, and leaves nothing behind.
import {
  atom,
  AtomKeyed,
  atomKeys,
  BitString,
  charlist,
  Down,
  ErlMap,
  Float,
  float,
  ImproperList,
  Pid,
  Ref,
  TroupeError,
  Tuple,
  tuple,
} from 'troupe';
import { describe, expect, test } from 'vitest';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { messageWriter } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { defaultEncodeLimits, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';

const origin = new Origin('a@h', 5);

function refusal(value: unknown, writer: TermWriter = messageWriter()): string {
  writer.u8(7);
  const before = writer.length;
  let thrown: unknown;
  try {
    writer.term(value);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(TroupeError);
  expect(thrown).toHaveProperty('code', 'TROUPE_NOT_ENCODABLE');
  expect(writer.length).toBe(before);
  expect(writer.buffer[before - 1]).toBe(7);
  return (thrown as TroupeError).message;
}

class Custom {
  readonly field = 1;
}

describe('no terms', () => {
  test.each<[unknown, string]>([
    [() => 1, 'a function.'],
    [Symbol('x'), 'a symbol.'],
    [NaN, 'the number NaN.'],
    [Infinity, 'the number Infinity.'],
    [new Float(-Infinity), 'the number -Infinity.'],
    [2 ** 53, '9007199254740992, an integer beyond 2^53: use a bigint.'],
    [-(2 ** 60), '-1152921504606847000, an integer beyond 2^53: use a bigint.'],
    [1n << 600_000n, 'an integer of more than 65536 bytes.'],
    ['\ud800', 'a string with half a surrogate pair.'],
    [`${'x'.repeat(100)}\udc00`, 'a string with half a surrogate pair.'],
    [charlist('\ud800'), 'a charlist with half a surrogate pair.'],
    [new Date(0), 'an instance of Date.'],
    [new Custom(), 'an instance of Custom.'],
    [new Error('x'), 'an instance of Error.'],
    [new Set(), 'an instance of Set.'],
    [new Uint16Array(1), 'an instance of Uint16Array.'],
    [Promise.resolve(), 'an instance of Promise.'],
    [Object.create(Object.create(null) as object), 'an instance of a class.'],
    [{ [Symbol('x')]: 1 }, 'an object with a symbol for a key.'],
    // oxlint-disable-next-line no-sparse-arrays -- what is tested
    [[1, , 3], 'an array with holes at 1.'],
    [Array(3), 'an array with holes at 0.'],
    [new ImproperList([], 1), 'an improper list without items, or whose tail is a list.'],
    [new ImproperList([1], [2]), 'an improper list without items, or whose tail is a list.'],
    [new ImproperList([1], charlist('a')), 'an improper list without items, or whose tail is a list.'],
    [new BitString(new Uint8Array(1), 8), 'a bitstring whose last byte has not 1 to 7 bits.'],
    [new BitString(new Uint8Array(0), 1), 'a bitstring whose last byte has not 1 to 7 bits.'],
    [atomKeys({ ['x'.repeat(256)]: 1 }), `a name that cannot be an atom at ${'x'.repeat(256)}.`],
    [
      new Map([
        [tuple(1), 1],
        [tuple(1), 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        [1, 1],
        [1n, 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        ['a', 1],
        [Buffer.from('a'), 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        [true, 1],
        [atom('true'), 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        [[97], 1],
        [charlist('a'), 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        [float(0), 1],
        [new Float(-0), 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        [{ a: 1 }, 1],
        [new Map([['a', 1]]), 2],
      ]),
      'a map with a key twice.',
    ],
    [
      new Map<unknown, number>([
        [{ a: new Date(0) }, 1],
        [1n, 2],
      ]),
      'a map that cannot be sent',
    ],
  ])('%o', (value, what) => {
    expect(refusal(value)).toContain(`The message holds ${what}`);
  });

  test('an instance of a class that is a tuple is one', () => {
    class Pair extends Tuple {}
    const writer = new TermWriter();
    writer.term(new Pair([1, 2]));
    expect(writer.buffer.subarray(0, 2)).toEqual(Buffer.from([104, 2]));
  });

  test('keys that are different terms are not refused', () => {
    const writer = new TermWriter();
    writer.term(
      new Map<unknown, number>([
        [1, 1],
        [float(1), 2],
        ['1', 3],
        [atom('1'), 4],
        [[1], 5],
        [tuple(1), 6],
        [null, 7],
      ]),
    );
    writer.term(
      new ErlMap<unknown, number>([
        [tuple(1), 1],
        [tuple(2), 2],
      ]),
    );
    expect(writer.length).toBeGreaterThan(0);
  });
});

describe('the path', () => {
  test.each<[unknown, string]>([
    [{ a: [1, { b: NaN }] }, 'a.1.b'],
    [{ a: { b: 1 }, c: Symbol('x') }, 'c'],
    [tuple(1, [2, NaN]), '1.1'],
    [{ a: { b: { c: 1 } }, '\ud800': 1 }, '\ud800'],
    [new Map([['k', NaN]]), 'k'],
    [new Map([[atom('k'), [NaN]]]), 'k.0'],
    [new Map([[tuple(NaN), 1]]), 'key.0'],
    [atomKeys({ a: NaN }), 'a'],
    [new ImproperList([1], NaN), 'tail'],
    [new Down(new Ref(origin, 1, 1), new Pid(origin, 1, 1), ['shutdown', { a: NaN }]), 'reason.1.a'],
  ])('%o', (value, path) => {
    expect(refusal(value)).toContain(` at ${path}. `);
  });

  test('is shown as far as twenty steps', () => {
    let value: unknown = NaN;
    for (let depth = 0; depth < 30; depth++) value = [value];
    expect(refusal(value)).toContain(` at ${Array(20).fill(0).join('.')}. `);
  });

  test('is forgotten after an error', () => {
    const writer = new TermWriter();
    refusal({ a: { b: NaN } }, writer);
    expect(refusal(NaN, writer)).toContain('holds the number NaN. ');
  });
});

describe('limits', () => {
  const nested = (depth: number, wrap: (value: unknown) => unknown): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level++) value = wrap(value);
    return value;
  };

  test.each<[string, (value: unknown) => unknown]>([
    ['arrays', (value) => [value]],
    ['objects', (value) => ({ a: value })],
    ['tuples', (value) => tuple(value)],
    ['maps', (value) => new Map([[1, value]])],
    ['keys', (value) => new AtomKeyed({ a: value })],
    ['tails', (value) => new ImproperList([1], tuple(value))],
  ])('depth of %s', (_, wrap) => {
    const writer = new TermWriter({ maxDepth: 20 });
    writer.term(nested(10, wrap));
    expect(refusal(nested(21, wrap), writer)).toContain(
      'something nested deeper than 20 levels, or within itself',
    );
    new TermWriter().term(nested(256, wrap));
    expect(refusal(nested(100_000, wrap))).toContain(`nested deeper than ${defaultEncodeLimits.maxDepth}`);
  });

  test('a value within itself', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(refusal(cycle)).toContain('within itself');
    const map = new Map<unknown, unknown>();
    map.set('a', map);
    expect(refusal(map)).toContain('within itself');
    const reason: unknown[] = ['shutdown'];
    reason.push(reason);
    expect(() => new TermWriter().reason(reason)).toThrow('within itself');
  });

  test('values', () => {
    const writer = new TermWriter({ maxValues: 10 });
    writer.term([1, 2, 3, 4, 5, 6, 7, 8, 9, 300]);
    writer.term({ a: 1, b: 1, c: 1, d: 1, e: 1 });
    for (const value of [
      Array.from({ length: 11 }, () => 1),
      Array.from({ length: 11 }, () => 'x'),
      { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1 },
      [
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
      ],
      charlist('elf characters'),
      new Tuple(Array.from({ length: 11 }, () => 1)),
    ]) {
      expect(refusal(value, writer)).toContain('more than 10 values');
    }
  });

  test('bytes', () => {
    const writer = new TermWriter({ maxBytes: 1_000 }, 16);
    writer.term('x'.repeat(320));
    writer.reset();
    for (const value of [
      'x'.repeat(1_001),
      new Uint8Array(1_001),
      Array.from({ length: 300 }, () => 'x'),
      2n ** 9_000n,
    ]) {
      writer.reset();
      expect(refusal(value, writer)).toContain('larger than 1000 bytes');
    }
    writer.reset();
    writer.term(new Uint8Array(900));
    expect(writer.length).toBe(906);
  });

  test('a buffer that has grown is let go of', () => {
    const writer = new TermWriter();
    writer.term(new Uint8Array(3_000_000));
    const { buffer } = writer;
    expect(buffer.length).toBeGreaterThan(3_000_000);
    writer.reset();
    expect(writer.buffer.length).toBeLessThan(100_000);
  });
});

describe('values that run code while they are written', () => {
  test('a getter that throws', () => {
    const writer = new TermWriter();
    writer.u8(1);
    const value = {
      a: 'written',
      get b(): never {
        throw new RangeError('mine');
      },
    };
    expect(() => writer.term(value)).toThrow(new RangeError('mine'));
    expect(writer.length).toBe(1);
    writer.term(1);
    expect(writer.length).toBe(3);
  });

  test('a getter that writes with the same writer', () => {
    const writer = new TermWriter();
    let inner: unknown;
    const value = {
      get a(): number {
        writer.u8(104);
        try {
          writer.term('another message');
        } catch (error) {
          inner = error;
        }
        return 1;
      },
    };
    expect(() => writer.term(value)).toThrow('a getter that sends another message');
    expect(inner).toHaveProperty('code', 'TROUPE_NOT_ENCODABLE');
    expect(writer.length).toBe(0);
    writer.term({ b: 1 });
    expect(writer.length).toBe(13);
  });

  test('a map that changes', () => {
    const map = new Map<unknown, unknown>([[1, 1]]);
    map.set(2, {
      get a(): number {
        map.set(3, 3);
        return 1;
      },
    });
    expect(refusal(map)).toContain('a map that changes while it is sent');
  });

  test('an object and an array that change are written as they were counted', () => {
    const object: Record<string, unknown> = {
      get a(): number {
        delete object['b'];
        return 1;
      },
      b: 2,
    };
    const writer = new TermWriter();
    writer.term(object);
    expect(writer.buffer.subarray(0, 5)).toEqual(Buffer.from([116, 0, 0, 0, 2]));
    const list: unknown[] = [
      {
        get a(): number {
          list.length = 1;
          return 1;
        },
      },
      'x',
    ];
    expect(refusal(list, writer)).toContain('an array with holes at 1');
  });
});
