// Requests that ask for an upgrade: only those to a WebSocket, and only where there is one, become one.
import { once } from 'node:events';
import { connect } from 'node:net';
import Fastify from 'fastify';
import { createNode } from 'troupe';
import { controller, defineWebSocketHandler, text, troupeFastify, webSocketHandler } from 'troupe/fastify';
import { createManualClock } from 'troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { open, refusal, serve } from './helpers.ts';

const echo = defineWebSocketHandler({
  name: 'echo',
  init: () => undefined,
  handle: (_state, frame) => (frame.type === 'text' ? text(frame.data) : undefined),
});

const routes = (app: Parameters<Parameters<typeof serve>[0]>[0]): void => {
  app.get('/socket', { websocket: true }, webSocketHandler(echo));
  app.route({ method: 'GET', url: '/both', wsHandler: webSocketHandler(echo), handler: () => 'plain' });
  app.get(
    '/plain',
    controller((_self, { headers }) => ({ upgrade: headers.upgrade ?? 'none', te: headers['te'] })),
  );
  app.post('/plain', (request) => request.body);
  app.get('/slow', async () => {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    return 'slow';
  });
};

/** Everything that a connection answers to what is written to it, piece by piece, until it ends. */
async function answers(port: number, ...pieces: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  let got = '';
  socket.setEncoding('utf8').on('data', (part: string) => (got += part));
  for (const piece of pieces) {
    await new Promise<void>((resolve, reject) => {
      socket.write(piece, (error) => (error ? reject(error) : resolve()));
    });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  await once(socket, 'close');
  return got;
}

const h2c = (start: string, rest = ''): string =>
  `${start} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n` +
  `HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nTE: trailers\r\n${rest}\r\n`;

describe('an upgrade to anything but a WebSocket', () => {
  test('is ignored, and the request answered', async () => {
    const { port } = await serve(routes);
    const got = await answers(port, h2c('GET /plain'));
    expect(got).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(JSON.parse(got.split('\r\n\r\n')[1] ?? '')).toEqual({ upgrade: 'none', te: 'trailers' });
    expect(await answers(port, h2c('GET /nowhere'))).toMatch(/^HTTP\/1.1 404 /);
  });

  test('may have a body, which comes in pieces', async () => {
    const { port } = await serve(routes);
    const body = JSON.stringify({ text: 'x'.repeat(1_000) });
    const head = h2c('POST /plain', `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`);
    const got = await answers(port, head + body.slice(0, 10), body.slice(10, 500), body.slice(500));
    expect(got).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(got.split('\r\n\r\n')[1]).toBe(body);
  });

  test('may come while the request before it is not answered', async () => {
    const { port } = await serve(routes);
    const slow = 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const got = await answers(port, slow + h2c('GET /plain'));
    expect(got.match(/HTTP\/1.1 200 OK/g)).toHaveLength(2);
    expect(got.indexOf('slow')).toBeLessThan(got.indexOf('trailers'));
    // The first of these has the socket; the others wait in Node.js.
    const behind = await answers(port, slow.repeat(3) + h2c('GET /plain'));
    expect(behind.match(/HTTP\/1.1 200 OK/g)).toHaveLength(4);
    expect(behind.lastIndexOf('slow')).toBeLessThan(behind.indexOf('trailers'));
  });

  test('to where a WebSocket is needs one, too', async () => {
    const { port } = await serve(routes);
    expect(await answers(port, h2c('GET /socket'))).toMatch(/^HTTP\/1.1 426 /);
  });

  test('is left to others that listen for upgrades', async () => {
    const { port, app } = await serve(routes);
    app.server.on('upgrade', ({ headers }, socket) => {
      if (headers.upgrade === 'h2c') socket.end('HTTP/1.1 299 Mine\r\n\r\n');
    });
    expect(await answers(port, h2c('GET /plain'))).toBe('HTTP/1.1 299 Mine\r\n\r\n');
  });
});

describe('a WebSocket', () => {
  test('is refused with 404 where there is none', async () => {
    const { port, app } = await serve(routes);
    expect(await refusal(port, {}, '/plain')).toMatchObject({
      status: 404,
      body: { code: 'TROUPE_NO_WEBSOCKET' },
    });
    expect(await refusal(port, {}, '/elsewhere')).toMatchObject({ status: 404 });
    expect(app.websocketServer.clients.size).toBe(0);
  });

  test('is asked for with GET; other methods are answered as if nothing had been asked for', async () => {
    const { port } = await serve(routes);
    const body = '{"upgrade":"no"}';
    const head =
      'POST /plain HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const got = await answers(port, head, body);
    expect(got).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(got.split('\r\n\r\n')[1]).toBe(body);
  });

  test('shows in hooks as `request.ws`, and the connection of a hook that answers one ends', async () => {
    const seen: unknown[] = [];
    const { port } = await serve((app) => {
      app.addHook('onRequest', async (request, reply) => {
        seen.push([request.url, request.ws]);
        if (request.url === '/socket?no') await reply.code(418).send('no');
      });
      routes(app);
    });
    await fetch(`http://127.0.0.1:${port}/plain`);
    const client = await open(port, '/socket');
    client.send('hello');
    expect(await client.next()).toBe('hello');
    const upgrade =
      'GET /socket?no HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
    expect(await answers(port, upgrade)).toMatch(/^HTTP\/1.1 418 /);
    expect(seen).toEqual([
      ['/plain', false],
      ['/socket', true],
      ['/socket?no', true],
    ]);
  });

  test('is asked for with 426 where nothing else is', async () => {
    const { port } = await serve(routes);
    for (const method of ['GET', 'HEAD']) {
      const answer = await fetch(`http://127.0.0.1:${port}/socket`, { method });
      expect(answer.status).toBe(426);
      expect([answer.headers.get('upgrade'), answer.headers.get('connection')]).toEqual([
        'websocket',
        'upgrade, close',
      ]);
      expect(await answer.text()).toContain(method === 'GET' ? 'TROUPE_UPGRADE_REQUIRED' : '');
    }
  });

  test('and plain requests can share a path', async () => {
    const { port } = await serve(routes);
    expect(await (await fetch(`http://127.0.0.1:${port}/both`)).text()).toBe('plain');
    const client = await open(port, '/both');
    client.send('hello');
    expect(await client.next()).toBe('hello');
  });

  test('of injectWS does not hold up the end of the application', async () => {
    // Nothing moves this clock, and the time of the machine would be a day.
    const node = createNode({ clock: createManualClock() });
    const app = Fastify();
    await app.register(troupeFastify, { node, webSocket: { closeTimeoutMs: 86_400_000 } });
    app.get('/socket', { websocket: true }, webSocketHandler(echo));
    await app.ready();
    const socket = await app.injectWS('/socket');
    const closed = once(socket, 'close');
    await app.close();
    expect((await closed)[0]).toBe(1001);
  });
});
