// Very many small things at once, over many connections: WebSocket frames of a byte, and requests that wait for no answer. Each is cheap;
// what one read brings of them is not.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Kind } from '../kind.ts';
import { open, request } from '../lib/raw.ts';
import type { Service } from '../lib/service.ts';

const FRAMES = 9_300;
const REQUESTS = 1_600;
const HELD_MS = 500;
const LIMIT_MS = 60_000;
const UPGRADE = {
  host: '127.0.0.1',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** Text frames of one byte, masked with zeros. */
const frames = Buffer.concat(
  Array.from({ length: FRAMES }, () => Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78])),
);
const requests = request('GET', '/livez', { host: '127.0.0.1' }).repeat(REQUESTS);

async function follow(service: Service): Promise<Socket> {
  const socket = open(service.port);
  socket.write(request('GET', '/notifications', UPGRADE));
  await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  return socket.resume();
}

/** Resolves when the other side has taken it all, or has ended the connection. */
async function pour(socket: Socket, data: Buffer | string): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.write(data, () => resolve());
  });
}

export const crowds: Kind = {
  name: 'crowds',
  title: 'many connections with very many tiny frames, or with requests that wait for no answer',
  async play(service, scale) {
    const [clients, rounds] = scale === 'full' ? [400, 5] : [100, 2];
    const sockets = await Promise.all(Array.from({ length: clients }, () => follow(service)));
    const end = performance.now() + LIMIT_MS;
    for (let round = 0; round < rounds && performance.now() < end; round++) {
      await Promise.all(sockets.map((socket) => pour(socket, frames)));
      const pipelined = Array.from({ length: clients }, () => open(service.port).resume());
      await Promise.all(pipelined.map((socket) => pour(socket, requests)));
      await pause(HELD_MS);
      for (const socket of pipelined) socket.destroy();
    }
    for (const socket of sockets) socket.destroy();
  },
};
