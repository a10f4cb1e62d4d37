/**
 * A server of the WebSocket and HTTP workloads, in a process of its own: `node fanout-server.mjs KIND`. It sends its port to its
 * parent, answers each message with what it has used, and ends with its parent.
 *
 * `troupe` and `ws` do the same: what a client sends goes to all clients, as an event around its JSON.
 */
import { createServer } from 'node:http';
import Fastify from 'fastify';
import { WebSocketServer } from 'ws';
import { createNode, defineChannel, on } from '../../dist/runtime/index.js';
import {
  controller,
  defineWebSocketHandler,
  encodeOnce,
  troupeFastify,
  webSocketHandler,
} from '../../dist/runtime/fastify/index.js';

const note = { id: 1, title: 'process groups', body: 'any process joins a channel', author: 'joe' };

/** @type {Record<string, () => Promise<number>>} */
const servers = {
  async troupe() {
    const notes = defineChannel('notes');
    const asEvent = encodeOnce(({ topic, payload }) => JSON.stringify({ event: topic, data: payload }));
    const handler = defineWebSocketHandler({
      name: 'notifications',
      init: (self) => notes.join(self),
      handle(_state, frame, self) {
        notes.broadcast(self, 'note_created', JSON.parse(frame.data));
      },
      info: on(notes, { note_created: (_state, _payload, _self, message) => asEvent(message) }),
    });
    const app = await withPlugin();
    app.get('/', { websocket: true }, webSocketHandler(handler));
    return listen(app);
  },

  async ws() {
    const http = createServer();
    const server = new WebSocketServer({ server: http, perMessageDeflate: false });
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('message', (/** @type {Buffer} */ data) => {
        const text = JSON.stringify({ event: 'note_created', data: JSON.parse(data.toString()) });
        for (const client of server.clients) if (client.readyState === 1) client.send(text);
      });
    });
    await new Promise((resolve) => http.listen(0, '127.0.0.1', () => resolve(undefined)));
    return /** @type {import('node:net').AddressInfo} */ (http.address()).port;
  },

  /** A handler of Fastify. */
  async plain() {
    const app = Fastify();
    app.get('/', async () => note);
    return listen(app);
  },

  /** The same in an application with the plugin. */
  async beside() {
    const app = await withPlugin();
    app.get('/', async () => note);
    return listen(app);
  },

  /** The same as a controller. */
  async controller() {
    const app = await withPlugin();
    app.get(
      '/',
      controller(async () => note),
    );
    return listen(app);
  },
};

async function withPlugin() {
  const app = Fastify();
  await app.register(troupeFastify, { node: createNode(), webSocket: { maxConnections: 100_000 } });
  return app;
}

/** @param {import('fastify').FastifyInstance} app */
async function listen(app) {
  await app.listen({ port: 0, host: '127.0.0.1' });
  return /** @type {import('node:net').AddressInfo} */ (app.server.address()).port;
}

const start = servers[process.argv[2] ?? ''];
if (start === undefined) throw new Error(`one of ${Object.keys(servers).join(', ')}`);
process.on('disconnect', () => process.exit());
process.on('message', ({ collect = false }) => {
  if (collect) for (let i = 0; i < 4; i++) globalThis.gc?.();
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  process.send?.({ rss, cpuMs: (user + system) / 1_000 });
});
process.send?.({ port: await start() });
