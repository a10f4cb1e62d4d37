// Frames that go to many clients, over real sockets: their order among a connection's own, compression, and what slow clients get.
import fastifyWebsocket from '@fastify/websocket';
import type { AddressInfo, Socket } from 'node:net';
import Fastify from 'fastify';
import { createNode, defineChannel, on, type Pid, UNHANDLED } from 'troupe';
import {
  close,
  type ConnectionLimits,
  defineWebSocketHandler,
  encodeOnce,
  ping,
  text,
  troupeFastify,
  webSocketHandler,
} from 'troupe/fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Client, Events, open, serve } from './helpers.ts';

const news = defineChannel<{ line: string; state: { key: string; value: string } }>('fan_out_news');

const asLine = encodeOnce(({ payload }: { payload: string }) => payload);
const asState = encodeOnce(
  ({ payload }: { payload: { key: string; value: string } }) => `${payload.key}=${payload.value}`,
  ({ payload }) => payload.key,
);

/** Follows the channel; answers each frame of the client with itself, between a ping and a broadcast. */
function follower(limits: Partial<ConnectionLimits> = {}, tells = false) {
  return defineWebSocketHandler({
    name: 'follower',
    limits,
    init: (self) => news.join(self),
    handle: (_state, frame, self) => {
      if (frame.type !== 'text') return undefined;
      if (frame.data === 'close') return [text('last'), close(4000, 'done')];
      news.broadcast(self, 'line', `broadcast ${frame.data}`);
      return [ping(frame.data), text(`own ${frame.data}`)];
    },
    info: [
      on(news, {
        line: (_state, _line, _self, message) => asLine(message as never),
        state: (_state, _payload, _self, message) => asState(message as never),
      }),
      (_state, message) => (Array.isArray(message) ? message.map((each) => text(String(each))) : UNHANDLED),
    ],
    ...(tells ? { dropped: (_state, count) => text(`missed ${count}`) } : {}),
  });
}

/** How many bytes came over the TCP connection below a WebSocket. */
function bytesRead(socket: Client['socket']): number {
  return (Reflect.get(socket, '_socket') as Socket).bytesRead;
}

function recordPings(client: Client): string[] {
  const pings: string[] = [];
  client.socket.on('ping', (data) => pings.push(data.toString()));
  return pings;
}

describe('order', () => {
  test('frames of broadcasts and of the handler keep theirs, control frames and the close too', async () => {
    const { port, node } = await serve((app) => {
      app.get('/socket', { websocket: true }, webSocketHandler(follower()));
    });
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const { pid } = await opened.next();
    const log: string[] = [];
    client.socket.on('message', (data: Buffer) => log.push(data.toString()));
    client.socket.on('ping', (data) => log.push(`ping ${data.toString()}`));
    client.send('1');
    await client.take(2);
    // All in one pass.
    node.send(pid, ['a', 'b']);
    news.broadcast(node, 'line', 'c');
    node.send(pid, ['d']);
    client.send('close');
    expect(await client.closed).toEqual({ code: 4000, reason: 'done' });
    expect(log).toEqual(['ping 1', 'own 1', 'broadcast 1', 'a', 'b', 'c', 'd', 'last']);
  });

  test('of thousands of frames of several writers is the same for all clients that get the same', async () => {
    const { port, node } = await serve((app) => {
      app.get('/socket', { websocket: true }, webSocketHandler(follower()));
    });
    const opened = new Events('troupe:fastify:open');
    const clients: Client[] = [];
    const pids: Pid[] = [];
    for (let n = 0; n < 5; n++) {
      clients.push(await open(port));
      pids.push((await opened.next()).pid);
    }
    const expected = clients.map((): string[] => []);
    for (let n = 0; n < 3_000; n++) {
      if (n % 7 === 0) {
        const one = n % clients.length;
        node.send(pids[one] as Pid, [`to ${one}: ${n}`]);
        expected[one]?.push(`to ${one}: ${n}`);
      }
      news.broadcast(node, 'line', `${n} ${'x'.repeat(n % 300)}`);
      for (const each of expected) each.push(`${n} ${'x'.repeat(n % 300)}`);
      if (n % 500 === 0) await new Promise(setImmediate);
    }
    for (const [index, client] of clients.entries()) {
      expect(await client.take(expected[index]?.length ?? 0)).toEqual(expected[index]);
    }
  });
});

test.each([0, 125, 126, 65_535, 65_536, 200_000])('a payload of %i bytes arrives', async (length) => {
  const { port, node } = await serve((app) => {
    app.get('/socket', { websocket: true }, webSocketHandler(follower()));
  });
  const opened = new Events('troupe:fastify:open');
  const client = await open(port);
  await opened.next();
  news.broadcast(node, 'line', 'y'.repeat(length));
  news.broadcast(node, 'line', 'é');
  expect(await client.take(2)).toEqual(['y'.repeat(length), 'é']);
});

test('with compression on, frames are compressed, and keep their order', async () => {
  const app = Fastify();
  const node = createNode();
  onTestFinished(async () => {
    await app.close();
    await node.stop();
  });
  await app.register(fastifyWebsocket, { options: { perMessageDeflate: { threshold: 0 } } });
  await app.register(troupeFastify, { node });
  app.get('/socket', { websocket: true }, webSocketHandler(follower()));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const opened = new Events('troupe:fastify:open');
  const clients = [await open(port), await open(port, '/socket', { perMessageDeflate: false })];
  const pids = [(await opened.next()).pid, (await opened.next()).pid];
  expect(clients.map(({ socket }) => socket.extensions)).toEqual(['permessage-deflate', '']);
  const pings = clients.map(recordPings);
  const long = 'long '.repeat(10_000);
  for (const pid of pids) node.send(pid, [long, 'own']);
  news.broadcast(node, 'line', 'to all');
  for (const pid of pids) node.send(pid, ['short']);
  for (const [index, client] of clients.entries()) {
    expect(await client.take(4)).toEqual([long, 'own', 'to all', 'short']);
    client.send(String(index));
  }
  expect((await clients[0]?.take(3))?.toSorted()).toEqual(['broadcast 0', 'broadcast 1', 'own 0']);
  expect((await clients[1]?.take(3))?.toSorted()).toEqual(['broadcast 0', 'broadcast 1', 'own 1']);
  expect(pings).toEqual([['0'], ['1']]);
  const [compressed, plain] = clients.map(({ socket }) => bytesRead(socket));
  expect(compressed).toBeLessThan(5_000);
  expect(plain).toBeGreaterThan(long.length);
});

describe('handlers that make a frame of the same text', () => {
  test('share it', () => {
    expect(text('the same')).toBe(text('the same'));
    expect(text('the same')).not.toBe(text('another'));
    expect(text('the same', { key: 1 })).not.toBe(text('the same', { key: 1 }));
  });
});

describe('a slow client', () => {
  const chunk = 'x'.repeat(32_768);

  test('with `drop` is told how many it has missed, at their place', async () => {
    const { port, node } = await serve((app) => {
      app.get('/socket', { websocket: true }, webSocketHandler(follower({ slowClient: 'drop' }, true)));
    });
    const opened = new Events('troupe:fastify:open');
    const dropped = new Events('troupe:fastify:dropped');
    const reader = await open(port);
    await opened.next();
    const sleeper = await open(port);
    await opened.next();
    sleeper.socket.pause();
    let sent = 0;
    const broadcast = async () => {
      news.broadcast(node, 'line', `${sent} ${chunk}`);
      expect(await reader.next()).toBe(`${sent} ${chunk}`);
      sent++;
    };
    while (dropped.all.length === 0) await broadcast();
    for (let n = 0; n < 4; n++) await broadcast();
    sleeper.socket.resume();
    for (let n = 0; n < sent - 5; n++) expect(await sleeper.next()).toBe(`${n} ${chunk}`);
    expect(await sleeper.next()).toBe('missed 5');
    await broadcast();
    expect(await sleeper.next()).toBe(`${sent - 1} ${chunk}`);
  });

  test('with `latest` gets the newest of each key, and nobody waits for it', async () => {
    const { port, node } = await serve((app) => {
      app.get('/socket', { websocket: true }, webSocketHandler(follower({ slowClient: 'latest' })));
    });
    const opened = new Events('troupe:fastify:open');
    const closed = new Events('troupe:fastify:close');
    const reader = await open(port);
    await opened.next();
    const sleeper = await open(port);
    await opened.next();
    sleeper.socket.pause();
    const rounds = 400;
    for (let n = 0; n < rounds; n++) {
      for (const key of ['a', 'b']) {
        news.broadcast(node, 'state', { key, value: `${n} ${chunk}` });
        expect(await reader.next()).toBe(`${key}=${n} ${chunk}`);
      }
    }
    sleeper.socket.resume();
    const seen = { a: -1, b: -1 };
    while (seen.a < rounds - 1 || seen.b < rounds - 1) {
      const [key, value] = (await sleeper.next()).split('=') as ['a' | 'b', string];
      expect(Number.parseInt(value, 10)).toBeGreaterThan(seen[key]);
      seen[key] = Number.parseInt(value, 10);
    }
    sleeper.socket.close();
    const end = await closed.next();
    expect(end.dropped).toBeGreaterThan(0);
    expect(end.sent).toBe(2 * rounds);
  });
});

describe('a server that goes away', () => {
  async function ends(retryWithinMs: number | undefined) {
    const { app, port } = await serve(
      (server) => {
        server.get('/socket', { websocket: true }, webSocketHandler(follower()));
        server.get('/plain', { websocket: true }, () => undefined);
      },
      { webSocket: retryWithinMs === undefined ? {} : { retryWithinMs } },
    );
    const clients = [await open(port), await open(port), await open(port, '/plain')];
    await app.close();
    return Promise.all(clients.map(({ closed }) => closed));
  }

  test.each([
    [undefined, /^going away; retry=\d{1,3}$/],
    [1_000, /^going away; retry=\d{1,3}$/],
    [0, /^going away$/],
  ])('tells its clients when to come back: within %s ms', async (retryWithinMs, expected) => {
    for (const { code, reason } of await ends(retryWithinMs)) {
      expect(code).toBe(1001);
      expect(reason).toMatch(expected);
    }
  });

  test('tells each a time of its own', async () => {
    // Once in thirty million runs two of them are the same.
    const reasons = (await ends(100_000_000)).map(({ reason }) => reason);
    expect(new Set(reasons).size).toBe(3);
  });
});
