// Bytes that are not a request, or not a sensible one.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Kind } from '../kind.ts';
import { inParallel } from '../lib/api.ts';
import { exchange, request } from '../lib/raw.ts';

const WIDTH = 16;
const host = { host: '127.0.0.1' };
const json = { ...host, 'content-type': 'application/json' };
const post = (body: string): string => request('POST', '/api/notes', json, body);

const requests = (): (string | Buffer)[] => [
  randomBytes(1_000),
  Buffer.alloc(100_000, 'A'),
  'GET\r\n\r\n',
  request('GET', `/${'a'.repeat(15_000)}`, host),
  request('GET', `/${'a'.repeat(60_000)}`, host),
  request('GET', '/%ff%00', host),
  request('GET', '/api/notes/__proto__', host),
  request('GET', '/api/notes/1e999', host),
  request('GET', `/api/notes/${'9'.repeat(1_000)}`, host),
  request('GET', '/api/notes?cursor=%00&limit=-1', host),
  request('GET', '/api/notes?cursor=e30', host),
  request('GET', '/api/notes?limit=1e9', host),
  request('GET', '/api/notes?q=a&q=b', host),
  request('GET', `/api/notes?q=${'%F0%9F%91%A9'.repeat(1_000)}`, host),
  request('GET', '/..%2f..%2fetc/passwd', host),
  request('PATCH', '/api/notes', host),
  request('GET', '/', {
    ...host,
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA',
  }),
  request('GET', '/nowhere', {
    ...host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }),
  request('GET', '/livez', {
    ...host,
    ...Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x-${index}`, 'y'])),
  }),
  post('{'),
  post('[]'),
  post('null'),
  post('{"__proto__": {"title": "a"}}'),
  post('{"constructor": {"prototype": {}}}'),
  post('['.repeat(500_000)),
  post(`{"title": ${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`),
  post(`{${Array.from({ length: 100_000 }, (_, index) => `"${index}":0`).join(',')}}`),
  post(JSON.stringify({ title: '\ud800', body: '\u0000', author: 'a' })),
  request('POST', '/api/notes', { ...json, 'content-encoding': 'gzip' }, gzipSync('{}').toString('latin1')),
  request('POST', '/api/notes', { ...json, 'content-length': '3000000000' }, '{'),
  // One byte a chunk: each costs far more than a byte, unless they are put together as they come.
  `POST /api/notes HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(300_000)}0\r\n\r\n`,
  request('POST', '/api/notes', { ...json, 'transfer-encoding': 'chunked' }, 'ffffffffffffffff\r\n'),
];

export const garbage: Kind = {
  name: 'garbage',
  title: 'what is no request, and requests that make no sense',
  async play(service, scale, broken) {
    const rounds = scale === 'full' ? 100 : 3;
    const all = Array.from({ length: rounds }, requests).flat();
    await inParallel(all, WIDTH, async (data) => {
      const { status, text } = await exchange(service.port, data);
      if (status >= 500 && status !== 503 && status !== 505)
        broken(`garbage was answered ${status}: ${data.toString('latin1').slice(0, 60)}`);
      if (text.length > 100_000 && !text.includes('"notes"')) broken('a refusal was longer than 100 kB');
    });
  },
};
