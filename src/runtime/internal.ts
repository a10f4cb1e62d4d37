// What the tests use of the files beside the folders. Nothing in src/ imports it, and it is not in the package.
export { backoffMs } from './backoff.ts';
