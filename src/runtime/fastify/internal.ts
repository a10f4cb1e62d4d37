// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { ReadTurns } from './intake.ts';
export { connectionLimits } from './limits.ts';
export { Outbox, Pass } from './outbox.ts';
