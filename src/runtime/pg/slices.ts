/**
 * Work on very many groups, done in slices: a snapshot of a peer, the end of one, or of a member of many groups must not stop
 * the event loop.
 *
 * Work waits in queues: one for each node that sends changes, whichever scope process of the node they are about, and one for
 * each member that has ended. Within a queue it is done in order; what is small is done at once, unless something waits before
 * it. The rest goes on in later runs of the scope process, a slice each, the queues in turns; other messages, local changes and
 * reads come in between. A step leaves the tables whole.
 *
 * Limits: a snapshot replaces all waiting work of its peer that has not begun, so that at most two of a peer
 * wait. Changes that wait behind one are bounded, too: from `sliceLimits.waiting` on, each that comes does work before it
 * waits, and with `sliceLimits.mostWaiting` steps waiting all work of the peer is dropped, and the peer asked for a
 * snapshot. While anything waits the node is not idle, so that connections read in slices, too.
 */
import type { Process } from '../process/process.ts';
import type { Member, RemoteScope } from './group.ts';

/**
 * Something to do in steps. A step costs about what it costs to put one member into one group; one that was about many pids
 * says how many, and counts for more.
 */
export type Steps = Iterator<number, void>;

/** So many pids of one group cost about as much as another group does. */
export const PIDS_PER_COUNT = 16;

/** How many steps are done, and may wait: tests lower them. */
export const sliceLimits = {
  /** At once, in the turn in which a message comes. */
  atOnce: 1_000,
  /** In each later slice, at most. */
  later: 256,
  /** Steps of changes of a node that wait before each change that comes does some of them first. */
  waiting: 10_000,
  /** Steps of changes of a node that may wait at all. */
  mostWaiting: 1_000_000,
};
/** A change that comes when many wait does so many times its own steps. */
const STEPS_PER_WAITING_STEP = 8;
/** How many steps may pass between two looks at the clock. */
const STEPS_PER_CLOCK_CHECK = 32;
/** What a step counts against what a process may do before others have their turn. */
const REDUCTIONS_PER_STEP = 2;

/** The kind of work: a peer has sent a snapshot or a change, or has ended, as a member can. */
export type WorkKind = 'snapshot' | 'change' | 'end';

/** The message that a scope process sends itself while work waits. */
export const GO_ON = Symbol('go on');

interface Work {
  readonly peer: RemoteScope | null;
  readonly kind: WorkKind;
  readonly steps: Steps;
  /** About how many steps it takes; counted for changes only. */
  readonly size: number;
  next: Work | null;
}

/** The work that waits for one node or member; the head may have begun. */
interface Queue {
  head: Work | null;
  tail: Work | null;
  /** The sizes of all work that waits. */
  waiting: number;
}

/** The work of a scope process. */
export class Slices {
  readonly #self: Process;
  readonly #queues = new Map<string | Member, Queue>();
  /** True while `GO_ON` is in the mailbox. */
  #asked = false;

  constructor(self: Process) {
    this.#self = self;
  }

  /**
   * Does something at once, or begins to, when nothing waits in its queue.
   * @param key the queue: the name of a node, or a member.
   * @param peer the sender. @param size about how many steps a change takes.
   * @returns false when too much waits: no work of the peer that has not begun is done then.
   */
  run(key: string | Member, peer: RemoteScope | null, kind: WorkKind, steps: Steps, size = 0): boolean {
    const work: Work = { peer, kind, steps, size, next: null };
    const waiting = this.#queues.get(key);
    if (waiting !== undefined) return this.#wait(key, waiting, work);
    const queue: Queue = { head: work, tail: work, waiting: size };
    this.#queues.set(key, queue);
    const done = this.#take(key, queue, sliceLimits.atOnce, false);
    this.#self.node.scheduler.reductions -= done * REDUCTIONS_PER_STEP;
    this.#askIfWaiting();
    return true;
  }

  #wait(key: string | Member, queue: Queue, work: Work): boolean {
    const { peer, kind, size } = work;
    if (kind === 'snapshot' && queue.head !== null) keep(queue, queue.head, peer);
    append(queue, work);
    if (queue.waiting <= sliceLimits.waiting) return true;
    if (queue.waiting > sliceLimits.mostWaiting && kind === 'change') {
      keep(queue, queue.head, peer);
      return false;
    }
    const limit = Math.min(size * STEPS_PER_WAITING_STEP, sliceLimits.atOnce);
    this.#self.node.scheduler.reductions -= this.#take(key, queue, limit, false) * REDUCTIONS_PER_STEP;
    return true;
  }

  /** Drops the work of a peer that is not done. */
  drop(peer: RemoteScope): void {
    const key = peer.pid.node;
    const queue = this.#queues.get(key);
    if (queue === undefined) return;
    keep(queue, null, peer);
    this.#dropIfEmpty(key, queue);
  }

  /** Does a slice of one queue; the queues take turns. */
  goOn(): void {
    this.#asked = false;
    const next = this.#queues.entries().next();
    if (next.done === true) return;
    const [key, queue] = next.value;
    this.#take(key, queue, sliceLimits.later, true);
    if (this.#queues.get(key) === queue) {
      this.#queues.delete(key);
      this.#queues.set(key, queue);
    }
    // Others have their turn, and the scheduler a look at the clock.
    this.#self.node.scheduler.reductions = 0;
    this.#askIfWaiting();
  }

  #take(key: string | Member, queue: Queue, limit: number, clocked: boolean): number {
    const { scheduler } = this.#self.node;
    let steps = 0;
    let unchecked = 0;
    while (queue.head !== null && steps < limit) {
      const work: Work = queue.head;
      const { done, value } = work.steps.next();
      const cost = 1 + Math.floor((value ?? 0) / PIDS_PER_COUNT);
      steps += cost;
      unchecked += cost;
      // A step may have ended the peer.
      if (done === true && queue.head === work) shift(queue);
      if (!clocked || unchecked < STEPS_PER_CLOCK_CHECK) continue;
      if (scheduler.sliceOver()) break;
      unchecked = 0;
    }
    this.#dropIfEmpty(key, queue);
    return steps;
  }

  #dropIfEmpty(key: string | Member, queue: Queue): void {
    if (queue.head === null && this.#queues.get(key) === queue) this.#queues.delete(key);
  }

  #askIfWaiting(): void {
    if (this.#asked || this.#queues.size === 0) return;
    this.#asked = true;
    this.#self.deliver(GO_ON);
  }
}

function append(queue: Queue, work: Work): void {
  if (queue.tail === null) queue.head = work;
  else queue.tail.next = work;
  queue.tail = work;
  queue.waiting += work.size;
}

function shift(queue: Queue): void {
  queue.waiting -= queue.head?.size ?? 0;
  queue.head = queue.head?.next ?? null;
  if (queue.head === null) queue.tail = null;
}

/** Drops the work of a peer, all of it or what stands behind some work; its end stays. */
function keep(queue: Queue, behind: Work | null, peer: RemoteScope | null): void {
  let work = behind === null ? queue.head : behind.next;
  if (behind === null) queue.head = null;
  else behind.next = null;
  queue.tail = behind;
  queue.waiting = behind?.size ?? 0;
  while (work !== null) {
    const { next } = work;
    work.next = null;
    if (work.peer !== peer || work.kind === 'end') append(queue, work);
    work = next;
  }
}
