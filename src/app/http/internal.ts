// What the tests use of this folder. Nothing in src/ imports it.
export { connectionsFor, openFilesLimit } from './connections.ts';
export { hostCheck } from './host.ts';
export { LABELS_MAX } from './metrics.ts';
export { boundedServers, PIPELINED_MAX, type ServerLimits } from './server.ts';
export { shareMax } from './traffic.ts';
