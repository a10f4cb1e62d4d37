// A page of any site whose name an attacker points at 127.0.0.1 (DNS rebinding), or that opens a WebSocket from elsewhere:
// what it asks must neither be answered nor done.
import type { Kind } from '../kind.ts';
import { ask } from '../lib/api.ts';
import { exchange, request } from '../lib/raw.ts';

const FOREIGN = [
  'evil.example',
  'evil.example:8080',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  'evil.example.',
  'EVIL.EXAMPLE',
  'xn--localhost-.example',
  '[::1].evil.example',
  '127.0.0.1@evil.example',
  '',
];
const BODY = JSON.stringify({ title: 'rebound', body: 'rebound', author: 'evil' });
const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

export const hosts: Kind = {
  name: 'hosts',
  title: 'requests and WebSockets under the name of another host, and from pages of others',
  async play(service, scale, broken) {
    const rounds = scale === 'full' ? 200 : 10;
    const mustNot = (what: string, status: number): void => {
      if (status < 400) broken(`${what} was answered`);
    };
    for (let round = 0; round < rounds; round++) {
      for (const host of FOREIGN) {
        const json = { host, 'content-type': 'application/json' };
        const asked = await Promise.all([
          exchange(service.port, request('GET', '/api/notes', { host })),
          exchange(service.port, request('GET', '/', { host })),
          exchange(service.port, request('POST', '/api/notes', json, BODY)),
          exchange(service.port, request('DELETE', '/api/notes/1', { host })),
          exchange(service.port, request('GET', `http://${host || 'evil.example'}/api/notes`, { host })),
          exchange(
            service.port,
            request('GET', '/notifications', { host, origin: `http://${host}`, ...UPGRADE }),
          ),
        ]);
        for (const { status } of asked) mustNot(`a request with Host: ${JSON.stringify(host)}`, status);
      }
      const own = `127.0.0.1:${service.port}`;
      const other = await exchange(
        service.port,
        request('GET', '/notifications', { host: own, origin: 'http://evil.example', ...UPGRADE }),
      );
      mustNot('a WebSocket from a page of another origin', other.status === 101 ? 101 : 400);
    }
    const { json } = await ask(service, 'GET', '/api/notes?q=rebound');
    if ((json as { notes: unknown[] }).notes.length > 0) broken('a page of another site has made a note');
  },
};
