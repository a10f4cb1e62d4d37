// Answers that are large, and clients who ask for many of them and do not read.
import { setTimeout as pause } from 'node:timers/promises';
import type { Kind } from '../kind.ts';
import { ask, inParallel, make } from '../lib/api.ts';
import { open, openDeaf, request } from '../lib/raw.ts';

const LIST = request('GET', '/api/notes?limit=500', { host: '127.0.0.1' });
const OLD_LIST = request('GET', '/api/notes', { host: '127.0.0.1' });
const PIPELINED = 200;
const READ_AT_ONCE = 12;
const HELD_MS = 5_000;
const WRITERS = 4;

export const lists: Kind = {
  name: 'lists',
  title: 'large lists and searches: many at once, unread, pipelined',
  async play(service, scale, broken) {
    const [notes, deaf] = scale === 'full' ? [500, 60] : [60, 20];
    const body = 'слово '.repeat(16_666);
    await inParallel(Array.from({ length: notes }), WRITERS, (_, index) =>
      make(service, { title: `long ${index}`, body, author: 'a' }),
    );
    const paths = ['/api/notes', '/api/notes?limit=500', `/api/notes?q=${encodeURIComponent('слово')}`];
    for (const path of paths) {
      await inParallel(Array.from({ length: READ_AT_ONCE }), READ_AT_ONCE, async () => {
        const { status } = await ask(service, 'GET', path);
        if (status !== 200 && status !== 503) broken(`${path} was answered ${status}`);
      });
    }
    const silent = [
      ...Array.from({ length: deaf }, () => openDeaf(service.port, LIST)),
      ...Array.from({ length: deaf }, () => openDeaf(service.port, OLD_LIST.repeat(PIPELINED))),
    ];
    const reading = open(service.port).resume();
    reading.write(OLD_LIST.repeat(PIPELINED));
    await pause(HELD_MS);
    for (const socket of [...silent, reading]) socket.destroy();
  },
};
