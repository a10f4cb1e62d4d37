// The bytes of epmd's protocol: round trips, answers in pieces, and bytes that are none.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeLookupAnswer,
  decodeNamesAnswer,
  decodeRegisterAnswer,
  decodeRequest,
  encodeLookupAnswer,
  encodeNamesAnswer,
  encodeRegisterAnswer,
  encodeRequest,
  type Entry,
  entryOf,
  Gathered,
  isLoopback,
  isName,
  splitNodeName,
} from '../../../../src/runtime/distribution/epmd/internal.ts';

const u16 = fc.integer({ min: 0, max: 0xffff });
const u8 = fc.integer({ min: 0, max: 0xff });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const entries: fc.Arbitrary<Entry> = fc.record(
  {
    name: bytes(300),
    port: u16,
    type: u8,
    protocol: u8,
    highest: u16,
    lowest: u16,
    extra: bytes(20),
  },
  { noNullPrototype: true },
);

/** Gives bytes in pieces of the sizes to a reader. @returns what it has read, and after how many bytes. */
function inPieces<T>(whole: Buffer, sizes: readonly number[], decode: (bytes: Buffer) => T | undefined) {
  const gathered = new Gathered(whole.length);
  let at = 0;
  for (let piece = 0; at < whole.length; piece++) {
    const size = sizes[piece % sizes.length] ?? 1;
    expect(gathered.add(whole.subarray(at, at + size))).toBe(true);
    at = Math.min(at + size, whole.length);
    const answer = decode(gathered.bytes);
    if (answer !== undefined) return { answer, at };
  }
  return { answer: undefined, at };
}

function thrown(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });

describe('requests', () => {
  test('register with the bytes of the documentation', () => {
    const request = encodeRequest({ kind: 'register', entry: entryOf('ab', 0x1234, true) });
    expect(request.toString('hex')).toBe('000f781234480000060006000261620000');
    expect(encodeRequest({ kind: 'lookup', name: Buffer.from('ab') }).toString('hex')).toBe('00037a6162');
    expect(encodeRequest({ kind: 'names' }).toString('hex')).toBe('00016e');
  });

  test('come back as they were', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(
          decodeRequest(Buffer.from(encodeRequest({ kind: 'register', entry }).subarray(2))),
        ).toStrictEqual({ kind: 'register', entry });
      }),
    );
    expect(decodeRequest(Buffer.from('zx'))).toStrictEqual({ kind: 'lookup', name: Buffer.from('x') });
    expect(decodeRequest(Buffer.from('n'))).toStrictEqual({ kind: 'names' });
  });

  test('that end too early, and any other bytes, are none', () => {
    const whole = encodeRequest({ kind: 'register', entry: entryOf('name', 1, false) }).subarray(2);
    for (let length = 0; length < whole.length; length++) {
      expect(decodeRequest(whole.subarray(0, length))).toBeUndefined();
    }
    fc.assert(
      fc.property(bytes(200), (body) => {
        const request = decodeRequest(body);
        expect([undefined, 'register', 'lookup', 'names']).toContain(request?.kind);
      }),
    );
  });
});

describe('answers', () => {
  test('to a registration, in any pieces', () => {
    fc.assert(
      fc.property(
        u16,
        fc.option(fc.integer({ min: 4, max: 0xffff_ffff })),
        sizes,
        (highest, given, pieces) => {
          const creation = given ?? undefined;
          const whole = encodeRegisterAnswer(highest, creation);
          const { answer, at } = inPieces(whole, pieces, decodeRegisterAnswer);
          expect(at).toBe(whole.length);
          expect(answer?.accepted).toBe(creation !== undefined);
          const narrow = creation === undefined ? 99 : (creation % 3) + 1;
          expect(answer?.creation).toBe(highest >= 6 ? (creation ?? 99) : narrow);
        },
      ),
    );
    expect(encodeRegisterAnswer(6, 0x6b0485ca).toString('hex')).toBe('76006b0485ca');
    expect(encodeRegisterAnswer(6, undefined).toString('hex')).toBe('760100000063');
    expect(encodeRegisterAnswer(5, 5).toString('hex')).toBe('79000003');
    expect(encodeRegisterAnswer(5, undefined).toString('hex')).toBe('79010063');
  });

  test('to a lookup, in any pieces', () => {
    fc.assert(
      fc.property(entries, sizes, (entry, pieces) => {
        const whole = encodeLookupAnswer(entry);
        expect(inPieces(whole, pieces, decodeLookupAnswer)).toStrictEqual({
          answer: { entry },
          at: whole.length,
        });
      }),
    );
    expect(inPieces(Buffer.of(119, 1), [1], decodeLookupAnswer).answer).toStrictEqual({ entry: undefined });
  });

  test('to a request for the names', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .filter((text) => isName(Buffer.from(text)));
    fc.assert(
      fc.property(
        fc.array(fc.record({ name, port: u16 }, { noNullPrototype: true }), { maxLength: 20 }),
        (list) => {
          const whole = encodeNamesAnswer(
            4_369,
            list.map((one) => entryOf(one.name, one.port, false)),
          );
          expect(decodeNamesAnswer(whole)).toStrictEqual(list);
        },
      ),
    );
    expect(decodeNamesAnswer(Buffer.from('\0\0\x11\x11name a at port 1 at port 2\n'))).toStrictEqual([
      { name: 'a at port 1', port: 2 },
    ]);
  });

  test('that are none are errors of one kind, whatever they are', () => {
    for (const decode of [decodeRegisterAnswer, decodeLookupAnswer, decodeNamesAnswer]) {
      expect(() => decode(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))).toThrow(RangeError);
      fc.assert(
        fc.property(bytes(100), (answer) => {
          const error = thrown(() => decode(answer));
          expect(error === undefined || error instanceof RangeError).toBe(true);
        }),
      );
    }
    expect(() => decodeRegisterAnswer(Buffer.from('76000000000100', 'hex'))).toThrow(RangeError);
    expect(() => decodeNamesAnswer(Buffer.from('\0\0\x11\x11name a at port 1'))).toThrow(RangeError);
    expect(() => decodeNamesAnswer(Buffer.from('\0\0\x11'))).toThrow(RangeError);
  });
});

test('gathers up to its limit, and takes nothing beyond it', () => {
  fc.assert(
    fc.property(fc.array(bytes(100), { maxLength: 20 }), fc.integer({ min: 0, max: 700 }), (chunks, max) => {
      const gathered = new Gathered(max);
      const taken: Buffer[] = [];
      for (const chunk of chunks) {
        const fits = Buffer.concat([...taken, chunk]).length <= max;
        expect(gathered.add(chunk)).toBe(fits);
        if (fits) taken.push(chunk);
        expect(gathered.bytes.equals(Buffer.concat(taken))).toBe(true);
      }
    }),
  );
});

test('names that can be registered', () => {
  for (const name of ['a', 'é', 'a b', 'x'.repeat(255)]) expect(isName(Buffer.from(name))).toBe(true);
  for (const name of ['', 'x'.repeat(256), 'a\0b', 'a\nname b', '\x7f']) {
    expect(isName(Buffer.from(name))).toBe(false);
  }
  expect(isName(Buffer.of(0xff))).toBe(false);
});

test('node names have one @, something on either side, and are ASCII', () => {
  expect(splitNodeName('a@b')).toStrictEqual({ alive: 'a', host: 'b' });
  expect(splitNodeName('a-1@::1')).toStrictEqual({ alive: 'a-1', host: '::1' });
  for (const name of ['', '@', 'a@', '@b', 'ab', 'a@b@c', 'é@b', 'a@b c', 'a\0@b', `${'a'.repeat(254)}@b`]) {
    expect(splitNodeName(name)).toBeUndefined();
  }
});

test('addresses that only this machine sends from', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'localhost']) {
    expect(isLoopback(host)).toBe(true);
  }
  for (const host of ['', '10.0.0.1', '127.example.com', '::ffff:10.0.0.1', '::2', '0.0.0.0']) {
    expect(isLoopback(host)).toBe(false);
  }
});
