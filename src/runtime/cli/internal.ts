// What the tests of this folder use. Nothing in src/ imports it, and it is not in the package.
export { readCommand, usage } from './arguments.ts';
export { type Ask, askProgram, completeLine } from './completion.ts';
export { SCRIPTS } from './completion-scripts.ts';
