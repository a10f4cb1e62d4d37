/**
 * What a server's process keeps besides its mailbox: the state of the definition, the timeout that waits, and the message
 * at hand. It decides nothing; see `server-process.ts`.
 */
import { type ExitReason, KEPT } from '../process/messages.ts';
import { addWatch, type Watch } from '../process/monitor.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { TimerEntry } from '../process/timers.ts';
import type { Request } from './call.ts';
import { endServer } from './server-end.ts';
import type { CallHandler, CastHandler, InfoHandler } from './server-types.ts';
import type { SystemTarget } from './system.ts';

/** @internal The callbacks of a definition, checked, and in the form in which they are looked up. */
export interface Callbacks {
  readonly name: string;
  readonly init: (self: Process, ...args: readonly unknown[]) => unknown;
  /** Maps, so that no name finds what an object inherits. */
  readonly calls: ReadonlyMap<string, CallHandler<unknown>>;
  readonly casts: ReadonlyMap<string, CastHandler<unknown>>;
  readonly infos: readonly InfoHandler<unknown>[];
  readonly continue: ((state: unknown, argument: unknown, self: Process) => unknown) | undefined;
  readonly terminate: ((state: unknown, reason: ExitReason, self: Process) => unknown) | undefined;
}

/** @internal The state of a server's process. */
export class Server implements SystemTarget {
  readonly callbacks: Callbacks;
  readonly self: Process;
  readonly parent: Pid | null;
  /** What the callbacks get. */
  state: unknown;
  /** The length of the timeout that waits; `Infinity` when none does. */
  timeoutMs = Infinity;
  /** Made for the first timeout. In the mailbox it is the message that the time is over. */
  timer: ServerTimer | null = null;
  /** The call to be replied to by what its handler returned; set only while that is worked off. */
  request: Request | null = null;
  /** The message that is worked off, for the report of a server that ends. */
  lastMessage: unknown = undefined;
  /** True from the call of `terminate` on. */
  ending = false;

  constructor(callbacks: Callbacks, self: Process, parent: Pid | null, state: unknown) {
    this.callbacks = callbacks;
    this.self = self;
    this.parent = parent;
    this.state = state;
  }

  get behaviour(): string {
    return 'server';
  }

  getState(): unknown {
    return this.state;
  }

  replaceState(state: unknown): void {
    this.state = state;
  }

  details(): Readonly<Record<string, unknown>> {
    return { definition: this.callbacks.name };
  }

  terminate(_self: Process, reason: ExitReason): Promise<void> {
    return endServer(this, reason);
  }

  /** Waits for a message for so long. As in OTP a message that is there already wins, whatever the time. */
  startTimeout(timeoutMs: number): void {
    if (timeoutMs === Infinity) return;
    this.timeoutMs = timeoutMs;
    this.timer ??= new ServerTimer(this.self);
    if (timeoutMs === 0) this.timer.expired();
    else this.self.node.timers.start(this.timer, timeoutMs);
  }

  /** Ends the timeout that waits, since a message came. */
  endTimeout(): void {
    this.timeoutMs = Infinity;
    this.self.node.timers.drop(this.timer as ServerTimer);
  }
}

/** The timeout of a server. It watches its own process, so that a timer of hours does not outlive it. */
class ServerTimer extends TimerEntry implements Watch {
  readonly #self: Process;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;

  constructor(self: Process) {
    super();
    this.#self = self;
    addWatch(self, this);
  }

  override expired(): void {
    // What is in the mailbox came in time.
    if (this.#self.mailboxLength === 0) this.#self.deliverSignal(this);
  }

  targetExited(): void {
    this.#self.node.timers.drop(this);
  }

  get [KEPT](): boolean {
    return true;
  }
}
