/**
 * Keeps a node connected to others: dials them, and dials again when that fails or the connection is lost.
 *
 *     wanted ──▶ queued ──▶ dialling ──▶ up ──lost──▶ waiting ──▶ queued
 *                   ▲            │ failed
 *                   └─ waiting ◀─┘ 0.5 s, 1 s, ... 30 s, each less a random part of up to a half
 *
 * A connection that was up for less than `STEADY_MS` counts as a failure, so that nodes that cannot stay connected are not
 * dialled over and over without a pause.
 *
 * Seeds are dialled for ever. Nodes learnt from others are given up after `ATTEMPTS_MAX` failures and not dialled again for
 * `REST_MS`; one that the program has disconnected is left alone until it connects on its own initiative.
 *
 * Limits: `NODES_MAX` learnt nodes, `DIALS_MAX` attempts at a time.
 */
import { type Backoff, backoffMs } from '../../../backoff.ts';
import type { Node } from '../../../process/node.ts';
import { TimerEntry } from '../../../process/timers.ts';
import { isNodeName } from './handshake-messages.ts';

/** How many learnt nodes are known at a time; further ones are ignored. */
export const NODES_MAX = 4_096;
/** How many attempts to connect run at a time. */
export const DIALS_MAX = 16;
/** After how many failures in a row a learnt node is given up: about a minute and a half. */
export const ATTEMPTS_MAX = 8;
/** For how long it is then not dialled, whichever node mentions it. */
export const REST_MS = 300_000;
/** How long a connection must be up for earlier failures to be forgotten. */
export const STEADY_MS = 60_000;
/** The waits after failures. */
const WAITS: Backoff = { firstMs: 500, maxMs: 30_000, jitter: 0.5 };

/** A node to stay connected to. */
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

/** Dials nodes until they are connected, and again when they are not. */
export class Redialler {
  readonly #node: Node;
  readonly #random: () => number;
  readonly #targets = new Map<string, Target>();
  readonly #queue = new Set<Target>();
  #learnt = 0;
  #dialling = 0;
  #closed = false;

  /** @param random chooses the random part of a wait: from 0 up to, not including, 1. */
  constructor(node: Node, random: () => number = Math.random) {
    this.#node = node;
    this.#random = random;
  }

  /** The names of the nodes it knows. */
  get known(): string[] {
    return [...this.#targets.keys()];
  }

  /** Connects to a seed and keeps it connected. The node's own name is ignored. */
  keep(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) this.#add(name, true);
    else if (!target.seed) {
      target.seed = true;
      this.#learnt--;
    }
  }

  /** Connects to a node that another one has mentioned. */
  learn(name: string): void {
    if (!isNodeName(name) || this.#targets.has(name) || this.#learnt >= NODES_MAX) return;
    this.#add(name, false);
  }

  /** A connection is up, whichever side dialled. */
  up(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) return;
    this.#stopWaiting(target);
    target.state = 'up';
    target.upAt = this.#node.clock.now();
  }

  /** A connection was lost. @param left whether this node's program closed it. */
  down(name: string, left: boolean): void {
    const target = this.#targets.get(name);
    if (target === undefined || target.state !== 'up') return;
    const steady = this.#node.clock.now() - target.upAt >= STEADY_MS;
    if (steady) target.failures = 0;
    if (left && !target.seed) target.state = 'left';
    else if (steady) this.#wait(target, 1);
    else this.#failed(target);
  }

  close(): void {
    this.#closed = true;
    for (const target of this.#targets.values()) this.#node.timers.drop(target);
    this.#targets.clear();
    this.#queue.clear();
  }

  /** @internal The wait of a target is over. */
  waited(target: Target): void {
    if (target.state === 'resting') this.#forget(target);
    else this.#enqueue(target);
  }

  #add(name: string, seed: boolean): void {
    if (this.#closed || name === this.#node.name) return;
    const target = new Target(this, name, seed);
    this.#targets.set(name, target);
    if (!seed) this.#learnt++;
    if (this.#node.router.connectedPeer(name) === undefined) this.#enqueue(target);
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
    // The reason was published where it failed.
    this.#node.connect(target.name).then(done, () => done(false));
  }

  #failed(target: Target): void {
    target.failures++;
    if (target.seed || target.failures < ATTEMPTS_MAX) {
      this.#wait(target, target.failures);
      return;
    }
    target.state = 'resting';
    this.#node.timers.start(target, REST_MS);
  }

  #wait(target: Target, failures: number): void {
    target.state = 'waiting';
    this.#node.timers.start(target, backoffMs(WAITS, failures, this.#random()));
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
