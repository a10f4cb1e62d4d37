// The client of a durable channel, over sockets that a test opens and drops, and a clock that it steps.
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { describe, expect, test, vi } from 'vitest';
import { createChannelClient } from 'troupe/client';
import { bench } from './bench.ts';

describe('a connection', () => {
  test('begins with what comes, and is live when the server says so', async () => {
    const at = bench();
    await at.goLive('e:3');
    expect(at.socket.url).toBe('ws://example.org/notifications?a=1&since=');
    expect(at.states).toEqual(['connecting', 'resuming', 'live']);
    expect(at.client.position).toBe('e:3');
    at.socket.say({ event: 'added', data: { n: 1 }, id: 'e:4' });
    at.socket.say({ event: 'added', data: { n: 2 } });
    expect(at.log).toEqual([
      ['added', 1, 'e:4'],
      ['added', 2, undefined],
    ]);
    expect(at.client.position).toBe('e:4');
  });

  test('that comes back resumes after the last event', async () => {
    const at = bench({ since: 'e:7' });
    await Promise.resolve();
    expect(at.socket.url).toContain('since=e%3A7');
    at.socket.onopen?.();
    at.socket.say({ event: 'added', data: { n: 8 }, id: 'e:8' });
    expect(at.client.status.state).toBe('resuming');
    at.socket.drop();
    at.pass(500);
    expect(at.sockets).toHaveLength(2);
    expect(at.socket.url).toContain('since=e%3A8');
  });

  test('tells of a reset, then is live', async () => {
    const at = bench({ since: 'old:7' });
    await Promise.resolve();
    at.socket.onopen?.();
    at.socket.say({ event: 'reset', data: {}, id: 'e:2' });
    expect([at.log, at.client.status.state, at.client.position]).toEqual([['reset'], 'reset', 'e:2']);
    at.socket.say({ event: 'live', id: 'e:2' });
    expect(at.client.status.state).toBe('live');
  });

  test('has a token of its own for each attempt; one that cannot be had is an attempt that failed', async () => {
    const tokens = ['one', undefined, new Error('no token'), 'four'];
    const at = bench({
      token: async () => {
        const token = tokens.shift();
        if (token instanceof Error) throw token;
        return token;
      },
    });
    const waits = async () => {
      at.pass(2_000);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await vi.waitUntil(() => at.sockets.length === 1);
    expect(at.socket.url).toContain('token=one');
    at.socket.drop();
    await waits();
    expect(at.socket.url).not.toContain('token');
    at.socket.drop();
    await waits();
    expect(at.sockets).toHaveLength(2);
    expect(at.client.status).toMatchObject({ state: 'connecting', attempt: 3, error: new Error('no token') });
    await waits();
    expect(at.socket.url).toContain('token=four');
  });
});

describe('a lost connection', () => {
  test.each([
    ['that does not get live in time', (at: ReturnType<typeof bench>) => at.pass(10_000)],
    ['that says what is no message', (at: ReturnType<typeof bench>) => at.socket.say('{"data":1}')],
    ['that says nothing', (at: ReturnType<typeof bench>) => at.socket.say('')],
    ['that says null', (at: ReturnType<typeof bench>) => at.socket.say('null')],
    ['that says a list', (at: ReturnType<typeof bench>) => at.socket.say('[]')],
    [
      'that names an event by a number',
      (at: ReturnType<typeof bench>) => at.socket.say('{"event":1,"data":{}}'),
    ],
    ['that says what is no JSON', (at: ReturnType<typeof bench>) => at.socket.say('hello')],
    ['that closes', (at: ReturnType<typeof bench>) => at.socket.drop()],
  ])('is one %s', async (_what, act) => {
    const at = bench();
    await Promise.resolve();
    at.socket.onopen?.();
    act(at);
    expect(at.client.status).toMatchObject({ state: 'connecting', attempt: 1 });
    expect(at.client.status.retryAt).toBeDefined();
    const [first] = at.sockets;
    first?.say({ event: 'added', data: { n: 1 }, id: 'e:1' });
    first?.drop();
    expect([at.log, at.client.status.attempt]).toEqual([[], 1]);
  });

  test('is one that leaves a ping unanswered', async () => {
    const at = bench();
    await at.goLive();
    at.pass(20_000);
    expect(at.socket.sent).toEqual(['ping']);
    at.socket.say('pong');
    at.pass(20_000);
    expect(at.socket.sent).toEqual(['ping', 'ping']);
    at.pass(5_000);
    expect(at.client.status).toMatchObject({ state: 'connecting', attempt: 1 });
    expect(at.socket.closed).toBe(true);
  });

  test('is followed by a random part of a ceiling that doubles up to a cap', async () => {
    const at = bench();
    at.random = 1 - Number.EPSILON;
    const delays: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      await Promise.resolve();
      const { length } = at.sockets;
      at.socket.drop();
      const { retryAt = 0 } = at.client.status;
      at.pass(0);
      let waited = 0;
      while (at.sockets.length === length) {
        at.pass(250);
        waited += 250;
        await Promise.resolve();
      }
      delays.push(waited);
      expect(retryAt).toBeGreaterThan(0);
    }
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  test('that held for a while sets the delay back; the server may name another, up to the cap', async () => {
    const at = bench();
    for (let attempt = 0; attempt < 4; attempt++) {
      await Promise.resolve();
      at.socket.drop();
      at.pass(15_000);
    }
    await at.goLive();
    at.pass(10_000);
    at.socket.drop('going away; retry=7000');
    expect(at.client.status).toMatchObject({ attempt: 1 });
    const { length } = at.sockets;
    at.pass(6_999);
    expect(at.sockets).toHaveLength(length);
    at.pass(1);
    await Promise.resolve();
    expect(at.sockets).toHaveLength(length + 1);
    at.socket.drop('retry=900000');
    at.pass(15_000);
    await Promise.resolve();
    expect(at.sockets).toHaveLength(length + 2);
  });
});

describe('a server that stops', () => {
  test.each(['going away; retry=7000', 'retry=7000'])('names the delay: %s', async (reason) => {
    const at = bench();
    await at.goLive();
    at.socket.drop(reason);
    at.pass(6_999);
    expect(at.sockets).toHaveLength(1);
    at.pass(1);
    await Promise.resolve();
    expect(at.sockets).toHaveLength(2);
  });

  test.each(['no-retry=7000', 'retry=7000 or so', 'retry='])('names no delay with %s', async (reason) => {
    const at = bench();
    await at.goLive();
    at.socket.drop(reason);
    at.pass(500);
    await Promise.resolve();
    expect(at.sockets).toHaveLength(2);
  });
});

describe('what cannot work is refused at once', () => {
  test.each(['http://example.org/notifications', 'localhost:8080/notifications', 'notifications'])(
    'the address %s',
    (url) => {
      expect(() => bench({ url })).toThrow(TypeError);
    },
  );

  test('no WebSocket', () => {
    vi.stubGlobal('WebSocket', undefined);
    try {
      expect(() => createChannelClient({ url: 'ws://example.org/notifications' })).toThrow(
        'pass `open: (url) => new WebSocket(url)`',
      );
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('waking and closing', () => {
  test('wake tries at once, or proves that the connection lives', async () => {
    const at = bench();
    await Promise.resolve();
    at.client.wake();
    expect(at.sockets).toHaveLength(1);
    at.socket.drop();
    at.client.wake();
    await at.goLive();
    expect(at.sockets).toHaveLength(2);
    at.client.wake();
    at.client.wake();
    expect(at.socket.sent).toEqual(['ping']);
    at.pass(5_000);
    expect(at.client.status.state).toBe('connecting');
  });

  test('close ends it for good', async () => {
    const at = bench();
    await at.goLive();
    at.client.close();
    expect(at.socket.closed).toBe(true);
    expect([at.states.at(-1), at.timers]).toEqual(['closed', 0]);
    at.client.wake();
    at.socket.say({ event: 'added', data: { n: 1 }, id: 'e:1' });
    expect([at.sockets.length, at.log]).toEqual([1, []]);
  });

  test('handlers can be taken away', async () => {
    const at = bench();
    const seen: string[] = [];
    const off = at.client.onAny((_payload, { topic }) => seen.push(topic));
    await at.goLive();
    at.socket.say({ event: 'removed', data: { n: 1 }, id: 'e:1' });
    off();
    at.socket.say({ event: 'removed', data: { n: 1 }, id: 'e:2' });
    expect(seen).toEqual(['removed']);
  });
});

test('it is smaller than 5 kB, and needs nothing', async () => {
  const result = await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      lib: { entry: '../../../src/runtime/client/index.ts', formats: ['es'] },
    },
  });
  const [{ output }] = result as unknown as [{ output: Array<{ code: string; imports: string[] }> }];
  expect(output.flatMap(({ imports }) => imports)).toEqual([]);
  expect(output).toHaveLength(1);
  expect(gzipSync(output[0]?.code ?? '').length).toBeLessThan(5_000);
});
