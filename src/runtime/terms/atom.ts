/**
 * Atoms: names that stand for themselves, as in Erlang.
 *
 * Two atoms of one name are one object, so that `===` compares them. An atom that no code holds any more is freed, so that
 * a peer which sends ever new ones does not fill this node, as it would a BEAM node; an atom that is sent there stays
 * there for ever, and so nothing that a user typed may become one.
 *
 * `true`, `false`, `nil` and `undefined` are atoms on the wire and arrive as `true`, `false`, `null` and `undefined`.
 */
import { badArgument } from '../errors.ts';
import { formatAtom, type Formatter, Term, TEXT } from './format.ts';

/** The most characters of an atom, as in OTP. */
const MAX_CHARACTERS = 255;

/** An atom; make one with {@link atom}. See erlang:atom(). */
export class Atom extends Term {
  declare readonly name: string;
  /** @internal Its bytes in the External Term Format, from the first time on that it was sent. */
  declare encoded: Uint8Array | null;

  /** @internal Use {@link atom}: two objects of one name would not be equal. */
  constructor(name: string) {
    super();
    this.name = name;
    this.encoded = null;
  }

  /** @internal */
  [TEXT](): string {
    return formatAtom(this.name);
  }

  toJSON(): string {
    return this.name;
  }
}

const interned = new Map<string, WeakRef<Atom>>();
const freed = new FinalizationRegistry<string>((name) => {
  // Another atom of the name may have been made since.
  if (interned.get(name)?.deref() === undefined) interned.delete(name);
});

/**
 * The atom of a name.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for more than 255 characters, or half a surrogate pair. See
 * `erlang:binary_to_atom/1`.
 */
export function atom(name: string): Atom {
  const known = interned.get(name)?.deref();
  if (known !== undefined) return known;
  if (typeof name !== 'string' || !isAtomText(name)) {
    throw badArgument(`An atom has at most ${MAX_CHARACTERS} characters, each of them whole.`);
  }
  const made = new Atom(name);
  interned.set(name, new WeakRef(made));
  freed.register(made, name);
  return made;
}

function isAtomText(name: string): boolean {
  if (/[\uD800-\uDFFF]/u.test(name)) return false;
  return (
    name.length <= MAX_CHARACTERS ||
    (name.length <= 2 * MAX_CHARACTERS && Array.from(name).length <= MAX_CHARACTERS)
  );
}

// ---- objects whose keys are atoms ----

/** An object with atoms for keys; make one with {@link atomKeys}. */
export class AtomKeyed {
  declare readonly object: Readonly<Record<string, unknown>>;

  constructor(object: Readonly<Record<string, unknown>>) {
    this.object = object;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.pairs(Object.entries(this.object), formatAtom, depth);
  }
}

/**
 * An object that goes to Erlang as a map whose keys are atoms: `atomKeys({ id: 1 })` is `#{id => 1}`, and `{ id: 1 }` is
 * `#{<<"id">> => 1}`. Objects within it are not affected.
 *
 * Only for keys that stand in the program's text: a BEAM node never frees an atom.
 */
export function atomKeys(object: Readonly<Record<string, unknown>>): AtomKeyed {
  return new AtomKeyed(object);
}
