// Every limit of a connection, reached.
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Process } from 'troupe';
import { defineWebSocketHandler, text, webSocketHandler, type WebSocketOptions } from 'troupe/fastify';
import { awaitExit, createManualClock, type ManualClock, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { serveGroup } from './group-server.ts';
import { type Client, Events, gate, open, refusal, serve, start } from './helpers.ts';

describe('heartbeat', () => {
  /** The client has got a ping, and the server its answer. */
  async function beat(clock: ManualClock, client: Client, ms: number): Promise<string> {
    const pinged = once(client.socket, 'ping');
    await clock.advance(ms);
    const [payload] = (await pinged) as [Buffer];
    client.socket.ping('answered');
    expect(await client.next()).toBe('ping:answered');
    return payload.toString();
  }

  test('a client that answers stays, and its handler sees nothing of it', async () => {
    const clock = createManualClock();
    const { port, app } = await serveGroup({}, clock);
    const client = await open(port);
    expect(await beat(clock, client, 30_000)).toBe('troupe');
    for (let i = 0; i < 10; i++) await beat(clock, client, 30_000);
    expect([client.waiting, app.troupe.connections]).toEqual([[], 1]);
  });

  test('a client that does not answer is torn down at the next one', async () => {
    const clock = createManualClock();
    const { port, node } = await serveGroup({}, clock);
    const opened = new Events('troupe:fastify:open');
    const ended = new Events('troupe:fastify:close');
    const client = await open(port, '/socket', { autoPong: false });
    const { pid } = await opened.next();
    const exit = awaitExit(node, pid);
    const pinged = once(client.socket, 'ping');
    await clock.advance(30_000);
    await pinged;
    await clock.advance(29_999);
    expect(node.isAlive(pid)).toBe(true);
    await clock.advance(1);
    expect(await exit).toEqual(['shutdown', 'timeout']);
    expect(await client.closed).toMatchObject({ code: 1006 });
    expect(await ended.next()).toMatchObject({ code: 1006, reason: ['shutdown', 'timeout'] });
  });

  test('a client that does not answer while its handler hangs: the first cause stays the reason', async () => {
    const clock = createManualClock();
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
      { node: { clock } },
    );
    const client = await open(port, '/socket', { autoPong: false });
    const [serverSide] = app.websocketServer.clients;
    const gone = once(serverSide as NodeJS.EventEmitter, 'close');
    const exit = awaitExit(node, (await running.passed).pid);
    await clock.advance(60_000);
    await gone;
    await clock.advance(5_000);
    expect(await exit).toEqual(['shutdown', 'timeout']);
    expect(await client.closed).toMatchObject({ code: 1006 });
  });

  test('nothing of it is left when the connection is over', async () => {
    const clock = createManualClock();
    const ended = new Events('troupe:fastify:close');
    const { port } = await serveGroup({ idleTimeoutMs: 45_000 }, clock);
    const client = await open(port);
    client.socket.close();
    await ended.next();
    await clock.advance(120_000);
    expect(clock.pending).toBe(0);
  });

  test('any frame counts as a sign of life', async () => {
    const clock = createManualClock();
    const { port, node } = await serveGroup({}, clock);
    const opened = new Events('troupe:fastify:open');
    const client = await open(port, '/socket', { autoPong: false });
    const { pid } = await opened.next();
    for (let i = 0; i < 5; i++) {
      await clock.advance(30_000);
      client.send('hello');
      expect(await client.next()).toBe('text:hello');
    }
    expect(node.isAlive(pid)).toBe(true);
  });

  test('the handler can have its own, or none', async () => {
    const clock = createManualClock();
    const { port } = await serve(
      (app) => {
        const callbacks = { init: () => undefined };
        const quick = defineWebSocketHandler({ ...callbacks, name: 'quick', limits: { heartbeatMs: 100 } });
        const none = defineWebSocketHandler({
          ...callbacks,
          name: 'none',
          limits: { heartbeatMs: Infinity },
        });
        app.get('/quick', { websocket: true }, webSocketHandler(quick));
        app.get('/none', { websocket: true }, webSocketHandler(none));
      },
      { node: { clock } },
    );
    await open(port, '/none');
    expect(clock.pending).toBe(0);
    const client = await open(port, '/quick');
    const pinged = once(client.socket, 'ping');
    await clock.advance(100);
    await pinged;
  });
});

describe('idle', () => {
  test('a client that sends no message is closed with 1000; pings do not count', async () => {
    const clock = createManualClock();
    const { port, node } = await serveGroup({ idleTimeoutMs: 60_000, heartbeatMs: Infinity }, clock);
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const { pid } = await opened.next();
    const exit = awaitExit(node, pid);
    await clock.advance(59_999);
    client.send('x');
    expect(await client.next()).toBe('text:x');
    await clock.advance(59_999);
    client.socket.ping('y');
    expect(await client.next()).toBe('ping:y');
    expect(node.isAlive(pid)).toBe(true);
    await clock.advance(1);
    expect(await exit).toEqual(['shutdown', 'timeout']);
    expect(await client.closed).toEqual({ code: 1000, reason: 'idle' });
  });
});

describe('a client that sends quickly', () => {
  test('is not read from while the mailbox is long, and loses nothing', async () => {
    const first = gate();
    const paused = gate();
    let longest = 0;
    const { port, node, app } = await serve(
      (server) => {
        const handler = defineWebSocketHandler({
          name: 'busy',
          init: () => ({ count: 0 }),
          handle: async (state, _frame, self) => {
            await first.passed;
            longest = Math.max(longest, node.processInfo(self.pid)?.messageQueueLength ?? 0);
            return text(String(++state.count));
          },
        });
        server.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { webSocket: { mailboxHighWater: 8 } },
    );
    app.websocketServer.on('connection', (socket: WebSocket) => {
      const pause = socket.pause.bind(socket);
      socket.pause = () => {
        pause();
        paused.open();
      };
    });
    const client = await open(port);
    const payload = Buffer.alloc(60_000);
    for (let i = 0; i < 320; i++) client.send(payload);
    await paused.passed;
    // Whatever the socket had read is delivered now, and no more.
    for (let i = 0; i < 50; i++) await turn();
    expect(client.socket.bufferedAmount).toBeGreaterThan(0);
    first.open();
    const replies = await client.take(320);
    expect(replies.at(-1)).toBe('320');
    // A chunk of the socket, 64 KiB, has two of these frames at most.
    expect(longest).toBeGreaterThanOrEqual(4);
    expect(longest).toBeLessThanOrEqual(10);
  });

  test('is not missed by the heartbeat while it is not read from', async () => {
    const clock = createManualClock();
    const running = gate();
    const release = gate();
    const { port, node } = await serve(
      (app) => {
        const handler = defineWebSocketHandler({
          name: 'busy',
          init: () => undefined,
          handle: async (_state, frame) => {
            running.open();
            await release.passed;
            return text(frame.data.toString());
          },
        });
        app.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { webSocket: { mailboxHighWater: 1 }, node: { clock } },
    );
    const opened = new Events('troupe:fastify:open');
    const client = await open(port, '/socket', { autoPong: false });
    const { pid } = await opened.next();
    const pinged = once(client.socket, 'ping');
    client.send('a');
    client.send('b');
    await running.passed;
    await clock.advance(30_000);
    await pinged;
    await clock.advance(300_000);
    expect(node.isAlive(pid)).toBe(true);
    release.open();
    expect(await client.take(2)).toEqual(['a', 'b']);
  });

  test('and whose process is killed is read from again, to see its answer to the close', async () => {
    const running = gate<Process>();
    const { port, node } = await serve(
      (app) => {
        const handler = defineWebSocketHandler({
          name: 'hanging',
          init: () => undefined,
          handle: (_state, _frame, self) => {
            running.open(self);
            return new Promise(() => undefined);
          },
        });
        app.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { webSocket: { mailboxHighWater: 1, closeTimeoutMs: 60_000 } },
    );
    const ended = new Events('troupe:fastify:close');
    const client = await open(port);
    client.send('a');
    client.send('b');
    node.exit((await running.passed).pid, 'kill');
    expect(await ended.next()).toMatchObject({ code: 1011, reason: 'killed' });
    expect(await client.closed).toMatchObject({ code: 1011 });
  });

  test('over messagesPerSecond is closed with 1008', async () => {
    const clock = createManualClock();
    const { port, node } = await serveGroup({ messagesPerSecond: 5, closeTimeoutMs: 60_000 }, clock);
    const opened = new Events('troupe:fastify:open');
    const ended = new Events('troupe:fastify:close');
    const client = await open(port);
    const exit = awaitExit(node, (await opened.next()).pid);
    for (let second = 0; second < 3; second++) {
      for (let i = 0; i < 4; i++) client.send('x');
      client.socket.ping('p');
      await client.take(5);
      await clock.advance(1_000);
    }
    // What was not used is not saved up.
    await clock.advance(10_000);
    for (let i = 0; i < 20; i++) client.send('x');
    expect(await client.take(5)).toHaveLength(5);
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many messages' });
    expect(await exit).toEqual(['shutdown', 'rate_limit']);
    expect(client.waiting).toEqual([]);
    // Its answer to the close is read although its frames are not: nobody has to wait for closeTimeoutMs.
    expect(await ended.next()).toMatchObject({ code: 1008, received: 21 });
  });

  test('a flood of pings tears the connection down or is answered; others go on', async () => {
    const { port, app } = await serveGroup({});
    const witness = await open(port);
    const flooder = start(port);
    flooder.socket.on('open', () => {
      for (let i = 0; i < 20_000; i++) flooder.socket.ping();
      flooder.socket.close();
    });
    await flooder.closed;
    witness.send('x');
    expect(await witness.next()).toBe('text:x');
    await settle(app.troupe.node);
  });
});

describe('connections', () => {
  test('over maxConnections are refused before the upgrade, and there is room again afterwards', async () => {
    const { port, app } = await serveGroup({ maxConnections: 2 });
    const ended = new Events('troupe:fastify:close');
    const [first] = await Promise.all([open(port), open(port)]);
    expect(await refusal(port)).toMatchObject({ status: 503, body: { code: 'TROUPE_TOO_MANY_CONNECTIONS' } });
    expect(app.troupe.connections).toBe(2);
    first.socket.close();
    await ended.next();
    const client = await open(port);
    client.send('x');
    expect(await client.next()).toBe('text:x');
  });

  test('that become too many during the upgrade are closed with 1013', async () => {
    const both = gate();
    let upgrading = 0;
    const { port } = await serve(
      (app) => {
        const echo = defineWebSocketHandler({
          name: 'echo',
          init: () => undefined,
          opened: () => text('open'),
        });
        const preValidation = async (): Promise<void> => {
          if (++upgrading === 2) both.open();
          await both.passed;
        };
        app.get('/socket', { websocket: true, preValidation }, webSocketHandler(echo));
      },
      { webSocket: { maxConnections: 1 } },
    );
    const clients = [start(port), start(port)];
    const outcomes = await Promise.all(clients.map((client) => Promise.race([client.next(), client.closed])));
    expect(outcomes).toHaveLength(2);
    expect(outcomes).toContain('open');
    expect(outcomes).toContainEqual({ code: 1013, reason: 'too many connections' });
  });

  test('of a node that has all its processes are closed with 1013', async () => {
    const { port } = await serve(
      (app) => {
        const handler = defineWebSocketHandler({ name: 'any', init: () => undefined });
        app.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { node: { maxProcesses: 1 } },
    );
    expect(await start(port).closed).toEqual({ code: 1013, reason: 'unavailable' });
  });

  test('of a node that is stopped are closed with 1001', async () => {
    const { port, node } = await serveGroup({});
    const client = await open(port);
    await node.stop();
    expect(await client.closed).toEqual({
      code: 1001,
      reason: expect.stringMatching(/^going away; retry=\d+$/) as string,
    });
    expect(await start(port).closed).toEqual({ code: 1001, reason: 'unavailable' });
  });

  test('are checked for their Origin', async () => {
    const { port, app } = await serveGroup({ origins: ['https://notes.example'] });
    const accepted = ['https://notes.example', `http://127.0.0.1:${port}`, undefined];
    for (const origin of accepted) await open(port, '/socket', origin === undefined ? {} : { origin });
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${port + 1}`]) {
      expect(await refusal(port, { origin })).toMatchObject({
        status: 403,
        body: { code: 'TROUPE_ORIGIN_REFUSED' },
      });
    }
    expect(app.troupe.connections).toBe(3);
  });

  test('of any Origin are taken when that is asked for', async () => {
    const { port, app } = await serveGroup({ origins: 'any' });
    await open(port, '/socket', { origin: 'https://elsewhere.example' });
    expect(app.troupe.connections).toBe(1);
  });
});

describe('options', () => {
  test.each<[string, WebSocketOptions]>([
    ['maxPayloadBytes', { maxPayloadBytes: 0 }],
    ['maxConnections', { maxConnections: -1 }],
    ['closeTimeoutMs', { closeTimeoutMs: Infinity }],
    ['drainTimeoutMs', { drainTimeoutMs: Infinity }],
    ['sendLimitBytes', { sendLimitBytes: 0 }],
    ['sendTimeoutMs', { sendTimeoutMs: 0.5 }],
    ['mailboxHighWater', { mailboxHighWater: Number.NaN }],
    ['idleTimeoutMs', { idleTimeoutMs: 2 ** 33 }],
    ['messagesPerSecond', { messagesPerSecond: 0 }],
    ['notes.example', { origins: ['notes.example'] }],
    ['https://notes.example/', { origins: ['https://notes.example/'] }],
  ])('%s out of its range is refused: %o', async (named, webSocket) => {
    await expect(serve(() => undefined, { webSocket })).rejects.toMatchObject({
      code: 'TROUPE_BAD_ARGUMENT',
      message: expect.stringContaining(named) as string,
    });
  });
});
