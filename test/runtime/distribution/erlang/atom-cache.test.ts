// The header of messages and its atom cache: what a reference implementation of the sending side writes is read back, and
// whatever else comes is refused without a throw.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ATOM_CACHE_ENTRIES, AtomCache } from '../../../../src/runtime/distribution/erlang/internal.ts';

interface Reference {
  readonly slot: number;
  /** Text of a new entry. */
  readonly text?: string;
}

/** A header as the sending side writes it, from the number of references on. */
function header(refs: readonly Reference[]): Buffer {
  if (refs.length === 0) return Buffer.of(0);
  const long = refs.some(({ text = '' }) => Buffer.byteLength(text) > 255);
  const flags = Buffer.alloc((refs.length >> 1) + 1);
  const set = (index: number, flag: number) => {
    flags[index >> 1]! |= index % 2 === 0 ? flag : flag << 4;
  };
  const entries = refs.map(({ slot, text }, index) => {
    set(index, (slot >> 8) | (text === undefined ? 0 : 8));
    if (text === undefined) return Buffer.of(slot & 255);
    const bytes = Buffer.from(text);
    const length = long ? [bytes.length >> 8, bytes.length & 255] : [bytes.length];
    return Buffer.concat([Buffer.of(slot & 255, ...length), bytes]);
  });
  set(refs.length, long ? 1 : 0);
  return Buffer.concat([Buffer.of(refs.length), flags, ...entries]);
}

function read(cache: AtomCache, bytes: Buffer): string[] | string {
  const padded = Buffer.concat([Buffer.from([131, 68]), bytes, Buffer.from('rest')]);
  const next = cache.read(padded, 2, padded.length - 4);
  if (next < 0) return cache.fault ?? 'no fault';
  expect(next).toBe(padded.length - 4);
  return cache.keepRefs().map((ref) => ref.name);
}

const text = fc.oneof(
  fc.string({ maxLength: 12, unit: 'binary' }),
  fc.constantFrom('', 'nova_pubsub', 'é'.repeat(200), '𝄞'.repeat(255), 'x'.repeat(255)),
);

describe('the atom cache', () => {
  test('reads what the sending side writes, message after message', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.tuple(fc.nat({ max: ATOM_CACHE_ENTRIES - 1 }), text, fc.boolean()), { maxLength: 9 }),
          { maxLength: 20 },
        ),
        (messages) => {
          const cache = new AtomCache();
          const sent = new Map<number, string>();
          for (const message of messages) {
            const names: string[] = [];
            const refs = message.map(([slot, name, anew]): Reference => {
              const known = sent.get(slot);
              if (known !== undefined && !anew) {
                names.push(known);
                return { slot };
              }
              sent.set(slot, name);
              names.push(name);
              return { slot, text: name };
            });
            expect(read(cache, header(refs))).toEqual(names);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('255 references, and all 2048 slots', () => {
    const cache = new AtomCache();
    for (let from = 0; from < ATOM_CACHE_ENTRIES; from += 128) {
      const refs = Array.from({ length: 128 }, (_, index) => ({
        slot: from + index,
        text: `a${from + index}`,
      }));
      expect(read(cache, header(refs))).toHaveLength(128);
    }
    const refs = Array.from({ length: 255 }, (_, index) => ({ slot: 8 * index }));
    expect(read(cache, header(refs))).toEqual(refs.map(({ slot }) => `a${slot}`));
    expect(read(cache, header([]))).toEqual([]);
  });

  test('refuses empty slots, and atoms that are none', () => {
    expect(read(new AtomCache(), header([{ slot: 7 }]))).toBe('header_empty_slot');
    expect(read(new AtomCache(), header([{ slot: 7, text: 'x'.repeat(256) }]))).toBe('header_bad_atom');
    expect(read(new AtomCache(), header([{ slot: 7, text: 'é'.repeat(256) }]))).toBe('header_bad_atom');
    const wrong = header([{ slot: 7, text: 'ab' }]);
    wrong[wrong.length - 1] = 0xff;
    expect(read(new AtomCache(), wrong)).toBe('header_bad_atom');
    const surrogate = header([{ slot: 7, text: 'abc' }]);
    surrogate.set([0xed, 0xa0, 0x80], surrogate.length - 3);
    expect(read(new AtomCache(), surrogate)).toBe('header_bad_atom');
  });

  test('refuses every header that ends too early', () => {
    const whole = header([{ slot: 300, text: 'one' }, { slot: 301, text: 'two' }, { slot: 300 }]);
    for (let length = 0; length < whole.length; length++) {
      expect(read(new AtomCache(), whole.subarray(0, length))).toBe('header_truncated');
    }
  });

  test('keeps references that were copied, whatever comes next', () => {
    const cache = new AtomCache();
    read(cache, header([{ slot: 1, text: 'one' }]));
    const kept = cache.keepRefs();
    read(cache, header([{ slot: 1, text: 'other' }]));
    expect(kept.map((ref) => ref.name)).toEqual(['one']);
  });

  test('nothing makes it throw', () => {
    const cache = new AtomCache();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const next = cache.read(Buffer.from(bytes), 0, bytes.length);
        expect(next).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 500 },
    );
  });
});
