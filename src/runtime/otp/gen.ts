/**
 * Calls and casts: the protocol between a client and a server, OTP's `gen`.
 *
 * A call within the node is one object in several roles, so that it allocates nothing else: the request in the server's
 * mailbox, the watch on the server (whose exit answers the caller), the timer, and the entry in the run queue that resumes the
 * caller; and what the caller's exit and an AbortSignal settle. To another node goes a `RemoteCall`; its answer comes back to
 * an alias, so a late answer is dropped.
 *
 * Invariant: a call is settled once; what comes afterwards has no effect. It knows no handlers: see `server-loop.ts`.
 */
import { TroupeError, checkOptionNames, type OptionNames } from '../errors.ts';
import { type Pending, TRACED } from '../process/state.ts';
import { DROPPED } from '../process/mailbox.ts';
import { type ExitReason, FOR_MANY, KEPT, formatReason, quietExit } from '../process/messages.ts';
import { reportFailure } from '../process/report.ts';
import { telemetry, tracing } from '../telemetry.ts';
import { addWatch, removeWatch } from '../process/monitor.ts';
import { type Destination, locate } from '../process/destination.ts';
import type { Node } from '../process/node.ts';
import type { AwaitsPeer } from '../process/peer.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { rejection } from '../process/async.ts';
import type { AliasHolder } from '../process/router.ts';
import type { Runnable } from '../process/scheduler.ts';
import { TimerEntry, timerLength } from '../process/timers.ts';
import { type Formatter, TEXT } from '../terms/format.ts';
import { MAILBOX_FULL, RemoteCall, SystemCall } from './gen-remote.ts';

/** @internal */
export { ForeignTag, RemoteCall, SystemCall } from './gen-remote.ts';

/** How long a call waits by default, in milliseconds; as `gen_server:call/2`. */
const DEFAULT_CALL_TIMEOUT_MS = 5_000;

/** @internal The call name of system messages (`system.ts`); no behaviour may use it for its own. */
export const SYSTEM = '$system';
/** The name of requests that have none. */
export const REQUEST = '$request';

/** Options of a call. */
export interface CallOptions {
  /** Milliseconds until the call fails with TROUPE_CALL_TIMEOUT; `Infinity` to wait for ever. Default 5,000. */
  readonly timeoutMs?: number;
  /** Ends the wait with TROUPE_CALL_ABORTED when it fires. */
  readonly signal?: AbortSignal;
  /**
   * The process that calls. With it a process that calls itself gets an error, the server sees the caller's pid, and the
   * caller goes on under the scheduler's control.
   */
  readonly from?: Process;
}

const CALL_OPTIONS: OptionNames<CallOptions> = { timeoutMs: true, signal: true, from: true };

/** What a server gets to answer a call with, OTP's `From`. `Reply` is the type of the answer. */
export interface From<Reply = unknown> {
  /** The caller; for code outside of any process the `init` process of its node. */
  readonly pid: Pid;
  /** Answers the call; at most once, later answers have no effect. See `gen_server:reply/2`. */
  reply(value: Reply): void;
}

/** @internal A request that asks for an answer, as a server finds it in its mailbox. */
export interface Request extends From {
  readonly name: string;
  readonly argument: unknown;
  /** Fails the call as if the server had exited; for an unknown name. */
  fail(error: TroupeError): void;
}

/** @internal A request that asks for no answer. */
export class Cast {
  readonly name: string;
  readonly argument: unknown;

  constructor(name: string, argument: unknown) {
    this.name = name;
    this.argument = argument;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('$gen_cast', [this.name, this.argument], depth);
  }
}

/** @internal A call between processes of one node. */
export class Call extends TimerEntry implements Request, Runnable, AwaitsPeer, AliasHolder, Pending {
  // Declared only, and made by the constructor: each field is written once, which a call is short enough to notice.
  declare readonly node: Node;
  declare readonly caller: Process | null;
  declare readonly to: Destination;
  declare readonly name: string;
  declare readonly argument: unknown;
  declare runNext: Runnable | null;
  declare private settled: boolean;
  declare private failed: boolean;
  declare private outcome: unknown;
  declare private resolve: (value: unknown) => void;
  declare private reject: (error: unknown) => void;
  /** The promise of the answer. */
  declare readonly promise: Promise<unknown>;
  /** The alias of a call to another node. */
  declare alias: Ref | null;
  declare signal: AbortSignal | null;
  /** The other calls that the caller waits for. */
  declare private newer: Call | null;
  declare private older: Call | null;

  constructor(node: Node, caller: Process | null, to: Destination, name: string, argument: unknown) {
    super();
    this.node = node;
    this.caller = caller;
    this.to = to;
    this.name = name;
    this.argument = argument;
    this.runNext = null;
    this.settled = false;
    this.failed = false;
    this.outcome = undefined;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.alias = null;
    this.signal = null;
    this.newer = null;
    this.older = null;
  }

  get pid(): Pid {
    return this.caller === null ? this.node.initPid : this.caller.pid;
  }

  reply(value: unknown): void {
    this.#settle(false, value);
  }

  fail(error: TroupeError): void {
    this.#settle(true, error);
  }

  override targetExited(reason: ExitReason): void {
    this.fail(exitError(this, reason));
  }

  peerDown(reason: ExitReason): void {
    if (reason === MAILBOX_FULL) this[DROPPED]();
    else this.fail(exitError(this, reason));
  }

  aliasMessage(message: unknown): void {
    this.#settle(false, message);
  }

  /** The AbortSignal has fired. */
  aborted({ reason }: AbortSignal): void {
    const what = `${describe(this)} was given up.`;
    this.fail(new TroupeError('TROUPE_CALL_ABORTED', what, { cause: reason, reason: 'aborted' }));
  }

  override expired(): void {
    const what = `${describe(this)} was not answered.`;
    this.fail(new TroupeError('TROUPE_CALL_TIMEOUT', what, { reason: 'timeout' }));
  }

  get [KEPT](): boolean {
    return this.name === SYSTEM;
  }

  [DROPPED](): void {
    const what = `${describe(this)} was dropped.`;
    this.fail(new TroupeError('TROUPE_MAILBOX_FULL', what, { reason: MAILBOX_FULL }));
  }

  /** Resumes a caller that is a process. */
  run(): number {
    if (this.caller?.alive === false) {
      // The caller was killed while it waited: its code runs on only as far as its `finally` blocks.
      // It may not even wait for this call; that must not become an unhandled rejection.
      this.promise.catch(() => undefined);
      this.reject(quietExit(this.caller.exitReason));
      return 1;
    }
    this.node.scheduler.resumes();
    this.#finish();
    return 1;
  }

  #settle(failed: boolean, outcome: unknown): void {
    if (this.settled) return;
    this.settled = true;
    tracing.tracer?.callEnded(this, failed, outcome);
    if (this.caller !== null) this.#release(this.caller);
    this.failed = failed;
    this.outcome = outcome;
    this.node.timers.drop(this);
    if (this.watched !== null) removeWatch(this);
    if (this.alias !== null) this.leave(this.alias);
    if (this.signal !== null) forgetAbort(this.signal, this);
    if (this.caller === null) this.#finish();
    else this.node.scheduler.enqueue(this);
  }

  #finish(): void {
    if (this.failed) this.resolve(rejection(this.outcome));
    else this.resolve(this.outcome);
  }

  /** Ends the call when the caller exits, so that its `finally` blocks run and the server forgets it. */
  hold(caller: Process): void {
    const extra = caller.ensureExtra();
    const older = extra.pending as Call | null;
    this.older = older;
    if (older !== null) older.newer = this;
    extra.pending = this;
    if ((caller.flags & TRACED) !== 0) this.node.tap?.called(caller, this);
  }

  /** Tells the other node that no caller waits for the answer any more. */
  protected leave(alias: Ref): void {
    const { node, to, pid } = this;
    node.router.aliases.delete(alias.key);
    const { node: nodeName, target } = locate(node, to);
    if (nodeName !== null) node.router.unwatch(nodeName, pid, target, alias);
  }

  #release(caller: Process): void {
    const newer = this.newer;
    const older = this.older;
    if (newer === null) caller.ensureExtra().pending = older;
    else newer.older = older;
    if (older !== null) older.newer = newer;
    this.newer = null;
    this.older = null;
  }

  ownerExited(): void {
    this.#settle(true, undefined);
  }
}

/**
 * Calls a server and waits for its answer.
 * @param to the server; a name of this node that no process has fails with TROUPE_CALL_NOPROC.
 * @param name what is asked for. To a server that is written in Erlang the request is `{Name, Argument}`, and just the atom
 * `Name` without an argument. With the name `$request` it is the argument itself, any term; a request that comes from
 * Erlang and has neither of the first two forms finds the handler of that name.
 * @throws TroupeError TROUPE_CALL_TIMEOUT, TROUPE_CALL_NOPROC, TROUPE_CALL_NODEDOWN, TROUPE_CALL_EXIT (with the exit
 * reason), TROUPE_CALL_SELF, TROUPE_CALL_ABORTED, TROUPE_MAILBOX_FULL; TROUPE_NODE_STOPPED for a call to another node from
 * one that is stopped; all as a rejection. See `gen_server:call/3`.
 */
export function call(
  node: Node,
  to: Destination,
  name: string,
  argument: unknown,
  options?: CallOptions,
): Promise<unknown> {
  try {
    return startCall(node, to, name, argument, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

function startCall(
  node: Node,
  to: Destination,
  name: string,
  argument: unknown,
  options: CallOptions | undefined,
): Promise<unknown> {
  const caller = options?.from ?? null;
  const { node: nodeName, target, process } = locate(node, to);
  const request = new Call(node, caller, to, name, argument);
  const { promise } = request;
  if (!beginCall(request, options)) return promise;
  tracing.tracer?.callStarted(request, name, describeTarget(to));
  if (nodeName !== null) {
    startRemote(request, target, nodeName);
  } else if (process === null) {
    request.fail(exitError(request, 'noproc'));
  } else if (process === caller) {
    request.fail(
      new TroupeError('TROUPE_CALL_SELF', `${describe(request)} calls itself.`, { reason: 'calling_self' }),
    );
  } else {
    addWatch(process, request);
    process.deliver(request);
  }
  return promise;
}

/**
 * Sends a request that is not answered. A missing server is not an error. The request has the forms that it has in
 * {@link call}. See `gen_server:cast/2`.
 */
export function cast(node: Node, to: Destination, name: string, argument: unknown, from?: Process): void {
  if (typeof to === 'string' && node.whereis(to) === undefined) return;
  if (from === undefined) node.send(to, new Cast(name, argument));
  else from.send(to, new Cast(name, argument));
}

/**
 * @internal Starts the wait for an answer: the end of the caller, the time and the signal end it. It comes before the
 * request is sent, for whatever settles the call at once also ends its timer.
 * @returns false when the call has failed already.
 */
export function beginCall(request: Call, options: CallOptions | undefined): boolean {
  const { caller } = request;
  if (caller !== null && !caller.alive) throw caller.dead();
  // With an option that exists the others are not looked at: a call is to cost little.
  if (
    options !== undefined &&
    options.timeoutMs === undefined &&
    options.signal === undefined &&
    caller === null
  )
    checkOptionNames('A call', options, CALL_OPTIONS);
  const timeoutMs = options?.timeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
  const length = timeoutMs === Infinity ? Infinity : timerLength(timeoutMs);
  if (caller !== null) request.hold(caller);
  const signal = options?.signal;
  if (signal !== undefined && !listen(request, signal)) return false;
  if (length !== Infinity) request.node.timers.start(request, length);
  return true;
}

function listen(request: Call, signal: AbortSignal): boolean {
  if (signal.aborted) {
    request.aborted(signal);
    return false;
  }
  waitForAbort(signal, request);
  request.signal = signal;
  return true;
}

function startRemote(request: Call, target: Pid | string, nodeName: string): void {
  const { node, pid } = request;
  const { router } = node;
  const alias = node.makeRef();
  request.alias = alias;
  router.aliases.set(alias.key, request);
  try {
    router.watch(nodeName, pid, target, alias, request);
    const Message = request.name === SYSTEM ? SystemCall : RemoteCall;
    const message = new Message(pid, alias, request.name, request.argument);
    const peer = router.peer(nodeName);
    if (target instanceof Pid) peer.send({ op: 'send', from: pid, to: target, message });
    else peer.send({ op: 'sendNamed', from: pid, to: target, message });
  } catch (error) {
    // No carrier, or what it cannot encode.
    request.fail(error as TroupeError);
  }
}

function exitError(request: Call, reason: ExitReason): TroupeError {
  if (reason === 'noproc') {
    return new TroupeError('TROUPE_CALL_NOPROC', `${describe(request)} found no process.`, { reason });
  }
  // The reason shows a request that has no name.
  const isThis = (name: unknown): boolean => name === request.name || request.name === REQUEST;
  if (Array.isArray(reason) && reason[0] === 'unknown_call' && isThis(reason[1])) {
    return new TroupeError('TROUPE_UNKNOWN_CALL', `${describe(request)} is not known there.`, { reason });
  }
  if (reason === 'noconnection') {
    const what = `${describe(request)}: there is no connection with its node.`;
    return new TroupeError('TROUPE_CALL_NODEDOWN', what, { reason: 'nodedown' });
  }
  if (Array.isArray(reason) && reason[0] === 'not_encodable') {
    const what = `${describe(request)} was answered, but the answer cannot be sent: ${formatReason(reason[1])}`;
    return new TroupeError('TROUPE_REPLY_NOT_ENCODABLE', what, { reason });
  }
  const what = `${describe(request)} ended with the server: ${formatReason(reason)}.`;
  return new TroupeError('TROUPE_CALL_EXIT', what, { reason, cause: reason });
}

function describe(request: Call): string {
  return `Call '${request.name}' to ${describeTarget(request.to)}`;
}

/** @internal A destination in an error message. */
export function describeTarget(to: Destination): string {
  if (typeof to === 'string' || to instanceof Pid) return to.toString();
  return 'pid' in to ? to.pid.toString() : `${to.name} on ${to.node}`;
}

// ---- reports ----

const unexpected = telemetry('troupe:server:unexpected');

/** @internal What reports show of a message: of a call or cast only its name and argument. */
export function shown(message: unknown): unknown {
  return message instanceof Call || message instanceof RemoteCall || message instanceof Cast
    ? { name: message.name, argument: message.argument }
    : message;
}

/**
 * @internal Publishes a message that a process of a behaviour has no handler for; without a subscriber it is reported as a warning.
 * @param left whether handlers have seen and left it.
 */
export function reportUnexpected({ node, pid, label, extra }: Process, message: unknown, left = false): void {
  const isCall = message instanceof Call || message instanceof RemoteCall;
  const kind = message instanceof Cast ? 'cast' : isCall ? 'call' : 'info';
  if (unexpected.hasSubscribers) {
    unexpected.publish({ pid, label, kind, message: shown(message) });
    return;
  }
  // The caller hears of a call.
  if (isCall || (left && (Object(message) as { readonly [FOR_MANY]?: boolean })[FOR_MANY] === true)) return;
  reportFailure(node, {
    kind: 'warning',
    channel: 'troupe:server:unexpected',
    pid,
    label,
    name: extra?.name,
    reason: message instanceof Cast ? message.name : message,
    context:
      kind === 'cast'
        ? 'it has no cast of this name, and dropped it'
        : 'no info handler takes this message, and it was dropped',
  });
}

// ---- one listener for each AbortSignal, however many calls share it; it has it exactly while a call waits for it ----

interface Waiting {
  readonly calls: Set<Call>;
  readonly listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/** Notifies a call when a signal fires, which it has not yet. */
function waitForAbort(signal: AbortSignal, request: Call): void {
  let known = waiting.get(signal);
  if (known === undefined) {
    const calls = new Set<Call>();
    const listener = (): void => {
      waiting.delete(signal);
      for (const each of calls) each.aborted(signal);
    };
    known = { calls, listener };
    waiting.set(signal, known);
    signal.addEventListener('abort', listener, { once: true });
  }
  known.calls.add(request);
}

/** The call waits no more. */
function forgetAbort(signal: AbortSignal, request: Call): void {
  const known = waiting.get(signal);
  if (known === undefined || !known.calls.delete(request) || known.calls.size > 0) return;
  waiting.delete(signal);
  signal.removeEventListener('abort', known.listener);
}
