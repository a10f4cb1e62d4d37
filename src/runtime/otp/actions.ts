/**
 * The actions that callbacks of a server return to say what happens next: OTP's `{reply, ...}`, `{noreply, ...}`, `{stop, ...}`
 * and the results of `Module:init/1`.
 *
 * A call handler that returns anything else has returned the reply; other callbacks may return what they like. The state is
 * changed in place, or replaced by an action. See `Module:handle_call/3` and `Module:init/1` of `gen_server`.
 */
import { checkOptionNames, type OptionNames } from '../errors.ts';
import type { ExitReason } from '../process/messages.ts';
import { timerLength } from '../process/timers.ts';

/** Returned by an info handler that does not take a message: the next handler is asked. */
export const UNHANDLED: unique symbol = Symbol('unhandled');

/** @internal Marks a value that was not given; undefined is a value. */
export const NONE: unique symbol = Symbol('none');

/** The kinds of actions. */
export type ActionKind = 'reply' | 'noReply' | 'stop' | 'started' | 'ignore' | 'fail';

/** What happens after a callback. */
export interface Then<State> {
  /** Replaces the state. */
  readonly state?: State;
  /** Runs the `continue` callback with this argument, before any other message is handled. */
  readonly continue?: unknown;
  /**
   * Milliseconds: when no message comes in this time, the info handlers get `TIMEOUT`. 0 asks for it at once, unless a
   * message waits already.
   */
  readonly timeoutMs?: number;
}

const THEN: OptionNames<Then<unknown> & { reply: unknown }> = {
  state: true,
  continue: true,
  timeoutMs: true,
  reply: true,
};

/** What a callback returned; made by the functions of this file. The type parameters are what `ServerRef` is typed from. */
export class Action<Kind extends ActionKind = ActionKind, Value = unknown, State = unknown> {
  readonly kind: Kind;
  /** @internal The reply. */
  readonly value: Value | typeof NONE;
  /** @internal The new state. */
  readonly state: State | typeof NONE;
  /** @internal The argument of `continue`. */
  readonly next: unknown;
  /** @internal Whole milliseconds; `Infinity` for no timeout. */
  readonly timeoutMs: number;
  /** @internal The exit reason. */
  readonly reason: ExitReason;

  /** @internal Use the functions of this file. */
  constructor(
    kind: Kind,
    value: Value | typeof NONE,
    then: Then<unknown> | undefined,
    reason?: ExitReason,
    state: unknown = then !== undefined && 'state' in then ? then.state : NONE,
  ) {
    this.kind = kind;
    this.value = value;
    this.state = state as State | typeof NONE;
    this.next = then !== undefined && 'continue' in then ? then.continue : NONE;
    const timeoutMs = then?.timeoutMs ?? Infinity;
    this.timeoutMs = timeoutMs === Infinity ? Infinity : timerLength(timeoutMs);
    this.reason = reason;
    // A state is easily handed over in place of `{ state }`. With one of them the others are not looked at: that is to cost little.
    if (then !== undefined && this.state === NONE && this.next === NONE && this.timeoutMs === Infinity)
      checkOptionNames(`${kind}()`, then, THEN);
  }
}

/**
 * Replies to a call and says what happens next; without a `then` the same as returning the value. `{reply, Reply, NewState}`.
 */
export function reply<Value, State = never>(value: Value, then?: Then<State>): Action<'reply', Value, State> {
  return new Action('reply', value, then);
}

/**
 * From a call handler: the reply comes later, by `from.reply`, from this process or any other. From another callback: says
 * what happens next. `{noreply, NewState}`.
 */
export function noReply<State = never>(then?: Then<State>): Action<'noReply', never, State> {
  return new Action<'noReply', never, State>('noReply', NONE, then);
}

/**
 * Ends the server: `terminate` runs, then the call is replied to when there is a `reply`, then the process exits. From
 * `init` the start fails with the reason, and `terminate` does not run. `{stop, Reason, Reply, NewState}`.
 */
export function stop<Value = never, State = never>(
  reason: ExitReason,
  then?: { readonly reply?: Value; readonly state?: State },
): Action<'stop', Value, State> {
  const value = then !== undefined && 'reply' in then ? then.reply : NONE;
  return new Action('stop', value, then, reason);
}

/** From `init`: the state, and what happens first. `{ok, State, {continue, Argument}}`, `{ok, State, Timeout}`. */
export function started<State>(
  state: State,
  then?: Omit<Then<State>, 'state'>,
): Action<'started', never, State> {
  return new Action<'started', never, State>('started', NONE, then, undefined, state);
}

/** From `init`: the server is not needed. The process ends with `normal` and the start answers undefined. */
export function ignore(): Action<'ignore', never, never> {
  return new Action<'ignore', never, never>('ignore', NONE, undefined);
}

/**
 * From `init`: the start fails with a reason, quietly: the process exits with `normal`, so processes linked to it live
 * on. `{error, Reason}`.
 */
export function fail(reason: ExitReason): Action<'fail', never, never> {
  return new Action<'fail', never, never>('fail', NONE, undefined, reason);
}
