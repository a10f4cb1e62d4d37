// What an attack is, and when it counts as withstood.
import type { Victim } from './victim.ts';
import type { Witnesses } from './witness.ts';

/** What an attack is given. */
export interface Scene {
  readonly victim: Victim;
  readonly witnesses: Witnesses;
}

/** One way of attacking. */
export interface Kind {
  readonly name: string;
  /** What it does, for the list of kinds. */
  readonly title: string;
  /** Attacks for some seconds at most. @returns what went wrong besides what is measured of every kind. */
  attack(scene: Scene): Promise<readonly string[]>;
}
