// Who may reach the service, by which host, and through which proxy.
import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/app/database/internal.ts';
import { openClient, openRaw } from '../support/client.ts';
import { FaultyDatabase } from '../support/faulty-database.ts';
import { startPrefixProxy } from '../support/prefix-proxy.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

export function describeAccess(inner: () => Database): void {
  let app: TestApp;
  afterEach(() => app.stop());
  const start = async (env: Record<string, string> = {}): Promise<void> => {
    app = await startTestApp({ database: new FaultyDatabase(inner()), env });
  };

  /** The status of an answer to a head that is sent as it is. */
  const statusOf = async (head: string): Promise<number> => {
    const { rest } = await openRaw(app.port, `${head}\r\nconnection: close\r\n\r\n`);
    return Number(/^HTTP\/1.1 (\d+) /.exec(await rest)?.[1]);
  };
  /** What a request with these headers is answered; `fetch` sets `Host` itself. */
  const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
    new Promise<{ status: number | undefined; body: unknown; headers: unknown }>((resolve, reject) => {
      request({ host: '127.0.0.1', port: app.port, path, method, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          const body: unknown = text.startsWith('{') ? JSON.parse(text) : text;
          resolve({ status: response.statusCode, body, headers: response.headers });
        });
      })
        .on('error', reject)
        .end();
    });

  describe('a host', () => {
    const refused = (host: string) => ({
      status: 421,
      body: { error: `the host "${host}" is not a host of this service; ALLOWED_HOSTS lists further ones` },
    });

    test('of a stranger is answered 421, on every path and for every method', async () => {
      await start();
      await app.make('a secret');
      const host = `evil.example:${app.port}`;
      for (const path of [
        '/',
        '/api/notes',
        '/api/notes/1',
        '/livez',
        '/readyz',
        '/nothing',
        '/notifications',
      ])
        for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
          expect(await ask(path, { host }, method)).toMatchObject(refused(host));
      expect(await ask('/api/notes', { host })).toMatchObject({
        headers: { 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' },
      });
      for (const own of ['localhost', `127.0.0.1:${app.port}`, '[::1]', 'notes.localhost'])
        expect((await ask('/api/notes', { host: own })).status).toBe(200);
      const long = 'x'.repeat(5_000);
      expect(await ask('/', { host: long })).toMatchObject(refused('x'.repeat(100)));
    });

    test('of a stranger opens no WebSocket, whatever its origin says', async () => {
      await start();
      const url = `ws://127.0.0.1:${app.port}/notifications`;
      const host = `evil.example:${app.port}`;
      const page = { origin: `http://${host}` };
      for (const headers of [{ host }, { host, ...page }, { host, origin: `http://127.0.0.1:${app.port}` }])
        await expect(openClient(url, headers)).rejects.toThrow('421');
      await expect(openClient(url, { host: 'localhost', ...page })).rejects.toThrow('403');
      await (await openClient(url, { host: `localhost:${app.port}` })).terminate();
    });

    test('that ALLOWED_HOSTS names is one', async () => {
      await start({ ALLOWED_HOSTS: 'notes.example.org,10.1.2.3:8080' });
      for (const host of ['notes.example.org', 'notes.example.org:443', '10.1.2.3:8080', 'localhost'])
        expect((await ask('/livez', { host })).status).toBe(200);
      for (const host of ['example.org', '10.1.2.3', 'a.notes.example.org'])
        expect(await ask('/livez', { host })).toMatchObject(refused(host));
    });

    test('in the target of a request counts as well; without any, only HTTP/1.0 is answered', async () => {
      await start();
      expect(await statusOf('GET http://evil.example/livez HTTP/1.1\r\nhost: localhost')).toBe(421);
      expect(await statusOf('GET http://localhost/livez HTTP/1.1\r\nhost: evil.example')).toBe(421);
      expect(await statusOf('GET http://u@localhost/livez HTTP/1.1\r\nhost: localhost')).toBe(421);
      expect(await statusOf('GET http://localhost/livez HTTP/1.1\r\nhost: localhost')).toBe(200);
      expect(await statusOf('GET /livez HTTP/1.0')).toBe(200);
      expect(await statusOf('GET /livez HTTP/1.0\r\nhost: evil.example')).toBe(421);
      expect(await statusOf('GET /livez HTTP/1.1')).toBe(400);
      expect(await statusOf('GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.example')).toBe(200);
      expect(await statusOf('GET /livez HTTP/1.1\r\nhost: evil.example\r\nhost: localhost')).toBe(421);
    });

    test('that a proxy reports counts only from a proxy that is trusted, and never instead of Host', async () => {
      const forwarded = { 'x-forwarded-host': 'localhost', 'x-forwarded-for': '203.0.113.9' };
      await start();
      expect((await ask('/livez', { host: 'evil.example', ...forwarded })).status).toBe(421);
      expect((await ask('/livez', { host: 'localhost', 'x-forwarded-host': 'evil.example' })).status).toBe(
        200,
      );
      await app.stop();

      await start({ TRUST_PROXY: 'loopback', ALLOWED_HOSTS: 'notes.example.org' });
      // A page that has made its name one of this machine can set the header.
      expect((await ask('/livez', { host: 'evil.example', ...forwarded })).status).toBe(421);
      expect((await ask('/livez', { host: 'localhost', 'x-forwarded-host': 'evil.example' })).status).toBe(
        421,
      );
      const own = { host: 'localhost', 'x-forwarded-host': 'notes.example.org' };
      expect((await ask('/livez', own)).status).toBe(200);
      // The origin of a page is compared with the host that it was sent to.
      const url = `ws://127.0.0.1:${app.port}/notifications`;
      await (await openClient(url, { ...own, origin: 'https://notes.example.org' })).terminate();
      await expect(openClient(url, { ...own, origin: 'https://other.example.org' })).rejects.toThrow('403');
      await app.stop();

      await start({ TRUST_PROXY: '192.0.2.0/24' });
      expect((await ask('/livez', { host: 'localhost', 'x-forwarded-host': 'evil.example' })).status).toBe(
        200,
      );
    });
  });

  test('the log tells the address of a client behind a proxy that is trusted', async () => {
    for (const [env, address] of [
      [{}, '127.0.0.1'],
      [{ TRUST_PROXY: 'loopback' }, '203.0.113.9'],
    ] as const) {
      await start(env);
      await ask('/livez', { host: 'localhost', 'x-forwarded-for': '203.0.113.9' });
      expect(await app.logged(/^incoming request$/)).toMatchObject({ client: address });
      if (address === '127.0.0.1') await app.stop();
    }
  });

  test('a request is a short line of the log, whatever it asks for', async () => {
    await start();
    await ask(`/${'x'.repeat(12_000)}?${'y'.repeat(2_000)}`, { host: 'localhost' });
    const line = await app.logged(/^incoming request$/);
    expect(line).toMatchObject({ url: `/${'x'.repeat(199)}…` });
    for (const each of app.lines) expect(JSON.stringify(each).length).toBeLessThan(2_000);
  });

  describe('below a path of a proxy', () => {
    test('everything that an answer points to is found', async () => {
      await start({ ALLOWED_ORIGINS: 'https://notes.example.org' });
      await app.clear();
      const proxy = await startPrefixProxy(app.port, '/some/notes');
      const base = `http://127.0.0.1:${proxy.port}/some/notes`;
      const json = { 'content-type': 'application/json' };
      for (const title of ['a', 'b', 'c']) {
        const body = JSON.stringify({ title, body: 'x', author: 'y' });
        const made = await fetch(`${base}/api/notes`, { method: 'POST', headers: json, body });
        const { id } = (await made.json()) as { id: number };
        const at = new URL(made.headers.get('location')!, made.url).href;
        expect(at).toBe(`${base}/api/notes/${id}`);
        expect(await (await fetch(at)).json()).toMatchObject({ title });
      }
      const first = await fetch(`${base}/api/notes?limit=2`);
      const target = /^<(.*)>; rel="next"$/.exec(first.headers.get('link')!)![1]!;
      const second = await fetch(new URL(target, first.url));
      expect(await second.json()).toMatchObject({ notes: [{ title: 'a' }], next: null });
      expect(await (await fetch(`${base}/`)).text()).toContain('<!doctype html>');
      // Only an origin that was named may open a WebSocket: the proxy says no other host than its own.
      const url = `${base.replace('http', 'ws')}/notifications`;
      const client = await openClient(url, { origin: 'https://notes.example.org' });
      client.send('ping');
      expect(await client.next()).toBe('pong');
      await client.terminate();
      await expect(openClient(url, { origin: 'https://other.example.org' })).rejects.toThrow('403');
      await proxy.close();
    });
  });
}
