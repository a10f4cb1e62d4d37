// What is done to the service and its clients while they work, in an order that the seed gives.
import { setTimeout as pause } from 'node:timers/promises';
import type { Dice } from '../fuzz/dice.ts';
import type { TestPostgres } from '../test/support/postgres.ts';
import type { Follower } from './followers.ts';
import type { Instance, Proxy } from './service.ts';

/** What there is to break. */
export interface Targets {
  readonly instances: readonly Instance[];
  readonly proxies: readonly Proxy[];
  /** Undefined where the database is embedded. */
  readonly postgres: TestPostgres | undefined;
}

interface Fault {
  readonly name: string;
  play(targets: Targets, dice: Dice): Promise<void>;
}

/** The longest that something is away, in milliseconds. */
const AWAY_MS = 1_500;

const FAULTS: readonly Fault[] = [
  {
    name: 'kill -9',
    async play({ instances }, dice) {
      const instance = dice.pick(instances);
      await instance.kill();
      await pause(dice.below(AWAY_MS));
      await instance.start();
    },
  },
  {
    name: 'stop in order',
    async play({ instances }, dice) {
      const instance = dice.pick(instances);
      await instance.stop();
      await pause(dice.below(AWAY_MS));
      await instance.start();
    },
  },
  {
    name: 'freeze',
    async play({ instances }, dice) {
      const instance = dice.pick(instances);
      instance.signal('SIGSTOP');
      await pause(dice.below(AWAY_MS));
      instance.signal('SIGCONT');
    },
  },
];

const FAULTS_OF_CLUSTERS: readonly Fault[] = [
  {
    name: 'kill -9 of two',
    async play({ instances }, dice) {
      const spared = dice.pick(instances);
      const killed = instances.filter((instance) => instance !== spared);
      await Promise.all(killed.map((instance) => instance.kill()));
      await pause(dice.below(AWAY_MS));
      await Promise.all(killed.map((instance) => instance.start()));
    },
  },
  {
    name: 'cut between nodes',
    async play({ proxies }, dice) {
      dice.pick(proxies).cut();
    },
  },
  {
    name: 'silence between nodes',
    async play({ proxies }, dice) {
      const release = dice.pick(proxies).hold();
      await pause(dice.below(AWAY_MS));
      release();
    },
  },
  {
    name: 'database restart',
    async play({ postgres }, dice) {
      await postgres?.stop('fast');
      await pause(dice.below(AWAY_MS));
      await postgres?.start();
    },
  },
  {
    name: 'database crash',
    async play({ postgres }, dice) {
      await postgres?.stop('immediate');
      await pause(dice.below(AWAY_MS));
      await postgres?.start();
    },
  },
];

/**
 * Plays one fault after another, each after some progress, until it is over.
 * @param progress answers when as many further changes were answered, or it is over
 * @returns how often each fault was played
 */
export async function playFaults(
  targets: Targets,
  dice: Dice,
  gap: number,
  progress: (changes: number) => Promise<void>,
  isOver: () => boolean,
): Promise<Map<string, number>> {
  const faults = targets.postgres === undefined ? FAULTS : [...FAULTS, ...FAULTS_OF_CLUSTERS];
  const played = new Map<string, number>();
  let left: Fault[] = [];
  for (;;) {
    await progress(1 + dice.below(2 * gap));
    if (isOver()) break;
    if (left.length === 0) left = [...faults]; // each before any a second time
    const [fault] = left.splice(dice.below(left.length), 1) as [Fault];
    await fault.play(targets, dice);
    played.set(fault.name, (played.get(fault.name) ?? 0) + 1);
  }
  return played;
}

/** Lets clients lose their connections, leave and come back until it is over; in the end all are there. */
export async function unsettle(
  followers: readonly Follower[],
  dice: Dice,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await pause(dice.below(200));
    const follower = dice.pick(followers);
    if (dice.once(3)) follower.leave();
    else follower.drop();
    for (const other of followers) if (dice.once(8)) other.come();
  }
  for (const follower of followers) follower.come();
}
