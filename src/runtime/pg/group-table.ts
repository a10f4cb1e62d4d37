/**
 * The groups of a scope, by name.
 *
 * A group is named by any term that can leave a node, and two names that are one term to Erlang name one group: a string and
 * its UTF-8 bytes, `1` and `1n`, a `Charlist` and the array of its code points, a plain object and a Map with the same
 * entries (`terms/canonical.ts`). One difference: `-0.0` is `0.0`, since they are one group to OTP before 27, whose scope
 * would end if it heard of both.
 *
 * Strings and atoms are found as they are, and short lists and tuples of strings, atoms and whole numbers, such as
 * `['room', 7]` and `{room, 7}`, in maps of maps, one level per element: no work on the name is needed. Every other name goes by
 * its canonical text.
 *
 * Invariant: names that are equal by structure come to the same table, which depends only on what they hold.
 *
 * Limits: a name is nested at most 64 levels deep, has at most 10,000 parts, and its texts, bytes and integers are not longer
 * than 65,536. So no name is too large for the messages that tell other nodes about it.
 */
import { isUtf8 } from 'node:buffer';
import { type TroupeError, badArgument } from '../errors.ts';
import { Pid, Ref } from '../terms/identifiers.ts';
import { hasEqualKeys, termText } from '../terms/canonical.ts';
import {
  Atom,
  atom,
  AtomKeyed,
  BitString,
  Charlist,
  ErlMap,
  ExternalFunction,
  Float,
  ImproperList,
  NativeRecord,
  OpaqueFunction,
  Port,
  Tuple,
} from '../terms/index.ts';
import { Group } from './group.ts';

/** Lists and tuples of more elements go by their text. */
const ELEMENTS_MAX = 4;

type Element = string | number | Atom;
/** Groups on the last level, maps above. */
type Level = Map<Element, Level | Group>;

/** A name that needs no text: what it is found by, and whether it is a list or a tuple of such. */
type Key = string | Atom | Sequence;
interface Sequence {
  readonly isTuple: boolean;
  readonly elements: readonly Element[];
}

/** All groups that have members. */
export class GroupTable {
  readonly #byString = new Map<string, Group>();
  readonly #byAtom = new Map<Atom, Group>();
  /** By the number of elements. */
  readonly #byList = levels();
  readonly #byTuple = levels();
  readonly #byText = new Map<string, Group>();

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group. */
  find(name: unknown): Group | undefined {
    if (typeof name === 'string') return this.#byString.get(name);
    const elements = elementsOf(name);
    if (elements !== undefined) {
      return findIn(this.#level(name instanceof Tuple, elements), elements) ?? checkTexts(elements);
    }
    const key = simpleKey(name);
    if (key !== undefined) return this.#findSimple(key);
    const own = ownName(name);
    const plain = simpleKey(own);
    return plain === undefined ? this.#byText.get(textOfName(own)) : this.#findSimple(plain);
  }

  /** The group of a name, made when it does not exist; it must get a member at once. */
  findOrMake(name: unknown): Group {
    const found = this.find(name);
    if (found !== undefined) return found;
    if (typeof name === 'string') {
      checkText(name);
      const made = new Group(name);
      this.#byString.set(name, made);
      return made;
    }
    const elements = elementsOf(name);
    if (elements !== undefined) {
      const isTuple = name instanceof Tuple;
      const own = Object.freeze([...elements]);
      const made = new Group(isTuple ? new Tuple(own) : own);
      addTo(this.#level(isTuple, own), own, made);
      return made;
    }
    const group = new Group(ownName(name));
    const key = simpleKey(group.name);
    if (key === undefined) this.#byText.set(textOfName(group.name), group);
    else if (typeof key === 'string') this.#byString.set(key, group);
    else if (key instanceof Atom) this.#byAtom.set(key, group);
    else addTo(this.#level(key.isTuple, key.elements), key.elements, group);
    return group;
  }

  /** Removes a group that has no members any more. */
  drop({ name }: Group): void {
    const elements = elementsOf(name);
    if (elements !== undefined) {
      dropFrom(this.#level(name instanceof Tuple, elements), elements, 0);
      return;
    }
    const key = simpleKey(name);
    if (key === undefined) this.#byText.delete(textOfName(name));
    else if (typeof key === 'string') this.#byString.delete(key);
    else if (key instanceof Atom) this.#byAtom.delete(key);
    else dropFrom(this.#level(key.isTuple, key.elements), key.elements, 0);
  }

  #findSimple(key: Key): Group | undefined {
    if (typeof key === 'string') return this.#byString.get(key);
    if (key instanceof Atom) return this.#byAtom.get(key);
    return findIn(this.#level(key.isTuple, key.elements), key.elements);
  }

  #level(isTuple: boolean, { length }: readonly Element[]): Level {
    return (isTuple ? this.#byTuple : this.#byList)[length] as Level;
  }

  /** All groups. */
  *all(): IterableIterator<Group> {
    yield* this.#byString.values();
    yield* this.#byAtom.values();
    for (const level of [...this.#byList, ...this.#byTuple]) yield* groupsOf(level);
    yield* this.#byText.values();
  }
}

function levels(): Level[] {
  return Array.from({ length: ELEMENTS_MAX + 1 }, () => new Map());
}

function findIn(level: Level, name: readonly Element[]): Group | undefined {
  let at: Level | Group | undefined = level;
  for (let i = 0; i < name.length; i++) {
    if (at === undefined) return undefined;
    at = (at as Level).get(name[i] as Element);
  }
  return at as Group | undefined;
}

function addTo(first: Level, name: readonly Element[], group: Group): void {
  let level = first;
  const last = name.length - 1;
  for (let i = 0; i < last; i++) {
    const element = name[i] as Element;
    let next = level.get(element) as Level | undefined;
    if (next === undefined) {
      next = new Map();
      level.set(element, next);
    }
    level = next;
  }
  level.set(name[last] as Element, group);
}

/** Removes a name and the levels that it leaves empty. */
function dropFrom(level: Level, name: readonly Element[], depth: number): void {
  const element = name[depth] as Element;
  if (depth < name.length - 1) {
    const next = level.get(element) as Level;
    dropFrom(next, name, depth + 1);
    if (next.size > 0) return;
  }
  level.delete(element);
}

function* groupsOf(level: Level): IterableIterator<Group> {
  for (const value of level.values()) {
    if (value instanceof Group) yield value;
    else yield* groupsOf(value);
  }
}

/** The elements of a list or tuple of one to four strings, atoms and whole numbers; undefined for every other name. */
function elementsOf(name: unknown): readonly Element[] | undefined {
  if (Array.isArray(name)) return simpleElements(name);
  return name instanceof Tuple ? simpleElements(name.elements) : undefined;
}

function simpleElements(list: readonly unknown[]): readonly Element[] | undefined {
  if (list.length === 0 || list.length > ELEMENTS_MAX) return undefined;
  for (let i = 0; i < list.length; i++) {
    const element: unknown = list[i];
    if (typeof element === 'string' || (Number.isSafeInteger(element) && !Object.is(element, -0))) continue;
    if (element instanceof Atom && !isValue(element)) continue;
    const same = elementOf(element);
    return same === undefined ? undefined : simpleElements(list.with(i, same));
  }
  return list as readonly Element[];
}

/** The element that another value is to Erlang, so that its list comes to the same table. */
function elementOf(value: unknown): Element | undefined {
  if (value instanceof Uint8Array) return textOfBytes(value);
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
}

/** What a name that needs no text is found by; undefined for every other. Equal for names that are one term to Erlang. */
function simpleKey(name: unknown): Key | undefined {
  const list = elementsOf(name);
  if (list !== undefined) return { isTuple: name instanceof Tuple, elements: list };
  if (typeof name === 'string' || name instanceof Atom) return name;
  if (name instanceof Uint8Array) return textOfBytes(name);
  if (name instanceof Charlist) {
    const points = simpleElements(codePoints(name));
    return points === undefined ? undefined : { isTuple: false, elements: points };
  }
  return atomOfValue(name);
}

const NIL = atom('nil');
const UNDEFINED = atom('undefined');
const TRUE = atom('true');
const FALSE = atom('false');

/** Whether an atom has a value of its own here: in a list such a name goes by its text, which is the same for both. */
function isValue(name: Atom): boolean {
  return name === TRUE || name === FALSE || name === NIL || name === UNDEFINED;
}

/** The atom that has a value of its own here. */
function atomOfValue(value: unknown): Atom | undefined {
  if (value === null) return NIL;
  if (value === undefined) return UNDEFINED;
  if (typeof value !== 'boolean') return undefined;
  return value ? TRUE : FALSE;
}

/** Checks the texts of a name that is in no table. @throws TroupeError TROUPE_BAD_ARGUMENT when it cannot name a group. */
function checkTexts(list: readonly unknown[]): undefined {
  let size = 0;
  for (const element of list) {
    if (typeof element !== 'string') continue;
    checkText(element);
    size += element.length;
  }
  if (size > MAX_GROUP_SIZE) throw tooLarge();
}

// ---- names ----

/** How deep the name of a group may be nested. */
export const MAX_GROUP_DEPTH = 64;
/** How many values the name of a group may hold. */
export const MAX_GROUP_PARTS = 10_000;
/** How many characters and bytes the name of a group may hold. */
export const MAX_GROUP_SIZE = 65_536;

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/** @throws TroupeError TROUPE_BAD_ARGUMENT when the string could not leave the node. */
function checkText(text: string): void {
  if (text.length > MAX_GROUP_SIZE) throw tooLarge();
  if (LONE_SURROGATE.test(text)) throw bad('a string with half a surrogate pair');
}

/** The text of some bytes in UTF-8, or undefined when they are not UTF-8. */
function textOfBytes(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? bufferOf(bytes).toString() : undefined;
}

/** The code points of a charlist: Erlang's form of it. */
function codePoints({ text }: Charlist): readonly number[] {
  checkText(text);
  return Array.from(text, (character) => character.codePointAt(0) as number);
}

/**
 * A copy of a group's name that no other code can change; bytes that are text are the string.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group, such as a function or an object within itself.
 */
export function ownName(group: unknown): unknown {
  const text = group instanceof Uint8Array ? textOfBytes(group) : undefined;
  if (text !== undefined) checkText(text);
  return text ?? new Copier().copy(group, 0);
}

/**
 * The canonical text of a group's name.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group.
 */
export function canonicalText(group: unknown): string {
  return textOfName(new Copier().copy(group, 0));
}

/** The canonical text of a name that is a copy of its own. */
function textOfName(name: unknown): string {
  return termText([name]);
}

/** Copies names, and checks that they can leave the node. */
class Copier {
  #parts = 0;
  #size = 0;

  copy(value: unknown, depth: number): unknown {
    this.#count(1);
    switch (typeof value) {
      case 'string':
        checkText(value);
        this.#measure(value.length);
        return value;
      case 'number':
        return copyNumber(value);
      case 'bigint':
        this.#measure(value.toString(16).length / 2);
        return value;
      case 'boolean':
      case 'undefined':
        return value;
      case 'object':
        return value === null ? null : this.#object(value, depth + 1);
      case 'function':
      case 'symbol':
      default:
        throw bad(`a ${typeof value}`);
    }
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts > MAX_GROUP_PARTS) throw bad(`more than ${MAX_GROUP_PARTS} values`);
  }

  #measure(size: number): void {
    this.#size += size;
    if (this.#size > MAX_GROUP_SIZE) throw tooLarge();
  }

  #object(value: object, depth: number): unknown {
    if (depth > MAX_GROUP_DEPTH) {
      throw bad(`something nested deeper than ${MAX_GROUP_DEPTH} levels, or within itself`);
    }
    if (Array.isArray(value)) return this.#all(value, depth);
    if (value instanceof Tuple) return new Tuple(this.#all(value.elements, depth));
    if (value instanceof Map) return this.#map(value, depth);
    if (value instanceof ImproperList) return this.#improper(value, depth);
    if (value instanceof AtomKeyed) return new AtomKeyed(this.#plain(value.object, depth));
    if (value instanceof NativeRecord) {
      const fields = value.fields.map(([name, item]) => [name, this.copy(item, depth)] as const);
      return new NativeRecord(value.module, value.name, value.exported, fields);
    }
    if (value instanceof Charlist) this.#count(codePoints(value).length);
    if (value instanceof Uint8Array) this.#measure(value.length);
    if (value instanceof BitString) this.#measure(value.bytes.length);
    if (value instanceof OpaqueFunction) this.#measure(value.raw.length);
    return copySimple(value) ?? this.#plain(value, depth);
  }

  #all(items: readonly unknown[], depth: number): readonly unknown[] {
    if (Object.keys(items).length !== items.length)
      throw bad('an array with holes or with fields of its own');
    return Object.freeze(items.map((item) => this.copy(item, depth)));
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): Map<unknown, unknown> {
    const entries = Array.from(
      map,
      ([key, item]) => [this.copy(key, depth), this.copy(item, depth)] as const,
    );
    const copied = new Map(entries);
    if (copied.size < entries.length || hasEqualKeys(copied)) throw bad('a Map with one key twice');
    return map instanceof ErlMap ? new ErlMap(entries) : copied;
  }

  /** A tail that is a list makes one list of the two. */
  #improper({ items, tail }: ImproperList, depth: number): unknown {
    if (items.length === 0) throw bad('an improper list without items');
    const head = this.#all(items, depth);
    const rest = this.copy(tail, depth);
    if (rest instanceof ImproperList) return new ImproperList([...head, ...rest.items], rest.tail);
    if (rest instanceof Charlist) return Object.freeze([...head, ...codePoints(rest)]);
    return Array.isArray(rest)
      ? Object.freeze([...head, ...(rest as unknown[])])
      : new ImproperList(head, rest);
  }

  #plain(value: object, depth: number): Readonly<Record<string, unknown>> {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw bad(`an instance of ${value.constructor.name}`);
    }
    if (Object.getOwnPropertySymbols(value).length > 0) throw bad('an object with a symbol for a key');
    const entries = Object.entries(value).map(
      ([key, item]) => [this.copy(key, depth), this.copy(item, depth)] as [string, unknown],
    );
    return Object.freeze(Object.fromEntries(entries));
  }
}

/** Copies a value that holds no others; undefined for one that does. */
function copySimple(value: object): object | number | undefined {
  if (value instanceof Pid || value instanceof Ref || value instanceof Atom || value instanceof Port)
    return value;
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (value instanceof Float) return copyFloat(value.value);
  if (value instanceof BitString) return copyBits(value);
  if (value instanceof OpaqueFunction) return new OpaqueFunction(Uint8Array.from(value.raw));
  if (value instanceof Charlist || value instanceof ExternalFunction) return value;
  return undefined;
}

function copyNumber(value: number): number | Float {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return value;
  if (Number.isInteger(value) && value !== 0) throw bad(`the number ${value}`);
  return copyFloat(value);
}

function copyFloat(value: number): number | Float {
  if (!Number.isFinite(value)) throw bad(`the number ${value}`);
  // `-0` becomes `0`.
  return Number.isInteger(value) ? new Float(value + 0) : value;
}

/** Unused bits of the last byte become 0. */
function copyBits({ bytes, bits }: BitString): BitString {
  if (bytes.length === 0 || !(bits >= 1 && bits <= 7)) throw bad('a BitString that has no such bits');
  const copied = Uint8Array.from(bytes);
  const last = copied.length - 1;
  copied[last] = (copied[last] as number) & (0xff00 >> bits);
  return new BitString(copied, bits);
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function tooLarge(): TroupeError {
  return bad(`more than ${MAX_GROUP_SIZE} characters and bytes`);
}

function bad(what: string): TroupeError {
  return badArgument(`The name of a group holds ${what}.`);
}
