// How connections end: who went first, what the process and the client get to know of it, and what is left behind.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import type { Process } from 'troupe';
import {
  close,
  defineWebSocketHandler,
  stop,
  text,
  type WebSocketReplies,
  webSocketHandler,
} from 'troupe/fastify';
import { awaitExit, createManualClock, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { Events, gate, Group, open, openRaw, type Server, serve } from './helpers.ts';

/** A server whose handler obeys: it does what the text frame says. */
async function serveObedient(
  options: { group?: (server: Group) => void; own?: Parameters<typeof serve>[1] } = {},
) {
  return serve((app, node) => {
    const group = new Group(node);
    options.group?.(group);
    const handler = defineWebSocketHandler({
      name: 'obedient',
      init: (self) => {
        group.join(self);
      },
      handle: (_state, { data }): WebSocketReplies => {
        if (data === 'throw') throw new Error('told to');
        if (data === 'reject') return Promise.reject(new Error('told to'));
        if (data === 'stop') return stop('normal');
        if (data === 'close') return close(4000, 'told to');
        return text(data);
      },
      info: (_state, message) => text(String(message)),
    });
    app.get('/socket', { websocket: true }, webSocketHandler(handler));
  }, options.own);
}

/** A frame as a client sends it, masked with zeros. */
function frame(firstByte: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** The code of the close frame that the server sends next, 1005 when it has none. */
async function closeCode(socket: Socket): Promise<number> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    const received = Buffer.concat(chunks);
    if (received.length < 2 || received.length < 2 + (received[1] ?? 0)) continue;
    expect(received[0]).toBe(0x88);
    return received[1] === 0 ? 1005 : received.readUInt16BE(2);
  }
  throw new Error('the server closed the connection without a close frame');
}

describe('the client goes', () => {
  test.each([
    ['with a code', 1000, 'done', ['shutdown', ['remote', 1000, 'done']]],
    ['with a code of its own', 4999, '', ['shutdown', ['remote', 4999, '']]],
    ['without a code', undefined, undefined, ['shutdown', ['remote', 1005, '']]],
  ])('by a close frame %s', async (_how, code, why, reason) => {
    let group: Group | undefined;
    const { port, node, app } = await serveObedient({ group: (made) => (group = made) });
    const opened = new Events('troupe:fastify:open');
    const ended = new Events('troupe:fastify:close');
    const client = await open(port);
    const { pid } = await opened.next();
    const exit = awaitExit(node, pid);
    client.socket.close(code, why);
    expect(await exit).toEqual(reason);
    expect(group?.members.size).toBe(0);
    expect(await ended.next()).toMatchObject({ pid, label: 'obedient', code: code ?? 1005, reason });
    expect(app.troupe.connections).toBe(0);
  });

  test.each<[string, (socket: Socket) => void]>([
    ['without a close frame', (socket) => socket.destroy()],
    ['by half-closing', (socket) => socket.end()],
    ['by a TCP reset', (socket) => socket.resetAndDestroy()],
  ])('%s: the process exits, and is no failure', async (_how, leave) => {
    let group: Group | undefined;
    const { port, node } = await serveObedient({ group: (made) => (group = made) });
    const opened = new Events('troupe:fastify:open');
    const failed = new Events('troupe:fastify:failed');
    const crashed = new Events('troupe:process:crash');
    const ended = new Events('troupe:fastify:close');
    const socket = await openRaw(port);
    const { pid } = await opened.next();
    const exit = awaitExit(node, pid);
    leave(socket);
    expect(await exit).toEqual(['shutdown', ['error', 'closed']]);
    expect(group?.members.size).toBe(0);
    expect(await ended.next()).toMatchObject({ pid, code: 1006, received: 0, sent: 0, dropped: 0 });
    expect([failed.all, crashed.all]).toEqual([[], []]);
  });

  test('what it sent before is handled first', async () => {
    const seen: string[] = [];
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'recorder',
        init: () => undefined,
        handle: async (_state, { data }) => {
          await Promise.resolve();
          seen.push(data.toString());
          return text('nobody reads this');
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const exit = awaitExit(node, (await opened.next()).pid);
    for (let i = 0; i < 100; i++) client.send(String(i));
    client.socket.close();
    await exit;
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  });

  test('a handler that hangs is ended after drainTimeoutMs, and its signal fires', async () => {
    const clock = createManualClock();
    const hanging = gate<Process>();
    const { port, node, app } = await serve(
      (server) => {
        const handler = defineWebSocketHandler({
          name: 'hanging',
          init: () => undefined,
          handle: (_state, _frame, self) => {
            hanging.open(self);
            return new Promise(() => undefined);
          },
        });
        server.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { node: { clock } },
    );
    const client = await open(port);
    const [serverSide] = app.websocketServer.clients;
    client.send('hang');
    const self = await hanging.passed;
    const { signal } = self;
    const exit = awaitExit(node, self.pid);
    const gone = once(serverSide as NodeJS.EventEmitter, 'close');
    client.socket.terminate();
    await gone;
    await clock.advance(4_999);
    expect([self.alive, signal.aborted]).toEqual([true, false]);
    await clock.advance(1);
    expect([self.alive, signal.aborted]).toEqual([false, true]);
    expect(await exit).toEqual(['shutdown', ['error', 'closed']]);
    expect(app.troupe.connections).toBe(0);
  });

  test('a terminate that hangs is ended after drainTimeoutMs', async () => {
    const clock = createManualClock();
    const leaving = gate<Process>();
    const { port, node } = await serve(
      (server) => {
        const handler = defineWebSocketHandler({
          name: 'clinging',
          init: () => undefined,
          handle: () => close(4003),
          terminate: (_state, _reason, self) => {
            leaving.open(self);
            return new Promise(() => undefined);
          },
        });
        server.get('/socket', { websocket: true }, webSocketHandler(handler));
      },
      { node: { clock } },
    );
    const client = await open(port);
    client.send('go');
    const self = await leaving.passed;
    const exit = awaitExit(node, self.pid);
    await clock.advance(5_000);
    expect(await exit).toBe('normal');
    expect(await client.closed).toMatchObject({ code: 4003 });
  });
});

describe('the server’s side ends', () => {
  test('a handler that throws closes its own socket and nothing else', async () => {
    let group: Group | undefined;
    const { port, app } = await serveObedient({ group: (made) => (group = made) });
    const failed = new Events('troupe:fastify:failed');
    const crashed = new Events('troupe:process:crash');
    const ended = new Events('troupe:fastify:close');
    const clients = await Promise.all(Array.from({ length: 52 }, () => open(port)));
    const [thrower, rejecter, ...others] = clients;
    thrower?.send('throw');
    rejecter?.send('reject');
    expect(await thrower?.closed).toEqual({ code: 1011, reason: 'internal error' });
    expect(await rejecter?.closed).toEqual({ code: 1011, reason: 'internal error' });
    await ended.next();
    await ended.next();
    expect([failed.all.length, crashed.all.length]).toEqual([2, 2]);
    expect(group?.members.size).toBe(50);
    expect(app.troupe.connections).toBe(50);
    group?.broadcast('still here');
    expect(await Promise.all(others.map((client) => client.next()))).toEqual(
      Array.from({ length: 50 }, () => 'still here'),
    );
    for (const client of others) client.send('echo');
    expect(new Set(await Promise.all(others.map((client) => client.next())))).toEqual(new Set(['echo']));
  });

  test('what runs on after a kill sends nothing and calls nothing', async () => {
    const release = gate();
    const running = gate<Process>();
    const calls: string[] = [];
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'zombie',
        init: () => undefined,
        handle: async (_state, _frame, self) => {
          running.open(self);
          await release.passed;
          calls.push('continued');
          return [text('from the dead'), close()];
        },
        terminate: () => {
          calls.push('terminate');
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = await open(port);
    client.send('go');
    const self = await running.passed;
    node.exit(self.pid, 'kill');
    expect(await client.closed).toMatchObject({ code: 1011 });
    release.open();
    await settle(node);
    expect([calls, client.waiting]).toEqual([['continued'], []]);
  });

  test('a process killed during an async init closes with 1011, and init’s result is dropped', async () => {
    const release = gate();
    const running = gate<Process>();
    let calls = 0;
    const { port, node, app } = await serve((server) => {
      const handler = defineWebSocketHandler({
        name: 'starting',
        init: async (self) => {
          running.open(self);
          await release.passed;
        },
        opened: () => {
          calls++;
          return text('too late');
        },
      });
      server.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = await open(port);
    const self = await running.passed;
    node.exit(self.pid, 'kill');
    expect(await client.closed).toMatchObject({ code: 1011 });
    release.open();
    await settle(node);
    expect([app.troupe.connections, client.waiting, calls]).toEqual([0, [], 0]);
  });

  test('a client that does not answer the close is torn down after closeTimeoutMs', async () => {
    const ended = new Events('troupe:fastify:close');
    const { port, app } = await serveObedient({ own: { webSocket: { closeTimeoutMs: 20 } } });
    const socket = await openRaw(port);
    socket.pause();
    socket.write(frame(0x81, Buffer.from('close')));
    expect(await ended.next()).toMatchObject({ code: 4000, reason: 'normal' });
    expect(app.troupe.connections).toBe(0);
  });
});

describe('close codes', () => {
  test.each<[string, number, string, Buffer]>([
    ['invalid UTF-8 in a text', 1007, 'WS_ERR_INVALID_UTF8', frame(0x81, Buffer.from([0xc3, 0x28]))],
    ['a reserved opcode', 1002, 'WS_ERR_INVALID_OPCODE', frame(0x83, Buffer.from('x'))],
    ['a reserved bit', 1002, 'WS_ERR_UNEXPECTED_RSV_2_3', frame(0xb1, Buffer.from('x'))],
    ['a frame without a mask', 1002, 'WS_ERR_EXPECTED_MASK', Buffer.from([0x81, 1, 0x78])],
    ['a fragmented ping', 1002, 'WS_ERR_EXPECTED_FIN', frame(0x09, Buffer.from('x'))],
    ['a continuation of nothing', 1002, 'WS_ERR_INVALID_OPCODE', frame(0x80, Buffer.from('x'))],
    [
      'a close code that may not be sent',
      1002,
      'WS_ERR_INVALID_CLOSE_CODE',
      frame(0x88, Buffer.from([3, 238])),
    ],
    [
      'a length beyond all limits',
      1009,
      'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
      Buffer.from([0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255]),
    ],
    [
      'a message over maxPayloadBytes',
      1009,
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1]),
    ],
  ])('%s is answered with %d', async (_what, code, fault, bytes) => {
    const { port, node } = await serveObedient();
    const opened = new Events('troupe:fastify:open');
    const ended = new Events('troupe:fastify:close');
    const socket = await openRaw(port);
    const { pid } = await opened.next();
    const exit = awaitExit(node, pid);
    socket.write(bytes);
    expect(await closeCode(socket)).toBe(code);
    expect(await exit).toEqual(['shutdown', ['error', fault]]);
    expect(await ended.next()).toMatchObject({ pid, code, reason: ['shutdown', ['error', fault]] });
  });

  test('faults of clients are not written to the log', async () => {
    const log: string[] = [];
    const { port } = await serveObedient({
      own: { fastify: { logger: { level: 'warn', stream: { write: (line) => log.push(line) } } } },
    });
    const ended = new Events('troupe:fastify:close');
    const socket = await openRaw(port);
    socket.write(frame(0x83, Buffer.from('x')));
    expect(await closeCode(socket)).toBe(1002);
    await ended.next();
    expect(log).toEqual([]);
  });

  test('a message of maxPayloadBytes is taken, one byte more is not', async () => {
    const { port } = await serveObedient();
    const client = await open(port);
    client.send('x'.repeat(65_536));
    expect(await client.next()).toHaveLength(65_536);
    client.send('x'.repeat(65_537));
    expect(await client.closed).toMatchObject({ code: 1009 });
  });

  test('fragments are added up', async () => {
    const { port } = await serveObedient({ own: { webSocket: { maxPayloadBytes: 10 } } });
    const client = await open(port);
    client.socket.send('123456', { fin: false });
    client.socket.send('123456', { fin: true });
    expect(await client.closed).toMatchObject({ code: 1009 });
  });
});

describe('nothing is left behind', () => {
  /** Waits until `count` connections are over, and checks that none of them left anything. */
  async function expectNothingLeft(
    server: Server,
    group: Group | undefined,
    baseline: number,
  ): Promise<void> {
    await settle(server.node);
    expect(server.app.troupe.connections).toBe(0);
    expect(server.app.websocketServer.clients.size).toBe(0);
    expect(group?.members.size).toBe(0);
    expect(server.node.processes()).toHaveLength(baseline);
  }

  test('by thousands of connections that end in every way', async () => {
    let group: Group | undefined;
    const server = await serveObedient({ group: (made) => (group = made) });
    const baseline = server.node.processes().length;
    const ended = new Events('troupe:fastify:close');
    const ways: Array<(client: Awaited<ReturnType<typeof open>>) => void> = [
      (client) => client.socket.close(),
      (client) => client.socket.terminate(),
      (client) => client.send('throw'),
      (client) => client.send('stop'),
      (client) => client.send('close'),
      (client) => client.send('x'.repeat(70_000)),
    ];
    for (let round = 0; round < 30; round++) {
      const clients = await Promise.all(Array.from({ length: 100 }, () => open(server.port)));
      clients.forEach((client, index) => ways[index % ways.length]?.(client));
      for (let i = 0; i < clients.length; i++) await ended.next();
    }
    expect(ended.all).toHaveLength(3_000);
    await expectNothingLeft(server, group, baseline);
  });

  test('by garbage on the wire, which never reaches another connection', async () => {
    let group: Group | undefined;
    const server = await serveObedient({ group: (made) => (group = made) });
    const baseline = server.node.processes().length;
    const witness = await open(server.port);
    const ended = new Events('troupe:fastify:close');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 5 }), async (chunks) => {
        const socket = await openRaw(server.port);
        socket.resume();
        for (const chunk of chunks) if (!socket.destroyed) socket.write(chunk);
        socket.end();
        await ended.next();
        witness.send('echo');
        expect(await witness.next()).toBe('echo');
      }),
      { numRuns: 100 },
    );
    witness.socket.close();
    await ended.next();
    await expectNothingLeft(server, group, baseline);
  });
});
