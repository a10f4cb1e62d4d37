// How the HTTP server stops: requests under way are answered, every other connection is dropped at once.
//
// Without this, a browser's spare connection that never carried a request would delay the stop as long as a slow request:
// Node.js counts it as active.
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Stops a server in a bounded time. */
export interface Drain {
  /** Closes the application; requests still under way after `limitMs` are cut off. */
  close(limitMs: number): Promise<void>;
}

/** Follows the connections of an application. Call it after registering the WebSocket plugin and before adding routes. */
export function drain(app: FastifyInstance): Drain {
  /** Requests under way, by connection. */
  const connections = new Map<Socket, number>();
  let draining = false;

  const { server } = app;
  server.on('connection', (socket: Socket) => {
    if (draining) {
      socket.destroy();
      return;
    }
    connections.set(socket, 0);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    add(socket, 1);
    response.once('close', () => add(socket, -1));
  });
  // An upgraded connection belongs to its WebSocket. (With a listener for `upgrade` here, Node.js would not treat an upgrade as
  // a request once no other program listens, and so would not answer it.)
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.ws) connections.delete(request.raw.socket);
    done();
  });

  function add(socket: Socket, change: number): void {
    const count = connections.get(socket);
    if (count === undefined) return;
    connections.set(socket, count + change);
    if (draining && count + change === 0) socket.destroySoon();
  }

  // Until here requests are served as usual, so that `/readyz` can announce the stop.
  app.addHook('preClose', async () => {
    draining = true;
    for (const [socket, count] of connections) if (count === 0) socket.destroy();
  });

  return {
    async close(limitMs) {
      const cut = setTimeout(() => server.closeAllConnections(), limitMs);
      try {
        await app.close();
      } finally {
        clearTimeout(cut);
      }
    },
  };
}
