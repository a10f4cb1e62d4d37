// How the HTTP server ends: requests under way are answered, every other connection is dropped at once.
//
// Without this a browser's spare connection, on which nothing was ever asked, would hold up the end of the server as long
// as a request that is slow: Node.js counts it as active.
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** How a server is ended in a bounded time. */
export interface Drain {
  /** Closes the application; what is still under way after `limitMs` is cut off. */
  close(limitMs: number): Promise<void>;
}

/** Follows the connections of an application. To be called after the plugin of the WebSockets was registered, and before the routes are added. */
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
  // An upgraded connection belongs to its WebSocket. (A listener to `upgrade` would keep Node.js from treating an upgrade as
  // a request once nobody else listens to it, and so from answering.)
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

  // Until here requests are served as ever, so that `/readyz` can tell of the end.
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
