// The plugin as an application mounts it: its files and their headers, its prefix, a proxy in front, and where it says that it is.
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { createNode } from 'troupe';
import { troupeFastify } from 'troupe/fastify';
import { observer } from 'troupe/observer';
import { expect, onTestFinished, test } from 'vitest';
import { observerAddresses } from '../../../src/runtime/inspect/internal.ts';
import { open } from '../fastify/helpers.ts';
import { cookieFor, observe, Page, TOKEN } from './support.ts';

test('its files are answered with a policy that allows nothing else', async () => {
  const { url } = await observe();
  const index = await fetch(`${url}/observer/`);
  expect(Object.fromEntries(index.headers)).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
  });
  const script = await fetch(`${url}/observer/assets/page-1a2b.js`);
  expect([script.headers.get('content-type'), script.headers.get('cache-control')]).toEqual([
    'text/javascript; charset=utf-8',
    'private, max-age=31536000, immutable',
  ]);
});

test('they are sent compressed to who takes it', async () => {
  const { app } = await observe();
  const get = (encoding: string) =>
    app.inject({ url: '/observer/', headers: { 'accept-encoding': encoding } });
  for (const encoding of ['gzip', 'br, gzip;q=0.5', 'GZIP']) {
    const packed = await get(encoding);
    expect([encoding, packed.headers['content-encoding']]).toEqual([encoding, 'gzip']);
    expect(gunzipSync(packed.rawPayload).toString()).toBe('<!doctype html><title>observer</title>');
  }
  for (const encoding of ['', 'br', 'gzip;q=0', 'gzip;q=0.0', 'notgzip']) {
    const plain = await get(encoding);
    expect([encoding, plain.headers['content-encoding'], plain.payload]).toEqual([
      encoding,
      undefined,
      '<!doctype html><title>observer</title>',
    ]);
  }
});

test.each(['..%2f..%2fpackage.json', 'assets', 'assets/', 'none.js', 'index.html/x', '%00'])(
  '%s is no file of it',
  async (path) => {
    const { app } = await observe();
    const answer = await app.inject({ url: `/observer/${path}` });
    expect([answer.statusCode, answer.payload]).toEqual([404, 'There is no such file in the observer.\n']);
  },
);

test('without the built page it says how to make it', async () => {
  const { url } = await observe({ folder: '/nowhere' });
  const answer = await fetch(`${url}/observer/`);
  expect([answer.status, await answer.text()]).toEqual([
    503,
    'The page is not built: npm run build makes it.\n',
  ]);
});

test('it is mounted where the application says, and leads to its folder', async () => {
  const { port, url } = await observe({ prefix: '/admin/node', token: TOKEN });
  const bare = await fetch(`${url}/admin/node?a=1`, { redirect: 'manual' });
  expect([bare.status, bare.headers.get('location')]).toEqual([302, 'node/']);
  expect((await fetch(`${url}/admin/node`)).url).toBe(`${url}/admin/node/`);
  const cookie = await cookieFor(url, TOKEN, '/admin/node/session');
  const page = await Page.open(port, { headers: { cookie } }, '/admin/node/socket');
  expect(page.frames).toMatchObject([{ type: 'hello' }]);
  expect((await fetch(`${url}/observer/`)).status).toBe(404);
});

test('below the path of a proxy its addresses still lead to it', async () => {
  const { port } = await observe({ token: TOKEN });
  // Takes the path /tools away, as a proxy does.
  const proxy = createServer((request, response) => {
    const path = request.url?.replace(/^\/tools/, '');
    const passed = httpRequest({
      host: '127.0.0.1',
      port,
      path,
      method: request.method,
      headers: request.headers,
    });
    passed.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  expect((await fetch(`${url}/tools/observer`)).url).toBe(`${url}/tools/observer/`);
  const login = await fetch(`${url}/tools/observer/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: TOKEN }),
  });
  // Without a path it goes to the folder that it came from: /tools/observer.
  expect(login.headers.get('set-cookie')).not.toMatch(/path/i);
});

test('it brings the WebSockets itself where the application has none, and uses its own where it has', async () => {
  const alone = await observe({ alone: true });
  expect((await Page.open(alone.port)).frames).toMatchObject([{ type: 'hello', node: alone.node.name }]);
  const node = createNode();
  const app = Fastify({ forceCloseConnections: true });
  onTestFinished(async () => {
    await app.close();
    await node.stop();
  });
  await app.register(troupeFastify, { node, webSocket: { maxConnections: 1 } });
  await app.register(observer, { node });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  await open(port, '/observer/socket');
  expect(app.troupe.connections).toBe(1);
});

test('it says where it is while its server listens', async () => {
  const node = createNode();
  onTestFinished(() => node.stop());
  for (const host of ['127.0.0.1', '0.0.0.0', '::1', 'localhost']) {
    const app = Fastify({ forceCloseConnections: true });
    await app.register(observer, { node, prefix: '/look' });
    expect(observerAddresses(node)).toEqual([]);
    await app.listen({ host, port: 0 });
    const [address = ''] = observerAddresses(node);
    expect(address).toMatch(/^http:\/\/(127\.0\.0\.1|\[::1\]):\d+\/look\/$/);
    expect((await fetch(`${address}session`)).status).toBe(200);
    await app.close();
    expect(observerAddresses(node)).toEqual([]);
  }
});

test('the bodies and errors of other routes are left as they are', async () => {
  const { app } = await observe();
  const other = Fastify();
  onTestFinished(() => other.close());
  other.post('/other', (request) => request.body);
  const node = createNode();
  onTestFinished(() => node.stop());
  await other.register(observer, { node });
  const answer = await other.inject({ method: 'POST', url: '/other', payload: { a: 1 } });
  expect([answer.json(), answer.headers['content-security-policy']]).toEqual([{ a: 1 }, undefined]);
  expect((await app.inject({ url: '/elsewhere' })).statusCode).toBe(404);
});
