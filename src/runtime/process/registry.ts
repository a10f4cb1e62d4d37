/**
 * Registered names of a node. A name belongs to one live process and a process has at most one name; the name is free
 * again when the process ends. See `erlang:register/2`.
 */
import { TroupeError } from '../errors.ts';
import type { Process } from './process.ts';

/** The names of a node. */
export class Registry {
  readonly #byName = new Map<string, Process>();

  /**
   * Gives a live process a name.
   * @throws TroupeError TROUPE_NAME_TAKEN when another has the name or the process has one; TROUPE_BAD_ARGUMENT for a bad name.
   */
  register(name: string, process: Process): void {
    if (typeof name !== 'string' || name === '' || name === 'undefined') {
      throw new TroupeError(
        'TROUPE_BAD_ARGUMENT',
        `A name is a non-empty string other than 'undefined', not '${name}'.`,
      );
    }
    const owner = this.#byName.get(name);
    if (owner !== undefined) {
      throw new TroupeError('TROUPE_NAME_TAKEN', `The name '${name}' belongs to ${owner.pid.toString()}.`);
    }
    const own = process.extra?.name;
    if (own !== undefined) {
      throw new TroupeError(
        'TROUPE_NAME_TAKEN',
        `Process ${process.pid.toString()} is registered as '${own}' already.`,
      );
    }
    process.extras.name = name;
    this.#byName.set(name, process);
  }

  /**
   * Frees a name.
   * @throws TroupeError TROUPE_NOT_REGISTERED when nobody has it.
   */
  unregister(name: string): void {
    const owner = this.#byName.get(name);
    if (owner === undefined)
      throw new TroupeError('TROUPE_NOT_REGISTERED', `Nobody is registered as '${name}'.`);
    owner.extras.name = undefined;
    this.#byName.delete(name);
  }

  /** Frees the name of a process that ends. */
  forget(name: string): void {
    this.#byName.delete(name);
  }

  /** The process that has a name, or null. */
  find(name: string): Process | null {
    return this.#byName.get(name) ?? null;
  }

  /** All names in use. */
  names(): string[] {
    return [...this.#byName.keys()];
  }
}
