/**
 * How a function that one node runs for another has ended: the exit reason of the process that ran it, as `erpc` wants it.
 *
 *     {Tag, return, Value} | {Tag, throw, Value} | {Tag, exit, Reason} | {Tag, error, Reason, Stack}
 *
 * The tag is the caller's; by it the caller tells an outcome from any other exit reason. See `erpc:execute_call/4`.
 */
import { ProcessExit } from '../../../process/messages.ts';
import type { Ref } from '../../../terms/identifiers.ts';
import { atom, Atom } from '../../../terms/atom.ts';
import { Tuple } from '../../../terms/values.ts';
import { isReasonWord, reasonAtom } from '../../../terms/reasons.ts';
import { describeError } from '../../reason.ts';

const RETURN = atom('return');
const THROW = atom('throw');
const EXIT = atom('exit');
const ERROR = atom('error');
const UNDEF = atom('undef');

/** A function as Erlang names it. */
export interface FunctionName {
  readonly module: string;
  readonly name: string;
}

/** What a function has ended with. `stack` comes with errors. */
export interface Outcome {
  readonly class: 'return' | 'throw' | 'exit' | 'error';
  readonly value: unknown;
  readonly stack?: unknown;
}

/** It has returned. */
export function returned(tag: Ref, value: unknown): Tuple {
  return new Tuple([tag, RETURN, value]);
}

/**
 * It has thrown: an error of the language, an exit (`self.exit(reason)`), or any other value.
 * @param args how many arguments it had.
 */
export function thrown(tag: Ref, value: unknown, { module, name }: FunctionName, args: number): Tuple {
  if (value instanceof ProcessExit) return new Tuple([tag, EXIT, reasonToTerm(value.reason)]);
  if (!(value instanceof Error)) return new Tuple([tag, THROW, value]);
  const stack = [new Tuple([atom(module), atom(name), args, []])];
  return new Tuple([tag, ERROR, describeError(value), stack]);
}

/** There is no such function, as far as the caller may know. */
export function undefinedFunction(tag: Ref, { module, name }: FunctionName, args: readonly unknown[]): Tuple {
  return new Tuple([tag, ERROR, UNDEF, [new Tuple([atom(module), atom(name), args, []])]]);
}

/** What it has returned cannot leave the node. */
export function notEncodable(tag: Ref, message: string): Tuple {
  return new Tuple([tag, ERROR, new Tuple([atom('not_encodable'), message]), []]);
}

/** Reads an exit reason. @returns undefined for one that is no outcome with this tag. */
export function readOutcome(reason: unknown, tag: Ref): Outcome | undefined {
  if (!(reason instanceof Tuple)) return undefined;
  const [given, kind, value, stack] = reason.elements;
  if (!tag.equals(given)) return undefined;
  switch (reason.length === 3 ? kind : undefined) {
    case RETURN:
      return { class: 'return', value };
    case THROW:
      return { class: 'throw', value };
    case EXIT:
      return { class: 'exit', value: termToReason(value) };
    case ERROR:
      return { class: 'error', value };
    default:
      return reason.length === 4 && kind === ERROR ? { class: 'error', value, stack } : undefined;
  }
}

/** An exit reason as a term that may stand within others; see `terms/reasons.ts`. */
export function reasonToTerm(reason: unknown): unknown {
  if (typeof reason === 'string') return reasonAtom(reason) ?? reason;
  if (reason instanceof Error) return describeError(reason);
  if (!Array.isArray(reason) || typeof reason[0] !== 'string' || !isReasonWord(reason[0])) return reason;
  return new Tuple(reason.map(reasonToTerm));
}

/** The exit reason that such a term stands for. */
function termToReason(term: unknown): unknown {
  if (term instanceof Atom) return isReasonWord(term.name) ? term.name : term;
  if (!(term instanceof Tuple)) return term;
  const [first] = term.elements;
  return first instanceof Atom && isReasonWord(first.name) ? term.elements.map(termToReason) : term;
}
