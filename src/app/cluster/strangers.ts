// The connected instances that keep other notes than this one. Their broadcasts are ignored here.

/** How many are remembered; more than one is a mistake already. */
const STRANGERS_MAX = 1_000;

/** The strangers of one instance. */
export class Strangers {
  readonly #identities = new Map<string, string>();
  readonly #onStranger: (node: string, identity: string) => void;

  /** @param onStranger called once for each, again after it has gone and come back */
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
