/**
 * Puts the fragments of large messages together. The first fragment (tag 69) has the header and the control message, the
 * others (tag 70) only bytes; they count down to 1, and those of several messages may be interleaved. See `erl_ext_dist`,
 * "Distribution Header for fragmented messages".
 *
 * The number of unfinished messages of a connection, their bytes, and the time between two fragments of one are limited; a peer that
 * goes beyond is cut off.
 * It does not read terms: the bytes of the control message and of the payload come out as they would in one frame.
 */
import type { Atom } from '../../../terms/atom.ts';

/** How many messages of one connection may be unfinished at a time, unless the carrier is told otherwise. */
const DEFAULT_MAX_SEQUENCES = 1_000;

/** How many bytes the unfinished messages of one connection may have in all, unless the carrier is told otherwise: 256 MiB. */
const DEFAULT_MAX_FRAGMENT_BYTES = 256 * 1024 * 1024;

const FIRST_BUFFER_BYTES = 1024;
/** How many times as large as what has come a buffer may be. */
const GROWTH = 8;

/** Why a fragment was not taken. The connection is of no use then. */
export type FragmentFault =
  /** Fragments of a message do not count down one by one to 1. */
  | 'fragment_order'
  /** Not the first fragment, of a message whose first fragment has not come. */
  | 'fragment_unknown'
  /** A second first fragment of a message that is unfinished. */
  | 'fragment_repeated'
  | 'fragment_too_many'
  | 'fragment_too_large';

/** A message whose last fragment has come. */
export interface Assembled {
  /** Control message and payload. */
  readonly body: Buffer;
  /** The atoms of the header in its first fragment. */
  readonly refs: readonly Atom[];
}

interface Sequence {
  readonly refs: readonly Atom[];
  /** What has come, in its first `bytes` bytes; copies, since a small fragment would keep all that was read with it. */
  buffer: Buffer;
  bytes: number;
  /** How many bytes are expected in all: the later fragments are hardly ever larger than the first. A claim, for which room is made as it comes true. */
  readonly expected: number;
  /** The number that the next fragment has. */
  next: bigint;
  /** When the last fragment came. */
  cameAt: number;
}

/** The unfinished messages of a connection. */
export class Fragments {
  readonly #sequences = new Map<bigint, Sequence>();
  readonly #maxSequences: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(options: { readonly maxSequences?: number; readonly maxBytes?: number } = {}) {
    this.#maxSequences = options.maxSequences ?? DEFAULT_MAX_SEQUENCES;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_FRAGMENT_BYTES;
  }

  /** How many messages are unfinished. */
  get size(): number {
    return this.#sequences.size;
  }

  /** How many bytes of them are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a first fragment: `buffer` from `start`, behind the header, up to `end`.
   * @param fragment How many fragments the message has.
   * @param refs The atoms of its header; they must not change any more.
   * @returns the whole message when there is only this one, undefined when more have to come, or what is wrong.
   */
  first(
    sequence: bigint,
    fragment: bigint,
    refs: readonly Atom[],
    buffer: Buffer,
    start: number,
    end: number,
  ): Assembled | FragmentFault | undefined {
    if (fragment < 1n) return 'fragment_order';
    if (this.#sequences.has(sequence)) return 'fragment_repeated';
    const body = buffer.subarray(start, end);
    if (fragment === 1n) return { body, refs };
    if (this.#sequences.size >= this.#maxSequences) return 'fragment_too_many';
    if (this.#bytes + body.length > this.#maxBytes) return 'fragment_too_large';
    this.#bytes += body.length;
    const expected = body.length * Number(fragment);
    const held = Buffer.allocUnsafeSlow(roomFor(body.length, expected));
    body.copy(held);
    this.#sequences.set(sequence, {
      refs,
      buffer: held,
      bytes: body.length,
      expected,
      next: fragment - 1n,
      cameAt: performance.now(),
    });
    return undefined;
  }

  /** Takes a later fragment: `buffer` from `start`, behind the two counters, up to `end`. Answers as `first` does. */
  next(
    sequence: bigint,
    fragment: bigint,
    buffer: Buffer,
    start: number,
    end: number,
  ): Assembled | FragmentFault | undefined {
    const unfinished = this.#sequences.get(sequence);
    if (unfinished === undefined) return 'fragment_unknown';
    if (fragment !== unfinished.next) return 'fragment_order';
    const size = end - start;
    if (this.#bytes + size > this.#maxBytes) return 'fragment_too_large';
    this.#bytes += size;
    const bytes = unfinished.bytes + size;
    if (bytes > unfinished.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(roomFor(bytes, unfinished.expected));
      unfinished.buffer.copy(larger, 0, 0, unfinished.bytes);
      unfinished.buffer = larger;
    }
    buffer.copy(unfinished.buffer, unfinished.bytes, start, end);
    unfinished.bytes = bytes;
    unfinished.next = fragment - 1n;
    unfinished.cameAt = performance.now();
    if (fragment > 1n) return undefined;
    this.#sequences.delete(sequence);
    this.#bytes -= bytes;
    return { body: unfinished.buffer.subarray(0, bytes), refs: unfinished.refs };
  }

  /** Whether nothing has come of one of them for so long. */
  waits(timeMs: number): boolean {
    const before = performance.now() - timeMs;
    for (const { cameAt } of this.#sequences.values()) if (cameAt <= before) return true;
    return false;
  }

  /** Forgets all unfinished messages. */
  clear(): void {
    this.#sequences.clear();
    this.#bytes = 0;
  }
}

/** How much room is made for some bytes, of a message of which more is expected. */
function roomFor(bytes: number, expected: number): number {
  return Math.max(
    Math.min(bytes * GROWTH, expected),
    expected < bytes ? 2 * bytes : bytes,
    FIRST_BUFFER_BYTES,
  );
}
