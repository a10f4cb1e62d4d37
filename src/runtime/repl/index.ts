/** The public entry point of the REPL: `import { ... } from 'troupe/repl'`. */
export { NoSocketsError } from './socket.ts';
export { type ReplOptions, replServer } from './server.ts';
