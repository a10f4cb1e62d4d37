/**
 * `erpc`: calls of functions on other nodes. On a BEAM node any exported function can be called; on a node of Troupe those
 * that it exposes.
 *
 *     call ──▶ connected? ──▶ SPAWN_REQUEST ──▶ SPAWN_REPLY {pid} ──▶ 'DOWN' with the outcome ──▶ answered
 *                 │ no                            │ atom                │ noconnection
 *                 ▼                               ▼                     ▼
 *              nodedown                   erpc error: notsup, …      nodedown
 *
 * A call that is given up (timeout, abort signal, end of the caller) is forgotten here, and its monitor on the other node is
 * removed; the function runs on, as in `erpc.erl`. Of the calls given up before their reply came, at most `ABANDONED_MAX` are
 * remembered; the monitors of any others go when their processes end.
 */
import { TroupeError, badArgument } from '../../../errors.ts';
import { Call, type CallOptions, beginCall } from '../../../otp/gen.ts';
import type { CastOptions } from '../../../otp/server.ts';
import type { Node } from '../../../process/node.ts';
import { type Executor, type FunctionName, MAX_ARITY, readOutcome } from './executor.ts';
import { publishDropped } from './service-process.ts';
import { type ExitReason, formatReason } from '../../../process/messages.ts';
import { addWatch } from '../../../process/monitor.ts';
import { Pid, type Ref } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { telemetry } from '../../../telemetry.ts';
import { type Atom, atom } from '../../../terms/atom.ts';
import { tuple } from '../../../terms/values.ts';
import { type SpawnReply, SPAWN_REQUEST } from '../wire/control.ts';
import type { PeerConnection } from './index.ts';
import { FLAGS } from '../connect/handshake-messages.ts';

const undeliverable = telemetry('troupe:message:undeliverable');

/** The flag of a reply that says that the process is monitored. */
const MONITORED = 2;
/** How many calls that were given up before their reply arrived are remembered. */
const ABANDONED_MAX = 1_000;
/** The client of each node, for functions that are given only the node. */
const clients = new WeakMap<Node, SpawnClient>();

/** How a function on another node failed; the `reason` of TROUPE_ERPC_FAILED. */
export interface ErpcFailure {
  /**
   * `error`: it failed, or cannot be run there (`{erpc, notsup}` and others); `exit`: it exited, or its process was killed
   * (`{signal, Reason}`); `throw`: it threw. See `erpc:call/5`.
   */
  readonly class: 'error' | 'exit' | 'throw';
  /** What it failed with: a term, or with `exit` an exit reason. */
  readonly reason: unknown;
  /** Where, with `error`: a list of `{Module, Function, Arity, Location}`. */
  readonly stack?: unknown;
}

/**
 * Calls a function on a node and waits for its result. Module and function are atoms in Erlang: write them in the program, and do
 * not take them from user input.
 * @param args its arguments. Default: none.
 * @param options `timeoutMs`, 5,000 by default; `Infinity` to wait for ever.
 * @example `await erpc.call(node, 'shop@host', 'lists', 'sort', [[3, 1, 2]])`
 * @throws TroupeError TROUPE_ERPC_FAILED, whose `reason` is an {@link ErpcFailure}; TROUPE_CALL_TIMEOUT, after which the
 * function runs on; TROUPE_CALL_NODEDOWN, TROUPE_CALL_ABORTED, TROUPE_NOT_ENCODABLE; all as a rejection. See `erpc:call/5`.
 */
function callFunction(
  node: Node,
  peer: string,
  module: string,
  name: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<unknown> {
  try {
    return clientFor(node, args).call(peer, { module, name }, args, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Runs a function on a node without waiting for it. Its result, or failure, is not reported.
 * @throws TroupeError TROUPE_NOT_ENCODABLE if the node is connected; otherwise `troupe:message:undeliverable` is published. See
 * `erpc:cast/4`.
 */
function castFunction(
  node: Node,
  peer: string,
  module: string,
  name: string,
  args: readonly unknown[] = [],
  options?: CastOptions,
): void {
  clientFor(node, args).cast(peer, { module, name }, args, options?.from);
}

/** Calls of functions on other nodes: `erpc.call` waits for the result, `erpc.cast` does not. */
export const erpc = { call: callFunction, cast: castFunction } as const;

/** @throws TroupeError TROUPE_BAD_ARGUMENT, TROUPE_NO_CARRIER */
function clientFor(node: Node, args: readonly unknown[]): SpawnClient {
  if (!Array.isArray(args) || args.length > MAX_ARITY) {
    throw badArgument(`The arguments are an array of at most ${MAX_ARITY}.`);
  }
  return spawnClientOf(node);
}

/** A call of a function on another node. It waits like a call of a server. */
class ErpcCall extends Call {
  /** Identifies the request, and its monitor. */
  readonly request: Ref;
  /** Marks the outcome. */
  readonly tag: Ref;
  /** True once it is settled. */
  over = false;
  /** The process that runs the function. */
  spawned: Pid | null = null;
  readonly #client: SpawnClient;
  readonly peer: string;

  constructor(client: SpawnClient, node: Node, caller: Process | null, peer: string, what: string) {
    super(node, caller, { name: 'erpc', node: peer }, what, undefined);
    this.#client = client;
    this.peer = peer;
    this.request = node.makeRef();
    this.tag = node.makeRef();
    // This makes the end of the call reach `leave`.
    this.alias = this.request;
  }

  override peerDown(reason: ExitReason): void {
    if (reason === 'noconnection') {
      this.fail(
        new TroupeError('TROUPE_CALL_NODEDOWN', `'${this.name}': there is no connection with ${this.peer}.`, {
          reason: 'nodedown',
        }),
      );
      return;
    }
    const outcome = readOutcome(reason, this.tag);
    if (outcome === undefined) this.endWith({ class: 'exit', reason: tuple(atom('signal'), reason) });
    else if (outcome.class === 'return') this.reply(outcome.value);
    else {
      const { stack } = outcome;
      this.endWith({
        class: outcome.class,
        reason: outcome.value,
        ...(stack === undefined ? {} : { stack }),
      });
    }
  }

  /** The end of a process of this node that ran the function. */
  override targetExited(reason: ExitReason): void {
    this.peerDown(reason);
  }

  endWith(failure: ErpcFailure): void {
    const what = `'${this.name}' failed on ${this.peer}: ${failure.class} ${formatReason(failure.reason)}.`;
    this.fail(new TroupeError('TROUPE_ERPC_FAILED', what, { reason: failure }));
  }

  /** It cannot be run there. */
  refused(why: Atom): void {
    this.endWith({ class: 'error', reason: tuple(atom('erpc'), why) });
  }

  protected override leave(): void {
    this.over = true;
    this.#client.left(this);
  }
}

/** The calls that processes of a node make to functions on other nodes. */
export class SpawnClient {
  readonly #node: Node;
  readonly #executor: Executor;
  readonly #groupLeader: () => Pid;
  readonly #connections = new Map<string, PeerConnection>();
  /** Calls whose request was sent and has not been answered yet, by the key of its ref. */
  readonly #pending = new Map<string, ErpcCall>();
  /** The callers of requests that were given up before they were answered, by the key of the request. */
  readonly #abandoned = new Map<string, Pid>();

  /** @param groupLeader gets the output of the functions. */
  constructor(node: Node, executor: Executor, groupLeader: () => Pid) {
    this.#node = node;
    this.#executor = executor;
    this.#groupLeader = groupLeader;
    clients.set(node, this);
  }

  /** How many calls it keeps; for tests. */
  get kept(): number {
    return this.#pending.size + this.#abandoned.size;
  }

  peerUp(connection: PeerConnection): void {
    this.#connections.set(connection.name, connection);
  }

  /** The router ends the calls, as everything that waits for the peer. */
  peerDown(peer: string): void {
    this.#connections.delete(peer);
    for (const [key, call] of this.#pending) if (call.peer === peer) this.#pending.delete(key);
  }

  /** Calls a function and waits for its result. */
  call(
    peer: string,
    wanted: FunctionName,
    args: readonly unknown[],
    options: CallOptions | undefined,
  ): Promise<unknown> {
    const what = `${wanted.module}:${wanted.name}/${args.length}`;
    const call = new ErpcCall(this, this.#node, options?.from ?? null, peer, what);
    if (!beginCall(call, options)) return call.promise;
    if (peer === this.#node.name) this.#here(call, wanted, args);
    else {
      this.#connected(
        peer,
        (connection) => this.#ask(connection, call, wanted, args),
        () => call.peerDown('noconnection'),
      );
    }
    return call.promise;
  }

  /** Runs a function without waiting for its result. */
  cast(peer: string, wanted: FunctionName, args: readonly unknown[], from: Process | undefined): void {
    const { module, name } = wanted;
    if (peer === this.#node.name) {
      const execution = { peer, module, name, args, groupLeader: undefined, tag: undefined };
      if (this.#executor.start(execution) !== undefined) return;
      publishDropped(
        this.#node,
        peer,
        () => `a cast of ${module}:${name}/${args.length}: too many functions run`,
      );
      return;
    }
    const sender = from?.pid ?? this.#node.initPid;
    const send = (connection: PeerConnection): void => {
      if ((connection.flags & FLAGS.SPAWN) === 0n) return;
      const terms = [atom(module), atom(name), args];
      this.#request(connection, this.#node.makeRef(), sender, 'execute_cast', [], terms);
    };
    const connection = this.#connections.get(peer);
    if (connection !== undefined) {
      send(connection);
      return;
    }
    const to = `${module}:${name}/${args.length} on ${peer}`;
    const later = (made: PeerConnection): void => {
      try {
        send(made);
      } catch (error) {
        undeliverable.publish({ from: sender, to, message: args, error });
      }
    };
    this.#connected(peer, later, () => undefined);
  }

  /** Takes the answer to a request. */
  replied(connection: PeerConnection, { ref, to, flags, result }: SpawnReply): void {
    const { key } = ref;
    const abandoned = this.#abandoned.get(key);
    if (abandoned !== undefined) {
      this.#abandoned.delete(key);
      if (result instanceof Pid) this.#unwatch(connection.name, abandoned, result, ref);
      return;
    }
    const call = this.#pending.get(key);
    if (call === undefined || call.peer !== connection.name || !call.pid.equals(to)) return;
    this.#pending.delete(key);
    if (result instanceof Pid && (flags & MONITORED) !== 0) {
      call.spawned = result;
    } else if (result instanceof Pid) {
      call.refused(atom('notsup'));
    } else call.refused(result);
  }

  /** @internal A call is settled. */
  left(call: ErpcCall): void {
    const { key } = call.request;
    const peer = this.#node.router.connectedPeer(call.peer);
    const waited = peer?.stopAwaiting(call.request) === true;
    if (this.#pending.delete(key)) {
      if (waited) this.#abandon(key, call.pid);
    } else if (waited && call.spawned !== null) {
      this.#unwatch(call.peer, call.pid, call.spawned, call.request);
    }
  }

  #here(call: ErpcCall, { module, name }: FunctionName, args: readonly unknown[]): void {
    const { name: peer } = this.#node;
    const groupLeader = undefined;
    const process = this.#executor.start({ peer, module, name, args, groupLeader, tag: call.tag });
    if (process === undefined) call.refused(atom('system_limit'));
    else addWatch(process, call);
  }

  #ask(
    connection: PeerConnection,
    call: ErpcCall,
    { module, name }: FunctionName,
    args: readonly unknown[],
  ): void {
    if (call.over) return;
    const peer = this.#node.router.connectedPeer(connection.name);
    if (peer === undefined) {
      call.peerDown('noconnection');
    } else if ((connection.flags & FLAGS.SPAWN) === 0n) {
      call.refused(atom('notsup'));
    } else {
      const { request, tag } = call;
      this.#pending.set(request.key, call);
      peer.awaitDown(request, call);
      try {
        const terms = [tag, atom(module), atom(name), args];
        this.#request(connection, request, call.pid, 'execute_call', [atom('monitor')], terms);
      } catch (error) {
        // An argument that cannot leave the node: nothing was sent.
        this.#pending.delete(request.key);
        peer.stopAwaiting(request);
        call.fail(error as TroupeError);
      }
    }
  }

  #request(
    connection: PeerConnection,
    ref: Ref,
    from: Pid,
    execute: 'execute_call' | 'execute_cast',
    options: readonly Atom[],
    args: readonly unknown[],
  ): void {
    const what = tuple(atom('erpc'), atom(execute), args.length);
    connection.sendControl(tuple(SPAWN_REQUEST, ref, from, this.#groupLeader(), what, options), args);
  }

  /** Goes on with the connection to a node, at once if there is one. */
  #connected(peer: string, go: (connection: PeerConnection) => void, absent: () => void): void {
    const connection = this.#connections.get(peer);
    if (connection !== undefined) {
      go(connection);
      return;
    }
    const tried = (): void => {
      const made = this.#connections.get(peer);
      if (made === undefined) absent();
      else go(made);
    };
    // The reason was published where the attempt failed.
    this.#node.connect(peer).then(tried, tried);
  }

  #abandon(key: string, from: Pid): void {
    if (this.#abandoned.size >= ABANDONED_MAX) {
      const [oldest] = this.#abandoned.keys();
      if (oldest !== undefined) this.#abandoned.delete(oldest);
    }
    this.#abandoned.set(key, from);
  }

  #unwatch(peer: string, from: Pid, target: Pid, ref: Ref): void {
    this.#node.router.connectedPeer(peer)?.send({ op: 'demonitor', from, target, ref });
  }
}

/** The client of a node. @throws TroupeError TROUPE_NO_CARRIER when the node has no carrier for Erlang's protocol. */
export function spawnClientOf(node: Node): SpawnClient {
  const client = clients.get(node);
  if (client !== undefined) return client;
  throw new TroupeError(
    'TROUPE_NO_CARRIER',
    `Node '${node.name}' has no carrier for Erlang's distribution protocol.`,
  );
}
