/**
 * `defineServer`: a server as one declaration, which checks it, types its clients and can be started.
 *
 * The handlers are looked up in maps that are made once, by their own names only: a client that asks for `constructor`
 * finds nothing. What a process does with them is in `server-process.ts`.
 */
import { TroupeError } from '../errors.ts';
import type { Node } from '../process/node.ts';
import { START, type Startable } from '../process/behaviour.ts';
import type { Process } from '../process/process.ts';
import { SYSTEM } from './call.ts';
import { ServerBehaviour } from './server-process.ts';
import { ServerInstance } from './server-ref.ts';
import type { Callbacks } from './server-state.ts';
import type {
  CallHandler,
  CallTable,
  CastHandler,
  CastTable,
  IgnoredBy,
  InfoHandler,
  ServerCallbacks,
  ServerTypes,
  StateOf,
} from './server-types.ts';
import { startBehaviour, type StartOptions } from './start.ts';

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
    const started = startBehaviour<
      readonly unknown[],
      ServerInstance<ServerDefinition<State, Args, Calls, Casts, Ignored>>
    >(node, parent, linked, this.#behaviour, args, options, ({ pid }) => new ServerInstance(node, pid));
    return started as Promise<ServerInstance<ServerDefinition<State, Args, Calls, Casts, Ignored>> | Ignored>;
  }
}

/**
 * Declares a server: a process that answers calls, handles casts and other messages one at a time, and owns a state.
 *
 * The state goes to the handlers by reference; they change it in place or replace it by an action (`reply`, `noReply`). A
 * handler that throws ends the server. `node.start(definition, args, options)` starts it, `self.startLink` links it to the
 * starter; both answer a {@link ServerInstance}, or undefined when `init` returned `ignore()`.
 * @param callbacks see {@link ServerCallbacks}; `init` stands first, so that the types of the others follow from it.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for a callback that is no function, or under a name that no server may use.
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

function tableOf<Handler>(name: string, kind: 'call' | 'cast', handlers: object = {}): Map<string, Handler> {
  const table = new Map<string, Handler>();
  for (const [key, handler] of Object.entries(handlers) as [string, Handler][]) {
    requireFunction(name, `${kind}.${key}`, handler);
    if (key === SYSTEM) {
      throw new TroupeError('TROUPE_BAD_ARGUMENT', `'${name}' cannot have a ${kind} handler '${key}'.`);
    }
    table.set(key, handler);
  }
  return table;
}

function requireFunction(name: string, what: string, callback: unknown): void {
  if (typeof callback !== 'function') {
    throw new TroupeError('TROUPE_BAD_ARGUMENT', `Server '${name}': ${what} must be a function.`);
  }
}
