/**
 * A supervisor of many children of one kind, all started on request: `simple_one_for_one`.
 *
 * Invariants: starting, finding and removing a child is O(1); the arguments of a start are kept only where the child may be
 * restarted; children are stopped all at once when the supervisor ends. A child that waits for another attempt to restart
 * it is found by the pid it had. Follows the clauses for `simple_one_for_one` of OTP's supervisor.erl.
 */
import { TroupeError } from '../errors.ts';
import type { ExitReason } from '../process/messages.ts';
import { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { type ChildCounts, type ChildInfo, isRunning, pidKey } from './supervisor-children.ts';
import { Endings } from './supervisor-endings.ts';
import { reportStarted, reportTerminated } from './supervisor-report.ts';
import { checkChildSpec, type Flags, type FullChildSpec } from './supervisor-spec.ts';
import { type Outcome, startChild } from './supervisor-start.ts';
import { type Answer, answerOf, Supervisor } from './supervisor-state.ts';
import { endsWith, fateOf } from './supervisor-strategy.ts';

const NOT_FOUND: Answer = { ok: false, error: 'not_found' };
const WRONG_STRATEGY: Answer = { ok: false, error: 'simple_one_for_one' };
const NO_ARGS: readonly unknown[] = [];

/** One child. */
class DynamicChild {
  pid: Pid;
  readonly args: readonly unknown[];
  restarting = false;

  constructor(pid: Pid, args: readonly unknown[]) {
    this.pid = pid;
    this.args = args;
  }
}

/** @internal The state of its process. */
export class DynamicSupervisor extends Supervisor {
  readonly #spec: FullChildSpec<readonly unknown[]>;
  readonly #children = new Map<number | string, DynamicChild>();
  #restarting = 0;

  /** @param template what the children are made by. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
  constructor(self: Process, parent: Pid | null, flags: Flags, template: unknown) {
    super(self, parent, flags);
    const given = typeof template === 'object' ? { id: flags.name, ...template } : template;
    this.#spec = checkChildSpec<readonly unknown[]>(given, flags.autoShutdown);
  }

  begin(): Promise<void> {
    return Promise.resolve();
  }

  request(name: string, argument: unknown): Promise<Answer> | Answer | undefined {
    switch (name) {
      case 'start_child':
        return this.#startChild(checkArguments(argument));
      case 'terminate_child':
        return argument instanceof Pid ? this.#terminateChild(argument) : WRONG_STRATEGY;
      case 'restart_child':
      case 'delete_child':
        return WRONG_STRATEGY;
      case 'get_childspec':
        return this.#specOf(argument);
      default:
        return undefined;
    }
  }

  ended(pid: Pid, reason: ExitReason): Promise<void> | void {
    const child = this.#find(pid);
    if (child === undefined || child.restarting) return;
    const { restart, report } = fateOf(this.#spec.restart, reason);
    if (report) reportTerminated(this.self, this.#spec.id, pid, reason, 'child_terminated');
    if (restart) return this.#restart(child);
    this.#remove(child);
    if (endsWith(this.flags.autoShutdown, this.#spec, () => this.#children.size > 0)) {
      return this.terminate(this.self, 'shutdown');
    }
  }

  tryAgain(child: unknown): Promise<void> | void {
    // It may have been terminated since.
    if (child instanceof DynamicChild && child.restarting && this.#find(child.pid) === child) {
      return this.#restart(child);
    }
  }

  *infos(): Generator<ChildInfo> {
    const { type, modules } = this.#spec;
    for (const { pid, restarting } of this.#children.values()) {
      yield restarting
        ? { id: undefined, pid: undefined, status: 'restarting', type, modules }
        : { id: undefined, pid, status: 'running', type, modules };
    }
  }

  counts(): ChildCounts {
    const { size } = this.#children;
    const supervisors = this.#spec.type === 'supervisor' ? size : 0;
    return { specs: 1, active: size - this.#restarting, supervisors, workers: size - supervisors };
  }

  async stopChildren(): Promise<void> {
    const running = [...this.#children.values()].filter(({ restarting }) => !restarting);
    const pids = running.map(({ pid }) => pid);
    const endings = new Endings(this.self, pids);
    try {
      await endings.stop(pids, this.#spec.shutdown);
    } finally {
      endings.release();
    }
    for (const pid of pids) this.judge(this.#spec, pid, endings.reasonOf(pid));
    this.#children.clear();
    this.#restarting = 0;
  }

  // ---- requests ----

  async #startChild(args: readonly unknown[]): Promise<Answer> {
    const outcome = await this.#run(args);
    if (outcome.ok && outcome.pid !== undefined) this.#add(outcome.pid, args, false);
    return answerOf(outcome);
  }

  async #terminateChild(pid: Pid): Promise<Answer> {
    const child = this.#find(pid);
    if (child === undefined) return isRunning(this.self.node, pid) ? NOT_FOUND : { ok: true };
    if (!child.restarting) {
      const endings = new Endings(this.self, [child.pid]);
      try {
        await endings.stop([child.pid], this.#spec.shutdown);
      } finally {
        endings.release();
      }
      this.judge(this.#spec, child.pid, endings.reasonOf(child.pid));
    }
    this.#remove(child);
    return { ok: true };
  }

  #specOf(argument: unknown): Answer {
    const known = argument instanceof Pid ? this.#find(argument) !== undefined : argument === this.#spec.id;
    return known ? { ok: true, spec: this.#spec } : NOT_FOUND;
  }

  // ---- restarts ----

  async #restart(child: DynamicChild): Promise<void> {
    if (!this.mayRestart(this.#spec.id)) {
      this.#remove(child);
      return this.terminate(this.self, 'shutdown');
    }
    const outcome = await this.#run(child.args);
    if (!outcome.ok) {
      reportTerminated(this.self, this.#spec.id, undefined, outcome.reason, 'start_error');
      if (!child.restarting) this.#restarting++;
      child.restarting = true;
      this.later(child);
      return;
    }
    this.#remove(child);
    if (outcome.pid !== undefined) this.#add(outcome.pid, child.args, true);
  }

  #run(args: readonly unknown[]): Promise<Outcome> {
    const { self } = this;
    return startChild(
      self,
      () => this.#spec.start(self, ...args),
      (pid) => this.#find(pid) !== undefined,
    );
  }

  // ---- the table ----

  #find(pid: Pid): DynamicChild | undefined {
    return this.#children.get(pidKey(this.self.node, pid));
  }

  #add(pid: Pid, args: readonly unknown[], again: boolean): void {
    const kept = this.#spec.restart === 'temporary' ? NO_ARGS : args;
    this.#children.set(pidKey(this.self.node, pid), new DynamicChild(pid, kept));
    reportStarted(this.self, this.#spec.id, pid, again);
  }

  #remove(child: DynamicChild): void {
    if (child.restarting) this.#restarting--;
    this.#children.delete(pidKey(this.self.node, child.pid));
  }
}

function checkArguments(argument: unknown): readonly unknown[] {
  if (Array.isArray(argument)) return argument;
  throw new TroupeError(
    'TROUPE_BAD_ARGUMENT',
    'A dynamic supervisor starts a child with an array of arguments.',
  );
}
