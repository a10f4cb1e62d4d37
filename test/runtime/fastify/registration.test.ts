// Where the plugin meets other registrations: an application that has `@fastify/websocket` already, and an `await` that was forgotten.
import type { AddressInfo } from 'node:net';
import fastifyWebsocket from '@fastify/websocket';
import Fastify, { type FastifyInstance } from 'fastify';
import { createNode } from 'troupe';
import { controller, defineWebSocketHandler, text, troupeFastify, webSocketHandler } from 'troupe/fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Events, open, refusal, start } from './helpers.ts';

const steps: unknown[] = [];
const handler = defineWebSocketHandler({
  name: 'registered',
  init: () => undefined,
  handle: (_state, frame) => (frame.type === 'text' ? text(frame.data) : undefined),
  info: async (_state, message) => {
    await Promise.resolve();
    steps.push(message);
    return text(String(message));
  },
  terminate: (_state, reason) => void steps.push(reason),
});

async function listen(app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  return (app.server.address() as AddressInfo).port;
}

async function withWebSocket(
  options: Parameters<typeof fastifyWebsocket>[1] = {},
  before: (app: FastifyInstance) => void = () => undefined,
) {
  const app = Fastify();
  const node = createNode();
  onTestFinished(async () => {
    await app.close();
    await node.stop();
  });
  await app.register(fastifyWebsocket, options);
  before(app);
  await app.register(troupeFastify, { node, webSocket: { maxPayloadBytes: 100, closeTimeoutMs: 500 } });
  app.get('/socket', { websocket: true }, webSocketHandler(handler));
  app.get('/plain', async () => 'plain');
  return { app, node, port: await listen(app) };
}

describe('beside a @fastify/websocket that the application registered', () => {
  test('connections have processes, and other routes keep theirs', async () => {
    const { app, port } = await withWebSocket({}, (server) => {
      server.get('/own', { websocket: true }, (socket) => {
        socket.send('own');
      });
    });
    const client = await open(port);
    client.send('hello');
    expect(await client.next()).toBe('hello');
    expect(app.troupe.connections).toBe(1);
    const own = await open(port, '/own');
    expect(await own.next()).toBe('own');
    expect(app.troupe.connections).toBe(1);
    expect(await refusal(port, {}, '/plain')).toMatchObject({
      status: 404,
      body: { code: 'TROUPE_NO_WEBSOCKET' },
    });
    expect(await refusal(port, { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    expect((await fetch(`http://127.0.0.1:${port}/socket`)).status).toBe(426);
  });

  test('the limits of the plugin hold for its connections alone', async () => {
    const { port } = await withWebSocket({ options: { maxPayload: 1_000 } }, (server) => {
      server.get('/own', { websocket: true }, (socket) => {
        socket.on('message', (data: Buffer) => {
          socket.send(String(data.length));
        });
      });
    });
    const closed = new Events('troupe:fastify:close');
    const client = await open(port);
    client.send('x'.repeat(101));
    expect(await closed.next()).toMatchObject({
      code: 1009,
      reason: ['shutdown', ['error', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH']],
    });
    const own = await open(port, '/own');
    own.send('x'.repeat(101));
    expect(await own.next()).toBe('101');
  });

  test('a compressed message counts with what it holds', async () => {
    const { port } = await withWebSocket({ options: { perMessageDeflate: { threshold: 0 } } });
    const closed = new Events('troupe:fastify:close');
    const client = await open(port);
    client.send('y'.repeat(90));
    expect(await client.next()).toBe('y'.repeat(90));
    client.send('x'.repeat(5_000));
    expect(await closed.next()).toMatchObject({
      reason: ['shutdown', ['error', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH']],
    });
  });

  test('when the application closes, processes exit with shutdown after what they have to do, and clients get 1001', async () => {
    const { app, node, port } = await withWebSocket();
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const { pid } = await opened.next();
    steps.length = 0;
    node.send(pid, 'first');
    node.send(pid, 'second');
    await app.close();
    expect(await client.take(2)).toEqual(['first', 'second']);
    expect(await client.closed).toMatchObject({ code: 1001 });
    expect(steps).toEqual(['first', 'second', 'shutdown']);
  });
});

describe('a forgotten await', () => {
  test('is told to who opens the WebSocket, and to who asks for it plainly', async () => {
    const app = Fastify();
    onTestFinished(() => app.close());
    void app.register(troupeFastify, { node: createNode() });
    app.get('/socket', { websocket: true }, webSocketHandler(handler));
    app.get(
      '/controller',
      controller(() => 'works'),
    );
    const port = await listen(app);
    const message =
      /before the plugin was loaded\. Write `await app\.register\(troupeFastify, \{ node \}\)` before/;
    expect(await refusal(port)).toMatchObject({
      status: 500,
      body: { code: 'TROUPE_NO_PLUGIN', message: expect.stringMatching(message) as string },
    });
    expect((await app.inject('/socket')).json()).toMatchObject({
      statusCode: 500,
      code: 'TROUPE_NO_PLUGIN',
      message: expect.stringMatching(message) as string,
    });
    expect((await app.inject('/controller')).body).toBe('works');
  });

  test('does no harm where @fastify/websocket was awaited', async () => {
    const app = Fastify();
    onTestFinished(() => app.close());
    await app.register(fastifyWebsocket);
    void app.register(troupeFastify, { node: createNode() });
    app.get('/socket', { websocket: true }, webSocketHandler(handler));
    const client = start(await listen(app));
    client.socket.on('open', () => {
      client.send('hello');
    });
    expect(await client.next()).toBe('hello');
  });
});
