/**
 * Terms as bytes, for programs: what `term_to_binary/1` and `binary_to_term/1` are to Erlang.
 *
 * Unlike a message between nodes, such bytes begin with the version, and may be compressed.
 */
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
let spareWriter: TermWriter | undefined;
let spareReader: TermReader | undefined;

/**
 * The bytes of a term, to be read by `binary_to_term/1` or {@link decodeTerm}.
 * @throws TroupeError TROUPE_NOT_ENCODABLE for a value that is not a term, with the path to it. See `erlang:term_to_binary/1`.
 */
export function encodeTerm(value: unknown, limits?: Partial<EncodeLimits>): Uint8Array {
  if (limits !== undefined) return encodeWith(messageWriter(limits, INITIAL_BYTES), value);
  const writer = spareWriter ?? messageWriter({}, INITIAL_BYTES);
  spareWriter = undefined;
  try {
    return encodeWith(writer, value);
  } finally {
    writer.reset();
    spareWriter = writer;
  }
}

function encodeWith(writer: TermWriter, value: unknown): Uint8Array {
  writer.u8(VERSION);
  writer.term(value);
  return new Uint8Array(writer.buffer.subarray(0, writer.length));
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
