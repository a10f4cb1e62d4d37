/**
 * Reads terms of the External Term Format, as they arrive from other nodes: without the version byte, not compressed. The
 * mapping is in docs/adr/0011-terms.md.
 *
 * What arrives is not trusted. Counts are compared with the bytes that are left before room is made, depth and the number of
 * values are limited, texts must be UTF-8, and a map must not have a key twice. Anything else throws an EtfError. A value that
 * the reader returns shares no memory with the buffer, unless the reader owns that (`slicing-reader.ts`).
 */
import { TroupeError } from '../../errors.ts';
import { type Atom, atom } from '../../terms/atom.ts';
import { ErlMap } from '../../terms/canonical.ts';
import { formed } from '../../terms/forms.ts';
import {
  BitString,
  ExternalFunction,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Tuple,
} from '../../terms/values.ts';
import { reasonOf } from '../../terms/reasons.ts';
import {
  type DecodeLimits,
  MAX_CACHED_BYTES,
  ScalarReader,
  type TermHost,
  decodeText,
  isPortTag,
} from './scalar-reader.ts';
import {
  ATOM,
  ATOM_CACHE_REF,
  ATOM_UTF8,
  BINARY,
  BIT_BINARY,
  EXPORT,
  FLOAT,
  INTEGER,
  LARGE_BIG,
  LARGE_TUPLE,
  LIST,
  MAP,
  NEWER_REFERENCE,
  NEW_FLOAT,
  NEW_FUN,
  NEW_PID,
  NEW_REFERENCE,
  NIL,
  PID,
  RECORD,
  REFERENCE,
  SMALL_ATOM,
  SMALL_ATOM_UTF8,
  SMALL_BIG,
  SMALL_INTEGER,
  SMALL_TUPLE,
  STRING,
  isTupleTag,
  TooDeep,
  TooManyValues,
} from './tags.ts';
import { KeySpread, MANY_KEYS, plainOf, setKey } from './maps.ts';
import { MAX_BIG_BYTES } from './scalar-writer.ts';
import { TermWriter } from './writer.ts';

export type { DecodeLimits, TermHost } from './scalar-reader.ts';

const defaultDecodeLimits: DecodeLimits = {
  maxDepth: 1_024,
  maxValues: 16_777_216,
  maxBigBytes: MAX_BIG_BYTES,
};

/** How many maps may be keys within keys: each such level is compared once more as a whole. */
export const MAX_KEY_NESTING = 8;
const FUN_UNIQ_BYTES = 16;

/**
 * How an element of the outermost tuple is read:
 * - `term`: as any term.
 * - `text`: a text, as binary or list of Latin-1 characters, may come as a string either way.
 * - `named`: maps with atoms for keys are plain objects, at any depth.
 * - `bare`: a tuple is a `Tuple`, and not an instance of a class of the program.
 */
export type ElementForm = 'term' | 'text' | 'named' | 'bare';

/** What a layer above makes of the terms that it reads as messages. */
export interface Grammar {
  /** @param before the elements that stand before it. @param left how many are missing, itself included. */
  element(before: readonly unknown[], left: number): ElementForm;
  /** What the elements of the outermost tuple are; undefined for that tuple. */
  made(elements: readonly unknown[]): unknown;
  /**
   * Whether a part that is nested too deeply may be left out of a term that is read in slices.
   * @param open the terms around it, with the parts that were read, from the outermost on.
   */
  leavesOut(open: ReadonlyArray<{ readonly tag: number; readonly items: readonly unknown[] }>): boolean;
}

/** Reads terms. One reader serves one connection, and is used again for every frame. */
export class TermReader extends ScalarReader {
  protected readonly maxDepth: number;
  readonly #maxValues: number;
  /** How many values may still be read. */
  protected left = 0;
  /** Within how many keys of maps the reader is. */
  protected keyNesting = 0;
  /** Whether maps with atoms for keys are plain objects. */
  protected atomKeys = false;

  constructor(host: TermHost, limits: Partial<DecodeLimits> = {}) {
    const all = { ...defaultDecodeLimits, ...limits };
    super(host, all.maxBigBytes);
    this.maxDepth = all.maxDepth;
    this.#maxValues = all.maxValues;
  }

  /**
   * Begins with the bytes of a frame.
   * @param cacheRefs the atoms of the frame's header, to which its terms refer by number.
   */
  reset(buffer: Buffer, start: number, end: number, cacheRefs: readonly Atom[] | null = null): void {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
    this.cacheRefs = cacheRefs;
    this.ownsBuffer = false;
    this.left = this.#maxValues;
    this.keyNesting = 0;
    this.atomKeys = false;
  }

  /** Reads a term. @throws EtfError when the bytes are none. */
  term(): unknown {
    return this.value(0);
  }

  /** Reads a message: as `term`, but for what the grammar makes of a tuple. @throws EtfError when the bytes are none. */
  message(grammar: Grammar): unknown {
    if (!isTupleTag(this.peek())) return this.value(0);
    const arity = this.tupleArity();
    const elements: unknown[] = [];
    for (let left = arity; left > 0; left--) elements.push(this.#element(grammar.element(elements, left)));
    return grammar.made(elements) ?? this.tuple(elements);
  }

  #element(form: ElementForm): unknown {
    switch (form) {
      case 'term':
        return this.value(1);
      case 'text':
        return this.#text() ?? this.value(1);
      case 'named': {
        this.atomKeys = true;
        const value = this.value(1);
        this.atomKeys = false;
        return value;
      }
      case 'bare':
        return isTupleTag(this.peek()) ? new Tuple(this.#elements(this.tupleArity(), 1)) : this.value(1);
    }
  }

  /** Reads an exit reason: the reverse of what TermWriter does with one. @throws EtfError when the bytes are none. */
  reason(): unknown {
    return reasonOf(this.value(0));
  }

  /** Reads the head of a tuple; read its elements next. @throws EtfError for any other term. */
  tupleArity(): number {
    const tag = this.u8();
    if (!isTupleTag(tag)) throw this.bad('A tuple was expected');
    return this.take(tag === SMALL_TUPLE ? this.u8() : this.u32());
  }

  /** Reads a term that is nested at a depth. */
  protected value(depth: number): unknown {
    const tag = this.u8();
    switch (tag) {
      case SMALL_INTEGER:
        return this.u8();
      case INTEGER:
        return this.u32() | 0;
      case SMALL_ATOM_UTF8:
      case ATOM_CACHE_REF:
      case ATOM_UTF8:
      case ATOM:
      case SMALL_ATOM:
        return this.atomValue(this.atomTagged(tag));
      case BINARY:
        return this.#binary(this.u32());
      case SMALL_TUPLE:
        return this.tuple(this.#elements(this.take(this.u8()), depth));
      case NIL:
        return [];
      case STRING:
        return this.byteList(this.take(this.u16()));
      case LIST:
        return this.#list(depth);
      case MAP:
        return this.#map(depth);
      case NEW_PID:
      case PID:
        return this.pidTagged(tag);
      default:
        return this.#rare(tag, depth);
    }
  }

  #rare(tag: number, depth: number): unknown {
    switch (tag) {
      case NEWER_REFERENCE:
      case NEW_REFERENCE:
      case REFERENCE:
        return this.refTagged(tag);
      case NEW_FLOAT:
        return this.newFloat();
      case SMALL_BIG:
        return this.big(this.u8());
      case LARGE_BIG:
        return this.big(this.u32());
      case BIT_BINARY:
        return this.#bits();
      case LARGE_TUPLE:
        return this.tuple(this.#elements(this.take(this.u32()), depth));
      case EXPORT:
        return this.#external();
      case NEW_FUN:
        return this.#closure(depth);
      case FLOAT:
        return this.oldFloat();
      case RECORD:
        return this.#native(depth);
      default:
        if (isPortTag(tag)) return this.portTagged(tag);
        throw this.bad(`No term begins with ${tag}`);
    }
  }

  /** Counts values that are about to be read, each of which has a byte at least. */
  protected take(count: number): number {
    if (count > this.end - this.position) throw this.bad('The term is cut off');
    this.charge(count);
    return count;
  }

  protected override charge(values: number): void {
    this.left -= values;
    if (this.left < 0) throw new TooManyValues(`A message has more than ${this.#maxValues} values`);
  }

  /** A tuple, or the instance of a class of the program that it stands for; not within a key. */
  protected tuple(elements: readonly unknown[]): unknown {
    return this.keyNesting === 0 ? formed(elements) : new Tuple(elements);
  }

  #enter(depth: number): void {
    if (depth >= this.maxDepth) throw this.tooDeep();
  }

  protected tooDeep(): TooDeep {
    return new TooDeep(`A term is nested deeper than ${this.maxDepth} levels (at byte ${this.position})`);
  }

  #elements(count: number, depth: number): unknown[] {
    this.#enter(depth);
    // An array that grows gets room for 17, and most have few elements.
    if (count === 1) return [this.value(depth + 1)];
    if (count === 2) return [this.value(depth + 1), this.value(depth + 1)];
    const elements: unknown[] = [];
    for (let at = 0; at < count; at++) elements.push(this.value(depth + 1));
    return elements;
  }

  protected byteList(size: number): number[] {
    const { buffer, position } = this;
    const list: number[] = [];
    for (let at = 0; at < size; at++) list.push(buffer[position + at] as number);
    this.position = position + size;
    return list;
  }

  #list(depth: number): unknown {
    const items = this.#elements(this.take(this.u32()), depth);
    // A tail that is a list itself continues this one. BEAM never writes that; by a loop it cannot be used to nest deeply.
    for (;;) {
      const tag = this.peek();
      if (tag !== NIL && tag !== STRING && tag !== LIST) break;
      this.position++;
      if (tag === NIL) return items;
      if (tag === STRING) {
        for (const byte of this.byteList(this.take(this.u16()))) items.push(byte);
        return items;
      }
      const count = this.take(this.u32());
      for (let at = 0; at < count; at++) items.push(this.value(depth + 1));
    }
    const tail = this.value(depth + 1);
    return items.length === 0 ? tail : new ImproperList(items, tail);
  }

  #binary(size: number): string | Uint8Array {
    this.need(size);
    this.chargeBytes(size);
    const start = this.position;
    const text = decodeText(this.buffer, start, start + size);
    if (text === undefined) return this.copy(size);
    this.position = start + size;
    return text;
  }

  #bits(): Uint8Array | BitString {
    const size = this.u32();
    const bits = this.u8();
    if (bits > 8 || (bits === 0) !== (size === 0))
      throw this.bad(`A bitstring has ${bits} bits in its last byte`);
    this.chargeBytes(size);
    return this.bitsOf(this.copy(size), bits);
  }

  /** Bytes, of the last of which only some bits count. */
  protected bitsOf(bytes: Uint8Array, bits: number): Uint8Array | BitString {
    if (bits === 8 || bytes.length === 0) return bytes;
    const last = bytes.length - 1;
    // Unused bits of the last byte do not count.
    bytes[last] = (bytes[last] as number) & (0xff << (8 - bits));
    return new BitString(bytes, bits);
  }

  #map(depth: number): unknown {
    const count = this.u32();
    this.take(2 * count);
    this.#enter(depth);
    if (this.keyNesting > MAX_KEY_NESTING) throw this.bad('Maps are nested too deeply as keys');
    if (count === 0) return {};
    const first = this.peek();
    const names = this.named && this.isAtomTag(first);
    const object: Record<string, unknown> = {};
    if (!names && first !== BINARY) return this.#anyMap(object, false, 0, count, depth);
    for (let done = 0; done < count; done++) {
      const start = this.position;
      const key = names ? this.#nameKey() : this.#textKey();
      if (key === undefined) {
        this.position = start;
        return this.#anyMap(object, names, done, count, depth);
      }
      const value = this.value(depth + 1);
      setKey(object, key, value);
    }
    if (Object.keys(object).length !== count) throw this.bad('A map has a key twice');
    return object;
  }

  /** Whether a map with atoms for keys is a plain object here; not within a key, which would be taken for another one. */
  protected get named(): boolean {
    return this.atomKeys && this.keyNesting === 0;
  }

  /** The next term when it is a text, otherwise undefined. */
  #textKey(): string | undefined {
    if (this.peek() !== BINARY) return undefined;
    this.position++;
    const size = this.u32();
    this.need(size);
    const start = this.position;
    this.position = start + size;
    if (size <= MAX_CACHED_BYTES) return this.texts.find(this.buffer, start, size)?.text;
    return decodeText(this.buffer, start, start + size);
  }

  /** The name of the next term when it is an atom, otherwise undefined. */
  #nameKey(): string | undefined {
    return this.isAtomTag(this.peek()) ? this.atom().name : undefined;
  }

  /**
   * Reads on in a map of which some entries were read, and the key of the next is of another kind.
   * @param names whether the keys that were read are atoms.
   */
  #anyMap(
    object: Record<string, unknown>,
    names: boolean,
    done: number,
    count: number,
    depth: number,
  ): unknown {
    const map = new ErlMap();
    const read = done === 0 ? [] : Object.entries(object);
    if (read.length !== done) throw this.bad('A map has a key twice');
    for (const [key, value] of read) map.set(names ? atom(key) : key, value);
    const spread = count > MANY_KEYS ? new KeySpread(count) : undefined;
    for (let at = done; at < count; at++) {
      const isAtom = this.isAtomTag(this.peek());
      this.keyNesting++;
      const key = this.value(depth + 1);
      this.keyNesting--;
      if (spread?.add(key) === false) throw this.bad('Keys of a map collide');
      const value = this.value(depth + 1);
      if (isAtom) map.setSimple(key, value);
      else this.put(map, key, value);
    }
    if (map.size !== count) throw this.bad('A map has a key twice');
    return (this.named ? plainOf(map) : undefined) ?? map;
  }

  protected put(map: ErlMap, key: unknown, value: unknown): void {
    try {
      map.set(key, value);
    } catch (error) {
      if (error instanceof TroupeError) throw this.bad('A key of a map is too large');
      throw error;
    }
  }

  #external(): ExternalFunction {
    const module = this.atom();
    const name = this.atom();
    return new ExternalFunction(module, name, this.smallInt());
  }

  #native(depth: number): NativeRecord {
    const count = this.u32();
    this.take(2 * count);
    this.#enter(depth);
    const exported = (this.u8() & 1) === 1;
    const module = this.atom();
    const name = this.atom();
    const names: Atom[] = [];
    for (let at = 0; at < count; at++) names.push(this.atom());
    return new NativeRecord(
      module,
      name,
      exported,
      names.map((field) => [field, this.value(depth + 1)]),
    );
  }

  /** A closure is kept as its bytes; they are read all the same, for a peer would cut the connection over bad ones. */
  #closure(depth: number): OpaqueFunction {
    const start = this.position - 1;
    const size = this.u32();
    this.need(size - 4);
    const end = start + 1 + size;
    const arity = this.u8();
    const uniq = this.copy(FUN_UNIQ_BYTES);
    const index = this.u32();
    const free = this.u32();
    this.take(free);
    const module = this.atom();
    const oldIndex = this.integer();
    const oldUniq = this.integer();
    const creator = this.pid();
    const values = this.#elements(free, depth);
    if (this.position !== end) throw this.bad('A function has another size than it says');
    if (this.cacheRefs === null) {
      this.position = start;
      return new OpaqueFunction(this.copy(end - start));
    }
    // The bytes may refer to the header of this frame, which is gone when the function is sent back.
    const writer = new TermWriter({ maxDepth: this.maxDepth, nativeRecords: true }, size + 256);
    writer.tagged(NEW_FUN, 0);
    writer.u8(arity);
    writer.bytes(uniq);
    writer.u32(index);
    writer.u32(free);
    writer.atom(module);
    writer.term(oldIndex);
    writer.term(oldUniq);
    writer.pid(creator);
    for (const value of values) writer.term(value);
    writer.patch32(1, writer.length - 1);
    return new OpaqueFunction(Uint8Array.from(writer.buffer.subarray(0, writer.length)));
  }

  /** The next term when it is a text, as binary or list of characters; otherwise undefined, and nothing was read. */
  #text(): string | undefined {
    const start = this.position;
    const tag = this.peek();
    if (tag === BINARY) {
      const found = this.#textKey();
      if (found === undefined) this.position = start;
      return found;
    }
    if (tag !== STRING) return undefined;
    this.position++;
    const size = this.u16();
    this.need(size);
    const at = this.position;
    this.position = at + size;
    if (size <= MAX_CACHED_BYTES) {
      const known = this.texts.find(this.buffer, at, size);
      // As many characters as bytes: all of them are ASCII, which is the same in Latin-1.
      if (known !== null && known.text.length === size) return known.text;
    }
    return this.buffer.toString('latin1', at, at + size);
  }
}
