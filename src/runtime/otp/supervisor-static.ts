/**
 * A supervisor whose children have ids: `one_for_one`, `one_for_all`, `rest_for_one`.
 *
 * Its process starts, stops and restarts them, one thing after the other; exits that come meanwhile wait in the mailbox.
 * Decisions are in `supervisor-strategy.ts`. Follows `handle_call`, `restart_child` and `restart/3` of OTP's supervisor.erl.
 */
import { type ExitReason, ProcessExit } from '../process/messages.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { Child, type ChildCounts, Children, type ChildInfo } from './supervisor-children.ts';
import { Endings } from './supervisor-endings.ts';
import { reportStarted, reportTerminated } from './supervisor-report.ts';
import { checkChildSpec, checkChildSpecs, type Flags, type FullChildSpec } from './supervisor-spec.ts';
import { type Outcome, startChild } from './supervisor-start.ts';
import { type Answer, answerOf, Supervisor } from './supervisor-state.ts';
import { concerned, endsWith, fateOf } from './supervisor-strategy.ts';

const NOT_FOUND: Answer = { ok: false, error: 'not_found' };

/** @internal The state of its process. */
export class StaticSupervisor extends Supervisor {
  readonly #children: Children;
  readonly #first: readonly FullChildSpec[];

  /** @param specs the children to begin with. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
  constructor(self: Process, parent: Pid | null, flags: Flags, specs: unknown) {
    super(self, parent, flags);
    this.#children = new Children(self.node);
    this.#first = checkChildSpecs(specs, flags.autoShutdown);
  }

  async begin(): Promise<void> {
    const children = this.#first.map((spec) => new Child(spec));
    for (const child of children) this.#children.add(child);
    const failed = await this.#startAll(children, false);
    if (failed === undefined) return;
    await this.stopChildren();
    throw new ProcessExit(['shutdown', ['failed_to_start_child', failed.child.spec.id, failed.reason]]);
  }

  request(name: string, argument: unknown): Promise<Answer> | Answer | undefined {
    if (name === 'start_child') return this.#startChild(checkChildSpec(argument, this.flags.autoShutdown));
    const child = this.#children.find(argument as string);
    switch (name) {
      case 'terminate_child':
        return child === undefined ? NOT_FOUND : this.#terminateChild(child);
      case 'restart_child':
        return child === undefined ? NOT_FOUND : this.#restartChild(child);
      case 'delete_child':
        return child === undefined ? NOT_FOUND : this.#deleteChild(child);
      case 'get_childspec':
        return child === undefined ? NOT_FOUND : { ok: true, spec: child.spec };
      default:
        return undefined;
    }
  }

  ended(pid: Pid, reason: ExitReason): Promise<void> | void {
    const child = this.#children.findByPid(pid);
    if (child === undefined) return;
    const { restart, report } = fateOf(child.spec.restart, reason);
    if (report) reportTerminated(this.self, child.spec.id, pid, reason, 'child_terminated');
    if (restart) return this.#restart(child);
    this.#children.drop(child);
    if (endsWith(this.flags.autoShutdown, child.spec, () => this.#hasSignificant())) {
      return this.terminate(this.self, 'shutdown');
    }
  }

  tryAgain(child: unknown): Promise<void> | void {
    // It may have been terminated, or restarted with others, since.
    if (child instanceof Child && this.#children.has(child) && child.status === 'restarting') {
      return this.#restart(child);
    }
  }

  infos(): Iterable<ChildInfo> {
    return this.#children.infos();
  }

  counts(): ChildCounts {
    return this.#children.counts();
  }

  stopChildren(): Promise<void> {
    return this.#stop(this.#children.all());
  }

  // ---- requests ----

  async #startChild(spec: FullChildSpec): Promise<Answer> {
    const present = this.#children.find(spec.id);
    if (present !== undefined) {
      return present.pid === undefined
        ? { ok: false, error: 'already_present' }
        : { ok: false, error: 'already_started', pid: present.pid };
    }
    const child = new Child(spec);
    const outcome = await this.#run(child);
    if (outcome.ok) this.#keep(child, outcome.pid, false);
    return answerOf(outcome);
  }

  async #restartChild(child: Child): Promise<Answer> {
    if (child.status !== 'stopped') return { ok: false, error: child.status };
    const outcome = await this.#run(child);
    if (outcome.ok) this.#keep(child, outcome.pid, true);
    return answerOf(outcome);
  }

  async #terminateChild(child: Child): Promise<Answer> {
    await this.#stop([child]);
    return { ok: true };
  }

  #deleteChild(child: Child): Answer {
    if (child.status !== 'stopped') return { ok: false, error: child.status };
    this.#children.remove(child);
    return { ok: true };
  }

  // ---- restarts ----

  async #restart(child: Child): Promise<void> {
    if (!this.mayRestart(child.spec.id)) {
      this.#children.drop(child);
      return this.terminate(this.self, 'shutdown');
    }
    const { strategy } = this.flags;
    this.#children.rest(child, 'stopped');
    const group = strategy === 'one_for_one' ? [child] : concerned(strategy, this.#children.all(), child);
    await this.#stop(group);
    const failed = await this.#startAll(group, true);
    if (failed === undefined) return;
    // Others get their turn first: a request may end the supervisor or the child meanwhile.
    this.#children.rest(failed.child, 'restarting');
    this.later(failed.child);
  }

  /** Starts children in order, up to the first that fails, which is reported. Those that were removed are left out. */
  async #startAll(
    children: readonly Child[],
    again: boolean,
  ): Promise<{ child: Child; reason: ExitReason } | undefined> {
    for (const child of children) {
      if (!this.#children.has(child)) continue;
      // oxlint-disable-next-line no-await-in-loop -- the next starts when this one has
      const outcome = await this.#run(child);
      if (outcome.ok) {
        this.#keep(child, outcome.pid, again);
      } else {
        reportTerminated(this.self, child.spec.id, undefined, outcome.reason, 'start_error');
        return { child, reason: outcome.reason };
      }
    }
    return undefined;
  }

  /** Stops children, the last first. */
  async #stop(children: readonly Child[]): Promise<void> {
    const running = children.filter(({ pid }) => pid !== undefined);
    const endings = new Endings(
      this.self,
      running.map(({ pid }) => pid as Pid),
    );
    try {
      for (const child of running.toReversed()) {
        const pid = child.pid as Pid;
        // oxlint-disable-next-line no-await-in-loop -- the next stops when this one is gone
        await endings.stop([pid], child.spec.shutdown);
        this.judge(child.spec, pid, endings.reasonOf(pid));
        this.#children.drop(child);
      }
    } finally {
      endings.release();
    }
    for (const child of children) if (child.status === 'restarting') this.#children.rest(child, 'stopped');
  }

  #run(child: Child): Promise<Outcome> {
    const { self } = this;
    return startChild(
      self,
      () => child.spec.start(self),
      (pid) => this.#children.findByPid(pid) !== undefined,
    );
  }

  /** Enters what a start has answered. A temporary child that wants to be ignored is not kept. */
  #keep(child: Child, pid: Pid | undefined, again: boolean): void {
    if (pid === undefined) {
      if (child.spec.restart === 'temporary') this.#children.remove(child);
      else if (this.#children.has(child)) this.#children.rest(child, 'stopped');
      else this.#children.add(child);
      return;
    }
    if (!this.#children.has(child)) this.#children.add(child);
    this.#children.run(child, pid);
    reportStarted(this.self, child.spec.id, pid, again);
  }

  #hasSignificant(): boolean {
    return this.#children.all().some(({ spec, status }) => spec.significant && status !== 'stopped');
  }
}
