// What went wrong, each thing once, with how often it did. Bounded: a service that is gone fails every request.

const DIFFERENT_MAX = 20;

export class Tally {
  readonly #counts = new Map<string, number>();
  #others = 0;

  add(what: string): void {
    if (!this.#counts.has(what) && this.#counts.size >= DIFFERENT_MAX) this.#others++;
    else this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** A line for each. */
  lines(): string[] {
    const lines = [...this.#counts].map(([what, count]) => (count === 1 ? what : `${what} (${count} times)`));
    return this.#others === 0 ? lines : [...lines, `and ${this.#others} others`];
  }
}
