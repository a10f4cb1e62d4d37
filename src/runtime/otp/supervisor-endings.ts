/**
 * Ending children and waiting until they are gone: `supervisor:shutdown/1` and `terminate_dynamic_children/1`.
 *
 * All children of a group are watched before the first is told to end, so that each reason is known, even of a child that
 * has unlinked itself and of one that ends before its turn. What ends leaves no `Exit` behind: the watch takes the link
 * back first. The supervisor waits in a receive of its own, so that killing it ends the wait.
 *
 * Invariants: one `stop` at a time; after `release` nothing of the group is watched. It knows no specs.
 */
import { Exit, type ExitReason, KEPT, ProcessExit, TIMEOUT } from '../process/messages.ts';
import { type Watch, addWatch, removeWatch } from '../process/monitor.ts';
import type { AwaitsPeer } from '../process/peer.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { pidKey } from './supervisor-children.ts';
import type { Shutdown } from './supervisor-spec.ts';

/** How many exit signals are sent between two looks at the clock. */
const SIGNALS_PER_CLOCK_CHECK = 64;

/** The end of one child. */
class Ending implements Watch, AwaitsPeer {
  readonly pid: Pid;
  readonly process: Process | null;
  /** The monitor on a child of another node. */
  readonly ref: Ref | undefined;
  readonly #group: Endings;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  done = false;
  reason: ExitReason = undefined;
  /** Whether the stop that is under way waits for it. */
  awaited = false;

  constructor(group: Endings, pid: Pid, process: Process | null, ref: Ref | undefined) {
    this.#group = group;
    this.pid = pid;
    this.process = process;
    this.ref = ref;
  }

  targetExited(reason: ExitReason): void {
    this.done = true;
    this.reason = reason;
    this.#group.ended(this);
  }

  peerDown(reason: ExitReason): void {
    this.targetExited(reason);
  }
}

/** @internal Children that are to end, each at its time. */
export class Endings {
  readonly #self: Process;
  readonly #endings = new Map<Pid, Ending>();
  #awaited = 0;
  #waiting = false;

  /** @param pids each of them once. */
  constructor(self: Process, pids: Iterable<Pid>) {
    this.#self = self;
    const dead: Ending[] = [];
    for (const pid of pids) {
      const ending = this.#watch(pid);
      this.#endings.set(pid, ending);
      if (ending.done) dead.push(ending);
    }
    if (dead.length > 0) this.#readReasons(dead);
  }

  /**
   * Ends some of the children, all at once, and waits until they are gone.
   * @param shutdown milliseconds after which those that are left are killed, or a word. See {@link Shutdown}.
   */
  async stop(pids: readonly Pid[], shutdown: Shutdown): Promise<void> {
    // What another child did at its end may have killed the supervisor.
    requireAlive(this.#self);
    const pending = pids.map((pid) => this.#of(pid)).filter(({ done }) => !done);
    for (const ending of pending) ending.awaited = true;
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

  /** Why a child ended that has been stopped. */
  reasonOf(pid: Pid): ExitReason {
    return this.#of(pid).reason;
  }

  /** Ends what watches are left. */
  release(): void {
    const { node, pid: own } = this.#self;
    for (const ending of this.#endings.values()) {
      removeWatch(ending);
      if (!ending.done && ending.ref !== undefined) {
        node.router.unwatch(ending.pid.node, own, ending.pid, ending.ref);
      }
    }
  }

  #of(pid: Pid): Ending {
    return this.#endings.get(pid) as Ending;
  }

  #watch(pid: Pid): Ending {
    const { node, pid: own } = this.#self;
    const process = node.find(pid);
    const away = !node.isLocal(pid);
    const ref = away ? node.makeRef() : undefined;
    const ending = new Ending(this, pid, process, ref);
    if (process !== null) addWatch(process, ending);
    else if (ref !== undefined) node.router.watch(pid.node, own, pid, ref, ending);
    else ending.done = true;
    return ending;
  }

  /** A child that is dead already has left its reason in the mailbox; its `Exit` finds no child later. */
  #readReasons(dead: readonly Ending[]): void {
    const self = this.#self;
    const byPid = new Map(dead.map((ending) => [pidKey(self.node, ending.pid), ending]));
    for (const ending of dead) ending.reason = 'noproc';
    for (let index = 0; index < self.mailboxLength; index++) {
      const message = self.peekAt(index);
      if (!(message instanceof Exit)) continue;
      const ending = byPid.get(pidKey(self.node, message.from));
      if (ending === undefined) continue;
      ending.reason = message.reason;
      byPid.delete(pidKey(self.node, ending.pid));
    }
  }

  /** Sends exit signals, and gives way to the event loop when there are many. */
  async #signal(endings: readonly Ending[], reason: ExitReason): Promise<void> {
    const self = this.#self;
    let sent = 0;
    for (const ending of endings) {
      if (ending.done) continue;
      self.node.sendExit(self.pid, ending.pid, reason);
      if (++sent % SIGNALS_PER_CLOCK_CHECK !== 0 || !self.node.scheduler.sliceOver()) continue;
      // oxlint-disable-next-line no-await-in-loop -- one slice after the other is what it is for
      await new Promise((resume) => {
        setImmediate(resume);
      });
      requireAlive(self);
    }
  }

  /** Called by the watch of a child that has ended. */
  ended(ending: Ending): void {
    const self = this.#self;
    if (ending.process !== null) {
      ending.process.links?.delete(self.pid);
      self.links?.delete(ending.pid);
    } else if (self.alive) {
      self.unlink(ending.pid);
    }
    if (!ending.awaited || --this.#awaited > 0 || !this.#waiting) return;
    if (self.alive) self.deliverSignal(this);
  }

  get [KEPT](): boolean {
    return true;
  }
}

/** Code of a dead supervisor goes no further. */
function requireAlive(self: Process): void {
  if (!self.alive) throw new ProcessExit(self.extra?.exitReason);
}
