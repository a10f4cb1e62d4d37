/**
 * Runs functions that other nodes ask for: by SPAWN_REQUEST, which is what `erpc` and `rpc` use, or by message to `rex`.
 *
 * A SPAWN_REQUEST for `erpc:execute_call/4` or `erpc:execute_cast/3` runs a function of the allow-list. Anything else is
 * answered at once with `notsup`: code of another node does not run here. See `erl_dist_protocol`, SPAWN_REQUEST, and
 * `erpc.erl`.
 *
 * Since OTP 23 `rpc:call` uses `erpc`; `rex` still gets `rpc:block_call`, the calls of older nodes and of C nodes, and the
 * question for features that a visible node is asked. On a BEAM node `block_call`s run one after the other; here functions
 * never wait for one another. See `rpc.erl`.
 */
import { TroupeError } from '../../../errors.ts';
import type { ExitReason } from '../../../process/messages.ts';
import { RemoteMonitor, Watcher, addWatch } from '../../../process/monitor.ts';
import type { Node } from '../../../process/node.ts';
import { Pid, Ref } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple, tuple } from '../../../terms/values.ts';
import { type SpawnRequest, MONITOR_P_EXIT, PAYLOAD_MONITOR_P_EXIT, SPAWN_REPLY } from '../wire/control.ts';
import type { PeerConnection } from './index.ts';
import { FLAGS } from '../connect/handshake-messages.ts';
import { publishDropped, refuse } from './service-process.ts';
import {
  type Execution,
  type Executor,
  MAX_ARITY,
  notEncodable,
  readOutcome,
  reasonToTerm,
} from './executor.ts';
import { Call, Cast, RemoteCall } from '../../../otp/gen.ts';

/** Flags of a reply. */
const LINKED = 1;
const MONITORED = 2;

/** Options of a spawn that affect only how the process runs, and have no effect here. See `erlang:spawn_opt/5`. */
const IGNORED = new Set([
  'priority',
  'fullsweep_after',
  'min_heap_size',
  'min_bin_vheap_size',
  'max_heap_size',
  'message_queue_data',
  'async_dist',
]);

/** Answers the requests of all peers. */
export class SpawnServer {
  readonly #node: Node;
  readonly #executor: Executor;

  constructor(node: Node, executor: Executor) {
    this.#node = node;
    this.#executor = executor;
  }

  /** Answers a request and starts its function. Does not throw. */
  handle(connection: PeerConnection, request: SpawnRequest): void {
    const { from, ref } = request;
    // A request in the name of another node would have that node get signals of processes that it does not know.
    if (from.node !== connection.name) {
      publishDropped(this.#node, connection.name, () => `a spawn request in the name of ${from.node}`);
      return;
    }
    const options = readOptions(request.options);
    const execution = options === undefined ? undefined : readExecution(connection.name, request);
    if (options === undefined || execution === undefined) {
      const { module, function: name, arity } = request;
      publishDropped(this.#node, connection.name, () => `a spawn of ${module.name}:${name.name}/${arity}`);
      sendReply(connection, request, 0, atom(options === undefined ? 'badopt' : 'notsup'));
      return;
    }
    const process = this.#executor.startForPeer(execution);
    if (process === undefined) {
      sendReply(connection, request, 0, atom('system_limit'));
      return;
    }
    sendReply(
      connection,
      request,
      (options.link ? LINKED : 0) | (options.monitor ? MONITORED : 0),
      process.pid,
    );
    const { router } = this.#node;
    if (options.link) router.receive(connection.name, { op: 'link', from, to: process.pid });
    if (options.monitor) watch(this.#node, connection, from, ref, process, execution.tag);
  }
}

function sendReply(
  connection: PeerConnection,
  { ref, from }: SpawnRequest,
  flags: number,
  result: Pid | Atom,
): void {
  connection.sendControl(tuple(SPAWN_REPLY, ref, from, flags, result));
}

/** Reports the end of the process to the node that asked for it. The ref of the request is that of the monitor. */
function watch(
  node: Node,
  connection: PeerConnection,
  from: Pid,
  ref: Ref,
  process: Process,
  tag: Ref | undefined,
): void {
  const peer = node.router.connectedPeer(connection.name);
  if (peer === undefined) return;
  if (tag === undefined || peer.incoming.has(ref.key)) {
    node.router.receive(connection.name, { op: 'monitor', from, target: process.pid, ref });
    return;
  }
  peer.addMonitor(process, new OutcomeMonitor(peer, connection, from, ref, process.pid, tag));
}

/**
 * A monitor of a process that runs a function. An outcome holds the function's result, which is encoded as in a message, without the
 * words of exit reasons.
 */
class OutcomeMonitor extends RemoteMonitor {
  readonly #connection: PeerConnection;
  readonly #tag: Ref;
  readonly #process: Pid;

  constructor(
    peer: RemoteMonitor['peer'],
    connection: PeerConnection,
    from: Pid,
    ref: Ref,
    process: Pid,
    tag: Ref,
  ) {
    super(peer, from, ref, process);
    this.#connection = connection;
    this.#tag = tag;
    this.#process = process;
  }

  override targetExited(reason: ExitReason): void {
    if (readOutcome(reason, this.#tag) === undefined) {
      super.targetExited(reason);
      return;
    }
    this.peer.removeMonitor(this);
    try {
      this.#send(reason);
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
      this.#send(notEncodable(this.#tag, error.message));
    }
  }

  #send(reason: unknown): void {
    const { ref, from } = this;
    if ((this.#connection.flags & FLAGS.EXIT_PAYLOAD) === 0n) {
      this.#connection.sendControl(tuple(MONITOR_P_EXIT, this.#process, from, ref, reason));
    } else {
      this.#connection.sendControl(tuple(PAYLOAD_MONITOR_P_EXIT, this.#process, from, ref), reason);
    }
  }
}

/** Reads the options. @returns undefined if one is unknown. */
function readOptions(options: unknown): { readonly link: boolean; readonly monitor: boolean } | undefined {
  if (!Array.isArray(options)) return undefined;
  let link = false;
  let monitor = false;
  for (const option of options as readonly unknown[]) {
    const name: unknown = option instanceof Tuple ? option.elements[0] : option;
    if (!(name instanceof Atom)) return undefined;
    if (name.name === 'link') link = true;
    else if (name.name === 'monitor') monitor = true;
    else if (!IGNORED.has(name.name)) return undefined;
  }
  return { link, monitor };
}

/** Reads what to run. @returns undefined for anything but the functions of `erpc`. */
function readExecution(peer: string, request: SpawnRequest): Execution | undefined {
  const { module, function: name, args, groupLeader } = request;
  if (module.name !== 'erpc' || !Array.isArray(args) || args.length !== request.arity) return undefined;
  if (name.name === 'execute_call' && args.length === 4) {
    const [tag, ...rest] = args as readonly unknown[];
    return tag instanceof Ref ? readFunction(peer, rest, groupLeader, tag) : undefined;
  }
  if (name.name === 'execute_cast' && args.length === 3)
    return readFunction(peer, args, groupLeader, undefined);
  return undefined;
}

/**
 * Reads a function with its arguments, `Module, Function, Args`, from another node.
 * @returns undefined if they are anything else.
 */
function readFunction(
  peer: string,
  [module, name, args]: readonly unknown[],
  groupLeader: Pid | undefined,
  tag: Ref | undefined,
): Execution | undefined {
  if (!(module instanceof Atom) || !(name instanceof Atom)) return undefined;
  if (!Array.isArray(args) || args.length > MAX_ARITY) return undefined;
  return { peer, module: module.name, name: name.name, args: args as unknown[], groupLeader, tag };
}

// ---- rex ----

/** The name of the process that answers `rpc` by message. */
export const REX = 'rex';

/** Answers a call when the process that runs its function ends. */
class Answer extends Watcher {
  readonly #answer: (reply: unknown) => void;
  readonly #tag: Ref;

  constructor(answer: (reply: unknown) => void, tag: Ref) {
    super();
    this.#answer = answer;
    this.#tag = tag;
  }

  targetExited(reason: ExitReason): void {
    this.#answer(replyFor(reason, this.#tag));
  }
}

/** Handles the messages to `rex`. */
export class Rex {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  handle(self: Process, message: unknown): void {
    if (message instanceof RemoteCall || message instanceof Call) this.#call(self, message);
    else if (message instanceof Cast) this.#cast(self, message.argument);
    else if (isFeaturesRequest(message)) {
      self.send(message.elements[0], tuple(atom('features_reply'), atom(self.node.name), [atom('erpc')]));
    } else if (!this.#oldCall(self, message)) publishDropped(self.node, '', () => 'a message to rex');
  }

  /** `{From, {call, Module, Function, Args, _}}`, which C nodes send (`ei_rpc`); the answer is `{rex, Reply}`. */
  #oldCall(self: Process, message: unknown): boolean {
    if (!(message instanceof Tuple) || message.length !== 2) return false;
    const [from, request] = message.elements;
    const wanted = from instanceof Pid ? readRequest(request, ['call']) : undefined;
    if (wanted === undefined) return false;
    const { node } = (from as Pid).origin;
    const tag = self.node.makeRef();
    const execution = readFunction(node, wanted.what, wanted.groupLeader, tag);
    if (execution === undefined) return false;
    const send = (reply: unknown): void => self.node.route(self.pid, from as Pid, tuple(atom(REX), reply));
    const answer = (reply: unknown): void => {
      try {
        send(reply);
      } catch (error) {
        if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
        send(badRpc(tuple(atom('EXIT'), tuple(atom('not_encodable'), error.what))));
      }
    };
    const process = this.#executor.startForPeer(execution);
    if (process === undefined) answer(badRpc(tuple(atom('EXIT'), atom('system_limit'))));
    else addWatch(process, new Answer(answer, tag));
    return true;
  }

  #call(self: Process, request: Call | RemoteCall): void {
    const tag = self.node.makeRef();
    const wanted = readRequest(request.argument, ['call', 'block_call']);
    const peer = request.pid instanceof Pid ? request.pid.node : '';
    const execution = wanted && readFunction(peer, wanted.what, wanted.groupLeader, tag);
    if (execution === undefined) {
      refuse(self, request);
      return;
    }
    const process = this.#executor.startForPeer(execution);
    if (process === undefined) request.reply(badRpc(tuple(atom('EXIT'), atom('system_limit'))));
    else addWatch(process, new Answer((reply) => request.reply(reply), tag));
  }

  #cast(self: Process, argument: unknown): void {
    const wanted = readRequest(argument, ['cast']);
    const peer = wanted?.groupLeader?.node ?? '';
    const execution = wanted && readFunction(peer, wanted.what, wanted.groupLeader, undefined);
    if (execution === undefined || this.#executor.startForPeer(execution) === undefined) {
      publishDropped(self.node, peer, () => 'a cast to rex');
    }
  }
}

/** Reads `{Kind, Module, Function, Args, GroupLeader}`. */
function readRequest(
  argument: unknown,
  kinds: readonly string[],
): { readonly what: readonly unknown[]; readonly groupLeader: Pid | undefined } | undefined {
  if (!(argument instanceof Tuple) || argument.length !== 5) return undefined;
  const [kind, module, name, args, leader] = argument.elements;
  if (!(kind instanceof Atom) || !kinds.includes(kind.name)) return undefined;
  return { what: [module, name, args], groupLeader: leader instanceof Pid ? leader : undefined };
}

/** The answer of `rpc:call`, for which a thrown value is a result. */
function replyFor(reason: ExitReason, tag: Ref): unknown {
  const outcome = readOutcome(reason, tag);
  if (outcome === undefined) return badRpc(tuple(atom('EXIT'), reasonToTerm(reason)));
  const { value, stack } = outcome;
  switch (outcome.class) {
    case 'return':
    case 'throw':
      return value;
    case 'exit':
      return badRpc(tuple(atom('EXIT'), reasonToTerm(value)));
    case 'error':
      return badRpc(tuple(atom('EXIT'), tuple(value, stack)));
  }
}

function badRpc(reason: unknown): Tuple {
  return tuple(atom('badrpc'), reason);
}

function isFeaturesRequest(message: unknown): message is Tuple<readonly [Pid, Atom]> {
  if (!(message instanceof Tuple) || message.length !== 2) return false;
  const [from, what] = message.elements;
  return from instanceof Pid && what === atom('features_request');
}
