/**
 * Finds the nodes of a cluster through those that are connected, and keeps this node connected to them and to its seeds.
 *
 * On a Troupe node a process `troupe_cluster` sends `{troupe_cluster, Pid, [Name]}` to its counterpart on each node that comes up,
 * with the nodes that its own node is connected to, and later to the others for each further node. The names are binaries: on a
 * BEAM node, which drops the message since no process has that name, atoms would stay for ever.
 *
 * A BEAM node is asked for its nodes, `erlang:nodes([visible, hidden])`, when it comes up and then at intervals, since it reports
 * changes only to code that runs there. Hidden nodes are included because Troupe nodes are hidden: two that know only one BEAM node
 * find each other through it.
 *
 * The redialler dials nodes, and dials again when that fails or the connection is lost.
 *
 *     wanted ──▶ queued ──▶ dialling ──▶ up ──lost──▶ waiting ──▶ queued
 *                   ▲            │ failed
 *                   └─ waiting ◀─┘ 0.5 s, 1 s, ... 30 s, each less a random part of up to a half
 *
 * A connection that was up for less than `STEADY_MS` counts as a failure, so that nodes that cannot stay connected are not
 * dialled over and over without a pause. Seeds are dialled for ever. Nodes learnt from others are given up after `ATTEMPTS_MAX`
 * failures and not dialled again for `REST_MS`; one that the program has disconnected is left alone until it connects on its own
 * initiative.
 *
 * Limits: `NODES_MAX` learnt nodes, `DIALS_MAX` attempts at a time.
 */
import { type Backoff, backoffMs } from '../../../backoff.ts';
import { isNodeName } from '../connect/handshake-messages.ts';
import type { SpawnClient } from './erpc.ts';
import { TroupeError } from '../../../errors.ts';
import type { Node } from '../../../process/node.ts';
import type { Process } from '../../../process/process.ts';
import { TimerEntry } from '../../../process/timers.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Pid } from '../../../terms/identifiers.ts';
import { Tuple, tuple } from '../../../terms/values.ts';

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

  /** @param learns whether it connects to the nodes it learns of; it informs others in any case. */
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

// ---- the redialler ----

/** How many learnt nodes are known at a time; further ones are ignored. */
export const NODES_MAX = 4_096;
/** How many attempts to connect run at a time. */
export const DIALS_MAX = 16;
/** After how many failures in a row a learnt node is given up: about a minute and a half. */
export const ATTEMPTS_MAX = 8;
/** For how long it is then not dialled, whichever node mentions it. */
export const REST_MS = 300_000;
/** How long a connection must be up for earlier failures to be forgotten. */
export const STEADY_MS = 60_000;
/** The waits after failures. */
const WAITS: Backoff = { firstMs: 500, maxMs: 30_000, jitter: 0.5 };

/** A node to stay connected to. */
class Target extends TimerEntry {
  readonly name: string;
  readonly #redialler: Redialler;
  seed: boolean;
  state: 'queued' | 'dialling' | 'up' | 'waiting' | 'resting' | 'left' = 'queued';
  failures = 0;
  /** When it came up, by the clock of the node. */
  upAt = 0;

  constructor(redialler: Redialler, name: string, seed: boolean) {
    super();
    this.#redialler = redialler;
    this.name = name;
    this.seed = seed;
  }

  override expired(): void {
    this.#redialler.waited(this);
  }
}

/** Dials nodes until they are connected, and again when they are not. */
export class Redialler {
  readonly #node: Node;
  readonly #random: () => number;
  readonly #targets = new Map<string, Target>();
  readonly #queue = new Set<Target>();
  #learnt = 0;
  #dialling = 0;
  #closed = false;

  /** @param random chooses the random part of a wait: from 0 up to, not including, 1. */
  constructor(node: Node, random: () => number = Math.random) {
    this.#node = node;
    this.#random = random;
  }

  /** The names of the nodes it knows. */
  get known(): string[] {
    return [...this.#targets.keys()];
  }

  /** Connects to a seed and keeps it connected. The node's own name is ignored. */
  keep(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) this.#add(name, true);
    else if (!target.seed) {
      target.seed = true;
      this.#learnt--;
    }
  }

  /** Connects to a node that another one has mentioned. */
  learn(name: string): void {
    if (!isNodeName(name) || this.#targets.has(name) || this.#learnt >= NODES_MAX) return;
    this.#add(name, false);
  }

  /** A connection is up, whichever side dialled. */
  up(name: string): void {
    const target = this.#targets.get(name);
    if (target === undefined) return;
    this.#stopWaiting(target);
    target.state = 'up';
    target.upAt = this.#node.clock.now();
  }

  /** A connection was lost. @param left whether this node's program closed it. */
  down(name: string, left: boolean): void {
    const target = this.#targets.get(name);
    if (target === undefined || target.state !== 'up') return;
    const steady = this.#node.clock.now() - target.upAt >= STEADY_MS;
    if (steady) target.failures = 0;
    if (left && !target.seed) target.state = 'left';
    else if (steady) this.#wait(target, 1);
    else this.#failed(target);
  }

  close(): void {
    this.#closed = true;
    for (const target of this.#targets.values()) this.#node.timers.drop(target);
    this.#targets.clear();
    this.#queue.clear();
  }

  /** @internal The wait of a target is over. */
  waited(target: Target): void {
    if (target.state === 'resting') this.#forget(target);
    else this.#enqueue(target);
  }

  #add(name: string, seed: boolean): void {
    if (this.#closed || name === this.#node.name) return;
    const target = new Target(this, name, seed);
    this.#targets.set(name, target);
    if (!seed) this.#learnt++;
    if (this.#node.router.connectedPeer(name) === undefined) this.#enqueue(target);
    else this.up(name);
  }

  #enqueue(target: Target): void {
    target.state = 'queued';
    this.#queue.add(target);
    this.#dialNext();
  }

  #dialNext(): void {
    for (const target of this.#queue) {
      if (this.#dialling >= DIALS_MAX) return;
      this.#queue.delete(target);
      this.#dial(target);
    }
  }

  #dial(target: Target): void {
    target.state = 'dialling';
    this.#dialling++;
    const done = (connected: boolean): void => {
      this.#dialling--;
      if (this.#closed) return;
      // It may have come up and gone down since.
      if (target.state === 'dialling') {
        if (connected) this.up(target.name);
        else this.#failed(target);
      }
      this.#dialNext();
    };
    // The reason was published where it failed.
    this.#node.connect(target.name).then(done, () => done(false));
  }

  #failed(target: Target): void {
    target.failures++;
    if (target.seed || target.failures < ATTEMPTS_MAX) {
      this.#wait(target, target.failures);
      return;
    }
    target.state = 'resting';
    this.#node.timers.start(target, REST_MS);
  }

  #wait(target: Target, failures: number): void {
    target.state = 'waiting';
    this.#node.timers.start(target, backoffMs(WAITS, failures, this.#random()));
  }

  #stopWaiting(target: Target): void {
    this.#node.timers.drop(target);
    this.#queue.delete(target);
  }

  #forget(target: Target): void {
    this.#targets.delete(target.name);
    if (!target.seed) this.#learnt--;
  }
}
