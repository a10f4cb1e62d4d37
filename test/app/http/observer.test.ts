// The observer in the notes service: who gets it, and that its pages are answered beside those of the notes.
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const TOKEN = 'a-token-of-some-length';

async function start(env: Record<string, string>): Promise<TestApp> {
  const app = await startTestApp({ env });
  onTestFinished(() => app.stop());
  return app;
}

/** The status that the WebSocket of the observer is answered with; 101 when it opens. */
function upgrade(app: TestApp, headers: Record<string, string> = {}): Promise<number | undefined> {
  const socket = new WebSocket(`ws://127.0.0.1:${app.port}/observer/socket`, { headers });
  onTestFinished(() => {
    socket.terminate();
  });
  return new Promise((resolve) => {
    socket.on('open', () => {
      resolve(101);
    });
    socket.on('unexpected-response', (_request, { statusCode }) => {
      resolve(statusCode);
    });
    socket.on('error', () => undefined);
  });
}

test('users of this machine get it without a token, and nobody by another name', async () => {
  const app = await start({});
  expect(app.lines.map(({ msg }) => msg)).toContain(
    'the observer is at /observer/, for users of this machine',
  );
  expect((await app.ask('GET', '/observer/session')).body).toEqual({ tokenNeeded: false, open: true });
  expect(await upgrade(app)).toBe(101);
  expect(await upgrade(app, { 'x-forwarded-for': '192.0.2.7' })).toBe(403);
  expect(await upgrade(app, { host: 'rebound.example.org' })).toBe(421);
  expect(await upgrade(app, { origin: 'https://evil.example' })).toBe(403);
});

test('where others may come it is not there without a token', async () => {
  const app = await start({ ALLOWED_HOSTS: 'notes.example.org' });
  expect((await app.ask('GET', '/observer/')).status).toBe(404);
  expect(await upgrade(app)).toBe(404);
  expect(app.lines.filter(({ msg }) => /observer/.test(msg))).toEqual([]);
});

test('the token opens it, and what is done with it stands in the log', async () => {
  const app = await start({ OBSERVER_TOKEN: TOKEN, OBSERVER_ALLOW: 'on' });
  expect(await upgrade(app)).toBe(401);
  expect((await app.ask('POST', '/observer/session', { json: { token: `${TOKEN}x` } })).status).toBe(401);
  await app.logged(/a wrong token/);
  const login = await app.ask('POST', '/observer/session', { json: { token: TOKEN } });
  const cookie = String(login.headers.get('set-cookie')).split(';', 1)[0] ?? '';
  expect(login.status).toBe(204);
  const socket = new WebSocket(`ws://127.0.0.1:${app.port}/observer/socket`, { headers: { cookie } });
  onTestFinished(() => {
    socket.terminate();
  });
  const indexer = app.node.whereis('note_indexer');
  socket.on('open', () => {
    socket.send(
      JSON.stringify({ type: 'act', id: 1, act: { kind: 'exit', target: 'note_indexer', reason: 'kill' } }),
    );
  });
  const line = await app.logged(/did something to a process/);
  expect(line).toMatchObject({
    level: 40,
    act: 'exit',
    target: 'note_indexer',
    what: 'kill',
    address: '127.0.0.1',
  });
  expect(app.node.whereis('note_indexer')).not.toEqual(indexer);
  expect(JSON.stringify(app.lines)).not.toContain(TOKEN);
});

test('its answers have a policy of their own, and those of the notes keep theirs', async () => {
  const app = await start({});
  const policyOf = async (path: string): Promise<string> =>
    (await app.ask('GET', path)).headers.get('content-security-policy') ?? '';
  expect(await policyOf('/observer/session')).toMatch(
    /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/,
  );
  expect(await policyOf('/healthz')).toMatch(/^default-src 'self';/);
});
