/**
 * What keeps connections alive and the event loop awake, without frames or sockets. Its timers keep no program running.
 *
 * Ticks are empty frames that say "I am here" where nothing else is sent. As with `net_ticktime` of `kernel`, four checks make
 * up the time: at each, a tick goes out unless something was written since the one before; after four at which nothing had
 * been read, the peer counts as gone. So an idle peer is detected after 0.75 to 1.25 of the time, as in OTP.
 *
 * What counts is the checks and not their time: when the event loop was blocked, several checks that were due are one. Before
 * the verdict the event loop reads once more, since a check may run before what arrived in the meantime was read.
 */

/** How many checks make up the time. */
const CHECKS = 4;

/** A connection that is kept alive. */
export interface Ticked {
  /** Changes whenever something is read. */
  readonly readCount: number;
  /** Changes whenever something is written. */
  readonly writeCount: number;
  /** True while reading is paused because earlier input is still being processed. */
  readonly working: boolean;
  sendTick(): void;
  /** Nothing arrived in time. */
  silent(): void;
}

/** Keeps a connection alive, and detects when the other side is gone. */
export class Ticks {
  readonly #subject: Ticked;
  readonly #timer: NodeJS.Timeout;
  #immediate: NodeJS.Immediate | undefined = undefined;
  /** The write count after the last check, and before it. */
  #written: number;
  #writtenBefore: number;
  #read: number;
  #silentChecks = 0;

  /** @param timeMs after how much silence, roughly, a peer counts as gone. */
  constructor(subject: Ticked, timeMs: number) {
    this.#subject = subject;
    this.#written = subject.writeCount;
    this.#writtenBefore = subject.writeCount;
    this.#read = subject.readCount;
    this.#timer = setInterval(() => this.check(), Math.max(1, Math.floor(timeMs / CHECKS)));
    this.#timer.unref();
  }

  /**
   * A tick has arrived. It is answered, as a BEAM node expects of a hidden one, unless something was written since the last check
   * began: two nodes that answer every tick would never stop.
   */
  received(): void {
    if (this.#subject.writeCount === this.#writtenBefore) this.#subject.sendTick();
  }

  /** One check, as the timer makes it. */
  check(): void {
    const subject = this.#subject;
    this.#writtenBefore = subject.writeCount;
    if (subject.writeCount === this.#written) subject.sendTick();
    this.#written = subject.writeCount;
    if (subject.readCount !== this.#read || subject.working) {
      this.#read = subject.readCount;
      this.#silentChecks = 0;
      return;
    }
    if (++this.#silentChecks < CHECKS || this.#immediate !== undefined) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      if (subject.readCount === this.#read) subject.silent();
    });
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }
}

/**
 * Keeps the event loop awake for a moment after something has arrived: an answer to what this node sends then often follows at once,
 * and a processor that sleeps takes longer to wake than the message takes to arrive. `erl +sbwt` does the same.
 *
 * It costs processor time that would otherwise be idle, and delays nothing: every turn of the event loop does all its work.
 */
export class BusyWait {
  readonly #lengthMs: number;
  #until = 0;
  #waiting = false;

  readonly #turn = (): void => {
    if (performance.now() < this.#until) setImmediate(this.#turn);
    else this.#waiting = false;
  };

  /** @param lengthMs how long it waits after the last arrival; 0 for not at all. */
  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  /** Something has arrived. */
  begin(): void {
    if (this.#lengthMs === 0) return;
    this.#until = performance.now() + this.#lengthMs;
    if (this.#waiting) return;
    this.#waiting = true;
    setImmediate(this.#turn);
  }
}
