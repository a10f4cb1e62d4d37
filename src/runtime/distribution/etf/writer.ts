/**
 * Writes terms in the External Term Format, as the protocol between nodes wants them: without the version byte, and never
 * compressed. The mapping is in docs/adr/0011-terms.md.
 *
 * Invariants: what cannot be sent throws TROUPE_NOT_ENCODABLE with the path to it, and then nothing was written: `length` is
 * as it was before. Every value written is a term that a BEAM node reads; any other would cost the whole connection there.
 *
 * Of an array only the elements are sent, of an object what `Object.keys` lists; an object with symbols for keys is refused.
 *
 * Limits: depth, number of values and bytes, see {@link EncodeLimits}.
 */
import { TroupeError } from '../../errors.ts';
import { Pid, Port, Ref } from '../../terms/identifiers.ts';
import { Atom, AtomKeyed } from '../../terms/atom.ts';
import { hasEqualKeys } from '../../terms/canonical.ts';
import {
  BitString,
  Charlist,
  ExternalFunction,
  Float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Tuple,
} from '../../terms/values.ts';
import { formOf } from '../../terms/forms.ts';
import { describeError, isReasonWord, reasonAtom } from '../../terms/reasons.ts';
import { ScalarWriter } from './scalar-writer.ts';
import { BIT_BINARY, EXPORT, LIST, MAP, NIL, RECORD, STRING } from './tags.ts';

/** How large a term may be. */
export interface EncodeLimits {
  /** How deep values may be nested. Default 512. */
  readonly maxDepth: number;
  /** How many values a term may hold, counting each element, key and value. Default 16,777,216. */
  readonly maxValues: number;
  /** How many bytes the writer may hold at a time. Default 134,217,728. */
  readonly maxBytes: number;
  /** Whether native records may be sent; only to a node that has them. Default false. */
  readonly nativeRecords: boolean;
  /**
   * Whether bytes are distinguished from a text of the same bytes, by the form of a bitstring (see docs/adr/0011-terms.md). It is the
   * same binary to a BEAM node, but `ei_decode_binary` of a C node refuses it. Default true.
   */
  readonly exactBytes: boolean;
}

/** The limits of a term that is sent. */
export const defaultEncodeLimits: EncodeLimits = {
  maxDepth: 512,
  maxValues: 16_777_216,
  maxBytes: 128 * 1024 * 1024,
  nativeRecords: false,
  exactBytes: true,
};

const INITIAL_BYTES = 16_384;
const MAX_STRING = 65_535;
/** How many steps of a path are shown. */
const SHOWN_STEPS = 20;
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * Writes the instances of classes that a layer above knows and that are not terms; it gives them a form with `opens`, `part` and the
 * like.
 * @returns false for any other instance; then nothing was written.
 */
export type WriteInstance = (writer: TermWriter, value: object, prototype: unknown, depth: number) => boolean;

/** Writes terms. One writer serves one connection, and is used again for every message. */
export class TermWriter extends ScalarWriter {
  readonly #maxDepth: number;
  readonly #maxValues: number;
  readonly #nativeRecords: boolean;
  readonly #instances: WriteInstance | undefined;
  protected readonly exactBytes: boolean;
  /** How many values may still be written. */
  #left = 0;
  /** Where in each of the values that are being written the next one stands: an index or a key. */
  readonly #path: unknown[] = [];
  /** How deep the value is that is being written, for the path of an error. */
  #depth = 0;
  /** The keys of objects that are atoms. */
  #atomKeys: ReadonlyMap<string, Atom> | null = null;
  /** Whether an Error is described instead of refused: within an exit reason. */
  #describes = false;
  #busy = false;
  #disturbed = false;

  /** @param instances writes values that are not terms; without it they are refused. */
  constructor(
    limits: Partial<EncodeLimits> = {},
    initialBytes: number = INITIAL_BYTES,
    instances?: WriteInstance,
  ) {
    const all = { ...defaultEncodeLimits, ...limits };
    super(initialBytes, all.maxBytes);
    this.#maxDepth = all.maxDepth;
    this.#maxValues = all.maxValues;
    this.#nativeRecords = all.nativeRecords;
    this.exactBytes = all.exactBytes;
    this.#instances = instances;
  }

  /**
   * Writes a term.
   * @throws TroupeError TROUPE_NOT_ENCODABLE; then nothing was written. What a getter of the value throws passes through.
   */
  term(value: unknown): void {
    this.#whole(value, false);
  }

  /**
   * Writes an exit reason: words are atoms, arrays that begin with one are tuples, and Errors are described.
   * @throws TroupeError TROUPE_NOT_ENCODABLE; then nothing was written.
   */
  reason(value: unknown): void {
    this.#whole(value, true);
  }

  #whole(value: unknown, isReason: boolean): void {
    if (this.#busy) {
      // Code of the value itself sends: what it wrote stands in the middle of another message, which is given up.
      this.#disturbed = true;
      throw new TroupeError('TROUPE_NOT_ENCODABLE', 'A getter of a message sends another message.');
    }
    const start = this.length;
    this.#busy = true;
    this.#left = this.#maxValues;
    let done = false;
    try {
      if (isReason) this.#reason(value, 0);
      else this.#value(value, 0);
      if (this.#disturbed) throw this.refused('a getter that sends another message');
      done = true;
    } finally {
      if (!done) this.#takeBack(start);
      this.#busy = false;
    }
  }

  #takeBack(start: number): void {
    this.length = start;
    this.#atomKeys = null;
    this.#describes = false;
    this.#disturbed = false;
    this.#path.length = 0;
    this.#depth = 0;
  }

  // ---- for those who write instances ----

  /** Counts the values of an instance. @throws TroupeError when it is nested too deeply, or there are too many. */
  opens(values: number, depth: number): void {
    this.#enter(depth);
    this.#take(values);
  }

  /** Writes a value that is part of an instance. */
  part(key: string | number, value: unknown, depth: number): void {
    this.#enter(depth);
    this.#path[depth] = key;
    this.#value(value, depth + 1);
  }

  /** Writes an exit reason that is part of an instance. */
  reasonPart(key: string, value: unknown, depth: number): void {
    this.#enter(depth);
    this.#path[depth] = key;
    this.#reason(value, depth + 1);
  }

  /** Writes a part in which some keys of objects, at any depth, are atoms. */
  keyedPart(key: string, value: unknown, atomKeys: ReadonlyMap<string, Atom>, depth: number): void {
    const before = this.#atomKeys;
    this.#atomKeys = atomKeys.size === 0 ? null : atomKeys;
    this.part(key, value, depth);
    this.#atomKeys = before;
  }

  /** Writes a text as a list of code points. */
  text(text: string): void {
    this.charlist(text);
  }

  #reason(value: unknown, depth: number): void {
    const described = this.#describes;
    this.#describes = true;
    if (typeof value === 'string') {
      const word = reasonAtom(value);
      if (word === undefined) this.binary(value);
      else this.atom(word);
    } else if (Array.isArray(value) && typeof value[0] === 'string' && isReasonWord(value[0])) {
      this.#enter(depth);
      this.#take(value.length);
      this.tupleHeader(value.length);
      for (let at = 0; at < value.length; at++) {
        this.#path[depth] = at;
        if (!(at in value)) throw this.#refusedAt(depth + 1, 'an array with holes');
        this.#reason(value[at], depth + 1);
      }
    } else {
      this.#value(value, depth);
    }
    this.#describes = described;
  }

  #value(value: unknown, depth: number): void {
    this.#depth = depth;
    switch (typeof value) {
      case 'string':
        return this.binary(value);
      case 'number':
        return this.number(value);
      case 'object':
        return value === null ? this.atomName('nil') : this.#object(value, depth);
      case 'boolean':
        return this.atomName(value ? 'true' : 'false');
      case 'undefined':
        return this.atomName('undefined');
      case 'bigint':
        return this.bigint(value);
      case 'function':
      case 'symbol':
      default:
        throw this.refused(`a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#plain(value as Record<string, unknown>, depth);
    if (prototype === Atom.prototype) return this.atom(value as Atom);
    if (prototype === Pid.prototype) return this.pid(value as Pid);
    if (Array.isArray(value)) return this.#array(value, depth);
    if (prototype === Tuple.prototype) return this.#tuple((value as Tuple).elements, depth);
    if (this.#instances?.(this, value, prototype, depth) === true) return;
    const form = formOf(value);
    if (form !== undefined) return this.#tuple(form.elements, depth);
    if (value instanceof Ref) return this.ref(value);
    if (value instanceof Float) return this.float(value.value);
    if (value instanceof Charlist) {
      this.#take(value.text.length);
      return this.charlist(value.text);
    }
    if (value instanceof Uint8Array) return this.byteString(value);
    if (value instanceof Map) return this.#map(value, depth);
    if (value instanceof AtomKeyed) return this.#keyed(value.object, depth);
    if (prototype === null) return this.#plain(value as Record<string, unknown>, depth);
    this.#rare(value, depth);
  }

  #rare(value: object, depth: number): void {
    if (value instanceof ImproperList) return this.#improper(value, depth);
    if (value instanceof BitString) return this.#bits(value);
    if (value instanceof Tuple) return this.#tuple(value.elements, depth);
    if (value instanceof Port) return this.port(value);
    if (value instanceof ExternalFunction) {
      this.u8(EXPORT);
      this.atom(value.module);
      this.atom(value.name);
      this.int(value.arity);
      return;
    }
    if (value instanceof OpaqueFunction) return this.bytes(value.raw);
    if (value instanceof NativeRecord && this.#nativeRecords) return this.#native(value, depth);
    if (this.#describes && value instanceof Error) return this.#plain(describeWell(value), depth);
    throw this.refused(`an instance of ${value.constructor?.name ?? 'a class'}`);
  }

  #plain(object: Readonly<Record<string, unknown>>, depth: number): void {
    this.#enter(depth);
    const keys = Object.keys(object);
    if (Object.getOwnPropertySymbols(object).length > 0)
      throw this.refused('an object with a symbol for a key');
    const count = keys.length;
    this.#take(2 * count);
    this.tagged(MAP, count);
    const atomKeys = this.#atomKeys;
    for (let at = 0; at < count; at++) {
      const key = keys[at] as string;
      this.#path[depth] = key;
      this.#depth = depth + 1;
      const name = atomKeys === null ? undefined : atomKeys.get(key);
      if (name === undefined) this.binary(key);
      else this.atom(name);
      this.#value(object[key], depth + 1);
    }
  }

  #keyed(object: Readonly<Record<string, unknown>>, depth: number): void {
    this.#enter(depth);
    const keys = Object.keys(object);
    this.#take(2 * keys.length);
    this.tagged(MAP, keys.length);
    for (const key of keys) {
      this.#path[depth] = key;
      this.#depth = depth + 1;
      this.atomName(key);
      this.#value(object[key], depth + 1);
    }
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.#enter(depth);
    if (this.#hasEqualKeys(map)) throw this.refused('a map with a key twice');
    const count = map.size;
    this.#take(2 * count);
    this.tagged(MAP, count);
    let written = 0;
    const atomKeys = this.#atomKeys;
    for (const [key, value] of map) {
      this.#path[depth] = typeof key === 'object' && !(key instanceof Atom) ? 'key' : key;
      // The keys say themselves what they are, also where they hold objects.
      this.#atomKeys = null;
      this.#value(key, depth + 1);
      this.#atomKeys = atomKeys;
      this.#value(value, depth + 1);
      written++;
    }
    // Code of a value has changed the map meanwhile.
    if (written !== count) throw this.#refusedAt(depth, 'a map that changes while it is sent');
  }

  #hasEqualKeys(map: ReadonlyMap<unknown, unknown>): boolean {
    try {
      return hasEqualKeys(map);
    } catch (error) {
      // The key is too large to be compared, or holds something that is not a term: the message of the error says so.
      if (error instanceof TroupeError) throw this.refused(`a map that cannot be sent (${error.message})`);
      throw error;
    }
  }

  #array(list: readonly unknown[], depth: number): void {
    const count = list.length;
    if (count === 0) return this.u8(NIL);
    this.#enter(depth);
    this.#take(count);
    if (count <= MAX_STRING && this.#byteList(list)) return;
    this.tagged(LIST, count);
    this.#elements(list, count, depth);
    this.u8(NIL);
  }

  /** Writes a list of bytes in its short form; false, and nothing written, for any other list. */
  #byteList(list: readonly unknown[]): boolean {
    const count = list.length;
    const first = list[0];
    if (typeof first !== 'number') return false;
    this.ensure(3 + count);
    const { buffer, length } = this;
    for (let at = 0; at < count; at++) {
      const item = list[at];
      if (typeof item !== 'number' || (item & 255) !== item || (item === 0 && Object.is(item, -0)))
        return false;
      buffer[length + 3 + at] = item;
    }
    buffer[length] = STRING;
    buffer[length + 1] = count >>> 8;
    buffer[length + 2] = count;
    this.length = length + 3 + count;
    return true;
  }

  #elements(list: readonly unknown[], count: number, depth: number): void {
    for (let at = 0; at < count; at++) {
      const item = list[at];
      this.#path[depth] = at;
      if (item === undefined && !(at in list)) throw this.#refusedAt(depth + 1, 'an array with holes');
      this.#value(item, depth + 1);
    }
  }

  #tuple(elements: readonly unknown[], depth: number): void {
    const count = elements.length;
    this.#enter(depth);
    this.#take(count);
    this.tupleHeader(count);
    this.#elements(elements, count, depth);
  }

  #improper({ items, tail }: ImproperList, depth: number): void {
    if (
      items.length === 0 ||
      Array.isArray(tail) ||
      tail instanceof Charlist ||
      tail instanceof ImproperList
    ) {
      throw this.refused('an improper list without items, or whose tail is a list');
    }
    this.#enter(depth);
    this.#take(items.length + 1);
    this.tagged(LIST, items.length);
    this.#elements(items, items.length, depth);
    this.#path[depth] = 'tail';
    this.#value(tail, depth + 1);
  }

  #bits({ bytes, bits }: BitString): void {
    if (!Number.isInteger(bits) || bits < 1 || bits > 7 || bytes.length === 0) {
      throw this.refused('a bitstring whose last byte has not 1 to 7 bits');
    }
    this.tagged(BIT_BINARY, bytes.length);
    this.u8(bits);
    this.bytes(bytes);
  }

  #native({ module, name, exported, fields }: NativeRecord, depth: number): void {
    this.#enter(depth);
    this.#take(2 * fields.length);
    this.tagged(RECORD, fields.length);
    this.u8(exported ? 1 : 0);
    this.atom(module);
    this.atom(name);
    for (const [field] of fields) this.atom(field);
    for (const [field, value] of fields) {
      this.#path[depth] = field.name;
      this.#value(value, depth + 1);
    }
  }

  #enter(depth: number): void {
    if (depth >= this.#maxDepth) {
      throw this.#refusedAt(depth, `something nested deeper than ${this.#maxDepth} levels, or within itself`);
    }
  }

  #take(count: number): void {
    this.#left -= count;
    if (this.#left < 0) throw this.refused(`more than ${this.#maxValues} values`);
  }

  #refusedAt(depth: number, what: string): TroupeError {
    this.#depth = depth;
    return this.refused(what);
  }

  protected override refused(what: string): TroupeError {
    const steps = this.#path.slice(0, Math.min(this.#depth, SHOWN_STEPS));
    const where = steps.length === 0 ? '' : ` at ${steps.map(String).join('.')}`;
    return new TroupeError('TROUPE_NOT_ENCODABLE', `The message holds ${what}${where}.`);
  }
}

/** The description of an Error. It is always sent: texts in it that are not valid Unicode are made so. */
function describeWell(error: Error): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(describeError(error)).map(([key, text]) => [
      key,
      LONE_SURROGATE.test(text as string) ? Buffer.from(text as string).toString() : text,
    ]),
  );
}
