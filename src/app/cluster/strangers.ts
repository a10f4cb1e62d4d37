// The instances that this one is connected with, and that keep other notes than it does. What they tell is not heard here.

/** How many are remembered; only a mistake makes more than one. */
const STRANGERS_MAX = 1_000;

/** The strangers of one instance. */
export class Strangers {
  readonly #identities = new Map<string, string>();
  readonly #onStranger: (node: string, identity: string) => void;

  /** @param onStranger is told of each once, until it is gone */
  constructor(onStranger: (node: string, identity: string) => void) {
    this.#onStranger = onStranger;
  }

  has(node: string): boolean {
    return this.#identities.has(node);
  }

  add(node: string, identity: string): void {
    if (this.#identities.get(node) === identity || this.#identities.size >= STRANGERS_MAX) return;
    this.#identities.set(node, identity);
    this.#onStranger(node, identity);
  }

  forget(node: string): void {
    this.#identities.delete(node);
  }
}
