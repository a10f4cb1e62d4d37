// What the tests use of this folder. Nothing in src/ imports it.
export { channelEvents, channelHeads } from './schema.ts';
export { DatabaseEvents } from './store.ts';
