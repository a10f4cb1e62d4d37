// The route of the WebSocket connections.
import type { FastifyPluginAsync } from 'fastify';
import { webSocketHandler } from 'troupe/fastify';
import type { IncomingEvents } from '../notes/incoming.ts';
import { notificationsHandler } from './handler.ts';

/** `GET /notifications`. */
export const notifications: FastifyPluginAsync<{ readonly incoming: IncomingEvents }> = async (
  app,
  { incoming },
) => {
  app.get('/notifications', { websocket: true }, webSocketHandler(notificationsHandler, incoming));
};
