/**
 * Objects whose keys are atoms to Erlang: `atomKeys({ id: 1 })` is `#{id => 1}`, and `{ id: 1 }` is `#{<<"id">> => 1}`.
 *
 * Only for keys that stand in the program's text: an atom is never freed on a BEAM node.
 */

/** An object with atoms for keys; make one with {@link atomKeys}. */
export class AtomKeyed {
  declare readonly object: Readonly<Record<string, unknown>>;

  constructor(object: Readonly<Record<string, unknown>>) {
    this.object = object;
  }
}

/** An object that goes to Erlang as a map whose keys are atoms. Objects within it are not affected. */
export function atomKeys(object: Readonly<Record<string, unknown>>): AtomKeyed {
  return new AtomKeyed(object);
}
