/**
 * Maps with any terms for keys.
 *
 * A JavaScript Map compares objects by identity, so that a newly made tuple never finds anything in it. This one compares
 * keys as Erlang does, by structure: `map.get(tuple(1, 2))` finds what `map.set(tuple(1, 2), …)` stored. See `canonical.ts` for
 * which values are one key. It iterates in the order of insertion.
 *
 * Keys are kept as they were first given, but a bigint within 2^53 as the number, `-0` as `Float`, bytes that are UTF-8 as the
 * string, and the atoms `true`, `false`, `nil` and `undefined` as the values. A key that is an object must not be changed
 * while it is one.
 */
import { isSimpleKey, plainKey, termText } from './canonical.ts';
import { formatTerm } from './format.ts';

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
