/**
 * Messages that the runtime itself puts into mailboxes, and the errors that carry exit reasons.
 *
 * Each message is a small class with read-only fields, which have the names of OTP's tuples; tell them apart with
 * `instanceof`. What an exit reason is stands in `terms/reasons.ts`.
 */
import { type Formatter, TEXT } from '../terms/format.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import { type ExitReason, formatReason, isSound, soundReason } from '../terms/reasons.ts';

export { type ExitReason, formatReason, isCleanExit, isShutdown } from '../terms/reasons.ts';

/** What a monitor was set on: a pid, or a registered name with its node. */
export type MonitorTarget = Pid | { readonly name: string; readonly node: string };

/** @internal Marks a message of the runtime itself, which no bound of a mailbox drops: where its value is true. */
export const KEPT: unique symbol = Symbol('kept');

/** @internal Marks a message for many, of which each handles what concerns it: one that handlers leave is nothing to be warned of. */
export const FOR_MANY: unique symbol = Symbol('forMany');

/** `{'EXIT', From, Reason}`: an exit signal that reached a process which traps exits. */
export class Exit {
  readonly from: Pid;
  readonly reason: ExitReason;

  constructor(from: Pid, reason: ExitReason) {
    this.from = from;
    this.reason = reason;
  }

  /** @internal */
  get [KEPT](): boolean {
    return true;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('EXIT', [this.from, this.reason], depth);
  }
}

/** `{'DOWN', Ref, process, Pid, Reason}`: a monitored process ended, or was not there. */
export class Down {
  readonly ref: Ref;
  /** What was monitored: the pid, or the name and node when it was monitored by name. */
  readonly target: MonitorTarget;
  readonly reason: ExitReason;

  constructor(ref: Ref, target: MonitorTarget, reason: ExitReason) {
    this.ref = ref;
    this.target = target;
    this.reason = reason;
  }

  /** @internal */
  get [KEPT](): boolean {
    return true;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('DOWN', [this.ref, this.target, this.reason], depth);
  }
}

/** `{nodeup, Node}`, sent to processes that asked with `monitorNodes`. See `net_kernel:monitor_nodes/1`. */
export class NodeUp {
  readonly node: string;

  constructor(node: string) {
    this.node = node;
  }

  /** @internal */
  get [KEPT](): boolean {
    return true;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('nodeup', [this.node], depth);
  }
}

/** `{nodedown, Node}`, sent to processes that asked with `monitorNodes`. */
export class NodeDown {
  readonly node: string;
  readonly reason: unknown;

  constructor(node: string, reason: unknown) {
    this.node = node;
    this.reason = reason;
  }

  /** @internal */
  get [KEPT](): boolean {
    return true;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('nodedown', [this.node, this.reason], depth);
  }
}

/** @internal The method of a message of another node that is to know to whom it came: a call, which that process answers. */
export const ADDRESSED: unique symbol = Symbol('addressed');

/** What `receive` answers when its time is over; Erlang's `after` clause. */
export const TIMEOUT: unique symbol = Symbol('timeout');

/**
 * Thrown to end a process with a reason, as `erlang:exit/1` does. `self.exit(reason)` throws it; code that catches
 * everything should throw it on.
 */
export class ProcessExit extends Error {
  override readonly name = 'ProcessExit';
  readonly reason: ExitReason;

  constructor(reason: ExitReason) {
    super(`process exits with reason ${formatReason(reason)}`);
    this.reason = reason;
  }
}

/**
 * @internal The error that ends a wait of a process which has died. Without a stack: there may be very many at once, and
 * where they come from says nothing new.
 */
export function quietExit(reason: ExitReason): ProcessExit {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new ProcessExit(reason);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * The exit reason of a process whose code threw: the reason of a {@link ProcessExit}, an error itself (Erlang's
 * `{Error, Stacktrace}`: an Error carries its stack), or `['nocatch', value]` for another thrown value.
 */
export function reasonOfThrown(thrown: unknown): ExitReason {
  if (!isSound(thrown)) return soundReason(thrown);
  if (thrown instanceof ProcessExit) return soundReason(thrown.reason);
  if (thrown instanceof Error) return thrown;
  return ['nocatch', thrown];
}

/** @internal Whether code threw to end its process. */
export function isProcessExit(thrown: unknown): thrown is ProcessExit {
  return isSound(thrown) && thrown instanceof ProcessExit;
}
