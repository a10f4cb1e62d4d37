/**
 * What all supervisors have in common: flags, the restart window, the end. The two kinds are in `supervisor-static.ts` and
 * `supervisor-dynamic.ts`.
 *
 * Invariant: whatever ends a supervisor other than a kill stops its children first.
 */
import { TroupeError } from '../errors.ts';
import { type ExitReason, KEPT, ProcessExit } from '../process/messages.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { RemoteCall, type Request } from './call.ts';
import type { ChildCounts, ChildInfo } from './supervisor-children.ts';
import { RestartWindow } from './supervisor-intensity.ts';
import { reportIntensity, reportTerminated } from './supervisor-report.ts';
import type { Flags, FullChildSpec } from './supervisor-spec.ts';
import type { Outcome } from './supervisor-start.ts';
import { isShutdownFault } from './supervisor-strategy.ts';
import { answerTerm, childrenTerm, countsTerm, refusalTerm } from './supervisor-terms.ts';
import type { SystemTarget } from './system.ts';

/** @internal In the mailbox of a supervisor: the restart of a child has failed and is to be tried again. */
export class TryAgain {
  readonly child: unknown;

  constructor(child: unknown) {
    this.child = child;
  }

  get [KEPT](): boolean {
    return true;
  }
}

/** @internal What every request answers; the fields besides `ok` and `error` depend on the request. */
export type Answer =
  | { readonly ok: true; readonly [field: string]: unknown }
  | { readonly ok: false; readonly error: string; readonly [field: string]: unknown };

/** @internal The state of a supervisor's process. */
export abstract class Supervisor implements SystemTarget {
  readonly self: Process;
  readonly parent: Pid | null;
  readonly flags: Flags;
  readonly #restarts: RestartWindow;

  constructor(self: Process, parent: Pid | null, flags: Flags) {
    this.self = self;
    this.parent = parent;
    this.flags = flags;
    this.#restarts = new RestartWindow(flags.intensity, flags.periodMs);
  }

  /** Starts the children that it is to have from the beginning. */
  abstract begin(): Promise<void>;
  /** Handles a request for children by its name; undefined for one that there is not. */
  abstract request(name: string, argument: unknown): Promise<Answer> | Answer | undefined;
  /** A linked process has ended that is not the parent. */
  abstract ended(pid: Pid, reason: ExitReason): Promise<void> | void;
  /** Tries the restart of a child again. */
  abstract tryAgain(child: unknown): Promise<void> | void;
  abstract infos(): Iterable<ChildInfo>;
  abstract counts(): ChildCounts;
  /** Stops all children. */
  abstract stopChildren(): Promise<void>;

  get behaviour(): string {
    return 'supervisor';
  }

  getState(): this {
    return this;
  }

  sentState(): unknown {
    return { children: childrenTerm(this.infos()), counts: countsTerm(this.counts()) };
  }

  replaceState(state: unknown): void {
    if (state === this) return;
    throw new TroupeError(
      'TROUPE_BAD_ARGUMENT',
      'The state of a supervisor cannot be replaced: start, terminate and delete its children instead.',
    );
  }

  details(): Readonly<Record<string, unknown>> {
    return { ...this.flags, children: this.counts() };
  }

  /** Stops the children and ends the process. */
  async terminate(_self: Process, reason: ExitReason): Promise<never> {
    await this.stopChildren();
    throw new ProcessExit(reason);
  }

  /** Counts a restart. @returns false when it is one too many, which has been reported. */
  protected mayRestart(id: string): boolean {
    if (this.#restarts.add(this.self.node.clock.now())) return true;
    reportIntensity(this.self, id);
    return false;
  }

  /** Asks for another attempt, once the messages that wait have been handled. See `try_again_restart/1`. */
  protected later(child: unknown): void {
    this.self.deliverSignal(new TryAgain(child));
  }

  /** Reports a child that has ended otherwise than it was told to. */
  protected judge(
    spec: Pick<FullChildSpec, 'id' | 'restart' | 'shutdown'>,
    pid: Pid,
    reason: ExitReason,
  ): void {
    if (!isShutdownFault(spec.restart, spec.shutdown, reason)) return;
    reportTerminated(this.self, spec.id, pid, reason, 'shutdown_error');
  }
}

/** @internal What a start answers to who asked for it. */
export function answerOf(outcome: Outcome): Answer {
  if (outcome.ok) return outcome;
  const { reason } = outcome;
  return Array.isArray(reason) && reason.length === 2 && reason[0] === 'already_started'
    ? { ok: false, error: 'already_started', pid: reason[1] as unknown }
    : { ok: false, error: 'start_failed', reason };
}

/** @internal Answers a request; across nodes as OTP does. */
export function answer(request: Request, value: Answer): void {
  request.reply(request instanceof RemoteCall ? answerTerm(request.name, value) : value);
}

/** @internal Refuses a request that is a fault of who asks; a supervisor must not end by it. */
export function refuse(request: Request, error: TroupeError): void {
  if (request instanceof RemoteCall) {
    request.reply(refusalTerm(error.message));
  } else {
    request.fail(error);
  }
}
