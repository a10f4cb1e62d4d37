/**
 * What a node keeps about another node that it has dealings with: the links, monitors and pending answers that end with
 * `noconnection` when the connection is lost. It sends the signals that set and end them, and applies those that arrive.
 *
 * Links across nodes follow the UNLINK_ID protocol of OTP 23.3 and later: a link is removed for certain only when the
 * other side has acknowledged, so that an unlink and an exit that cross each other cannot leave one side linked.
 *
 * No other code changes its tables. `router.ts` knows which node a signal goes to or came from.
 */
import { TroupeError } from '../errors.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type { Carrier, Signal } from './carrier.ts';
import { linkExit } from './exit.ts';
import { type ExitReason, formatReason, type MonitorTarget } from './messages.ts';
import { addWatch, Monitor, RemoteMonitor, removeWatch } from './monitor.ts';
import type { Node } from './node.ts';
import type { Process } from './process.ts';

/** How much is sent of the text of a reason that cannot be sent itself. */
const REASON_CHARACTERS_MAX = 10_000;

/** A link between a process here and one on another node. */
export class RemoteLink {
  readonly peer: Peer;
  readonly local: Process;
  readonly remote: Pid;
  /** False while an unlink waits for its acknowledgement. */
  active = true;
  /** The id of that unlink; 0 while active. */
  unlinkId = 0;

  constructor(peer: Peer, local: Process, remote: Pid) {
    this.peer = peer;
    this.local = local;
    this.remote = remote;
  }
}

/** Something that waits for a signal of another node under the key of a ref. */
export interface AwaitsPeer {
  /** Called when the awaited `down` arrives, or with `noconnection` when the connection is lost. */
  peerDown(reason: ExitReason): void;
}

/** Another node. */
export class Peer {
  readonly name: string;
  readonly #node: Node;
  readonly #carrier: Carrier;
  /** Incarnation while connected, 0 before. */
  creation = 0;
  /** Whether it has registered names; false for a C node. */
  hasNames = true;
  /** True between nodeUp and nodeDown. */
  connected = false;
  readonly #links = new Set<RemoteLink>();
  readonly #outgoing = new Map<string, AwaitsPeer>();
  readonly #incoming = new Map<string, RemoteMonitor>();
  #unlinks = 0;

  constructor(name: string, node: Node, carrier: Carrier) {
    this.name = name;
    this.#node = node;
    this.#carrier = carrier;
  }

  /** Links between processes here and there. */
  get links(): ReadonlySet<RemoteLink> {
    return this.#links;
  }

  /** What waits here for the end of a process there, by the key of its ref: monitors and calls. */
  get outgoing(): ReadonlyMap<string, AwaitsPeer> {
    return this.#outgoing;
  }

  /** Monitors set there on processes here, by the key of their ref. */
  get incoming(): ReadonlyMap<string, RemoteMonitor> {
    return this.#incoming;
  }

  /** Sends a signal; throws when it cannot be encoded. */
  send(signal: Signal): void {
    this.#carrier.send(this.name, signal);
  }

  /** Resolves when nothing waits to be sent; undefined when the carrier does not say. See {@link Carrier.drained}. */
  drained(): Promise<void> | undefined {
    return this.#carrier.drained?.(this.name);
  }

  /**
   * Sends a signal with an exit reason. A process must be able to end whatever its reason, so one that cannot leave the
   * node, such as an object with functions, goes out as its text.
   */
  sendReason(signal: (reason: ExitReason) => Signal, reason: ExitReason): void {
    try {
      this.send(signal(reason));
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
      // Half a surrogate pair in it would not do, nor more than a carrier takes.
      const sent = Buffer.from(formatReason(reason).slice(0, REASON_CHARACTERS_MAX)).toString();
      this.send(signal(sent));
    }
  }

  // ---- links ----

  /** Links a process of this node with one of the peer. */
  link(process: Process, pid: Pid): void {
    const links = (process.ensureExtra().remoteLinks ??= new Map());
    const known = links.get(pid.key);
    if (known?.active === true) return;
    const link = known ?? new RemoteLink(this, process, pid);
    link.active = true;
    link.unlinkId = 0;
    links.set(pid.key, link);
    this.#links.add(link);
    this.send({ op: 'link', from: process.pid, to: pid });
  }

  /** Ends a link, from this side. */
  unlink(process: Process, pid: Pid): void {
    const link = process.extra?.remoteLinks?.get(pid.key);
    if (link === undefined || !link.active) return;
    link.active = false;
    link.unlinkId = ++this.#unlinks;
    this.send({ op: 'unlink', id: link.unlinkId, from: process.pid, to: pid });
  }

  /** Notifies the other side of a link that its process here has ended. */
  breakLink(link: RemoteLink, reason: ExitReason): void {
    this.#links.delete(link);
    if (!link.active) return;
    this.sendReason(
      (sent) => ({ op: 'exitLink', from: link.local.pid, to: link.remote, reason: sent }),
      reason,
    );
  }

  /** A process there has linked to one here. */
  linked(from: Pid, to: Pid): void {
    const process = this.#node.find(to);
    if (process === null) {
      this.send({ op: 'exitLink', from: to, to: from, reason: 'noproc' });
      return;
    }
    const links = (process.ensureExtra().remoteLinks ??= new Map());
    // An entry that waits for the acknowledgement of an unlink stays: the other side has not seen that yet.
    if (links.has(from.key)) return;
    const link = new RemoteLink(this, process, from);
    links.set(from.key, link);
    this.#links.add(link);
  }

  /** A process there has ended a link, and waits for the acknowledgement. */
  unlinked(id: number | bigint, from: Pid, to: Pid): void {
    const link = this.#linkOf(from, to);
    if (link?.active === true) this.#removeLink(link);
    this.send({ op: 'unlinkAck', id, from: to, to: from });
  }

  /** The other side has seen an unlink of this side. */
  unlinkAcknowledged(id: number | bigint, from: Pid, to: Pid): void {
    const link = this.#linkOf(from, to);
    if (link !== undefined && !link.active && link.unlinkId === id) this.#removeLink(link);
  }

  /** A linked process there has ended. */
  linkBroken(from: Pid, to: Pid, reason: ExitReason): void {
    const link = this.#linkOf(from, to);
    if (link?.active !== true) return;
    this.#removeLink(link);
    linkExit(link.local, from, reason);
  }

  #linkOf(remote: Pid, local: Pid): RemoteLink | undefined {
    return this.#node.find(local)?.extra?.remoteLinks?.get(remote.key);
  }

  #removeLink(link: RemoteLink): void {
    link.local.extra?.remoteLinks?.delete(link.remote.key);
    this.#links.delete(link);
  }

  // ---- monitors of processes there ----

  /** Sets a monitor of a process of this node. */
  monitor(process: Process, ref: Ref, target: MonitorTarget): void {
    // First, since it fails for a name that cannot be sent.
    this.send({ op: 'monitor', from: process.pid, target: onWire(target), ref });
    this.awaitDown(ref, new Monitor(process, ref, target, this));
  }

  /** Ends a monitor of a process of this node; no effect when its `down` has come. */
  demonitor({ ref, target, owner }: Monitor): void {
    this.unwatch(owner.pid, onWire(target), ref);
  }

  /** Waits for the end of a process there on behalf of something that is not a process, such as a call. */
  watch(from: Pid, target: Pid | string, ref: Ref, waiting: AwaitsPeer): void {
    this.send({ op: 'monitor', from, target, ref });
    this.awaitDown(ref, waiting);
  }

  /** Ends such a watch; no effect when its `down` has come. */
  unwatch(from: Pid, target: Pid | string, ref: Ref): void {
    if (this.stopAwaiting(ref)) this.send({ op: 'demonitor', from, target, ref });
  }

  /** Waits for the `down` of a ref, by which the peer monitors already, or will when it has read a request. */
  awaitDown(ref: Ref, waiting: AwaitsPeer): void {
    this.#outgoing.set(ref.key, waiting);
  }

  /** Stops waiting for the `down` of a ref. @returns false when nothing waited for it. */
  stopAwaiting(ref: Ref): boolean {
    return this.#outgoing.delete(ref.key);
  }

  /** A process there that is monitored from here has ended. */
  down(ref: Ref, reason: ExitReason): void {
    const waiting = this.#outgoing.get(ref.key);
    this.#outgoing.delete(ref.key);
    waiting?.peerDown(reason);
  }

  // ---- monitors of processes here ----

  /** A process there monitors one here. */
  monitored(from: Pid, target: Pid | string, ref: Ref): void {
    const process = target instanceof Pid ? this.#node.find(target) : this.#node.registry.find(target);
    if (process === null) this.send({ op: 'down', target, to: from, ref, reason: 'noproc' });
    else this.addMonitor(process, new RemoteMonitor(this, from, ref, target));
  }

  /** Sets a monitor of the peer on a live process of this node. */
  addMonitor(process: Process, monitor: RemoteMonitor): void {
    // Only a peer that is at fault uses a ref twice; the first monitor must not stay behind where nothing finds it.
    this.demonitored(monitor.ref);
    this.#incoming.set(monitor.ref.key, monitor);
    addWatch(process, monitor);
  }

  /** A monitor of the peer is over; for the monitor itself, when its process has ended. */
  removeMonitor(monitor: RemoteMonitor): void {
    this.#incoming.delete(monitor.ref.key);
  }

  /** A process there has ended its monitor. */
  demonitored(ref: Ref): void {
    const monitor = this.#incoming.get(ref.key);
    if (monitor === undefined) return;
    this.#incoming.delete(ref.key);
    removeWatch(monitor);
  }

  // ---- the end of the connection ----

  /** Ends what depends on the connection, which is lost. */
  lose(): void {
    this.connected = false;
    // Everything is taken down first and reported afterwards: a report may end processes, and nothing that they leave
    // behind may be sent to the lost peer, which would call for a new connection.
    const waiting = [...this.#outgoing.values()];
    this.#outgoing.clear();
    for (const monitor of this.#incoming.values()) removeWatch(monitor);
    this.#incoming.clear();
    for (const link of this.#links) link.local.extra?.remoteLinks?.delete(link.remote.key);
    for (const waits of waiting) waits.peerDown('noconnection');
    for (const link of this.#links) {
      if (link.active && link.local.alive) linkExit(link.local, link.remote, 'noconnection');
    }
    this.#links.clear();
  }
}

function onWire(target: MonitorTarget): Pid | string {
  return target instanceof Pid ? target : target.name;
}
