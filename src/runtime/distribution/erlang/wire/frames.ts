/**
 * Splits what a socket delivers into frames, and puts the fragments of large messages together. It does not read terms.
 *
 * A frame is a length of two bytes (messages of the handshake over TCP) or of four (the handshake over TLS, and everything after
 * it), then as many bytes. See `erl_dist_protocol`, "Distribution Handshake" and "Protocol between Connected Nodes".
 *
 * A frame that lies whole in one chunk is handed over where it is, without a copy. Others are gathered in a buffer that
 * grows with what arrives, to at most four times that: a length that is only declared costs nothing. One that is not long serves
 * for the next frame as well: the fragments of a large message all lie across the ends of chunks.
 * A frame of length 0 is handed over like any other.
 *
 * The first fragment of a message (tag 69) has the header and the control message, the others (tag 70) only bytes; they count
 * down to 1, and those of several messages may be interleaved. See `erl_ext_dist`, "Distribution Header for fragmented messages".
 *
 * Limits: the length of a frame; the number of unfinished messages, their bytes, and the time between two fragments of one; the
 * bytes of what all peers together have not finished. A peer that exceeds one is cut off.
 */
import type { Atom } from '../../../terms/atom.ts';

/** The longest frame that a connected peer may send, in bytes, by default: 128 MiB. */
export const DEFAULT_MAX_FRAME_BYTES = 128 * 1024 * 1024;

/** A gathered frame begins with a buffer of this size, or of its own when it is shorter. A longer one is not used again. */
const FIRST_BUFFER_BYTES = 128 * 1024;
const GROWTH = 4;

/** Gets the frames. */
export interface FrameSink {
  /**
   * One frame, `buffer` from `start` up to `end`; the same position for an empty one. The bytes are the sink's until it returns;
   * those of a frame of more than 128 KiB for good. It must not throw.
   * @returns false to stop: no more frames are handed over.
   */
  frame(buffer: Buffer, start: number, end: number): boolean;
}

/** What became of a chunk: all of it was taken; the sink said stop; a frame is longer than it may be. */
export type FrameResult = 'ok' | 'stopped' | 'too_large';

/** Splits one stream into frames. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  readonly #prefixBytes: 2 | 4;
  /** What came of the length of the next frame, and how many bytes that is. */
  #length = 0;
  #lengthBytes = 0;
  /** The frame that is being gathered: its length, what came of it, and how much that is. */
  #frameBytes = 0;
  #partial: Buffer | undefined;
  /** What the frame before was gathered in. */
  #used: Buffer | undefined;
  #gathered = 0;
  #result: FrameResult = 'ok';
  #rest: Buffer | undefined;

  /** @param options prefixBytes: how long the lengths are, 4 by default. */
  constructor(
    sink: FrameSink,
    options: { readonly prefixBytes?: 2 | 4; readonly maxFrameBytes?: number } = {},
  ) {
    this.#sink = sink;
    this.#prefixBytes = options.prefixBytes ?? 4;
    this.#maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES;
  }

  /** How many bytes of an unfinished frame are held. */
  get pendingBytes(): number {
    return this.#gathered;
  }

  /**
   * Takes the next chunk and hands over the frames that it completes. The chunk belongs to the reader and the sink then.
   * After anything but `'ok'`, chunks are left alone and the answer stays the same.
   */
  push(chunk: Buffer): FrameResult {
    if (this.#result !== 'ok') return this.#result;
    const prefix = this.#prefixBytes;
    const size = chunk.length;
    let at = 0;
    while (at < size) {
      if (this.#partial !== undefined) {
        at = this.#gather(this.#partial, chunk, at);
        if (this.#result !== 'ok') return this.#stop(chunk, at);
        continue;
      }
      if (this.#lengthBytes === 0 && at + prefix <= size) {
        this.#length = prefix === 4 ? readUInt32(chunk, at) : (chunk[at]! << 8) | chunk[at + 1]!;
        at += prefix;
      } else {
        this.#length = this.#length * 256 + chunk[at]!;
        at++;
        if (++this.#lengthBytes < prefix) continue;
      }
      const length = this.#length;
      this.#length = 0;
      this.#lengthBytes = 0;
      if (length > this.#maxFrameBytes) {
        this.#result = 'too_large';
        return this.#stop(chunk, at);
      }
      if (at + length <= size) {
        const start = at;
        at += length;
        if (!this.#sink.frame(chunk, start, at)) {
          this.#result = 'stopped';
          return this.#stop(chunk, at);
        }
      } else {
        this.#frameBytes = length;
        this.#gathered = 0;
        this.#partial = this.#room(Math.min(length, FIRST_BUFFER_BYTES));
      }
    }
    return 'ok';
  }

  /** What of the chunks came after the frame at which the sink said stop. */
  rest(): Buffer {
    return this.#rest ?? Buffer.alloc(0);
  }

  /** Goes on after the sink has said stop; the rest, which the caller took, comes as the next chunk. */
  resume(): void {
    if (this.#result !== 'stopped') return;
    this.#result = 'ok';
    this.#rest = undefined;
  }

  #room(bytes: number): Buffer {
    const used = this.#used;
    this.#used = undefined;
    return used !== undefined && used.length >= bytes ? used : Buffer.allocUnsafeSlow(bytes);
  }

  #gather(partial: Buffer, chunk: Buffer, at: number): number {
    const length = this.#frameBytes;
    const take = Math.min(length - this.#gathered, chunk.length - at);
    const gathered = this.#gathered + take;
    let buffer = partial;
    if (gathered > buffer.length) {
      buffer = Buffer.allocUnsafeSlow(Math.min(length, gathered * GROWTH));
      partial.copy(buffer, 0, 0, this.#gathered);
      this.#partial = buffer;
    }
    chunk.copy(buffer, this.#gathered, at, at + take);
    this.#gathered = gathered;
    if (gathered === length) {
      this.#partial = undefined;
      this.#gathered = 0;
      this.#used = buffer.length > FIRST_BUFFER_BYTES ? undefined : buffer;
      if (!this.#sink.frame(buffer, 0, length)) this.#result = 'stopped';
    }
    return at + take;
  }

  #stop(chunk: Buffer, at: number): FrameResult {
    this.#partial = undefined;
    this.#gathered = 0;
    if (this.#result === 'stopped') this.#rest = chunk.subarray(at);
    return this.#result;
  }
}

function readUInt32(buffer: Buffer, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0;
}

// ---- fragments ----

/** How many messages of one connection may be unfinished at a time, by default. */
const DEFAULT_MAX_SEQUENCES = 1_000;

/** How many bytes the unfinished messages of one connection may have in all, by default: 256 MiB. */
const DEFAULT_MAX_FRAGMENT_BYTES = 256 * 1024 * 1024;

const FIRST_MESSAGE_BYTES = 1024;
/** How many times as large as what has come the buffer of a message may be. */
const MESSAGE_GROWTH = 16;

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
  /** Whether the memory of the body is that of this message alone. */
  readonly own: boolean;
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
    if (fragment === 1n) return { body, own: false, refs };
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
      const larger = memoryOf(roomFor(bytes, unfinished.expected));
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
    return { body: unfinished.buffer.subarray(0, bytes), own: true, refs: unfinished.refs };
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

/** Memory is used again from this size on; it may be larger than needed by one part in as many. */
const SPARE_BYTES = 1024 * 1024;
const SPARE_PART = 8;

/**
 * The memory of a message that has been read, of any connection, for the next one: the engine collects garbage for every 64 MiB that are
 * made. Until it does so it would be there anyway; it is not kept from it.
 */
let spare: WeakRef<ArrayBufferLike> | undefined;

/** The memory of a message may be used again: the message was read, and nothing of it is a view of it. */
export function spares({ buffer }: Buffer): void {
  if (buffer.byteLength >= SPARE_BYTES) spare = new WeakRef(buffer);
}

function memoryOf(bytes: number): Buffer {
  const memory = bytes < SPARE_BYTES ? undefined : spare?.deref();
  const length = memory?.byteLength ?? 0;
  if (memory === undefined || length < bytes || length > bytes + bytes / SPARE_PART) {
    return Buffer.allocUnsafeSlow(bytes);
  }
  spare = undefined;
  return Buffer.from(memory);
}

/** How much room is made for some bytes, of a message of which more is expected. */
function roomFor(bytes: number, expected: number): number {
  return Math.max(
    Math.min(bytes * MESSAGE_GROWTH, expected),
    expected < bytes ? 2 * bytes : bytes,
    FIRST_MESSAGE_BYTES,
  );
}

// ---- all connections of a node ----

/** A connection, as one that holds bytes of messages that have not come in full. */
export interface Holder {
  /** It holds the most of all, and together they hold too much. */
  giveUp(): void;
}

/**
 * What all connections of a node hold of messages that have not come in full: who has the cookie can connect under any number of
 * names, and each connection may hold a large message.
 */
export class Unfinished {
  readonly #maxBytes: number;
  readonly #held = new Map<Holder, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many bytes they hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** One holds so many bytes now. When that is too much in all, the one that holds the most has to give up. */
  set(holder: Holder, bytes: number): void {
    const before = this.#held.get(holder) ?? 0;
    if (bytes === before) return;
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    this.#bytes += bytes - before;
    if (bytes > before && this.#bytes > this.#maxBytes) this.#largest(holder, bytes).giveUp();
  }

  #largest(holder: Holder, bytes: number): Holder {
    let [largest, most] = [holder, bytes];
    for (const [other, held] of this.#held) if (held > most) [largest, most] = [other, held];
    return largest;
  }
}
