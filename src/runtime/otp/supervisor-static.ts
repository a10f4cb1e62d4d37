/**
 * A supervisor whose children have ids: `one_for_one`, `one_for_all`, `rest_for_one`.
 *
 * Its process starts, stops and restarts them one after the other; exits that arrive meanwhile wait in the mailbox.
 * Children keep the order of their first start, also after a restart. Finding, adding and removing one is O(1).
 * Follows `handle_call` and `restart/3` of OTP's supervisor.erl.
 */
import { type ExitReason, ProcessExit } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import type { Process } from '../process/process.ts';
import type { Pid } from '../terms/identifiers.ts';
import {
  checkChildSpec,
  checkChildSpecs,
  type ChildCounts,
  type ChildInfo,
  type Flags,
  type FullChildSpec,
} from './child-spec.ts';
import { childrenToRestart, reportStarted, reportTerminated, type StartResult } from './restart.ts';
import { pidKey, shutdownChildren } from './shutdown.ts';
import { type Answer, startAnswer, Supervisor } from './supervisor-process.ts';

const NOT_FOUND: Answer = { ok: false, error: 'not_found' };

/** A child; only {@link Children} changes it. */
class Child {
  readonly spec: FullChildSpec;
  /** Set while `status` is `running`. */
  pid: Pid | undefined = undefined;
  status: ChildInfo['status'] = 'stopped';

  constructor(spec: FullChildSpec) {
    this.spec = spec;
  }
}

/** @internal The state of its process. */
export class StaticSupervisor extends Supervisor<Child> {
  readonly #children: Children;
  readonly #first: readonly FullChildSpec[];

  /** @param specs the children to begin with. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
  constructor(self: Process, parent: Pid | null, flags: Flags, specs: unknown) {
    super(self, parent, flags);
    this.#children = new Children(self.node);
    this.#first = checkChildSpecs(specs, flags.autoShutdown);
  }

  async startChildren(): Promise<void> {
    const children = this.#first.map((spec) => new Child(spec));
    for (const child of children) this.#children.add(child);
    const failed = await this.#startAll(children, false);
    if (failed === undefined) return;
    await this.terminateChildren();
    throw new ProcessExit(['shutdown', ['failed_to_start_child', failed.child.spec.id, failed.reason]]);
  }

  terminateChildren(): Promise<void> {
    return this.#terminate(this.#children.all());
  }

  // ---- requests ----

  request(name: string, argument: unknown): Promise<Answer> | Answer | undefined {
    if (name === 'start_child') return this.#startChild(checkChildSpec(argument, this.flags.autoShutdown));
    const child = this.#children.find(argument as string);
    switch (name) {
      case 'terminate_child':
        return child === undefined ? NOT_FOUND : this.#terminate([child]).then(() => ({ ok: true }));
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

  async #startChild(spec: FullChildSpec): Promise<Answer> {
    const present = this.#children.find(spec.id);
    if (present !== undefined) {
      return present.pid === undefined
        ? { ok: false, error: 'already_present' }
        : { ok: false, error: 'already_started', pid: present.pid };
    }
    return startAnswer(await this.#start(new Child(spec), false));
  }

  async #restartChild(child: Child): Promise<Answer> {
    if (child.status !== 'stopped') return { ok: false, error: child.status };
    return startAnswer(await this.#start(child, true));
  }

  #deleteChild(child: Child): Answer {
    if (child.status !== 'stopped') return { ok: false, error: child.status };
    this.#children.remove(child);
    return { ok: true };
  }

  // ---- restarts ----

  protected async restartChildren(child: Child): Promise<void> {
    const { strategy } = this.flags;
    this.#children.stopped(child, 'stopped');
    const group =
      strategy === 'one_for_one' ? [child] : childrenToRestart(strategy, this.#children.all(), child);
    await this.#terminate(group);
    const failed = await this.#startAll(group, true);
    if (failed === undefined) return;
    this.#children.stopped(failed.child, 'restarting');
    this.restartLater(failed.child);
  }

  /** Starts children in order, up to the first that fails, which is reported. Leaves out those that were removed. */
  async #startAll(
    children: readonly Child[],
    restart: boolean,
  ): Promise<{ child: Child; reason: ExitReason } | undefined> {
    for (const child of children) {
      if (!this.#children.has(child)) continue;
      // oxlint-disable-next-line no-await-in-loop -- the next starts when this one has
      const result = await this.#start(child, restart);
      if (!result.ok) {
        reportTerminated(this.self, child.spec.id, undefined, result.reason, 'start_error');
        return { child, reason: result.reason };
      }
    }
    return undefined;
  }

  /** Starts a child and enters it. A temporary child whose start answered `ignore` is not kept. */
  async #start(child: Child, restart: boolean): Promise<StartResult> {
    const { self } = this;
    const result = await this.doStart(() => child.spec.start(self));
    if (!result.ok) return result;
    const { pid } = result;
    if (pid === undefined && child.spec.restart === 'temporary') {
      this.#children.remove(child);
      return result;
    }
    if (!this.#children.has(child)) this.#children.add(child);
    if (pid === undefined) {
      this.#children.stopped(child, 'stopped');
    } else {
      this.#children.running(child, pid);
      reportStarted(self, child.spec.id, pid, restart);
    }
    return result;
  }

  /** Shuts children down, the last first. See `terminate_children/2`. */
  async #terminate(children: readonly Child[]): Promise<void> {
    const running = children.filter(({ pid }) => pid !== undefined);
    const pids = running.map(({ pid }) => pid as Pid);
    await shutdownChildren(this.self, pids, async (group) => {
      for (const child of running.toReversed()) {
        // oxlint-disable-next-line no-await-in-loop -- the next is shut down when this one is gone
        await group.shutdown([child.pid as Pid], child.spec);
        this.drop(child);
      }
    });
    for (const child of children) if (child.status === 'restarting') this.#children.stopped(child, 'stopped');
  }

  // ---- the children ----

  infos(): Iterable<ChildInfo> {
    return this.#children.infos();
  }

  counts(): ChildCounts {
    return this.#children.counts();
  }

  protected findByPid(pid: Pid): Child | undefined {
    return this.#children.findByPid(pid);
  }

  protected restartOf({ id }: ChildInfo): FullChildSpec['restart'] | undefined {
    return this.#children.find(id as string)?.spec.restart;
  }

  protected specOf(child: Child): FullChildSpec {
    return child.spec;
  }

  protected isRestarting(child: unknown): child is Child {
    return child instanceof Child && this.#children.has(child) && child.status === 'restarting';
  }

  protected drop(child: Child): void {
    if (child.spec.restart === 'temporary') this.#children.remove(child);
    else this.#children.stopped(child, 'stopped');
  }

  protected hasSignificant(): boolean {
    return this.#children.all().some(({ spec, status }) => spec.significant && status !== 'stopped');
  }
}

/**
 * The table of children. Invariants: ids are unique; a child is found by a pid exactly while it runs as that process. It
 * starts and stops nothing.
 */
class Children {
  readonly #node: Node;
  readonly #byId = new Map<string, Child>();
  readonly #byPid = new Map<number | string, Child>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** All, in start order. */
  all(): Child[] {
    return [...this.#byId.values()];
  }

  /** True until the child is removed. */
  has(child: Child): boolean {
    return this.#byId.get(child.spec.id) === child;
  }

  find(id: string): Child | undefined {
    return this.#byId.get(id);
  }

  findByPid(pid: Pid): Child | undefined {
    return this.#byPid.get(pidKey(this.#node, pid));
  }

  /** Adds a child behind all others. */
  add(child: Child): void {
    this.#byId.set(child.spec.id, child);
  }

  remove(child: Child): void {
    this.#forgetPid(child);
    this.#byId.delete(child.spec.id);
  }

  /** The child has a process. */
  running(child: Child, pid: Pid): void {
    this.#forgetPid(child);
    child.pid = pid;
    child.status = 'running';
    this.#byPid.set(pidKey(this.#node, pid), child);
  }

  /** The child has no process, and is `stopped` or waits for another attempt to restart it. */
  stopped(child: Child, status: 'stopped' | 'restarting'): void {
    this.#forgetPid(child);
    child.status = status;
  }

  *infos(): Generator<ChildInfo> {
    for (const { spec, pid, status } of this.#byId.values()) {
      yield { id: spec.id, pid, status, type: spec.type, modules: spec.modules };
    }
  }

  counts(): ChildCounts {
    const specs = this.#byId.size;
    let active = 0;
    let supervisors = 0;
    for (const { spec, pid } of this.#byId.values()) {
      if (pid !== undefined && (!this.#node.isLocal(pid) || this.#node.isAlive(pid))) active++;
      if (spec.type === 'supervisor') supervisors++;
    }
    return { specs, active, supervisors, workers: specs - supervisors };
  }

  #forgetPid(child: Child): void {
    if (child.pid !== undefined) this.#byPid.delete(pidKey(this.#node, child.pid));
    child.pid = undefined;
  }
}
