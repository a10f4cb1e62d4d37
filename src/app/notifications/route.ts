// The route of the WebSocket connections. Whoever asks for it without one is told, and so is who comes when the service
// stops: then an upgrade is a plain request.
import type { FastifyPluginAsync } from 'fastify';
import { webSocketHandler } from '../../runtime/fastify/index.ts';
import { HttpError } from '../http/errors.ts';
import type { IncomingEvents } from '../notes/incoming.ts';
import { notificationsHandler } from './handler.ts';

/** `GET /notifications`. */
export const notifications: FastifyPluginAsync<{ readonly incoming: IncomingEvents }> = async (
  app,
  { incoming },
) => {
  app.route({
    method: 'GET',
    url: '/notifications',
    wsHandler: webSocketHandler(notificationsHandler, incoming),
    handler(request, reply) {
      if (request.headers.upgrade !== undefined) throw new HttpError(503, 'the service is stopping', 1);
      void reply.header('upgrade', 'websocket');
      throw new HttpError(426, 'open this with a WebSocket');
    },
  });
};
