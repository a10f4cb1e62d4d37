/** The terms that JavaScript has no values of its own for. */
export { Atom, atom } from './atom.ts';
export { AtomKeyed, atomKeys } from './atom-keys.ts';
export { Charlist, charlist, text } from './charlist.ts';
export { ErlMap } from './erl-map.ts';
export { Float, float } from './float.ts';
export { BitString, ExternalFunction, ImproperList, NativeRecord, OpaqueFunction, Port } from './opaque.ts';
export { Tuple, tuple } from './tuple.ts';
export { defineTerm, type TermForm } from './forms.ts';
