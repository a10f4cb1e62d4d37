/**
 * Classes of the program as terms: `{Tag, Term}`, an atom and what the class says that it holds.
 *
 * An instance of a class without a form cannot leave a node, and a tuple whose tag is not defined stays a tuple: from another node
 * a value becomes an instance only of a class that this program has named, and only by the class's own `fromTerm`, which must
 * check what it gets. An instance of a subclass does not count as one of its class. Such an instance cannot be a key of a map.
 */
import { badArgument } from '../errors.ts';
import { Atom, atom } from './atom.ts';
import { isReasonWord } from './reasons.ts';
import { Tuple } from './values.ts';

/** How instances of a class travel. */
export interface TermForm<T extends object> {
  /** The first element of the tuple, the same on all nodes. It becomes an atom there, so it must be a literal of the program. */
  readonly tag: string;
  /** What the instance holds, as a term: values that can leave a node, among them other such instances. */
  toTerm(value: T): unknown;
  /**
   * Makes an instance of what came. Any node that has the cookie may have made it up. When this throws, the tuple stays a
   * tuple.
   */
  fromTerm(term: unknown): T;
}

/** Tags that mean something as the first of two elements already. So do the words of exit reasons. */
const TAKEN: ReadonlySet<string> = new Set([
  'ok',
  'error',
  '$gen_cast',
  'discover', // of a scope of `pg`
  'true',
  'false',
  'nil',
  'undefined',
]);

const byPrototype = new Map<object, TermForm<object> & { readonly atom: Atom }>();
const byTag = new Map<Atom, TermForm<object>>();

/**
 * Gives a class of the program its form between nodes. Both nodes have to know it, at best by the same module.
 * @example `defineTerm(Date, { tag: 'date', toTerm: (date) => date.getTime(), fromTerm: (ms) => new Date(Number(ms)) })`
 * @throws TroupeError TROUPE_BAD_ARGUMENT for an incomplete form, for a class or a tag that has a form, and for a tag with a meaning of
 * its own.
 */
export function defineTerm<T extends object>(
  constructor: abstract new (...args: never[]) => T,
  form: TermForm<T>,
): void {
  const { tag: name, toTerm, fromTerm } = Object(form) as Partial<TermForm<T>>;
  if (typeof constructor !== 'function' || typeof constructor.prototype !== 'object') {
    throw badArgument('defineTerm gives a form to a class.');
  }
  if (typeof name !== 'string' || typeof toTerm !== 'function' || typeof fromTerm !== 'function') {
    throw badArgument(`The form of '${constructor.name}' must have a tag, toTerm and fromTerm.`);
  }
  const tag = atom(name);
  const prototype = constructor.prototype as object;
  if (TAKEN.has(form.tag) || isReasonWord(form.tag) || byTag.has(tag)) {
    throw badArgument(`The tag '${form.tag}' has a meaning already.`);
  }
  if (byPrototype.has(prototype) || OWN.has(prototype)) {
    throw badArgument(`'${constructor.name}' has a form already.`);
  }
  byPrototype.set(prototype, { ...(form as unknown as TermForm<object>), atom: tag });
  byTag.set(tag, form);
}

/** The prototypes of what is a term already, and would be taken for something else. */
const OWN: ReadonlySet<object> = new Set([
  Object.prototype,
  Array.prototype,
  Atom.prototype,
  Tuple.prototype,
]);

/** @internal An instance of a class with a form as its tuple; undefined for any other value. */
export function formOf(value: object): Tuple | undefined {
  if (byPrototype.size === 0) return undefined;
  const form = byPrototype.get(Object.getPrototypeOf(value) as object);
  return form && new Tuple([form.atom, form.toTerm(value)]);
}

/** @internal The instance that the elements of a tuple stand for, or the tuple. */
export function formed(elements: readonly unknown[]): unknown {
  const tuple = new Tuple(elements);
  if (byTag.size === 0 || elements.length !== 2 || !(elements[0] instanceof Atom)) return tuple;
  const form = byTag.get(elements[0]);
  if (form === undefined) return tuple;
  try {
    return form.fromTerm(elements[1]);
  } catch {
    return tuple; // The receiver decides what to do with it, as with any other term.
  }
}
