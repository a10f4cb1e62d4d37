// What the tests of this folder use. Nothing in src/ imports it, and it is not in the package.
export { announceObserver, observerAddresses } from './observer-pages.ts';
export { sortedPart } from './page.ts';
