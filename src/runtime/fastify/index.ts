/** The public entry point of the Fastify plugin: `import { ... } from 'troupe/fastify'`. */
export { stop, UNHANDLED } from '../otp/actions.ts';
export { controller, type ControllerOptions } from './controller.ts';
export {
  defineWebSocketHandler,
  type WebSocketCallbacks,
  type WebSocketDefinition,
  type WebSocketInfo,
  type WebSocketReplies,
} from './handler.ts';
export {
  binary,
  close,
  type CloseFrame,
  encodeOnce,
  type FrameKey,
  type FrameOptions,
  type IncomingFrame,
  type OutgoingFrame,
  ping,
  text,
  type WebSocketFrame,
  type WebSocketReply,
} from './handler.ts';
export { TroupeHttpError } from './app.ts';
export type { ConnectionLimits, SlowClientPolicy, WebSocketOptions } from './limits.ts';
export { clientOf, isLoopbackHost, originAllowed } from './upgrades.ts';
export { troupeFastify, type TroupeFastifyOptions } from './plugin.ts';
export type { TroupeApp } from './app.ts';
export { webSocketHandler, type WebSocketRouteHandler } from './app.ts';
