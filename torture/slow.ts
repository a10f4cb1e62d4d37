// A slow client among a thousand: it stops reading, is closed, returns with its position and misses nothing; what it costs the others is the
// latency of their deliveries, with it and without it by turns, and the memory of the service.
//
// One writer, which writes again when all others have the event: so a latency is that of a broadcast to all of them. Latencies go from
// the writer's request to the arrival at each client, all in this process, by one clock.
//
// The slow client reads on once the service has closed it, and nothing is written until it is back: it would miss more than is read for
// one client.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Dice } from '../fuzz/dice.ts';
import { Crowd } from './crowd.ts';
import { Follower } from './followers.ts';
import { dataFolder, freePort, Instance } from './service.ts';

export interface SlowOptions {
  readonly clients: number;
  /** Rounds of writing with all clients reading, and with one that does not; either comes first by turns. */
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
  /** How long the rounds took. */
  readonly seconds: number;
  /** How often the service has closed the slow client. */
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
    METRICS: 'public',
  });
  const crowd = new Crowd();
  const laggard = new Follower('slow client', [instance.port], new Dice(1, 1));
  try {
    await instance.start();
    await crowd.gather(instance.port, clients - 1);
    laggard.come();
    await until(() => laggard.isLive, 'the slow client is not live');
    let closed = 0;
    let attempts = 0;
    laggard.onAttempt = () => void (attempts += 1);
    const gathered = await members(instance.port);
    const hear = (onClosed?: () => Promise<void>): Promise<number> =>
      crowd.hear(instance.port, size, events, async () => {
        // Asked in both parts, as it costs something.
        if ((await members(instance.port)) < gathered) await onClosed?.();
      });
    const [without, beside, memory]: [number[], number[], number[]] = [[], [], []];
    // What runs first is slower, whoever reads.
    await crowd.hear(instance.port, size, Math.ceil(events / 4));
    const start = performance.now();
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) without.push(await hear());
      const read = laggard.stopReading();
      const onClosed = async (): Promise<void> => {
        closed += 1;
        const before = attempts;
        read();
        await until(() => attempts > before && laggard.isLive, 'the slow client does not come back');
      };
      beside.push(await hear(onClosed));
      read();
      // After a reset it gets only what is written from then on.
      let last = await crowd.write(instance.port, size);
      let resets = laggard.resets;
      while (!laggard.hasSeen(last)) {
        await until(
          () => laggard.hasSeen(last) || (laggard.isLive && laggard.resets > resets),
          'the slow client does not come back',
        );
        if (laggard.hasSeen(last)) break;
        resets = laggard.resets;
        last = await crowd.write(instance.port, size);
      }
      if (round % 2 === 1) without.push(await hear());
      memory.push(residentBytes(instance.pid));
    }
    const seconds = (performance.now() - start) / 1_000;
    const { lost, twice, disordered, changed } = laggard.counts;
    return {
      without,
      beside,
      memory,
      seconds,
      closed,
      resets: laggard.resets,
      missed: lost + twice + disordered + changed,
      deliveries: crowd.deliveries,
    };
  } finally {
    laggard.leave();
    crowd.leave();
    await instance.kill();
    folder.remove();
  }
}

async function until(isSo: () => boolean, failure: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(failure);
    await pause(20);
  }
}

/** How many members the channel has: a client that is closed is none, while its socket still has what it has not read. */
async function members(port: number): Promise<number> {
  const figures = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^troupe_channel_members(?:\{.*\})? (\d+)/m.exec(figures)?.[1] ?? Number.NaN);
}

/** Resident memory of a process; 0 where the system does not tell. */
function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
