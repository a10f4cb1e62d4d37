// What a peer may send by mistake or malice costs it that message, where what it is for can be read, and otherwise its connection,
// and nothing else: the node, its processes and its other connections go on, and the peer may come again.
import * as fc from 'fast-check';
import { atom, Tuple, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import { TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { recordTelemetry } from '../../process/helpers.ts';
import { collector, forever } from '../cluster.ts';
import {
  FEW_FLAGS,
  framed,
  FULL_FLAGS,
  rawPeer,
  type RawPeer,
  type Site,
  SOON,
  startSite,
} from './raw-peer.ts';

const SEND_SENDER = 22;

/** The bytes of a term. */
function term(value: unknown): Buffer {
  const writer = new TermWriter();
  writer.term(value);
  return Buffer.from(writer.buffer.subarray(0, writer.length));
}

/** A frame whose terms are any bytes. */
function frame(...parts: ReadonlyArray<Uint8Array | readonly number[]>): Buffer {
  return framed(Buffer.concat([Buffer.from([131, 68, 0]), ...parts.map((part) => Buffer.from(part))]));
}

function counters(sequence: bigint, count: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(sequence, 0);
  bytes.writeBigUInt64BE(count, 8);
  return bytes;
}

/** A fragment: the first, with control message and payload in `bytes`, or a later one. */
function fragment(first: boolean, sequence: bigint, count: bigint, bytes: Uint8Array): Buffer {
  const head = first ? [131, 69] : [131, 70];
  const refs = first ? [0] : [];
  return framed(Buffer.concat([Buffer.from(head), counters(sequence, count), Buffer.from(refs), bytes]));
}

/** Lists within lists. */
function nested(depth: number): Buffer {
  return Buffer.concat([
    Buffer.from(Array.from({ length: depth }, () => [108, 0, 0, 0, 1]).flat()),
    Buffer.from([106]),
    Buffer.from(Array.from({ length: depth }, () => 106)),
  ]);
}

/** The start of a message to a process. */
function sendTo(peer: RawPeer, { node }: Site): Buffer {
  return term(tuple(SEND_SENDER, peer.pid(5), node.initPid));
}

type Bytes = (peer: RawPeer, site: Site) => Uint8Array;
const huge = [255, 255, 255, 255];

const corpus: ReadonlyArray<readonly [what: string, bytes: Bytes]> = [
  ['a length beyond the limit', () => Buffer.from([127, 255, 255, 255])],
  ['a frame of one byte', () => framed(Buffer.from([131]))],
  ['a frame of two bytes', () => framed(Buffer.from([131, 68]))],
  ['no version', () => framed(Buffer.from([112, 68, 0, 1, 2, 3]))],
  ['an unknown header', () => framed(Buffer.from([131, 80, 0, 1, 2, 3]))],
  ['nothing behind the header', () => frame()],
  ['a term that is cut off', (peer, site) => frame(sendTo(peer, site), [109, 0, 0, 1, 0, 65])],
  ['a missing payload', (peer, site) => frame(sendTo(peer, site))],
  ['an unknown tag', (peer, site) => frame(sendTo(peer, site), [200])],
  ['a compressed term', (peer, site) => frame(sendTo(peer, site), [80, 0, 0, 0, 1, 1, 2, 3])],
  ['a version byte before a term', (peer, site) => frame(sendTo(peer, site), [131, 97, 1])],
  ['a tuple of 2^32-1', (peer, site) => frame(sendTo(peer, site), [105, ...huge])],
  ['a list of 2^32-1', (peer, site) => frame(sendTo(peer, site), [108, ...huge, 97, 1])],
  ['a map of 2^32-1', (peer, site) => frame(sendTo(peer, site), [116, ...huge, 97, 1])],
  ['a binary of 2^32-1', (peer, site) => frame(sendTo(peer, site), [109, ...huge, 1])],
  ['an integer of 2^32-1 bytes', (peer, site) => frame(sendTo(peer, site), [111, ...huge, 0, 1])],
  ['deep nesting', (peer, site) => frame(sendTo(peer, site), nested(100_000))],
  [
    'a map with a key twice',
    (peer, site) => frame(sendTo(peer, site), [116, 0, 0, 0, 2, 97, 1, 97, 1, 97, 1, 97, 2]),
  ],
  ['NaN', (peer, site) => frame(sendTo(peer, site), [70, 127, 248, 0, 0, 0, 0, 0, 0])],
  ['an atom that is not UTF-8', (peer, site) => frame(sendTo(peer, site), [119, 1, 255])],
  ['a reference to an atom that is not in the header', (peer, site) => frame(sendTo(peer, site), [82, 0])],
  ['a header with an empty slot', () => framed(Buffer.from([131, 68, 1, 0, 7, 104, 1]))],
  ['a header that is cut off', () => framed(Buffer.from([131, 68, 3, 8]))],
  ['a new atom that is not UTF-8', () => framed(Buffer.from([131, 68, 1, 8, 7, 1, 255, 104, 1]))],
  ['control: no tuple', () => frame([97, 1])],
  ['control: an empty tuple', () => frame([104, 0])],
  ['control: no number', () => frame(term(tuple(atom('send'))))],
  ['control: 0', () => frame(term(tuple(0, 1, 2)))],
  ['control: the unused 5', (peer) => frame(term(tuple(5, peer.pid(5), peer.pid(6))))],
  ['control: an unknown number', () => frame(term(tuple(99)))],
  ['control: a negative number', () => frame(term(tuple(-1)))],
  ['control: a number of 100 bits', () => frame(term(tuple(2n ** 100n)))],
  ['control: too few elements', (peer) => frame(term(tuple(1, peer.pid(5))))],
  ['control: too many elements', (peer, { node }) => frame(term(tuple(1, peer.pid(5), node.initPid, 3)))],
  ['control: a name for a pid', (peer) => frame(term(tuple(1, peer.pid(5), atom('init'))))],
  ['control: a number for a name', (peer) => frame(term(tuple(6, peer.pid(5), atom(''), 7)), term(1))],
  [
    'control: a pid for a ref',
    (peer, { node }) => frame(term(tuple(19, peer.pid(5), node.initPid, peer.pid(5)))),
  ],
  ['control: UNLINK_ID 0', (peer, { node }) => frame(term(tuple(35, 0, peer.pid(5), node.initPid)))],
  ['control: UNLINK_ID -1', (peer, { node }) => frame(term(tuple(35, -1, peer.pid(5), node.initPid)))],
  [
    'control: UNLINK_ID 2^64',
    (peer, { node }) => frame(term(tuple(36, 2n ** 64n, peer.pid(5), node.initPid))),
  ],
  [
    'control: a spawn of no function',
    (peer) => frame(term(tuple(29, peer.ref(1), peer.pid(5), peer.pid(6), 7, [])), term([])),
  ],
  ['control: ALTACT without a receiver', (peer) => frame(term(tuple(37, 0, peer.pid(5))), term(1))],
  ['a fragment of nothing', () => fragment(false, 1n, 1n, Buffer.from([1, 2, 3]))],
  ['a fragment that is cut off', () => framed(Buffer.from([131, 70, 0, 0]))],
  ['a first fragment that is cut off', () => framed(Buffer.from([131, 69, 0, 0]))],
  ['no fragments', (peer, site) => fragment(true, 1n, 0n, sendTo(peer, site))],
  [
    'a first fragment twice',
    (peer, site) =>
      Buffer.concat([fragment(true, 1n, 3n, sendTo(peer, site)), fragment(true, 1n, 3n, sendTo(peer, site))]),
  ],
  [
    'a fragment left out',
    (peer, site) =>
      Buffer.concat([fragment(true, 1n, 3n, sendTo(peer, site)), fragment(false, 1n, 1n, term('x'))]),
  ],
  [
    'a list of receivers that was not sent',
    (peer) =>
      frame(term(tuple(6, peer.pid(5), atom(''), atom('$troupe'))), term(tuple(atom('many'), 7, [], 'x'))),
  ],
  [
    'receivers that are no whole number',
    (peer) =>
      frame(
        term(tuple(6, peer.pid(5), atom(''), atom('$troupe'))),
        term(tuple(atom('many'), 1, Uint8Array.of(1, 2, 3), 'x')),
      ),
  ],
  [
    'receivers under a negative number',
    (peer) =>
      frame(
        term(tuple(6, peer.pid(5), atom(''), atom('$troupe'))),
        term(tuple(atom('many'), -1, new Uint8Array(8), 'x')),
      ),
  ],
  [
    'no tuple between nodes of Troupe',
    (peer) => frame(term(tuple(6, peer.pid(5), atom(''), atom('$troupe'))), term('hello')),
  ],
];

/** Those of the faults that lie in what a message carries. */
const CARRIED = new Set([
  'a term that is cut off',
  'a missing payload',
  'an unknown tag',
  'a compressed term',
  'a version byte before a term',
  'a tuple of 2^32-1',
  'a list of 2^32-1',
  'a map of 2^32-1',
  'a binary of 2^32-1',
  'an integer of 2^32-1 bytes',
  'deep nesting',
  'a map with a key twice',
  'NaN',
  'an atom that is not UTF-8',
  'a reference to an atom that is not in the header',
]);

describe('what a message carries and cannot be read', () => {
  test.each(corpus.filter(([what]) => CARRIED.has(what)))('costs that message: %s', async (_what, bytes) => {
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = await startSite('faulty@x', { maxFrameBytes: 16 * 1024 * 1024 });
    const { got } = collector(site.node, 'named');
    const peer = await rawPeer(site);
    peer.send([6, peer.pid(5), atom(''), atom('named')], 'before');
    peer.write(bytes(peer, site));
    peer.send([6, peer.pid(5), atom(''), atom('named')], 'after');
    await expect.poll(() => got, SOON).toEqual(['before', 'after']);
    expect(dropped).toMatchObject([{ node: 'faulty@x', peer: 'raw@x' }]);
    expect(site.carrier.faults()).toMatchObject({ badFrames: 0, dropped: 1 });
  });

  test('a signal takes effect all the same: an exit, a down, a request to spawn', async () => {
    const site = await startSite('faulty@x');
    const { node } = site;
    const peer = await rawPeer(site);
    const got: unknown[] = [];
    const pid = node.spawnWith({ trapExit: true }, async (self) => {
      self.link(peer.pid(5));
      self.monitor(peer.pid(6));
      for (;;) got.push(await self.receive());
    });
    const watched = await peer.op(19);
    const deep = nested(100_000);
    peer.write(frame(term(tuple(24, peer.pid(5), pid)), deep));
    peer.write(frame(term(tuple(28, peer.pid(6), pid, watched.control[3])), deep));
    await expect
      .poll(() => got, SOON)
      .toMatchObject([{ reason: 'unreadable_reason' }, { reason: 'unreadable_reason' }]);
    const ref = peer.ref(1, 2, 3);
    const what = tuple(atom('erpc'), atom('execute_call'), 4);
    peer.write(frame(term(tuple(29, ref, peer.pid(5), peer.pid(5), what, [])), deep));
    expect((await peer.op(31)).control.slice(1)).toMatchObject([{}, {}, 0, atom('notsup')]);
  });
});

describe('bytes that do not make a message', () => {
  test.each(corpus.filter(([what]) => !CARRIED.has(what)))('%s', async (_what, bytes) => {
    const bad = recordTelemetry('troupe:distribution:bad_frame');
    const downs = recordTelemetry('troupe:node:down');
    const site = await startSite('faulty@x', { maxFrameBytes: 16 * 1024 * 1024 });
    const other = await rawPeer(site, { name: 'other@x' });
    const { pid, got } = collector(site.node, 'named');
    const peer = await rawPeer(site);
    peer.send([6, peer.pid(5), atom(''), atom('named')], 'before');
    peer.write(bytes(peer, site));
    peer.send([6, peer.pid(5), atom(''), atom('named')], 'after');
    await peer.closed();
    await expect.poll(() => site.node.nodes(), SOON).toEqual(['other@x']);
    expect(bad).toMatchObject([{ node: 'faulty@x', peer: 'raw@x' }]);
    expect(site.carrier.faults().badFrames).toBe(1);
    expect(downs).toMatchObject([{ node: 'faulty@x', peer: 'raw@x', reason: 'bad_frame' }]);
    other.send([6, other.pid(5), atom(''), atom('named')], 'from another');
    await expect.poll(() => got, SOON).toEqual(['before', 'from another']);
    expect(site.node.isAlive(pid)).toBe(true);
    const again = await rawPeer(site);
    again.send([6, again.pid(5), atom(''), atom('named')], 'again');
    await expect.poll(() => got, SOON).toEqual(['before', 'from another', 'again']);
  });

  test.each([
    ['a header', framed(Buffer.from([131, 68, 0, 104, 1, 97, 1]))],
    ['no version before the control message', framed(Buffer.from([112, 104, 1, 97, 1]))],
    ['an unknown number', framed(Buffer.from([112, 131, 104, 1, 97, 99]))],
  ])('without headers: %s', async (_what, bytes) => {
    const bad = recordTelemetry('troupe:distribution:bad_frame');
    const site = await startSite('faulty@x');
    const peer = await rawPeer(site, { flags: FEW_FLAGS });
    peer.write(bytes);
    await peer.closed();
    expect(bad).toHaveLength(1);
  });

  test('what BEAM nodes let pass, passes: bytes behind the payload, unknown names, refs and aliases', async () => {
    const site = await startSite('faulty@x');
    const { got } = collector(site.node, 'named');
    const peer = await rawPeer(site);
    peer.write(frame(term(tuple(6, peer.pid(5), atom(''), atom('named'))), term('one'), [1, 2, 3]));
    peer.send([6, peer.pid(5), atom(''), atom('nobody')], 'x');
    peer.send([20, peer.pid(5), atom('nobody'), peer.ref(1)]);
    peer.send([36, 5, peer.pid(5), site.node.initPid]);
    peer.send([33, peer.pid(5), site.node.makeRef()], 'x');
    peer.send([28, peer.pid(5), site.node.initPid, site.node.makeRef()], atom('x'));
    peer.send([6, peer.pid(5), atom(''), atom('$troupe')], tuple(atom('later'), 1));
    peer.send([6, peer.pid(5), atom(''), atom('named')], 'two');
    await expect.poll(() => got, SOON).toEqual(['one', 'two']);
  });

  test('any change of good frames is survived', async () => {
    const site = await startSite('faulty@x', { maxFrameBytes: 1_000_000 });
    const { node } = site;
    const target = forever(node);
    const other = await rawPeer(site, { name: 'other@x' });
    const { got } = collector(node, 'named');
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 9 }),
        fc.array(fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (index, changes, full) => {
          const peer = await rawPeer(site, { flags: full ? FULL_FLAGS : FEW_FLAGS });
          const [from, ref] = [peer.pid(5), peer.ref(1, 2, 3)];
          const frames = [
            peer.frame([22, from, target], { id: 1, list: [1, 2, [3]], pid: from, float: 1.5 }),
            peer.frame([6, from, atom(''), atom('nobody')], tuple(atom('$gen_cast'), tuple(atom('x'), 1))),
            peer.frame(
              [22, from, target],
              tuple(atom('nova_pubsub'), atom('notes'), from, 'topic', { a: 1n }),
            ),
            peer.frame([1, from, target]),
            peer.frame([35, 3, from, target]),
            peer.frame([19, from, target, ref]),
            peer.frame([25, from, target, 0], tuple(atom('shutdown'), 'x')),
            peer.frame([29, ref, from, from, tuple(atom('m'), atom('f'), 1), [atom('link')]], [1]),
            peer.frame([37, 4, from, ref], tuple(atom('$gen_call'), tuple(from, ref), 'x')),
            peer.frame([6, from, atom(''), atom('$troupe')], tuple(atom('many'), 1, new Uint8Array(16), 'x')),
          ];
          const bytes = Buffer.from(frames[index] as Buffer);
          // The length stays, so that the node need not wait for more.
          for (const [at, byte] of changes) bytes[4 + (at % (bytes.length - 4))] = byte;
          peer.write(bytes);
          peer.socket.end();
          await peer.closed();
        },
      ),
      { numRuns: 150 },
    );
    expect(node.nodes()).toContain('other@x');
    other.send([6, other.pid(5), atom(''), atom('named')], 'alive');
    await expect.poll(() => got, SOON).toEqual(['alive']);
    expect(node.processes().some((pid) => pid.equals(node.initPid))).toBe(true);
  });
});

describe('frames that may come in any pieces', () => {
  test('fragments of several messages, interleaved, with atoms in their headers', async () => {
    const site = await startSite('faulty@x');
    const { got } = collector(site.node, 'named');
    const peer = await rawPeer(site);
    const control = term(tuple(6, peer.pid(5), atom(''), atom('named')));
    const [one, two] = [term('1'.repeat(1000)), term('2'.repeat(1000))];
    const half = (bytes: Buffer) => [bytes.subarray(0, 500), bytes.subarray(500)] as const;
    // One new atom, `ok`, in slot 7 of segment 0; the payload refers to it.
    const refs = Buffer.from([1, 8, 7, 2, 111, 107]);
    const third = Buffer.concat([
      Buffer.from([131, 69]),
      counters(3n, 2n),
      refs,
      control,
      Buffer.from([104, 2, 82]),
    ]);
    peer.write(
      Buffer.concat([
        fragment(true, 1n, 2n, Buffer.concat([control, half(one)[0]])),
        framed(third),
        fragment(true, 2n, 2n, Buffer.concat([control, half(two)[0]])),
        framed(Buffer.concat([Buffer.from([131, 68, 1, 0, 7]), control, Buffer.from([82, 0])])),
        fragment(false, 2n, 1n, half(two)[1]),
        fragment(false, 3n, 1n, Buffer.from([0, 97, 3])),
        fragment(false, 1n, 1n, half(one)[1]),
        fragment(true, 1n, 1n, Buffer.concat([control, term('alone')])),
      ]),
    );
    await expect.poll(() => got.length, SOON).toBe(5);
    expect(got).toEqual([atom('ok'), '2'.repeat(1000), tuple(atom('ok'), 3), '1'.repeat(1000), 'alone']);
    expect(got[2]).toBeInstanceOf(Tuple);
  });

  test('byte by byte', async () => {
    const site = await startSite('faulty@x');
    const { got } = collector(site.node, 'named');
    const peer = await rawPeer(site);
    const bytes = peer.frame([6, peer.pid(5), atom(''), atom('named')], 'slow');
    for (const byte of bytes) {
      await new Promise<void>((resolve) => peer.socket.write(Buffer.of(byte), () => resolve()));
    }
    await expect.poll(() => got, SOON).toEqual(['slow']);
  });

  test('a great many at once do not keep the event loop from its turns', async () => {
    const site = await startSite('faulty@x');
    const { got } = collector(site.node, 'named');
    const peer = await rawPeer(site);
    const count = 100_000;
    const frames = Array.from({ length: count }, (_, index) =>
      peer.frame([6, peer.pid(5), atom(''), atom('named')], [index, 'some more bytes']),
    );
    let turns = 0;
    const turn = () => {
      turns++;
      if (got.length < count) setImmediate(turn);
    };
    setImmediate(turn);
    peer.write(Buffer.concat(frames));
    await expect.poll(() => got.length, SOON).toBe(count);
    expect(got.every((item, index) => (item as unknown[])[0] === index)).toBe(true);
    expect(turns).toBeGreaterThan(10);
  });
});

test('a message whose fragments stop coming costs the connection', async () => {
  const bad = recordTelemetry('troupe:distribution:bad_frame');
  const site = await startSite('faulty@x', { netTickTimeMs: 200 });
  const peer = await rawPeer(site);
  peer.write(fragment(true, 1n, 2n, Buffer.concat([sendTo(peer, site), term('begun')])));
  // It is not silent otherwise.
  const ticks = setInterval(() => peer.write(Buffer.alloc(4)), 20);
  await peer.closed();
  clearInterval(ticks);
  expect(bad).toMatchObject([{ peer: 'raw@x', reason: 'fragment_timeout' }]);
});

test('a node stops while what came over a connection that has closed waits to be read', async () => {
  const site = await startSite('closing@x');
  const peer = await rawPeer(site);
  const count = 1_000_000;
  const list = Buffer.alloc(1 + 4 + 2 * count + 1, Buffer.from([1, 97]));
  list.writeUInt8(108, 0);
  list.writeUInt32BE(count, 1);
  list.writeUInt8(106, list.length - 1);
  peer.write(frame(sendTo(peer, site), list));
  peer.socket.end();
  await peer.closed();
  expect(site.carrier.peers()).toHaveLength(1);
  await site.node.stop();
  expect(site.carrier.peers()).toEqual([]);
});
