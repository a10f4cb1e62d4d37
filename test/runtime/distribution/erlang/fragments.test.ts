// Putting fragments together: several messages at once, in any order between them; what does not fit is refused.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fragments, spares, type Assembled } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { atom } from 'troupe';

const refs = [atom('one')];

/** Feeds a piece with bytes around it, as it lies in a frame. */
function feed(fragments: Fragments, sequence: bigint, left: number, total: number, piece: Uint8Array) {
  const frame = Buffer.concat([Buffer.from('head'), piece, Buffer.from('tail')]);
  const end = frame.length - 4;
  const answer =
    left === total
      ? fragments.first(sequence, BigInt(left), refs, frame, 4, end)
      : fragments.next(sequence, BigInt(left), frame, 4, end);
  frame.fill(0xee, 0, 4);
  return answer;
}

describe('fragments', () => {
  test('of several messages, interleaved', () => {
    const message = fc.array(fc.uint8Array({ maxLength: 3_000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat()),
        (messages, picks) => {
          const fragments = new Fragments();
          const sent = messages.map(() => 0);
          const whole = new Map<number, Buffer>();
          while (whole.size < messages.length) {
            const open = messages.flatMap((pieces, index) => (sent[index]! < pieces.length ? [index] : []));
            const index = open[picks.next().value % open.length]!;
            const pieces = messages[index]!;
            const at = sent[index]!++;
            const answer = feed(
              fragments,
              BigInt(index) << 60n,
              pieces.length - at,
              pieces.length,
              pieces[at]!,
            );
            if (typeof answer === 'object') whole.set(index, answer.body);
            expect(answer === undefined).toBe(at < pieces.length - 1);
            expect(whole.has(index)).toBe(at === pieces.length - 1);
          }
          for (const [index, body] of whole) expect(body.equals(Buffer.concat(messages[index]!))).toBe(true);
          expect(fragments).toMatchObject({ size: 0, bytes: 0 });
        },
      ),
      { numRuns: 100 },
    );
  });

  test('must count down one by one', () => {
    const piece = Buffer.from('x');
    const fragments = new Fragments();
    expect(feed(fragments, 1n, 0, 0, piece)).toBe('fragment_order');
    expect(feed(fragments, 1n, 2, 3, piece)).toBe('fragment_unknown');
    expect(feed(fragments, 1n, 3, 3, piece)).toBeUndefined();
    expect(feed(fragments, 1n, 3, 3, piece)).toBe('fragment_repeated');
    expect(feed(fragments, 1n, 1, 3, piece)).toBe('fragment_order');
    expect(feed(fragments, 1n, 4, 9, piece)).toBe('fragment_order');
    expect(feed(fragments, 1n, 2, 3, piece)).toBeUndefined();
    expect(feed(fragments, 1n, 1, 3, piece)).toMatchObject({ body: Buffer.from('xxx'), refs });
    expect(feed(fragments, 1n, 0, 3, piece)).toBe('fragment_unknown');
  });

  test('only a message that was put together has memory of its own', () => {
    const fragments = new Fragments();
    const piece = Buffer.from('x');
    expect(feed(fragments, 1n, 1, 1, piece)).toMatchObject({ body: piece, own: false });
    expect(feed(fragments, 2n, 2, 2, piece)).toBeUndefined();
    expect(feed(fragments, 2n, 1, 2, piece)).toMatchObject({ body: Buffer.from('xx'), own: true });
  });

  test('unfinished messages are limited in number', () => {
    const fragments = new Fragments({ maxSequences: 2 });
    const piece = Buffer.from('x');
    expect(feed(fragments, 1n, 2, 2, piece)).toBeUndefined();
    expect(feed(fragments, 2n, 2, 2, piece)).toBeUndefined();
    expect(feed(fragments, 3n, 2, 2, piece)).toBe('fragment_too_many');
    // A message of one fragment is never unfinished.
    expect(feed(fragments, 3n, 1, 1, piece)).toMatchObject({ body: piece });
    expect(feed(fragments, 1n, 1, 2, piece)).toMatchObject({ body: Buffer.from('xx') });
    expect(feed(fragments, 3n, 2, 2, piece)).toBeUndefined();
  });

  test('unfinished messages are limited in bytes, all together', () => {
    const fragments = new Fragments({ maxBytes: 100 });
    expect(feed(fragments, 1n, 9, 9, Buffer.alloc(60))).toBeUndefined();
    expect(feed(fragments, 2n, 9, 9, Buffer.alloc(41))).toBe('fragment_too_large');
    expect(feed(fragments, 2n, 9, 9, Buffer.alloc(40))).toBeUndefined();
    expect(fragments.bytes).toBe(100);
    expect(feed(fragments, 1n, 8, 9, Buffer.alloc(1))).toBe('fragment_too_large');
    fragments.clear();
    expect(fragments).toMatchObject({ size: 0, bytes: 0 });
    expect(feed(fragments, 1n, 2, 2, Buffer.alloc(50))).toBeUndefined();
    expect(feed(fragments, 1n, 1, 2, Buffer.alloc(50))).toMatchObject({ body: Buffer.alloc(100) });
    expect(fragments.bytes).toBe(0);
  });

  test('a large message lies in a buffer of its size; one that is only claimed takes little', () => {
    const size = 65_536;
    const part = Buffer.alloc(size, 1);
    const fragments = new Fragments();
    let result = fragments.first(1n, 256n, [], part, 0, size);
    for (let left = 255n; left > 0n; left--) result = fragments.next(1n, left, part, 0, size);
    expect((result as Assembled).body.length).toBe(256 * size);
    expect((result as Assembled).body.buffer.byteLength).toBe(256 * size);

    const before = process.memoryUsage().arrayBuffers;
    expect(fragments.first(2n, 2n ** 63n, [], part, 0, size)).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(16 * size);
  });

  test('a message comes into the memory of one that was read, when it has about its size', () => {
    const part = 65_536;
    const assemble = (count: number, fill: number): Buffer => {
      const fragments = new Fragments();
      const bytes = Buffer.alloc(part, fill);
      let result = fragments.first(1n, BigInt(count), [], bytes, 0, part);
      for (let left = count - 1; left > 0; left--) result = fragments.next(1n, BigInt(left), bytes, 0, part);
      const { body } = result as Assembled;
      expect(body.equals(Buffer.alloc(count * part, fill))).toBe(true);
      return body;
    };
    const first = assemble(64, 1);
    spares(first);
    const shorter = assemble(32, 2);
    const longer = assemble(65, 3);
    const second = assemble(62, 4);
    const third = assemble(64, 5);
    expect(second.buffer).toBe(first.buffer);
    for (const other of [shorter, longer, third]) expect(other.buffer).not.toBe(first.buffer);
  });
});
