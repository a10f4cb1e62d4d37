/**
 * References: values that are unique in a cluster, as made by `erlang:make_ref/0`.
 *
 * A ref is node, creation and up to five 32-bit words. Refs made here count upwards in two halves, so that their
 * fields stay small integers; refs of other nodes keep the words that they came with, and are echoed unchanged.
 */
import { channelOf, type Origin } from './pid.ts';
import type { Monitor } from '../process/monitor.ts';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A unique reference. See `erlang:make_ref/0`, `erlang:ref_to_list/1`. */
export class Ref {
  declare readonly origin: Origin;
  /** @internal Low 18 bits of the count, or 0 when `foreign` is set. */
  declare readonly low: number;
  /** @internal High bits of the count. */
  declare readonly high: number;
  /** @internal The words of a ref that was not made by this runtime. */
  declare readonly foreign: readonly number[] | null;
  /**
   * @internal The monitor that this ref stands for, while it is active; afterwards undefined. Null when it is not known:
   * a ref that travelled is another object than the one that the monitor knows.
   */
  declare monitor: Monitor | null | undefined;

  constructor(origin: Origin, low: number, high: number, foreign: readonly number[] | null = null) {
    this.origin = origin;
    this.low = low;
    this.high = high;
    this.foreign = foreign;
    this.monitor = null;
  }

  /** Name of the node that made the ref. */
  get node(): string {
    return this.origin.node;
  }

  /** Incarnation of that node. */
  get creation(): number {
    return this.origin.creation;
  }

  /** The ref's 32-bit words, least significant first. */
  get words(): readonly number[] {
    return this.foreign ?? [this.low, this.high, 0];
  }

  /** A string that is equal for equal refs and different for different ones. */
  get key(): string {
    return `${this.origin.node}/${this.origin.creation}#${this.words.join('.')}`;
  }

  /** True when the other value is the same reference. */
  equals(other: unknown): boolean {
    if (this === other) return true;
    if (!(other instanceof Ref)) return false;
    // Most refs are told apart here; a process may compare one with all its monitors.
    if (this.foreign === null && other.foreign === null && this.low !== other.low) return false;
    if (!this.origin.equals(other.origin)) return false;
    const mine = this.words;
    const theirs = other.words;
    return mine.length === theirs.length && mine.every((word, index) => word === theirs[index]);
  }

  /** `#Ref<channel.words>`, as `erlang:ref_to_list/1` prints it. */
  toString(): string {
    return `#Ref<${[channelOf(this.origin.node), ...[...this.words].toReversed()].join('.')}>`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect](): string {
    return this.toString();
  }
}

/** Makes the refs of one node. Unique for 2^49 calls. */
export class RefCounter {
  readonly #origin: Origin;
  #low = 0;
  #high = 0;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /** A new ref, different from every other. */
  next(): Ref {
    if (++this.#low === 0x40000) {
      this.#low = 0;
      this.#high++;
    }
    return new Ref(this.#origin, this.#low, this.#high);
  }
}
