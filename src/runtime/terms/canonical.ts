/**
 * Which values are one term to Erlang, and `ErlMap`, whose keys are compared by that.
 *
 * `1` and `1n` are one term, `1` and `float(1)` are two. A string and its UTF-8 bytes are one, as are a `Charlist` and the
 * array of its code points, an object and a Map with the same entries, `true` and the atom of that name. A value that no
 * term holds, such as a function, is equal to nothing but itself.
 *
 * A JavaScript Map compares objects by identity, so that a newly made tuple never finds anything in it. An `ErlMap` compares
 * keys as Erlang does, by structure: `map.get(tuple(1, 2))` finds what `map.set(tuple(1, 2), …)` stored. It iterates in the order
 * of insertion. It keeps keys as they were first given, but a bigint within 2^53 as the number, `-0` as `Float`, bytes that are
 * UTF-8 as the string, and the atoms `true`, `false`, `nil` and `undefined` as the values. An object must not change while it is
 * a key.
 *
 * Limits: a key is nested at most 512 levels deep, and has at most 100,000 parts.
 */
import { isUtf8 } from 'node:buffer';
import { TroupeError, badArgument } from '../errors.ts';
import { Atom, AtomKeyed } from './atom.ts';
import { formatTerm } from './format.ts';
import { Pid, Port, Ref } from './identifiers.ts';
import {
  BitString,
  Charlist,
  ExternalFunction,
  Float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Tuple,
} from './values.ts';

/** How deep a key may be nested. */
const MAX_KEY_DEPTH = 512;
/** How many values a key may hold. */
const MAX_KEY_PARTS = 100_000;

/** The atoms that are values of JavaScript. */
const PLAIN_ATOMS: ReadonlyMap<string, boolean | null | undefined> = new Map([
  ['true', true],
  ['false', false],
  ['nil', null],
  ['undefined', undefined],
]);

/** What an atom is here: true, false, null and undefined for the atoms of these names, otherwise the atom. */
function plainAtom(atom: Atom): Atom | boolean | null | undefined {
  return PLAIN_ATOMS.has(atom.name) ? PLAIN_ATOMS.get(atom.name) : atom;
}

/**
 * A key in its plainest form. To a Map, atoms and keys that are not objects are equal when they are one term;
 * compare the others by their {@link termText}.
 */
function plainKey(key: unknown): unknown {
  switch (typeof key) {
    case 'number':
      // A Map takes -0 for 0.
      return key === 0 && Object.is(key, -0) ? new Float(-0) : key;
    case 'bigint':
      return Number.isSafeInteger(Number(key)) ? Number(key) : key;
    case 'object':
      if (key === null) return null;
      if (key instanceof Atom) return plainAtom(key);
      if (key instanceof Float) return Number.isInteger(key.value) ? key : key.value;
      if (key instanceof Uint8Array && isUtf8(key)) return Buffer.from(key).toString();
      return key;
    default:
      return key;
  }
}

/** Whether a plain key is its own identity in a Map; the others are compared by their text. */
function isSimpleKey(plain: unknown): boolean {
  return typeof plain !== 'object' || plain === null || plain instanceof Atom;
}

/**
 * @internal True when two keys of a map are one term, which no map of Erlang may have. `0.0` and `-0.0` count as one here:
 * they are to OTP 26 and before, and a node that finds them both in a message cuts the connection.
 */
export function hasEqualKeys(map: ReadonlyMap<unknown, unknown>): boolean {
  if (map.size < 2 || !needsComparison(map)) return false;
  const simple = new Set<unknown>();
  const texts = new Set<string>();
  for (const key of map.keys()) {
    const plain = plainKey(key);
    if (isSimpleKey(plain)) simple.add(plain);
    else texts.add(new TextWriter(true).write(plain, 0));
  }
  return simple.size + texts.size < map.size;
}

/** False when all keys are of kinds of which no two are one term. */
function needsComparison(map: ReadonlyMap<unknown, unknown>): boolean {
  for (const key of map.keys()) {
    if (typeof key === 'string' || typeof key === 'number') continue;
    if (!(key instanceof Atom) || PLAIN_ATOMS.has(key.name)) return true;
  }
  return false;
}

/**
 * @internal A text that is the same for equal terms and different for others.
 * @throws TroupeError TROUPE_BAD_ARGUMENT when a limit is reached, or the value holds something that is not a term.
 */
export function termText(value: object): string {
  return new TextWriter(false).write(value, 0);
}

/** @internal Whether two values are one term. A value that no term holds, and one beyond the limits, is the same as no other. */
export function isSameTerm(one: unknown, other: unknown): boolean {
  const plain = plainKey(one);
  const otherPlain = plainKey(other);
  if (isSimpleKey(plain) || isSimpleKey(otherPlain)) return Object.is(plain, otherPlain);
  try {
    return termText(plain as object) === termText(otherPlain as object);
  } catch (error) {
    if (error instanceof TroupeError && error.code === 'TROUPE_BAD_ARGUMENT') return false;
    throw error;
  }
}

class TextWriter {
  readonly #oneZero: boolean;
  #parts = 0;

  /** @param oneZero whether `0.0` and `-0.0` are one term. */
  constructor(oneZero: boolean) {
    this.#oneZero = oneZero;
  }

  write(value: unknown, depth: number): string {
    if (++this.#parts > MAX_KEY_PARTS) throw bad(`more than ${MAX_KEY_PARTS} values`);
    switch (typeof value) {
      case 'string':
        return sized('s', value);
      case 'number':
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? `i${value};` : this.#float(value);
      case 'bigint':
        // Large ones take very long to be written with decimal digits.
        return Number.isSafeInteger(Number(value)) ? `i${value};` : `x${value.toString(16)};`;
      case 'boolean':
      case 'undefined':
        return sized('a', String(value));
      case 'object':
        return value === null ? sized('a', 'nil') : this.#object(value, depth + 1);
      case 'function':
      case 'symbol':
      default:
        throw bad(`a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): string {
    if (value instanceof Atom) return sized('a', value.name);
    if (value instanceof Pid) return sized('p', value.key);
    if (value instanceof Ref) return sized('r', value.key);
    if (value instanceof Float) return this.#float(value.value);
    if (value instanceof Uint8Array) return bytesText(value);
    if (depth > MAX_KEY_DEPTH) {
      throw bad(`something nested deeper than ${MAX_KEY_DEPTH} levels, or within itself`);
    }
    if (value instanceof Tuple) return `t${this.#list(value.elements, depth)}`;
    if (Array.isArray(value)) return `l${this.#list(value, depth)}`;
    if (value instanceof Charlist) return `l${this.#list(codePoints(value.text), depth)}`;
    if (value instanceof Map) return this.#map([...value], depth);
    if (value instanceof AtomKeyed) return this.#keyed(value, depth);
    return this.#rare(value, depth);
  }

  #rare(value: object, depth: number): string {
    if (value instanceof ImproperList) {
      return `L${this.#list(value.items, depth)}${this.write(value.tail, depth)}`;
    }
    if (value instanceof BitString) return `B${value.bits}${sized('', latin1(value.bytes))}`;
    if (value instanceof Port) return sized('o', value.key);
    if (value instanceof ExternalFunction) {
      return `e${value.arity}${sized('a', value.module.name)}${sized('a', value.name.name)}`;
    }
    if (value instanceof OpaqueFunction) return sized('c', latin1(value.raw));
    if (value instanceof NativeRecord) {
      return `n${value.exported}${sized('a', value.module.name)}${sized('a', value.name.name)}${this.#list(value.fields, depth)}`;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw bad(`an instance of ${value.constructor.name}`);
    }
    if (Object.getOwnPropertySymbols(value).length > 0) throw bad('an object with a symbol for a key');
    return this.#map(Object.entries(value), depth);
  }

  #float(value: number): string {
    return Object.is(value, -0) && !this.#oneZero ? 'f-0;' : `f${value};`;
  }

  #list(items: readonly unknown[], depth: number): string {
    let text = '[';
    for (let at = 0; at < items.length; at++) text += this.write(items[at], depth);
    return `${text}]`;
  }

  #keyed({ object }: AtomKeyed, depth: number): string {
    return this.#pairs(
      Object.entries(object).map(([key, value]) => [sized('a', key), this.write(value, depth)]),
    );
  }

  #map(entries: ReadonlyArray<readonly [unknown, unknown]>, depth: number): string {
    return this.#pairs(entries.map(([key, value]) => [this.write(key, depth), this.write(value, depth)]));
  }

  #pairs(pairs: Array<[key: string, value: string]>): string {
    pairs.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${pairs.map((pair) => pair.join('')).join('')}}`;
  }
}

function bytesText(value: Uint8Array): string {
  return isUtf8(value) ? sized('s', Buffer.from(value).toString()) : sized('b', latin1(value));
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) as number);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** Its length before it keeps a text from running into what follows. */
function sized(tag: string, text: string): string {
  return `${tag}${text.length}:${text}`;
}

function bad(what: string): TroupeError {
  return badArgument(`A key of a map holds ${what}.`);
}

// ---- maps ----

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A map whose keys are compared by structure, as Erlang's are. */
export class ErlMap<Key = unknown, Value = unknown> extends Map<Key, Value> {
  /** For the text of each key that is compared by it, the key. */
  #compound: Map<string, Key> | undefined = undefined;

  constructor(entries?: Iterable<readonly [Key, Value]> | null) {
    super();
    if (entries != null) for (const [key, value] of entries) this.set(key, value);
  }

  override get(key: Key): Value | undefined {
    const plain = plainKey(key) as Key;
    return super.get(isSimpleKey(plain) ? plain : this.#known(plain));
  }

  override has(key: Key): boolean {
    const plain = plainKey(key) as Key;
    if (isSimpleKey(plain)) return super.has(plain);
    return this.#compound?.has(termText(plain as object)) ?? false;
  }

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for a key that holds something that is not a term, such as a function. */
  override set(key: Key, value: Value): this {
    const plain = plainKey(key) as Key;
    if (isSimpleKey(plain)) return super.set(plain, value);
    const text = termText(plain as object);
    this.#compound ??= new Map();
    const known = this.#compound.get(text);
    if (known !== undefined) return super.set(known, value);
    this.#compound.set(text, plain);
    return super.set(plain, value);
  }

  /** @internal As `set`, for a key that is plain and simple: see `canonical.ts`. */
  setSimple(key: Key, value: Value): void {
    super.set(key, value);
  }

  override delete(key: Key): boolean {
    const plain = plainKey(key) as Key;
    if (isSimpleKey(plain)) return super.delete(plain);
    const text = termText(plain as object);
    const known = this.#compound?.get(text);
    if (known === undefined) return false;
    this.#compound?.delete(text);
    return super.delete(known);
  }

  override clear(): void {
    this.#compound = undefined;
    super.clear();
  }

  /** The key of this map that is the same term as the given object; without one, the given object, which is not a key. */
  #known(plain: Key): Key {
    return this.#compound?.get(termText(plain as object)) ?? plain;
  }

  /** As Erlang prints it. */
  override toString(): string {
    return formatTerm(this);
  }

  [inspect](): string {
    return this.toString();
  }
}
