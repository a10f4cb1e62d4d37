// A program that may open few descriptors, and clients who take all that they can get.
import { setTimeout as pause } from 'node:timers/promises';
import type { Kind } from '../kind.ts';
import { open } from '../lib/raw.ts';

const DESCRIPTORS = 512;
const SOCKETS = 1_200;
const HELD_MS = 3_000;

export const descriptors: Kind = {
  name: 'descriptors',
  title: `more connections than a program with ${DESCRIPTORS} descriptors can have`,
  prepare: () => ({ descriptorsMax: DESCRIPTORS }),
  // Connections that have come before the good clients' next one may have taken the last place.
  mayRefuse: 'connections',
  async play(service, scale) {
    const rounds = scale === 'full' ? 3 : 1;
    for (let round = 0; round < rounds; round++) {
      const sockets = Array.from({ length: SOCKETS }, () => open(service.port));
      await pause(HELD_MS);
      for (const socket of sockets) socket.destroy();
      await pause(HELD_MS);
    }
  },
};
