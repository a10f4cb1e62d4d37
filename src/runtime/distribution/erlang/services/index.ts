/**
 * The services behind the connections to other nodes: the processes and answers that they expect of a node.
 *
 * | name             | answers                                                                |
 * | ---------------- | ---------------------------------------------------------------------- |
 * | `net_kernel`     | `net_adm:ping/1`                                                       |
 * | `rex`            | `rpc` of older nodes, `rpc:block_call/4`                               |
 * | `logger_proxy`   | log events of processes whose group leader is here                     |
 * | `troupe_io`      | the io protocol; the group leader of what this node has others run     |
 * | `troupe_cluster` | other nodes of Troupe, which exchange the names of nodes               |
 *
 * Other names, such as `global_name_server`, do not exist: messages to them are dropped, and monitors end with `noproc`.
 *
 * `sys` needs the form in which a BEAM node sends and expects the state of a process: `{ok, State}` since stdlib 5.1, which came with
 * OTP 26.1, and the bare state before. A request does not show which, and the wrong one crashes the caller, so the node is asked for
 * the version of its stdlib when it is first needed, once per connection.
 *
 * Limits: a node that does not answer within a second, or does not have the function, is taken for a new one. `WAITING_MAX` system
 * messages of a node wait for its answer; further ones are delivered at once.
 */
import { hasNames } from '../connect/handshake-messages.ts';
import { CLUSTER, Cluster, Redialler } from './cluster.ts';
import { SpawnClient } from './erpc.ts';
import { AllowList, Executor, type ExposedModules } from './executor.ts';
import { IoServer, type Output } from './io.ts';
import { handleNetKernel, NET_KERNEL, ServiceProcess } from './service-process.ts';
import { REX, Rex, SpawnServer } from './spawn-server.ts';
import type { SpawnReply, SpawnRequest } from '../wire/control.ts';
import { TroupeError, badArgument } from '../../../errors.ts';
import type { SystemCall } from '../../../otp/gen.ts';
import type { Node } from '../../../process/node.ts';
import { atom } from '../../../terms/atom.ts';
import { text, Tuple } from '../../../terms/values.ts';

/** A connection that is up, as services see it. */
export interface PeerConnection {
  readonly name: string;
  readonly creation: number;
  readonly flags: bigint;
  /**
   * Sends a control message that the carrier interface has no signal for, with its payload if given.
   * @throws TroupeError TROUPE_NOT_ENCODABLE
   */
  sendControl(control: Tuple, ...payload: readonly [] | readonly [unknown]): void;
}

/** The services behind the connections. None of these methods may throw. */
export interface Services {
  /**
   * The node exists; called once.
   * @param ready resolves when the node listens and has its name; seeds are dialled then, and never if it rejects
   */
  attach(node: Node, ready?: Promise<void>): void;
  /** A connection is up, and the node knows it. */
  peerUp(connection: PeerConnection): void;
  /** A connection was lost, and the node knows it. The reason is `disconnect` if this node's program closed it. */
  peerDown(peer: string, reason?: unknown): void;
  /** @internal A system message of another node; `deliver` is called once the form of the answer is known. */
  systemCall(peer: string, message: SystemCall, deliver: () => void): void;
  /** See `Carrier.givesBareState`. */
  givesBareState(peer: string): Promise<boolean>;
  spawnRequest(connection: PeerConnection, request: SpawnRequest): void;
  spawnReply(connection: PeerConnection, reply: SpawnReply): void;
  /** The carrier is closing. */
  close(): void;
}

/** How many functions may run for one node at a time. */
const EXECUTIONS_MAX = 1_000;

/** Options of the services; see those of the carrier. */
export interface ServicesOptions {
  /** Functions that other nodes may call, {@link ExposedModules}; checked here. Default: none. */
  readonly expose?: unknown;
  readonly seeds?: readonly string[];
  readonly learn?: boolean;
  readonly output?: Output | undefined;
  /** How many functions may run for one node at a time. Default 1,000. */
  readonly maxExecutions?: number;
  /** How often a BEAM node is asked for its nodes. Default 10,000. */
  readonly learnEveryMs?: number;
  /** Chooses the random part of the wait before a node is dialled again: from 0 up to, not including, 1. */
  readonly random?: () => number;
}

/**
 * Makes the services of a node.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for functions that cannot be exposed.
 */
export function createServices(options: ServicesOptions): Services {
  const { expose = {} } = options;
  if (typeof expose !== 'object' || expose === null) {
    throw badArgument("The option 'expose' is an object: modules with their functions.");
  }
  return new NodeServices(options, new AllowList(expose as ExposedModules));
}

/** The parts, once there is a node. */
interface Parts {
  readonly server: SpawnServer;
  readonly client: SpawnClient;
  readonly forms: StateForms;
  readonly redialler: Redialler;
  readonly cluster: Cluster;
  readonly processes: readonly ServiceProcess[];
  readonly clusterProcess: ServiceProcess;
}

class NodeServices implements Services {
  readonly #options: ServicesOptions;
  readonly #allowed: AllowList;
  #parts: Parts | undefined = undefined;

  constructor(options: ServicesOptions, allowed: AllowList) {
    this.#options = options;
    this.#allowed = allowed;
  }

  attach(node: Node, ready: Promise<void> = Promise.resolve()): void {
    const {
      seeds = [],
      learn = true,
      output,
      maxExecutions = EXECUTIONS_MAX,
      learnEveryMs,
      random,
    } = this.#options;
    const executor = new Executor(node, this.#allowed, maxExecutions);
    const ioServer = new IoServer(output);
    const rex = new Rex(executor);
    const io = new ServiceProcess(node, 'troupe_io', (self, message) => ioServer.handle(self, message));
    const client = new SpawnClient(node, executor, () => io.pid);
    const redialler = new Redialler(node, random);
    const cluster = new Cluster(node, redialler, client, learn, learnEveryMs);
    const clusterProcess = new ServiceProcess(node, CLUSTER, (_self, message) => cluster.handle(message));
    this.#parts = {
      server: new SpawnServer(node, executor),
      client,
      forms: new StateForms(client),
      redialler,
      cluster,
      clusterProcess,
      processes: [
        io,
        clusterProcess,
        new ServiceProcess(node, NET_KERNEL, handleNetKernel),
        new ServiceProcess(node, REX, (self, message) => rex.handle(self, message)),
        new ServiceProcess(node, 'logger_proxy', (self, message) => ioServer.handleLog(self, message)),
      ],
    };
    // Only after the carrier is attached and the program that made the node has had its turn; and only once the name is this
    // node's own: for nodes that know another node of that name, this one would replace it.
    const keep = () => {
      for (const seed of seeds) redialler.keep(seed);
    };
    ready.then(
      () => setImmediate(keep),
      () => {}, // Published by the carrier.
    );
  }

  peerUp(connection: PeerConnection): void {
    const parts = this.#parts;
    if (parts === undefined) return;
    parts.client.peerUp(connection);
    parts.redialler.up(connection.name);
    const self = parts.clusterProcess.process;
    if (self.alive && hasNames(connection)) parts.cluster.peerUp(self, connection.name);
  }

  peerDown(peer: string, reason?: unknown): void {
    const parts = this.#parts;
    if (parts === undefined) return;
    parts.client.peerDown(peer);
    parts.forms.peerDown(peer);
    parts.cluster.peerDown(peer);
    parts.redialler.down(peer, reason === 'disconnect');
  }

  systemCall(peer: string, message: SystemCall, deliver: () => void): void {
    this.#parts?.forms.arrived(peer, message, deliver);
  }

  async givesBareState(peer: string): Promise<boolean> {
    return (await this.#parts?.forms.isBare(peer)) ?? false;
  }

  spawnRequest(connection: PeerConnection, request: SpawnRequest): void {
    this.#parts?.server.handle(connection, request);
  }

  spawnReply(connection: PeerConnection, reply: SpawnReply): void {
    this.#parts?.client.replied(connection, reply);
  }

  close(): void {
    const parts = this.#parts;
    if (parts === undefined) return;
    parts.redialler.close();
    parts.cluster.close();
    for (const process of parts.processes) process.close();
  }
}

// ---- the form of states ----

const ANSWER_MS = 1_000;
const WAITING_MAX = 1_000;

/** What is known about one connection. */
interface Known {
  readonly isBare: Promise<boolean>;
  /** Undefined until the node has answered. */
  answer: boolean | undefined;
  waiting: number;
}

/** The forms of the nodes that are connected. */
class StateForms {
  readonly #client: SpawnClient;
  readonly #known = new Map<string, Known>();

  constructor(client: SpawnClient) {
    this.#client = client;
  }

  /** Whether a node's `sys` sends a bare state. */
  isBare(peer: string): Promise<boolean> {
    return this.#of(peer).isBare;
  }

  /** Delivers a system message of a node, once the form of the answer is known. */
  arrived(peer: string, message: SystemCall, deliver: () => void): void {
    const command: unknown = Array.isArray(message.argument) ? message.argument[0] : message.argument;
    if (command !== 'get_state' && command !== 'replace_state') return deliver();
    const known = this.#of(peer);
    if (known.answer !== undefined || known.waiting >= WAITING_MAX) {
      message.bareState = known.answer ?? false;
      return deliver();
    }
    known.waiting++;
    void known.isBare.then((isBare) => {
      message.bareState = isBare;
      // Over a later connection it would arrive after what was sent over this one has ended.
      if (this.#known.get(peer) === known) deliver();
    });
  }

  peerDown(peer: string): void {
    this.#known.delete(peer);
  }

  #of(peer: string): Known {
    const before = this.#known.get(peer);
    if (before !== undefined) return before;
    const known: Known = { isBare: this.#ask(peer), answer: undefined, waiting: 0 };
    this.#known.set(peer, known);
    void known.isBare.then((isBare) => {
      known.answer = isBare;
    });
    return known;
  }

  async #ask(peer: string): Promise<boolean> {
    const wanted = { module: 'application', name: 'get_key' };
    try {
      const args = [atom('stdlib'), atom('vsn')];
      return isBefore51(await this.#client.call(peer, wanted, args, { timeoutMs: ANSWER_MS }));
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      return false;
    }
  }
}

/** Whether `{ok, "4.2"}` is a version before 5.1. */
function isBefore51(answer: unknown): boolean {
  const version = answer instanceof Tuple ? text(answer.elements[1]) : undefined;
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  return version !== undefined && (major < 5 || (major === 5 && minor < 1));
}
