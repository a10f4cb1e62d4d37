/**
 * Time: the clock that a node takes it from, its timers, and messages that are sent later.
 *
 * Every wait of the runtime (timers, timeouts of calls and receives, restart periods) goes through the node's clock, so that
 * a test can substitute one that it steps by hand (`troupe/testing`). The scheduler's time slice does not: it protects the
 * real event loop.
 *
 * Timers of equal length stand in one queue in the order they were started, which is the order they expire in, and each
 * queue has one timer of the clock armed for its head. Starting and cancelling are O(1) and allocate nothing but the entry,
 * which matters since every call starts one and nearly none expires.
 *
 * Invariants: an entry stands in its queue exactly while it is active; a queue without entries lets the event loop end. The
 * queues do not know what an expired entry does: that is the entry's `expired`.
 */
import type { ExitReason } from '../terms/reasons.ts';
import { badArgument } from '../errors.ts';
import { withoutContext } from './async.ts';
import type { Node } from './node.ts';
import { type Destination, locate } from './destination.ts';
import { telemetry } from '../telemetry.ts';
import { Watcher, addWatch, removeWatch } from './monitor.ts';
import { Pid } from '../terms/identifiers.ts';

/** A timer that was armed, to be given back to `clear`. */
export interface ClockTimer {
  /** Keeps the operating system process alive while armed; the default. */
  ref(): void;
  /** Lets the operating system process end although armed. */
  unref(): void;
}

/** What a clock gets to know of a node that takes its time from it. */
export interface ClockUser {
  /** True while nothing is in the run queue. */
  readonly idle: boolean;
  /** How many turns the run queue has had. */
  readonly turns: number;
}

/** A source of time, in milliseconds. */
export interface Clock {
  /** Monotonic time in milliseconds, with fractions. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970. */
  wallTime(): number;
  /** Calls `run` once after at least `delayMs`. */
  set(delayMs: number, run: () => void): ClockTimer;
  /** Disarms a timer; no effect when it has fired. */
  clear(timer: ClockTimer): void;
  /** Called once by each node that takes its time from here; for a clock that waits for its nodes to come to rest. */
  attach?(user: ClockUser): void;
}

/** The clock of the operating system. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  set: (delayMs, run) => setTimeout(run, delayMs),
  clear: (timer) => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};

/** How old the answer of {@link coarseNow} can be, in milliseconds, while the event loop is not held up. */
const COARSE_MS = 100;
/** How many looks at the clock follow one that was asked for. */
const COARSE_LOOKS = 10;
/** Below 0 while no code reads the clock. */
let coarseMs = -1;
let looksLeft = 0;
const lookLater = (): void => void setTimeout(look, COARSE_MS).unref();

function look(): void {
  coarseMs = looksLeft-- > 0 ? Math.trunc(performance.now()) : -1;
  if (coarseMs >= 0) withoutContext(lookLater);
}

function beginLooking(): number {
  looksLeft = COARSE_LOOKS;
  look();
  return coarseMs;
}

/**
 * @internal The time by `performance.now()` in whole milliseconds, for the price of reading a variable: a look at the clock costs some
 * 50 ns, as much as a turn. A timer of the real event loop looks every {@link COARSE_MS}, for a second after it was asked while it did not;
 * so the answer is too low by at most that, and by what the event loop has been held up.
 */
export function coarseNow(): number {
  return coarseMs < 0 ? beginLooking() : coarseMs;
}

// ---- timers ----

/** The longest timer, as of `erlang:send_after/3`: 2^32-1 ms. */
export const MAX_TIMER_MS = 0xffff_ffff;
/** The longest wait a Node.js timer can hold; longer ones are waited for in parts. */
const MAX_ARM_MS = 0x7fff_ffff;
/** As many queues may stand empty until the timers of the clock expire that they have armed. */
const QUEUES_MIN = 64;

/**
 * Something that can wait in a timer queue, and for the end of a process; extend it to allocate nothing else. Most timers
 * belong to a process and end with it.
 */
export abstract class TimerEntry extends Watcher {
  /** @internal */ declare timerPrev: TimerEntry | null;
  /** @internal */ declare timerNext: TimerEntry | null;
  /** @internal The queue it waits in, or null when it is not active. */
  declare timerQueue: TimerQueue | null;
  /** @internal When it expires, by the node's clock. */
  declare dueMs: number;

  constructor() {
    super();
    this.timerPrev = null;
    this.timerNext = null;
    this.timerQueue = null;
    this.dueMs = 0;
  }

  /** @internal Called once when the time is over, outside of any process. */
  abstract expired(): void;

  /** @internal Overridden by those that watch a process. */
  override targetExited(_reason: ExitReason): void {}
}

/** The timers of one length. */
class TimerQueue {
  readonly lengthMs: number;
  head: TimerEntry | null = null;
  tail: TimerEntry | null = null;
  size = 0;
  armed: ClockTimer | null = null;
  /** True when it may soon let the event loop end. */
  releasing = false;

  constructor(lengthMs: number) {
    this.lengthMs = lengthMs;
  }
}

/** All timers of a node. */
export class Timers {
  readonly #clock: Clock;
  readonly #queues = new Map<number, TimerQueue>();
  /** The number of queues at which the empty ones are looked for. */
  #sweepAt = QUEUES_MIN;
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts an entry that is not active. @param lengthMs whole milliseconds, 0 to {@link MAX_TIMER_MS}. */
  start(entry: TimerEntry, lengthMs: number): void {
    if (this.#stopped) return;
    let queue = this.#queues.get(lengthMs);
    if (queue === undefined) {
      if (this.#queues.size >= this.#sweepAt) this.#sweep();
      queue = new TimerQueue(lengthMs);
      this.#queues.set(lengthMs, queue);
    }
    entry.dueMs = this.#clock.now() + lengthMs;
    entry.timerQueue = queue;
    entry.timerPrev = queue.tail;
    if (queue.tail === null) {
      queue.head = entry;
      if (queue.armed === null) this.#arm(queue, lengthMs);
      else queue.armed.ref();
    } else {
      queue.tail.timerNext = entry;
    }
    queue.tail = entry;
    queue.size++;
  }

  /** Cancels an entry. @returns the milliseconds that were left, or undefined when it was not active. */
  cancel(entry: TimerEntry): number | undefined {
    if (entry.timerQueue === null) return undefined;
    this.drop(entry);
    return this.left(entry);
  }

  /** Cancels an entry without asking what was left; no effect when it is not active. */
  drop(entry: TimerEntry): void {
    const queue = entry.timerQueue;
    if (queue === null) return;
    this.#unlink(queue, entry);
    if (queue.head === null) this.#release(queue);
  }

  /** Milliseconds until an entry expires, 0 when it is late. */
  left(entry: TimerEntry): number {
    return Math.max(0, Math.ceil(entry.dueMs - this.#clock.now()));
  }

  /** Cancels all timers and starts no more. */
  stop(): void {
    this.#stopped = true;
    for (const queue of this.#queues.values()) {
      if (queue.armed !== null) this.#clock.clear(queue.armed);
      while (queue.head !== null) this.#unlink(queue, queue.head);
    }
    this.#queues.clear();
  }

  /** Removes the empty queues. They are looked at only when their number may have doubled, so that it costs O(1) for each. */
  #sweep(): void {
    for (const queue of this.#queues.values()) {
      if (queue.head !== null || queue.armed === null) continue;
      // Node.js keeps the list of a timer that is cleared while it does not hold the event loop.
      queue.armed.ref();
      this.#clock.clear(queue.armed);
      queue.armed = null;
      this.#queues.delete(queue.lengthMs);
    }
    this.#sweepAt = Math.max(QUEUES_MIN, this.#queues.size * 2);
  }

  /**
   * Lets the event loop end although a queue is armed for the next timer of its length. With the system's clock not at
   * once: calls start and end a timer each, and most often the next one comes within the same turn of the loop.
   */
  #release(queue: TimerQueue): void {
    if (this.#clock !== systemClock) {
      queue.armed?.unref();
      return;
    }
    if (queue.releasing) return;
    queue.releasing = true;
    setImmediate(() => {
      queue.releasing = false;
      if (queue.head === null) queue.armed?.unref();
    });
  }

  #unlink(queue: TimerQueue, entry: TimerEntry): void {
    const { timerPrev, timerNext } = entry;
    if (timerPrev === null) queue.head = timerNext;
    else timerPrev.timerNext = timerNext;
    if (timerNext === null) queue.tail = timerPrev;
    else timerNext.timerPrev = timerPrev;
    entry.timerPrev = null;
    entry.timerNext = null;
    entry.timerQueue = null;
    queue.size--;
  }

  #arm(queue: TimerQueue, delayMs: number): void {
    // The code that starts the first timer of a length must not lend its context to those that follow, nor keep it alive.
    queue.armed = withoutContext(() =>
      this.#clock.set(Math.min(delayMs, MAX_ARM_MS), () => {
        this.#fire(queue);
      }),
    );
  }

  #fire(queue: TimerQueue): void {
    queue.armed = null;
    const now = this.#clock.now();
    try {
      // What `expired` starts waits for the next turn, or a timer of 0 ms that restarts itself would hold the loop.
      for (let count = queue.size; count > 0; count--) {
        const entry = queue.head;
        if (entry === null || entry.dueMs > now) break;
        this.#unlink(queue, entry);
        entry.expired();
      }
    } finally {
      if (!this.#stopped && queue.armed === null) {
        if (queue.head === null) this.#queues.delete(queue.lengthMs);
        else this.#arm(queue, Math.max(1, Math.ceil(queue.head.dueMs - now)));
      }
    }
  }
}

/** Checks a timer length given by a user and rounds it up to whole milliseconds. */
export function timerLength(lengthMs: number): number {
  const length = Math.ceil(lengthMs);
  if (!(length >= 0 && length <= MAX_TIMER_MS)) {
    throw badArgument(`A time must be 0 to ${MAX_TIMER_MS} milliseconds, not ${String(lengthMs)}.`);
  }
  return length;
}

// ---- messages that are sent later ----

const undeliverable = telemetry('troupe:message:undeliverable');

/** A message that waits for its time. */
export class TimerRef extends TimerEntry {
  readonly #node: Node;
  readonly #to: Destination;
  readonly #message: unknown;

  /** @internal Use `sendAfter`. */
  constructor(node: Node, to: Destination, message: unknown) {
    super();
    this.#node = node;
    this.#to = to;
    this.#message = message;
  }

  /** @internal Starts it, unless it is for a process of this node that is not alive. */
  start(lengthMs: number): void {
    const to = this.#to;
    const { node, target, process } = locate(this.#node, to);
    if (node === null && target instanceof Pid) {
      if (process === null) return;
      addWatch(process, this);
    }
    this.#node.timers.start(this, lengthMs);
  }

  /**
   * Cancels it.
   * @returns the milliseconds that were left, or false when it has fired or was cancelled already, or when the process that
   * it was for has ended; a message that it has sent is not taken back.
   */
  cancel(): number | false {
    const leftMs = this.left();
    removeWatch(this);
    this.#node.timers.drop(this);
    return leftMs;
  }

  /** The milliseconds that are left, or false when it is not active. See `erlang:read_timer/1`. */
  left(): number | false {
    return this.timerQueue === null ? false : this.#node.timers.left(this);
  }

  /** @internal */
  override targetExited(): void {
    this.#node.timers.drop(this);
  }

  override expired(): void {
    removeWatch(this);
    // A name that is no longer registered is not an error here: erlang:send_after/3 drops the message.
    if (typeof this.#to === 'string' && this.#node.whereis(this.#to) === undefined) return;
    try {
      this.#node.send(this.#to, this.#message);
    } catch (error) {
      // There is no caller to throw at: the sender went on long ago.
      undeliverable.publish({ from: this.#node.initPid, to: this.#to, message: this.#message, error });
    }
  }
}
