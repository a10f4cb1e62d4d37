/**
 * How a process runs a server's definition: OTP's `gen_server` loop.
 *
 *     client            the server's process              the definition
 *     call ───────────▶ handle ─────────────────────────▶ call[name](state, argument, self, from)
 *          ◀─────────── finish ◀──────────────────────── a value, a promise or an action
 *     cast ───────────▶ handle ─────────────────────────▶ cast[name](state, argument, self)
 *     send, Down ─────▶ handle ─────────────────────────▶ info(state, message, self)
 *                       no message in time ─────────────▶ info(state, TIMEOUT, self)
 *     system message ─▶ system.ts
 *     exit of parent ─▶ endServer ──────────────────────▶ terminate(state, reason, self)
 *
 * A call whose handler returns a plain value goes the short way: one look-up, one call, the reply; no promise is made.
 *
 * A message without a handler is reported and dropped. A call or cast of an unknown name would end a server of OTP, whose
 * clients know its protocol; here types keep a client from sending one, so it comes from elsewhere, and must not end the
 * server.
 */
import { TroupeError } from '../errors.ts';
import { type Behaviour, isThenable } from '../process/behaviour.ts';
import {
  type ExitReason,
  KEPT,
  ProcessExit,
  TIMEOUT,
  formatReason,
  isCleanExit,
  isProcessExit,
  reasonOfThrown,
} from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { telemetry, tracing } from '../telemetry.ts';
import { Atom } from '../terms/atom.ts';
import { Tuple, tuple } from '../terms/values.ts';
import { Call, Cast, REQUEST, RemoteCall, reportUnexpected, type Request, shown, SYSTEM } from './gen.ts';
import { Action, NONE, UNHANDLED, noReply } from './actions.ts';
import type { CallHandler, CastHandler, InfoHandler } from './server.ts';
import type { Startup } from './proc-lib.ts';
import { type SystemTarget, handleSystem, isParentExit } from './system.ts';
import { reportFailure } from '../process/report.ts';
import { addWatch } from '../process/monitor.ts';
import type { Pid } from '../terms/identifiers.ts';
import { TimerEntry } from '../process/timers.ts';

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
  /** Made for the first timeout; in the mailbox it means that the time is up. */
  timer: ServerTimer | null = null;
  /** The call that its handler's result answers; set only while that result is worked off. */
  request: Request | null = null;
  /** The message at hand, for the report of a server that ends. */
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

  /** Waits so long for a message. As in OTP, a message that is there already wins, even over 0 milliseconds. */
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
class ServerTimer extends TimerEntry {
  readonly #self: Process;

  constructor(self: Process) {
    super();
    this.#self = self;
    addWatch(self, this);
  }

  override expired(): void {
    // A message in the mailbox came in time.
    if (this.#self.mailboxLength === 0) this.#self.deliverSignal(this);
  }

  override targetExited(): void {
    this.#self.node.timers.drop(this);
  }

  get [KEPT](): boolean {
    return true;
  }
}

/** @internal The behaviour of all processes of one definition. */
export class ServerBehaviour implements Behaviour<
  Server,
  readonly [startup: Startup, ...args: readonly unknown[]]
> {
  readonly name: string;
  readonly #callbacks: Callbacks;
  readonly #calls: ReadonlyMap<string, CallHandler<unknown>>;
  readonly #casts: ReadonlyMap<string, CastHandler<unknown>>;

  constructor(callbacks: Callbacks) {
    this.name = callbacks.name;
    this.#callbacks = callbacks;
    this.#calls = callbacks.calls;
    this.#casts = callbacks.casts;
  }

  init(self: Process, startup: Startup, ...args: readonly unknown[]): Server | Promise<Server> {
    const made = this.#callbacks.init(self, ...args);
    return isThenable(made) ? this.#beginLater(self, startup, made) : this.#begin(self, startup, made);
  }

  handle(_self: Process, message: unknown, server: Server): Promise<void> | void {
    const waited = server.timeoutMs;
    if (waited !== Infinity) server.endTimeout();
    if (message instanceof Call) return this.#call(message, server, waited);
    if (message instanceof Cast) return this.#cast(message, server);
    if (message instanceof RemoteCall) return this.#call(message, server, waited);
    if (isParentExit(message, server.parent)) {
      server.lastMessage = message;
      return endServer(server, message.reason);
    }
    return this.#info(server, message === server.timer ? TIMEOUT : message, 0);
  }

  #call(request: Call | RemoteCall, server: Server, waited: number): Promise<void> | void {
    const handler = this.#calls.get(request.name);
    if (handler === undefined) return this.#otherCall(request, server, waited);
    let result: unknown;
    try {
      const { tracer } = tracing;
      result =
        tracer === null
          ? handler(server.state, request.argument as never, server.self, request)
          : tracer.handled(request, server.self, request.name, () =>
              handler(server.state, request.argument as never, server.self, request),
            );
    } catch (thrown) {
      return crash(server, request, thrown);
    }
    if (isPlain(result)) request.reply(result);
    else return finish(server, request, request, result);
  }

  #cast(message: Cast, server: Server): Promise<void> | void {
    const handler = this.#casts.get(message.name);
    if (handler === undefined) {
      reportUnexpected(server.self, message);
      return;
    }
    let result: unknown;
    try {
      result = handler(server.state, message.argument as never, server.self);
    } catch (thrown) {
      return crash(server, message, thrown);
    }
    if (!isPlain(result)) return finish(server, message, null, result);
  }

  #info(server: Server, message: unknown, first: number): Promise<void> | void {
    const { infos } = this.#callbacks;
    for (let index = first; index < infos.length; index++) {
      let result: unknown;
      try {
        result = (infos[index] as InfoHandler<unknown>)(server.state, message, server.self);
      } catch (thrown) {
        return crash(server, message, thrown);
      }
      if (result === UNHANDLED) continue;
      if (isThenable(result)) return this.#infoLater(server, message, index, result);
      if (!isPlain(result)) return finish(server, message, null, result);
      return;
    }
    reportUnexpected(server.self, message, infos.length > 0);
  }

  async #infoLater(
    server: Server,
    message: unknown,
    index: number,
    pending: PromiseLike<unknown>,
  ): Promise<void> {
    let result: unknown;
    try {
      result = await pending;
    } catch (thrown) {
      return crash(server, message, thrown);
    }
    if (!server.self.alive) return;
    if (result === UNHANDLED) return this.#info(server, message, index + 1);
    return finish(server, message, null, result);
  }

  #otherCall(request: Call | RemoteCall, server: Server, waited: number): Promise<void> | void {
    const { name, argument } = request;
    if (name === SYSTEM) return this.#system(request, server, waited);
    reportUnexpected(server.self, request);
    request.fail(
      new TroupeError('TROUPE_UNKNOWN_CALL', `'${this.name}' has no call ${formatReason(name)}.`, {
        reason: ['unknown_call', name === REQUEST ? shapeOf(argument) : name],
      }),
    );
  }

  /** The definition does not see a system message; a timeout that was running starts again. See `gen_server:system_continue/3`. */
  #system(request: Call | RemoteCall, server: Server, waited: number): Promise<void> | void {
    const pending = handleSystem(server.self, request, server);
    if (pending === undefined) {
      server.startTimeout(waited);
      return;
    }
    return pending.then(() => {
      server.startTimeout(waited);
    });
  }

  async #beginLater(self: Process, startup: Startup, made: PromiseLike<unknown>): Promise<Server> {
    const settled = await made;
    // Killed while it waited; the starter knows.
    if (!self.alive) throw new ProcessExit(self.exitReason);
    return this.#begin(self, startup, settled);
  }

  /** Takes the result of `init`, and reports it to the starter. */
  #begin(self: Process, startup: Startup, made: unknown): Server | Promise<Server> {
    const action = made instanceof Action ? made : undefined;
    if (action?.kind === 'stop') throw new ProcessExit(action.reason);
    if (action?.kind === 'ignore') return startup.ignore();
    if (action?.kind === 'fail') return startup.fail(action.reason);
    const state = action === undefined ? made : action.state;
    const server = new Server(this.#callbacks, self, startup.parent, state);
    if (action !== undefined && action.kind !== 'started') throw badReturn(server, 'init', action);
    startup.acknowledge();
    if (action === undefined) return server;
    const { next, timeoutMs } = action;
    const then = next === NONE ? { timeoutMs } : { continue: next };
    const pending = finish(server, undefined, null, noReply(then));
    return pending === undefined ? server : pending.then(() => server);
  }
}

/** True for a value that is itself the reply: no action and no promise. */
function isPlain(result: unknown): boolean {
  return typeof result !== 'object' || result === null || !(result instanceof Action || isThenable(result));
}

/** What a request without a name looks like: the atom that a tuple begins with, and how many elements it has. */
function shapeOf(request: unknown): unknown {
  const first = request instanceof Tuple ? request.elements[0] : undefined;
  return first instanceof Atom ? tuple(first, (request as Tuple).elements.length) : REQUEST;
}

// ---- results: replies, the new state, `continue`, timeouts, stops ----
//
// A loop and not a recursion: a `continue` may ask for another, without end, and neither the stack nor a chain of promises
// may grow with it. Nor may it hold the event loop, although no message comes between two of them.

/** How many `continue` callbacks run in a row before the clock is looked at. */
const CONTINUES_PER_CLOCK_CHECK = 64;

/**
 * Does what a callback's result says.
 * @param request the call to reply to, if the callback was a call's handler.
 * @returns a promise when the server has to wait before it can take its next message.
 */
function finish(
  server: Server,
  message: unknown,
  request: Request | null,
  result: unknown,
): Promise<void> | void {
  server.lastMessage = message;
  server.request = request;
  const pending = work(server, result);
  if (pending !== undefined) return workLater(server, pending);
}

/** Ends a server whose callback threw. */
function crash(server: Server, message: unknown, thrown: unknown): Promise<never> {
  server.lastMessage = message;
  return endServer(server, reasonOfThrown(thrown), thrown);
}

/** The error of a callback that returned an action it may not return. */
function badReturn(server: Server, callback: string, action: Action): TroupeError {
  return new TroupeError(
    'TROUPE_BAD_RETURN',
    `${callback} of '${server.callbacks.name}' cannot return ${action.kind}().`,
    { reason: ['bad_return_value', action] },
  );
}

/** Works off results up to the first that is a promise. @returns that promise, or undefined when all is done. */
function work(server: Server, first: unknown): PromiseLike<unknown> | undefined {
  let result = first;
  for (let continues = 1; ; continues++) {
    if (isThenable(result)) return result;
    if (!(result instanceof Action)) {
      server.request?.reply(result);
      return done(server, Infinity);
    }
    const ending = apply(server, result);
    if (ending !== undefined) return ending;
    if (result.next === NONE) return done(server, result.timeoutMs);
    server.request = null;
    server.lastMessage = ['continue', result.next];
    if (continues % CONTINUES_PER_CLOCK_CHECK === 0 && server.self.node.scheduler.sliceOver()) {
      return continueAfterTurn(server, result.next);
    }
    result = proceed(server, result.next);
  }
}

async function workLater(server: Server, first: PromiseLike<unknown>): Promise<void> {
  const { self } = server;
  let pending: PromiseLike<unknown> | undefined = first;
  while (pending !== undefined) {
    let result: unknown;
    try {
      result = await pending;
    } catch (thrown) {
      if (server.ending || !self.alive) throw thrown;
      result = endServer(server, reasonOfThrown(thrown), thrown);
    }
    // Killed while it waited: the handler's result no longer counts.
    if (!self.alive) return;
    pending = work(server, result);
  }
}

function done(server: Server, timeoutMs: number): undefined {
  server.request = null;
  server.lastMessage = undefined;
  server.startTimeout(timeoutMs);
}

/** Replies, replaces the state, ends. @returns a promise when the server ends, and takes time to. */
function apply(server: Server, action: Action): Promise<never> | undefined {
  const { request } = server;
  const replies = action.value !== NONE;
  const allowed = action.kind === 'noReply' || action.kind === 'stop' || action.kind === 'reply';
  if (!allowed || (replies && request === null)) {
    const error = badReturn(server, 'A callback', action);
    return endServer(server, error, error);
  }
  if (action.state !== NONE) server.state = action.state;
  if (action.kind === 'stop') return endServer(server, action.reason, undefined, action.value);
  if (replies) request?.reply(action.value);
  return undefined;
}

/** Runs the `continue` callback. @returns what it returned, or a promise that ends the process. */
function proceed(server: Server, argument: unknown): unknown {
  const { callbacks, self } = server;
  try {
    if (callbacks.continue !== undefined) return callbacks.continue(server.state, argument, self);
  } catch (thrown) {
    return endServer(server, reasonOfThrown(thrown), thrown);
  }
  const error = new TroupeError(
    'TROUPE_BAD_RETURN',
    `A callback of '${callbacks.name}' asked for continue, which it does not define.`,
  );
  return endServer(server, error, error);
}

async function continueAfterTurn(server: Server, argument: unknown): Promise<unknown> {
  await new Promise((resume) => {
    setImmediate(resume);
  });
  return server.self.alive ? proceed(server, argument) : undefined;
}

// ---- the end of a server: `terminate`, the reply of a `stop`, the report, the exit, in this order ----
//
// `terminate` runs at most once, and not for a process that is dead already. What it throws replaces the reason. Nothing
// else of the definition runs after it. See `gen_server:terminate`, and its report of errors.

const terminated = telemetry('troupe:server:terminated');

/**
 * Ends a server, by throwing or by a promise that rejects.
 * @param thrown what the process exits with; distinguishes a callback that threw from a requested stop.
 * @param reply what the caller of a `stop` gets.
 */
function endServer(
  server: Server,
  reason: ExitReason,
  thrown: unknown = new ProcessExit(reason),
  reply: unknown = NONE,
): Promise<never> {
  const { self, callbacks } = server;
  // Killed inside its own callback: it is past cleaning up, as in OTP.
  if (!self.alive) throw thrown;
  server.ending = true;
  let cleaning: unknown;
  try {
    cleaning = callbacks.terminate?.(server.state, reason, self);
  } catch (failure) {
    throw ended(server, reasonOfThrown(failure), failure, reply, true);
  }
  if (isThenable(cleaning)) return endLater(server, reason, thrown, reply, cleaning);
  throw ended(server, reason, thrown, reply, false);
}

async function endLater(
  server: Server,
  reason: ExitReason,
  thrown: unknown,
  reply: unknown,
  cleaning: PromiseLike<unknown>,
): Promise<never> {
  try {
    await cleaning;
  } catch (failure) {
    throw ended(server, reasonOfThrown(failure), failure, reply, true);
  }
  throw ended(server, reason, thrown, reply, false);
}

/** The last acts of a server. @returns what its process exits with. */
function ended(
  server: Server,
  reason: ExitReason,
  thrown: unknown,
  reply: unknown,
  terminateThrew: boolean,
): unknown {
  if (!server.self.alive) return thrown;
  if (reply !== NONE) server.request?.reply(reply);
  if (terminateThrew || !isCleanExit(reason)) reportTerminated(server, reason, thrown);
  return thrown;
}

function reportTerminated(server: Server, reason: ExitReason, thrown: unknown): void {
  const { self, lastMessage } = server;
  const { pid, label, extra, node } = self;
  if (terminated.hasSubscribers) {
    terminated.publish({ pid, label, reason, lastMessage: shown(lastMessage) });
  } else if (isProcessExit(thrown) && !isCleanExit(reason)) {
    // Anything else that is thrown is reported as a crash of the process.
    const channel = 'troupe:server:terminated';
    reportFailure(node, { kind: 'error', channel, pid, label, name: extra?.name, reason });
  }
}
