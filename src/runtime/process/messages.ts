/**
 * Messages that the runtime itself puts into mailboxes, and exit reasons.
 *
 * Each message is a small frozen-by-type class, to be told apart with `instanceof`, whose fields have the names of
 * OTP's tuples. An exit reason may be any value; the ones with a meaning are the strings below, and the pair
 * `['shutdown', detail]`.
 */
import { defineRecord } from '../records.ts';
import type { Pid } from '../terms/pid.ts';
import type { Ref } from '../terms/ref.ts';

/** Why a process ended. `normal`, `shutdown` and `['shutdown', detail]` are not failures. */
export type ExitReason = unknown;

/** What a monitor was set on: a pid, or a registered name with its node. */
export type MonitorTarget = Pid | { readonly name: string; readonly node: string };

/** @internal Marks a message of the runtime itself, which no bound of a mailbox drops: where its value is true. */
export const KEPT: unique symbol = Symbol('kept');

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
}

defineRecord(Exit, 'EXIT', ['from', 'reason'], { reason: 'reason' });
defineRecord(Down, 'DOWN', ['ref', 'target', 'reason'], { reason: 'reason' });
defineRecord(NodeUp, 'nodeup', ['node']);
defineRecord(NodeDown, 'nodedown', ['node', 'reason'], { reason: 'reason' });

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
 * where they come from is no news.
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

/** True for `normal`, `shutdown` and `['shutdown', detail]`: the reasons that `supervisor` and `gen_server` do not report. */
export function isCleanExit(reason: ExitReason): boolean {
  return reason === 'normal' || isShutdown(reason);
}

/** True for `shutdown` and `['shutdown', detail]`. */
export function isShutdown(reason: ExitReason): boolean {
  return reason === 'shutdown' || (Array.isArray(reason) && reason.length === 2 && reason[0] === 'shutdown');
}

/**
 * The exit reason of a process whose code threw: the reason of a {@link ProcessExit}, an error itself (Erlang's
 * `{Error, Stacktrace}`: an Error carries its stack), or `['nocatch', value]` for another thrown value.
 */
export function reasonOfThrown(thrown: unknown): ExitReason {
  if (thrown instanceof ProcessExit) return thrown.reason;
  if (thrown instanceof Error) return thrown;
  return ['nocatch', thrown];
}

/** How many elements of tuples are shown of one reason, and how deep. */
const SHOWN_ELEMENTS_MAX = 1_000;
const SHOWN_DEPTH_MAX = 32;
/** How long the text of a reason is at most. */
const SHOWN_CHARACTERS_MAX = 65_536;
/** How much is made of a bigint: its decimal digits take ever longer the more they are. */
const SHOWN_BITS_MAX = 1_024;

/** An exit reason in one line, for messages and logs. It never throws: whatever a process ends with, it ends. */
export function formatReason(reason: ExitReason): string {
  try {
    const text = format(reason, { left: SHOWN_ELEMENTS_MAX }, 0);
    return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}...` : text;
  } catch {
    // A value whose own code throws, such as a getter or `toString`, or that has none, can only be named by its type.
    return `[${typeof reason}]`;
  }
}

function format(reason: unknown, elements: { left: number }, depth: number): string {
  if (typeof reason === 'string') return reason;
  if (reason instanceof Error) return `${reason.name}: ${reason.message}`;
  if (Array.isArray(reason)) {
    const shown: string[] = [];
    for (const item of reason as unknown[]) {
      if (depth >= SHOWN_DEPTH_MAX || --elements.left < 0) {
        shown.push('...');
        break;
      }
      shown.push(format(item, elements, depth + 1));
    }
    return `{${shown.join(', ')}}`;
  }
  if (typeof reason === 'object' && reason !== null) {
    const prototype: unknown = Object.getPrototypeOf(reason);
    if (prototype === Object.prototype || prototype === null) return formatPlain(reason);
  }
  if (typeof reason === 'bigint' && BigInt.asIntN(SHOWN_BITS_MAX, reason) !== reason) return '[bigint]';
  return String(reason);
}

function formatPlain(reason: object): string {
  try {
    return JSON.stringify(reason);
  } catch {
    // A cycle or a bigint has no JSON; that it is an object is all that one line can say.
    return '[object]';
  }
}
