// What the tests of this folder use. Nothing in src/ imports it, and it is not in the package.
export { NotUnderstood, readFromPage } from './from-page.ts';
export { TableCopy } from './table-copy.ts';
export { type TableChange } from './protocol.ts';
