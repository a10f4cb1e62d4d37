/**
 * Where a node takes its time from.
 *
 * Every wait of the runtime (timers, timeouts of calls and receives, restart periods) goes through the node's clock,
 * so that a test can put in one that it steps by hand (`troupe/testing`). The scheduler's time slice does not: it
 * protects the real event loop.
 */

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
