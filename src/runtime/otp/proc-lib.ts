/**
 * The synchronous start and stop of a process: a starter goes on when the new process has initialised or failed, a stopper
 * when the process is gone.
 *
 * A `Startup` is the starter's side of it: the watch on the new process, the timeout, and the entry in the run queue that
 * resumes the starter. The new process gets it as the first argument of `init` and reports the result to it; a process that
 * exits before that has failed with its exit reason. See `proc_lib:start_link/5`, `init_ack/2`, `init_fail/3` (OTP 26).
 *
 * Invariants: a startup is settled once. The starter hears of a failure only after the process has exited, so its name is free
 * for a second try. A failed start leaves no `Exit` in the mailbox of a starter that traps exits; one that does not trap them
 * exits with the process, as its link says. It knows no behaviour.
 */
import { checkOptionNames, TroupeError, type OptionNames } from '../errors.ts';
import { isSameTerm } from '../terms/canonical.ts';
import { type Behaviour, SPAWN_OPTIONS, type SpawnOptions } from '../process/behaviour.ts';
import { terminate, dropLink, link } from '../process/exit.ts';
import { Down, type ExitReason, ProcessExit, TIMEOUT, formatReason, quietExit } from '../process/messages.ts';
import { addWatch, removeWatch } from '../process/monitor.ts';
import type { Destination } from '../process/destination.ts';
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { TRAP_EXIT } from '../process/state.ts';
import { rejection } from '../process/async.ts';
import type { Runnable } from '../process/scheduler.ts';
import { TimerEntry, timerLength } from '../process/timers.ts';
import { call, describeTarget, SYSTEM } from './gen.ts';

/** Options of the start of a server or supervisor. */
export interface StartOptions extends SpawnOptions {
  /**
   * Milliseconds until a process that has not initialised is killed and the start fails with TROUPE_START_TIMEOUT. By
   * default the start waits for as long as it takes, as `gen_server:start/4` does.
   */
  readonly timeoutMs?: number;
}

const START_OPTIONS: OptionNames<StartOptions> = { ...SPAWN_OPTIONS, timeoutMs: true };

/** @internal A start that waits; see the head of this file. */
export class Startup extends TimerEntry implements Runnable {
  readonly #starter: Process | null;
  readonly #handleOf: (process: Process) => unknown;
  /** The process that is linked from the start and whose exit ends the new one; null when the start was not linked. */
  readonly parent: Pid | null;
  runNext: Runnable | null = null;
  /** Answers what `handleOf` makes of the process, or undefined when it wants to be ignored. */
  readonly promise: Promise<unknown>;
  #process: Process | null = null;
  #settled = false;
  #outcome: Process | TroupeError | undefined = undefined;
  #refused = false;
  #resolve: (handle: unknown) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(starter: Process | undefined, linked: boolean, handleOf: (process: Process) => unknown) {
    super();
    this.#handleOf = handleOf;
    this.#starter = starter ?? null;
    this.parent = linked ? (starter?.pid ?? null) : null;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Follows the new process, which has not run yet. */
  begin(process: Process, timeoutMs: number): void {
    this.#process = process;
    if (this.parent !== null) link(this.#starter as Process, process.pid);
    addWatch(process, this);
    if (timeoutMs !== Infinity) process.node.timers.start(this, timeoutMs);
  }

  /** Reports to the starter that the process has initialised; its last act in `init`. See `proc_lib:init_ack/2`. */
  acknowledge(): void {
    this.#settle(this.#process as Process);
  }

  /** Ends the process with `normal`; the start answers undefined. What `ignore` of `Module:init/1` does. */
  ignore(): never {
    this.#refuse(undefined);
    throw new ProcessExit('normal');
  }

  /** Ends the process with `normal`; the start fails with a reason. What `{error, Reason}` of `Module:init/1` does. */
  fail(reason: ExitReason): never {
    this.#refuse(this.#failure(reason));
    throw new ProcessExit('normal');
  }

  override targetExited(reason: ExitReason): void {
    this.#forgetLink();
    this.#settle(this.#refused ? this.#outcome : this.#failure(reason));
  }

  override expired(): void {
    const starter = this.#starter;
    // The starter is dead. A linked process has exited with it; another goes on, as in OTP.
    if (starter !== null && !starter.alive) return;
    const process = this.#process as Process;
    this.#refuse(
      new TroupeError('TROUPE_START_TIMEOUT', `${process.label} was not ready in time and was killed.`, {
        reason: 'timeout',
      }),
    );
    if (this.parent !== null) dropLink(starter as Process, process);
    terminate(process, 'killed');
  }

  /** Resumes a starter that is a process. */
  run(): number {
    const starter = this.#starter as Process;
    if (starter.alive) {
      starter.node.scheduler.resumes();
      this.#finish();
    } else {
      // Its code runs on only as far as its `finally` blocks. If it does not even await this start, the rejection is not an
      // unhandled one.
      this.promise.catch(() => undefined);
      this.#reject(quietExit(starter.exitReason));
    }
    return 1;
  }

  #failure(reason: ExitReason): TroupeError {
    const { label } = this.#process as Process;
    return new TroupeError('TROUPE_START_FAILED', `${label} did not start: ${formatReason(reason)}.`, {
      reason,
      cause: reason,
    });
  }

  #refuse(outcome: TroupeError | undefined): void {
    this.#refused = true;
    this.#outcome = outcome;
  }

  /** Takes back the exit signal of a process that failed, when it would only become a message. */
  #forgetLink(): void {
    if (this.parent === null) return;
    const starter = this.#starter as Process;
    if ((starter.flags & TRAP_EXIT) !== 0) dropLink(starter, this.#process as Process);
  }

  #settle(outcome: Process | TroupeError | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#outcome = outcome;
    const process = this.#process as Process;
    process.node.timers.drop(this);
    if (this.watched !== null) removeWatch(this);
    if (this.#starter === null) this.#finish();
    else process.node.scheduler.enqueue(this);
  }

  #finish(): void {
    const outcome = this.#outcome;
    if (outcome instanceof TroupeError) this.#resolve(rejection(outcome));
    else this.#resolve(outcome === undefined ? undefined : this.#handleOf(outcome));
  }
}

/**
 * @internal Starts a behaviour whose `init` takes a {@link Startup} and reports the outcome to it.
 * @param parent the process that starts it, or undefined for code outside of any process.
 * @param linked whether to link it to the parent.
 * @param handleOf makes what the starter gets; the process itself by default.
 * @returns the handle once the process has initialised, or undefined when its `init` wants to be ignored.
 * @throws TroupeError TROUPE_START_FAILED, TROUPE_START_TIMEOUT, TROUPE_NAME_TAKEN (its reason is
 * `['already_started', pid]`); all as a rejection. See `proc_lib:start/5` and `start_link/5`.
 */
export function startBehaviour<Args extends readonly unknown[], Handle = Process>(
  node: Node,
  parent: Process | undefined,
  linked: boolean,
  behaviour: Behaviour<unknown, readonly [startup: Startup, ...args: Args]>,
  args: Args,
  options?: StartOptions,
  handleOf: (process: Process) => Handle = (process) => process as Handle,
): Promise<Handle | undefined> {
  try {
    if (options !== undefined)
      checkOptionNames('The start of a server or supervisor', options, START_OPTIONS);
    const { name, timeoutMs = Infinity } = options ?? {};
    const length = timeoutMs === Infinity ? Infinity : timerLength(timeoutMs);
    const owner = name === undefined ? undefined : node.whereis(name);
    if (owner !== undefined) {
      throw new TroupeError('TROUPE_NAME_TAKEN', `'${name}' is started already, as ${owner.toString()}.`, {
        reason: ['already_started', owner],
      });
    }
    const startup = new Startup(parent, linked, handleOf);
    startup.begin(node.create(behaviour, [startup, ...args] as const, parent?.pid, options), length);
    return startup.promise as Promise<Handle | undefined>;
  } catch (error) {
    return Promise.reject(error);
  }
}

// ---- stop ----

/**
 * Tells a server or supervisor to clean up and exit with a reason, and waits until it has. A process of its own asks and
 * waits, so the caller need not be a process, and a late answer is dropped.
 * @param timeoutMs milliseconds until it fails with TROUPE_CALL_TIMEOUT; the process may still exit later. By default it
 * waits as long as it takes.
 * @throws TroupeError TROUPE_CALL_NOPROC, TROUPE_CALL_NODEDOWN, TROUPE_CALL_TIMEOUT (`timeout`, as in OTP); TROUPE_CALL_EXIT
 * when the process exited with another reason than the given one, compared as terms. A process that stops itself would wait
 * for ever. See `gen_server:stop/3` and `proc_lib:stop/3`.
 */
export function stopProcess(
  node: Node,
  to: Destination,
  reason: ExitReason = 'normal',
  timeoutMs = Infinity,
): Promise<void> {
  return new Promise((resolve) => {
    node.spawnWith({ label: 'stop' }, async (self: Process) => {
      try {
        resolve(await stopAndWait(self, to, reason, timeoutMs));
      } catch (error) {
        // Its stack leads to the code that awaits the stop.
        resolve(rejection(error));
      }
    });
  });
}

async function stopAndWait(
  self: Process,
  to: Destination,
  reason: ExitReason,
  timeoutMs: number,
): Promise<void> {
  const { node } = self;
  const endMs = node.clock.now() + timeoutMs;
  const ref = self.monitor(to);
  const isDown = (message: unknown): message is Down => message instanceof Down && message.ref.equals(ref);
  try {
    await call(node, to, SYSTEM, ['terminate', reason], { timeoutMs, from: self });
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    if (error.code === 'TROUPE_CALL_EXIT') {
      if (isSameReason(error.reason, reason)) return;
      throw exitedOtherwise(to, error.reason);
    }
    throw error.code === 'TROUPE_CALL_TIMEOUT' ? notInTime(to, timeoutMs) : error;
  }
  const down = await self.receive(isDown, { after: Math.max(0, endMs - node.clock.now()) });
  if (down === TIMEOUT) throw notInTime(to, timeoutMs);
  if (!isSameReason(down.reason, reason)) throw exitedOtherwise(to, down.reason);
}

function notInTime(to: Destination, timeoutMs: number): TroupeError {
  const what = `Stop of ${describeTarget(to)}: it did not exit in ${timeoutMs} ms.`;
  return new TroupeError('TROUPE_CALL_TIMEOUT', what, { reason: 'timeout' });
}

function exitedOtherwise(to: Destination, reason: ExitReason): TroupeError {
  const what = `Stop of ${describeTarget(to)}: it exited with ${formatReason(reason)}.`;
  return new TroupeError('TROUPE_CALL_EXIT', what, { reason, cause: reason });
}

/** Compares reasons as terms: one that came from another node is another object. */
function isSameReason(one: ExitReason, other: ExitReason): boolean {
  return Object.is(one, other) || isSameTerm(one, other);
}
