// What is refused before a controller runs, and what is on every answer. The database has no part in it.
import { request } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { openRaw } from '../support/client.ts';
import type { TestApp } from '../support/test-app.ts';

const note = { title: 'Title', body: 'Body', author: 'Ada' };
const BODY_LIMIT = 2_097_152;
const NO_JSON = { error: 'the body is not valid JSON' };
const NO_TYPE = { error: 'the body must be JSON, with content-type: application/json' };

export function describeRefusals(app: () => TestApp): void {
  const ask: TestApp['ask'] = (...args) => app().ask(...args);
  const post = (body: string | Buffer, type: string) =>
    ask('POST', '/api/notes', { body, headers: { 'content-type': type } });

  beforeEach(() => app().clear());

  describe('a body', () => {
    test('that is not JSON is answered 400', async () => {
      const bodies = [
        '{',
        '{"title":',
        'title=a',
        "{'title':1}",
        'undefined',
        '\u0000',
        '{"a":1}{"b":2}',
        ' ',
      ];
      bodies.push('['.repeat(500_000), '{"__proto__":{"title":"a"}}', '{"constructor":{"prototype":{}}}');
      for (const body of bodies) {
        expect(await post(body, 'application/json')).toMatchObject({ status: 400, body: NO_JSON });
      }
    });

    test('that is not UTF-8 is answered 400', async () => {
      const latin1 = Buffer.from(JSON.stringify({ ...note, title: 'Gruß' }), 'latin1');
      for (const type of ['application/json', 'application/json; charset=latin1']) {
        const answer = await post(latin1, type);
        expect(answer).toMatchObject({ status: 400, body: { error: 'the body is not UTF-8' } });
      }
      expect((await post(Buffer.from(JSON.stringify(note)), 'application/json; charset=utf-8')).status).toBe(
        201,
      );
    });

    test('of another type is answered 415, those included that any page may send', async () => {
      const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'];
      for (const type of [...types, 'text/plain; application/json', 'application/vnd.api+json', 'nonsense']) {
        expect(await post(JSON.stringify(note), type)).toMatchObject({ status: 415, body: NO_TYPE });
      }
      const untyped = await ask('POST', '/api/notes', { body: Buffer.from(JSON.stringify(note)) });
      expect(untyped).toMatchObject({ status: 415, body: NO_TYPE });
      expect((await ask('GET', '/api/notes')).body).toEqual({ notes: [], next: null });
    });

    test('that is compressed is answered 415, and so is told', async () => {
      const json = Buffer.from(JSON.stringify(note));
      const error = 'the body must not be compressed: send it as it is, without content-encoding';
      for (const [encoding, body] of [
        ['gzip', gzipSync(json)],
        ['br', brotliCompressSync(json)],
        ['GZIP, identity', gzipSync(json)],
        ['gzip', json],
        ['nonsense', json],
      ] as const) {
        const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
        expect(await ask('POST', '/api/notes', { body, headers })).toMatchObject({
          status: 415,
          body: { error },
        });
      }
      const headers = { 'content-type': 'application/json', 'content-encoding': 'identity' };
      expect((await ask('POST', '/api/notes', { body: json, headers })).status).toBe(201);
    });

    test('that is too large is answered 413, with a length and without', async () => {
      const error = `the body has more than ${BODY_LIMIT} bytes`;
      const body = JSON.stringify({ ...note, more: 'x'.repeat(BODY_LIMIT) });
      expect(await post(body, 'application/json')).toMatchObject({ status: 413, body: { error } });
      expect(await postInPieces(app().port, body)).toEqual({ status: 413, body: { error } });
      const fits = { ...note, more: '' };
      fits.more = 'x'.repeat(BODY_LIMIT - JSON.stringify(fits).length);
      expect((await post(JSON.stringify(fits), 'application/json')).status).toBe(201);
    });
  });

  describe('a query', () => {
    test('that is too long is answered 400', async () => {
      const error = 'q must have at most 200 characters';
      expect((await ask('GET', `/api/notes?q=${'x'.repeat(200)}`)).status).toBe(200);
      expect((await ask('GET', `/api/notes?q=${encodeURIComponent('😀'.repeat(200))}`)).status).toBe(200);
      expect(await ask('GET', `/api/notes?q=${'x'.repeat(201)}`)).toMatchObject({
        status: 400,
        body: { error },
      });
    });

    test('that is given twice is answered 400', async () => {
      const error = 'q must be given once, as text';
      expect(await ask('GET', '/api/notes?q=a&q=b')).toMatchObject({ status: 400, body: { error } });
    });
  });

  describe('a path', () => {
    test('that is not known is answered 404', async () => {
      for (const path of [
        '/api',
        '/api/note',
        '/api/notes/1/2',
        '/API/notes',
        '//api/notes',
        '/assets/',
        '/%61',
        '/x?y',
      ]) {
        const error = `there is no GET ${path.split('?', 1)[0]}`;
        expect(await ask('GET', path)).toMatchObject({ status: 404, body: { error } });
      }
      expect(await ask('POST', '/')).toMatchObject({ status: 404, body: { error: 'there is no POST /' } });
      const long = await ask('GET', `/${'x'.repeat(5_000)}`);
      expect(long).toMatchObject({ status: 404, body: { error: `there is no GET /${'x'.repeat(199)}` } });
    });

    test('that seems to be that of a note leads a browser to the note in the page, and others nowhere', async () => {
      const open = async (path: string, accept: string, method = 'GET') => {
        const url = `http://127.0.0.1:${app().port}${path}`;
        const answer = await fetch(url, { method, headers: { accept }, redirect: 'manual' });
        return [answer.status, answer.headers.get('location'), answer.headers.get('vary')];
      };
      const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
      expect(await open('/notes/999999?x', browser)).toEqual([302, '../#/notes/999999', 'accept']);
      expect(await open('/notes/999999', 'application/json, Text/HTML; q=0.5', 'HEAD')).toEqual([
        302,
        '../#/notes/999999',
        'accept',
      ]);
      for (const accept of ['*/*', 'application/json', 'text/html;q=0', 'text/htmlx'])
        expect(await open('/notes/999999', accept)).toEqual([404, null, 'accept']);
      expect(await open('/notes/999999', browser, 'DELETE')).toEqual([404, null, null]);
      for (const path of ['/notes', '/notes/0', '/notes/x', '/notes/99999999999', '/notes/1/2', '//notes/1'])
        expect(await open(path, browser)).toEqual([404, null, null]);
      expect((await ask('GET', '/notes/999999')).body).toEqual({ error: 'there is no GET /notes/999999' });
    });

    test('that leaves the folder of the page finds nothing', async () => {
      const paths = [
        '/../package.json',
        '/..%2f..%2fpackage.json',
        '/%2e%2e/%2e%2e/package.json',
        '/..\\app\\main.js',
      ];
      for (const path of [...paths, '/assets/..%2f..%2fapp/main.js', '/.built', '//etc/passwd']) {
        const raw = await openRaw(
          app().port,
          `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
        );
        expect(await raw.rest).toMatch(/^HTTP\/1.1 40[034] /);
      }
    });

    test('that is no URL is answered 400', async () => {
      for (const path of ['/%zz', '/api/notes/%zz', '/api/notes/%ff']) {
        const answer = await ask('GET', path);
        expect(answer).toMatchObject({ status: 400, body: { error: 'the path is not a valid URL' } });
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      }
    });

    test('with another method is answered 405, and says which it takes', async () => {
      const cases = [
        ['PATCH', '/api/notes', 'GET, HEAD, POST'],
        ['DELETE', '/api/notes', 'GET, HEAD, POST'],
        ['POST', '/api/notes/1', 'GET, HEAD, PUT, DELETE'],
        ['POST', '/notifications', 'GET, HEAD'],
        ['PUT', '/readyz', 'GET, HEAD'],
      ] as const;
      for (const [method, path, allowed] of cases) {
        const answer = await ask(method, path);
        expect(answer).toMatchObject({
          status: 405,
          body: { error: `${method} is not allowed here, only ${allowed}` },
        });
        expect(answer.headers.get('allow')).toBe(allowed);
        const options = await ask('OPTIONS', path);
        expect([options.status, options.body, options.headers.get('allow')]).toEqual([204, '', allowed]);
      }
    });

    test('of the connections is answered 426 without a WebSocket', async () => {
      for (const method of ['GET', 'HEAD']) {
        const { status, body, headers } = await ask(method, '/notifications');
        expect(status).toBe(426);
        expect(body).toEqual(method === 'GET' ? { error: 'open this with a WebSocket' } : '');
        expect(headers.get('upgrade')).toBe('websocket');
      }
    });
  });

  test('HEAD answers what GET does, without the body', async () => {
    const { id } = await app().make('a');
    for (const path of ['/api/notes', `/api/notes/${id}`, '/api/notes/2147483647', '/readyz', '/livez']) {
      const [get, head] = [await ask('GET', path), await ask('HEAD', path)];
      expect([head.status, head.body]).toEqual([get.status, '']);
      for (const header of ['content-length', 'content-type']) {
        expect(head.headers.get(header)).toBe(get.headers.get(header));
      }
    }
  });

  describe('what is no HTTP', () => {
    const answerTo = async (text: string) => (await openRaw(app().port, text)).rest;

    test('is answered as an error is, and the connection ends', async () => {
      const nonsense = await answerTo('nonsense\r\n\r\n');
      expect(nonsense).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
      expect(nonsense.split('\r\n\r\n')[1]).toBe('{"error":"this is not an HTTP request"}');
      const unescaped = await answerTo('GET /api/notes?q=zürich HTTP/1.1\r\nhost: localhost\r\n\r\n');
      expect(unescaped).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
      expect(unescaped.split('\r\n\r\n')[1]).toBe(
        '{"error":"the address has characters that must be percent-encoded; curl does it with -G --data-urlencode"}',
      );
      const large = await answerTo(
        `GET / HTTP/1.1\r\nhost: localhost\r\nlarge: ${'x'.repeat(20_000)}\r\n\r\n`,
      );
      expect(large).toMatch(/^HTTP\/1.1 431 /);
      expect(large.split('\r\n\r\n')[1]).toBe('{"error":"the headers are too large"}');
      const twice =
        'POST /api/notes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n';
      expect(await answerTo(twice)).toMatch(/^HTTP\/1.1 400 /);
    });

    test('does not keep others from being served', async () => {
      await Promise.all(Array.from({ length: 30 }, () => answerTo('\u0016\u0003\u0001 nonsense')));
      expect((await ask('GET', '/livez')).status).toBe(200);
    });
  });

  test('every answer forbids what it can', async () => {
    for (const path of ['/api/notes', '/livez', '/', '/nothing', '/api/notes/abc']) {
      const { headers } = await ask('GET', path);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'self';connect-src 'self';base-uri 'none';form-action 'self';frame-ancestors 'none';object-src 'none'",
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      for (const absent of [
        'access-control-allow-origin',
        'x-powered-by',
        'server',
        'strict-transport-security',
      ]) {
        expect(headers.get(absent)).toBe(null);
      }
    }
  });
}

/** Sends a body without telling its length. */
function postInPieces(port: number, body: string): Promise<{ status: number | undefined; body: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const sent = request({ port, path: '/api/notes', method: 'POST', headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
    });
    sent.on('error', reject);
    for (let at = 0; at < body.length; at += 65_536) sent.write(body.slice(at, at + 65_536));
    sent.end();
  });
}
