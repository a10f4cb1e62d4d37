/**
 * Reads the terms that hold no others: numbers, texts, atoms, pids, refs and ports, in every form that `erl_ext_dist` has
 * for them, old ones too.
 *
 * Nothing of what it returns refers to the buffer. Nothing is read beyond `end`, and no room is made for more than the bytes
 * that are there could need. Bytes that are not a term throw an EtfError; the caller has to close the connection that they came from.
 */
import { Origin, Pid, Port, Ref } from '../../terms/identifiers.ts';
import { type Atom, atom } from '../../terms/atom.ts';
import { Float } from '../../terms/values.ts';
import {
  ATOM,
  ATOM_CACHE_REF,
  ATOM_UTF8,
  EtfError,
  INTEGER,
  NEWER_REFERENCE,
  NEW_PID,
  NEW_PORT,
  NEW_REFERENCE,
  PID,
  PORT,
  REFERENCE,
  SMALL_ATOM,
  SMALL_ATOM_UTF8,
  SMALL_BIG,
  SMALL_INTEGER,
  V4_PORT,
} from './tags.ts';
import { constants, isUtf8 } from 'node:buffer';

/** Whose terms are read. */
export interface TermHost {
  /** Name and creation of the own node. */
  readonly origin: Origin;
  /** A pid as the node knows it: the one of its process when it is alive here. */
  internPid(pid: Pid): Pid;
}

/** How large a term may be. */
export interface DecodeLimits {
  /**
   * How deep terms may be nested. Default 1,024: more than may be sent, since what wraps a message counts here. Each level
   * takes some hundred bytes of the stack.
   */
  readonly maxDepth: number;
  /** How many values a frame may hold, counting each element, key and value. Default 16,777,216. */
  readonly maxValues: number;
  /** How many bytes one integer may have. Default 65,536. */
  readonly maxBigBytes: number;
}

const EMPTY = Buffer.alloc(0);
const ORIGIN_SLOTS = 64;
const PID_SLOTS = 64;
/** The most words of a ref. */
const MAX_REF_WORDS = 5;
/** Refs whose first word is below this, and whose third is 0, may be those of this runtime. */
const OWN_LOW_WORDS = 0x4_0000;
const FLOAT_TEXT_BYTES = 31;
/** How many bytes of a large integer, and of a long text, take as long as a value. */
const BIG_BYTES_PER_VALUE = 64;
const TEXT_BYTES_PER_VALUE = 256;
const TWO_32 = 0x1_0000_0000;
/** The high half of the largest safe integer, plus one. */
const SAFE_HIGH = 0x20_0000;

const TRUE = atom('true');
const FALSE = atom('false');
const NULL = atom('nil');
const UNDEFINED = atom('undefined');

/** Reads terms that hold no others. */
export class ScalarReader {
  /** Where the next byte stands. */
  position = 0;
  /** Whether no other code uses the memory of the buffer. */
  ownsBuffer = false;
  protected buffer: Buffer = EMPTY;
  protected end = 0;
  protected cacheRefs: readonly Atom[] | null = null;
  protected readonly texts: TextCache = new TextCache();
  readonly #host: TermHost;
  readonly #maxBigBytes: number;
  readonly #originAtoms: Array<Atom | null> = Array.from({ length: ORIGIN_SLOTS }, () => null);
  readonly #origins: Origin[];
  /** Pids of other nodes that were read lately: one process is named again and again. */
  readonly #pids: Array<Pid | null> = Array.from({ length: PID_SLOTS }, () => null);

  constructor(host: TermHost, maxBigBytes: number) {
    this.#host = host;
    this.#maxBigBytes = maxBigBytes;
    this.#origins = Array.from({ length: ORIGIN_SLOTS }, () => host.origin);
  }

  /** The error that ends the reading. */
  protected bad(why: string): EtfError {
    return new EtfError(`${why} (at byte ${this.position})`);
  }

  /** Makes sure that some more bytes are there. */
  protected need(bytes: number): void {
    if (bytes > this.end - this.position) throw this.bad('The term is cut off');
  }

  /** Counts what takes as long as some values. */
  protected charge(_values: number): void {}

  /** Counts the bytes of a text. */
  protected chargeBytes(size: number): void {
    if (size >= TEXT_BYTES_PER_VALUE) this.charge(Math.floor(size / TEXT_BYTES_PER_VALUE));
  }

  protected u8(): number {
    this.need(1);
    return this.buffer[this.position++] as number;
  }

  protected u16(): number {
    this.need(2);
    const { buffer, position } = this;
    this.position = position + 2;
    return ((buffer[position] as number) << 8) | (buffer[position + 1] as number);
  }

  protected u32(): number {
    this.need(4);
    const { buffer, position } = this;
    this.position = position + 4;
    return (
      (((buffer[position] as number) << 24) |
        ((buffer[position + 1] as number) << 16) |
        ((buffer[position + 2] as number) << 8) |
        (buffer[position + 3] as number)) >>>
      0
    );
  }

  /** A copy of the next bytes. */
  protected copy(size: number): Uint8Array {
    this.need(size);
    const copy = new Uint8Array(size);
    copy.set(this.buffer.subarray(this.position, this.position + size));
    this.position += size;
    return copy;
  }

  /** The bytes that were not read. They are in the buffer. */
  get unread(): Buffer {
    return this.buffer.subarray(this.position, this.end);
  }

  /** The atoms to which terms refer by number. */
  get atoms(): readonly Atom[] | null {
    return this.cacheRefs;
  }

  /** The tag of the next term; -1 at the end. */
  peek(): number {
    return this.position < this.end ? (this.buffer[this.position] as number) : -1;
  }

  /** Reads an integer that a message of the protocol has as a small number. @throws EtfError for any other term. */
  smallInt(): number {
    const value = this.integer();
    if (typeof value !== 'number') throw this.bad('A small integer was expected');
    return value;
  }

  /** Reads an integer. @throws EtfError for any other term. */
  integer(): number | bigint {
    const tag = this.u8();
    if (tag === SMALL_INTEGER) return this.u8();
    if (tag === INTEGER) return this.u32() | 0;
    if (tag === SMALL_BIG) return this.big(this.u8());
    throw this.bad('An integer was expected');
  }

  /** The value of a big integer, from its sign on. One with just one zero byte more than needed is a bigint in any case. */
  protected big(size: number): number | bigint {
    if (size > this.#maxBigBytes) throw this.bad(`An integer has more than ${this.#maxBigBytes} bytes`);
    this.need(size + 1);
    if (size >= BIG_BYTES_PER_VALUE) this.charge(Math.floor(size / BIG_BYTES_PER_VALUE));
    const negative = this.u8() !== 0;
    const start = this.position;
    this.position = start + size;
    const { buffer } = this;
    let used = size;
    while (used > 0 && buffer[start + used - 1] === 0) used--;
    const marked = size === (used === 0 ? 1 : used + 1);
    if (used <= 7) {
      let low = 0;
      let high = 0;
      for (let at = Math.min(used, 4) - 1; at >= 0; at--) low = (low << 8) | (buffer[start + at] as number);
      for (let at = used - 1; at >= 4; at--) high = (high << 8) | (buffer[start + at] as number);
      if (high < SAFE_HIGH) {
        const value = (low >>> 0) + high * TWO_32;
        if (marked) return negative ? -BigInt(value) : BigInt(value);
        // Not -0, which is a float.
        return negative && value !== 0 ? -value : value;
      }
    }
    const bytes = Buffer.from(buffer.subarray(start, start + used).toReversed());
    const magnitude = BigInt(`0x${bytes.toString('hex')}`);
    return negative ? -magnitude : magnitude;
  }

  protected newFloat(): number | Float {
    this.need(8);
    const value = this.buffer.readDoubleBE(this.position);
    this.position += 8;
    return this.#float(value);
  }

  protected oldFloat(): number | Float {
    this.need(FLOAT_TEXT_BYTES);
    const text = this.buffer.toString('latin1', this.position, this.position + FLOAT_TEXT_BYTES);
    this.position += FLOAT_TEXT_BYTES;
    const match = /^ *([+-]?\d+\.\d+(?:[eE][+-]?\d+)?)\0*$/.exec(text);
    if (match === null) throw this.bad('The text of a float is malformed');
    return this.#float(Number(match[1]));
  }

  #float(value: number): number | Float {
    if (!Number.isInteger(value)) {
      if (!Number.isFinite(value)) throw this.bad('A float is not finite');
      return value;
    }
    return value === 0 && Object.is(value, -0) ? value : new Float(value);
  }

  /** Whether a tag is one of an atom. */
  protected isAtomTag(tag: number): boolean {
    return (
      tag === SMALL_ATOM_UTF8 ||
      tag === ATOM_CACHE_REF ||
      tag === ATOM_UTF8 ||
      tag === ATOM ||
      tag === SMALL_ATOM
    );
  }

  /** Reads an atom; also `true`, `nil` and so on are atoms here. @throws EtfError for any other term. */
  atom(): Atom {
    return this.atomTagged(this.u8());
  }

  /** Reads the name of an atom. @throws EtfError for any other term. */
  atomText(): string {
    return this.atom().name;
  }

  protected atomTagged(tag: number): Atom {
    switch (tag) {
      case SMALL_ATOM_UTF8:
        return this.#atomUtf8(this.u8());
      case ATOM_UTF8:
        return this.#atomUtf8(this.u16());
      case ATOM_CACHE_REF: {
        const found = this.cacheRefs?.[this.u8()];
        if (found === undefined)
          throw this.bad('A reference to the atom cache that the header does not have');
        return found;
      }
      case SMALL_ATOM:
        return this.#atomLatin1(this.u8());
      case ATOM:
        return this.#atomLatin1(this.u16());
      default:
        throw this.bad('An atom was expected');
    }
  }

  #atomUtf8(size: number): Atom {
    this.need(size);
    const start = this.position;
    this.position = start + size;
    if (size <= MAX_CACHED_BYTES) {
      const found = this.texts.find(this.buffer, start, size);
      if (found === null) throw this.bad('An atom is not UTF-8');
      // No more characters than bytes, and so not too many.
      return found.atom ?? this.#atomOf(found);
    }
    const name = decodeText(this.buffer, start, start + size);
    const value = name === undefined ? undefined : atomOf(name);
    if (value === undefined) throw this.bad('An atom is not UTF-8, or too long');
    return value;
  }

  #atomOf(found: CachedText): Atom {
    const value = atom(found.text);
    found.atom = value;
    return value;
  }

  #atomLatin1(size: number): Atom {
    this.need(size);
    const start = this.position;
    this.position = start + size;
    const value = atomOf(this.buffer.toString('latin1', start, start + size));
    if (value === undefined) throw this.bad('An atom is too long');
    return value;
  }

  /** What an atom is as a value. */
  protected atomValue(value: Atom): Atom | boolean | null | undefined {
    if (value === TRUE) return true;
    if (value === FALSE) return false;
    if (value === UNDEFINED) return undefined;
    return value === NULL ? null : value;
  }

  /** Reads a pid. @throws EtfError for any other term. */
  pid(): Pid {
    return this.pidTagged(this.u8());
  }

  protected pidTagged(tag: number): Pid {
    if (tag !== NEW_PID && tag !== PID) throw this.bad('A pid was expected');
    const node = this.atom();
    const id = this.u32();
    const serial = this.u32();
    const creation = tag === NEW_PID ? this.u32() : this.u8();
    const origin = this.#origin(node, creation);
    const slot = id & (PID_SLOTS - 1);
    const known = this.#pids[slot] as Pid | null;
    if (known?.origin === origin && known.id === id && known.serial === serial) return known;
    const pid = new Pid(origin, id, serial);
    // A pid of this node is not kept: it holds its process.
    if (origin.equals(this.#host.origin)) return this.#host.internPid(pid);
    this.#pids[slot] = pid;
    return pid;
  }

  /** Reads a reference. @throws EtfError for any other term. */
  ref(): Ref {
    return this.refTagged(this.u8());
  }

  protected refTagged(tag: number): Ref {
    if (tag === REFERENCE) {
      const node = this.atom();
      const word = this.u32();
      return new Ref(this.#origin(node, this.u8()), 0, 0, [word]);
    }
    if (tag !== NEWER_REFERENCE && tag !== NEW_REFERENCE) throw this.bad('A reference was expected');
    const count = this.u16();
    if (count === 0 || count > MAX_REF_WORDS) throw this.bad(`A reference has ${count} words`);
    const node = this.atom();
    const origin = this.#origin(node, tag === NEWER_REFERENCE ? this.u32() : this.u8());
    if (count !== 3) {
      const words: number[] = [];
      for (let at = 0; at < count; at++) words.push(this.u32());
      return new Ref(origin, 0, 0, words);
    }
    const low = this.u32();
    const high = this.u32();
    const third = this.u32();
    // Without a list of its own for what may be a ref of this runtime, and is the same one either way.
    return third === 0 && low < OWN_LOW_WORDS
      ? new Ref(origin, low, high)
      : new Ref(origin, 0, 0, [low, high, third]);
  }

  protected portTagged(tag: number): Port {
    const node = this.atom();
    let id = BigInt(this.u32());
    if (tag === V4_PORT) id = (id << 32n) | BigInt(this.u32());
    return new Port(this.#origin(node, tag === PORT ? this.u8() : this.u32()), id);
  }

  /** One object for all pids and refs of an incarnation, as long as it is remembered. */
  #origin(node: Atom, creation: number): Origin {
    const slot = (creation ^ (creation >>> 16)) & (ORIGIN_SLOTS - 1);
    const known = this.#origins[slot] as Origin;
    if (this.#originAtoms[slot] === node && known.creation === creation) return known;
    const own = this.#host.origin;
    const origin =
      own.creation === creation && own.node === node.name ? own : new Origin(node.name, creation);
    this.#originAtoms[slot] = node;
    this.#origins[slot] = origin;
    return origin;
  }
}

/** Whether a tag is one of a port. */
export function isPortTag(tag: number): boolean {
  return tag === NEW_PORT || tag === V4_PORT || tag === PORT;
}

// ---- texts ----

/** Longer texts are not kept. */
export const MAX_CACHED_BYTES = 64;
const SLOTS = 512;
const MAX_ATOM_CHARACTERS = 255;
const LONG_BYTES = 4_096;
/** Up to this length an ASCII text is made here, which is faster than a call into the engine. */
const SHORT_BYTES = 12;

/** A text with its bytes. */
class CachedText {
  readonly bytes: Uint8Array;
  readonly text: string;
  /** The atom of that name, once it was asked for. */
  atom: Atom | null;

  constructor(bytes: Uint8Array, text: string) {
    this.bytes = bytes;
    this.text = text;
    this.atom = null;
  }
}

/** The texts that one connection has received lately. */
class TextCache {
  readonly #slots: Array<CachedText | null> = Array.from({ length: SLOTS }, () => null);

  /** The text in some bytes of a buffer, at most {@link MAX_CACHED_BYTES}; null when they are not UTF-8. */
  find(buffer: Buffer, start: number, size: number): CachedText | null {
    let hash = size;
    for (let at = start; at < start + size; at++) hash = (Math.imul(hash, 31) + (buffer[at] as number)) | 0;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#slots[slot] as CachedText | null;
    if (known !== null && isAt(known.bytes, buffer, start, size)) return known;
    const text = decodeText(buffer, start, start + size);
    if (text === undefined) return null;
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at++) bytes[at] = buffer[start + at] as number;
    const found = new CachedText(bytes, asKey(text));
    this.#slots[slot] = found;
    return found;
  }
}

function isAt(bytes: Uint8Array, buffer: Buffer, start: number, size: number): boolean {
  if (bytes.length !== size) return false;
  for (let at = 0; at < size; at++) if (bytes[at] !== buffer[start + at]) return false;
  return true;
}

/** The string as the engine keeps the keys of objects, which makes looking it up as a key cheaper. */
function asKey(text: string): string {
  return Object.keys({ [text]: 0 })[0] as string;
}

/** The text of UTF-8 bytes; undefined when they are none, or more than a string can hold. */
export function decodeText(buffer: Buffer, start: number, end: number): string | undefined {
  if (end - start <= SHORT_BYTES) {
    const ascii = shortAscii(buffer, start, end);
    if (ascii !== undefined) return ascii;
  }
  if (end - start > constants.MAX_STRING_LENGTH) return undefined;
  // Bytes that are no text take the engine long to make one of.
  if (end - start > LONG_BYTES && !isUtf8(buffer.subarray(start, end))) return undefined;
  const text = buffer.toString('utf8', start, end);
  // This character replaces what is not UTF-8; it may also be part of the text.
  return text.includes('\uFFFD') && !isUtf8(buffer.subarray(start, end)) ? undefined : text;
}

/** The text of a few ASCII bytes; undefined when there are others among them. */
function shortAscii(buffer: Buffer, start: number, end: number): string | undefined {
  let text = '';
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const a = buffer[at] as number;
    const b = buffer[at + 1] as number;
    const c = buffer[at + 2] as number;
    const d = buffer[at + 3] as number;
    if ((a | b | c | d) > 127) return undefined;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    const byte = buffer[at] as number;
    if (byte > 127) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The atom of a name that arrived; undefined when it has too many characters. */
function atomOf(name: string): Atom | undefined {
  if (name.length > MAX_ATOM_CHARACTERS && Array.from(name).length > MAX_ATOM_CHARACTERS) return undefined;
  return atom(name);
}
