// Random programs of processes: what can be done, and how fast-check makes and shrinks it.
//
// Everything is named by number, taken modulo how many there are, so that a program is valid whatever is cut out of it.
import * as fc from 'fast-check';

/** What one process does; numbers choose among all processes, or all refs, that were made so far. */
export type Op =
  | { readonly do: 'spawn'; readonly how: 'plain' | 'link' | 'monitor'; readonly trapExit: boolean }
  | { readonly do: 'link' | 'unlink' | 'monitor'; readonly target: number }
  | { readonly do: 'monitorName'; readonly name: string }
  | { readonly do: 'demonitor'; readonly ref: number; readonly flush: boolean }
  | { readonly do: 'trapExit'; readonly on: boolean }
  | { readonly do: 'send'; readonly target: number }
  | { readonly do: 'sendName'; readonly name: string }
  | { readonly do: 'register'; readonly name: string; readonly target: number }
  | { readonly do: 'unregister'; readonly name: string }
  /** Takes the oldest message, or the oldest that is a Down. */
  | { readonly do: 'take'; readonly what: 'any' | 'down' }
  /** `exit/2`. */
  | { readonly do: 'signal'; readonly target: number; readonly reason: Reason }
  /** `exit/1`. */
  | { readonly do: 'exit'; readonly reason: Reason }
  /** The function of the process returns. */
  | { readonly do: 'return' };

/** An exit reason. */
export type Reason = string | readonly [string, number];

/** Some operations of one process, one after another; `outside` sends exit signals as code that is no process does. */
export interface Step {
  readonly actor: number;
  readonly ops: readonly Op[];
}

/** How many processes there are before the first step. */
export const FIRST_PROCESSES = 3;

const target = fc.nat(7);
const name = fc.constantFrom('a', 'b');
const reason: fc.Arbitrary<Reason> = fc.constantFrom(
  'normal',
  'kill',
  'killed',
  'shutdown',
  'boom',
  'noproc',
  ['shutdown', 1] as const,
);
const does = <Name extends string>(word: Name): fc.Arbitrary<Name> => fc.constant(word);

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: does('spawn'),
      how: fc.constantFrom('plain', 'link', 'monitor'),
      trapExit: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: does('link'), target }) },
  { weight: 2, arbitrary: fc.record({ do: does('unlink'), target }) },
  { weight: 5, arbitrary: fc.record({ do: does('monitor'), target }) },
  { weight: 2, arbitrary: fc.record({ do: does('monitorName'), name }) },
  { weight: 3, arbitrary: fc.record({ do: does('demonitor'), ref: fc.nat(7), flush: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: does('trapExit'), on: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: does('send'), target }) },
  { weight: 2, arbitrary: fc.record({ do: does('sendName'), name }) },
  { weight: 3, arbitrary: fc.record({ do: does('register'), name, target }) },
  { weight: 1, arbitrary: fc.record({ do: does('unregister'), name }) },
  { weight: 3, arbitrary: fc.record({ do: does('take'), what: fc.constantFrom('any', 'down') }) },
  { weight: 3, arbitrary: fc.record({ do: does('signal'), target, reason }) },
  { weight: 2, arbitrary: fc.record({ do: does('exit'), reason }) },
  { weight: 1, arbitrary: fc.record({ do: does('return') }) },
);

/** A program. */
export const program: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ actor: target, ops: fc.array(op, { minLength: 1, maxLength: 4 }) }),
  { maxLength: 40, size: 'max' },
);
