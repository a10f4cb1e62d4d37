/** A timer of the node that calls a function. */
import type { Timers } from '../process/timers.ts';
import { TimerEntry } from '../process/timers.ts';

/** Calls a function once after a time, unless it is put off or cancelled before. */
export class Alarm extends TimerEntry {
  readonly #timers: Timers;
  readonly #run: () => void;

  constructor(timers: Timers, run: () => void) {
    super();
    this.#timers = timers;
    this.#run = run;
  }

  /** Starts it, or starts it anew. @param timeMs `Infinity` for never. */
  start(timeMs: number): void {
    this.#timers.drop(this);
    if (timeMs !== Infinity) this.#timers.start(this, Math.ceil(timeMs));
  }

  cancel(): void {
    this.#timers.drop(this);
  }

  override expired(): void {
    this.#run();
  }
}
