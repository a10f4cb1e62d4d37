/**
 * Keeps a node connected with others: it dials, and dials again when that fails or the connection is lost.
 *
 *     wanted ──▶ queued ──▶ dialling ──▶ up ──lost──▶ waiting ──▶ queued
 *                   ▲            │ failed
 *                   └─ waiting ◀─┘ 0.5 s, 1 s, ... 30 s, each less up to a half by chance
 *
 * A connection that was up for less than `STEADY_MS` counts as a failure, so that nodes which cannot stay connected do not try
 * ever again at once.
 *
 * There are two kinds of nodes: seeds, which are tried for ever, and nodes that were learnt of, which are given up after
 * `ATTEMPTS_MAX` failures and not tried again for `REST_MS`, and are left alone when the program has disconnected them until
 * they connect by themselves.
 *
 * Limits: `NODES_MAX` learnt nodes, `DIALS_MAX` attempts at a time.
 */
import type { Node } from '../../../process/node.ts';
import { TimerEntry } from '../../../process/timers.ts';
import { isNodeName } from './handshake-messages.ts';

/** How many learnt nodes are known at a time; more are not learnt of. */
export const NODES_MAX = 4_096;
/** How many attempts to connect run at a time. */
export const DIALS_MAX = 16;
/** After how many failures in a row a learnt node is given up: about a minute and a half. */
export const ATTEMPTS_MAX = 8;
/** For how long it is not tried then, whoever tells of it. */
export const REST_MS = 300_000;
/** How long a connection has to be up for the failures before it to be forgotten. */
export const STEADY_MS = 60_000;
/** The wait after the first failure, which doubles with each, and the longest. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

/** A node that is wanted. */
class Target extends TimerEntry {
  readonly name: string;
  readonly #redialler: Redialler;
  seed: boolean;
  state: 'queued' | 'dialling' | 'up' | 'waiting' | 'resting' | 'left' = 'queued';
  failures = 0;
  /** When it came up, by the clock of the node. */
  upAt = 0;

  constructor(redialler: Redialler, name: string, seed: boolean) {
    super();
    this.#redialler = redialler;
    this.name = name;
    this.seed = seed;
  }

  override expired(): void {
    this.#redialler.waited(this);
  }
}

/** Keeps connections up. */
export class Redialler {
  readonly #node: Node;
  readonly #random: () => number;
  readonly #targets = new Map<string, Target>();
  readonly #queue = new Set<Target>();
  #learnt = 0;
  #dialling = 0;
  #closed = false;

  /** @param random chooses how much less is waited; 0 to 1. */
  constructor(node: Node, random: () => number = Math.random) {
    this.#node = node;
    this.#random = random;
  }

  /** The names of the nodes that it knows. */
  get known(): string[] {
    return [...this.#targets.keys()];
  }

  /** Connects with a seed and keeps it connected. The own name is ignored. */
  keep(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) this.#add(name, true);
    else if (!target.seed) {
      target.seed = true;
      this.#learnt--;
    }
  }

  /** Connects with a node that another has told of. */
  learn(name: string): void {
    if (!isNodeName(name) || this.#targets.has(name) || this.#learnt >= NODES_MAX) return;
    this.#add(name, false);
  }

  /** A connection is up, whoever has made it. */
  up(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) return;
    this.#stopWaiting(target);
    target.state = 'up';
    target.upAt = this.#node.clock.now();
  }

  /** A connection was lost. @param left the program has dropped it. */
  down(name: string, left: boolean): void {
    const target = this.#targets.get(name);
    if (target === undefined || target.state !== 'up') return;
    const steady = this.#node.clock.now() - target.upAt >= STEADY_MS;
    if (steady) target.failures = 0;
    if (left && !target.seed) target.state = 'left';
    else if (steady) this.#wait(target, this.#delay(1));
    else this.#failed(target);
  }

  close(): void {
    this.#closed = true;
    for (const target of this.#targets.values()) this.#node.timers.drop(target);
    this.#targets.clear();
    this.#queue.clear();
  }

  /** @internal The time of a target is over. */
  waited(target: Target): void {
    if (target.state === 'resting') this.#forget(target);
    else this.#enqueue(target);
  }

  #add(name: string, seed: boolean): void {
    if (this.#closed || name === this.#node.name) return;
    const target = new Target(this, name, seed);
    this.#targets.set(name, target);
    if (!seed) this.#learnt++;
    if (this.#node.router.connection(name) === undefined) this.#enqueue(target);
    else this.up(name);
  }

  #enqueue(target: Target): void {
    target.state = 'queued';
    this.#queue.add(target);
    this.#dialNext();
  }

  #dialNext(): void {
    for (const target of this.#queue) {
      if (this.#dialling >= DIALS_MAX) return;
      this.#queue.delete(target);
      this.#dial(target);
    }
  }

  #dial(target: Target): void {
    target.state = 'dialling';
    this.#dialling++;
    const done = (connected: boolean): void => {
      this.#dialling--;
      if (this.#closed) return;
      // It may have come up and gone down since.
      if (target.state === 'dialling') {
        if (connected) this.up(target.name);
        else this.#failed(target);
      }
      this.#dialNext();
    };
    // Why it failed is told where it was tried.
    this.#node.connect(target.name).then(done, () => done(false));
  }

  #failed(target: Target): void {
    target.failures++;
    if (target.seed || target.failures < ATTEMPTS_MAX) {
      this.#wait(target, this.#delay(target.failures));
      return;
    }
    target.state = 'resting';
    this.#node.timers.start(target, REST_MS);
  }

  #wait(target: Target, delayMs: number): void {
    target.state = 'waiting';
    this.#node.timers.start(target, delayMs);
  }

  #delay(failures: number): number {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 16));
    return Math.ceil(longest * (1 - this.#random() / 2));
  }

  #stopWaiting(target: Target): void {
    this.#node.timers.drop(target);
    this.#queue.delete(target);
  }

  #forget(target: Target): void {
    this.#targets.delete(target.name);
    if (!target.seed) this.#learnt--;
  }
}
