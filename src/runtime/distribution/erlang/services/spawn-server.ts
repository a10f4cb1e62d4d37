/**
 * Answers SPAWN_REQUEST: another node wants a process here.
 *
 * It can have one for `erpc:execute_call/4` and `erpc:execute_cast/3`, which run a function of the allow-list; that is what
 * `erpc` and `rpc` ask for. Everything else is not supported, which the caller is told at once: code of another node does not
 * run here. See `erl_dist_protocol`, SPAWN_REQUEST, and `erpc.erl`.
 */
import { TroupeError } from '../../../errors.ts';
import type { ExitReason } from '../../../process/messages.ts';
import { RemoteMonitor, addWatch } from '../../../process/monitor.ts';
import type { Node } from '../../../process/node.ts';
import { type Pid, Ref } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple, tuple } from '../../../terms/values.ts';
import type { PeerLink, SpawnRequest } from '../contracts.ts';
import { MONITOR_P_EXIT, PAYLOAD_MONITOR_P_EXIT, SPAWN_REPLY } from '../wire/control.ts';
import { FLAGS } from '../connect/flags.ts';
import { publishDropped } from './dropped.ts';
import type { Execution, Executor } from './executor.ts';
import { MAX_ARITY } from './expose.ts';
import { notEncodable, readOutcome } from './outcome.ts';

/** The flags of a reply. */
const LINKED = 1;
const MONITORED = 2;

/** Options of a spawn that concern only how the process runs, and change nothing here. See `erlang:spawn_opt/5`. */
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

  /** Answers a request, and spawns what it asks for. It does not throw. */
  handle(link: PeerLink, request: SpawnRequest): void {
    const { from, ref } = request;
    // Whoever asks in the name of another node would have it told of processes that it knows nothing of.
    if (from.node !== link.name) {
      publishDropped(this.#node, link.name, () => `a spawn request in the name of ${from.node}`);
      return;
    }
    const options = readOptions(request.options);
    const execution = options === undefined ? undefined : readExecution(link.name, request);
    if (options === undefined || execution === undefined) {
      const { module, function: name, arity } = request;
      publishDropped(this.#node, link.name, () => `a spawn of ${module.name}:${name.name}/${arity}`);
      reply(link, request, 0, atom(options === undefined ? 'badopt' : 'notsup'));
      return;
    }
    const process = this.#start(execution);
    if (process === undefined) {
      reply(link, request, 0, atom('system_limit'));
      return;
    }
    reply(link, request, (options.link ? LINKED : 0) | (options.monitor ? MONITORED : 0), process.pid);
    const { router } = this.#node;
    if (options.link) router.receive(link.name, { op: 'link', from, to: process.pid });
    if (options.monitor) watch(this.#node, link, from, ref, process, execution.tag);
  }

  #start(execution: Execution): Process | undefined {
    try {
      return this.#executor.start(execution);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      // The node is full or stops.
      return undefined;
    }
  }
}

function reply(link: PeerLink, { ref, from }: SpawnRequest, flags: number, result: Pid | Atom): void {
  link.sendControl(tuple(SPAWN_REPLY, ref, from, flags, result));
}

/** Tells the node that asked how its process has ended. The ref of the request is the one of the monitor. */
function watch(
  node: Node,
  link: PeerLink,
  from: Pid,
  ref: Ref,
  process: Process,
  tag: Ref | undefined,
): void {
  const peer = node.router.connection(link.name);
  if (peer === undefined) return;
  if (tag === undefined || peer.incoming.has(ref.key)) {
    node.router.receive(link.name, { op: 'monitor', from, target: process.pid, ref });
    return;
  }
  const monitor = new OutcomeMonitor(peer, link, from, ref, process.pid, tag);
  peer.incoming.set(ref.key, monitor);
  addWatch(process, monitor);
}

/**
 * A monitor of a process that runs a function. An outcome holds what the function returned, which goes out as it is in a
 * message, not as the words of exit reasons do.
 */
class OutcomeMonitor extends RemoteMonitor {
  readonly #link: PeerLink;
  readonly #tag: Ref;
  readonly #process: Pid;

  constructor(peer: RemoteMonitor['peer'], link: PeerLink, from: Pid, ref: Ref, process: Pid, tag: Ref) {
    super(peer, from, ref, process);
    this.#link = link;
    this.#tag = tag;
    this.#process = process;
  }

  override targetExited(reason: ExitReason): void {
    if (readOutcome(reason, this.#tag) === undefined) {
      super.targetExited(reason);
      return;
    }
    this.peer.incoming.delete(this.ref.key);
    try {
      this.#send(reason);
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
      this.#send(notEncodable(this.#tag, error.message));
    }
  }

  #send(reason: unknown): void {
    const { ref, from } = this;
    if ((this.#link.flags & FLAGS.EXIT_PAYLOAD) === 0n) {
      this.#link.sendControl(tuple(MONITOR_P_EXIT, this.#process, from, ref, reason));
    } else {
      this.#link.sendControl(tuple(PAYLOAD_MONITOR_P_EXIT, this.#process, from, ref), reason);
    }
  }
}

/** Reads the options. @returns undefined when one is not understood. */
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

/** Reads what is to be run. @returns undefined for anything but the functions of `erpc`. */
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
 * @returns undefined when they are no such thing.
 */
export function readFunction(
  peer: string,
  [module, name, args]: readonly unknown[],
  groupLeader: Pid | undefined,
  tag: Ref | undefined,
): Execution | undefined {
  if (!(module instanceof Atom) || !(name instanceof Atom)) return undefined;
  if (!Array.isArray(args) || args.length > MAX_ARITY) return undefined;
  return { peer, module: module.name, name: name.name, args: args as unknown[], groupLeader, tag };
}
