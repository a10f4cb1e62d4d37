/**
 * The entry point `troupe/client`: follows a durable channel over a WebSocket, in browsers, Node.js, Deno and Bun. It imports nothing of
 * the rest at run time.
 */
export {
  type ChannelClient,
  type ChannelClientOptions,
  type ClientLimits,
  type ClientSocket,
  type ClientState,
  type ClientStatus,
  type ClientTimers,
  createChannelClient,
  type EventContext,
} from './client.ts';
