/**
 * The groups of a scope, by name.
 *
 * Groups named by a string, by far the most, are found without any work on the name; see `group-key.ts`.
 */
import { canonicalText, checkText, ownCopy } from './group-key.ts';
import { Group } from './group.ts';

/** All groups that have members. */
export class GroupTable {
  readonly #byString = new Map<string, Group>();
  readonly #byText = new Map<string, Group>();

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for what cannot name a group. */
  find(name: unknown): Group | undefined {
    return typeof name === 'string' ? this.#byString.get(name) : this.#byText.get(canonicalText(name));
  }

  /** The group of a name, made when there is none; it must get a member at once. */
  findOrMake(name: unknown): Group {
    const table = typeof name === 'string' ? this.#byString : this.#byText;
    const key = typeof name === 'string' ? name : canonicalText(name);
    let group = table.get(key);
    if (group === undefined) {
      if (typeof name === 'string') checkText(name);
      group = new Group(ownCopy(name), key);
      table.set(key, group);
    }
    return group;
  }

  /** Removes a group that has no members any more. */
  drop(group: Group): void {
    (typeof group.name === 'string' ? this.#byString : this.#byText).delete(group.key);
  }

  /** All groups. */
  *all(): IterableIterator<Group> {
    yield* this.#byString.values();
    yield* this.#byText.values();
  }
}
