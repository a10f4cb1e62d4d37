/**
 * Exit reasons: why a process ended; as text, and as terms.
 *
 * A reason may be any value. Those with a meaning are the words of the table below, strings to this runtime and atoms to
 * Erlang, and pairs that begin with one, such as `['shutdown', detail]`.
 *
 * In a signal's reason, and in the records that carry one, a word of this table is an atom on the wire and a string
 * here, and an array that begins with one is a tuple there: `['shutdown', 'done']` is `{shutdown, <<"done">>}`. So the reasons
 * that supervisors and callers act on mean the same on both sides. Every other value is what it is in a message.
 *
 * The table is fixed: a word that a program makes up is a binary to Erlang, as any string is. Nothing is lost either way: a
 * binary that spells a word arrives as bytes, since the string stands for the atom.
 *
 * A reason may hold Errors, which are not terms. A plain object that describes the Error takes its place, as OTP sends
 * `{Reason, Stacktrace}` and not the terms of the failed process's stack.
 */
import { Atom, atom } from './atom.ts';
import { Tuple } from './values.ts';

/** Why a process ended. `normal`, `shutdown` and `['shutdown', detail]` are not failures. */
export type ExitReason = unknown;

// ---- words ----

const WORDS = [
  // What processes, links and monitors end with, in Erlang too.
  'normal',
  'shutdown',
  'kill',
  'killed',
  'noproc',
  'noconnection',
  'nodedown',
  'nocatch',
  // gen, gen_server and supervisor.
  'timeout',
  'calling_self',
  'already_started',
  'bad_return_value',
  'failed_to_start_child',
  'unknown_system_msg',
  'callback_failed',
  // What only this runtime says.
  'aborted',
  'mailbox_full',
  'not_encodable',
  'unknown_call',
] as const;

/** The words with their atoms. The atoms live as long as the table, and the strings are found by them. */
const atoms: ReadonlyMap<string, Atom> = new Map(WORDS.map((word) => [word, atom(word)]));

/** @internal The atom of a reason that is a word; undefined for another string. */
export function reasonAtom(word: string): Atom | undefined {
  return atoms.get(word);
}

/** @internal Whether a text is one of the words. */
export function isReasonWord(word: string): boolean {
  return atoms.has(word);
}

// ---- which reasons are failures ----

/** True for `normal`, `shutdown` and `['shutdown', detail]`: the reasons that `supervisor` and `gen_server` do not report. */
export function isCleanExit(reason: ExitReason): boolean {
  return reason === 'normal' || isShutdown(reason);
}

/** True for `shutdown` and `['shutdown', detail]`. */
export function isShutdown(reason: ExitReason): boolean {
  return reason === 'shutdown' || (Array.isArray(reason) && reason.length === 2 && reason[0] === 'shutdown');
}

/**
 * @internal Whether a value can be looked at. Of a proxy that was revoked, or whose traps throw, even the class is an error; what ends
 * processes compares reasons, and must not fail in the middle of that.
 */
export function isSound(value: unknown): boolean {
  if (typeof value !== 'object' && typeof value !== 'function') return true;
  try {
    void (isShutdown(value) || value instanceof Error);
    return true;
  } catch {
    return false;
  }
}

/** @internal A reason that can be looked at: of one that cannot, only the type. */
export function soundReason(reason: ExitReason): ExitReason {
  return isSound(reason) ? reason : ['nocatch', `[${typeof reason}]`];
}

// ---- reasons as text ----

/** How many elements of tuples are shown of one reason, and how deep. */
const SHOWN_ELEMENTS_MAX = 1_000;
const SHOWN_DEPTH_MAX = 32;
/** How long the text of a reason is at most. */
const SHOWN_CHARACTERS_MAX = 65_536;
/** How much is made of a bigint: its decimal digits take ever longer the more they are. */
const SHOWN_BITS_MAX = 1_024;

/** An exit reason in one line, for messages and logs. It never throws: whatever a process ends with, it ends. */
export function formatReason(reason: ExitReason): string {
  try {
    const text = format(reason, { left: SHOWN_ELEMENTS_MAX }, 0);
    return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}...` : text;
  } catch {
    // A value whose own code throws, such as a getter or `toString`, or that has none, can only be named by its type.
    return `[${typeof reason}]`;
  }
}

function format(reason: unknown, elements: { left: number }, depth: number): string {
  if (typeof reason === 'string') return reason;
  if (reason instanceof Error) return `${reason.name}: ${reason.message}`;
  if (Array.isArray(reason)) {
    const shown: string[] = [];
    for (const item of reason as unknown[]) {
      if (depth >= SHOWN_DEPTH_MAX || --elements.left < 0) {
        shown.push('...');
        break;
      }
      shown.push(format(item, elements, depth + 1));
    }
    return `{${shown.join(', ')}}`;
  }
  if (typeof reason === 'object' && reason !== null) {
    const prototype: unknown = Object.getPrototypeOf(reason);
    if (prototype === Object.prototype || prototype === null) return formatPlain(reason);
  }
  if (typeof reason === 'bigint' && BigInt.asIntN(SHOWN_BITS_MAX, reason) !== reason) return '[bigint]';
  const text = String(reason);
  return text === '[object Object]' ? `[${(reason as object).constructor.name}]` : text;
}

function formatPlain(reason: object): string {
  try {
    return JSON.stringify(reason);
  } catch {
    // A cycle or a bigint has no JSON; that it is an object is all that one line can say.
    return '[object]';
  }
}

// ---- reasons as terms ----

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
