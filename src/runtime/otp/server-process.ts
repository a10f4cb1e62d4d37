/**
 * How a process runs a server's definition: OTP's `gen_server` loop.
 *
 *     client            the server's process              the definition
 *     call ───────────▶ handle ─────────────────────────▶ call[name](state, argument, self, from)
 *          ◀─────────── server-run.ts ◀────────────────── a value, a promise or an action
 *     cast ───────────▶ handle ─────────────────────────▶ cast[name](state, argument, self)
 *     send, Down ─────▶ handle ─────────────────────────▶ info(state, message, self)
 *                       no message in time ─────────────▶ info(state, TIMEOUT, self)
 *     system message ─▶ system.ts
 *     exit of parent ─▶ server-end.ts ──────────────────▶ terminate(state, reason, self)
 *
 * A call whose handler returns a plain value goes the short way: one look-up, one call, the reply; no promise is made.
 *
 * What nobody handles is reported and dropped. A call or cast of an unknown name would end a server of OTP, whose clients
 * know its protocol; here types keep a client from sending one, so one that comes is from elsewhere, and it must not be
 * the server that pays for it.
 */
import { TroupeError } from '../errors.ts';
import { type Behaviour, isThenable } from '../process/behaviour.ts';
import { formatReason, ProcessExit, TIMEOUT } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { telemetry } from '../telemetry.ts';
import { Atom } from '../terms/atom.ts';
import { Tuple, tuple } from '../terms/values.ts';
import { Call, Cast, RemoteCall, REQUEST, SYSTEM } from './call.ts';
import { Action, NONE, noReply, UNHANDLED } from './server-actions.ts';
import { endServer } from './server-end.ts';
import { badReturn, crash, finish } from './server-run.ts';
import { type Callbacks, Server } from './server-state.ts';
import type { CallHandler, CastHandler, InfoHandler } from './server-types.ts';
import type { Startup } from './start.ts';
import { handleSystem, isParentExit } from './system.ts';

const unexpected = telemetry('troupe:server:unexpected');

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
      result = handler(server.state, request.argument as never, server.self, request);
    } catch (thrown) {
      return crash(server, request, thrown);
    }
    if (isPlain(result)) request.reply(result);
    else return finish(server, request, request, result);
  }

  #cast(message: Cast, server: Server): Promise<void> | void {
    const { name, argument } = message;
    const handler = this.#casts.get(name);
    if (handler === undefined) {
      report(server, 'cast', { name, argument });
      return;
    }
    let result: unknown;
    try {
      result = handler(server.state, argument as never, server.self);
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
    report(server, 'info', message);
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
    report(server, 'call', { name, argument });
    request.fail(
      new TroupeError('TROUPE_UNKNOWN_CALL', `'${this.name}' has no call ${formatReason(name)}.`, {
        reason: ['unknown_call', name === REQUEST ? shapeOf(argument) : name],
      }),
    );
  }

  /** A system message is none to the definition; a timeout that it met starts anew. See `gen_server:system_continue/3`. */
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
    // Killed while it waited; the starter has been told.
    if (!self.alive) throw new ProcessExit(self.exitReason);
    return this.#begin(self, startup, settled);
  }

  /** Takes what `init` returned, and tells the starter. */
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

/** True for what is a reply as it is: no action and no promise. */
function isPlain(result: unknown): boolean {
  return typeof result !== 'object' || result === null || !(result instanceof Action || isThenable(result));
}

function report(server: Server, kind: 'call' | 'cast' | 'info', message: unknown): void {
  if (!unexpected.hasSubscribers) return;
  const { self } = server;
  unexpected.publish({ pid: self.pid, label: self.label, kind, message });
}

/** What a request without a name looks like: the atom that a tuple begins with, and how many elements it has. */
function shapeOf(request: unknown): unknown {
  const first = request instanceof Tuple ? request.elements[0] : undefined;
  return first instanceof Atom ? tuple(first, (request as Tuple).elements.length) : REQUEST;
}
