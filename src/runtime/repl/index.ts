/** The public entry point of the REPL: `import { ... } from 'troupe/repl'`. */
export { NoSocketsError } from './socket.ts';
export { type ReplOptions, replServer, type RunningRepl, startRepl } from './server.ts';
