// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { Random } from './switchboard.ts';
