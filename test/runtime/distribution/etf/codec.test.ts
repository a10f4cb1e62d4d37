// Terms as bytes, for programs.
import { deflateSync } from 'node:zlib';
import { atom, Pid, tuple } from 'troupe';
import { expect, test } from 'vitest';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { Origin } from '../../../../src/runtime/terms/internal.ts';

function compressed(size: number, content: Uint8Array): Buffer {
  const head = Buffer.from([131, 80, 0, 0, 0, 0]);
  head.writeUInt32BE(size, 2);
  return Buffer.concat([head, deflateSync(content)]);
}

const list = Buffer.from([107, 0, 3, 1, 2, 3]);

test('a term and its bytes', () => {
  expect(encodeTerm(atom('ok'))).toStrictEqual(Uint8Array.from([131, 119, 2, 111, 107]));
  expect(decodeTerm(Uint8Array.from([131, 119, 2, 111, 107]))).toBe(atom('ok'));
  const within = new Uint8Array([0, 0, 131, 97, 7, 0]).subarray(2, 5);
  expect(decodeTerm(within)).toBe(7);
});

test('limits', () => {
  expect(() => encodeTerm([['x']], { maxDepth: 1 })).toThrow('deeper than 1');
  expect(() => decodeTerm(encodeTerm([['x']]), { maxDepth: 1 })).toThrow('deeper than 1');
});

test('bytes that are no term', () => {
  for (const [bytes, why] of [
    [[], 'do not begin with 131'],
    [[97, 1], 'do not begin with 131'],
    [[131], 'cut off'],
    [[131, 97, 1, 0], 'More bytes follow'],
    [[131, 131, 97, 1], 'No term begins with 131'],
    [[131, 80, 0], 'cut off'],
  ] as const) {
    let thrown: unknown;
    try {
      decodeTerm(Uint8Array.from(bytes));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toHaveProperty('code', 'TROUPE_BAD_TERM');
    expect(thrown).toHaveProperty('message', expect.stringContaining(why));
  }
});

test('compressed terms', () => {
  expect(decodeTerm(compressed(6, list))).toStrictEqual([1, 2, 3]);
  expect(() => decodeTerm(compressed(5, list))).toThrow('cannot be read');
  expect(() => decodeTerm(compressed(7, list))).toThrow('another size');
  expect(() => decodeTerm(compressed(0, list))).toThrow('cannot be read');
  expect(() => decodeTerm(compressed(0, Buffer.alloc(0)))).toThrow('cut off');
  expect(() => decodeTerm(compressed(6, list), { maxInflatedBytes: 5 })).toThrow('6 bytes, more than 5');
  expect(() => decodeTerm(compressed(2 ** 32 - 1, list))).toThrow('more than 134217728');
  expect(() => decodeTerm(compressed(10, Buffer.alloc(10_000_000)))).toThrow('cannot be read');
  expect(() => decodeTerm(Buffer.concat([compressed(6, list).subarray(0, 8), Buffer.from('x')]))).toThrow(
    'cannot be read',
  );
  const twice = compressed(6, list).subarray(1);
  expect(() => decodeTerm(compressed(twice.length, twice))).toThrow('No term begins with 80');
});

test('pids of a node that is given become those that it knows', () => {
  const origin = new Origin('a@h', 5);
  const known = new Pid(origin, 1, 0);
  const host = { origin, internPid: (pid: Pid): Pid => (pid.equals(known) ? known : pid) };
  const bytes = encodeTerm(tuple(new Pid(new Origin('a@h', 5), 1, 0), new Pid(origin, 2, 0)));
  const [first, second] = (decodeTerm(bytes, { host }) as { elements: readonly Pid[] }).elements;
  expect(first).toBe(known);
  expect(second?.origin).toBe(origin);
});
