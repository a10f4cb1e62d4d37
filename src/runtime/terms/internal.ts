// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { hasEqualKeys } from './canonical.ts';
export { formatTerm } from './format.ts';
export { Origin } from './identifiers.ts';
