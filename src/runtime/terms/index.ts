/** The terms that JavaScript has no values of its own for. */
export { Atom, atom } from './atom.ts';
export { AtomKeyed, atomKeys } from './atom.ts';
export { Charlist, charlist, text } from './values.ts';
export { ErlMap } from './canonical.ts';
export { Float, float } from './values.ts';
export { BitString, ExternalFunction, ImproperList, NativeRecord, OpaqueFunction } from './values.ts';
export { Tuple, tuple } from './values.ts';
export { defineTerm, type TermForm } from './forms.ts';
export { Port } from './identifiers.ts';
