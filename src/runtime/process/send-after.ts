/**
 * Messages that are sent later. One for a process of this node ends with that process, so that a timer of hours keeps
 * neither its message nor the event loop. See `erlang:send_after/3`, `erlang:cancel_timer/1`.
 */
import type { Destination, Node } from './node.ts';
import { telemetry } from '../telemetry.ts';
import { addWatch, removeWatch, type Watch } from './monitor.ts';
import { Pid } from '../terms/pid.ts';
import type { Process } from './process.ts';
import { TimerEntry } from './timers.ts';

const undeliverable = telemetry('troupe:message:undeliverable');

/** A message that waits for its time. */
export class TimerRef extends TimerEntry implements Watch {
  readonly #node: Node;
  readonly #to: Destination;
  readonly #message: unknown;
  /** @internal */ watched: Process | null = null;
  /** @internal */ watchPrev: Watch | null = null;
  /** @internal */ watchNext: Watch | null = null;

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
    const pid = to instanceof Pid ? to : typeof to === 'object' && 'pid' in to ? to.pid : undefined;
    if (pid !== undefined && this.#node.isLocal(pid)) {
      const process = this.#node.find(pid);
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
  targetExited(): void {
    this.#node.timers.drop(this);
  }

  override expired(): void {
    removeWatch(this);
    // A name that nobody has any more is no error here: erlang:send_after/3 drops the message.
    if (typeof this.#to === 'string' && this.#node.whereis(this.#to) === undefined) return;
    try {
      this.#node.send(this.#to, this.#message);
    } catch (error) {
      // Nobody is there to throw at: what sent it has gone on long ago.
      undeliverable.publish({ from: this.#node.initPid, to: this.#to, message: this.#message, error });
    }
  }
}
