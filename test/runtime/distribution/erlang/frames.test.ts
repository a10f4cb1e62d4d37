// Splitting a stream into frames: however it is cut, the frames are the same; and nothing is allocated for what is only declared.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_MAX_FRAME_BYTES,
  FrameReader,
  type FrameSink,
} from '../../../../src/runtime/distribution/erlang/internal.ts';

/** Keeps copies of the frames, and stops after some. */
class Kept implements FrameSink {
  readonly frames: Buffer[] = [];
  readonly places: Array<{ buffer: Buffer; start: number }> = [];
  readonly #stopAfter: number;

  constructor(stopAfter = Infinity) {
    this.#stopAfter = stopAfter;
  }

  frame(buffer: Buffer, start: number, end: number): boolean {
    this.frames.push(Buffer.from(buffer.subarray(start, end)));
    this.places.push({ buffer, start });
    return this.frames.length < this.#stopAfter;
  }
}

function framed(bodies: readonly Uint8Array[], prefixBytes: 2 | 4): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(prefixBytes);
      length.writeUIntBE(body.length, 0, prefixBytes);
      return [length, body];
    }),
  );
}

/** Cuts bytes at places between 0 and 1. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...places.map((place) => Math.floor(place * bytes.length)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  return at.map((end, index) => Buffer.from(bytes.subarray(index === 0 ? 0 : at[index - 1], end)));
}

const bodies = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: 20 }) },
    fc.uint8Array({ minLength: 200, maxLength: 3_000 }),
  ),
  { maxLength: 12 },
);
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

describe('splitting into frames', () => {
  test.each([2, 4] as const)('a length of %i bytes: the cuts do not matter', (prefixBytes) => {
    fc.assert(
      fc.property(bodies, places, (sent, cuts) => {
        const kept = new Kept();
        const reader = new FrameReader(kept, { prefixBytes });
        for (const chunk of cut(framed(sent, prefixBytes), cuts)) expect(reader.push(chunk)).toBe('ok');
        expect(kept.frames).toEqual(sent.map((body) => Buffer.from(body)));
        expect(reader.pendingBytes).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('the sink says stop: what comes after is the rest, wherever the chunks end', () => {
    fc.assert(
      fc.property(bodies, places, fc.uint8Array({ maxLength: 50 }), (sent, cuts, after) => {
        const all = [...sent, Buffer.from('last')];
        const kept = new Kept(all.length);
        const reader = new FrameReader(kept);
        const rest: Buffer[] = [];
        for (const chunk of cut(Buffer.concat([framed(all, 4), after]), cuts)) {
          if (reader.push(chunk) !== 'stopped') continue;
          rest.push(rest.length === 0 ? reader.rest() : chunk);
        }
        expect(kept.frames).toEqual(all.map((body) => Buffer.from(body)));
        expect(Buffer.concat(rest)).toEqual(Buffer.from(after));
      }),
      { numRuns: 100 },
    );
  });

  test('goes on after a stop, with the rest as the next chunk', () => {
    fc.assert(
      fc.property(bodies, places, (sent, cuts) => {
        const kept = new Kept(0);
        const reader = new FrameReader(kept);
        for (let chunk of cut(framed(sent, 4), cuts)) {
          while (reader.push(chunk) === 'stopped') {
            chunk = reader.rest();
            reader.resume();
          }
        }
        expect(kept.frames).toEqual(sent.map((body) => Buffer.from(body)));
      }),
      { numRuns: 100 },
    );
  });

  test.each([false, true])(
    'what a frame was gathered in serves for the next, unless it is kept: %s',
    (isKept) => {
      const kept = new Kept(0);
      const reader = new FrameReader(kept);
      // One that is long is the sink's for good.
      const chunk = framed([Buffer.alloc(isKept ? 200_000 : 1_000)], 4);
      for (const bytes of [chunk, chunk]) {
        expect(reader.push(bytes.subarray(0, 500))).toBe('ok');
        expect(reader.push(bytes.subarray(500))).toBe('stopped');
        reader.resume();
      }
      const [first, second] = kept.places;
      expect(first?.buffer === second?.buffer).toBe(!isKept);
    },
  );

  test('hundreds of frames in a chunk are handed over where they are', () => {
    const sent = Array.from({ length: 500 }, (_, index) => Buffer.from(`frame ${index}`));
    const kept = new Kept();
    const chunk = framed(sent, 4);
    new FrameReader(kept).push(chunk);
    expect(kept.places).toHaveLength(500);
    expect(kept.places.every(({ buffer }) => buffer === chunk)).toBe(true);
  });

  test('a large frame that comes in many small chunks', () => {
    const body = Buffer.alloc(3_000_000, 'abcdefg');
    const kept = new Kept();
    const reader = new FrameReader(kept);
    const bytes = framed([body], 4);
    for (let at = 0; at < bytes.length; at += 1_000) reader.push(bytes.subarray(at, at + 1_000));
    expect(kept.frames[0]?.equals(body)).toBe(true);
  });

  test('frames are limited: 128 MiB by default', () => {
    const kept = new Kept();
    const limited = new FrameReader(kept, { maxFrameBytes: 10 });
    expect(limited.push(framed([Buffer.alloc(10)], 4))).toBe('ok');
    expect(limited.push(framed([Buffer.alloc(11)], 4))).toBe('too_large');
    expect(limited.push(framed([Buffer.alloc(1)], 4))).toBe('too_large');
    expect(kept.frames).toHaveLength(1);

    const reader = new FrameReader(kept);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(DEFAULT_MAX_FRAME_BYTES);
    expect(reader.push(length)).toBe('ok');
    length.writeUInt32BE(DEFAULT_MAX_FRAME_BYTES + 1);
    expect(new FrameReader(kept).push(length)).toBe('too_large');
  });

  test('a declared length costs no memory before its bytes come', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 50 }, () => new FrameReader(new Kept()));
    for (const reader of readers) reader.push(Buffer.from([0x07, 0xff, 0xff, 0xff, 1, 2, 3]));
    expect(readers.every((reader) => reader.pendingBytes === 3)).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 256 * 1024);
  });
});
