/**
 * Exit reasons as terms. The words that mean something are atoms to Erlang and texts here, also at the beginning of a tuple, which
 * is an array here; a text that only looks like such a word becomes bytes.
 *
 * A reason may hold Errors, which are no terms. A plain object that describes it goes in the place of an Error, as OTP sends
 * `{Reason, Stacktrace}` and not the failed process's terms of the stack.
 */
import { Atom } from '../../terms/atom.ts';
import { isReasonWord } from '../../terms/reasons.ts';
import { Tuple } from '../../terms/values.ts';

const utf8 = new TextEncoder();

/** The folders before the name of a file in a stack, which do not leave the node. */
const FOLDERS = /(^\s*at |async |\()(?:file:\/\/)?(?:[A-Za-z]:)?[\\/](?:[^()\n]*[\\/])?/gm;

/** What stands for an Error in an exit reason that came from another node. */
export interface DescribedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The code of the error, where it has one. */
  readonly code?: string;
}

/** The plain description of an Error. */
export function describeError(error: Error): DescribedError {
  const { name, message, stack, code }: { [Key in keyof DescribedError]: unknown } = error;
  return {
    name: String(name),
    message: String(message),
    ...(typeof stack === 'string' ? { stack: stack.replaceAll(FOLDERS, '$1') } : {}),
    ...(typeof code === 'string' ? { code } : {}),
  };
}

/** The exit reason that a term is. */
export function reasonOf(term: unknown): unknown {
  if (term instanceof Atom) return isReasonWord(term.name) ? term.name : term;
  if (term instanceof Tuple) {
    const [tag] = term.elements;
    return tag instanceof Atom && isReasonWord(tag.name) ? term.elements.map(reasonOf) : term;
  }
  if (typeof term === 'string') return isReasonWord(term) ? utf8.encode(term) : term;
  // An array that begins with the word would be a tuple.
  if (Array.isArray(term) && typeof term[0] === 'string' && isReasonWord(term[0]))
    term[0] = utf8.encode(term[0]);
  return term;
}
