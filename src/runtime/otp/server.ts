/**
 * `defineServer`: a server as one declaration, which checks it, types its clients and can be started.
 *
 * The handlers are looked up in maps that are made once, by their own names only: a client that asks for `constructor`
 * finds nothing. What a process does with them is in `server-loop.ts`.
 */
import { checkOptionNames, type OptionNames, badArgument } from '../errors.ts';
import type { Node } from '../process/node.ts';
import { START, type Startable } from '../process/behaviour.ts';
import type { Process } from '../process/process.ts';
import { type From, SYSTEM } from './gen.ts';
import { type Callbacks, ServerBehaviour } from './server-loop.ts';
import { ServerInstance } from './ref.ts';
import { type StartOptions, startBehaviour } from './proc-lib.ts';
import type { ExitReason } from '../process/messages.ts';
import type { Action, ActionKind } from './actions.ts';

/** A server that can be started; made by {@link defineServer}. */
export class ServerDefinition<
  State,
  Args extends readonly unknown[],
  Calls extends object,
  Casts extends object,
  Ignored extends undefined,
> implements Startable<
  Args,
  StartOptions,
  ServerInstance<ServerDefinition<State, Args, Calls, Casts, Ignored>> | Ignored
> {
  /** Only a type. */
  declare readonly types: ServerTypes<State, Args, Calls, Casts, Ignored>;
  /** What process info shows of its processes. */
  readonly name: string;
  readonly #behaviour: ServerBehaviour;

  /** @internal Use {@link defineServer}. */
  constructor(callbacks: Callbacks) {
    this.name = callbacks.name;
    this.#behaviour = new ServerBehaviour(callbacks);
  }

  /** Called by `start` and `startLink` of a node or process; use those. */
  [START](
    node: Node,
    parent: Process | undefined,
    linked: boolean,
    args: Args,
    options: StartOptions | undefined,
  ): Promise<ServerInstance<ServerDefinition<State, Args, Calls, Casts, Ignored>> | Ignored> {
    type Instance = ServerInstance<ServerDefinition<State, Args, Calls, Casts, Ignored>>;
    const handleOf = ({ pid }: Process): Instance => new ServerInstance(node, pid);
    const begin = startBehaviour<readonly unknown[], Instance>;
    return begin(node, parent, linked, this.#behaviour, args, options, handleOf) as Promise<
      Instance | Ignored
    >;
  }
}

/**
 * Declares a server: a process that answers calls, handles casts and other messages one at a time, and owns a state.
 *
 * The state goes to the handlers by reference; they change it in place or replace it by an action (`reply`, `noReply`). A
 * handler that throws ends the server. `node.start(definition, args, options)` starts it, `self.startLink` links it to the
 * starter; both answer a {@link ServerInstance}, or undefined when `init` returned `ignore()`.
 * @param callbacks see {@link ServerCallbacks}; `init` stands first, so that the types of the others follow from it.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for a callback that is not a function, or has a reserved name.
 * See the behaviour `gen_server`.
 */
export function defineServer<
  Result,
  Args extends readonly unknown[],
  Calls extends CallTable<StateOf<Result>> = {},
  Casts extends CastTable<StateOf<Result>> = {},
>(
  callbacks: ServerCallbacks<Result, Args, Calls, Casts> & ThisType<void>,
): ServerDefinition<StateOf<Result>, Args, Calls, Casts, IgnoredBy<Result>> {
  checkOptionNames('defineServer', callbacks, CALLBACKS);
  const { name = 'server', info = [] } = callbacks;
  const infos = (typeof info === 'function' ? [info] : info) as readonly InfoHandler<unknown>[];
  for (const handler of infos) requireFunction(name, 'info', handler);
  requireFunction(name, 'init', callbacks.init);
  if (callbacks.continue !== undefined) requireFunction(name, 'continue', callbacks.continue);
  if (callbacks.terminate !== undefined) requireFunction(name, 'terminate', callbacks.terminate);
  return new ServerDefinition({
    name,
    init: callbacks.init as Callbacks['init'],
    calls: tableOf<CallHandler<unknown>>(name, 'call', callbacks.call),
    casts: tableOf<CastHandler<unknown>>(name, 'cast', callbacks.cast),
    infos,
    continue: callbacks.continue as Callbacks['continue'],
    terminate: callbacks.terminate as Callbacks['terminate'],
  });
}

const CALLBACKS: OptionNames<ServerCallbacks<unknown, readonly unknown[], {}, {}>> = {
  name: true,
  init: true,
  call: true,
  cast: true,
  info: true,
  continue: true,
  terminate: true,
};

function tableOf<Handler>(name: string, kind: 'call' | 'cast', handlers: object = {}): Map<string, Handler> {
  const table = new Map<string, Handler>();
  for (const [key, handler] of Object.entries(handlers) as [string, Handler][]) {
    requireFunction(name, `${kind}.${key}`, handler);
    if (key === SYSTEM) {
      throw badArgument(`'${name}' cannot have a ${kind} handler '${key}'.`);
    }
    table.set(key, handler);
  }
  return table;
}

function requireFunction(name: string, what: string, callback: unknown): void {
  if (typeof callback !== 'function') {
    throw badArgument(`Server '${name}': ${what} must be a function.`);
  }
}

// ---- the types that a definition gives its clients: of each call the argument and the reply, of each cast the argument ----

/**
 * Answers a call. What it returns is the reply, unless it is an action; a promise is waited for, and the server handles
 * nothing else meanwhile. Annotate the `argument`, and `from` only for a deferred reply: `from: From<Reply>`. See
 * `Module:handle_call/3`.
 */
export type CallHandler<State> = (state: State, argument: never, self: Process, from: From<never>) => unknown;

/** Handles a cast. See `Module:handle_cast/2`. */
export type CastHandler<State> = (state: State, argument: never, self: Process) => unknown;

/**
 * Handles a message that is neither a call nor a cast: what was sent, an `Exit`, a `Down`, `TIMEOUT`. It returns
 * `UNHANDLED` when it does not take the message. See `Module:handle_info/2`.
 */
export type InfoHandler<State> = (state: State, message: unknown, self: Process) => unknown;

/** What `defineServer` is given. The callbacks are called as functions, without a `this`. */
export interface ServerCallbacks<
  Result,
  Args extends readonly unknown[],
  Calls extends CallTable<StateOf<Result>>,
  Casts extends CastTable<StateOf<Result>>,
> {
  /** What process info shows as the behaviour of its processes; `server` by default. No registered name. */
  readonly name?: string;
  /**
   * Makes the state. It stands first, since the types of the others come from it. What it throws fails the start, as do
   * the actions `stop` and `fail`; `ignore` gives the start up without an error. See `Module:init/1`.
   */
  init(self: Process, ...args: Args): Result;
  /**
   * Handlers of calls, by name. The one named `$request` gets, as its argument, each request from Erlang that is neither
   * `{Name, Argument}` nor an atom.
   */
  readonly call?: Calls & CallTable<StateOf<Result>>;
  /** Handlers of casts, by name; `$request` as for calls. */
  readonly cast?: Casts & CastTable<StateOf<Result>>;
  /** Handles all other messages; of several handlers, the first that does not return `UNHANDLED`. */
  readonly info?: InfoHandler<StateOf<Result>> | readonly InfoHandler<StateOf<Result>>[];
  /** Goes on after an action that has `continue`, before any other message. See `Module:handle_continue/2`. */
  continue?(state: StateOf<Result>, argument: never, self: Process): unknown;
  /**
   * Cleans up. Runs when the server stops of its own accord, when a callback throws, and, if it traps exits, when its parent exits
   * or its supervisor shuts it down; not when it is killed. See `Module:terminate/2`.
   */
  terminate?(state: StateOf<Result>, reason: ExitReason, self: Process): unknown;
}

/** Handlers of calls, by name. */
export type CallTable<State> = Readonly<Record<string, CallHandler<State>>>;

/** Handlers of casts, by name. */
export type CastTable<State> = Readonly<Record<string, CastHandler<State>>>;

type AnyFunction = (...args: never[]) => unknown;

/** The state that an `init` makes which returns `Result`. */
export type StateOf<Result> = StateIn<Awaited<Result>>;
type StateIn<Made> =
  Made extends Action<infer Kind, unknown, infer State> ? (Kind extends 'started' ? State : never) : Made;

/** `undefined` when an `init` that returns `Result` may ask to be ignored, otherwise `never`. */
export type IgnoredBy<Result> = 'ignore' extends KindsIn<Awaited<Result>> ? undefined : never;
type KindsIn<Made> = Made extends Action<infer Kind> ? Kind : never;

/**
 * The type in which a reply arrives from a server that may run on another node: a Map whose keys are all strings is an object there, unless
 * the program has given Map a form (`defineTerm`).
 */
export type Arrived<Reply> =
  Reply extends ReadonlyMap<infer Key, infer Value>
    ? [Key] extends [string]
      ? Reply | Readonly<Record<string, Value>>
      : Reply
    : Reply;

/** The reply of a call handler. */
export type ReplyOf<Handler> = Handler extends AnyFunction
  ? ReplyIn<Awaited<ReturnType<Handler>>, Handler>
  : never;
type ReplyIn<Returned, Handler> = Returned extends Action
  ? Returned extends Action<'noReply', never>
    ? DeferredReply<Handler>
    : Returned extends Action<ActionKind, infer Value>
      ? Value
      : never
  : Returned;
type DeferredReply<Handler> = Handler extends (
  state: never,
  argument: never,
  self: never,
  from: From<infer Value>,
) => unknown
  ? [Value] extends [never]
    ? unknown
    : Value
  : unknown;

/** The argument of a handler; `undefined` where it has none. */
export type ArgumentOf<Handler> = Handler extends (state: never, ...rest: infer Rest) => unknown
  ? Rest extends readonly [infer Argument, ...unknown[]]
    ? [Argument] extends [never]
      ? undefined
      : Argument
    : Rest extends readonly []
      ? undefined
      : Rest extends readonly [(infer Argument)?, ...unknown[]]
        ? Argument | undefined
        : never
  : never;

/** Types that a definition carries for its clients; there is no such value. */
export interface ServerTypes<State, Args, Calls, Casts, Ignored> {
  readonly state: State;
  readonly args: Args;
  readonly calls: Calls;
  readonly casts: Casts;
  readonly ignored: Ignored;
}

/** Any definition, as a bound for type parameters. */
export interface AnyServerDefinition {
  /** Only a type. */
  readonly types: ServerTypes<unknown, readonly unknown[], object, object, undefined>;
}

/** Options of a cast. */
export interface CastOptions {
  /** The process that casts, for the scheduler and for what is shown of the message. */
  readonly from?: Process;
}
