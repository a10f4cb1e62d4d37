/**
 * The exit reasons that are words: strings to this runtime, atoms to Erlang.
 *
 * Where a signal has a reason, and in the records that tell of one, a word of this table is an atom on the wire and a string
 * here, and an array that begins with one is a tuple there: `['shutdown', 'done']` is `{shutdown, <<"done">>}`. So the reasons
 * that supervisors and callers act on mean the same on both sides. Every other value is what it is in a message.
 *
 * The table is fixed: a word that a program makes up is a binary to Erlang, as any string is. Nothing is lost either way: a
 * binary that spells a word arrives as bytes, since the string stands for the atom.
 */
import { type Atom, atom } from './atom.ts';

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
