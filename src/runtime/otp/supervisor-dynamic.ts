/**
 * A supervisor of many children of one kind, all started on request: `simple_one_for_one`.
 *
 * Invariants: starting, finding and removing a child is O(1); the arguments of a start are kept only where the child may be
 * restarted; children are shut down all at once when the supervisor ends. A child that waits for another attempt to restart
 * it is found by the pid it had. Follows the clauses for `simple_one_for_one` of OTP's supervisor.erl.
 */
import { badArgument } from '../errors.ts';
import type { Process } from '../process/process.ts';
import { Pid } from '../terms/identifiers.ts';
import {
  checkChildSpec,
  type ChildCounts,
  type ChildInfo,
  type Flags,
  type FullChildSpec,
} from './child-spec.ts';
import { reportStarted, reportTerminated } from './restart.ts';
import { pidKey, shutdownChildren } from './shutdown.ts';
import { type Answer, startAnswer, Supervisor } from './supervisor-process.ts';

const NOT_FOUND: Answer = { ok: false, error: 'not_found' };
const WRONG_STRATEGY: Answer = { ok: false, error: 'simple_one_for_one' };
const NO_ARGS: readonly unknown[] = [];

/** One child. */
class DynamicChild {
  readonly pid: Pid;
  readonly args: readonly unknown[];
  restarting = false;

  constructor(pid: Pid, args: readonly unknown[]) {
    this.pid = pid;
    this.args = args;
  }
}

/** @internal The state of its process. */
export class DynamicSupervisor extends Supervisor<DynamicChild> {
  readonly #spec: FullChildSpec<readonly unknown[]>;
  readonly #children = new Map<number | string, DynamicChild>();
  #restarting = 0;

  /** @param template the spec of all children. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
  constructor(self: Process, parent: Pid | null, flags: Flags, template: unknown) {
    super(self, parent, flags);
    const given = typeof template === 'object' ? { id: flags.name, ...template } : template;
    this.#spec = checkChildSpec<readonly unknown[]>(given, flags.autoShutdown);
  }

  startChildren(): Promise<void> {
    return Promise.resolve();
  }

  async terminateChildren(): Promise<void> {
    const pids: Pid[] = [];
    for (const { pid, restarting } of this.#children.values()) if (!restarting) pids.push(pid);
    await shutdownChildren(this.self, pids, (group) => group.shutdown(pids, this.#spec));
    this.#children.clear();
    this.#restarting = 0;
  }

  // ---- requests ----

  request(name: string, argument: unknown): Promise<Answer> | Answer | undefined {
    switch (name) {
      case 'start_child':
        return this.#startChild(checkArguments(argument));
      case 'terminate_child':
        return argument instanceof Pid ? this.#terminateChild(argument) : WRONG_STRATEGY;
      case 'restart_child':
      case 'delete_child':
        return WRONG_STRATEGY;
      case 'get_childspec': {
        const known =
          argument instanceof Pid ? this.findByPid(argument) !== undefined : argument === this.#spec.id;
        return known ? { ok: true, spec: this.#spec } : NOT_FOUND;
      }
      default:
        return undefined;
    }
  }

  async #startChild(args: readonly unknown[]): Promise<Answer> {
    const result = await this.doStart(() => this.#spec.start(this.self, ...args));
    if (result.ok && result.pid !== undefined) this.#add(result.pid, args, false);
    return startAnswer(result);
  }

  async #terminateChild(pid: Pid): Promise<Answer> {
    const child = this.findByPid(pid);
    const { node } = this.self;
    // As in OTP: a process that has exited needs no termination, whatever it was.
    if (child === undefined) return !node.isLocal(pid) || node.isAlive(pid) ? NOT_FOUND : { ok: true };
    if (!child.restarting) {
      const pids = [child.pid];
      await shutdownChildren(this.self, pids, (group) => group.shutdown(pids, this.#spec));
    }
    this.drop(child);
    return { ok: true };
  }

  // ---- restarts ----

  protected async restartChildren(child: DynamicChild): Promise<void> {
    const result = await this.doStart(() => this.#spec.start(this.self, ...child.args));
    if (!result.ok) {
      reportTerminated(this.self, this.#spec.id, undefined, result.reason, 'start_error');
      if (!child.restarting) this.#restarting++;
      child.restarting = true;
      this.restartLater(child);
      return;
    }
    this.drop(child);
    if (result.pid !== undefined) this.#add(result.pid, child.args, true);
  }

  // ---- the children ----

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

  protected restartOf(): FullChildSpec['restart'] {
    return this.#spec.restart;
  }

  protected findByPid(pid: Pid): DynamicChild | undefined {
    return this.#children.get(pidKey(this.self.node, pid));
  }

  protected specOf(): FullChildSpec<readonly unknown[]> {
    return this.#spec;
  }

  protected isRestarting(child: unknown): child is DynamicChild {
    return child instanceof DynamicChild && child.restarting && this.findByPid(child.pid) === child;
  }

  protected drop(child: DynamicChild): void {
    if (child.restarting) this.#restarting--;
    this.#children.delete(pidKey(this.self.node, child.pid));
  }

  protected hasSignificant(): boolean {
    return this.#children.size > 0;
  }

  #add(pid: Pid, args: readonly unknown[], restart: boolean): void {
    const kept = this.#spec.restart === 'temporary' ? NO_ARGS : args;
    this.#children.set(pidKey(this.self.node, pid), new DynamicChild(pid, kept));
    reportStarted(this.self, this.#spec.id, pid, restart);
  }
}

function checkArguments(argument: unknown): readonly unknown[] {
  if (Array.isArray(argument)) return argument;
  throw badArgument('A dynamic supervisor starts a child with an array of arguments.');
}
