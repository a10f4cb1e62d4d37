// One run: a service, writers and followers, faults until enough events were stored, then calm, and the comparison.
//
// The last event is written when everything is calm: it is the last in the order, so that a follower that has seen it has seen all.
// Bounded in time: when that is up, writers stop with fewer events; a follower that does not come to the last one is behind.
import { setTimeout as pause } from 'node:timers/promises';
import { Dice } from '../fuzz/dice.ts';
import { faultsOf } from './check.ts';
import { playFaults, unsettle } from './faults.ts';
import { Follower } from './followers.ts';
import { onPglite, onPostgres, type Service } from './services.ts';
import { Writer } from './writers.ts';

export interface TortureOptions {
  readonly database: 'postgres' | 'pglite';
  readonly seed: number;
  /** After as many answered changes it is enough. */
  readonly events: number;
  readonly followers: number;
  readonly writers: number;
  /** Answered changes between two faults, on average. */
  readonly gap: number;
  /** Of writing, in milliseconds; what follows is bounded by itself. */
  readonly limitMs: number;
}

export interface Report {
  /** In the table. */
  readonly events: number;
  readonly answered: number;
  readonly unanswered: number;
  /** By kind, how often. */
  readonly played: ReadonlyMap<string, number>;
  readonly losses: number;
  readonly delivered: number;
  readonly resets: number;
  readonly skipped: number;
  /** Notes whose words in the index were compared with their texts. */
  readonly indexed: number;
  /** What is not as promised. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

/** What `npm run torture` plays. */
export const LONG = {
  postgres: { events: 100_000, followers: 16, writers: 24, gap: 1_500, limitMs: 30 * 60_000 },
  pglite: { events: 20_000, followers: 8, writers: 8, gap: 400, limitMs: 15 * 60_000 },
} as const;
/** What it plays with `--short`, and the tests. */
export const SHORT = {
  postgres: { events: 1_200, followers: 8, writers: 6, gap: 120, limitMs: 30_000 },
  pglite: { events: 300, followers: 4, writers: 3, gap: 90, limitMs: 30_000 },
} as const;

/** Many clients at once: see `storm.ts`. */
export const STORM = { clients: 600, writers: 4 } as const;

/** With a slow client: see `slow.ts`. */
export const SLOW = { clients: 1_000, rounds: 9, events: 320, size: 40_000 } as const;

/** From the end of the faults to the last event at every follower. */
const CALM_LIMIT_MS = 90_000;

export async function torture(options: TortureOptions): Promise<Report> {
  const service = options.database === 'postgres' ? await onPostgres() : await onPglite();
  try {
    return await play(service, options);
  } finally {
    await service.remove();
  }
}

async function play(service: Service, options: TortureOptions): Promise<Report> {
  const { seed, events, limitMs, gap } = options;
  const start = performance.now();
  const ports = service.instances.map(({ port }) => port);
  let turn = 0;
  const dice = (): Dice => new Dice(seed, (turn += 1));
  const followers = Array.from(
    { length: options.followers },
    (_, index) => new Follower(`client ${index + 1}`, ports, dice()),
  );
  const writers = Array.from(
    { length: options.writers },
    (_, index) => new Writer(`writer ${index + 1}`, ports, dice()),
  );
  for (const follower of followers) follower.come();
  await until(() => followers.every(({ isLive }) => isLive), 'not all clients are live');

  const answered = () => writers.flatMap((writer) => writer.answered);
  const count = () => writers.reduce((total, writer) => total + writer.answered.length, 0);
  const isOver = (): boolean => performance.now() - start > limitMs || count() >= events;
  const progress = async (changes: number): Promise<void> => {
    const goal = count() + changes;
    while (count() < goal && !isOver()) await pause(10);
  };
  const [played] = await Promise.all([
    playFaults(service, dice(), gap, progress, isOver),
    unsettle(followers, dice(), isOver),
    ...writers.map((writer) => writer.write(isOver)),
  ]);
  const last = await writeLast(ports[0] as number);
  // Only one that misses it waits for the whole time; the comparison says which.
  await until(() => followers.every((follower) => follower.hasSeen(last)), undefined);
  for (const follower of followers) follower.leave();

  const stored = await service.read();
  const sum = (of: (follower: Follower) => number) =>
    followers.reduce((total, follower) => total + of(follower), 0);
  return {
    events: stored.events.length,
    answered: count(),
    unanswered: writers.reduce((total, writer) => total + writer.unanswered, 0),
    played,
    losses: sum(({ losses }) => losses),
    delivered: sum((follower) => follower.events),
    resets: sum(({ resets }) => resets),
    skipped: sum(({ skipped }) => skipped),
    indexed: stored.notes.length,
    faults: faultsOf(stored, followers, answered()),
    seconds: (performance.now() - start) / 1_000,
  };
}

/** @returns the id of the note whose creation is the last event */
export async function writeLast(port: number): Promise<number> {
  const end = performance.now() + CALM_LIMIT_MS;
  while (performance.now() < end) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/notes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'the end', body: 'made', author: 'torture' }),
    }).catch(() => undefined);
    if (answer?.status === 201) return ((await answer.json()) as { id: number }).id;
    await pause(100);
  }
  throw new Error('the service takes no changes after the faults');
}

async function until(isSo: () => boolean, failure: string | undefined): Promise<void> {
  const end = performance.now() + CALM_LIMIT_MS;
  while (!isSo()) {
    if (performance.now() > end) {
      if (failure === undefined) return;
      throw new Error(failure);
    }
    await pause(20);
  }
}
