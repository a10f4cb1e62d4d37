/**
 * Finds the nodes of a cluster through those that are connected.
 *
 * On a Troupe node a process `troupe_cluster` sends `{troupe_cluster, Pid, [Name]}` to its counterpart on each node that comes up,
 * with the nodes that its own node is connected to, and later to the others for each further node. The names are binaries: on a
 * BEAM node, which drops the message since no process has that name, atoms would stay for ever.
 *
 * A BEAM node is asked for its nodes, `erlang:nodes([visible, hidden])`, when it comes up and then at intervals, since it reports
 * changes only to code that runs there. Hidden nodes are included because Troupe nodes are hidden: two that know only one BEAM node
 * find each other through it.
 *
 * It does not dial: what it learns goes to the redialler, which has the limits.
 */
import { TroupeError } from '../../../errors.ts';
import type { Node } from '../../../process/node.ts';
import { Pid } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { TimerEntry } from '../../../process/timers.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple, tuple } from '../../../terms/values.ts';
import type { SpawnClient } from './erpc.ts';
import { NODES_MAX, type Redialler } from '../connect/redialler.ts';

/** The name of the process, and the tag of its messages. */
export const CLUSTER = 'troupe_cluster';
/** How long after it comes up a node is first asked for its nodes, unless it has announced itself as a Troupe node. */
export const FIRST_ASKED_MS = 250;
/** The interval at which it is asked afterwards. */
export const ASKED_EVERY_MS = 10_000;
/** How long to wait for its answer. */
const ANSWER_MS = 5_000;
/** The argument of `erlang:nodes/1`. */
const KINDS = [atom('visible'), atom('hidden')];

/** Asks a node for its nodes, repeatedly. */
class Question extends TimerEntry {
  readonly #ask: () => void;

  constructor(ask: () => void) {
    super();
    this.#ask = ask;
  }

  override expired(): void {
    this.#ask();
  }
}

/** Exchanges the names of nodes with other nodes. */
export class Cluster {
  readonly #node: Node;
  readonly #redialler: Redialler;
  readonly #client: SpawnClient;
  readonly #learns: boolean;
  readonly #everyMs: number;
  /** The nodes that have announced themselves as Troupe nodes. */
  readonly #troupe = new Set<string>();
  readonly #questions = new Map<string, Question>();

  /** @param learns whether it connects to the nodes it learns of; it tells others in any case. */
  constructor(
    node: Node,
    redialler: Redialler,
    client: SpawnClient,
    learns: boolean,
    everyMs = ASKED_EVERY_MS,
  ) {
    this.#node = node;
    this.#redialler = redialler;
    this.#client = client;
    this.#learns = learns;
    this.#everyMs = everyMs;
  }

  /** Handles a message to the process. */
  handle(message: unknown): void {
    const [tag, from, names] = message instanceof Tuple ? message.elements : [];
    if (tag !== atom(CLUSTER) || !(from instanceof Pid) || !Array.isArray(names)) return;
    if (this.#node.router.connectedPeer(from.node) === undefined) return;
    this.#troupe.add(from.node);
    this.#endQuestion(from.node);
    if (this.#learns) this.#learn(names as readonly unknown[]);
  }

  /** A node is up. @param self the process. */
  peerUp(self: Process, peer: string): void {
    const { router } = this.#node;
    const others = router.connected().filter((name) => name !== peer && router.connectedPeer(name)?.hasNames);
    tell(self, peer, others.slice(0, NODES_MAX));
    for (const name of this.#troupe) tell(self, name, [peer]);
    if (!this.#learns || this.#troupe.has(peer)) return;
    const question = new Question(() => this.#ask(peer, question));
    this.#questions.set(peer, question);
    this.#node.timers.start(question, FIRST_ASKED_MS);
  }

  peerDown(peer: string): void {
    this.#troupe.delete(peer);
    this.#endQuestion(peer);
  }

  close(): void {
    for (const peer of this.#questions.keys()) this.#endQuestion(peer);
  }

  #ask(peer: string, question: Question): void {
    // The connection may have been lost in the meantime, and another one may have a question of its own.
    const isWanted = (): boolean => this.#questions.get(peer) === question;
    const again = (): void => this.#node.timers.start(question, this.#everyMs);
    this.#client
      .call(peer, { module: 'erlang', name: 'nodes' }, [KINDS], { timeoutMs: ANSWER_MS })
      .then((names) => {
        if (!isWanted()) return;
        if (Array.isArray(names)) this.#learn(names as readonly unknown[]);
        again();
      })
      .catch((error: unknown) => {
        if (!(error instanceof TroupeError)) throw error;
        if (!isWanted()) return;
        // A node without the function will not get it later; a slow one may answer the next time.
        if (error.code === 'TROUPE_CALL_TIMEOUT') again();
        else this.#endQuestion(peer);
      });
  }

  #learn(names: readonly unknown[]): void {
    for (const name of names.slice(0, NODES_MAX)) {
      const text = name instanceof Atom ? name.name : name;
      if (typeof text === 'string') this.#redialler.learn(text);
    }
  }

  #endQuestion(peer: string): void {
    const question = this.#questions.get(peer);
    if (question === undefined) return;
    this.#questions.delete(peer);
    this.#node.timers.drop(question);
  }
}

function tell(self: Process, peer: string, names: readonly string[]): void {
  self.send({ name: CLUSTER, node: peer }, tuple(atom(CLUSTER), self.pid, names));
}
