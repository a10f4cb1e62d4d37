/**
 * Terms as bytes, for programs: what `term_to_binary/1` and `binary_to_term/1` are to Erlang.
 *
 * Unlike a message between nodes, such bytes begin with the version, and may be compressed.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { inflateSync } from 'node:zlib';
import { TroupeError } from '../../errors.ts';
import { Origin, type Pid } from '../../terms/identifiers.ts';
import { type DecodeLimits, type TermHost, TermReader } from '../etf/reader.ts';
import { COMPRESSED, EtfError, VERSION } from '../etf/tags.ts';
import type { EncodeLimits, TermWriter } from '../etf/writer.ts';
import { messageWriter } from '../messages.ts';

/** How much a compressed term may hold. */
const MAX_INFLATED_BYTES = 128 * 1024 * 1024;
const INITIAL_BYTES = 256;
/** As large as the pool of Node.js. */
const POOL_BYTES = 8_192;
/** More bytes have an `ArrayBuffer` of their own. */
const MAX_POOLED_BYTES = POOL_BYTES / 2;
/** How many terms after a long one are likely to have another among them. */
const LONG_TERMS = 16;

/** Options of {@link decodeTerm}. */
export interface DecodeOptions extends Partial<DecodeLimits> {
  /** The most bytes that a compressed term may hold. Default 134,217,728. */
  readonly maxInflatedBytes?: number;
  /** Whose pids become those of its live processes. By default all pids are foreign. */
  readonly host?: TermHost;
}

const nobody: TermHost = {
  origin: new Origin('nonode@nohost', 0),
  internPid: (pid: Pid): Pid => pid,
};

const EMPTY = Buffer.alloc(0);

/** Used again for terms with the default limits; taken away while in use, since a getter of a value may come here, too. */
let spareEncoder: PoolEncoder | undefined;
let spareReader: TermReader | undefined;

/**
 * The bytes of a term, to be read by `binary_to_term/1` or {@link decodeTerm}.
 *
 * As with `Buffer.from`, few bytes are a view of a larger `ArrayBuffer` that results share; more than 4 KiB have one of their own.
 * @throws TroupeError TROUPE_NOT_ENCODABLE for a value that is not a term, with the path to it. See `erlang:term_to_binary/1`.
 */
export function encodeTerm(value: unknown, limits?: Partial<EncodeLimits>): Uint8Array {
  if (limits !== undefined) return encodeWith(messageWriter(limits, INITIAL_BYTES), value);
  const encoder = spareEncoder ?? new PoolEncoder();
  spareEncoder = undefined;
  try {
    return encoder.encode(value);
  } finally {
    spareEncoder = encoder;
  }
}

/** A copy of what a writer makes of a term. */
function encodeWith(writer: TermWriter, value: unknown): Uint8Array {
  writer.u8(VERSION);
  writer.term(value);
  return new Uint8Array(writer.buffer.subarray(0, writer.length));
}

/**
 * Encodes terms with the default limits. It writes into a pool, and the result is a view of what it wrote: for few bytes, an
 * `ArrayBuffer` of their own takes longer to make than the term takes to be written. While some terms are long, they are written
 * into a buffer that keeps its size, and copied.
 *
 * Invariant: the bytes of the pool before `length` of its writer belong to results and are never written again.
 */
class PoolEncoder {
  readonly #writer = messageWriter({}, 0);
  #pool = newPool();
  /** The room that the next term is likely to need: as much as the last one. */
  #likelyBytes = 0;
  readonly #longWriter = messageWriter({}, INITIAL_BYTES);
  /** How many terms the long writer gets. */
  #longNext = 0;

  constructor() {
    this.#goBack(0);
  }

  encode(value: unknown): Uint8Array {
    if (this.#longNext > 0) return this.#encodeLong(value);
    const writer = this.#writer;
    if (writer.buffer.length - writer.length < this.#likelyBytes) {
      this.#pool = newPool();
      this.#goBack(0);
    }
    const start = writer.length;
    writer.origin = start;
    let done = false;
    try {
      writer.u8(VERSION);
      writer.term(value);
      done = true;
    } finally {
      if (!done) this.#goBack(start);
    }
    const { buffer, length } = writer;
    const bytes = length - start;
    if (bytes <= MAX_POOLED_BYTES && buffer === this.#pool) {
      writer.length = (length + 7) & ~7;
      this.#likelyBytes = bytes;
      return new Uint8Array(buffer.buffer, start, bytes);
    }
    const own = new Uint8Array(buffer.subarray(start, length));
    this.#goBack(start);
    if (bytes > MAX_POOLED_BYTES) this.#longNext = LONG_TERMS;
    // It did not fit into what was left.
    else this.#likelyBytes = POOL_BYTES;
    return own;
  }

  #encodeLong(value: unknown): Uint8Array {
    this.#longNext--;
    try {
      const bytes = encodeWith(this.#longWriter, value);
      if (bytes.length > MAX_POOLED_BYTES) this.#longNext = LONG_TERMS;
      return bytes;
    } finally {
      this.#longWriter.reset();
    }
  }

  /** Takes back what was written from somewhere on, and a buffer that had to grow for it. */
  #goBack(start: number): void {
    this.#writer.buffer = this.#pool;
    this.#writer.length = start;
  }
}

function newPool(): Buffer {
  const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
  // A result that is transferred to another thread must not take the others with it.
  markAsUntransferable(pool.buffer);
  return pool;
}

/**
 * The term in some bytes, all of which belong to it.
 * @throws TroupeError TROUPE_BAD_TERM when they are no term, or exceed a limit. See `erlang:binary_to_term/1`.
 */
export function decodeTerm(bytes: Uint8Array, options?: DecodeOptions): unknown {
  if (options !== undefined) {
    const { host = nobody, maxInflatedBytes = MAX_INFLATED_BYTES, ...limits } = options;
    return decodeWith(new TermReader(host, limits), bytes, maxInflatedBytes);
  }
  const reader = spareReader ?? new TermReader(nobody);
  spareReader = undefined;
  try {
    return decodeWith(reader, bytes, MAX_INFLATED_BYTES);
  } finally {
    reader.reset(EMPTY, 0, 0);
    spareReader = reader;
  }
}

function decodeWith(reader: TermReader, bytes: Uint8Array, maxInflatedBytes: number): unknown {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer[0] !== VERSION) throw bad(`They do not begin with ${VERSION}.`);
  if (buffer[1] === COMPRESSED) {
    const inflated = inflate(buffer, maxInflatedBytes);
    reader.reset(inflated, 0, inflated.length);
  } else {
    reader.reset(buffer, 1, buffer.length);
  }
  let value: unknown;
  try {
    value = reader.term();
  } catch (error) {
    if (error instanceof EtfError) throw bad(`${error.message}.`, error);
    throw error;
  }
  if (reader.peek() !== -1) throw bad('More bytes follow the term.');
  return value;
}

function inflate(buffer: Buffer, most: number): Buffer {
  if (buffer.length < 6) throw bad('The compressed term is cut off.');
  const size = buffer.readUInt32BE(2);
  if (size > most) throw bad(`The compressed term holds ${size} bytes, more than ${most}.`);
  let inflated: Buffer;
  try {
    inflated = inflateSync(buffer.subarray(6), { maxOutputLength: Math.max(size, 1) });
  } catch (error) {
    throw bad('The compressed term cannot be read.', error);
  }
  if (inflated.length !== size) throw bad('The compressed term has another size than it says.');
  return inflated;
}

function bad(why: string, cause?: unknown): TroupeError {
  return new TroupeError('TROUPE_BAD_TERM', `The bytes are no term. ${why}`, { cause });
}
