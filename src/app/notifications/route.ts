// The route of the WebSocket connections. Whoever asks for it without one is told.
import type { FastifyPluginAsync } from 'fastify';
import { webSocketHandler } from '../../runtime/fastify/index.ts';
import { HttpError } from '../http/errors.ts';
import { notificationsHandler } from './handler.ts';

/** `GET /notifications`. */
export const notifications: FastifyPluginAsync = async (app) => {
  app.route({
    method: 'GET',
    url: '/notifications',
    wsHandler: webSocketHandler(notificationsHandler),
    handler(_request, reply) {
      void reply.header('upgrade', 'websocket');
      throw new HttpError(426, 'open this with a WebSocket');
    },
  });
};
