// Names of groups: which values name one group, which do not, and what cannot name any.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import {
  atom,
  atomKeys,
  BitString,
  Charlist,
  charlist,
  createNode,
  ErlMap,
  ExternalFunction,
  Float,
  float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  pg,
  type Pid,
  Port,
  Ref,
  tuple,
} from 'troupe';
import {
  canonicalText,
  GroupTable,
  MAX_GROUP_DEPTH,
  MAX_GROUP_PARTS,
  MAX_GROUP_SIZE,
  ownName,
} from '../../../src/runtime/pg/internal.ts';
import { forever, keys } from '../distribution/cluster.ts';
import { makeNode } from '../process/helpers.ts';

const node = createNode({ name: 'keys@x', creation: 7 });
const later = createNode({ name: 'keys@x', creation: 8 });
const pid = forever(node);
const ref = node.makeRef();
const copyOf = (value: Pid): Pid =>
  Object.assign(Object.create(Object.getPrototypeOf(value) as object) as Pid, value, { process: null });

/** Each line holds values that are one name; values of different lines are different names. */
const lines: readonly (readonly unknown[])[] = [
  ['1'],
  [1, 1n, 1.0],
  [0, 0n],
  // One group to OTP before 27.
  [-0, float(0), new Float(-0)],
  [float(1)],
  [1.5, new Float(1.5)],
  [2n ** 70n],
  [true, atom('true')],
  ['true', Buffer.from('true')],
  [false, atom('false')],
  [null, atom('nil')],
  [undefined, atom('undefined')],
  ['null'],
  [atom('null')],
  [atom('a')],
  ['a', new TextEncoder().encode('a'), Buffer.from('a')],
  ['é😀', Buffer.from('é😀')],
  ['', new Uint8Array(0)],
  [[], Object.freeze([]), charlist('')],
  [{}, Object.create(null), new Map()],
  [
    ['a', 'b'],
    ['a', Buffer.from('b')],
  ],
  [tuple('a', 'b'), tuple('a', Buffer.from('b'))],
  [tuple()],
  [tuple(1), tuple(1n)],
  [[1], [1n], charlist('\u0001')],
  [[97, 98, 99, 100, 101], charlist('abcde')],
  [[0x1f600], charlist('😀')],
  [
    ['room', [97]],
    ['room', charlist('a')],
  ],
  [tuple(atom('room'), 7), tuple(atom('room'), 7n)],
  [new ImproperList([1], 2), new ImproperList([1n], 2)],
  [new ImproperList([1, 2], atom('t')), new ImproperList([1], new ImproperList([2], atom('t')))],
  [[1, 2, 3, 98], new ImproperList([1, 2], [3, 98]), new ImproperList([1, 2, 3], charlist('b'))],
  [new BitString(new Uint8Array([1, 0xa0]), 3), new BitString(new Uint8Array([1, 0xbf]), 3)],
  [new BitString(new Uint8Array([1, 0xa0]), 4)],
  [new Port(node.origin, 5n), new Port(node.origin, 5n)],
  [new Port(node.origin, 6n)],
  [new ExternalFunction(atom('m'), atom('f'), 1), new ExternalFunction(atom('m'), atom('f'), 1)],
  [new ExternalFunction(atom('m'), atom('f'), 2)],
  [new OpaqueFunction(new Uint8Array([112, 1])), new OpaqueFunction(Buffer.from([112, 1]))],
  [
    new NativeRecord(atom('m'), atom('r'), true, [[atom('f'), 1]]),
    new NativeRecord(atom('m'), atom('r'), true, [[atom('f'), 1n]]),
  ],
  [new NativeRecord(atom('m'), atom('r'), false, [[atom('f'), 1]])],
  [
    atomKeys({ k: 1, l: 2 }),
    new Map([
      [atom('l'), 2],
      [atom('k'), 1],
    ]),
    new ErlMap([
      [atom('k'), 1n],
      [atom('l'), 2n],
    ]),
  ],
  [['ab']],
  [['a', ['b']]],
  [[undefined], Array.from({ length: 1 })],
  [
    { a: 1, b: [2] },
    { b: [2], a: 1n },
    new Map<string, unknown>([
      ['b', [2]],
      ['a', 1],
    ]),
  ],
  [{ a: undefined }],
  [new Map([[1, 'a']]), new Map([[1n, 'a']])],
  [{ 1: 'a' }, new Map([['1', 'a']])],
  [new Map([[[1], new Map([[{ a: 1 }, 2]])]]), new Map([[[1n], new Map([[{ a: 1 }, 2]])]])],
  [pid, copyOf(pid)],
  [pid.key],
  [forever(later)],
  [ref, new Ref(ref.origin, ref.low, ref.high)],
  [node.makeRef()],
  [new Uint8Array([200, 2]), Buffer.from([200, 2])],
  [new Uint8Array([200])],
  [[new Uint8Array([200])]],
  [
    ['room', 7],
    ['room', 7n],
  ],
  ['s1:a'],
  [['s1:a']],
];

describe('one name', () => {
  test('is all values that are equal by structure, and no others', () => {
    const flat = lines.flatMap((line, index) => line.map((value) => ({ index, text: canonicalText(value) })));
    for (const one of flat) {
      for (const other of flat) expect(one.text === other.text).toBe(one.index === other.index);
    }
  });

  test('in a scope, too', () => {
    const own = makeNode();
    pg.start(own, 's');
    const pids = lines.map(() => forever(own));
    for (const [index, line] of lines.entries()) {
      for (const value of line) pg.join(own, 's', value, pids[index]!);
    }
    expect(pg.whichGroups(own, 's')).toHaveLength(lines.length);
    for (const [index, line] of lines.entries()) {
      for (const value of line) {
        expect(keys(pg.getMembers(own, 's', value))).toEqual(keys(line.map(() => pids[index]!)));
      }
      for (const value of line) expect(pg.leave(own, 's', value, pids[index]!)).toBe('ok');
    }
    expect(pg.whichGroups(own, 's')).toEqual([]);
  });

  test('holds for any two values', () => {
    const name = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>(
          null,
          undefined,
          true,
          false,
          'a',
          'b',
          '',
          's1:a',
          ';',
          '[',
          0,
          1,
          2,
          0.5,
          -1,
        ),
        fc.string({ maxLength: 3 }),
        fc.integer({ min: -3, max: 3 }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'c', '1', '__proto__'), tie('value'), { maxKeys: 3 }),
      ),
    })).value;
    fc.assert(
      fc.property(name, name, (one, other) => {
        const [left, right] = [canonicalText(one), canonicalText(other)];
        expect(left === right).toBe(isDeepStrictEqual(plain(one), plain(other)));
        expect(canonicalText(ownName(one))).toBe(left);
        const table = new GroupTable();
        const group = table.findOrMake(one);
        expect([table.find(other) === group, table.findOrMake(other) === group]).toEqual([
          left === right,
          left === right,
        ]);
        expect(new Set([...table.all()].map((found) => found.name))).toHaveLength(left === right ? 1 : 2);
        table.drop(group);
        expect(table.find(one)).toBe(undefined);
        expect([...table.all()]).toHaveLength(left === right ? 0 : 1);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is a copy that the caller cannot change', () => {
    const own = makeNode();
    pg.start(own, 's');
    const member = forever(own);
    const group = { rooms: ['a'], bytes: new Uint8Array([1]), map: new Map([['k', ['v']]]) };
    pg.join(own, 's', group, member);
    group.rooms.push('b');
    group.bytes[0] = 2;
    group.map.clear();
    const before = { rooms: ['a'], bytes: new Uint8Array([1]), map: new Map([['k', ['v']]]) };
    expect(pg.whichGroups(own, 's')).toEqual([before]);
    expect(pg.getMembers(own, 's', before)).toEqual([member]);
    expect(() => (pg.whichGroups(own, 's')[0] as typeof group).rooms.push('c')).toThrow(TypeError);
  });
});

describe('what cannot name a group', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['a function', () => () => 1, /a function/],
    ['a symbol', () => [Symbol('s')], /a symbol/],
    ['another class', () => ({ at: new Date() }), /an instance of Date/],
    ['a Set', () => new Set(), /an instance of Set/],
    ['NaN', () => Number.NaN, /NaN/],
    ['NaN as a float', () => new Float(Number.NaN), /NaN/],
    ['a hole', () => [1, ...Object.assign([], { length: 1 }), Object.assign([], { length: 2 })], /holes/],
    ['half of a pair in a charlist', () => tuple(new Charlist('\ud800')), /surrogate/],
    ['a bitstring of no bits', () => new BitString(new Uint8Array(1), 0), /no such bits/],
    ['an improper list of no items', () => new ImproperList([], 1), /without items/],
    ['infinity', () => [Infinity], /Infinity/],
    ['an unsafe integer', () => 2 ** 60, /the number/],
    ['half a surrogate pair', () => '\udc00', /surrogate/],
    ['half of one within', () => ['\udc00'], /surrogate/],
    ['a key that is a symbol', () => ({ [Symbol('s')]: 1 }), /symbol for a key/],
    [
      'a Map with one key twice',
      () =>
        new Map([
          [[1], 1],
          [[1n], 2],
        ] as never),
      /one key twice/,
    ],
    ['an object within itself', () => cycle(), /within itself/],
    ['a charlist with too many characters', () => charlist('a'.repeat(MAX_GROUP_PARTS)), /more than 10000/],
    ['tuples nested too deep', () => nestedTuples(MAX_GROUP_DEPTH + 1), /deeper than 64/],
    ['one nested too deep', () => nested(MAX_GROUP_DEPTH + 1), /deeper than 64/],
    ['one with too many parts', () => new Array(MAX_GROUP_PARTS).fill(1), /more than 10000/],
    ['too long a text', () => 'x'.repeat(MAX_GROUP_SIZE + 1), /more than 65536/],
    ['too many bytes', () => Buffer.alloc(MAX_GROUP_SIZE + 1, 255), /more than 65536/],
    ['texts that are too long together', () => tuple('x'.repeat(MAX_GROUP_SIZE), 'y'), /more than 65536/],
    ['too large an integer', () => 1n << BigInt(8 * MAX_GROUP_SIZE), /more than 65536/],
  ])('%s', (_what, value, message) => {
    const own = makeNode();
    pg.start(own, 's');
    const member = forever(own);
    const code = expect.objectContaining({
      code: 'TROUPE_BAD_ARGUMENT',
      message: expect.stringMatching(message) as string,
    }) as Error;
    expect(() => pg.join(own, 's', value(), member)).toThrow(code);
    expect(pg.whichGroups(own, 's')).toEqual([]);
    const named = typeof value() === 'string' ? [value()] : value();
    expect(() => pg.getMembers(own, 's', named)).toThrow(code);
    expect(() => pg.leave(own, 's', named, member)).toThrow(code);
  });

  test('a string is looked up unchanged', () => {
    const own = makeNode();
    pg.start(own, 's');
    expect(pg.getMembers(own, 's', '\udc00')).toEqual([]);
  });

  test('the limits themselves are allowed', () => {
    expect(canonicalText(nested(MAX_GROUP_DEPTH))).toContain('l[l[l[');
    expect(canonicalText('x'.repeat(MAX_GROUP_SIZE))).toContain('xxx');
    expect(canonicalText(new Array(MAX_GROUP_PARTS - 1).fill(1))).toContain('i1;');
  });
});

/** 0 and -0 are one number to a wire. */
function plain(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}

function nestedTuples(depth: number): unknown {
  let value: unknown = tuple();
  for (let level = 1; level < depth; level++) value = tuple(value);
  return value;
}

function cycle(): unknown {
  const value: { in?: unknown } = {};
  value.in = [value];
  return value;
}
