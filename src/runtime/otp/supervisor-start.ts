/**
 * Starting one child: calls its start function inside the supervisor's process and judges what it answers.
 *
 * A child is linked to the supervisor when this is done, even when its start function forgot to; one that is dead by then
 * has left, or leaves now, an `Exit` in the mailbox. See `do_start_child/2` of OTP's supervisor.erl.
 */
import { type ErrorCode, TroupeError } from '../errors.ts';
import { isThenable } from '../process/behaviour.ts';
import { type ExitReason, ProcessExit, reasonOfThrown } from '../process/messages.ts';
import { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import type { ChildStarted } from './supervisor-spec.ts';

/** @internal What came of a start: a process, `ignore` (no pid), or a failure. */
export type Outcome =
  | { readonly ok: true; readonly pid: Pid | undefined; readonly handle: ChildStarted }
  | { readonly ok: false; readonly reason: ExitReason };

/**
 * @internal Starts a child.
 * @param taken tells whether a process is a child already; it cannot be one twice.
 * @throws ProcessExit when the supervisor was killed meanwhile.
 */
export async function startChild(
  self: Process,
  start: () => unknown,
  taken: (pid: Pid) => boolean,
): Promise<Outcome> {
  if (!self.alive) throw new ProcessExit(self.extra?.exitReason);
  let answer: unknown;
  try {
    answer = start();
    if (isThenable(answer)) answer = await answer;
  } catch (thrown) {
    if (!self.alive) throw thrown;
    return { ok: false, reason: failureOf(thrown) };
  }
  if (!self.alive) throw new ProcessExit(self.extra?.exitReason);
  if (answer === undefined) return { ok: true, pid: undefined, handle: undefined };
  const found = pidIn(answer);
  if (found === undefined) return { ok: false, reason: badAnswer() };
  const pid = self.node.find(found)?.pid ?? found;
  if (taken(pid)) return { ok: false, reason: ['already_started', pid] };
  if (self.links?.has(pid) !== true) self.link(pid);
  return { ok: true, pid, handle: answer as ChildStarted };
}

/** What the start protocol throws carries the reason of the process. */
const START_CODES: readonly ErrorCode[] = [
  'TROUPE_START_FAILED',
  'TROUPE_START_TIMEOUT',
  'TROUPE_NAME_TAKEN',
];

function failureOf(thrown: unknown): ExitReason {
  const told = thrown instanceof TroupeError && START_CODES.includes(thrown.code);
  return told && thrown.reason !== undefined ? thrown.reason : reasonOfThrown(thrown);
}

function pidIn(answer: unknown): Pid | undefined {
  if (answer instanceof Pid) return answer;
  const { pid } = Object(answer) as { readonly pid?: unknown };
  return pid instanceof Pid ? pid : undefined;
}

function badAnswer(): TroupeError {
  return new TroupeError(
    'TROUPE_BAD_RETURN',
    'The start of a child must answer a pid, something that has one, or undefined.',
  );
}
