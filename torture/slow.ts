// A slow client among a thousand: it stops reading, is closed, returns with its position and misses nothing; what it costs the others is the
// latency of their deliveries, with it and without it by turns, and the memory of the service.
//
// One writer, which writes again when all others have the event: so a latency is that of a broadcast to all of them. Latencies go from
// the writer's request to the arrival at each client, all in this process, by one clock.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Dice } from '../fuzz/dice.ts';
import { Follower } from './followers.ts';
import { dataFolder, freePort, Instance } from './service.ts';

export interface SlowOptions {
  readonly clients: number;
  /** Rounds of writing with all clients reading, then with one that does not. */
  readonly rounds: number;
  /** In one part of a round: more than the kernel takes for a client that does not read. */
  readonly events: number;
  /** Characters in the text of a note. */
  readonly size: number;
}

export interface SlowReport {
  /** 99 of a hundred deliveries took at most so long, in milliseconds, in each round. */
  readonly without: readonly number[];
  readonly beside: readonly number[];
  /** Resident memory of the service at the end of each round, in bytes. */
  readonly memory: readonly number[];
  /** How often the slow client was closed. */
  readonly closed: number;
  readonly resets: number;
  /** What the slow client has missed, seen twice or out of order. */
  readonly missed: number;
  readonly deliveries: number;
}

/** The longest that the slow client may take to come back. */
const PATIENCE_MS = 60_000;

export async function slow({ clients, rounds, events, size }: SlowOptions): Promise<SlowReport> {
  const folder = dataFolder();
  const instance = new Instance(await freePort(), {
    DATA_DIR: join(folder.path, 'data'),
    SEND_TIMEOUT_MS: '2000',
    WS_SEND_LIMIT_BYTES: '2097152',
    NOTIFICATIONS_KEEP: '1000000',
  });
  const crowd = new Crowd();
  try {
    await instance.start();
    await crowd.gather(instance.port, clients - 1);
    const laggard = new Follower('slow client', [instance.port], new Dice(1, 1));
    laggard.come();
    await until(() => laggard.isLive, 'the slow client is not live');
    const [without, beside, memory]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      without.push(await crowd.hear(instance.port, size, events));
      const read = laggard.stopReading();
      beside.push(await crowd.hear(instance.port, size, events));
      read();
      const last = await crowd.write(instance.port, size);
      await until(() => laggard.hasSeen(last), 'the slow client does not come back');
      memory.push(residentBytes(instance.pid));
    }
    const { lost, twice, disordered, changed } = laggard.counts;
    return {
      without,
      beside,
      memory,
      closed: laggard.closed,
      resets: laggard.resets,
      missed: lost + twice + disordered + changed,
      deliveries: crowd.deliveries,
    };
  } finally {
    crowd.leave();
    await instance.kill();
    folder.remove();
  }
}

/** All clients but the slow one. */
class Crowd {
  deliveries = 0;
  readonly #sockets: WebSocket[] = [];
  #sentAt = 0;
  #arrived = 0;
  #latencies: number[] = [];
  #all = (): void => undefined;

  async gather(port: number, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/notifications`, { perMessageDeflate: false });
      this.#sockets.push(socket);
      socket.on('message', () => this.#hear());
      await once(socket, 'open');
    }
  }

  /** Has the clients hear events. @returns the 99th percentile of their latencies */
  async hear(port: number, size: number, events: number): Promise<number> {
    this.#latencies = [];
    for (let count = 0; count < events; count++) await this.write(port, size);
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }

  /** Writes a note, and waits until all have it. @returns its id */
  async write(port: number, size: number): Promise<number> {
    const all = new Promise<void>((resolve) => {
      this.#all = resolve;
    });
    this.#arrived = 0;
    this.#sentAt = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/api/notes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'slow', body: 'x'.repeat(size), author: 'torture' }),
    });
    if (answer.status !== 201) throw new Error(`a note was answered with ${answer.status}`);
    const { id } = (await answer.json()) as { id: number };
    await all;
    return id;
  }

  leave(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  #hear(): void {
    this.deliveries += 1;
    this.#latencies.push(performance.now() - this.#sentAt);
    this.#arrived += 1;
    if (this.#arrived === this.#sockets.length) this.#all();
  }
}

async function until(isSo: () => boolean, failure: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(failure);
    await pause(20);
  }
}

/** Resident memory of a process; 0 where the system does not tell. */
function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
