// The route of the WebSocket connections.
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { webSocketHandler } from 'troupe/fastify';
import { NotificationsQuery } from '../http/asyncapi.ts';
import type { IncomingEvents } from '../notes/incoming.ts';
import { notificationsHandler } from './handler.ts';
import type { Watch } from './watch.ts';

/** What the connections work with. */
export interface NotificationsOptions {
  readonly incoming: IncomingEvents;
  readonly watch: Watch;
  /** Whether who asks can reach the observer. */
  readonly reachesObserver: (request: FastifyRequest) => boolean;
}

/** `GET /notifications`. */
export const notifications: FastifyPluginAsync<NotificationsOptions> = async (
  app,
  { incoming, watch, reachesObserver },
) => {
  const schema = {
    tags: ['notes'],
    operationId: 'notifications',
    summary: 'A WebSocket that tells of each change; `/asyncapi.json` describes its frames',
  };
  const api = {
    querystring: NotificationsQuery,
    answers: { 101: 'The connection is a WebSocket from now on.' },
    errors: [403, 426],
  };
  app.get(
    '/notifications',
    { websocket: true, schema, config: { api } },
    webSocketHandler(notificationsHandler, incoming, watch, reachesObserver),
  );
};
