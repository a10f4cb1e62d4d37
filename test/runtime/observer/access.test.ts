// Who may reach the observer, by trying without: no token, a wrong one, another site, a foreign name for this machine, a proxy.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { networkInterfaces } from 'node:os';
import Fastify from 'fastify';
import { createNode } from 'troupe';
import { createManualClock } from 'troupe/testing';
import { isLoopbackHost } from 'troupe/fastify';
import { observer, type SessionState } from 'troupe/observer';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Events, open, refusal, start } from '../fastify/helpers.ts';
import { cookieFor, observe, type Observed, Page, TOKEN } from './support.ts';

const SOCKET = '/observer/socket';

/** The status of a request with headers that `fetch` would not send. */
async function statusOf(
  port: number,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<number | undefined> {
  const sent = httpRequest({
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: { connection: 'close', ...headers },
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume: () => void }];
  response.resume();
  return response.statusCode;
}

/** An address of this machine that is no loopback one. */
function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
}

test.each([
  'localhost',
  'LOCALHOST:8080',
  'a.localhost',
  '127.0.0.1',
  '127.9.9.9:1',
  '[::1]:80',
  '::1',
  '::ffff:127.0.0.1',
  'localhost.',
])('%s is this machine', (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

test.each([
  '',
  'example.org',
  'localhost.example.org',
  '127.0.0.1.example.org',
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '::ffff:10.0.0.1',
  'localhost/',
  'a@localhost',
  '127.0.0.1:x',
  '128.0.0.1',
])('%s is not', (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});

describe('without a token', () => {
  test('who is on this machine gets the page and the WebSocket', async () => {
    const { port, url, node } = await observe();
    const page = await fetch(`${url}/observer/`);
    expect([page.status, await page.text()]).toEqual([200, '<!doctype html><title>observer</title>']);
    expect(await (await fetch(`${url}/observer/session`)).json()).toEqual({ tokenNeeded: false, open: true });
    const client = await open(port, SOCKET, { headers: { origin: url } });
    expect(JSON.parse(await client.next())).toEqual({ type: 'hello', node: node.name, allow: false });
  });

  const foreign: ReadonlyArray<readonly [what: string, headers: Record<string, string>]> = [
    ['a name that was given the address of this machine', { host: 'rebound.example.org' }],
    ['a name that only begins like this machine', { host: 'localhost.example.org' }],
    ['no loopback address', { host: '10.0.0.1' }],
    ['a proxy that says for whom', { 'x-forwarded-for': '127.0.0.1' }],
    ['a proxy that says the host', { 'x-forwarded-host': 'localhost' }],
    ['a proxy that says the scheme', { 'x-forwarded-proto': 'https' }],
    ['a proxy with the standard header', { forwarded: 'for=127.0.0.1' }],
    ['a proxy that names itself', { via: '1.1 proxy' }],
    ['nginx with its usual header', { 'x-real-ip': '127.0.0.1' }],
  ];

  test.each(foreign)('%s gets nothing', async (_what, headers) => {
    const { port } = await observe({ fastify: { trustProxy: true } });
    for (const path of ['/observer', '/observer/', '/observer/assets/page-1a2b.js', '/observer/session'])
      expect([path, await statusOf(port, path, headers)]).toEqual([path, 403]);
    expect((await refusal(port, { headers }, SOCKET)).status).toBe(403);
    expect(await statusOf(port, '/observer/session', headers, 'DELETE')).toBe(403);
  });

  test('what is asked of a proxy gets nothing', async () => {
    const { port } = await observe();
    expect(await statusOf(port, 'http://rebound.example.org/observer/', { host: 'localhost' })).toBe(403);
  });

  test('a page of another site gets no WebSocket, whatever the application allows', async () => {
    for (const origins of ['any', ['https://example.org']] as const) {
      const { port } = await observe({ webSocket: { origins } });
      for (const origin of ['https://example.org', 'http://localhost:1', 'null'])
        expect((await refusal(port, { headers: { origin } }, SOCKET)).status).toBe(403);
    }
  });

  test('another address is refused, and told what to do', async () => {
    const { app } = await observe();
    const answer = await app.inject({
      url: '/observer/',
      remoteAddress: '192.0.2.7',
      headers: { host: 'localhost' },
    });
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toEqual({ error: expect.stringMatching(/has no token.*give it a token\.$/) });
    const local = await app.inject({
      url: '/observer/',
      remoteAddress: '::1',
      headers: { host: 'localhost' },
    });
    expect(local.statusCode).toBe(200);
  });

  test('another address is refused over a real connection', async ({ skip }) => {
    const address = ownAddress();
    if (address === undefined) return skip('this machine has loopback addresses only');
    const node = createNode();
    const app = Fastify({ forceCloseConnections: true });
    onTestFinished(async () => {
      await app.close();
      await node.stop();
    });
    await app.register(observer, { node });
    const url = await app.listen({ host: address, port: 0 });
    for (const path of ['/observer/', '/observer/session'])
      expect((await fetch(url + path, { headers: { host: 'localhost' } })).status).toBe(403);
  });
});

describe('with a token', () => {
  test('the page is for everybody, and looking is not', async () => {
    const { app, port, url } = await observe({ token: TOKEN });
    const remote = {
      remoteAddress: '192.0.2.7',
      headers: { host: 'notes.example.org', 'x-forwarded-for': '192.0.2.8' },
    };
    expect((await app.inject({ url: '/observer/', ...remote })).statusCode).toBe(200);
    expect(await (await fetch(`${url}/observer/session`)).json()).toEqual({ tokenNeeded: true, open: false });
    // From this machine, too.
    expect(await refusal(port, {}, SOCKET)).toEqual({
      status: 401,
      body: { error: expect.stringMatching(/^Give the token/) },
    });
    for (const id of ['guessed', TOKEN]) {
      const headers = { cookie: `troupe_observer_${port}=${id}` };
      expect((await refusal(port, { headers }, SOCKET)).status).toBe(401);
    }
  });

  test('it gets a cookie that scripts cannot read and other sites do not send', async () => {
    const { app, port, url } = await observe({ token: TOKEN, fastify: { trustProxy: true } });
    const login = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/observer/session', headers, payload: { token: TOKEN } });
    const plain = await login({});
    expect([plain.statusCode, plain.headers['set-cookie']]).toEqual([
      204,
      expect.stringMatching(/^troupe_observer_80=[\w-]{43}; HttpOnly; SameSite=Strict$/),
    ]);
    const secure = await login({ 'x-forwarded-proto': 'https' });
    expect(secure.headers['set-cookie']).toMatch(/; HttpOnly; SameSite=Strict; Secure$/);
    const cookie = await cookieFor(url);
    expect(cookie).not.toContain(TOKEN);
    await Page.open(port, { headers: { cookie: `other=1; ${cookie}; more=2`, origin: url } });
    const state = await fetch(`${url}/observer/session`, { headers: { cookie } });
    expect(await state.json()).toEqual({ tokenNeeded: true, open: true });
  });

  test('a cookie of the same name from another program of the host hides no session', async () => {
    const { port, url } = await observe({ token: TOKEN });
    const cookie = `troupe_observer_${port}=; troupe_observer_${port}=other; ${await cookieFor(url)}`;
    const page = await Page.open(port, { headers: { cookie } });
    await fetch(`${url}/observer/session`, { method: 'DELETE', headers: { cookie } });
    expect(await page.client.closed).toMatchObject({ code: 1008 });
    const many = `${`troupe_observer_${port}=other; `.repeat(8)}${await cookieFor(url)}`;
    expect((await refusal(port, { headers: { cookie: many } }, SOCKET)).status).toBe(401);
  });

  test('observers on other ports of the host have cookies of their own: signing in and out of one leaves the other open', async () => {
    const [one, two] = [await observe({ token: TOKEN }), await observe({ token: TOKEN })];
    // As in a browser, which tells cookies apart by name and host, and not by port.
    const jar = new Map<string, string>();
    const headers = () => ({ cookie: Array.from(jar, (pair) => pair.join('=')).join('; ') });
    const isOpen = async ({ url }: Observed) =>
      ((await (await fetch(`${url}/observer/session`, { headers: headers() })).json()) as SessionState).open;
    for (const { url } of [one, two]) {
      const [name = '', id = ''] = (await cookieFor(url)).split('=');
      jar.set(name, id);
    }
    expect([await isOpen(one), await isOpen(two)]).toEqual([true, true]);
    await fetch(`${two.url}/observer/session`, { method: 'DELETE', headers: headers() });
    expect([await isOpen(one), await isOpen(two)]).toEqual([true, false]);
  });

  test.each([
    ['notes.example.org', 'troupe_observer'],
    ['notes.example.org:8443', 'troupe_observer_8443'],
    ['[::1]', 'troupe_observer'],
    ['[::1]:8080', 'troupe_observer_8080'],
    ['a:1;b=2', 'troupe_observer'],
    ['a:123456', 'troupe_observer'],
  ])('asked as %s it sets %s', async (host, name) => {
    const { app } = await observe({ token: TOKEN });
    const payload = { token: TOKEN };
    const answer = await app.inject({ method: 'POST', url: '/observer/session', headers: { host }, payload });
    expect(String(answer.headers['set-cookie'])).toMatch(
      new RegExp(`^${name}=[\\w-]{43}; HttpOnly; SameSite=Strict$`),
    );
  });

  test.each([
    ['a wrong token', { token: `${TOKEN}!` }, 401],
    ['a part of it', { token: TOKEN.slice(0, -1) }, 401],
    ['an empty one', { token: '' }, 401],
    ['none', {}, 400],
    ['one that is no text', { token: [TOKEN] }, 400],
    ['one without end', { token: 'a'.repeat(2_000) }, 400],
  ])('%s gets no cookie', async (_what, payload, status) => {
    const { app } = await observe({ token: TOKEN });
    const answer = await app.inject({ method: 'POST', url: '/observer/session', payload });
    expect([answer.statusCode, answer.headers['set-cookie']]).toEqual([status, undefined]);
  });

  test('a body of another type or size is refused', async () => {
    const { app } = await observe({ token: TOKEN });
    const post = (payload: string, type: string) =>
      app.inject({ method: 'POST', url: '/observer/session', payload, headers: { 'content-type': type } });
    // A form can send these across sites without asking.
    expect((await post(JSON.stringify({ token: TOKEN }), 'text/plain')).statusCode).toBe(415);
    expect((await post(`token=${TOKEN}`, 'application/x-www-form-urlencoded')).statusCode).toBe(415);
    expect((await post('{', 'application/json')).statusCode).toBe(400);
    expect((await post(`{"token":"${'a'.repeat(10_000)}"}`, 'application/json')).statusCode).toBe(413);
  });

  test('a page of another site can neither start, end nor use a session', async () => {
    const { app, port, url } = await observe({ token: TOKEN });
    const cookie = await cookieFor(url);
    const headers = { origin: 'https://evil.example', host: `127.0.0.1:${port}`, cookie };
    for (const method of ['POST', 'DELETE'] as const) {
      const answer = await app.inject({
        method,
        url: '/observer/session',
        headers,
        payload: { token: TOKEN },
      });
      expect([answer.statusCode, answer.headers['set-cookie']]).toEqual([403, undefined]);
    }
    expect((await refusal(port, { headers }, SOCKET)).status).toBe(403);
    await Page.open(port, { headers: { cookie } });
  });

  test('a page of an origin that may open WebSockets here can use it, as behind a proxy that rewrites the host', async () => {
    const { port, url } = await observe({
      token: TOKEN,
      webSocket: { origins: ['https://notes.example.org'] },
    });
    const cookie = await cookieFor(url);
    const page = await Page.open(port, { headers: { cookie, origin: 'https://notes.example.org' } });
    expect(page.frames).toMatchObject([{ type: 'hello' }]);
  });

  test('the end of a session ends its pages, and no other', async () => {
    const { port, url } = await observe({ token: TOKEN });
    const [cookie, other] = [await cookieFor(url), await cookieFor(url)];
    const pages = [
      await Page.open(port, { headers: { cookie } }),
      await Page.open(port, { headers: { cookie } }),
    ];
    const kept = await Page.open(port, { headers: { cookie: other } });
    const ended = await fetch(`${url}/observer/session`, { method: 'DELETE', headers: { cookie } });
    expect([ended.status, ended.headers.get('set-cookie')]).toEqual([
      204,
      expect.stringContaining('Max-Age=0'),
    ]);
    for (const { client } of pages)
      expect(await client.closed).toEqual({ code: 1008, reason: 'the session has ended' });
    expect((await refusal(port, { headers: { cookie } }, SOCKET)).status).toBe(401);
    kept.look({ nodes: true });
    await kept.frame('changes');
  });

  test('a session that nobody uses ends', async () => {
    const clock = createManualClock();
    const { app } = await observe({ token: TOKEN, node: { clock } });
    const answer = await app.inject({ method: 'POST', url: '/observer/session', payload: { token: TOKEN } });
    const headers = { cookie: String(answer.headers['set-cookie']).split(';', 1)[0] ?? '' };
    const isOpen = async () =>
      (await app.inject({ url: '/observer/session', headers })).json<{ open: boolean }>().open;
    for (let hours = 0; hours < 20; hours += 11) {
      await clock.advance(11 * 3_600_000);
      expect(await isOpen()).toBe(true);
    }
    await clock.advance(12 * 3_600_000);
    expect(await isOpen()).toBe(false);
  });

  test('a page that has looked at nothing for that long cannot go on, and does not revive its session', async () => {
    const clock = createManualClock();
    const { port, url } = await observe({ token: TOKEN, node: { clock } });
    const cookie = await cookieFor(url);
    const page = await Page.open(port, { headers: { cookie } });
    await clock.advance(12 * 3_600_000);
    page.look({ nodes: true });
    expect(await page.client.closed).toEqual({ code: 1008, reason: 'the session has ended' });
    expect((await refusal(port, { headers: { cookie } }, SOCKET)).status).toBe(401);
  });

  test('there are at most 64 sessions: the one that was not used for the longest time ends', async () => {
    const clock = createManualClock();
    const { app } = await observe({ token: TOKEN, node: { clock } });
    const login = async (): Promise<{ cookie: string }> => {
      await clock.advance(1);
      const answer = await app.inject({
        method: 'POST',
        url: '/observer/session',
        payload: { token: TOKEN },
      });
      return { cookie: String(answer.headers['set-cookie']).split(';', 1)[0] ?? '' };
    };
    const isOpen = async (headers: { cookie: string }) =>
      (await app.inject({ url: '/observer/session', headers })).json<{ open: boolean }>().open;
    const first = await login();
    const second = await login();
    for (let count = 2; count < 64; count++) await login();
    await clock.advance(1);
    expect(await isOpen(first)).toBe(true);
    await login();
    expect([await isOpen(first), await isOpen(second)]).toEqual([true, false]);
  });

  test('guessing is slowed down for each address, and the log hears of it', async () => {
    const clock = createManualClock();
    const { app, node } = await observe({ token: TOKEN, node: { clock } });
    const events = new Events('troupe:observer:session');
    const login = async (token: string, remoteAddress = '192.0.2.7') =>
      (await app.inject({ method: 'POST', url: '/observer/session', payload: { token }, remoteAddress }))
        .statusCode;
    for (let count = 0; count < 5; count++) expect(await login('wrong')).toBe(401);
    expect(await login('wrong')).toBe(429);
    // A right one would tell whether it is right.
    expect(await login(TOKEN)).toBe(429);
    expect(await login(TOKEN, '192.0.2.8')).toBe(204);
    await clock.advance(10_000);
    expect(await login('wrong')).toBe(401);
    expect(await login(TOKEN)).toBe(429);
    await clock.advance(10_000);
    expect(await login(TOKEN)).toBe(204);
    const told = events.all.map(({ address, outcome }) => `${address} ${outcome}`);
    expect(new Set(told)).toEqual(
      new Set(['192.0.2.7 wrong', '192.0.2.7 too many', '192.0.2.8 started', '192.0.2.7 started']),
    );
    expect(events.all.every((event) => event.node === node.name)).toBe(true);
  });

  test('the addresses of one IPv6 network are one guesser, and lock nobody else out', async () => {
    const { app } = await observe({ token: TOKEN, node: { clock: createManualClock() } });
    const login = async (token: string, remoteAddress: string) =>
      (await app.inject({ method: 'POST', url: '/observer/session', payload: { token }, remoteAddress }))
        .statusCode;
    const answers: number[] = [];
    for (let host = 1; host <= 1_100; host++)
      answers.push(await login('wrong', `2001:db8::${host.toString(16)}`));
    expect(answers.filter((status) => status === 401)).toHaveLength(5);
    expect(await login(TOKEN, '2001:db8:0:1::1')).toBe(204);
    // Of IPv4 each address counts, in whichever form it comes.
    for (let host = 1; host <= 6; host++) expect(await login('wrong', `::ffff:192.0.2.${host}`)).toBe(401);
  });

  test('many addresses share what one may guess once there are too many to tell apart', async () => {
    const clock = createManualClock();
    const { app } = await observe({ token: TOKEN, node: { clock } });
    const login = async (token: string, address: number) =>
      (
        await app.inject({
          method: 'POST',
          url: '/observer/session',
          payload: { token },
          remoteAddress: `10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`,
        })
      ).statusCode;
    for (let address = 0; address < 1_024; address++) await login('wrong', address);
    const later: number[] = [];
    for (let address = 1_024; address < 1_034; address++) later.push(await login('wrong', address));
    expect(later).toEqual([401, 401, 401, 401, 401, 429, 429, 429, 429, 429]);
    // Those that are known are not locked out by them.
    expect(await login(TOKEN, 7)).toBe(204);
  });
});

test.each([
  ['a short token', { token: 'short' }],
  ['a token that is no text', { token: 1234567890123456 as unknown as string }],
  ['a long token', { token: 'a'.repeat(2_000) }],
  ['allow that is no switch', { allow: 'yes' as unknown as boolean }],
  ['no pages', { maxPages: 0 }],
])('%s is an error of the program', async (_what, options) => {
  const app = Fastify();
  const node = createNode();
  onTestFinished(() => node.stop());
  await expect(app.register(observer, { node, ...options }).ready()).rejects.toMatchObject({
    code: 'TROUPE_BAD_ARGUMENT',
  });
});

test('a request that is no WebSocket, and a WebSocket elsewhere, are refused', async () => {
  const { port, url } = await observe();
  expect((await fetch(`${url}/observer/socket`)).status).toBe(426);
  const client = start(port, '/observer/other');
  const [, response] = (await once(client.socket, 'unexpected-response')) as [
    unknown,
    { statusCode?: number },
  ];
  expect(response.statusCode).toBe(404);
});
