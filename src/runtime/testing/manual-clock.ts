/**
 * A clock that stands still until a test advances it.
 *
 * Everything in a node that waits for a time (`sendAfter`, `after` of receive, timeouts of calls, restart periods) waits for
 * this clock, so a test of an hour takes no time and always goes the same way. Several nodes may share one.
 *
 * It does not hold back the event loop: what processes do without a timer goes on meanwhile.
 */
import { TroupeError, checkOptionNames, badArgument } from '../errors.ts';
import type { Clock, ClockTimer, ClockUser } from '../process/timers.ts';
import { type WaitOptions, checkWithin, timeoutError, untilQuiet } from './wait.ts';

/** How many timers may fire one after another without the time going on: a timer of 0 ms that restarts itself. */
const FIRINGS_PER_INSTANT_MAX = 10_000;

/** Options of {@link createManualClock}. */
export interface ManualClockOptions {
  /** Wall-clock time at the start, in milliseconds since 1970. Default: 2025-01-01T00:00:00Z. */
  readonly wallTimeMs?: number;
}

/** A timer that waits. */
class ManualTimer implements ClockTimer {
  readonly dueMs: number;
  readonly run: () => void;
  /** False while nothing waits for it: a node keeps the timer of cancelled ones armed for a while. */
  wanted = true;

  constructor(dueMs: number, run: () => void) {
    this.dueMs = dueMs;
    this.run = run;
  }

  ref(): void {
    this.wanted = true;
  }

  unref(): void {
    this.wanted = false;
  }
}

/** A clock for tests; make one with {@link createManualClock} and give it to `createNode`. */
export class ManualClock implements Clock {
  readonly #wallTimeMs: number;
  readonly #users: ClockUser[] = [];
  /** In the order in which they fire. */
  readonly #timers: ManualTimer[] = [];
  #now = 0;
  #last: Promise<void> = Promise.resolve();

  /** @internal Use {@link createManualClock}. */
  constructor(options: ManualClockOptions) {
    checkOptionNames('createManualClock', options, { wallTimeMs: true });
    this.#wallTimeMs = options.wallTimeMs ?? Date.UTC(2025, 0, 1);
  }

  /** Milliseconds that the clock has been advanced by. */
  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#wallTimeMs + this.#now;
  }

  set(delayMs: number, run: () => void): ClockTimer {
    const timer = new ManualTimer(this.#now + Math.max(0, delayMs), run);
    const index = this.#timers.findIndex(({ dueMs }) => dueMs > timer.dueMs);
    if (index === -1) this.#timers.push(timer);
    else this.#timers.splice(index, 0, timer);
    return timer;
  }

  clear(timer: ClockTimer): void {
    const index = this.#timers.indexOf(timer as ManualTimer);
    if (index !== -1) this.#timers.splice(index, 1);
  }

  attach(user: ClockUser): void {
    this.#users.push(user);
  }

  /** How many timers of the clock something waits for. A node arms one for all of its timers of equal length. */
  get pending(): number {
    return this.#timers.filter(({ wanted }) => wanted).length;
  }

  /** Milliseconds until the next of them fires, or undefined when there is none. */
  get nextInMs(): number | undefined {
    const next = this.#timers.find(({ wanted }) => wanted);
    return next === undefined ? undefined : next.dueMs - this.#now;
  }

  /**
   * Moves the time on. The timers that are due on the way fire in the order of their times, and those of one time in the
   * order they were armed; before each of them, and at the end, the processes of the clock's nodes run until none has
   * anything to do. What they wait for outside of the nodes, such as a file, is not waited for.
   * @throws TroupeError as a rejection: TROUPE_BAD_ARGUMENT; TROUPE_TEST_TIMEOUT when the nodes do not come to rest, or
   * timers fire again and again without the time going on.
   */
  advance(ms: number, options?: WaitOptions): Promise<void> {
    // Steps follow one another, whether or not the test awaits each.
    const step = this.#last.then(() => this.#advance(ms, checkWithin(options)));
    this.#last = step.catch(() => undefined);
    return step;
  }

  async #advance(ms: number, withinMs: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) {
      throw badArgument(`The time cannot be advanced by ${String(ms)} ms.`);
    }
    const targetMs = this.#now + ms;
    const giveUpAt = performance.now() + withinMs;
    let firings = 0;
    for (;;) {
      await this.#rest(withinMs, giveUpAt);
      const next = this.#timers[0];
      if (next === undefined || next.dueMs > targetMs) break;
      firings = next.dueMs > this.#now ? 1 : firings + 1;
      if (firings > FIRINGS_PER_INSTANT_MAX) {
        throw new TroupeError('TROUPE_TEST_TIMEOUT', `At ${this.#now} ms timers fire again and again.`);
      }
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.dueMs);
      next.run();
    }
    this.#now = targetMs;
  }

  async #rest(withinMs: number, giveUpAt: number): Promise<void> {
    const rests = await untilQuiet(this.#users, () => true, giveUpAt);
    if (!rests)
      throw timeoutError(withinMs, `the nodes had not come to rest at ${this.#now} ms of the clock`);
  }
}

/**
 * Makes a clock that moves only when a test moves it.
 * @example
 * const clock = createManualClock();
 * const node = createNode({ clock });
 * node.sendAfter(60_000, pid, 'tick');
 * await clock.advance(60_000);
 */
export function createManualClock(options: ManualClockOptions = {}): ManualClock {
  return new ManualClock(options);
}
