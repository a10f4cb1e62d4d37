/**
 * Reads large terms in slices, so that the event loop has its turns in between: as `TermReader` does, with a stack of its own in
 * place of the engine's, which can be left and come back to.
 *
 * A connection reads every message the quick way first, within `QUICK_VALUES` values; one that holds more, or is nested too
 * deeply, starts over here. It reads and refuses the same, with three exceptions:
 *
 * - Where the grammar of messages allows it, `TOO_DEEP` stands in the place of a part that is nested too deeply.
 * - A function may hold only what can be read the quick way.
 * - Bytes that take up at least half of a buffer that no other code uses are a view of it. A copy of 16 MiB takes some milliseconds,
 *   and makes the engine collect garbage sooner.
 *
 * Limits: `MESSAGE_VALUES` values in a message, where a large integer and a long text count for several.
 */
import { constants, isAscii, isUtf8 } from 'node:buffer';
import type { Atom } from '../../terms/atom.ts';
import { ErlMap } from '../../terms/canonical.ts';
import { ImproperList, NativeRecord, Tuple } from '../../terms/values.ts';
import { KeySpread, MANY_KEYS, nameOf, setKey } from './maps.ts';
import { type ElementForm, type Grammar, MAX_KEY_NESTING, TermReader } from './reader.ts';
import { reasonOf } from '../../terms/reasons.ts';
import type { TermHost } from './scalar-reader.ts';
import {
  BINARY,
  BIT_BINARY,
  EtfError,
  LARGE_TUPLE,
  LIST,
  MAP,
  NEW_FUN,
  NIL,
  RECORD,
  SMALL_TUPLE,
  STRING,
  TooManyValues,
  skipTerm,
  TooDeep,
} from './tags.ts';

/** How many values are read at once. */
export const QUICK_VALUES = 8_192;
/** How many values a message may hold. */
export const MESSAGE_VALUES = 1_048_576;
/** How many values are read between two looks at the clock, and how many steps are made. */
const VALUES_PER_LOOK = 512;
const STEPS_PER_LOOK = 64;
/** How many values a part may hold that is read in one step. */
const SMALL_VALUES = 64;
/** How many bytes of a long text are read in a step. */
const TEXT_BYTES = 262_144;
/** How many bytes that only have to be copied: those of a binary, and of a text in ASCII, which the engine need not make out. */
const COPIED_BYTES = 2 * 1_048_576;
/** How many bytes tell as a rule what long ones are. */
const BEGINNING_BYTES = 4_096;
/** How many fields a record may have: their names are read at once. */
const RECORD_FIELDS = 65_536;

/** Stands for a part of a term that is nested too deeply. */
export const TOO_DEEP: unique symbol = Symbol('too deep');

/** Stands for a part that holds too much to be read in one step. */
const LARGE: unique symbol = Symbol('large');

/** What is read: a message by its grammar, an exit reason, or any term. */
export type Wanted = Grammar | 'reason' | 'term';

/** A term of which not all parts were read. */
interface Open {
  readonly tag: number;
  /** The parts; of a map keys and values in turn. */
  readonly items: unknown[];
  /** How many parts are missing. */
  left: number;
  /** A list whose items are there, and whose tail is not. */
  tail: boolean;
  readonly record: { readonly exported: boolean; readonly names: readonly Atom[] } | null;
  /** Of a map: what it becomes, and how many of its entries are in it. */
  map: Record<string, unknown> | ErlMap | null;
  spread: KeySpread | undefined;
  made: number;
  /** Whether all parts so far were small. */
  small: boolean;
}

/** Reads the terms of one connection. */
export class SlicingReader extends TermReader {
  readonly #maxValues: number;
  #open: Open[] = [];
  #wanted: Wanted = 'term';
  /** How the element of the outermost tuple is read at which the reader is. */
  #form: ElementForm = 'term';
  /** True while a term is read in slices. */
  slicing = false;
  /** Whether the term has bytes that are a view of the buffer. */
  kept = false;
  #result: unknown = undefined;
  /** What was read of a long text or binary, how many bits of its last byte count, where it ends, and how much is read in a step. */
  #text: string | undefined = undefined;
  #bytes: Uint8Array | undefined = undefined;
  #lastBits = 8;
  #longEnd = 0;
  #stepBytes = 0;
  /** True when a step has taken long. */
  #long = false;

  /** @param maxValues how many values a message may hold. */
  constructor(host: TermHost, maxValues = MESSAGE_VALUES) {
    super(host, { maxValues: QUICK_VALUES });
    this.#maxValues = maxValues;
  }

  /** Begins with a term that was found to be large, at the position where it begins. */
  begin(wanted: Wanted, position: number): void {
    this.position = position;
    this.left = this.#maxValues;
    this.keyNesting = 0;
    this.atomKeys = false;
    this.slicing = true;
    this.kept = false;
    this.#open = [];
    this.#wanted = wanted;
  }

  /** Gives up what it is reading. */
  abandon(): void {
    this.slicing = false;
    this.#open = [];
    this.#text = undefined;
    this.#bytes = undefined;
    this.#result = undefined;
  }

  /** What was read; once. */
  taken(): unknown {
    const result = this.#result;
    this.#result = undefined;
    return result;
  }

  /**
   * Reads on until it is done, or the time has come.
   * @returns whether it is done.
   * @throws EtfError when the bytes are no term; then it is done, too.
   */
  goOn(until: number): boolean {
    try {
      for (;;) {
        const enough = this.left - VALUES_PER_LOOK;
        this.#long = false;
        for (let steps = 0; steps < STEPS_PER_LOOK && this.left > enough && !this.#long; steps++) {
          if (!this.#step()) continue;
          this.slicing = false;
          return true;
        }
        if (performance.now() >= until) return false;
      }
    } catch (error) {
      this.abandon();
      throw error instanceof TooManyValues
        ? new EtfError(`A message has more than ${this.#maxValues} values`)
        : error;
    }
  }

  /** Reads a value, or begins or ends one that holds others. @returns whether all is read. */
  #step(): boolean {
    if (this.#text !== undefined) return this.#textGoesOn(this.#text);
    if (this.#bytes !== undefined) return this.#bytesGoOn(this.#bytes);
    const top = this.#open.at(-1);
    if (top === undefined) return this.#next();
    if (top.left > 0) {
      this.#before(top);
      return this.#next();
    }
    if (top.tag === MAP) return this.#mapEnds(top);
    if (top.tag === SMALL_TUPLE) return this.#tupleEnds(top.items);
    if (top.tag !== LIST || top.tail) return this.#ends(made(top));
    return this.#listEnds(top);
  }

  /** What depends on where the next value stands. */
  #before({ tag, items, left }: Open): void {
    if (tag === MAP && items.length % 2 === 0) this.keyNesting++;
    if (this.#open.length === 1 && tag === SMALL_TUPLE && typeof this.#wanted === 'object') {
      this.#form = this.#wanted.element(items, left);
      this.atomKeys = this.#form === 'named';
    }
  }

  #next(): boolean {
    const tag = this.peek();
    if ((tag === SMALL_TUPLE || tag === LIST) && this.#open.length > 1) {
      const value = this.#small();
      if (value !== LARGE) return this.#has(value);
    }
    switch (tag) {
      case SMALL_TUPLE:
      case LARGE_TUPLE:
        return this.#begins(SMALL_TUPLE, 1);
      case LIST:
        return this.#begins(LIST, 1);
      case MAP:
        return this.#begins(MAP, 2);
      case RECORD:
        return this.#begins(RECORD, 2);
      case NEW_FUN:
        return this.#has(this.#function());
      case BINARY:
        return this.#binary();
      case BIT_BINARY:
        return this.#bits();
      default:
        return this.#has(this.value(this.#open.length));
    }
  }

  /**
   * Reads a part the quick way, as most parts of a long list can be. Where one was too large, or nested too deeply, the others beside it
   * are read in steps, so that reading in vain is rare.
   */
  #small(): unknown {
    const top = this.#open.at(-1);
    if (top?.small !== true) return LARGE;
    const { position, left, keyNesting } = this;
    const allowed = Math.min(left, SMALL_VALUES);
    this.left = allowed;
    try {
      const value = this.value(this.#open.length);
      this.left += left - allowed;
      return value;
    } catch (error) {
      if (!(error instanceof TooManyValues || error instanceof TooDeep)) throw error;
      top.small = false;
      this.position = position;
      this.left = left;
      this.keyNesting = keyNesting;
      return LARGE;
    }
  }

  #begins(tag: number, partsEach: number): boolean {
    if (this.#open.length >= this.maxDepth) return this.#tooDeep();
    if (tag === MAP && this.keyNesting > MAX_KEY_NESTING)
      throw this.bad('Maps are nested too deeply as keys');
    let count: number;
    let record: Open['record'] = null;
    if (tag === SMALL_TUPLE) {
      count = this.tupleArity();
    } else {
      this.position++;
      count = this.take(this.u32() * partsEach);
    }
    if (tag === RECORD) {
      count /= 2;
      if (count > RECORD_FIELDS) throw this.bad(`A record has more than ${RECORD_FIELDS} fields`);
      const exported = (this.u8() & 1) === 1;
      const names = [this.atom(), this.atom()];
      for (let at = 0; at < count; at++) names.push(this.atom());
      record = { exported, names };
    }
    const spread = tag === MAP && count > 2 * MANY_KEYS ? new KeySpread(count / 2) : undefined;
    this.#open.push({
      tag,
      items: [],
      left: count,
      tail: false,
      record,
      map: null,
      spread,
      made: 0,
      small: true,
    });
    return false;
  }

  /** A long text or binary is read piece by piece. Which of them it is is found out at once, which is quick. */
  #binary(): boolean {
    const start = this.position + 5;
    if (start > this.end) throw this.bad('The term is cut off');
    const size = this.buffer.readUInt32BE(start - 4);
    if (size <= TEXT_BYTES) return this.#has(this.value(this.#open.length));
    this.position = start;
    this.need(size);
    this.chargeBytes(size);
    const bytes = this.buffer.subarray(start, start + size);
    const ascii = begins(bytes, isAscii) && isAscii(bytes);
    const isText = size <= constants.MAX_STRING_LENGTH && (ascii || (begins(bytes, isUtf8) && isUtf8(bytes)));
    if (!isText && this.#mayKeep(size)) return this.#keeps(size, 8);
    this.#longEnd = start + size;
    this.#stepBytes = isText && !ascii ? TEXT_BYTES : COPIED_BYTES;
    if (isText) this.#text = '';
    else this.#bytes = new Uint8Array(size);
    this.#lastBits = 8;
    return false;
  }

  /** The form in which nodes of this runtime send bytes. */
  #bits(): boolean {
    const start = this.position + 6;
    if (start > this.end) throw this.bad('The term is cut off');
    const size = this.buffer.readUInt32BE(start - 5);
    const bits = this.buffer[start - 1] as number;
    if (size <= COPIED_BYTES || bits === 0 || bits > 8) return this.#has(this.value(this.#open.length));
    this.position = start;
    this.need(size);
    this.chargeBytes(size);
    if (this.#mayKeep(size)) return this.#keeps(size, bits);
    this.#longEnd = start + size;
    this.#stepBytes = COPIED_BYTES;
    this.#bytes = new Uint8Array(size);
    this.#lastBits = bits;
    return false;
  }

  /** Whether bytes stay where they are: never so that they keep more than twice their size in memory. */
  #mayKeep(size: number): boolean {
    return this.ownsBuffer && size * 2 >= this.buffer.buffer.byteLength;
  }

  #keeps(size: number, bits: number): boolean {
    const { buffer, position } = this;
    this.kept = true;
    this.position = position + size;
    return this.#has(this.bitsOf(new Uint8Array(buffer.buffer, buffer.byteOffset + position, size), bits));
  }

  #textGoesOn(text: string): boolean {
    const { buffer, position } = this;
    const ascii = this.#stepBytes === COPIED_BYTES;
    let end = Math.min(position + this.#stepBytes, this.#longEnd);
    // Not within a character.
    if (!ascii) while (end < this.#longEnd && ((buffer[end] as number) & 0xc0) === 0x80) end--;
    this.#long = true;
    this.#text = `${text}${buffer.toString(ascii ? 'latin1' : 'utf8', position, end)}`;
    this.position = end;
    if (end < this.#longEnd) return false;
    const whole = this.#text;
    this.#text = undefined;
    return this.#has(whole);
  }

  #bytesGoOn(bytes: Uint8Array): boolean {
    const { position } = this;
    const end = Math.min(position + this.#stepBytes, this.#longEnd);
    this.#long = true;
    bytes.set(this.buffer.subarray(position, end), bytes.length - (this.#longEnd - position));
    this.position = end;
    if (end < this.#longEnd) return false;
    this.#bytes = undefined;
    return this.#has(this.bitsOf(bytes, this.#lastBits));
  }

  /** A function is read as a whole. */
  #function(): unknown {
    const { left } = this;
    this.left = Math.min(left, QUICK_VALUES);
    const before = this.left;
    const value = this.value(this.#open.length);
    this.left += left - before;
    return value;
  }

  /** A value is there: it belongs to the innermost one that is open, or is the whole. */
  #has(value: unknown): boolean {
    const top = this.#open.at(-1);
    if (top === undefined) {
      this.#result = this.#wanted === 'reason' ? reasonOf(value) : value;
      return true;
    }
    if (top.tag === MAP && top.items.length % 2 === 0) this.keyNesting--;
    if (this.#open.length === 1) this.atomKeys = false;
    top.items.push(value);
    top.left--;
    return false;
  }

  #ends(value: unknown): boolean {
    this.#open.pop();
    return this.#has(value);
  }

  #tupleEnds(items: readonly unknown[]): boolean {
    this.#open.pop();
    if (this.#open.length === 0) return this.#has(this.#whole(items));
    const isBare = this.#open.length === 1 && this.#form === 'bare';
    return this.#has(isBare ? new Tuple(items) : this.tuple(items));
  }

  /** The items of a list are there. A tail that is a list itself continues this one, as for `TermReader`. */
  #listEnds(top: Open): boolean {
    const tag = this.peek();
    if (tag === NIL || tag === STRING) {
      this.position++;
      if (tag === STRING) for (const byte of this.byteList(this.take(this.u16()))) top.items.push(byte);
      return this.#ends(top.items);
    }
    if (tag === LIST) {
      this.position++;
      top.left = this.take(this.u32());
    } else {
      top.tail = true;
      top.left = 1;
    }
    return false;
  }

  /** All keys and values are there: one entry after the other gets into the map. */
  #mapEnds(top: Open): boolean {
    const { items } = top;
    top.map ??= this.#isPlain(items) ? {} : new ErlMap();
    if (top.made * 2 === items.length) return this.#ends(top.map);
    const key = items[top.made * 2];
    const value = items[top.made * 2 + 1];
    if (top.map instanceof ErlMap) {
      this.#long = typeof key === 'object';
      if (top.spread?.add(key) === false) throw this.bad('Keys of a map collide');
      this.put(top.map, key, value);
      if (top.map.size !== top.made + 1) throw this.bad('A map has a key twice');
    } else {
      const name = nameOf(key) as string;
      if (Object.hasOwn(top.map, name)) {
        // An atom and a text of one name are two keys.
        if (!this.named) throw this.bad('A map has a key twice');
        top.map = new ErlMap();
        top.made = 0;
        return false;
      }
      setKey(top.map, name, value);
    }
    top.made++;
    return false;
  }

  /** Whether a map with these keys is a plain object. */
  #isPlain(items: readonly unknown[]): boolean {
    for (let at = 0; at < items.length; at += 2) {
      const key = items[at];
      if (typeof key !== 'string' && (!this.named || nameOf(key) === undefined)) return false;
    }
    return true;
  }

  /** Skips a part that may be left out. @throws TooDeep for any other. */
  #tooDeep(): boolean {
    if (typeof this.#wanted !== 'object' || !this.#wanted.leavesOut(this.#open)) throw this.tooDeep();
    this.position = skipTerm(this.buffer, this.position, this.end);
    return this.#has(TOO_DEEP);
  }

  /** What the elements of the outermost tuple are. */
  #whole(items: readonly unknown[]): unknown {
    const message = typeof this.#wanted === 'object' ? this.#wanted.made(items) : undefined;
    return message ?? this.tuple(items);
  }
}

/**
 * Whether the beginning of bytes passes a test. Both tests look at all bytes, also where the first ones decide, which takes a millisecond
 * for 16 MiB.
 */
function begins(bytes: Buffer, test: (bytes: Buffer) => boolean): boolean {
  let end = Math.min(bytes.length, BEGINNING_BYTES);
  // Not within a character.
  for (let back = 0; back < 3 && end < bytes.length && ((bytes[end] as number) & 0xc0) === 0x80; back++)
    end--;
  return test(bytes.subarray(0, end));
}

/** The record or improper list of which all parts are there. */
function made({ items, tail, record }: Open): unknown {
  if (record !== null) {
    const [module, name, ...fields] = record.names as [Atom, Atom, ...Atom[]];
    return new NativeRecord(
      module,
      name,
      record.exported,
      fields.map((field, at) => [field, items[at]]),
    );
  }
  const end: unknown = tail ? items.pop() : [];
  return items.length === 0 ? end : new ImproperList(items, end);
}
