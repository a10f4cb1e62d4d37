/**
 * What peers have told, taken in slices: a snapshot of very many groups, or the end of who told of them, must not stop the event
 * loop.
 *
 * What a node tells is done in the order in which it came, whichever scope process of the node it is about; what is small is
 * done at once, unless something waits before it. What is longer goes on in later runs of the scope process, a slice each, in
 * turns with that of other nodes; other messages, local changes and reads come in between. A step leaves the tables whole.
 *
 * Limits: a snapshot takes the place of all that its peer has told and that has not begun, so that at most two of a peer
 * wait; and while anything waits the node is not idle, so that connections read in slices, too.
 */
import type { Process } from '../process/process.ts';
import type { RemoteScope } from './group.ts';

/**
 * Something to do in steps. A step costs about what it costs to put one member into one group; one that was about many pids
 * says how many, and counts more.
 */
export type Steps = Iterator<number, void>;

/** So many pids of one group cost about as much as another group does. */
const PIDS_PER_COUNT = 16;

/** How many steps are done: tests lower them. */
export const sliceSteps = {
  /** At once, in the turn in which a message comes. */
  atOnce: 1_000,
  /** In each later slice, at most. */
  later: 256,
};
/** How many steps may pass between two looks at the clock. */
const STEPS_PER_CLOCK_CHECK = 32;
/** What a step counts against what a process may do before others have their turn. */
const REDUCTIONS_PER_STEP = 2;

/** What is done: a peer has sent a snapshot or a change, or is gone. */
export type WorkKind = 'snapshot' | 'change' | 'end';

/** The message that a scope process sends to itself while something waits. */
export const GO_ON = Symbol('go on');

interface Work {
  readonly peer: RemoteScope;
  readonly kind: WorkKind;
  readonly steps: Steps;
  next: Work | null;
}

/** What one node has told; the head may have begun. */
interface Queue {
  head: Work | null;
  tail: Work | null;
}

/** What is to be done because of other nodes. */
export class Slices {
  readonly #self: Process;
  readonly #queues = new Map<string, Queue>();
  /** True while `GO_ON` is in the mailbox. */
  #asked = false;

  constructor(self: Process) {
    this.#self = self;
  }

  /** Does something at once, or begins to, when nothing of the node of the peer waits. */
  run(peer: RemoteScope, kind: WorkKind, steps: Steps): void {
    const { node } = peer.pid;
    const work: Work = { peer, kind, steps, next: null };
    const waiting = this.#queues.get(node);
    if (waiting !== undefined) {
      if (kind === 'snapshot' && waiting.head !== null) keep(waiting, waiting.head, peer);
      append(waiting, work);
      return;
    }
    const queue: Queue = { head: work, tail: work };
    this.#queues.set(node, queue);
    const done = this.#take(node, queue, sliceSteps.atOnce, false);
    this.#self.node.scheduler.reductions -= done * REDUCTIONS_PER_STEP;
    this.#askIfWaiting();
  }

  /** Forgets what a peer has told and what was not done yet. */
  drop(peer: RemoteScope): void {
    const queue = this.#queues.get(peer.pid.node);
    if (queue === undefined) return;
    keep(queue, null, peer);
    this.#dropIfEmpty(peer.pid.node, queue);
  }

  /** Does a slice of what waits of one node, each in its turn. */
  goOn(): void {
    this.#asked = false;
    const next = this.#queues.entries().next();
    if (next.done === true) return;
    const [node, queue] = next.value;
    this.#take(node, queue, sliceSteps.later, true);
    if (this.#queues.get(node) === queue) {
      this.#queues.delete(node);
      this.#queues.set(node, queue);
    }
    // Others have their turn, and the scheduler a look at the clock.
    this.#self.node.scheduler.reductions = 0;
    this.#askIfWaiting();
  }

  #take(node: string, queue: Queue, limit: number, clocked: boolean): number {
    const { scheduler } = this.#self.node;
    let steps = 0;
    let unchecked = 0;
    while (queue.head !== null && steps < limit) {
      const work: Work = queue.head;
      const { done, value } = work.steps.next();
      const cost = 1 + Math.floor((value ?? 0) / PIDS_PER_COUNT);
      steps += cost;
      unchecked += cost;
      // A step may have ended the peer, by what it told.
      if (done === true && queue.head === work) shift(queue);
      if (!clocked || unchecked < STEPS_PER_CLOCK_CHECK) continue;
      if (scheduler.sliceOver()) break;
      unchecked = 0;
    }
    this.#dropIfEmpty(node, queue);
    return steps;
  }

  #dropIfEmpty(node: string, queue: Queue): void {
    if (queue.head === null && this.#queues.get(node) === queue) this.#queues.delete(node);
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
}

function shift(queue: Queue): void {
  queue.head = queue.head?.next ?? null;
  if (queue.head === null) queue.tail = null;
}

/** Leaves out what a peer has told, behind some work or all of it; that a peer is gone stays. */
function keep(queue: Queue, behind: Work | null, peer: RemoteScope): void {
  let work = behind === null ? queue.head : behind.next;
  if (behind === null) queue.head = null;
  else behind.next = null;
  queue.tail = behind;
  while (work !== null) {
    const { next } = work;
    work.next = null;
    if (work.peer !== peer || work.kind === 'end') append(queue, work);
    work = next;
  }
}
