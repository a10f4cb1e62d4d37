/**
 * Runs functions on other nodes: SPAWN_REQUEST for `erpc:execute_call/4`, and what becomes of it.
 *
 *     call ──▶ connected? ──▶ SPAWN_REQUEST ──▶ SPAWN_REPLY {pid} ──▶ 'DOWN' with the outcome ──▶ answered
 *                 │ no                            │ atom                │ noconnection
 *                 ▼                               ▼                     ▼
 *              nodedown                   erpc error: notsup, …      nodedown
 *
 * A call that is given up (time, signal, end of the caller) is forgotten here, and its monitor there is ended; the function
 * runs on, as in `erpc.erl`. At most `ABANDONED_MAX` such calls are remembered whose reply has not come; the monitors of
 * others end with their processes.
 */
import { TroupeError } from '../../../errors.ts';
import { beginCall, Call, type CallOptions } from '../../../otp/gen.ts';
import { type ExitReason, formatReason } from '../../../process/messages.ts';
import { addWatch } from '../../../process/monitor.ts';
import type { Node } from '../../../process/node.ts';
import { Pid } from '../../../terms/pid.ts';
import type { Process } from '../../../process/process.ts';
import type { Ref } from '../../../terms/ref.ts';
import { telemetry } from '../../../telemetry.ts';
import { type Atom, atom } from '../../../terms/atom.ts';
import { tuple } from '../../../terms/tuple.ts';
import type { PeerLink, SpawnReply } from '../contracts.ts';
import { SPAWN_REQUEST } from '../wire/control.ts';
import { FLAGS } from '../connect/flags.ts';
import type { Executor } from './executor.ts';
import { type FunctionName, readOutcome } from './outcome.ts';

const undeliverable = telemetry('troupe:message:undeliverable');

/** The flag of a reply to say that the process is monitored. */
const MONITORED = 2;
/** How many calls that were given up before their reply came are remembered. */
const ABANDONED_MAX = 1_000;

/** What a function on another node has failed with; the `reason` of TROUPE_ERPC_FAILED. */
export interface ErpcFailure {
  /**
   * `error`: it failed, or cannot be run there (`{erpc, notsup}` and others); `exit`: it exited, or its process was ended
   * (`{signal, Reason}`); `throw`: it threw. See `erpc:call/5`.
   */
  readonly class: 'error' | 'exit' | 'throw';
  /** What it failed with: a term, or with `exit` an exit reason. */
  readonly reason: unknown;
  /** Where, with `error`: a list of `{Module, Function, Arity, Location}`. */
  readonly stack?: unknown;
}

/** A call of a function on another node. It waits as a call of a server does. */
class ErpcCall extends Call {
  /** Names the request, and its monitor. */
  readonly request: Ref;
  /** Marks the outcome. */
  readonly tag: Ref;
  /** True from when it is settled. */
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
    // With it the end of the call comes to `leave`.
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

/** The calls of functions that processes of a node make. */
export class SpawnClient {
  readonly #node: Node;
  readonly #executor: Executor;
  readonly #groupLeader: () => Pid;
  readonly #links = new Map<string, PeerLink>();
  /** Calls whose request was sent and not answered yet, by the key of its ref. */
  readonly #pending = new Map<string, ErpcCall>();
  /** Who has made the requests that were given up before they were answered. */
  readonly #abandoned = new Map<string, Pid>();

  /** @param groupLeader where the output of the functions goes. */
  constructor(node: Node, executor: Executor, groupLeader: () => Pid) {
    this.#node = node;
    this.#executor = executor;
    this.#groupLeader = groupLeader;
  }

  /** How many calls it keeps; for tests. */
  get kept(): number {
    return this.#pending.size + this.#abandoned.size;
  }

  peerUp(link: PeerLink): void {
    this.#links.set(link.name, link);
  }

  /** The calls end by themselves: the router tells all that wait for the peer. */
  peerDown(peer: string): void {
    this.#links.delete(peer);
    for (const [key, call] of this.#pending) if (call.peer === peer) this.#pending.delete(key);
  }

  /** Calls a function and waits for what it returns. */
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
        (link) => this.#ask(link, call, wanted, args),
        () => call.peerDown('noconnection'),
      );
    }
    return call.promise;
  }

  /** Has a function run, without hearing of it again. */
  cast(peer: string, wanted: FunctionName, args: readonly unknown[], from: Process | undefined): void {
    const { module, name } = wanted;
    if (peer === this.#node.name) {
      this.#executor.start({ peer, module, name, args, groupLeader: undefined, tag: undefined });
      return;
    }
    const sender = from?.pid ?? this.#node.initPid;
    const send = (link: PeerLink): void => {
      if ((link.flags & FLAGS.SPAWN) === 0n) return;
      const terms = [atom(module), atom(name), args];
      this.#request(link, this.#node.makeRef(), sender, 'execute_cast', [], terms);
    };
    const link = this.#links.get(peer);
    if (link !== undefined) {
      send(link);
      return;
    }
    const to = `${module}:${name}/${args.length} on ${peer}`;
    const later = (linked: PeerLink): void => {
      try {
        send(linked);
      } catch (error) {
        undeliverable.publish({ from: sender, to, message: args, error });
      }
    };
    this.#connected(peer, later, () => undefined);
  }

  /** Takes the answer to a request. */
  replied(link: PeerLink, { ref, to, flags, result }: SpawnReply): void {
    const { key } = ref;
    const abandoned = this.#abandoned.get(key);
    if (abandoned !== undefined) {
      this.#abandoned.delete(key);
      if (result instanceof Pid) this.#unwatch(link.name, abandoned, result, ref);
      return;
    }
    const call = this.#pending.get(key);
    if (call === undefined || call.peer !== link.name || !call.pid.equals(to)) return;
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
    const connection = this.#node.router.connection(call.peer);
    const waited = connection?.outgoing.delete(key) === true;
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

  #ask(link: PeerLink, call: ErpcCall, { module, name }: FunctionName, args: readonly unknown[]): void {
    if (call.over) return;
    const connection = this.#node.router.connection(link.name);
    if (connection === undefined) {
      call.peerDown('noconnection');
    } else if ((link.flags & FLAGS.SPAWN) === 0n) {
      call.refused(atom('notsup'));
    } else {
      const { request, tag } = call;
      this.#pending.set(request.key, call);
      connection.outgoing.set(request.key, call);
      try {
        const terms = [tag, atom(module), atom(name), args];
        this.#request(link, request, call.pid, 'execute_call', [atom('monitor')], terms);
      } catch (error) {
        // An argument that cannot leave the node: nothing was sent.
        this.#pending.delete(request.key);
        connection.outgoing.delete(request.key);
        call.fail(error as TroupeError);
      }
    }
  }

  #request(
    link: PeerLink,
    ref: Ref,
    from: Pid,
    execute: 'execute_call' | 'execute_cast',
    options: readonly Atom[],
    args: readonly unknown[],
  ): void {
    const what = tuple(atom('erpc'), atom(execute), args.length);
    link.sendControl(tuple(SPAWN_REQUEST, ref, from, this.#groupLeader(), what, options), args);
  }

  /** Goes on with the connection to a node, at once when it is there. */
  #connected(peer: string, go: (link: PeerLink) => void, absent: () => void): void {
    const link = this.#links.get(peer);
    if (link !== undefined) {
      go(link);
      return;
    }
    const tried = (): void => {
      const made = this.#links.get(peer);
      if (made === undefined) absent();
      else go(made);
    };
    // Why there is no connection is told where it was tried; here it is that there is none.
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
    this.#node.router.connection(peer)?.send({ op: 'demonitor', from, target, ref });
  }
}
