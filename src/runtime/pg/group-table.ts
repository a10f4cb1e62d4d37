/**
 * The groups of a scope, by name.
 *
 * Strings are found as they are, and short tuples of strings and numbers, such as `['room', 7]`, in maps of maps, one level
 * for each element: both without any work on the name. Every other name goes by its canonical text; see `group-key.ts`.
 *
 * Invariant: names that are equal by structure come to the same table: which one it is depends on what they hold only.
 */
import { canonicalText, checkText, ownCopy } from './group-key.ts';
import { Group } from './group.ts';

/** Tuples of more elements go by their text. */
const TUPLE_MAX = 4;

type Element = string | number;
/** Groups on the last level, maps above. */
type Level = Map<Element, Level | Group>;

/** All groups that have members. */
export class GroupTable {
  readonly #byString = new Map<string, Group>();
  /** By the number of elements. */
  readonly #byTuple: Level[] = Array.from({ length: TUPLE_MAX + 1 }, () => new Map());
  readonly #byText = new Map<string, Group>();

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group. */
  find(name: unknown): Group | undefined {
    if (typeof name === 'string') return this.#byString.get(name);
    const tuple = tupleOf(name);
    if (tuple !== undefined) return this.#findTuple(tuple) ?? checkTexts(tuple);
    return this.#byText.get(canonicalText(name));
  }

  /** The group of a name, made when there is none; it must get a member at once. */
  findOrMake(name: unknown): Group {
    const found = this.find(name);
    if (found !== undefined) return found;
    const group = new Group(ownCopy(name));
    const tuple = tupleOf(name);
    if (typeof name === 'string') {
      checkText(name);
      this.#byString.set(name, group);
    } else if (tuple === undefined) {
      this.#byText.set(canonicalText(name), group);
    } else {
      this.#addTuple(tuple, group);
    }
    return group;
  }

  /** Removes a group that has no members any more. */
  drop({ name }: Group): void {
    const tuple = tupleOf(name);
    if (typeof name === 'string') this.#byString.delete(name);
    else if (tuple !== undefined) dropTuple(this.#byTuple[tuple.length] as Level, tuple, 0);
    else this.#byText.delete(canonicalText(name));
  }

  /** All groups. */
  *all(): IterableIterator<Group> {
    yield* this.#byString.values();
    for (const level of this.#byTuple) yield* groupsOf(level);
    yield* this.#byText.values();
  }

  #findTuple(name: readonly Element[]): Group | undefined {
    let at: Level | Group | undefined = this.#byTuple[name.length];
    for (let i = 0; i < name.length; i++) {
      if (at === undefined) return undefined;
      at = (at as Level).get(name[i] as Element);
    }
    return at as Group | undefined;
  }

  #addTuple(name: readonly Element[], group: Group): void {
    let level = this.#byTuple[name.length] as Level;
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

/** The name as a tuple of one to four strings and whole numbers, or undefined when it is none. */
function tupleOf(name: unknown): readonly Element[] | undefined {
  if (!Array.isArray(name) || name.length === 0 || name.length > TUPLE_MAX) return undefined;
  for (let i = 0; i < name.length; i++) {
    const element: unknown = name[i];
    if (typeof element === 'string' || Number.isSafeInteger(element)) continue;
    // A bigint is the same integer as the number, so it must come to the same table.
    return typeof element === 'bigint' && Number.isSafeInteger(Number(element))
      ? tupleOf(name.with(i, Number(element)))
      : undefined;
  }
  return name as readonly Element[];
}

/** A name that is in no table may be none at all. @throws TroupeError TROUPE_BAD_ARGUMENT. */
function checkTexts(tuple: readonly Element[]): undefined {
  for (const element of tuple) if (typeof element === 'string') checkText(element);
}

/** Removes a tuple and the levels that it leaves empty. */
function dropTuple(level: Level, name: readonly Element[], depth: number): void {
  const element = name[depth] as Element;
  if (depth < name.length - 1) {
    const next = level.get(element) as Level;
    dropTuple(next, name, depth + 1);
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
