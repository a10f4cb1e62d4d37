/**
 * The server of the WebSocket workloads on Bun, run by it: `bun bun-server.mjs`. It does the same as `ws` of fanout-server.mjs with Bun's
 * own `publish`, and understands the same.
 */
const { Bun } = globalThis;

const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request) => (server.upgrade(request) ? undefined : new Response('no upgrade', { status: 426 })),
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      socket.subscribe('notes');
    },
    message(_socket, data) {
      const text = JSON.stringify({ event: 'note_created', data: JSON.parse(String(data)) });
      server.publish('notes', text);
    },
  },
});

process.on('disconnect', () => process.exit());
process.on('message', ({ collect = false }) => {
  if (collect) Bun.gc(true);
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  process.send?.({ rss, cpuMs: (user + system) / 1_000 });
});
process.send?.({ port: server.port });
