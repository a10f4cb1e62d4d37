// Each form that a term has on the wire: the bytes that are written, and all the forms that are read.
import {
  atom,
  BitString,
  charlist,
  ErlMap,
  ExternalFunction,
  float,
  Float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Pid,
  Port,
  Ref,
  Tuple,
  tuple,
} from 'troupe';
import { describe, expect, test } from 'vitest';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { TermReader } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';

const NODE = [119, 3, 97, 64, 104];
const node = new Origin('a@h', 0x01020304);
const old = new Origin('a@h', 3);

function hex(term: unknown): string {
  return Buffer.from(encodeTerm(term)).subarray(1).toString('hex');
}

function decode(bytes: ReadonlyArray<number | readonly number[] | string>): unknown {
  return decodeTerm(Buffer.concat([Buffer.from([131]), ...bytes.map(part)]));
}

function part(value: number | readonly number[] | string): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  return Buffer.from(typeof value === 'number' ? [value] : [...value]);
}

describe('written', () => {
  test.each<[string, unknown]>([
    ['6100', 0],
    ['61ff', 255],
    ['6200000100', 256],
    ['62ffffffff', -1],
    ['627fffffff', 2 ** 31 - 1],
    ['6280000000', -(2 ** 31)],
    ['6e040000000080', 2 ** 31],
    ['6e040101000080', -(2 ** 31) - 1],
    ['6e0700ffffffffffff1f', Number.MAX_SAFE_INTEGER],
    ['6e0701ffffffffffff1f', Number.MIN_SAFE_INTEGER],
    ['6e010000', 0n],
    ['6e02010100', -1n],
    ['6e0800ffffffffffff1f00', BigInt(Number.MAX_SAFE_INTEGER)],
    ['6e070000000000000020', 2n ** 53n],
    ['6e080000000000000000ff', 0xff00_0000_0000_0000n],
    ['463ff0000000000000', float(1)],
    ['463ff8000000000000', 1.5],
    ['468000000000000000', -0],
    ['460000000000000000', float(0)],
    ['6d00000000', ''],
    ['6d0000000161', 'a'],
    ['6d00000002c3a9', 'é'],
    ['7704 74727565', true],
    ['7705 66616c7365', false],
    ['7703 6e696c', null],
    ['7709 756e646566696e6564', undefined],
    ['7704 74727565', atom('true')],
    ['7702 c3a9', atom('é')],
    ['6a', []],
    ['6a', charlist('')],
    ['6b0003 010203', [1, 2, 3]],
    ['6b0002 6ee9', charlist('né')],
    ['6c00000001 620001f600 6a', charlist('\u{1f600}')],
    ['6c00000002 6101 6200000100 6a', [1, 256]],
    ['6c00000001 468000000000000000 6a', [-0]],
    ['6c00000001 6101 6102', new ImproperList([1], 2)],
    ['6800', tuple()],
    ['6802 6101 6a', tuple(1, [])],
    ['7400000000', {}],
    ['7400000001 6d0000000161 6101', { a: 1 }],
    ['7400000001 6101 6102', new Map([[1, 2]])],
    ['4d00000002 08 0102', Uint8Array.from([1, 2])],
    ['4d00000002 08 0102', Buffer.from([1, 2])],
    ['4d00000000 00', new Uint8Array()],
    ['4d00000001 03 a0', new BitString(Uint8Array.from([0xa0]), 3)],
    ['58 7703614068 00000005 80000000 01020304', new Pid(node, 5, 2 ** 31)],
    ['5a0003 7703614068 01020304 00000001 00000002 00000000', new Ref(node, 1, 2)],
    ['5a0001 7703614068 01020304 ffffffff', new Ref(node, 0, 0, [0xffff_ffff])],
    ['59 7703614068 0fffffff 01020304', new Port(node, 0x0fff_ffffn)],
    ['78 7703614068 0000000010000000 01020304', new Port(node, 0x1000_0000n)],
    ['71 770161 770162 6102', new ExternalFunction(atom('a'), atom('b'), 2)],
    ['70ff', new OpaqueFunction(Uint8Array.from([0x70, 0xff]))],
  ])('%s', (expected, term) => {
    expect(hex(term)).toBe(expected.replaceAll(' ', ''));
  });

  test('large ones', () => {
    expect(hex(Array.from({ length: 65_535 }, () => 1)).slice(0, 6)).toBe('6bffff');
    expect(hex(Array.from({ length: 65_536 }, () => 1)).slice(0, 14)).toBe('6c000100006101');
    expect(hex(charlist('a'.repeat(65_536))).slice(0, 14)).toBe('6c000100006161');
    expect(hex(new Tuple(Array.from({ length: 256 }, () => 1))).slice(0, 14)).toBe('69000001006101');
    expect(hex(atom('é'.repeat(127))).slice(0, 8)).toBe('77fec3a9');
    expect(hex(atom('é'.repeat(128))).slice(0, 10)).toBe('760100c3a9');
    expect(hex(2n ** 2039n).slice(0, 6)).toBe('6eff00');
    expect(hex(2n ** 2040n).slice(0, 12)).toBe('6f0000010000');
  });

  test('native records only to those who have them', () => {
    const record = new NativeRecord(atom('m'), atom('r'), true, [[atom('x'), 1]]);
    expect(() => encodeTerm(record)).toThrow('an instance of NativeRecord');
    const bytes = encodeTerm(record, { nativeRecords: true });
    expect(Buffer.from(bytes).toString('hex')).toBe('8343000000010177016d7701727701786101');
    expect(decodeTerm(bytes)).toStrictEqual(record);
  });
});

describe('read', () => {
  test.each<[string, Parameters<typeof decode>[0], unknown]>([
    [
      'an old atom',
      [
        [100, 0, 2],
        [0x61, 0xe9],
      ],
      atom('aé'),
    ],
    [
      'an old short atom',
      [
        [115, 2],
        [0x61, 0xe9],
      ],
      atom('aé'),
    ],
    ['an atom of UTF-8', [[118, 0, 2], 'é'], atom('é')],
    ['an old true', [[100, 0, 4], 'true'], true],
    ['undefined', [[118, 0, 9], 'undefined'], undefined],
    ['an empty atom', [[119, 0]], atom('')],
    ['an old float', [99, '1.50000000000000000000e+00', [0, 0, 0, 0, 0]], 1.5],
    ['an old float without a fraction', [99, '-2.00000000000000000000e+00', [0, 0, 0, 0]], new Float(-2)],
    ['an old pid', [[103, ...NODE, 0, 0, 0, 5, 0, 0, 0, 6, 3]], new Pid(old, 5, 6)],
    ['an old port', [[102, ...NODE, 0, 0, 0, 5, 3]], new Port(old, 5n)],
    ['a port', [[89, ...NODE, 0, 0, 0, 5, 1, 2, 3, 4]], new Port(node, 5n)],
    ['a large port', [[120, ...NODE, 0, 0, 0, 1, 0, 0, 0, 5, 1, 2, 3, 4]], new Port(node, 2n ** 32n + 5n)],
    ['the oldest ref', [[101, ...NODE, 0, 0, 0, 5, 3]], new Ref(old, 0, 0, [5])],
    ['an old ref', [[114, 0, 2, ...NODE, 3, 0, 0, 0, 5, 0, 0, 0, 6]], new Ref(old, 0, 0, [5, 6])],
    [
      'a ref of another kind of node',
      [[90, 0, 3, ...NODE, 1, 2, 3, 4, 0, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]],
      new Ref(node, 0, 0, [0x4_0000, 6, 0]),
    ],
    ['an integer of no bytes', [[110, 0, 0]], 0],
    ['minus nothing', [[110, 0, 1]], 0],
    ['a padded integer', [[110, 4, 1, 5, 0, 0, 0]], -5],
    ['an integer with one byte too many', [[110, 2, 1, 5, 0]], -5n],
    ['minus 0n', [[110, 1, 1, 0]], 0n],
    ['a small one in the large form', [[111, 0, 0, 0, 1, 0, 7]], 7],
    ['2^53', [[110, 7, 0, 0, 0, 0, 0, 0, 0, 32]], 2n ** 53n],
    ['a list of bytes', [[107, 0, 2, 7, 8]], [7, 8]],
    ['an empty list of bytes', [[107, 0, 0]], []],
    ['a list of no elements', [[108, 0, 0, 0, 0, 106]], []],
    ['a list of no elements with a tail', [[108, 0, 0, 0, 0, 97, 1]], 1],
    [
      'a list whose tail is a list',
      [[108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 107, 0, 1, 3]],
      [1, 2, 3],
    ],
    [
      'a list whose tail is improper',
      [[108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 97, 3]],
      new ImproperList([1, 2], 3),
    ],
    ['bytes that are no text', [[109, 0, 0, 0, 2, 0xff, 0xfe]], Uint8Array.from([0xff, 0xfe])],
    ['half a surrogate pair', [[109, 0, 0, 0, 3, 0xed, 0xa0, 0x80]], Uint8Array.from([0xed, 0xa0, 0x80])],
    ['a replacement character', [[109, 0, 0, 0, 3, 0xef, 0xbf, 0xbd]], '\uFFFD'],
    ['a byte order mark', [[109, 0, 0, 0, 3, 0xef, 0xbb, 0xbf]], '\uFEFF'],
    ['a bitstring of whole bytes', [[77, 0, 0, 0, 1, 8, 65]], Uint8Array.from([65])],
    ['unused bits', [[77, 0, 0, 0, 1, 3, 0xff]], new BitString(Uint8Array.from([0xe0]), 3)],
    ['a large tuple', [[105, 0, 0, 0, 1, 97, 1]], tuple(1)],
    ['a map of texts', [[116, 0, 0, 0, 1, 109, 0, 0, 0, 1, 65, 97, 1]], { A: 1 }],
    ['a map of atoms', [[116, 0, 0, 0, 1, 119, 1, 65, 97, 1]], new ErlMap([[atom('A'), 1]])],
    [
      'a map of both',
      [[116, 0, 0, 0, 2, 109, 0, 0, 0, 1, 65, 97, 1, 119, 1, 65, 97, 2]],
      new ErlMap<unknown, number>([
        ['A', 1],
        [atom('A'), 2],
      ]),
    ],
    [
      'a map that begins with another key',
      [[116, 0, 0, 0, 2, 97, 1, 97, 1, 109, 0, 0, 0, 1, 65, 97, 2]],
      new ErlMap<unknown, number>([
        [1, 1],
        ['A', 2],
      ]),
    ],
    [
      'a native record',
      [[67, 0, 0, 0, 0, 0, 119, 1, 65, 119, 1, 66]],
      new NativeRecord(atom('A'), atom('B'), false, []),
    ],
  ])('%s', (_, bytes, expected) => {
    expect(decode(bytes)).toStrictEqual(expected);
  });

  test('__proto__ is a key like any other', () => {
    const read = decodeTerm(encodeTerm(JSON.parse('{"__proto__":{"polluted":1},"a":2}'))) as object;
    expect(Object.keys(read)).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect({}).not.toHaveProperty('polluted');
  });

  test('references to the atoms of a header', () => {
    const own = new Origin('me@h', 9);
    const reader = new TermReader({ origin: own, internPid: (pid) => pid });
    const bytes = Buffer.from([
      104, 4, 82, 0, 82, 1, 88, 82, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 116, 0, 0, 0, 1, 82, 0, 97, 1,
    ]);
    reader.reset(bytes, 0, bytes.length, [atom('x'), atom('nil'), atom('me@h')]);
    const read = reader.term() as Tuple;
    expect(read).toStrictEqual(tuple(atom('x'), null, new Pid(own, 1, 0), new ErlMap([[atom('x'), 1]])));
    expect((read.elements[2] as Pid).origin).toBe(own);
    reader.reset(bytes, 0, bytes.length, [atom('x')]);
    expect(() => reader.term()).toThrow('atom cache');
    reader.reset(bytes, 0, bytes.length);
    expect(() => reader.term()).toThrow('atom cache');
  });

  test('a function that refers to the header is made whole', () => {
    const reader = new TermReader({ origin: node, internPid: (pid) => pid });
    const fun = (module: readonly number[], free: readonly number[]): Buffer => {
      const head = [1, ...Array.from({ length: 16 }, (_, index) => index), 0, 0, 0, 7, 0, 0, 0, 1];
      const creator = [88, ...NODE, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
      const rest = [...head, ...module, 97, 3, 98, 1, 2, 3, 4, ...creator, ...free];
      return Buffer.from([112, 0, 0, 0, rest.length + 4, ...rest]);
    };
    const whole = fun([119, 1, 77], [104, 1, 119, 1, 70]);
    const referring = fun([82, 0], [104, 1, 82, 1]);
    reader.reset(whole, 0, whole.length);
    expect(reader.term()).toStrictEqual(new OpaqueFunction(Uint8Array.from(whole)));
    reader.reset(referring, 0, referring.length, [atom('M'), atom('F')]);
    expect(reader.term()).toStrictEqual(new OpaqueFunction(Uint8Array.from(whole)));
    expect(reader.peek()).toBe(-1);
  });

  test('nothing shares memory with the buffer', () => {
    const term = [
      Uint8Array.from([1]),
      'text',
      new BitString(Uint8Array.from([128]), 1),
      Uint8Array.from([255]),
    ];
    const bytes = Buffer.from(encodeTerm(term));
    const read = decodeTerm(bytes);
    bytes.fill(0);
    expect(read).toStrictEqual(term);
    const views = (read as unknown[]).filter((value) => value instanceof Uint8Array);
    expect(views.map(({ buffer }) => buffer.byteLength)).toEqual([1, 1]);
  });
});
