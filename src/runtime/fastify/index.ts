/** The public entry point of the Fastify plugin: `import { ... } from 'troupe/fastify'`. */
export { stop, UNHANDLED } from '../otp/server-actions.ts';
export { controller, type ControllerOptions } from './controller.ts';
export {
  defineWebSocketHandler,
  type WebSocketCallbacks,
  type WebSocketDefinition,
  type WebSocketInfo,
  type WebSocketReplies,
} from './definition.ts';
export {
  binary,
  close,
  type CloseFrame,
  encodeOnce,
  type IncomingFrame,
  type OutgoingFrame,
  ping,
  text,
  type WebSocketFrame,
  type WebSocketReply,
} from './frames.ts';
export { TroupeHttpError } from './http-error.ts';
export type { ConnectionLimits, WebSocketOptions } from './limits.ts';
export { originAllowed } from './origin.ts';
export { troupeFastify, type TroupeFastifyOptions } from './plugin.ts';
export type { TroupeApp } from './troupe-app.ts';
export { webSocketHandler, type WebSocketRouteHandler } from './websocket-handler.ts';
