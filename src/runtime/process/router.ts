/**
 * The border of a node: signals to other nodes go out here, and those that arrive are applied here.
 *
 * For each peer it keeps what depends on the connection (`peer.ts`), and ends it with `noconnection` when the
 * connection is lost, before the next connection to the same name can come up.
 *
 * It knows the carrier interface, and no engine. Signals as in `erl_dist_protocol`, "Protocol between Connected Nodes".
 */
import type { Carrier, CarrierHost, Signal } from './carrier.ts';
import { TroupeError } from '../errors.ts';
import { telemetry } from '../telemetry.ts';
import { exitSignal, linkExit } from './exit.ts';
import { ADDRESSED, type ExitReason, type MonitorTarget, NodeDown, NodeUp } from './messages.ts';
import { Monitor, RemoteMonitor, Watcher, addWatch, removeWatch } from './monitor.ts';
import type { Node } from './node.ts';
import { type AwaitsPeer, Peer, RemoteLink } from './peer.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type { Process } from './process.ts';
import { ASKS_FROM } from './state.ts';

const up = telemetry('troupe:node:up');
const down = telemetry('troupe:node:down');
const badSignal = telemetry('troupe:node:bad_signal');

/** @internal Who gets what is sent to an alias of this node: the answer to a call. */
export interface AliasHolder {
  aliasMessage(message: unknown): void;
}

/** A process that gets `NodeUp` and `NodeDown`; its end ends that. */
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

  /** What is kept about a node while it is connected; unlike `peer` it makes nothing. */
  connection(name: string): Peer | undefined {
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

  /** What is kept about a node; throws when this node has no carrier. */
  peer(name: string): Peer {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      if (this.#carrier === undefined) {
        throw new TroupeError('TROUPE_NO_CARRIER', `Node '${this.#node.name}' cannot reach '${name}'.`);
      }
      peer = new Peer(name, this.#carrier);
      this.#peers.set(name, peer);
    }
    return peer;
  }

  /** Whether `sys` of another node gives a state as it is, instead of `{ok, State}`. */
  async givesBareState(name: string): Promise<boolean> {
    return (await this.#carrier?.givesBareState?.(name)) ?? false;
  }

  // ---- going out ----

  link(process: Process, pid: Pid): void {
    const links = (process.ensureExtra().remoteLinks ??= new Map());
    const known = links.get(pid.key);
    if (known?.active === true) return;
    const peer = this.peer(pid.node);
    const link = known ?? new RemoteLink(process, pid);
    link.active = true;
    link.unlinkId = 0;
    links.set(pid.key, link);
    peer.links.add(link);
    peer.send({ op: 'link', from: process.pid, to: pid });
  }

  unlink(process: Process, pid: Pid): void {
    const link = process.extra?.remoteLinks?.get(pid.key);
    if (link === undefined || !link.active) return;
    const peer = this.peer(pid.node);
    link.active = false;
    link.unlinkId = peer.nextUnlinkId();
    peer.send({ op: 'unlink', id: link.unlinkId, from: process.pid, to: pid });
  }

  /** Tells the other side of a link that its process here has ended. */
  breakLink(link: RemoteLink, reason: ExitReason): void {
    const peer = this.peer(link.remote.node);
    peer.links.delete(link);
    if (!link.active) return;
    peer.sendReason(
      (sent) => ({ op: 'exitLink', from: link.local.pid, to: link.remote, reason: sent }),
      reason,
    );
  }

  monitor(process: Process, ref: Ref, target: MonitorTarget, node: string): void {
    const peer = this.peer(node);
    // First, since it fails for a name that cannot be sent.
    peer.send({ op: 'monitor', from: process.pid, target: onWire(target), ref });
    peer.outgoing.set(ref.key, new Monitor(process, ref, target, peer));
  }

  demonitor(monitor: Monitor): void {
    const { peer, ref, target, owner } = monitor;
    if (peer === null || !peer.outgoing.delete(ref.key)) return;
    peer.send({ op: 'demonitor', from: owner.pid, target: onWire(target), ref });
  }

  /**
   * The node stops, and its processes have ended: calls from outside of them end, too, as their answers and timeouts do not
   * come any more.
   */
  stop(): void {
    this.#stopped = true;
    for (const peer of this.#peers.values()) this.#lose(peer);
  }

  /** Waits for the end of a process on another node on behalf of something that is no process: a call. */
  watch(node: string, from: Pid, target: Pid | string, ref: Ref, waiting: AwaitsPeer): void {
    if (this.#stopped) {
      throw new TroupeError('TROUPE_NODE_STOPPED', `Node '${this.#node.name}' is stopped.`);
    }
    const peer = this.peer(node);
    peer.send({ op: 'monitor', from, target, ref });
    peer.outgoing.set(ref.key, waiting);
  }

  /** Ends such a watch. */
  unwatch(node: string, from: Pid, target: Pid | string, ref: Ref): void {
    const peer = this.#peers.get(node);
    if (peer?.outgoing.delete(ref.key) === true) peer.send({ op: 'demonitor', from, target, ref });
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

  /** Ends what depends on a connection that is lost. */
  #lose(peer: Peer): void {
    this.#peers.delete(peer.name);
    peer.connected = false;
    // Everything is taken down first and told afterwards: what is told may end processes, and nothing that they leave
    // behind may be sent to the lost peer, which would call for a new connection.
    const waiting = [...peer.outgoing.values()];
    peer.outgoing.clear();
    for (const monitor of peer.incoming.values()) removeWatch(monitor);
    peer.incoming.clear();
    for (const link of peer.links) link.local.extra?.remoteLinks?.delete(link.remote.key);
    for (const waits of waiting) waits.peerDown('noconnection');
    for (const link of peer.links) {
      if (link.active && link.local.alive) linkExit(link.local, link.remote, 'noconnection');
    }
    peer.links.clear();
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
      throw new TroupeError(
        'TROUPE_BAD_ARGUMENT',
        `A signal of '${peer.name}' says that it is from '${signal.from.node}'.`,
      );
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
        this.#linked(peer, signal.from, signal.to);
        return;
      case 'unlink':
        this.#unlinked(peer, signal.id, signal.from, signal.to);
        return;
      case 'unlinkAck':
        this.#unlinkAcknowledged(peer, signal.id, signal.from, signal.to);
        return;
      case 'exitLink':
        this.#linkBroken(peer, signal.from, signal.to, signal.reason);
        return;
      case 'exit': {
        const process = node.find(signal.to);
        if (process !== null) exitSignal(process, signal.from, signal.reason);
        return;
      }
      case 'monitor':
        this.#monitored(peer, signal.from, signal.target, signal.ref);
        return;
      case 'demonitor': {
        const monitor = peer.incoming.get(signal.ref.key);
        peer.incoming.delete(signal.ref.key);
        if (monitor !== undefined) removeWatch(monitor);
        return;
      }
      case 'groupLeader': {
        const process = node.find(signal.to);
        if (process !== null) process.ensureExtra().groupLeader = signal.leader;
        return;
      }
      case 'down': {
        const waiting = peer.outgoing.get(signal.ref.key);
        peer.outgoing.delete(signal.ref.key);
        waiting?.peerDown(signal.reason);
        return;
      }
      default:
        throw new TroupeError(
          'TROUPE_BAD_ARGUMENT',
          `Unknown signal ${JSON.stringify((signal as Signal).op)}.`,
        );
    }
  }

  #linked(peer: Peer, from: Pid, to: Pid): void {
    const process = this.#node.find(to);
    if (process === null) {
      peer.send({ op: 'exitLink', from: to, to: from, reason: 'noproc' });
      return;
    }
    const links = (process.ensureExtra().remoteLinks ??= new Map());
    // An entry that waits for the acknowledgement of an unlink stays: the other side has not seen that yet.
    if (links.has(from.key)) return;
    const link = new RemoteLink(process, from);
    links.set(from.key, link);
    peer.links.add(link);
  }

  #unlinked(peer: Peer, id: number | bigint, from: Pid, to: Pid): void {
    const process = this.#node.find(to);
    const link = process?.extra?.remoteLinks?.get(from.key);
    if (link?.active === true) {
      process?.extra?.remoteLinks?.delete(from.key);
      peer.links.delete(link);
    }
    peer.send({ op: 'unlinkAck', id, from: to, to: from });
  }

  #unlinkAcknowledged(peer: Peer, id: number | bigint, from: Pid, to: Pid): void {
    const links = this.#node.find(to)?.extra?.remoteLinks;
    const link = links?.get(from.key);
    if (links === undefined || link === undefined || link.active || link.unlinkId !== id) return;
    links.delete(from.key);
    peer.links.delete(link);
  }

  #linkBroken(peer: Peer, from: Pid, to: Pid, reason: ExitReason): void {
    const process = this.#node.find(to);
    const link = process?.extra?.remoteLinks?.get(from.key);
    if (process === null || link === undefined || !link.active) return;
    process.extra?.remoteLinks?.delete(from.key);
    peer.links.delete(link);
    linkExit(process, from, reason);
  }

  #monitored(peer: Peer, from: Pid, target: Pid | string, ref: Ref): void {
    const process = target instanceof Pid ? this.#node.find(target) : this.#node.registry.find(target);
    if (process === null) {
      peer.send({ op: 'down', target, to: from, ref, reason: 'noproc' });
      return;
    }
    // Only a peer that is at fault uses a ref twice; the first monitor must not stay behind where nothing finds it.
    const before = peer.incoming.get(ref.key);
    if (before !== undefined) removeWatch(before);
    const monitor = new RemoteMonitor(peer, from, ref, target);
    peer.incoming.set(ref.key, monitor);
    addWatch(process, monitor);
  }
}

function deliver(process: Process | null, peer: string, message: unknown): void {
  if (process === null) return;
  if (typeof message === 'object' && message !== null && ADDRESSED in message) {
    (message as { [ADDRESSED]: (process: Process) => void })[ADDRESSED](process);
  }
  hand(process, peer, message);
}

/** Of a broadcast to many processes this is what bounds it: a bit tells who wants to know where a message comes from. */
function hand(process: Process, peer: string, message: unknown): void {
  if ((process.flags & ASKS_FROM) === 0) process.deliver(message);
  else process.deliver(process.behaviour.fromPeer?.(peer, message));
}

function onWire(target: MonitorTarget): Pid | string {
  return target instanceof Pid ? target : target.name;
}
