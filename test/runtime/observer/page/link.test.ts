// The way to the server: how long it waits before it tries again, what it takes for lost, and that it does not try without a session.
import { beforeEach, describe, expect, test } from 'vitest';
import {
  App,
  type Connection,
  HOME,
  LOOK_EVERY_MS,
  RETRY_BASE_MS,
  RETRY_CAP_MS,
  ServerLink,
  SILENCE_MS,
} from '../../../../src/runtime/observer/page/internal.ts';
import type { FromPage, ToPage } from '../../../../src/runtime/observer/index.ts';

/** A socket that the test speaks through. */
class FakeSocket extends EventTarget {
  readonly sent: FromPage[] = [];
  readyState = 1;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as FromPage);
  }

  close(): void {
    this.readyState = 3;
  }

  say(message: ToPage): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }));
  }

  lose(reason = ''): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { reason }));
  }
}

let now: number;
let timers: Array<{ readonly at: number; readonly run: () => void }>;
let sockets: FakeSocket[];
let session: () => Response;
let states: Connection[];

beforeEach(() => {
  [now, timers, sockets, states] = [0, [], [], []];
  session = () => Response.json({ open: true, tokenNeeded: false });
});

const options = {
  base: 'http://localhost/observer/',
  fetch: async () => session(),
  openSocket: () => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket as unknown as WebSocket;
  },
  now: () => now,
  random: () => 1,
  after(delayMs: number, run: () => void) {
    const timer = { at: now + delayMs, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  },
};
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};
/** Runs what is due within so many milliseconds. */
const pass = async (ms: number): Promise<void> => {
  const until = now + ms;
  for (;;) {
    const [next] = timers.toSorted((a, b) => a.at - b.at);
    if (next === undefined || next.at > until) break;
    timers = timers.filter((timer) => timer !== next);
    now = next.at;
    next.run();
    await settle();
  }
  now = until;
};
const hello: ToPage = { type: 'hello', node: 'one@test', allow: false };

test('a sign-in that fails says what the server says, such as that the origin is a foreign one', async () => {
  const link = new ServerLink({
    ...options,
    onSession: () => {},
    onConnection: () => {},
    onMessage: () => {},
  });
  session = () => Response.json({ error: 'A page of another origin may not.' }, { status: 403 });
  expect(await link.signIn('right')).toBe('A page of another origin may not.');
  session = () => new Response('<h1>Bad gateway</h1>', { status: 502 });
  expect(await link.signIn('right')).toBe('The server answers 502.');
});

describe('a lost connection', () => {
  const open = async (): Promise<ServerLink> => {
    const link = new ServerLink({
      ...options,
      onSession: () => {},
      onConnection: (connection) => states.push(connection),
      onMessage: () => {},
    });
    await link.connect();
    return link;
  };

  test('is tried again after waits that double up to a cap, and begin anew with a connection', async () => {
    session = () => Response.error();
    await open();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      const last = states.at(-1);
      if (last?.phase !== 'waiting') throw new Error('it does not wait');
      waits.push(last.retryAt - now);
      await pass(last.retryAt - now);
    }
    expect(waits.slice(0, 3)).toEqual([RETRY_BASE_MS, 2 * RETRY_BASE_MS, 4 * RETRY_BASE_MS]);
    expect(Math.max(...waits)).toBe(RETRY_CAP_MS);
    session = () => Response.json({ open: true, tokenNeeded: false });
    await pass(RETRY_CAP_MS);
    sockets.at(-1)?.say(hello);
    expect(states.at(-1)).toEqual({ phase: 'online' });
    sockets.at(-1)?.lose();
    expect(states.at(-1)).toEqual({ phase: 'waiting', retryAt: now + RETRY_BASE_MS, reason: '' });
  });

  test('is one that says nothing while something is expected, and no other', async () => {
    const link = await open();
    sockets[0]?.say(hello);
    await pass(10 * SILENCE_MS);
    expect(states.at(-1)).toEqual({ phase: 'online' });
    link.expect(true);
    await pass(SILENCE_MS - 1);
    sockets[0]?.say({ type: 'changes', look: 1, changes: {} });
    await pass(SILENCE_MS - 1);
    expect(states.at(-1)).toEqual({ phase: 'online' });
    await pass(1);
    expect(states.at(-1)).toMatchObject({ phase: 'waiting' });
    // What the socket that was given up says later is not heard.
    sockets[0]?.lose();
    sockets[0]?.say(hello);
    expect(states.at(-1)).toMatchObject({ phase: 'waiting' });
  });

  test('is not tried again without a session', async () => {
    session = () => Response.json({ open: false, tokenNeeded: true });
    await open();
    await pass(10 * RETRY_CAP_MS);
    expect(sockets).toEqual([]);
    expect(timers).toEqual([]);
  });
});

describe('the page', () => {
  const start = async (): Promise<App> => {
    const app = new App({ ...options, route: { ...HOME, view: 'processes' }, draw: () => {} });
    app.start();
    await settle();
    sockets[0]?.say(hello);
    return app;
  };
  const looks = () => (sockets[0]?.sent ?? []).filter((message) => message.type === 'look');

  test('tells what it looks at once, and while it scrolls not too often', async () => {
    const app = await start();
    expect(looks()).toHaveLength(1);
    for (let top = 0; top < 340_000; top += 3_400) {
      app.send({ type: 'scrolled', grid: 'processes', top, height: 600 });
    }
    expect(looks()).toHaveLength(1);
    await pass(LOOK_EVERY_MS);
    expect(looks()).toHaveLength(2);
    expect(looks()[1]?.views.processes?.first).toBeGreaterThan(9_000);
    app.send({ type: 'scrolled', grid: 'processes', top: 336_700, height: 600 });
    await pass(1_000);
    expect(looks()).toHaveLength(2);
  });

  test('asks a server that comes back once, wherever it has gone meanwhile', async () => {
    const app = await start();
    sockets[0]?.lose();
    app.send({ type: 'routed', route: { ...HOME, view: 'tree' } });
    await pass(RETRY_BASE_MS);
    sockets[1]?.say(hello);
    await pass(LOOK_EVERY_MS);
    expect(sockets[1]?.sent).toMatchObject([{ type: 'look', views: { tree: {} } }]);
  });

  test('does not hear what is said of a node that it looks into no more', async () => {
    const app = await start();
    const first = looks()[0]?.id ?? 0;
    app.send({ type: 'routed', route: { ...HOME, view: 'processes', node: 'two@test' } });
    expect(looks()).toHaveLength(2);
    const changes = { processes: { set: {}, order: [], first: 0, total: 7 } };
    sockets[0]?.say({ type: 'changes', look: first, changes });
    sockets[0]?.say({ type: 'problem', look: first, view: 'processes', text: 'late' });
    expect(app.state.data.processes).toBe(undefined);
    expect(app.state.problems).toEqual({});
    sockets[0]?.say({ type: 'changes', look: looks()[1]?.id ?? 0, changes });
    expect(app.state.data.processes?.total).toBe(7);
  });

  test('ends a trace of what it shows no more', async () => {
    const app = await start();
    app.send({ type: 'routed', route: { ...HOME, process: 'a' } });
    app.trace('a');
    app.send({ type: 'routed', route: HOME });
    expect(sockets[0]?.sent.at(-2)).toMatchObject({ type: 'untrace', id: 3 });
  });

  test('says that an act did not reach the server', async () => {
    const app = await start();
    sockets[0]?.lose();
    app.act({ kind: 'suspend', target: 'a' });
    expect(app.state.doing).toMatchObject({ outcome: 'failed', problem: 'Not connected.' });
  });
});
