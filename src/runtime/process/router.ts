/**
 * The border of a node: it finds the peer that a signal goes to, and hands what arrives to the process or the peer that it
 * concerns. It also keeps the aliases of calls, and which processes hear of nodes that come and go.
 *
 * What depends on a connection is kept by its peer (`peer.ts`).
 *
 * It knows the carrier interface, and no engine. Signals as in `erl_dist_protocol`, "Protocol between Connected Nodes".
 */
import type { Carrier, CarrierHost, CarrierPeer, Signal } from './carrier.ts';
import { TroupeError, badArgument } from '../errors.ts';
import { telemetry } from '../telemetry.ts';
import { exitSignal } from './exit.ts';
import { ADDRESSED, type ExitReason, NodeDown, NodeUp } from './messages.ts';
import { addWatch, removeWatch, Watcher } from './monitor.ts';
import type { Node } from './node.ts';
import { type AwaitsPeer, Peer } from './peer.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from './process.ts';
import { ASKS_FROM } from './state.ts';

const up = telemetry('troupe:node:up');
const down = telemetry('troupe:node:down');
const badSignal = telemetry('troupe:node:bad_signal');

/** @internal Receives messages to an alias of this node: the answer to a call. */
export interface AliasHolder {
  aliasMessage(message: unknown): void;
}

/** A process that gets `NodeUp` and `NodeDown` until it ends. */
class NodeMonitor extends Watcher {
  readonly #process: Process;
  readonly #all: Map<Process, NodeMonitor>;

  constructor(process: Process, all: Map<Process, NodeMonitor>) {
    super();
    this.#process = process;
    this.#all = all;
  }

  targetExited(): void {
    this.#all.delete(this.#process);
  }
}

/** @internal Connects a node with its carrier. */
export class Router implements CarrierHost {
  readonly #node: Node;
  readonly #carrier: Carrier | undefined;
  readonly #peers = new Map<string, Peer>();
  readonly #nodeMonitors = new Map<Process, NodeMonitor>();
  #stopped = false;
  /** Active aliases, by the key of their ref. */
  readonly aliases = new Map<string, AliasHolder>();

  constructor(node: Node, carrier: Carrier | undefined) {
    this.#node = node;
    this.#carrier = carrier;
  }

  get origin() {
    return this.#node.origin;
  }

  get node(): Node {
    return this.#node;
  }

  get idle(): boolean {
    return this.#node.scheduler.idle;
  }

  /** Names of the nodes that are connected. */
  connected(): string[] {
    return [...this.#peers.values()].filter((peer) => peer.connected).map((peer) => peer.name);
  }

  /** Incarnation of a connected node; 0 when it is not connected. */
  creationOf(name: string): number {
    return this.#peers.get(name)?.creation ?? 0;
  }

  /** The state of a connected node, or undefined for any other; unlike `peer` this makes nothing. */
  connectedPeer(name: string): Peer | undefined {
    const peer = this.#peers.get(name);
    return peer?.connected === true ? peer : undefined;
  }

  /** A process gets `NodeUp` and `NodeDown` from now on, or no more. */
  observe(process: Process, on: boolean): void {
    const known = this.#nodeMonitors.get(process);
    if (on === (known !== undefined)) return;
    if (known !== undefined) {
      removeWatch(known);
      this.#nodeMonitors.delete(process);
      return;
    }
    const monitor = new NodeMonitor(process, this.#nodeMonitors);
    this.#nodeMonitors.set(process, monitor);
    addWatch(process, monitor);
  }

  /** The state of a node, made if needed; throws when this node has no carrier. */
  peer(name: string): Peer {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      if (this.#carrier === undefined) {
        throw new TroupeError('TROUPE_NO_CARRIER', `Node '${this.#node.name}' cannot reach '${name}'.`);
      }
      peer = new Peer(name, this.#node, this.#carrier);
      this.#peers.set(name, peer);
    }
    return peer;
  }

  /** The connections of the carrier, as it describes them. */
  carrierPeers(): readonly CarrierPeer[] {
    return this.#carrier?.connections?.() ?? [];
  }

  /** Whether `sys` of another node gives the bare state instead of `{ok, State}`. */
  async givesBareState(name: string): Promise<boolean> {
    return (await this.#carrier?.givesBareState?.(name)) ?? false;
  }

  // ---- going out ----

  /**
   * The node stops, and its processes have ended: calls from outside of them end, too, as their answers and timeouts do not
   * come any more.
   */
  stop(): void {
    this.#stopped = true;
    for (const peer of this.#peers.values()) this.#lose(peer);
  }

  /** Waits for the end of a process on another node on behalf of something that is not a process: a call. */
  watch(node: string, from: Pid, target: Pid | string, ref: Ref, waiting: AwaitsPeer): void {
    if (this.#stopped) {
      throw new TroupeError('TROUPE_NODE_STOPPED', `Node '${this.#node.name}' is stopped.`);
    }
    this.peer(node).watch(from, target, ref, waiting);
  }

  /** Ends such a watch. */
  unwatch(node: string, from: Pid, target: Pid | string, ref: Ref): void {
    this.#peers.get(node)?.unwatch(from, target, ref);
  }

  exit(from: Pid, to: Pid, reason: ExitReason): void {
    this.peer(to.node).sendReason((sent) => ({ op: 'exit', from, to, reason: sent }), reason);
  }

  // ---- coming in ----

  nodeUp(name: string, creation: number, hasNames = true): void {
    const peer = this.peer(name);
    if (peer.connected) return;
    peer.hasNames = hasNames;
    peer.connected = true;
    peer.creation = creation;
    this.#tellNodeMonitors(new NodeUp(name));
    if (up.hasSubscribers) up.publish({ node: this.#node.name, peer: name });
  }

  nodeDown(name: string, reason: unknown): void {
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    const wasConnected = peer.connected;
    this.#lose(peer);
    if (!wasConnected) return;
    this.#tellNodeMonitors(new NodeDown(name, reason));
    if (down.hasSubscribers) down.publish({ node: this.#node.name, peer: name, reason });
  }

  /** What waits, links or monitors across the connection ends with it, before another to the same name can come up. */
  #lose(peer: Peer): void {
    this.#peers.delete(peer.name);
    peer.lose();
  }

  /** How many processes get `NodeUp` and `NodeDown`. */
  get observing(): number {
    return this.#nodeMonitors.size;
  }

  #tellNodeMonitors(event: NodeUp | NodeDown): void {
    for (const monitor of this.#nodeMonitors.keys()) monitor.deliverSignal(event);
  }

  internPid(pid: Pid): Pid {
    // Not by `find`, which takes a pid that holds this node's own origin for one that knows whether it is alive.
    return (this.#node.isLocal(pid) ? this.#node.table.find(pid.id, pid.serial)?.pid : undefined) ?? pid;
  }

  receive(name: string, signal: Signal): void {
    const peer = this.peer(name);
    try {
      this.#apply(peer, signal);
    } catch (error) {
      if (badSignal.hasSubscribers) badSignal.publish({ node: this.#node.name, peer: name, error });
    }
  }

  #apply(peer: Peer, signal: Signal): void {
    const node = this.#node;
    if ('from' in signal && signal.from.node !== peer.name) {
      throw badArgument(`A signal of '${peer.name}' says that it is from '${signal.from.node}'.`);
    }
    switch (signal.op) {
      case 'send':
        deliver(node.find(signal.to), peer.name, signal.message);
        return;
      case 'sendMany':
        for (const to of signal.to) {
          const process = node.find(to);
          if (process !== null) hand(process, peer.name, signal.message);
        }
        return;
      case 'sendNamed':
        deliver(node.registry.find(signal.to), peer.name, signal.message);
        return;
      case 'sendAlias':
        if (signal.plain === true) return;
        this.aliases.get(signal.to.key)?.aliasMessage(signal.message);
        return;
      case 'link':
        peer.linked(signal.from, signal.to);
        return;
      case 'unlink':
        peer.unlinked(signal.id, signal.from, signal.to);
        return;
      case 'unlinkAck':
        peer.unlinkAcknowledged(signal.id, signal.from, signal.to);
        return;
      case 'exitLink':
        peer.linkBroken(signal.from, signal.to, signal.reason);
        return;
      case 'exit': {
        const process = node.find(signal.to);
        if (process !== null) exitSignal(process, signal.from, signal.reason);
        return;
      }
      case 'monitor':
        peer.monitored(signal.from, signal.target, signal.ref);
        return;
      case 'demonitor':
        peer.demonitored(signal.ref);
        return;
      case 'groupLeader': {
        const process = node.find(signal.to);
        if (process !== null) process.ensureExtra().groupLeader = signal.leader;
        return;
      }
      case 'down':
        peer.down(signal.ref, signal.reason);
        return;
      default:
        throw badArgument(`Unknown signal ${JSON.stringify((signal as Signal).op)}.`);
    }
  }
}

function deliver(process: Process | null, peer: string, message: unknown): void {
  if (process === null) return;
  if (typeof message === 'object' && message !== null && ADDRESSED in message) {
    (message as { [ADDRESSED]: (process: Process) => void })[ADDRESSED](process);
  }
  hand(process, peer, message);
}

/** The cost of a broadcast to many processes lies here: one bit says whether the receiver wants to know where a message comes from. */
function hand(process: Process, peer: string, message: unknown): void {
  if ((process.flags & ASKS_FROM) === 0) process.deliver(message);
  else process.deliver(process.behaviour.fromPeer?.(peer, message));
}
