// Terms as bytes, for programs.
import { deflateSync } from 'node:zlib';
import { MessageChannel } from 'node:worker_threads';
import { atom, Pid, tuple } from 'troupe';
import { expect, test } from 'vitest';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { ByteWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
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

// ---- the pool of results ----

/** Texts of many lengths: some share a pool, some make it grow, some have a buffer of their own. */
const lengths = Array.from({ length: 400 }, (_, at) => (at * 37) % (at % 50 === 7 ? 20_000 : 700));

test('a result stays as it is, whatever is encoded afterwards', () => {
  const made = lengths.map((length, at) => {
    const bytes = encodeTerm([at, 'x'.repeat(length)]);
    // What fails half-way leaves nothing behind, whether it fitted or not.
    expect(() => encodeTerm(['y'.repeat(length), Symbol('no term')])).toThrow('a symbol');
    return bytes;
  });
  const inner: Uint8Array[] = [];
  const sends = {
    get a(): string {
      inner.push(encodeTerm('z'.repeat(inner.length)));
      return 'a';
    },
  };
  for (let at = 0; at < 100; at++) made.push(encodeTerm([at, 'x'.repeat(10), sends]));
  made.splice(400).forEach((bytes, at) => {
    expect(decodeTerm(bytes)).toStrictEqual([at, 'x'.repeat(10), { a: 'a' }]);
  });
  made.forEach((bytes, at) => expect(decodeTerm(bytes)).toStrictEqual([at, 'x'.repeat(lengths[at] ?? 0)]));
  inner.forEach((bytes, at) => expect(decodeTerm(bytes)).toBe('z'.repeat(at)));
});

test('only a short result shares its ArrayBuffer', () => {
  const encode = (size: number): Uint8Array => {
    const bytes = encodeTerm('x'.repeat(size - 6));
    expect(bytes).toHaveLength(size);
    return bytes;
  };
  for (const size of [4_097, 5_000, 100_000]) {
    // However much of the pool is taken.
    for (let before = 1; before < 60; before++) {
      // The last of so many short ones after a long one is in the pool again.
      let short = encode(200);
      for (let at = 0; at < 20 + before; at++) short = encode(200);
      expect(short.buffer.byteLength).toBe(8_192);
      expect(encode(size).buffer.byteLength).toBe(size);
      expect(encode(size).buffer.byteLength).toBe(size);
    }
  }
  for (let at = 0; at < 20; at++) encode(2_048);
  const pools = new Set(Array.from({ length: 8 }, () => encode(2_048).buffer));
  expect(pools.size).toBeLessThanOrEqual(3);
});

test('a result that is transferred to another thread takes no other with it', () => {
  const kept = encodeTerm('kept');
  const { port1, port2 } = new MessageChannel();
  let refused: unknown;
  try {
    port1.postMessage(kept, [kept.buffer as ArrayBuffer]);
  } catch (error) {
    refused = error;
  }
  port2.close();
  // Node.js 21 and later refuse; before, it is copied.
  expect([undefined, 'DataCloneError']).toContain((refused as Error | undefined)?.name);
  expect(decodeTerm(kept)).toBe('kept');
  expect(decodeTerm(encodeTerm('next'))).toBe('next');
});

test('the limit of a writer counts from its origin', () => {
  const writer = new ByteWriter(16, 32);
  writer.length = writer.origin = 16;
  writer.bytes(new Uint8Array(32));
  expect(writer.length).toBe(48);
  expect(() => writer.u8(0)).toThrow('larger than 32 bytes');
});

test('short texts of every kind', () => {
  for (let length = 0; length < 20; length++) {
    for (let at = 0; at < length; at++) {
      for (const character of ['\0', '\u007f', '\u0080', '\u00e9', '\ufffd', '\u{1f600}']) {
        const text = `${'a'.repeat(at)}${character}${'b'.repeat(length - at - 1)}`;
        expect(decodeTerm(encodeTerm(text))).toBe(text);
        const bytes = Buffer.from(text, 'latin1');
        const term = Buffer.concat([Buffer.from([131, 109, 0, 0, 0, bytes.length]), bytes]);
        const isText = bytes.every((byte) => byte < 128);
        expect(decodeTerm(term)).toStrictEqual(isText ? bytes.toString() : new Uint8Array(bytes));
      }
    }
  }
});
