// The HTTP interface as the page uses it, against answers of every kind.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Api, createApi } from '../../../src/app/web/internal.ts';
import { noteOf } from './notes.ts';

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** The interface over a server that answers so. */
async function serve(listener: RequestListener): Promise<Api> {
  const started = createServer(listener);
  servers.push(started);
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
  return createApi(fetch, `${base}/below/`);
}

function answering(status: number, body: string, headers: Record<string, string> = {}): Promise<Api> {
  return serve((_request, response) => response.writeHead(status, headers).end(body));
}

describe('requests', () => {
  test.each([
    ['list', (api: Api) => api.list(null), 'GET /below/api/notes?limit=100', ''],
    ['its next page', (api: Api) => api.list('a+b='), 'GET /below/api/notes?limit=100&cursor=a%2Bb%3D', ''],
    ['get', (api: Api) => api.get(7), 'GET /below/api/notes/7', ''],
    ['search', (api: Api) => api.search('a&b c', null), 'GET /below/api/notes?limit=100&q=a%26b+c', ''],
    ['its next page', (api: Api) => api.search('a', 'x'), 'GET /below/api/notes?limit=100&cursor=x&q=a', ''],
    [
      'create',
      (api: Api) => api.create({ title: 't', body: 'b', author: 'a' }),
      'POST /below/api/notes',
      '{"title":"t","body":"b","author":"a"}',
    ],
    [
      'update',
      (api: Api) => api.update(7, { title: 't', body: 'b' }, undefined),
      'PUT /below/api/notes/7',
      '{"title":"t","body":"b"}',
    ],
    [
      'update with a name',
      (api: Api) => api.update(7, { title: 't', body: 'b' }, 'a'),
      'PUT /below/api/notes/7',
      '{"title":"t","body":"b","updatedBy":"a"}',
    ],
    ['restore', (api: Api) => api.restore(7, 'a'), 'POST /below/api/notes/7/restore', '{"updatedBy":"a"}'],
    ['remove', (api: Api) => api.remove(7), 'DELETE /below/api/notes/7', ''],
  ])('%s', async (_name, call, line, body) => {
    const seen: unknown[] = [];
    const api = await serve((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        seen.push(`${request.method} ${request.url}`, text, request.headers['content-type']);
        response.end();
      });
    });
    await call(api);
    expect(seen).toEqual([line, body, body === '' ? undefined : 'application/json']);
  });
});

describe('answers', () => {
  test('a page, a note, and nothing', async () => {
    const page = await answering(200, JSON.stringify({ notes: [noteOf(1)], next: 'x', indexing: true }));
    expect(await page.list(null)).toEqual({
      ok: true,
      value: { notes: [noteOf(1)], next: 'x', indexing: true },
    });
    const last = await answering(200, JSON.stringify({ notes: [noteOf(1)], next: null }));
    expect(await last.search('a', 'x')).toEqual({
      ok: true,
      value: { notes: [noteOf(1)], next: null, indexing: false },
    });
    const whole = await answering(200, JSON.stringify({ notes: [noteOf(1)] }));
    expect(await whole.list(null)).toMatchObject({ value: { next: null } });
    const one = await answering(201, JSON.stringify(noteOf(1)));
    expect(await one.create(noteOf(1))).toEqual({ ok: true, value: noteOf(1) });
    const none = await answering(204, '');
    expect(await none.remove(1)).toEqual({ ok: true, value: null });
  });

  test.each([
    [
      503,
      '{"error":"database is away"}',
      { 'retry-after': '4' },
      { kind: 'unavailable', reason: 'database is away', retryAfterSeconds: 4 },
    ],
    [503, '', {}, { kind: 'unavailable', reason: 'it is busy', retryAfterSeconds: null }],
    [
      429,
      '',
      { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' },
      { kind: 'unavailable', reason: 'it is busy', retryAfterSeconds: null },
    ],
    [404, '{"error":"note not found"}', {}, { kind: 'missing' }],
    [422, '{"error":"title and body required"}', {}, { kind: 'refused', reason: 'title and body required' }],
    [413, 'too large', {}, { kind: 'refused', reason: 'status 413' }],
    [500, '{"error":"internal error"}', {}, { kind: 'broken', detail: 'internal error' }],
    [502, '<html>', {}, { kind: 'broken', detail: 'status 502' }],
    [200, '{"id":1}', {}, { kind: 'broken', detail: 'its answer is not what the page expects' }],
    [200, 'nonsense', {}, { kind: 'broken', detail: 'its answer is not what the page expects' }],
  ])('%i %s', async (status, body, headers, failure) => {
    const api = await answering(status, body, headers);
    expect(await api.update(1, { title: 't', body: 'b' }, undefined)).toEqual({ ok: false, failure });
  });

  test('a note that cannot be restored is missing', async () => {
    const api = await answering(404, '{"error":"note not found"}');
    expect(await api.restore(1, undefined)).toEqual({ ok: false, failure: { kind: 'missing' } });
  });

  test('an unknown address is no missing note', async () => {
    const api = await answering(404, '{"error":"not found"}');
    expect(await api.list(null)).toEqual({ ok: false, failure: { kind: 'refused', reason: 'not found' } });
  });

  test.each([{ notes: [noteOf(1), { id: 2 }] }, { notes: [], next: 7 }, { notes: {} }, []])(
    'a page with anything else in it is not taken: %j',
    async (body) => {
      const api = await answering(200, JSON.stringify(body));
      expect(await api.list(null)).toMatchObject({ ok: false, failure: { kind: 'broken' } });
    },
  );

  test('nobody there, and a connection that breaks', async () => {
    const api = await answering(200, '');
    servers.pop()?.close();
    expect(await api.list(null)).toEqual({ ok: false, failure: { kind: 'unreachable' } });
    const broken = await serve((request) => request.socket.destroy());
    expect(await broken.list(null)).toEqual({ ok: false, failure: { kind: 'unreachable' } });
  });

  test('a request that is given up comes to an end', async () => {
    const api = await serve(() => {}); // never answers
    const abort = new AbortController();
    const outcome = api.list(null, abort.signal);
    abort.abort();
    expect(await outcome).toEqual({ ok: false, failure: { kind: 'unreachable' } });
  });
});
