// What the tests use of this folder. Nothing in src/ imports it.
export { namedMax, WATCHERS_MAX } from './watch.ts';
