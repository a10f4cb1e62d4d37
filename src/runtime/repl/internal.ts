// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { CANCEL_TIMEOUT_MS, runCode } from './client-run.ts';
export { type ClientConnection, READY_TIMEOUT_MS, attach } from './client-connection.ts';
export { complete } from './complete.ts';
export { BUFFER_MAX, Connection, HELLO_TIMEOUT_MS, PRINT_BUFFER_MAX } from './server.ts';
export { Evaluator } from './evaluator.ts';
export { Fault } from './shell.ts';
export { INBOX_MAX, Inbox } from './helpers/messages.ts';
export { listenPrivately } from './socket.ts';
export { Maker, begin, isMarking, markOf, sessionBegins, sessionEnds } from './containment.ts';
export {
  CLIENT_LINE_MAX,
  LineReader,
  PROTOCOL_VERSION,
  encodeLine,
  parseClientMessage,
  parseHello,
} from './protocol.ts';
export { LINES_WAITING_MAX } from './session.ts';
export type { Shell } from './shell.ts';
export { cut, presentRows, showError, showUncaught, showValue, textTable, toJson, visible } from './show.ts';
export { transform } from './transform.ts';
