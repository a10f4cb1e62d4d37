// What arrives while a large message is being read in slices: what other processes send passes it, and between two processes, or
// around what nobody is known to have sent, order is kept.
import * as fc from 'fast-check';
import { atom, Pid, Ref, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import { ControlReader, type ControlSink } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { TermReader, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';

const here = new Origin('here@x', 3);
const there = new Origin('there@x', 7);
const self = new Pid(here, 1, 0);
const host = { origin: here, internPid: (pid: Pid): Pid => pid } as ConstructorParameters<
  typeof ControlReader
>[1];
/** Stands for a sender that no frame names. */
const NOBODY = 0;

/** Takes what is read, by the numbers that stand in it. */
class Sink implements ControlSink {
  readonly got: number[] = [];

  signal(signal: Parameters<ControlSink['signal']>[0]): void {
    switch (signal.op) {
      case 'send':
      case 'sendNamed':
      case 'sendMany':
        return this.#message(signal.message);
      case 'exit':
      case 'exitLink':
        return this.#message(signal.reason);
      case 'down':
      case 'monitor':
      case 'demonitor':
        return void this.got.push(signal.ref.low);
      case 'link':
      case 'groupLeader':
        return void this.got.push(signal.to.id);
      case 'unlink':
      case 'unlinkAck':
        return void this.got.push(Number(signal.id));
      case 'sendAlias':
        return this.#message(signal.message);
    }
  }

  spawnRequest({ args }: Parameters<ControlSink['spawnRequest']>[0]): void {
    this.#message(args);
  }

  spawnReply({ ref }: Parameters<ControlSink['spawnReply']>[0]): void {
    this.got.push(ref.low);
  }

  hello(): void {
    throw new Error('nobody said hello');
  }

  leftOut(what: string): void {
    throw new Error(`left out: ${what}`);
  }

  #message(message: unknown): void {
    const [number] = message as [number];
    this.got.push(number);
  }
}

const NOTHING = Symbol('nothing');
/** Long enough to be read in slices: some values, or bytes, that only have to be copied. */
const LARGE = [Array.from({ length: 20_000 }, (_, at) => at), 'x'.repeat(5_000_000)] as const;

type Make = (from: Pid, number: number, size: unknown) => readonly [control: unknown[], payload: unknown];

const ref = (number: number): Ref => new Ref(here, number, 1);
/** What a process may send. */
const kinds: Readonly<Record<string, Make>> = {
  send: (from, number, size) => [
    [22, from, self],
    [number, size],
  ],
  'send to a name': (from, number, size) => [
    [6, from, atom(''), atom('name')],
    [number, size],
  ],
  'send with a token': (from, number, size) => [
    [23, from, self, []],
    [number, size],
  ],
  link: (from, number) => [[1, from, new Pid(here, number, 0)], NOTHING],
  unlink: (from, number) => [[35, number, from, self], NOTHING],
  'unlink acknowledged': (from, number) => [[36, number, from, self], NOTHING],
  monitor: (from, number) => [[19, from, self, ref(number)], NOTHING],
  demonitor: (from, number) => [[20, from, self, ref(number)], NOTHING],
  exit: (from, number, size) => [
    [26, from, self],
    [number, size],
  ],
  'end of a link': (from, number, size) => [
    [24, from, self],
    [number, size],
  ],
  'end of a link, reason inside': (from, number, size) => [[3, from, self, [number, size]], NOTHING],
  down: (from, number, size) => [[28, from, self, ref(number)], size],
  'spawn request': (from, number, size) => [
    [29, ref(number), from, from, tuple(atom('m'), atom('f'), 2), []],
    [number, size],
  ],
  'spawn reply': (from, number) => [[31, ref(number), self, 0, from], NOTHING],
};
/** What is sent in nobody's name. */
const nameless: Readonly<Record<string, Make>> = {
  'old send': (_, number, size) => [
    [2, atom(''), self],
    [number, size],
  ],
  'down of a name': (_, number, size) => [[28, atom('name'), self, ref(number)], size],
  'group leader': (from, number) => [[7, from, new Pid(here, number, 0)], NOTHING],
  'failed spawn': (_, number) => [[31, ref(number), self, 0, atom('badarg')], NOTHING],
};

interface Sent {
  /** 1 and more; {@link NOBODY}. */
  readonly sender: number;
  readonly make: Make;
  readonly size: unknown;
  /** How many slices are read before the next one comes. */
  readonly slices: number;
}

class Site {
  readonly sink = new Sink();
  readonly #terms = new TermReader(host, { maxValues: 8_192 });
  readonly reader: ControlReader;
  readonly #writer = new TermWriter();

  constructor(maxWaitingBytes = 256 * 1024 * 1024) {
    const peer = { name: there.node, creation: there.creation, versions: false, maxWaitingBytes };
    this.reader = new ControlReader(this.#terms, host, this.sink, peer);
  }

  take({ sender, make, size }: Omit<Sent, 'slices'>, number: number): void {
    const [control, payload] = make(new Pid(there, sender, 0), number, size);
    const writer = this.#writer;
    writer.length = 0;
    writer.term(tuple(...control));
    if (payload !== NOTHING) writer.term(payload);
    // The bytes of a frame of more than 128 KiB belong to who took it.
    const bytes =
      writer.length > 128 * 1024 ? Buffer.from(writer.buffer.subarray(0, writer.length)) : writer.buffer;
    this.#terms.reset(bytes, 0, writer.length, null);
    this.reader.read();
  }
}

const sizes = fc.oneof(
  { weight: 5, arbitrary: fc.constant<unknown>(0) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(...LARGE) },
);
const sends = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record<Sent>({
      sender: fc.integer({ min: 1, max: 3 }),
      make: fc.constantFrom(...Object.values(kinds)),
      size: sizes,
      slices: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record<Sent>({
      sender: fc.constant(NOBODY),
      make: fc.constantFrom(...Object.values(nameless)),
      size: sizes,
      slices: fc.nat({ max: 3 }),
    }),
  },
);

describe('order', () => {
  test('between two processes, and around what nobody is known to have sent, is that in which it came', () => {
    fc.assert(
      fc.property(fc.array(sends, { minLength: 2, maxLength: 25 }), (all) => {
        const site = new Site();
        all.forEach((sent, number) => {
          site.take(sent, number + 1);
          for (let slice = 0; slice < sent.slices; slice++) site.reader.goOn(0);
        });
        while (!site.reader.goOn(0));
        const { got } = site.sink;
        expect(got.toSorted((a, b) => a - b)).toEqual(all.map((_, number) => number + 1));
        for (const sender of [1, 2, 3]) {
          const its = got.filter((number) => [sender, NOBODY].includes(all[number - 1]!.sender));
          expect(its).toEqual(its.toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 150 },
    );
  });

  test.each(Object.entries(kinds))('what waits of one process is passed by another: %s', (_, make) => {
    const site = new Site();
    site.take({ sender: 1, make: kinds['send'] as Make, size: LARGE[0] }, 1);
    site.take({ sender: 1, make, size: 0 }, 2);
    site.take({ sender: 2, make, size: 0 }, 3);
    expect(site.sink.got).toEqual([3]);
    while (!site.reader.goOn(0));
    expect(site.sink.got).toEqual([3, 1, 2]);
  });

  test.each(Object.entries(nameless))('what nobody is known to have sent is not passed: %s', (_, make) => {
    const site = new Site();
    site.take({ sender: 1, make: kinds['send'] as Make, size: LARGE[0] }, 1);
    site.take({ sender: NOBODY, make, size: 0 }, 2);
    site.take({ sender: 2, make: kinds['link'] as Make, size: 0 }, 3);
    expect(site.sink.got).toEqual([]);
    while (!site.reader.goOn(0));
    expect(site.sink.got).toEqual([1, 2, 3]);
  });
});

test('large bytes are not copied out of a buffer that only their message uses', () => {
  const writer = new TermWriter();
  writer.term(tuple(22, new Pid(there, 1, 0), self));
  writer.term(new Uint8Array(5_000_000).fill(7));
  for (const own of [true, false]) {
    const terms = new TermReader(host, { maxValues: 8_192 });
    const got: unknown[] = [];
    const sink = Object.assign(new Sink(), {
      signal: (signal: Parameters<ControlSink['signal']>[0]) =>
        got.push('message' in signal && signal.message),
    });
    const peer = {
      name: there.node,
      creation: there.creation,
      versions: false,
      maxWaitingBytes: 2 * writer.length,
    };
    const reader = new ControlReader(terms, host, sink, peer);
    const frame = Buffer.allocUnsafeSlow(writer.length);
    writer.buffer.copy(frame, 0, 0, writer.length);
    terms.reset(frame, 0, frame.length);
    terms.ownsBuffer = own;
    reader.read();
    while (!reader.goOn(0));
    const [bytes] = got as [Uint8Array];
    expect(Buffer.from(bytes).equals(Buffer.alloc(5_000_000, 7))).toBe(true);
    expect(bytes.buffer === frame.buffer).toBe(own);
  }
});

test('no more bytes wait than may', () => {
  const site = new Site(6_000_000);
  const send = kinds['send'] as Make;
  site.take({ sender: 1, make: send, size: LARGE[1] }, 1);
  expect([site.reader.busy, site.reader.full]).toEqual([true, false]);
  site.take({ sender: 1, make: send, size: LARGE[1] }, 2);
  expect(site.reader.full).toBe(true);
  while (site.sink.got.length === 0) site.reader.goOn(0);
  expect([site.reader.busy, site.reader.full]).toEqual([true, false]);
  while (!site.reader.goOn(0));
  expect([site.sink.got, site.reader.busy]).toEqual([[1, 2], false]);
});

test('what waits is forgotten at the end', () => {
  const site = new Site();
  site.take({ sender: 1, make: kinds['send'] as Make, size: LARGE[1] }, 1);
  site.take({ sender: 1, make: kinds['link'] as Make, size: 0 }, 2);
  site.reader.goOn(0);
  site.reader.abandon();
  expect([site.reader.goOn(Infinity), site.sink.got]).toEqual([true, []]);
});
