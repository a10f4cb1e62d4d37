/**
 * The groups of a scope, by name.
 *
 * Strings and atoms are found as they are, and short lists of strings and whole numbers, such as `['room', 7]`, in maps of
 * maps, one level for each element: all without any work on the name. Every other name goes by its canonical text; see
 * `group-key.ts`.
 *
 * Invariant: names that are equal by structure come to the same table: which one it is depends on what they hold only.
 */
import { Atom, atom } from '../terms/atom.ts';
import { Charlist } from '../terms/values.ts';
import { checkText, codePoints, ownName, textOfBytes, textOfName } from './group-key.ts';
import { Group } from './group.ts';

/** Lists of more elements go by their text. */
const LIST_MAX = 4;

type Element = string | number;
/** Groups on the last level, maps above. */
type Level = Map<Element, Level | Group>;

type Key = string | Atom | readonly Element[];

/** All groups that have members. */
export class GroupTable {
  readonly #byString = new Map<string, Group>();
  readonly #byAtom = new Map<Atom, Group>();
  /** By the number of elements. */
  readonly #byList: Level[] = Array.from({ length: LIST_MAX + 1 }, () => new Map());
  readonly #byText = new Map<string, Group>();

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group. */
  find(name: unknown): Group | undefined {
    if (typeof name === 'string') return this.#byString.get(name);
    const list = listOf(name);
    if (list !== undefined) return this.#findList(list) ?? checkTexts(list);
    const key = simpleKey(name);
    if (key !== undefined) return this.#findSimple(key);
    const own = ownName(name);
    const plain = simpleKey(own);
    return plain === undefined ? this.#byText.get(textOfName(own)) : this.#findSimple(plain);
  }

  /** The group of a name, made when there is none; it must get a member at once. */
  findOrMake(name: unknown): Group {
    const found = this.find(name);
    if (found !== undefined) return found;
    if (typeof name === 'string') {
      checkText(name);
      const made = new Group(name);
      this.#byString.set(name, made);
      return made;
    }
    const list = listOf(name);
    const group = new Group(list === undefined ? ownName(name) : Object.freeze([...list]));
    const key = list ?? simpleKey(group.name);
    if (key === undefined) this.#byText.set(textOfName(group.name), group);
    else if (typeof key === 'string') this.#byString.set(key, group);
    else if (key instanceof Atom) this.#byAtom.set(key, group);
    else this.#addList(key, group);
    return group;
  }

  /** Removes a group that has no members any more. */
  drop({ name }: Group): void {
    const key = simpleKey(name);
    if (key === undefined) this.#byText.delete(textOfName(name));
    else if (typeof key === 'string') this.#byString.delete(key);
    else if (key instanceof Atom) this.#byAtom.delete(key);
    else dropList(this.#byList[key.length] as Level, key, 0);
  }

  #findSimple(key: Key): Group | undefined {
    if (typeof key === 'string') return this.#byString.get(key);
    return key instanceof Atom ? this.#byAtom.get(key) : this.#findList(key);
  }

  /** All groups. */
  *all(): IterableIterator<Group> {
    yield* this.#byString.values();
    yield* this.#byAtom.values();
    for (const level of this.#byList) yield* groupsOf(level);
    yield* this.#byText.values();
  }

  #findList(name: readonly Element[]): Group | undefined {
    let at: Level | Group | undefined = this.#byList[name.length];
    for (let i = 0; i < name.length; i++) {
      if (at === undefined) return undefined;
      at = (at as Level).get(name[i] as Element);
    }
    return at as Group | undefined;
  }

  #addList(name: readonly Element[], group: Group): void {
    let level = this.#byList[name.length] as Level;
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
}

/** The name as a list of one to four strings and whole numbers, or undefined when it is none. */
function listOf(name: unknown): readonly Element[] | undefined {
  if (!Array.isArray(name) || name.length === 0 || name.length > LIST_MAX) return undefined;
  for (let i = 0; i < name.length; i++) {
    const element: unknown = name[i];
    if (typeof element === 'string' || (Number.isSafeInteger(element) && !Object.is(element, -0))) continue;
    const same = elementOf(element);
    return same === undefined ? undefined : listOf(name.with(i, same));
  }
  return name as readonly Element[];
}

/** The string or number that another value is to Erlang, so that its list comes to the same table. */
function elementOf(value: unknown): Element | undefined {
  if (value instanceof Uint8Array) return textOfBytes(value);
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
}

/** What a name that needs no text is found by; undefined for every other. Equal for names that are one term to Erlang. */
function simpleKey(name: unknown): Key | undefined {
  const list = listOf(name);
  if (list !== undefined) return list;
  if (typeof name === 'string' || name instanceof Atom) return name;
  if (name instanceof Uint8Array) return textOfBytes(name);
  if (name instanceof Charlist) return listOf(codePoints(name));
  // Atoms that are values of their own here.
  if (name === null) return NIL;
  if (name === undefined) return UNDEFINED;
  if (typeof name === 'boolean') return name ? TRUE : FALSE;
  return undefined;
}

const NIL = atom('nil');
const UNDEFINED = atom('undefined');
const TRUE = atom('true');
const FALSE = atom('false');

/** A name that is in no table may be none at all. @throws TroupeError TROUPE_BAD_ARGUMENT. */
function checkTexts(list: readonly unknown[]): undefined {
  for (const element of list) if (typeof element === 'string') checkText(element);
}

/** Removes a list and the levels that it leaves empty. */
function dropList(level: Level, name: readonly Element[], depth: number): void {
  const element = name[depth] as Element;
  if (depth < name.length - 1) {
    const next = level.get(element) as Level;
    dropList(next, name, depth + 1);
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
