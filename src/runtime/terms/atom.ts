/**
 * Atoms: names that stand for themselves, as in Erlang.
 *
 * Two atoms of one name are one object, so that `===` compares them. An atom that nobody holds any more is freed, so that
 * a peer which sends ever new ones does not fill this node, as it would a BEAM node; an atom that is sent there stays
 * there for ever, and so nothing that a user typed may become one.
 *
 * `true`, `false`, `nil` and `undefined` are atoms on the wire and arrive as `true`, `false`, `null` and `undefined`.
 */
import { TroupeError } from '../errors.ts';
import { formatTerm } from './format.ts';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** The most characters of an atom, as in OTP. */
const MAX_CHARACTERS = 255;

/** An atom; make one with {@link atom}. See erlang:atom(). */
export class Atom {
  declare readonly name: string;
  /** @internal Its bytes in the External Term Format, from the first time on that it was sent. */
  declare encoded: Uint8Array | null;

  /** @internal Use {@link atom}: two objects of one name would not be equal. */
  constructor(name: string) {
    this.name = name;
    this.encoded = null;
  }

  /** As Erlang prints it: quoted where it has to be. */
  toString(): string {
    return formatTerm(this);
  }

  toJSON(): string {
    return this.name;
  }

  [inspect](): string {
    return this.toString();
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
    throw new TroupeError(
      'TROUPE_BAD_ARGUMENT',
      `An atom has at most ${MAX_CHARACTERS} characters, each of them whole.`,
    );
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
