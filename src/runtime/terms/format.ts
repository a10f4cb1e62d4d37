/** Prints terms as Erlang does. */

/** @internal The text of a term. */
export function formatTerm(term: object): string {
  return Object.prototype.toString.call(term);
}
