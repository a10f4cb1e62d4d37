// Clients that are slow or say nothing: heads and bodies that never end, sockets that are opened and left, WebSockets that do
// not read while large notes are told, and those that talk without end.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Kind } from '../kind.ts';
import { make } from '../lib/api.ts';
import { open, request } from '../lib/raw.ts';
import type { Service } from '../lib/service.ts';

const HELD_MS = 5_000;
const PINGS = 5_000;
/** The longest note as JSON: six bytes for each of its characters. */
const LARGE = '\u0001'.repeat(99_999);

async function follow(service: Service): Promise<WebSocket> {
  const socket = new WebSocket(`${service.base.replace('http', 'ws')}/notifications`);
  socket.on('error', () => undefined);
  await once(socket, 'open');
  return socket;
}

export const slow: Kind = {
  name: 'slow',
  title: 'slow and silent clients, WebSockets that do not read or talk without end',
  async play(service, scale) {
    const [silent, deaf, notes] = scale === 'full' ? [300, 50, 40] : [50, 10, 20];
    const sockets = Array.from({ length: silent }, () => open(service.port));
    for (const socket of sockets.slice(0, silent / 3))
      socket.write('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ');
    const half = request('POST', '/api/notes', {
      host: '127.0.0.1',
      'content-type': 'application/json',
      'content-length': '100000',
    });
    for (const socket of sockets.slice(-silent / 3)) socket.write(`${half}{"title": "`);
    const drip = setInterval(() => {
      for (const socket of sockets) socket.write('x');
    }, 1_000);
    const deafClients = await Promise.all(Array.from({ length: deaf }, () => follow(service)));
    for (const client of deafClients) client.pause();
    const talker = await follow(service);
    for (let count = 0; count < PINGS && talker.readyState === WebSocket.OPEN; count++) talker.send('ping');
    const shouter = await follow(service);
    shouter.send(Buffer.alloc(10_000_000));
    // As fast as they come: readers must keep up with them.
    await Promise.all(
      Array.from({ length: notes }, (_, index) =>
        make(service, { title: `large ${index}`, body: `x${LARGE}`, author: 'a' }),
      ),
    );
    await pause(HELD_MS);
    clearInterval(drip);
    for (const socket of sockets) socket.destroy();
    for (const client of [...deafClients, talker, shouter]) client.terminate();
  },
};
