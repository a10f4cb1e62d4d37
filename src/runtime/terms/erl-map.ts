/** Maps with any terms for keys. */

/** A map whose keys are compared by structure, as Erlang's are. */
export class ErlMap extends Map<unknown, unknown> {}
