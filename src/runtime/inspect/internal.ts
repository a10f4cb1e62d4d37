// What the tests of this folder use. Nothing in src/ imports it, and it is not in the package.
export { announceObserver } from './observer-pages.ts';
export { sortedPart } from './page.ts';
