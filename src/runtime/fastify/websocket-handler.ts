/** The route handler that gives each upgraded socket its process. */
import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import type { WebSocketDefinition } from './definition.ts';
import { troupeOf } from './troupe-app.ts';

/** What a route with `websocket: true` takes. */
export type WebSocketRouteHandler = (socket: WebSocket, request: FastifyRequest) => void;

/**
 * Serves a WebSocket handler under a route: the process of a connection is spawned in the upgrade itself.
 * @param args what `init` gets behind the request.
 * @example `app.get('/notifications', { websocket: true }, webSocketHandler(notifications, repository));`
 */
export function webSocketHandler<State, Args extends readonly unknown[]>(
  definition: WebSocketDefinition<State, Args>,
  ...args: Args
): WebSocketRouteHandler {
  return (socket, request) => {
    troupeOf(request.server).sockets.open(
      definition as unknown as WebSocketDefinition,
      args as unknown as readonly never[],
      socket,
      request,
    );
  };
}
