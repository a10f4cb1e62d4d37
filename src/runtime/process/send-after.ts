/** Messages that are sent later. See `erlang:send_after/3`, `erlang:cancel_timer/1`. */
import type { Destination, Node } from './node.ts';
import { telemetry } from '../telemetry.ts';
import { Pid } from './pid.ts';
import { TimerEntry } from './timers.ts';

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

  /**
   * Cancels it.
   * @returns the milliseconds that were left, or false when it has fired or was cancelled already; a message that it has
   * sent is not taken back.
   */
  cancel(): number | false {
    const leftMs = this.left();
    this.#node.timers.drop(this);
    return leftMs;
  }

  /** The milliseconds that are left, or false when it is not active. See `erlang:read_timer/1`. */
  left(): number | false {
    return this.timerQueue === null || this.#isLost() ? false : this.#node.timers.left(this);
  }

  /** True when the message is for a process of this node that has ended, which in OTP cancels the timer. */
  #isLost(): boolean {
    const to = this.#to;
    const pid = to instanceof Pid ? to : typeof to === 'object' && 'pid' in to ? to.pid : undefined;
    return pid !== undefined && this.#node.isLocal(pid) && this.#node.find(pid) === null;
  }

  override expired(): void {
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
