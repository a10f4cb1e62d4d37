/**
 * Shutting children down and waiting until they are gone: `shutdown/1` and `terminate_dynamic_children/1` of OTP's
 * supervisor.erl.
 *
 * All children of a group are monitored before the first gets its exit signal, so every reason is known, even that of a child
 * that unlinked itself or exits before its turn. A child leaves no `Exit` behind: the link is removed first. The supervisor
 * waits in a receive of its own, so killing it ends the wait.
 *
 * Invariants: one `shutdown` at a time; once `work` has settled, nothing of the group is monitored.
 */
import { Exit, type ExitReason, isShutdown, KEPT, TIMEOUT } from '../process/messages.ts';
import { dropLink } from '../process/exit.ts';
import { addWatch, removeWatch, Watcher } from '../process/monitor.ts';
import type { Node } from '../process/node.ts';
import type { AwaitsPeer } from '../process/peer.ts';
import type { Process } from '../process/process.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { FullChildSpec, Restart, Shutdown } from './child-spec.ts';
import { reportTerminated, requireAlive } from './restart.ts';

/** How many exit signals are sent between two looks at the clock. */
const SIGNALS_PER_CLOCK_CHECK = 64;

/** @internal A pid as a key of a map: cheap for those of this node. */
export function pidKey(node: Node, pid: Pid): number | string {
  return node.isLocal(pid) ? pid.serial * 2 ** 28 + pid.id : pid.key;
}

/** @internal Whether the exit of a child that its supervisor shut down is an error. See `shutdown/1`. */
export function isShutdownError(restart: Restart, shutdown: Shutdown, reason: ExitReason): boolean {
  if (reason === (shutdown === 'brutal_kill' ? 'killed' : 'shutdown')) return false;
  return restart === 'permanent' || !(reason === 'normal' || isShutdown(reason));
}

/**
 * @internal Monitors children, and lets `work` shut them down, one group after the other.
 * @param pids each of them once.
 */
export async function shutdownChildren(
  self: Process,
  pids: readonly Pid[],
  work: (group: ChildGroup) => Promise<void>,
): Promise<void> {
  const group = new ChildGroup(self, pids);
  try {
    await work(group);
  } finally {
    group.demonitor();
  }
}

/** One child that is monitored. See `monitor_child/1`. */
class MonitoredChild extends Watcher implements AwaitsPeer {
  readonly pid: Pid;
  readonly process: Process | null;
  /** The monitor on a child of another node. */
  readonly ref: Ref | undefined;
  readonly #group: ChildGroup;
  exited = false;
  reason: ExitReason = undefined;
  /** Whether the shutdown that is under way waits for it. */
  awaited = false;

  constructor(group: ChildGroup, pid: Pid, process: Process | null, ref: Ref | undefined) {
    super();
    this.#group = group;
    this.pid = pid;
    this.process = process;
    this.ref = ref;
  }

  targetExited(reason: ExitReason): void {
    this.exited = true;
    this.reason = reason;
    this.#group.childExited(this);
  }

  peerDown(reason: ExitReason): void {
    this.targetExited(reason);
  }
}

/** @internal The children that {@link shutdownChildren} monitors. */
export class ChildGroup {
  readonly #self: Process;
  readonly #children = new Map<Pid, MonitoredChild>();
  #awaited = 0;
  #waiting = false;

  constructor(self: Process, pids: readonly Pid[]) {
    this.#self = self;
    const dead: MonitoredChild[] = [];
    for (const pid of pids) {
      const child = this.#monitor(pid);
      this.#children.set(pid, child);
      if (child.exited) dead.push(child);
    }
    if (dead.length > 0) this.#readReasons(dead);
  }

  /**
   * Shuts some of the children down, all at once as their spec says, waits until they are gone, and reports those that did
   * not exit as asked.
   */
  async shutdown(
    pids: readonly Pid[],
    { id, restart, shutdown }: Pick<FullChildSpec, 'id' | 'restart' | 'shutdown'>,
  ): Promise<void> {
    await this.#exit(pids, shutdown);
    for (const pid of pids) {
      const { reason } = this.#children.get(pid) as MonitoredChild;
      if (isShutdownError(restart, shutdown, reason)) {
        reportTerminated(this.#self, id, pid, reason, 'shutdown_error');
      }
    }
  }

  async #exit(pids: readonly Pid[], shutdown: Shutdown): Promise<void> {
    // Another child may have killed the supervisor while it exited.
    requireAlive(this.#self);
    const pending = pids
      .map((pid) => this.#children.get(pid) as MonitoredChild)
      .filter(({ exited }) => !exited);
    for (const child of pending) child.awaited = true;
    this.#awaited = pending.length;
    await this.#signal(pending, shutdown === 'brutal_kill' ? 'kill' : 'shutdown');
    if (this.#awaited === 0) return;
    this.#waiting = true;
    const gone = await this.#self.receive((message) => message === this, {
      after: typeof shutdown === 'number' ? shutdown : Infinity,
    });
    if (gone === TIMEOUT) {
      await this.#signal(pending, 'kill');
      await this.#self.receive((message) => message === this);
    }
    this.#waiting = false;
  }

  /** Removes the monitors that are left. */
  demonitor(): void {
    const { node, pid: own } = this.#self;
    for (const child of this.#children.values()) {
      removeWatch(child);
      if (!child.exited && child.ref !== undefined) {
        node.router.unwatch(child.pid.node, own, child.pid, child.ref);
      }
    }
  }

  #monitor(pid: Pid): MonitoredChild {
    const { node, pid: own } = this.#self;
    const process = node.find(pid);
    const ref = node.isLocal(pid) ? undefined : node.makeRef();
    const child = new MonitoredChild(this, pid, process, ref);
    if (process !== null) addWatch(process, child);
    else if (ref !== undefined) node.router.watch(pid.node, own, pid, ref, child);
    else child.exited = true;
    return child;
  }

  /** A child that is dead already has left its reason in the mailbox; its `Exit` will find no child. */
  #readReasons(dead: readonly MonitoredChild[]): void {
    const self = this.#self;
    const byPid = new Map(dead.map((child) => [pidKey(self.node, child.pid), child]));
    for (const child of dead) child.reason = 'noproc';
    for (let index = 0; index < self.mailboxLength; index++) {
      const message = self.peekAt(index);
      if (!(message instanceof Exit)) continue;
      const child = byPid.get(pidKey(self.node, message.from));
      if (child === undefined) continue;
      child.reason = message.reason;
      byPid.delete(pidKey(self.node, child.pid));
    }
  }

  /** Sends exit signals, and gives way to the event loop when there are many. */
  async #signal(children: readonly MonitoredChild[], reason: ExitReason): Promise<void> {
    const self = this.#self;
    let sent = 0;
    for (const child of children) {
      if (child.exited) continue;
      self.node.sendExit(self.pid, child.pid, reason);
      if (++sent % SIGNALS_PER_CLOCK_CHECK !== 0 || !self.node.scheduler.sliceOver()) continue;
      // oxlint-disable-next-line no-await-in-loop -- slices run one after the other
      await new Promise((resume) => {
        setImmediate(resume);
      });
      requireAlive(self);
    }
  }

  /** Called by the monitor of a child that exited. */
  childExited(child: MonitoredChild): void {
    const self = this.#self;
    if (child.process !== null) dropLink(self, child.process);
    else if (self.alive) self.unlink(child.pid);
    if (!child.awaited || --this.#awaited > 0 || !this.#waiting) return;
    if (self.alive) self.deliverSignal(this);
  }

  get [KEPT](): boolean {
    return true;
  }
}
