/**
 * Groups are named by any value that can leave a node, and two values that are equal by structure name one group.
 *
 * A string is its own key. Every other value gets a canonical text, the same for equal values and different for
 * different ones: `1` and `'1'` differ, `1` and `1n` do not (they are one integer to the other nodes), pids and refs
 * count by value, a plain object and a Map with the same string keys are one value, and the order of keys is of no
 * account. Strings and texts live in different tables, so they cannot meet.
 *
 * Limits: a name is nested at most 64 levels deep and has at most 10,000 parts.
 */
import { TroupeError } from '../errors.ts';
import { Pid } from '../process/pid.ts';
import { Ref } from '../process/ref.ts';

/** How deep the name of a group may be nested. */
export const MAX_GROUP_DEPTH = 64;
/** How many values the name of a group may hold. */
export const MAX_GROUP_PARTS = 10_000;

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/** @throws TroupeError TROUPE_BAD_ARGUMENT when the string could not leave the node. */
export function checkText(text: string): void {
  if (LONE_SURROGATE.test(text)) throw bad('a string with half a surrogate pair');
}

/**
 * The canonical text of a group's name that is not a string.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group, such as a function or an object within itself.
 */
export function canonicalText(group: unknown): string {
  return new Writer().write(group, 0);
}

/** A copy of a group's name that nobody else can change. */
export function ownCopy(group: unknown): unknown {
  if (typeof group !== 'object' || group === null || group instanceof Pid || group instanceof Ref)
    return group;
  if (group instanceof Uint8Array) return Uint8Array.from(group);
  if (Array.isArray(group)) return Object.freeze(group.map(ownCopy));
  if (group instanceof Map) return new Map([...group].map(([key, value]) => [ownCopy(key), ownCopy(value)]));
  return Object.freeze(
    Object.fromEntries(Object.entries(group).map(([key, value]) => [key, ownCopy(value)])),
  );
}

class Writer {
  #parts = 0;

  write(value: unknown, depth: number): string {
    if (++this.#parts > MAX_GROUP_PARTS) throw bad(`more than ${MAX_GROUP_PARTS} values`);
    switch (typeof value) {
      case 'string':
        checkText(value);
        return sized('s', value);
      case 'number':
        if (Number.isSafeInteger(value)) return `i${value};`;
        if (!Number.isFinite(value) || Number.isInteger(value)) throw bad(`the number ${value}`);
        return `f${value};`;
      case 'bigint':
        return `i${value};`;
      case 'boolean':
        return value ? 't' : 'f';
      case 'undefined':
        return 'u';
      case 'object':
        return value === null ? 'n' : this.#object(value, depth + 1);
      case 'function':
      case 'symbol':
      default:
        throw bad(`a ${typeof value}`);
    }
  }

  #object(value: object, depth: number): string {
    if (value instanceof Pid) return sized('p', value.key);
    if (value instanceof Ref) return sized('r', value.key);
    if (value instanceof Uint8Array) return sized('b', Buffer.from(value).toString('latin1'));
    if (depth > MAX_GROUP_DEPTH) {
      throw bad(`something nested deeper than ${MAX_GROUP_DEPTH} levels, or within itself`);
    }
    if (Array.isArray(value)) {
      // Not by `map`, which passes over holes.
      return `[${Array.from(value, (item) => this.write(item, depth)).join('')}]`;
    }
    const entries = value instanceof Map ? [...value] : plainEntries(value);
    const texts = entries.map(([key, item]) => [this.write(key, depth), this.write(item, depth)] as const);
    texts.sort(([a], [b]) => (a < b ? -1 : 1));
    if (texts.some(([key], index) => key === texts[index + 1]?.[0])) throw bad('a Map with one key twice');
    return `{${texts.map((pair) => pair.join('')).join('')}}`;
  }
}

function plainEntries(value: object): Array<[unknown, unknown]> {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw bad(`an instance of ${value.constructor.name}`);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) throw bad('an object with a symbol for a key');
  return Object.entries(value);
}

/** Its length before it keeps a text from running into what follows. */
function sized(tag: string, text: string): string {
  return `${tag}${text.length}:${text}`;
}

function bad(what: string): TroupeError {
  return new TroupeError('TROUPE_BAD_ARGUMENT', `The name of a group holds ${what}.`);
}
