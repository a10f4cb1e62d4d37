// Random choices that depend on a seed only, so that every input of the fuzzer can be made again from two numbers.
import { Random } from '../src/runtime/distribution/memory/internal.ts';

/** Numbers at which programs that read counts and lengths go wrong. */
const EDGES = [0, 1, 2, 3, 4, 5, 8, 0x7f, 0x80, 0xfe, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000];
const WIDE_EDGES = [...EDGES, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

export class Dice {
  readonly #random: Random;

  /** The choices of one input. */
  constructor(seed: number, index: number) {
    this.#random = new Random(Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(index + 1, 0xc2b2_ae35));
  }

  below(limit: number): number {
    return this.#random.below(limit);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.#random.below(times) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  byte(): number {
    return this.#random.below(256);
  }

  u32(): number {
    return this.once(3) ? this.pick(WIDE_EDGES) : this.#random.below(0x1_0000_0000);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) bytes[at] = this.#random.below(256);
    return bytes;
  }

  /** A length: mostly small, now and then larger, up to `most`. */
  length(most: number): number {
    return this.#random.below(1 + Math.min(most, this.once(4) ? most : 12));
  }

  edge(): number {
    return this.pick(WIDE_EDGES);
  }
}
