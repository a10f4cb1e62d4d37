// Reconnect storms: many clients lose their connections at once, when the instances are stopped in order, one after another or all at
// once, and when all are killed. What is measured is how far their attempts are spread, and what anybody has missed.
//
// The clients have the limits that they have by default. A server that stops names each of them a delay of its own in the close frame;
// after a kill nobody does, and the clients spread themselves.
import { setTimeout as pause } from 'node:timers/promises';
import { Dice } from '../fuzz/dice.ts';
import { faultsOf } from './check.ts';
import { Follower } from './followers.ts';
import { writeLast } from './run.ts';
import { onPostgres, type Service } from './services.ts';
import { Writer } from './writers.ts';

export interface StormOptions {
  readonly clients: number;
  readonly writers: number;
  readonly seed: number;
}

/** One storm: how the clients lost their connections, and how they came back. */
export interface Storm {
  readonly name: string;
  /** Connections that ended. */
  readonly lost: number;
  /** The delays that servers named, in milliseconds, the lowest first. */
  readonly advised: readonly number[];
  /** Attempts to connect, those that failed included. */
  readonly attempts: number;
  /** Attempts in the busiest tenth of a second. */
  readonly busiest: number;
  /** From the first loss until all clients were live, in seconds. */
  readonly seconds: number;
}

export interface StormReport {
  readonly storms: readonly Storm[];
  readonly events: number;
  readonly delivered: number;
  readonly resets: number;
  readonly faults: readonly string[];
}

/** The longest until all are live. */
const PATIENCE_MS = 120_000;
const SLICE_MS = 100;
/** Events that are written before a storm, so that there is something to resume from. */
const BEFORE = 50;

export async function storm({ clients, writers, seed }: StormOptions): Promise<StormReport> {
  const service = await onPostgres();
  const ports = service.instances.map(({ port }) => port);
  let turn = 0;
  const dice = (): Dice => new Dice(seed, (turn += 1));
  const followers = Array.from(
    { length: clients },
    (_, index) => new Follower(`client ${index + 1}`, ports, dice(), {}),
  );
  const crowd = new Crowd(followers);
  const authors = Array.from(
    { length: writers },
    (_, index) => new Writer(`writer ${index + 1}`, ports, dice()),
  );
  let isOver = false;
  try {
    for (const follower of followers) follower.come();
    await crowd.live();
    const writing = authors.map((writer) => writer.write(() => isOver));
    const storms: Storm[] = [];
    for (const [name, play] of STORMS) {
      const count = () => authors.reduce((total, { answered }) => total + answered.length, 0);
      const goal = count() + BEFORE;
      while (count() < goal) await pause(10);
      storms.push(await crowd.through(name, () => play(service)));
    }
    isOver = true;
    await Promise.all(writing);
    const last = await writeLast(ports[0] as number);
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end && !followers.every((follower) => follower.hasSeen(last))) await pause(20);
    for (const follower of followers) follower.leave();
    const stored = await service.read();
    const sum = (of: (follower: Follower) => number) =>
      followers.reduce((total, follower) => total + of(follower), 0);
    return {
      storms,
      events: stored.events.length,
      delivered: sum((follower) => follower.events),
      resets: sum(({ resets }) => resets),
      faults: faultsOf(
        stored,
        followers,
        authors.flatMap(({ answered }) => answered),
      ),
    };
  } finally {
    isOver = true;
    for (const follower of followers) follower.leave();
    await service.remove();
  }
}

const STORMS: ReadonlyArray<readonly [string, (service: Service) => Promise<void>]> = [
  [
    'stopped in turn',
    async ({ instances }) => {
      for (const instance of instances) {
        await instance.stop();
        await instance.start();
      }
    },
  ],
  [
    'stopped at once',
    async ({ instances }) => {
      await Promise.all(instances.map((instance) => instance.stop()));
      await Promise.all(instances.map((instance) => instance.start()));
    },
  ],
  [
    'killed at once',
    async ({ instances }) => {
      await Promise.all(instances.map((instance) => instance.kill()));
      await Promise.all(instances.map((instance) => instance.start()));
    },
  ],
];

/** All clients, and what is heard of their connections. */
class Crowd {
  readonly #followers: readonly Follower[];
  #advised: number[] = [];
  #attempts: number[] = [];
  #lost = 0;
  #firstLoss: number | undefined;

  constructor(followers: readonly Follower[]) {
    this.#followers = followers;
    for (const follower of followers) {
      follower.onAttempt = () => this.#attempts.push(performance.now());
      follower.onClosed = (advised) => {
        this.#lost += 1;
        this.#firstLoss ??= performance.now();
        if (advised !== undefined) this.#advised.push(advised);
      };
    }
  }

  async live(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!this.#followers.every(({ isLive }) => isLive)) {
      if (performance.now() > end) throw new Error('not all clients are live');
      await pause(20);
    }
  }

  async through(name: string, play: () => Promise<void>): Promise<Storm> {
    this.#advised = [];
    this.#attempts = [];
    this.#lost = 0;
    this.#firstLoss = undefined;
    await play();
    await this.live();
    const slices = new Map<number, number>();
    for (const at of this.#attempts) {
      const slice = Math.floor(at / SLICE_MS);
      slices.set(slice, (slices.get(slice) ?? 0) + 1);
    }
    return {
      name,
      lost: this.#lost,
      advised: this.#advised.toSorted((a, b) => a - b),
      attempts: this.#attempts.length,
      busiest: Math.max(0, ...slices.values()),
      seconds: (performance.now() - (this.#firstLoss ?? performance.now())) / 1_000,
    };
  }
}
