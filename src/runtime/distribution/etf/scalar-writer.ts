/**
 * Writes the terms that hold no others (numbers, texts, atoms, pids, refs and ports) into a buffer that grows.
 *
 * What Erlang does not have is refused before a byte of it is written: NaN and infinities (a BEAM node would cut the
 * connection for everybody), numbers beyond 2^53 that are not bigints (which would be rounded), halves of surrogate pairs.
 *
 * A bigint that a number could hold is written with one zero byte more than needed. A BEAM node reads the same integer, and
 * this runtime knows that it was a bigint.
 *
 * Invariant of the buffer: the bytes `[0, length)` are what was written, and `length` is at most `maxBytes` beyond `origin`. Its
 * owner sets `length` to start over or to take back what was written; `reset` also drops a buffer that one large message made grow.
 */
import {
  ATOM_CACHE_REF,
  ATOM_UTF8,
  BINARY,
  BIT_BINARY,
  INTEGER,
  LARGE_BIG,
  LARGE_TUPLE,
  LIST,
  NEW_FLOAT,
  NEW_PID,
  NEW_PORT,
  NEWER_REFERENCE,
  NIL,
  SMALL_ATOM_UTF8,
  SMALL_BIG,
  SMALL_INTEGER,
  SMALL_TUPLE,
  STRING,
  V4_PORT,
} from './tags.ts';
import { TroupeError } from '../../errors.ts';
import { type Atom, atom } from '../../terms/atom.ts';
import type { Origin, Pid, Port, Ref } from '../../terms/identifiers.ts';

// ---- the buffer ----

/** A buffer that has grown beyond this is not kept by `reset`. */
const KEPT_BYTES = 1024 * 1024;

/** Writes bytes and big-endian numbers one after the other. */
export class ByteWriter {
  /** The bytes written so far are its first `length`. It is another object after it had to grow. */
  buffer: Buffer;
  /** How many bytes were written. */
  length = 0;
  /** From where on the bytes count against the limit: what stands before has another owner. */
  origin = 0;
  readonly #initialBytes: number;
  readonly #maxBytes: number;

  /**
   * @param initialBytes the size of the buffer to begin with.
   * @param maxBytes how large it may become.
   */
  constructor(initialBytes: number, maxBytes: number) {
    this.#initialBytes = initialBytes;
    this.#maxBytes = maxBytes;
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Starts over. */
  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
  }

  /**
   * Makes room for some more bytes.
   * @throws TroupeError TROUPE_NOT_ENCODABLE when that is more than the limit.
   */
  ensure(bytes: number): void {
    if (this.length + bytes > this.buffer.length) this.#grow(this.length + bytes);
  }

  #grow(needed: number): void {
    const most = this.origin + this.#maxBytes;
    if (needed > most) {
      throw new TroupeError('TROUPE_NOT_ENCODABLE', `The message is larger than ${this.#maxBytes} bytes.`);
    }
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, this.buffer.length * 2), most));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }

  /** Writes 8 bits. */
  u8(value: number): void {
    this.ensure(1);
    this.buffer[this.length++] = value;
  }

  /** Writes 16 bits. */
  u16(value: number): void {
    this.ensure(2);
    const { buffer, length } = this;
    buffer[length] = value >>> 8;
    buffer[length + 1] = value;
    this.length = length + 2;
  }

  /** Writes 32 bits; of a negative number, its two's complement. */
  u32(value: number): void {
    this.ensure(4);
    const { buffer, length } = this;
    buffer[length] = value >>> 24;
    buffer[length + 1] = value >>> 16;
    buffer[length + 2] = value >>> 8;
    buffer[length + 3] = value;
    this.length = length + 4;
  }

  /** Writes a tag and 32 bits: how most terms begin. */
  tagged(tag: number, value: number): void {
    this.ensure(5);
    const { buffer, length } = this;
    buffer[length] = tag;
    buffer[length + 1] = value >>> 24;
    buffer[length + 2] = value >>> 16;
    buffer[length + 3] = value >>> 8;
    buffer[length + 4] = value;
    this.length = length + 5;
  }

  /** Writes 32 bits at a place that was written before. */
  patch32(at: number, value: number): void {
    const { buffer } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  /** Copies bytes. */
  bytes(source: Uint8Array): void {
    const size = source.length;
    this.ensure(size);
    const { buffer, length } = this;
    // Few bytes are copied faster here than by a call into the machine's own code.
    if (size <= 32) for (let at = 0; at < size; at++) buffer[length + at] = source[at] as number;
    else buffer.set(source, length);
    this.length = length + size;
  }
}

// ---- the terms ----

/** The most bytes of one integer, here and at the reader. */
export const MAX_BIG_BYTES = 65_536;

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;
/** Texts up to this length are written character by character, which is faster than a call into the machine's own code. */
const SHORT_TEXT = 20;
const MAX_STRING = 65_535;
/** Ports up to this number have the old form, as a BEAM node writes them. */
const MAX_OLD_PORT = 0xf_ff_ff_ffn;
/** How many origins a writer remembers the bytes of. */
const ORIGINS = 4;
/** How many names the table of the bytes of names holds; it is emptied when it is full. */
const MAX_NAMES = 1_024;
const TWO_32 = 0x1_0000_0000;

const names = new Map<string, Uint8Array>();

/** Numbers the atoms of a message whose header names them. */
export interface AtomNumbers {
  /**
   * The number of an atom, 0 to 254; -1 for one that must be written out.
   * @param encoded its bytes, with their tag
   */
  numberOf(name: string, encoded: Uint8Array): number;
}

/** What stands for an atom that has a number. */
const REFERENCES = Array.from({ length: 255 }, (_, number) => Uint8Array.of(ATOM_CACHE_REF, number));

/** The bytes of an atom, with its tag. */
function encodeAtom(value: Atom): Uint8Array {
  const text = Buffer.from(value.name);
  const head =
    text.length > 255 ? [ATOM_UTF8, text.length >>> 8, text.length & 255] : [SMALL_ATOM_UTF8, text.length];
  const encoded = new Uint8Array(head.length + text.length);
  encoded.set(head);
  encoded.set(text, head.length);
  value.encoded = encoded;
  return encoded;
}

/** The bytes of an atom that is given by its name; undefined when no atom can have it. */
function encodeName(name: string): Uint8Array | undefined {
  let value;
  try {
    value = atom(name);
  } catch (error) {
    if (error instanceof TroupeError) return undefined;
    throw error;
  }
  const encoded = value.encoded ?? encodeAtom(value);
  if (names.size >= MAX_NAMES) names.clear();
  names.set(name, encoded);
  return encoded;
}

/** Writes terms that hold no others. */
export abstract class ScalarWriter extends ByteWriter {
  readonly #origins: Array<Origin | null> = Array.from({ length: ORIGINS }, () => null);
  readonly #originBytes: Uint8Array[] = [];
  #nextOrigin = 0;
  /** What numbers the atoms; null when they are written out. */
  numbers: AtomNumbers | null = null;

  /** See `EncodeLimits`. */
  protected abstract readonly exactBytes: boolean;
  /** The error for a value that cannot be sent; it knows where the value stands. */
  protected abstract refused(what: string): TroupeError;

  /** Writes the head of a tuple; its elements follow. */
  tupleHeader(arity: number): void {
    if (arity > 255) return this.tagged(LARGE_TUPLE, arity);
    this.ensure(2);
    const { buffer, length } = this;
    buffer[length] = SMALL_TUPLE;
    buffer[length + 1] = arity;
    this.length = length + 2;
  }

  /** Writes an atom. */
  atom(value: Atom): void {
    this.bytes(this.#referred(value.name, value.encoded ?? encodeAtom(value)));
  }

  /**
   * Writes the atom of a name. Only for names that stand in a program: a BEAM node never frees an atom.
   * @throws TroupeError TROUPE_NOT_ENCODABLE when no atom can have the name.
   */
  atomName(name: string): void {
    const encoded = names.get(name) ?? encodeName(name);
    if (encoded === undefined) throw this.refused('a name that cannot be an atom');
    this.bytes(this.#referred(name, encoded));
  }

  /** Writes an integer. @param value a safe integer, and not -0. */
  int(value: number): void {
    if ((value & 255) === value) {
      this.ensure(2);
      const { buffer, length } = this;
      buffer[length] = SMALL_INTEGER;
      buffer[length + 1] = value;
      this.length = length + 2;
    } else if ((value | 0) === value) {
      this.tagged(INTEGER, value);
    } else {
      this.#safeBig(value, 0);
    }
  }

  /** Writes a number: an integer when it has no fraction, but -0 as a float. */
  protected number(value: number): void {
    if (Number.isSafeInteger(value)) {
      if (value === 0 && Object.is(value, -0)) this.float(value);
      else this.int(value);
    } else if (Number.isInteger(value)) {
      throw this.refused(`${value}, an integer beyond 2^53: use a bigint`);
    } else {
      this.float(value);
    }
  }

  /** Writes a float. */
  protected float(value: number): void {
    if (!Number.isFinite(value)) throw this.refused(`the number ${value}`);
    this.ensure(9);
    this.buffer[this.length] = NEW_FLOAT;
    this.buffer.writeDoubleBE(value, this.length + 1);
    this.length += 9;
  }

  /** Writes a safe integer as a big one, with some zero bytes more than needed. */
  #safeBig(value: number, zeros: number): void {
    const magnitude = Math.abs(value);
    let low = magnitude >>> 0;
    let high = Math.floor(magnitude / TWO_32);
    this.ensure(11);
    const { buffer, length } = this;
    let at = length + 3;
    for (; low !== 0 || high !== 0; at++) {
      buffer[at] = low;
      low = ((low >>> 8) | (high << 24)) >>> 0;
      high >>>= 8;
    }
    for (let zero = 0; zero < zeros; zero++) buffer[at++] = 0;
    buffer[length] = SMALL_BIG;
    buffer[length + 1] = at - length - 3;
    buffer[length + 2] = value < 0 ? 1 : 0;
    this.length = at;
  }

  /** Writes a bigint. */
  protected bigint(value: bigint): void {
    const approximate = Number(value);
    if (Number.isSafeInteger(approximate)) return this.#safeBig(approximate, 1);
    const negative = value < 0n;
    const hex = (negative ? -value : value).toString(16);
    const size = (hex.length + 1) >>> 1;
    if (size > MAX_BIG_BYTES) throw this.refused(`an integer of more than ${MAX_BIG_BYTES} bytes`);
    if (size > 255) {
      this.tagged(LARGE_BIG, size);
    } else {
      this.u8(SMALL_BIG);
      this.u8(size);
    }
    this.u8(negative ? 1 : 0);
    this.bytes(Buffer.from(hex.padStart(size * 2, '0'), 'hex').toReversed());
  }

  /** Writes a string as a binary. */
  protected binary(text: string): void {
    const size = text.length;
    if (size > SHORT_TEXT) return this.#longBinary(text);
    this.ensure(5 + size);
    const { buffer, length } = this;
    const start = length + 5;
    for (let at = 0; at < size; at++) {
      const code = text.charCodeAt(at);
      if (code > 127) return this.#longBinary(text);
      buffer[start + at] = code;
    }
    buffer[length] = BINARY;
    buffer[length + 1] = 0;
    buffer[length + 2] = 0;
    buffer[length + 3] = 0;
    buffer[length + 4] = size;
    this.length = start + size;
  }

  #longBinary(text: string): void {
    // Its bytes are counted only where there might be no room for them.
    if (5 + text.length * 3 > this.buffer.length - this.length) this.ensure(5 + Buffer.byteLength(text));
    const written = this.buffer.write(text, this.length + 5);
    // As many bytes as characters: all of them are ASCII.
    if (written !== text.length && LONE_SURROGATE.test(text)) {
      throw this.refused('a string with half a surrogate pair');
    }
    this.tagged(BINARY, written);
    this.length += written;
  }

  /** Writes a text as a list of code points. */
  protected charlist(text: string): void {
    const size = text.length;
    if (size === 0) return this.u8(NIL);
    if (size <= MAX_STRING) {
      this.ensure(3 + size);
      const { buffer, length } = this;
      let at = 0;
      for (; at < size; at++) {
        const code = text.charCodeAt(at);
        if (code > 255) break;
        buffer[length + 3 + at] = code;
      }
      if (at === size) {
        buffer[length] = STRING;
        buffer[length + 1] = size >>> 8;
        buffer[length + 2] = size;
        this.length = length + 3 + size;
        return;
      }
    }
    this.#longCharlist(text);
  }

  #longCharlist(text: string): void {
    if (LONE_SURROGATE.test(text)) throw this.refused('a charlist with half a surrogate pair');
    const head = this.length;
    this.tagged(LIST, 0);
    let count = 0;
    for (const character of text) {
      this.int(character.codePointAt(0) as number);
      count++;
    }
    this.u8(NIL);
    this.patch32(head + 1, count);
  }

  /** Writes bytes so that this runtime reads bytes again; to a BEAM node it is a binary like any other. */
  protected byteString(value: Uint8Array): void {
    if (this.exactBytes) {
      this.tagged(BIT_BINARY, value.length);
      this.u8(value.length === 0 ? 0 : 8);
    } else {
      this.tagged(BINARY, value.length);
    }
    this.bytes(value);
  }

  /** Writes a pid. */
  pid(value: Pid): void {
    const { origin } = value;
    const node = this.#node(origin);
    const size = node.length;
    this.ensure(13 + size);
    const { buffer, length } = this;
    buffer[length] = NEW_PID;
    for (let at = 0; at < size; at++) buffer[length + 1 + at] = node[at] as number;
    const { id, serial } = value;
    const { creation } = origin;
    let at = length + 1 + size;
    buffer[at++] = id >>> 24;
    buffer[at++] = id >>> 16;
    buffer[at++] = id >>> 8;
    buffer[at++] = id;
    buffer[at++] = serial >>> 24;
    buffer[at++] = serial >>> 16;
    buffer[at++] = serial >>> 8;
    buffer[at++] = serial;
    buffer[at++] = creation >>> 24;
    buffer[at++] = creation >>> 16;
    buffer[at++] = creation >>> 8;
    buffer[at++] = creation;
    this.length = at;
  }

  /** Writes a reference. */
  ref(value: Ref): void {
    const { origin, foreign } = value;
    this.u8(NEWER_REFERENCE);
    this.u16(foreign === null ? 3 : foreign.length);
    this.bytes(this.#node(origin));
    this.u32(origin.creation);
    if (foreign !== null) {
      for (const word of foreign) this.u32(word);
    } else {
      this.u32(value.low);
      this.u32(value.high);
      this.u32(0);
    }
  }

  /** Writes a port. */
  protected port({ id, origin }: Port): void {
    const old = id <= MAX_OLD_PORT;
    this.u8(old ? NEW_PORT : V4_PORT);
    this.bytes(this.#node(origin));
    if (!old) this.u32(Number(id >> 32n));
    this.u32(Number(id & 0xff_ff_ff_ffn));
    this.u32(origin.creation);
  }

  /** The bytes of the atom that names a node. Nearly all pids that are sent belong to one of two nodes. */
  #node(origin: Origin): Uint8Array {
    const origins = this.#origins;
    for (let at = 0; at < ORIGINS; at++) {
      if (origins[at] === origin) return this.#referred(origin.node, this.#originBytes[at] as Uint8Array);
    }
    const encoded = names.get(origin.node) ?? encodeName(origin.node);
    if (encoded === undefined) throw this.refused('the name of a node that cannot be an atom');
    origins[this.#nextOrigin] = origin;
    this.#originBytes[this.#nextOrigin] = encoded;
    this.#nextOrigin = (this.#nextOrigin + 1) % ORIGINS;
    return this.#referred(origin.node, encoded);
  }

  /** The bytes to be written for an atom. */
  #referred(name: string, encoded: Uint8Array): Uint8Array {
    if (this.numbers === null) return encoded;
    const number = this.numbers.numberOf(name, encoded);
    return number < 0 ? encoded : (REFERENCES[number] as Uint8Array);
  }
}
