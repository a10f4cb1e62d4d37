// Terms that are read in slices: the same comes of them as of what is read at once, whatever the bytes are; and how much is read
// between two looks at the clock does not grow with them.
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { canonicalText, declareChannel } from '../../../../src/runtime/pg/internal.ts';
import { encodeTerm } from 'troupe/erlang';
import {
  EtfError,
  MESSAGE_VALUES,
  SlicingReader,
  TermReader,
  TermWriter,
  TOO_DEEP,
} from '../../../../src/runtime/distribution/etf/internal.ts';
import { Messages } from '../../../../src/runtime/distribution/erlang/internal.ts';
import type { Cast } from '../../../../src/runtime/otp/internal.ts';
import {
  atom,
  BitString,
  Broadcast,
  charlist,
  defineTerm,
  ErlMap,
  ImproperList,
  Pid,
  Ref,
  tuple,
  Tuple,
} from 'troupe';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { terms, text as texts } from './arbitraries.ts';

const origin = new Origin('here@h', 4);
const host = { origin, internPid: (pid: Pid): Pid => pid };
const peer = new Pid(new Origin('peer@h', 5), 1, 2);

type Wanted = 'message' | 'reason' | 'term';
const grammar = new Messages('peer@h');

/** Reads bytes in slices that are over at once. */
function sliced(bytes: Buffer, wanted: Wanted): { value: unknown; position: number; slices: number } {
  const reader = new SlicingReader(host);
  reader.reset(bytes, 0, bytes.length);
  reader.begin(wanted === 'message' ? grammar : wanted, 0);
  let slices = 1;
  while (!reader.goOn(0)) slices++;
  return { value: reader.taken(), position: reader.position, slices };
}

function atOnce(bytes: Buffer, wanted: Wanted): { value: unknown; position: number } {
  const reader = new TermReader(host);
  reader.reset(bytes, 0, bytes.length);
  const value =
    wanted === 'message' ? reader.message(grammar) : wanted === 'reason' ? reader.reason() : reader.term();
  return { value, position: reader.position };
}

function outcome(read: () => object): object {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof EtfError)) throw error;
    return { refused: true };
  }
}

const bytesOf = (value: unknown): Buffer => Buffer.from(encodeTerm(value)).subarray(1);

/** The head of a tuple as one that has more than 255 elements has it, which no node writes for a shorter one. */
function longHeaded(bytes: Buffer): Buffer {
  return bytes[0] === 104 ? Buffer.concat([Buffer.of(105, 0, 0, 0), bytes.subarray(1)]) : bytes;
}

/** A class of the program, which makes nothing of texts. */
class Dated {
  readonly term: unknown;

  constructor(term: unknown) {
    this.term = term;
  }
}

describe('what is read', () => {
  beforeAll(() => {
    declareChannel('slices_keyed', { atomKeys: ['id', 'title'] });
    defineTerm(Dated, {
      tag: 'slices_dated',
      toTerm: ({ term }) => term,
      fromTerm(term) {
        if (typeof term === 'string') throw new TypeError('no text');
        return new Dated(term);
      },
    });
  });
  const ref = new Ref(peer.origin, 3, 4);
  const dated = terms.map((term) => tuple(atom('slices_dated'), term));
  const parts = fc.oneof(terms, dated);
  const reasons = fc.oneof(
    parts,
    fc
      .tuple(fc.constantFrom('shutdown', 'noproc', 'slices_dated', 'other'), parts)
      .map(([word, part]) => tuple(atom('shutdown'), tuple(atom(word), part))),
  );
  const requests = fc.oneof(
    parts,
    fc.constantFrom(atom('ask'), true, undefined),
    fc.tuple(fc.constantFrom(atom('ask'), atom('terminate'), null), reasons).map((pair) => new Tuple(pair)),
  );
  const froms = fc.oneof(
    fc.constantFrom(tuple(peer, ref), tuple(peer, new ImproperList([atom('alias')], ref)), peer, 1),
    dated,
    dated.map((term) => tuple(peer, term)),
  );
  const names = fc.constantFrom(
    atom('slices_keyed'),
    'slices_keyed',
    'slices_plain',
    true,
    [116],
    Buffer.of(0xff),
  );
  const channels = fc.oneof(names, dated);
  const senders = fc.constantFrom<unknown>(peer, new Pid(new Origin('other@h', 6), 1, 2), 1);
  const topics = fc.oneof(
    texts,
    fc.constantFrom(atom('topic'), atom('Tôpic'), false, charlist('tôpic'), charlist('主题'), [], [1, 'x']),
    dated,
  );
  const payloads = fc.oneof(
    parts,
    fc
      .array(fc.tuple(fc.constantFrom(atom('id'), atom('title'), 'id', 1), parts), { maxLength: 3 })
      .map((entries) => new ErlMap(entries)),
  );
  const messages = fc.oneof(
    parts,
    fc
      .tuple(fc.constant(atom('nova_pubsub')), channels, senders, topics, payloads)
      .map((elements) => new Tuple(elements)),
    payloads.map((payload) => new Broadcast('slices_keyed', peer, 'topic', { id: 1, title: payload })),
    requests.map((request) => tuple(atom('$gen_cast'), request)),
    fc.tuple(froms, requests).map(([from, request]) => tuple(atom('$gen_call'), from, request)),
    fc.tuple(froms, requests).map(([from, request]) => tuple(atom('system'), from, request)),
    reasons,
  );

  test('is what is read at once: messages, reasons and terms', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = bytesOf(message);
        for (const wanted of ['message', 'reason', 'term'] as const) {
          expect(sliced(bytes, wanted)).toMatchObject({ position: bytes.length });
          expect(sliced(bytes, wanted).value).toStrictEqual(atOnce(bytes, wanted).value);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is it also where the bytes are not those that a node writes, and refused when it is refused at once', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(messages, fc.array(change, { minLength: 1, maxLength: 4 }), (message, changes) => {
        const bytes = bytesOf(message);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        for (const wanted of ['message', 'reason', 'term'] as const) {
          const { slices: _, ...both } = { slices: 0, ...outcome(() => sliced(bytes, wanted)) };
          expect(both).toStrictEqual(outcome(() => atOnce(bytes, wanted)));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is it also for a tuple with a long head', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = longHeaded(bytesOf(message));
        for (const wanted of ['message', 'reason', 'term'] as const) {
          expect(sliced(bytes, wanted).value).toStrictEqual(atOnce(bytes, wanted).value);
        }
      }),
    );
  });

  test('a list whose parts are small but for one, wherever that stands', () => {
    const small = tuple(tuple(atom('group'), 1), [peer], { a: 'b' });
    const keyed = new ErlMap([[tuple('key', tuple(1, 2)), tuple(3, 4)]]);
    const large = [
      tuple(
        'many',
        Array.from({ length: 100 }, (_, at) => tuple(at, 'x')),
      ),
      Array.from({ length: 65 }, (_, at) => 1_000 + at),
      tuple(new ErlMap(Array.from({ length: 40 }, (_, at) => [tuple(at, 'key'), tuple(at)]))),
      tuple('long', 'x'.repeat(20_000)),
    ];
    for (const [index, one] of large.entries()) {
      const list: unknown[] = Array.from({ length: 50 }, () => tuple(small, keyed));
      list.splice(index * 16, 0, tuple(small, one));
      const bytes = bytesOf(tuple('sync', peer, list));
      expect(sliced(bytes, 'term')).toMatchObject({ position: bytes.length });
      expect(sliced(bytes, 'term').value).toStrictEqual(atOnce(bytes, 'term').value);
    }
  });

  test('a long text, whose characters lie across its pieces', () => {
    for (const text of ['é'.repeat(400_000), `a${'😀'.repeat(300_000)}`, 'x'.repeat(6_000_000)]) {
      const { value, slices } = sliced(bytesOf([text, 1]), 'term');
      expect((value as [string])[0] === text).toBe(true);
      expect(slices).toBeGreaterThan(2);
    }
  });

  test.each([
    ['a binary', false],
    ['bytes of this runtime', true],
  ])('many bytes that are no text, as %s', (_, exactBytes) => {
    const bytes = Buffer.concat([Buffer.alloc(9_000_000, 'xyz'), Buffer.of(0xff)]);
    const writer = new TermWriter({ exactBytes });
    writer.term([bytes, 1]);
    const { value, slices } = sliced(writer.buffer.subarray(0, writer.length), 'term');
    const read = (value as [Uint8Array])[0];
    expect(read.constructor).toBe(Uint8Array);
    expect(Buffer.from(read).equals(bytes)).toBe(true);
    expect(slices).toBeGreaterThan(4);
  });

  test('many bits, of the last byte of which not all count', () => {
    const bits = Buffer.concat([Buffer.of(77, 0, 0x60, 0, 0, 3), Buffer.alloc(0x60_0000, 0xff)]);
    const { value, slices } = sliced(bits, 'term');
    expect(value).toBeInstanceOf(BitString);
    expect((value as BitString).bytes.at(-1)).toBe(0xe0);
    expect(slices).toBeGreaterThan(2);
  });
});

describe('how much is read at once', () => {
  /** How many slices a term takes, when each is over at once. */
  function slicesOf(bytes: Buffer): number {
    return sliced(bytes, 'term').slices;
  }

  test.each<[string, (size: number) => unknown]>([
    ['a wide list', (size) => Array.from({ length: size }, () => [])],
    ['a wide tuple', (size) => new Tuple(Array.from({ length: size }, () => 1))],
    ['a map', (size) => new Map(Array.from({ length: size }, (_, at) => [at, 1]))],
    ['an object', (size) => Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${at}`, 1]))],
    ['large integers', (size) => Array.from({ length: size / 20 }, (_, at) => (1n << 8_000n) + BigInt(at))],
    ['a text', (size) => 'é'.repeat(size * 500)],
    ['a text in ASCII', (size) => 'x'.repeat(size * 3_000)],
    ['bytes', (size) => new Uint8Array(size * 3_000).fill(0xff)],
  ])('grows with the term, in slices of one size: %s', (_, make) => {
    const [few, many] = [slicesOf(bytesOf(make(10_000))), slicesOf(bytesOf(make(40_000)))];
    expect(few).toBeGreaterThan(10);
    expect(many / few).toBeGreaterThan(2.5);
  });
});

describe('limits', () => {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };

  test('as many values as a message may hold, and one more', () => {
    const nils = (count: number): Buffer =>
      Buffer.concat([Buffer.of(105), u32(count), Buffer.alloc(count, 106)]);
    expect((sliced(nils(MESSAGE_VALUES), 'term').value as Tuple).length).toBe(MESSAGE_VALUES);
    expect(() => sliced(nils(MESSAGE_VALUES + 1), 'term')).toThrow('more than 1048576 values');
  });

  test('keys that were chosen to collide', () => {
    // The lower 64 bits of integers are what the engine looks at.
    const key = (at: number): Buffer =>
      Buffer.concat([Buffer.of(110, 12, 0), Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]), u32(at + 1)]);
    const map = (count: number): Buffer =>
      Buffer.concat([
        Buffer.of(116),
        u32(count),
        ...Array.from({ length: count }, (_, at) => Buffer.concat([key(at), Buffer.of(106)])),
      ]);
    expect((sliced(map(1_000), 'term').value as Map<unknown, unknown>).size).toBe(1_000);
    expect(() => sliced(map(20_000), 'term')).toThrow('Keys of a map collide');
    const honest = new Map(Array.from({ length: 50_000 }, (_, at) => [2 ** 40 + at * 4_096, at]));
    expect((sliced(bytesOf(honest), 'term').value as Map<unknown, unknown>).size).toBe(50_000);
  });

  test('the name of a group that is nested too deeply costs a snapshot that group', () => {
    const deep = Buffer.concat([...Array.from({ length: 5_000 }, () => Buffer.of(104, 1)), Buffer.of(106)]);
    const entry = (name: Buffer): Buffer => Buffer.concat([Buffer.of(104, 2), name, bytesOf([peer])]);
    const snapshot = Buffer.concat([
      Buffer.of(104, 2),
      bytesOf(atom('$gen_cast')),
      Buffer.of(104, 3),
      bytesOf(atom('sync')),
      bytesOf(peer),
      Buffer.of(108),
      u32(2),
      entry(deep),
      entry(bytesOf(atom('group'))),
      Buffer.of(106),
    ]);
    const { argument } = sliced(snapshot, 'message').value as Cast;
    const [tag, pid, groups] = (argument as Tuple).elements;
    const [first, second] = groups as [Tuple, Tuple];
    expect([tag, pid, second]).toStrictEqual([atom('sync'), peer, tuple(atom('group'), [peer])]);
    // It has no name that a group can have, and so is left out where it is read.
    let name = first.elements[0];
    while (name instanceof Tuple) [name] = name.elements;
    expect(name).toBe(TOO_DEEP);
    expect(() => canonicalText(first.elements[0])).toThrow('TROUPE_BAD_ARGUMENT');
    expect(() => sliced(deep, 'message')).toThrow('deeper than 1024');
  });
});

test('bytes stay in a buffer that is theirs, when they are most of it', () => {
  const size = 3_000_000;
  for (const [tag, lastBits] of [
    [109, undefined],
    [77, 8],
    [77, 3],
  ] as const) {
    for (const owns of [true, false]) {
      for (const room of [0, 2 * size]) {
        const head = Buffer.from([104, 2, tag, 0, 0, 0, 0, ...(lastBits === undefined ? [] : [lastBits])]);
        head.writeUInt32BE(size, 3);
        const term = Buffer.concat([head, Buffer.alloc(size, 255), Buffer.from([97, 7])]);
        const buffer = Buffer.allocUnsafeSlow(term.length + room);
        term.copy(buffer);
        const reader = new SlicingReader(host);
        reader.reset(buffer, 0, term.length);
        reader.ownsBuffer = owns;
        reader.begin('term', 0);
        while (!reader.goOn(0));
        const [value, after] = (reader.taken() as Tuple).elements;
        expect(after).toBe(7);
        const bytes = value instanceof BitString ? value.bytes : (value as Uint8Array);
        expect(bytes).toHaveLength(size);
        expect(bytes[size - 1]).toBe(lastBits === 3 ? 0b1110_0000 : 255);
        expect(bytes.subarray(0, -1).every((byte) => byte === 255)).toBe(true);
        expect(bytes.buffer === buffer.buffer).toBe(owns && room === 0);
      }
    }
  }
});
