/**
 * Restarts of children: what a supervisor decides about a child that exited, how it counts restarts, how it starts a child,
 * and what it reports. The process that does it is in `supervisor-process.ts`.
 *
 * The decisions are pure functions; the time is passed in. They follow `do_restart/3`, `restart/3`, `do_auto_shutdown/2`,
 * `add_restart/1` and `do_start_child/2` of OTP's supervisor.erl.
 */
import { type ErrorCode, TroupeError } from '../errors.ts';
import { isThenable } from '../process/behaviour.ts';
import { type ExitReason, isCleanExit, ProcessExit, reasonOfThrown } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { reportFailure } from '../process/report.ts';
import { telemetry, type TelemetryName } from '../telemetry.ts';
import { Pid } from '../terms/identifiers.ts';
import type { AutoShutdown, ChildStarted, FullChildSpec, Restart, Strategy } from './child-spec.ts';

// ---- decisions ----

/** @internal Whether a child that exited is restarted, and whether its exit is reported. See `do_restart/3`. */
export function doRestart(restart: Restart, reason: ExitReason): { restart: boolean; report: boolean } {
  if (restart === 'permanent') return { restart: true, report: true };
  if (isCleanExit(reason)) return { restart: false, report: false };
  return { restart: restart === 'transient', report: true };
}

/**
 * @internal The children to stop and start again when one of them is restarted, in start order. See `restart/3`.
 * @param children all children, in start order.
 */
export function childrenToRestart<Child>(
  strategy: Strategy,
  children: readonly Child[],
  exited: Child,
): Child[] {
  if (strategy === 'one_for_all') return [...children];
  if (strategy === 'rest_for_one') return children.slice(children.indexOf(exited));
  return [exited];
}

/**
 * @internal Whether the supervisor shuts down because a child exited and is not restarted. See `do_auto_shutdown/2`.
 * @param significantLeft whether another significant child is running or waiting for a restart.
 */
export function doAutoShutdown(
  autoShutdown: AutoShutdown,
  exited: Pick<FullChildSpec, 'significant'>,
  significantLeft: () => boolean,
): boolean {
  if (autoShutdown === 'never' || !exited.significant) return false;
  return autoShutdown === 'any_significant' || !significantLeft();
}

// ---- the restart intensity ----

/** How many expired times may stand at the front before they are cut off. */
const COMPACT_AT = 64;

/**
 * @internal The restarts of a supervisor in the last period.
 *
 * Invariants: times are in ascending order, and there are at most `intensity + 1` that count, since one more than allowed
 * ends the supervisor. See "Restart intensity and period" of the OTP module `supervisor`.
 */
export class RestartWindow {
  readonly #intensity: number;
  readonly #periodMs: number;
  #times: number[] = [];
  #start = 0;

  constructor(intensity: number, periodMs: number) {
    this.#intensity = intensity;
    this.#periodMs = periodMs;
  }

  /**
   * Counts a restart. See `add_restart/1`.
   * @param nowMs by the node's clock; not before the last one.
   * @returns false when it is one too many. A restart that is exactly one period old still counts, as in OTP.
   */
  add(nowMs: number): boolean {
    const times = this.#times;
    const oldest = nowMs - this.#periodMs;
    while (this.#start < times.length && (times[this.#start] as number) < oldest) this.#start++;
    if (this.#start >= COMPACT_AT && this.#start * 2 >= times.length) {
      times.splice(0, this.#start);
      this.#start = 0;
    }
    times.push(nowMs);
    return this.count <= this.#intensity;
  }

  /** How many restarts count now. */
  get count(): number {
    return this.#times.length - this.#start;
  }
}

// ---- the start of one child ----

/** @internal The result of a start: a process, `ignore` (no pid), or a failure. */
export type StartResult =
  | { readonly ok: true; readonly pid: Pid | undefined; readonly handle: ChildStarted }
  | { readonly ok: false; readonly reason: ExitReason };

/** The errors of the start protocol: they carry the exit reason of the process. */
const START_CODES: readonly ErrorCode[] = [
  'TROUPE_START_FAILED',
  'TROUPE_START_TIMEOUT',
  'TROUPE_NAME_TAKEN',
];

/**
 * @internal Calls the start function of a child in the supervisor's process. Afterwards the child is linked to the
 * supervisor, even when the start function did not link it; if it is dead by then, the mailbox holds its `Exit` or gets it
 * now. See `do_start_child/2`.
 * @param isChild whether a process is a child already; it cannot be one twice.
 * @throws ProcessExit when the supervisor was killed meanwhile.
 */
export async function doStartChild(
  self: Process,
  start: () => unknown,
  isChild: (pid: Pid) => boolean,
): Promise<StartResult> {
  requireAlive(self);
  let answer: unknown;
  try {
    answer = start();
    if (isThenable(answer)) answer = await answer;
  } catch (thrown) {
    if (!self.alive) throw thrown;
    const carries = thrown instanceof TroupeError && START_CODES.includes(thrown.code);
    return {
      ok: false,
      reason: carries && thrown.reason !== undefined ? thrown.reason : reasonOfThrown(thrown),
    };
  }
  requireAlive(self);
  if (answer === undefined) return { ok: true, pid: undefined, handle: undefined };
  const given: unknown = answer instanceof Pid ? answer : (Object(answer) as { readonly pid?: unknown }).pid;
  if (!(given instanceof Pid)) return { ok: false, reason: badAnswer() };
  const pid = self.node.find(given)?.pid ?? given;
  if (isChild(pid)) return { ok: false, reason: ['already_started', pid] };
  if (self.links?.has(pid) !== true) self.link(pid);
  return { ok: true, pid, handle: answer as ChildStarted };
}

/** @internal Stops the code of a supervisor that was killed. @throws ProcessExit when it is dead. */
export function requireAlive(self: Process): void {
  if (!self.alive) throw new ProcessExit(self.extra?.exitReason);
}

function badAnswer(): TroupeError {
  return new TroupeError(
    'TROUPE_BAD_RETURN',
    'The start function of a child must return a pid, something that has one, or undefined.',
  );
}

// ---- reports: OTP's progress and supervisor reports, as telemetry; a failure that has no subscriber is printed ----

const started = telemetry('troupe:supervisor:child_started');
const terminated = telemetry('troupe:supervisor:child_terminated');
const intensityReached = telemetry('troupe:supervisor:intensity_reached');

/** @internal A child is up. @param restart whether it was there before. */
export function reportStarted(self: Process, id: string, pid: Pid, restart: boolean): void {
  if (started.hasSubscribers) {
    started.publish({ supervisor: self.pid, label: self.label, id, pid, restart });
  }
}

/** @internal A child exited, could not be started, or did not shut down as asked. */
export function reportTerminated(
  self: Process,
  id: string,
  pid: Pid | undefined,
  reason: ExitReason,
  context: 'child_terminated' | 'start_error' | 'shutdown_error',
): void {
  if (terminated.hasSubscribers) {
    terminated.publish({ supervisor: self.pid, label: self.label, id, pid, reason, context });
  } else if (!isCleanExit(reason)) {
    print(self, 'troupe:supervisor:child_terminated', id, reason, context);
  }
}

/** @internal The supervisor gives up. @param id the child that exited last. */
export function reportIntensity(self: Process, id: string): void {
  if (intensityReached.hasSubscribers) {
    intensityReached.publish({ supervisor: self.pid, label: self.label, id });
  } else {
    print(self, 'troupe:supervisor:intensity_reached', id, 'shutdown', 'reached_max_restart_intensity');
  }
}

function print(
  self: Process,
  channel: TelemetryName,
  child: string,
  reason: ExitReason,
  context: string,
): void {
  const { pid, label, extra, node } = self;
  reportFailure(node, { kind: 'supervisor', channel, pid, label, name: extra?.name, reason, context, child });
}
