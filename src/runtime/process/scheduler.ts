/**
 * The scheduler of one node.
 *
 * What can run stands once in a linked queue. A turn takes from its head, lets it run for a bounded number of
 * messages and puts it back at the tail when it has more to do; after a bounded slice of time the rest of the queue
 * waits for the next turn of the event loop, so that sockets and timers are served whatever the mailboxes hold.
 *
 * Why two ways to start a turn: a microtask is quick and lets a chain of awaits go on without a trip through the event
 * loop; but a chain of microtasks would starve the loop, so a turn that starts when the slice is over goes through
 * `setImmediate`. What resumes an awaiting function is bounded per turn for the same reason: its continuations run as
 * microtasks after the turn, before the next check of the time.
 *
 * Invariants: when the queue is not empty, exactly one turn is pending or running. A turn has no async context, whatever
 * caused it.
 */
import { hasContext, needsNoScope, withoutContext } from './async.ts';

/** Something that the scheduler runs. */
export abstract class Runnable {
  /** @internal The next in the run queue. */
  runNext: Runnable | null = null;

  /**
   * @internal Runs until it has nothing to do, its reductions are used up, or `sliceOver` says so.
   * @returns how many messages it handled.
   */
  abstract run(): number;
}

/**
 * How much a process may do before others have their turn. A message handled and a message sent are one reduction each,
 * as in OTP a sender pays too: otherwise one that sends much per message would outrun those that handle what it sends.
 */
export const REDUCTIONS_PER_RUN = 2000;
/** How many awaiting functions a turn resumes before their continuations run. */
const RESUMES_PER_TURN = 64;
/** How many messages may pass between two looks at the clock. */
export const MESSAGES_PER_CLOCK_CHECK = 32;
/** How many turns may follow each other as microtasks between two looks at the clock. */
const TURNS_PER_CLOCK_CHECK = 16;

/** Starts a microtask at a third of what `queueMicrotask` costs, which makes a resource for async hooks each time. */
const NOW = Promise.resolve();

/** Decides what runs when. */
export class Scheduler {
  readonly #sliceMs: number;
  readonly #turn = (): void => {
    if (this.#unscoped) {
      this.#unscoped = false;
      if (hasContext()) {
        withoutContext(this.#startSoon);
        return;
      }
    }
    try {
      this.#runTurn();
    } catch (error) {
      // An uncaught exception, as it is in a turn after I/O, and not a rejected promise.
      queueMicrotask(() => {
        throw error;
      });
    }
  };
  readonly #turnAfterIo = (): void => {
    this.#sliceEnd = performance.now() + this.#sliceMs;
    this.#runTurn();
  };
  readonly #startSoon = (): void => void NOW.then(this.#turn);
  readonly #startAfterIo = (): void => void setImmediate(this.#turnAfterIo);
  #head: Runnable | null = null;
  #tail: Runnable | null = null;
  #pending = false;
  /** True when the pending turn was started as a microtask without entering the scope that has no context. */
  #unscoped = false;
  #sliceEnd = 0;
  #turnsUnchecked = 0;
  #turns = 0;
  #handled = 0;
  #resumed = 0;
  /** @internal What is left to the process that runs; below 0 when its last handler did more. */
  reductions = 0;
  /** @internal What runs now; null between turns and in continuations of async functions. */
  current: Runnable | null = null;

  /** @param sliceMs how long processes may run before the event loop has its turn. */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Puts something that is not in the queue at its tail. */
  enqueue(item: Runnable): void {
    if (this.#tail === null) {
      this.#head = item;
      this.#tail = item;
      if (!this.#pending) this.#start();
    } else {
      this.#tail.runNext = item;
      this.#tail = item;
    }
  }

  /** How many turns the queue has had. */
  get turns(): number {
    return this.#turns;
  }

  /** How many messages were handled. */
  get handled(): number {
    return this.#handled;
  }

  /** How much stands in the queue; walks it. */
  get length(): number {
    let count = 0;
    for (let item = this.#head; item !== null; item = item.runNext) count++;
    return count;
  }

  /** Call it when a run resumes an awaiting function, which then goes on in a microtask. */
  resumes(): void {
    this.#resumed++;
  }

  /** True while nothing is in the queue. */
  get idle(): boolean {
    return !this.#pending;
  }

  /** True when it is the event loop's turn; looks at the clock. */
  sliceOver(): boolean {
    return performance.now() >= this.#sliceEnd;
  }

  /** @internal Runs what has its turn. A property of this object hides it while the node is measured. */
  runItem(item: Runnable): number {
    return item.run();
  }

  #start(): void {
    this.#pending = true;
    if (++this.#turnsUnchecked < TURNS_PER_CLOCK_CHECK) {
      this.#unscoped = needsNoScope();
      if (this.#unscoped) this.#startSoon();
      else withoutContext(this.#startSoon);
      return;
    }
    this.#turnsUnchecked = 0;
    withoutContext(this.sliceOver() ? this.#startAfterIo : this.#startSoon);
  }

  #runTurn(): void {
    let finished = false;
    this.#turns++;
    try {
      this.#runQueue();
      finished = true;
    } finally {
      // What a subscriber of an event or a carrier threw is on its way to become an uncaught exception; a program that
      // survives it must find the scheduler working.
      if (!finished) {
        this.current = null;
        withoutContext(this.#startAfterIo);
      }
    }
  }

  #runQueue(): void {
    this.#resumed = 0;
    let unchecked = 0;
    let item = this.#head;
    while (item !== null) {
      const next: Runnable | null = item.runNext;
      this.#head = next;
      if (next === null) this.#tail = null;
      item.runNext = null;
      this.current = item;
      const handled = this.runItem(item);
      this.#handled += handled;
      unchecked += 1 + handled;
      item = this.#head;
      if (unchecked >= MESSAGES_PER_CLOCK_CHECK) {
        unchecked = 0;
        if (item !== null && this.sliceOver()) {
          this.current = null;
          withoutContext(this.#startAfterIo);
          return;
        }
      }
      if (this.#resumed >= RESUMES_PER_TURN && item !== null) {
        this.current = null;
        this.#start();
        return;
      }
    }
    this.current = null;
    this.#pending = false;
  }
}
