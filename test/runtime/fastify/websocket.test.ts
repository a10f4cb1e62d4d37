// WebSocket handlers as processes: what the callbacks see and answer, and in which order. See `cowboy_websocket`.
import { Down, type Node, type Pid } from 'troupe';
import {
  binary,
  close,
  defineWebSocketHandler,
  encodeOnce,
  ping,
  stop,
  text,
  UNHANDLED,
  type WebSocketReplies,
  webSocketHandler,
} from 'troupe/fastify';
import { awaitExit, createProbe } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { Events, gate, Group, open, serve, start } from './helpers.ts';

const echo = defineWebSocketHandler({
  name: 'echo',
  init: () => undefined,
  handle: (_state, frame) =>
    frame.type === 'text' ? text(frame.data) : frame.type === 'binary' ? binary(frame.data) : undefined,
});

/** A server with one handler that answers each text frame with what `reply` makes of it. */
async function serveReplies(reply: (data: string, node: Node) => WebSocketReplies) {
  return serve((app, node) => {
    const handler = defineWebSocketHandler({
      name: 'replies',
      init: () => undefined,
      handle: (_state, frame) => (frame.type === 'text' ? reply(frame.data, node) : undefined),
    });
    app.get('/socket', { websocket: true }, webSocketHandler(handler));
  });
}

describe('frames', () => {
  test('text and binary frames arrive and are answered', async () => {
    const { port } = await serve((app) => app.get('/socket', { websocket: true }, webSocketHandler(echo)));
    const client = await open(port);
    client.send('zwölf ∞');
    client.send(Buffer.from([0, 255, 1]));
    expect(await client.take(2)).toEqual(['zwölf ∞', '0x00ff01']);
  });

  test('are counted for the application, those of connections that are over too', async () => {
    const { app, port } = await serve((routes) =>
      routes.get('/socket', { websocket: true }, webSocketHandler(echo)),
    );
    const over = new Events('troupe:fastify:close');
    const [first, second] = [await open(port), await open(port)];
    for (const client of [first, second]) for (const frame of ['a', 'b']) client.send(frame);
    await Promise.all([first.take(2), second.take(2)]);
    expect(app.troupe.frames).toEqual({ received: 4, sent: 4, dropped: 0 });
    first.socket.close();
    await over.next();
    expect(app.troupe.connections).toBe(1);
    expect(app.troupe.frames).toEqual({ received: 4, sent: 4, dropped: 0 });
  });

  test('a frame sent in fragments arrives whole', async () => {
    const { port } = await serve((app) => app.get('/socket', { websocket: true }, webSocketHandler(echo)));
    const client = await open(port);
    client.socket.send('a', { fin: false });
    client.socket.send('b', { fin: false });
    client.socket.send('c', { fin: true });
    expect(await client.next()).toBe('abc');
  });

  test('pings and pongs of the client reach the handler; pings are answered by themselves', async () => {
    const { port } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'control',
        init: () => undefined,
        handle: (_state, frame) => text(`${frame.type}:${frame.data.toString()}`),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = await open(port);
    const pong = new Promise<string>((resolve) => {
      client.socket.once('pong', (data) => {
        resolve(data.toString());
      });
    });
    client.socket.ping('one');
    client.socket.pong('two');
    expect(await client.take(2)).toEqual(['ping:one', 'pong:two']);
    expect(await pong).toBe('one');
  });

  test('a handler answers nothing, one frame or several in order', async () => {
    const { port } = await serveReplies((data) => {
      if (data === 'none') return undefined;
      if (data === 'one') return text('1');
      return [text('1'), binary(Buffer.from('2')), text(Buffer.from('3'))];
    });
    const client = await open(port);
    for (const message of ['none', 'one', 'several']) client.send(message);
    expect(await client.take(4)).toEqual(['1', '1', '0x32', '3']);
  });

  test('a ping of a handler is answered by the client, and the pong reaches the handler', async () => {
    const { port } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'pinger',
        init: () => undefined,
        opened: () => ping('are you there'),
        handle: (_state, frame) => text(`${frame.type}:${frame.data.toString()}`),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    expect(await start(port).next()).toBe('pong:are you there');
  });

  test('without a handle callback frames are ignored', async () => {
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'push',
        init: () => undefined,
        info: (_state, message) => text(String(message)),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const { pid } = await opened.next();
    client.send('ignored');
    node.send(pid, 'hello');
    expect(await client.next()).toBe('hello');
  });

  test.each([
    ['a string', 'hello'],
    ['a number', 7],
    ['an object', { type: 'text' }],
    ['a list with something else in it', [text('a'), null]],
  ])('%s is no answer: the process crashes with TROUPE_BAD_RETURN', async (_what, value) => {
    const failed = new Events('troupe:fastify:failed');
    const { port } = await serveReplies(() => value as WebSocketReplies);
    const client = await open(port);
    client.send('go');
    expect(await client.closed).toMatchObject({ code: 1011 });
    expect(await failed.next()).toMatchObject({ label: 'replies', reason: { code: 'TROUPE_BAD_RETURN' } });
  });
});

describe('what no frame can be made of', () => {
  test.each<[string, () => unknown]>([
    ['an object as text', () => text({ id: 1 } as never)],
    ['null as bytes', () => binary(null as never)],
    ['an ArrayBuffer', () => binary(new ArrayBuffer(1) as never)],
    ['a number in a ping', () => ping(7 as never)],
    ['an object that is encoded once', () => encodeOnce(() => ({}) as never)({})],
  ])('%s ends the process of the handler, and nothing else', async (_what, reply) => {
    const failed = new Events('troupe:fastify:failed');
    const { port } = await serveReplies((data) => (data === 'go' ? reply() : text(data)) as WebSocketReplies);
    const [client, other] = [await open(port), await open(port)];
    client.send('go');
    expect(await client.closed).toMatchObject({ code: 1011 });
    expect(String((await failed.next()).reason)).toMatch(/JSON.stringify\(object\).*TROUPE_BAD_ARGUMENT/);
    other.send('hello');
    expect(await other.next()).toBe('hello');
  });
});

describe('init', () => {
  test('gets the process, the request and the arguments', async () => {
    const { port } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'args',
        init: (self, request, one: number, two: string) => ({ self, query: request.query, one, two }),
        opened: ({ self, query, one, two }) =>
          text(JSON.stringify({ alive: self.alive, label: self.label, query, one, two })),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler, 1, 'two'));
    });
    expect(JSON.parse(await start(port, '/socket?a=b').next())).toEqual({
      alive: true,
      label: 'args',
      query: { a: 'b' },
      one: 1,
      two: 'two',
    });
  });

  test('a join in init is the connection’s own: all clients get what is broadcast', async () => {
    let group: Group | undefined;
    const { port, node } = await serve((app, ownNode) => {
      const joined = (group = new Group(ownNode));
      const handler = defineWebSocketHandler({
        name: 'member',
        init: (self) => {
          joined.join(self);
        },
        opened: () => text('joined'),
        info: (_state, message) => text(String(message)),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const clients = await Promise.all(Array.from({ length: 50 }, () => open(port)));
    await Promise.all(clients.map((client) => client.next()));
    expect(group?.members.size).toBe(50);
    expect([...(group?.members ?? [])].every((pid) => node.isAlive(pid))).toBe(true);
    group?.broadcast('news');
    expect(await Promise.all(clients.map((client) => client.next()))).toEqual(
      Array.from({ length: 50 }, () => 'news'),
    );
  });

  test('frames that arrive while an async init runs wait, in order', async () => {
    const release = gate();
    const { port } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'slow',
        init: async () => {
          await release.passed;
          return [] as string[];
        },
        opened: () => text('open'),
        handle: (seen, frame) => {
          seen.push(frame.data.toString());
          return seen.length === 3 ? text(seen.join()) : undefined;
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = start(port);
    client.socket.once('open', () => {
      client.send('a');
      client.send('b');
      client.socket.ping('c', undefined, () => {
        release.open();
      });
    });
    expect(await client.take(2)).toEqual(['open', 'a,b,c']);
  });

  test('frames that arrive while an async handler runs wait, in order', async () => {
    const gates = [gate(), gate()];
    let started = 0;
    const { port } = await serveReplies(async (data) => {
      const mine = gates[started++];
      await mine?.passed;
      return text(`${data}${started}`);
    });
    const client = await open(port);
    client.send('a');
    client.send('b');
    client.send('c');
    gates[0]?.open();
    expect(await client.next()).toBe('a1');
    gates[1]?.open();
    expect(await client.take(2)).toEqual(['b2', 'c3']);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no init');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no init'))],
  ])('that %s closes its socket with 1011; terminate does not run', async (_how, init) => {
    const failed = new Events('troupe:fastify:failed');
    let terminated = false;
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'broken',
        init,
        terminate: () => {
          terminated = true;
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const before = node.processes().length;
    expect(await start(port).closed).toEqual({ code: 1011, reason: 'internal error' });
    expect(await failed.next()).toMatchObject({ label: 'broken', reason: new Error('no init') });
    expect(terminated).toBe(false);
    expect(node.processes()).toHaveLength(before);
  });

  test('that exits with normal closes with 1000', async () => {
    const { port } = await serve((app) => {
      const handler = defineWebSocketHandler({ name: 'leaver', init: (self) => self.exit('normal') });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    expect(await start(port).closed).toEqual({ code: 1000, reason: '' });
  });
});

describe('info', () => {
  test('takes messages of any kind, those of the runtime included', async () => {
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'watcher',
        init: (self) => {
          self.monitor(self.spawn((child) => child.exit('gone')));
        },
        info: (_state, message) => text(message instanceof Down ? `down ${String(message.reason)}` : 'other'),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    expect(await start(port).next()).toBe('down gone');
    expect(node.registered()).toEqual(['init']);
  });

  test('of several handlers the first that does not answer UNHANDLED counts', async () => {
    const unexpected = new Events('troupe:server:unexpected');
    const opened = new Events('troupe:fastify:open');
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'chain',
        init: () => undefined,
        info: [
          (_state, message) => (message === 'a' ? text('first') : UNHANDLED),
          (_state, message) => (message === 'b' ? Promise.resolve(text('second')) : UNHANDLED),
        ],
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = await open(port);
    const { pid } = await opened.next();
    for (const message of ['x', 'b', 'a']) node.send(pid, message);
    expect(await client.take(2)).toEqual(['second', 'first']);
    expect(unexpected.all).toEqual([{ pid, label: 'chain', kind: 'info', message: 'x' }]);
  });

  test('a call fails at once', async () => {
    const opened = new Events('troupe:fastify:open');
    const { port, node } = await serve((app) =>
      app.get('/socket', { websocket: true }, webSocketHandler(echo)),
    );
    await open(port);
    const { pid } = await opened.next();
    await expect(createProbe(node).call(pid, 'anything', 1)).rejects.toMatchObject({
      code: 'TROUPE_UNKNOWN_CALL',
    });
    expect(node.isAlive(pid)).toBe(true);
  });

  test('a message encoded once is one buffer for all', async () => {
    let encoded = 0;
    const encode = encodeOnce((message: { text: string }) => {
      encoded++;
      return JSON.stringify(message);
    });
    const message = { text: 'x' };
    expect(encode(message)).toBe(encode(message));
    expect(encode(message).data).toBeInstanceOf(Buffer);
    expect(encode(message).type).toBe('text');
    expect(encoded).toBe(1);
    expect(encode({ text: 'x' })).not.toBe(encode(message));
    expect(encoded).toBe(2);
    expect(encodeOnce(() => new Uint8Array([1]))(message).type).toBe('binary');
  });
});

describe('terminate', () => {
  interface Left {
    readonly pid: Pid;
    readonly reason: unknown;
    readonly state: string;
  }

  async function serveLeaver(left: (event: Left) => void) {
    return serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'leaver',
        init: () => ({ seen: '' }),
        handle: (state, frame) => {
          state.seen += frame.data.toString();
          if (frame.data === 'stop') return stop('normal');
          if (frame.data === 'shutdown') return stop(['shutdown', 'upgrade']);
          if (frame.data === 'fail') return stop('bad_state');
          if (frame.data === 'close') return [text('bye'), close(4001, 'enough'), text('never sent')];
          if (frame.data === 'throw') throw new Error('crash');
          return undefined;
        },
        terminate: (state, reason, self) => {
          left({ pid: self.pid, reason, state: state.seen });
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
  }

  test.each([
    ['stop', 'normal', { code: 1000, reason: '' }],
    ['shutdown', ['shutdown', 'upgrade'], { code: 1001, reason: 'going away' }],
    ['fail', 'bad_state', { code: 1011, reason: 'internal error' }],
    ['close', 'normal', { code: 4001, reason: 'enough' }],
    ['throw', new Error('crash'), { code: 1011, reason: 'internal error' }],
  ])('%s: the reason in the process and the code at the client', async (what, reason, closed) => {
    const left = gate<Left>();
    const { port, node } = await serveLeaver((event) => {
      left.open(event);
    });
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const exit = awaitExit(node, (await opened.next()).pid);
    client.send(what);
    expect(await left.passed).toMatchObject({ reason, state: what });
    expect(await exit).toEqual(reason);
    expect(await client.closed).toEqual(closed);
    expect(client.waiting).toEqual(what === 'close' ? ['bye'] : []);
  });

  test('does not run when an exit signal ends the process; the socket closes with 1011', async () => {
    let calls = 0;
    const opened = new Events('troupe:fastify:open');
    const { port, node } = await serveLeaver(() => {
      calls++;
    });
    const client = await open(port);
    node.exit((await opened.next()).pid, 'kill');
    expect(await client.closed).toEqual({ code: 1011, reason: 'internal error' });
    expect(calls).toBe(0);
  });

  test('that throws ends the process with what it threw', async () => {
    let calls = 0;
    const { port, node } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'worse',
        init: () => undefined,
        handle: () => close(4001),
        terminate: () => {
          calls++;
          throw new Error('terminate');
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const opened = new Events('troupe:fastify:open');
    const client = await open(port);
    const exit = awaitExit(node, (await opened.next()).pid);
    client.send('go');
    expect(await exit).toEqual(new Error('terminate'));
    expect(await client.closed).toMatchObject({ code: 1011 });
    expect(calls).toBe(1);
  });

  test('may be async: the socket closes when it is done', async () => {
    const release = gate();
    const steps: string[] = [];
    const { port } = await serve((app) => {
      const handler = defineWebSocketHandler({
        name: 'tidy',
        init: () => undefined,
        handle: () => [close(4002), text('never sent')],
        terminate: async () => {
          await release.passed;
          steps.push('terminated');
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const client = await open(port);
    void client.closed.then(() => steps.push('closed'));
    client.send('go');
    release.open();
    expect(await client.closed).toMatchObject({ code: 4002 });
    expect(steps).toEqual(['terminated', 'closed']);
    expect(client.waiting).toEqual([]);
  });
});

describe('definitions', () => {
  const init = (): undefined => undefined;

  test.each<[unknown]>([
    [{ name: '', init }],
    [{ name: 'x' }],
    [{ name: 'x', init, limits: { heartbeatMs: -1 } }],
    [{ name: 'x', init, limits: { slowClient: 'wait' } }],
    [{ name: 'x', init, limits: { sendHighWaterBytes: Number.NaN } }],
  ])('%o is refused', (callbacks) => {
    expect(() => defineWebSocketHandler(callbacks as never)).toThrow(
      expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
    );
  });

  test.each([[999], [1004], [1005], [1006], [1015], [2999], [5000], [1000.5], [Number.NaN]])(
    'close(%d) is refused',
    (code) => {
      expect(() => close(code)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
    },
  );

  test('reasons and pings have the length of control frames', () => {
    expect(close(1000, 'x'.repeat(123)).reason).toHaveLength(123);
    expect(() => close(1000, 'é'.repeat(62))).toThrow(/123 bytes/);
    expect(ping('x'.repeat(125)).byteLength).toBe(125);
    expect(() => ping('x'.repeat(126))).toThrow(/125 bytes/);
  });
});
