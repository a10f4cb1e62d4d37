// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { type TableChange } from './protocol.ts';
