// The plugin: what it adds to an application, and how the application closes.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fastifyWebsocket from '@fastify/websocket';
import Fastify, { type FastifyInstance } from 'fastify';
import { createNode, type Node, type Process } from 'troupe';
import {
  close,
  controller,
  defineWebSocketHandler,
  text,
  troupeFastify,
  webSocketHandler,
} from 'troupe/fastify';
import { awaitExit } from 'troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Events, gate, open, openRaw, refusal, serve, start } from './helpers.ts';

const echo = defineWebSocketHandler({
  name: 'echo',
  init: () => undefined,
  handle: (_state, frame) => (frame.type === 'text' ? text(frame.data) : undefined),
});

async function makeApp(node: Node): Promise<FastifyInstance> {
  const app = Fastify();
  onTestFinished(() => app.close());
  await app.register(troupeFastify, { node });
  return app;
}

describe('registration', () => {
  test('decorates the application with its node and what runs on it', async () => {
    const node = createNode();
    const app = await makeApp(node);
    expect(app.troupe.node).toBe(node);
    expect([app.troupe.connections, app.troupe.requests]).toEqual([0, 0]);
  });

  test('two applications can share a node', async () => {
    const node = createNode();
    const apps = await Promise.all([makeApp(node), makeApp(node)]);
    for (const app of apps) {
      app.get('/socket', { websocket: true }, webSocketHandler(echo));
      await app.ready();
    }
    const sockets = await Promise.all(apps.map((app) => app.injectWS('/socket')));
    expect(apps.map((app) => app.troupe.connections)).toEqual([1, 1]);
    sockets.forEach((socket) => socket.terminate());
  });

  test.each<[string, unknown]>([
    ['no node', {}],
    ['something else as node', { node: { name: 'a@b' } }],
    ['a bad timeout', { node: createNode(), controllerTimeoutMs: -1 }],
  ])('with %s is refused', async (_what, options) => {
    const app = Fastify();
    await expect(app.register(troupeFastify, options as never).ready()).rejects.toMatchObject({
      code: 'TROUPE_BAD_ARGUMENT',
    });
  });

  test('forgotten, it is asked for', async () => {
    const app = Fastify();
    onTestFinished(() => app.close());
    await app.register(fastifyWebsocket);
    app.get(
      '/x',
      controller(() => 'x'),
    );
    app.get('/socket', { websocket: true }, webSocketHandler(echo));
    expect((await app.inject('/x')).json()).toMatchObject({ statusCode: 500, code: 'TROUPE_NO_PLUGIN' });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as AddressInfo;
    expect(await start(port).closed).toMatchObject({ code: 1006 });
  });
});

describe('routes', () => {
  test('work with injectWS', async () => {
    const app = await makeApp(createNode());
    app.get('/socket', { websocket: true }, webSocketHandler(echo));
    await app.ready();
    const socket = await app.injectWS('/socket');
    const message = once(socket, 'message');
    socket.send('hello');
    expect(String((await message)[0])).toBe('hello');
    socket.terminate();
  });

  test('hooks run before the upgrade and can refuse it', async () => {
    const { port, app } = await serve((server) => {
      const preValidation = async (): Promise<void> => {
        throw Object.assign(new Error('no token'), { statusCode: 401 });
      };
      server.get('/socket', { websocket: true, preValidation }, webSocketHandler(echo));
    });
    expect(await refusal(port)).toMatchObject({ status: 401, body: { message: 'no token' } });
    expect(app.troupe.connections).toBe(0);
  });

  test('without a process keep the error handling of @fastify/websocket, and close with 1001', async () => {
    const { port, app } = await serve((server) => {
      server.get('/plain', { websocket: true }, (socket) => {
        socket.send('plain');
      });
      server.get('/broken', { websocket: true }, () => {
        throw new Error('broken');
      });
    });
    expect(await start(port, '/broken').closed).toMatchObject({ code: 1006 });
    const client = await open(port, '/plain');
    expect(await client.next()).toBe('plain');
    await app.close();
    expect(await client.closed).toEqual({
      code: 1001,
      reason: expect.stringMatching(/^going away; retry=\d+$/) as string,
    });
  });
});

describe('the application closes', () => {
  test('processes exit with shutdown after what they have to do, and clients get 1001', async () => {
    const steps: unknown[] = [];
    const { port, node, app } = await serve((server) => {
      const handler = defineWebSocketHandler({
        name: 'orderly',
        init: () => undefined,
        info: async (_state, message) => {
          await Promise.resolve();
          steps.push(message);
          return text(String(message));
        },
        terminate: async (_state, reason) => {
          await Promise.resolve();
          steps.push(reason);
        },
      });
      server.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const opened = new Events('troupe:fastify:open');
    const ended = new Events('troupe:fastify:close');
    const failed = new Events('troupe:fastify:failed');
    const client = await open(port);
    const { pid } = await opened.next();
    node.send(pid, 'last words');
    const exit = awaitExit(node, pid);
    await app.close();
    expect(await exit).toBe('shutdown');
    expect(await client.next()).toBe('last words');
    expect(await client.closed).toEqual({
      code: 1001,
      reason: expect.stringMatching(/^going away; retry=\d+$/) as string,
    });
    expect(steps).toEqual(['last words', 'shutdown']);
    expect(ended.all).toMatchObject([{ pid, code: 1001, reason: 'shutdown', sent: 1 }]);
    expect(failed.all).toEqual([]);
    expect(app.troupe.connections).toBe(0);
  });

  test('a client that does not answer is not waited for longer than closeTimeoutMs', async () => {
    const ended = new Events('troupe:fastify:close');
    const { port, app } = await serve(
      (server) => server.get('/socket', { websocket: true }, webSocketHandler(echo)),
      { webSocket: { closeTimeoutMs: 30 } },
    );
    const silent = await openRaw(port);
    silent.pause();
    const client = await open(port);
    await app.close();
    expect(await client.closed).toMatchObject({ code: 1001 });
    await ended.next();
    await ended.next();
    expect(ended.all.map(({ code, reason }) => [code, reason])).toEqual([
      [1001, 'shutdown'],
      [1001, 'shutdown'],
    ]);
    expect(app.troupe.connections).toBe(0);
  });

  test('a process that does not come to its end is killed after closeTimeoutMs', async () => {
    const running = gate<Process>();
    const { port, node, app } = await serve(
      (server) => {
        const handler = defineWebSocketHandler({
          name: 'hanging',
          init: (self) => {
            running.open(self);
            return new Promise<void>(() => undefined);
          },
        });
        server.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { webSocket: { closeTimeoutMs: 30 } },
    );
    const failed = new Events('troupe:fastify:failed');
    const client = await open(port);
    const exit = awaitExit(node, (await running.passed).pid);
    await app.close();
    expect(await exit).toBe('killed');
    expect(await client.closed).toMatchObject({ code: 1006 });
    expect(failed.all).toMatchObject([{ label: 'hanging', reason: 'killed' }]);
  });

  test('a connection that is closing already keeps its code', async () => {
    const left = gate();
    const { port, app } = await serve((server) => {
      const handler = defineWebSocketHandler({
        name: 'leaving',
        init: () => undefined,
        opened: () => close(4000, 'first'),
        terminate: () => {
          left.open();
        },
      });
      server.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = start(port);
    await left.passed;
    await app.close();
    expect(await client.closed).toEqual({ code: 4000, reason: 'first' });
  });

  test('with a node that was stopped before', async () => {
    const { port, node, app } = await serve((server) =>
      server.get('/socket', { websocket: true }, webSocketHandler(echo)),
    );
    const client = await open(port);
    await node.stop();
    await app.close();
    expect(await client.closed).toMatchObject({ code: 1001 });
  });

  test('new connections are refused meanwhile', async () => {
    const leaving = gate();
    const release = gate();
    const { port, app } = await serve(
      (server) => {
        const handler = defineWebSocketHandler({
          name: 'slow',
          init: () => undefined,
          terminate: () => {
            leaving.open();
            return release.passed;
          },
        });
        server.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { webSocket: { closeTimeoutMs: 20_000 } },
    );
    await open(port);
    const closed = app.close();
    await leaving.passed;
    expect(await refusal(port)).toMatchObject({ status: 503 });
    release.open();
    await closed;
  });
});
