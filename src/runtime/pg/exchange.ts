/**
 * The exchange with the scope processes of other nodes, as `pg.erl` describes it: a new peer is discovered, answers with a
 * snapshot of its local members, discovers us in turn, and from then on both tell each other what changes.
 *
 * Peers are known by pid, not by node: when a node restarts its scope, messages from the new process can arrive before the end
 * of the old one is known; the old one is then forgotten at once.
 *
 * Nothing that arrives ends the scope process. A message that it does not understand is published on `troupe:pg:bad_message` and
 * ignored, as is one that a node sends in the name of a scope process that is not its own. Messages from unknown peers are
 * ignored silently, since they can be late.
 *
 * Whatever concerns very many groups goes in slices: what a peer reports takes effect in order (`slices.ts`), and what it receives is a
 * snapshot of the first groups followed by joins. A change to a group that has not been sent yet is not sent on its own.
 */
import { TroupeError } from '../errors.ts';
import { Down, type ExitReason, type MonitorTarget, NodeDown, NodeUp } from '../process/messages.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { telemetry } from '../telemetry.ts';
import { type Group, RemoteScope } from './group.ts';
import { type Members, type Snapshot, type Notify, parts } from './members.ts';
import type { Naming } from './channel-forms.ts';
import * as protocol from './protocol.ts';
import { type PeerMessage, readEntry, readPeerMessage } from './protocol.ts';
import { GO_ON, PIDS_PER_COUNT, type Slices } from './slices.ts';
import type { TimerRef } from '../process/timers.ts';

const badMessage = telemetry('troupe:pg:bad_message');
const undeliverable = telemetry('troupe:message:undeliverable');

/** A message that came over the connection to a node. */
export class FromNode {
  readonly node: string;
  readonly message: unknown;

  constructor(node: string, message: unknown) {
    this.node = node;
    this.message = message;
  }
}

/** The exchange of one scope process with its peers. */
export class Exchange {
  readonly #self: Process;
  readonly #scope: string;
  readonly #naming: Naming;
  readonly #members: Members;
  readonly #notify: Notify;
  readonly #peers = new Map<string, RemoteScope>();
  readonly #discovery: Discovery;
  readonly #slices: Slices;

  /** @param notify receives the changes that other nodes cause. */
  constructor(
    self: Process,
    scope: string,
    naming: Naming,
    members: Members,
    slices: Slices,
    notify: Notify,
  ) {
    this.#self = self;
    this.#scope = scope;
    this.#naming = naming;
    this.#members = members;
    this.#notify = notify;
    this.#discovery = new Discovery(self, scope);
    this.#slices = slices;
  }

  /** Looks for peers on all nodes that are connected, now and later. */
  start(): void {
    const { node, pid } = this.#self;
    node.monitorNodes(pid, true);
    for (const name of node.nodes()) this.#discovery.start(name);
  }

  /** The scope processes of other nodes that are known. */
  peers(): Pid[] {
    return [...this.#peers.values()].map(({ pid }) => pid);
  }

  // ---- local changes ----

  /** True while there is no peer to inform. */
  get alone(): boolean {
    return this.#peers.size === 0;
  }

  /** Local processes have joined. */
  joined(group: Group, pids: readonly Pid[]): void {
    if (this.alone) return;
    const message = protocol.join(this.#self.pid, this.#naming.told(group), oneOrMany(pids));
    for (const peer of this.#peers.values()) if (!peer.unsent.has(group)) this.#send(peer, message);
  }

  /** Local processes have left, each of them every group. */
  left(pids: readonly Pid[], groups: readonly Group[]): void {
    if (this.alone) return;
    const leave = (left: readonly Group[]) =>
      protocol.leave(
        this.#self.pid,
        oneOrMany(pids),
        left.map((group) => this.#naming.told(group)),
      );
    const message = leave(groups);
    for (const peer of this.#peers.values()) {
      const known = peer.unsent.size === 0 ? groups : groups.filter((group) => !peer.unsent.has(group));
      if (known.length > 0) this.#send(peer, known === groups ? message : leave(known));
    }
  }

  #send(peer: RemoteScope, message: unknown): void {
    try {
      peer.send(this.#self.pid, message);
    } catch (error) {
      if (!isNotEncodable(error)) throw error;
      // A change that is too large for the carrier, such as a join of very many processes: all groups, in parts.
      this.#sync(peer);
    }
  }

  // ---- messages ----

  /** Handles a message of the scope process. */
  handle(message: unknown): void {
    if (message instanceof Down) this.#ended(message);
    else if (message instanceof NodeUp) this.#discovery.start(message.node);
    else if (message instanceof NodeDown) this.#discovery.stop(message.node);
    else if (message === GO_ON) this.#slices.goOn();
    else if (message instanceof SendMore) this.#sendMore(message.peer, message.unsent);
    else if (message instanceof AskAgain) this.#discovery.ask(message.node);
    else if (message instanceof FromNode) this.#fromPeer(message.node, message.message);
    else this.#reportBad(message);
  }

  #fromPeer(node: string, message: unknown): void {
    const read = readPeerMessage(message);
    if (read === undefined || read.peer.node !== node) {
      this.#reportBad(message);
      return;
    }
    const known = this.#peers.get(read.peer.key);
    const answered = known?.justSynced === true;
    if (known !== undefined) known.justSynced = false;
    if (read.kind === 'discover') {
      if (!answered) this.#discovered(known, read.peer);
    } else if (read.kind === 'sync') {
      const peer = known ?? this.#addPeer(read.peer);
      if (peer !== undefined) this.#synced(peer, read, message);
    } else if (known !== undefined && !known.lost) {
      this.#changed(known, read, message);
    }
  }

  #discovered(known: RemoteScope | undefined, pid: Pid): void {
    const peer = known ?? this.#addPeer(pid);
    if (peer === undefined) return;
    if (known === undefined) peer.send(this.#self.pid, protocol.discover(this.#self.pid));
    else this.#sync(peer);
  }

  #synced(peer: RemoteScope, read: PeerMessage & { kind: 'sync' }, message: unknown): void {
    if (!peer.synced) peer.justSynced = true;
    peer.synced = true;
    peer.lost = false;
    this.#slices.run(peer.pid.node, peer, 'snapshot', this.#takeSnapshot(peer, read, message));
  }

  #changed(peer: RemoteScope, read: PeerMessage & { kind: 'join' | 'leave' }, message: unknown): void {
    const ofGroup = 1 + Math.floor(read.pids.length / PIDS_PER_COUNT);
    const [steps, size] =
      read.kind === 'join'
        ? [this.#peerJoined(peer, read, message), ofGroup]
        : [this.#peerLeft(peer, read, message), read.groups.length * ofGroup];
    if (this.#slices.run(peer.pid.node, peer, 'change', steps, size)) return;
    peer.lost = true;
    this.#askTwice(peer.pid.node);
  }

  *#takeSnapshot(
    peer: RemoteScope,
    { entries }: PeerMessage & { kind: 'sync' },
    message: unknown,
  ): Generator<number, void> {
    // A peer without groups so far has nothing to leave.
    const snapshot: Snapshot | undefined = peer.groups.size === 0 ? undefined : new Map();
    for (const entry of entries) {
      const [name, pids] = readEntry(peer.pid, entry);
      const group = pids.length === 0 ? undefined : this.#group(name, message, true);
      const isAtom = this.#naming.isAtom(name);
      if (group === undefined) yield 0;
      else if (snapshot !== undefined) {
        yield* this.#members.syncGroup(peer, group, { pids, isAtom }, snapshot, this.#notify);
      } else {
        for (const part of parts(pids)) {
          this.#joinRemote(peer, group, part, isAtom);
          yield part.length;
        }
      }
    }
    if (snapshot !== undefined) yield* this.#members.leaveMissing(peer, snapshot, this.#notify);
  }

  *#peerJoined(
    peer: RemoteScope,
    { group: name, pids }: PeerMessage & { kind: 'join' },
    message: unknown,
  ): Generator<number, void> {
    const group = pids.length === 0 ? undefined : this.#group(name, message, true);
    if (group === undefined) return;
    for (const part of parts(pids)) {
      this.#joinRemote(peer, group, part, this.#naming.isAtom(name));
      yield part.length;
    }
  }

  #joinRemote(peer: RemoteScope, group: Group, pids: readonly Pid[], isAtom: boolean): void {
    const change = this.#members.joinRemote(peer, group, pids, isAtom);
    if (change !== undefined) this.#notify(change);
  }

  *#peerLeft(
    peer: RemoteScope,
    { groups, pids }: PeerMessage & { kind: 'leave' },
    message: unknown,
  ): Generator<number, void> {
    for (const name of groups) {
      const group = this.#group(name, message, false);
      for (const part of group === undefined ? [] : parts(pids)) {
        const change = this.#members.leaveRemote(peer, group as Group, part, this.#naming.isAtom(name));
        if (change !== undefined) this.#notify(change);
        yield part.length;
      }
      yield 0;
    }
  }

  /** The group that a peer names, made for a member that is about to join; undefined when its name cannot name a group here. */
  #group(name: unknown, message: unknown, make: boolean): Group | undefined {
    const { groups } = this.#members;
    try {
      return make ? groups.findOrMake(this.#naming.here(name)) : groups.find(this.#naming.here(name));
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      this.#reportBad(message);
      return undefined;
    }
  }

  #reportBad(message: unknown): void {
    if (!badMessage.hasSubscribers) return;
    badMessage.publish({ scope: this.#scope, node: this.#self.node.name, message });
  }

  // ---- peers ----

  /**
   * Adds a peer and sends it all local members; from now on it receives changes. It gets the snapshot unasked, since a peer that
   * already knows us does not ask. Undefined when its node, or that incarnation of it, is no longer connected.
   */
  #addPeer(pid: Pid): RemoteScope | undefined {
    const node = this.#self.node.router.connectedPeer(pid.node);
    if (node === undefined || node.creation !== pid.creation) return undefined;
    for (const other of this.#peers.values()) {
      if (other.pid.node === pid.node) this.#removePeer(other);
    }
    const peer = new RemoteScope(pid, this.#self.monitor(pid), node);
    this.#peers.set(pid.key, peer);
    this.#sync(peer);
    return this.#peers.has(pid.key) ? peer : undefined;
  }

  /** Forgets a peer and its members. */
  #removePeer(peer: RemoteScope): void {
    this.#peers.delete(peer.pid.key);
    this.#self.demonitor(peer.ref);
    this.#slices.drop(peer);
    peer.unsent.clear();
    this.#slices.run(peer.pid.node, peer, 'end', this.#members.forgetPeer(peer, this.#notify));
  }

  /**
   * Sends a peer all local members: the first groups as a snapshot, which replaces what the peer knew, and the rest as joins, in
   * slices and no faster than the carrier takes them.
   */
  #sync(peer: RemoteScope): void {
    let entries: Group[] = [];
    let pids = 0;
    const unsent = new Set<Group>();
    for (const group of this.#members.groups.all()) {
      if (!group.hasLocal) continue;
      if (pids > syncLimits.pids) unsent.add(group);
      else entries.push(group);
      pids += PIDS_PER_COUNT + group.localCount;
    }
    try {
      peer.send(this.#self.pid, this.#snapshot(entries));
    } catch (error) {
      if (!isNotEncodable(error)) throw error;
      for (const group of entries) unsent.add(group);
      entries = [];
      peer.send(this.#self.pid, this.#snapshot(entries));
    }
    peer.unsent = unsent;
    if (unsent.size > 0) this.#sendMore(peer, unsent);
  }

  #snapshot(groups: readonly Group[]): unknown {
    return protocol.sync(
      this.#self.pid,
      groups.map((group) => [this.#naming.told(group), group.localPids]),
    );
  }

  /** Sends a peer the next slice of a snapshot. @param unsent identifies the snapshot: a newer one may have replaced it. */
  #sendMore(peer: RemoteScope, unsent: Set<Group>): void {
    if (peer.unsent !== unsent) return;
    const { pid } = this.#self;
    let pids = 0;
    for (const group of unsent) {
      if (pids > syncLimits.pidsLater) break;
      unsent.delete(group);
      pids += PIDS_PER_COUNT + group.localCount;
      for (const part of group.hasLocal ? parts(group.localPids) : []) {
        const message = protocol.join(pid, this.#naming.told(group), oneOrMany(part));
        try {
          peer.send(pid, message);
        } catch (error) {
          if (!isNotEncodable(error)) throw error;
          this.#cannotTell(peer, message, error);
          return;
        }
      }
    }
    if (unsent.size === 0 || !peer.reachable) return;
    const more = new SendMore(peer, unsent);
    const drained = peer.drained();
    if (drained === undefined) this.#self.deliver(more);
    else void drained.then(() => this.#self.deliver(more));
  }

  /**
   * Drops a peer to which the carrier cannot send a group: it must not receive changes to a group that it does not know. The members
   * here carry on without it.
   */
  #cannotTell(peer: RemoteScope, message: unknown, error: unknown): void {
    this.#removePeer(peer);
    undeliverable.publish({ from: this.#self.pid, to: peer.pid, message, error });
  }

  /**
   * Asks the scope of a node for a snapshot that is missing here. It asks twice because the peer may take the first discover for the
   * one that follows a first snapshot (see `justSynced`), and not answer it.
   */
  #askTwice(node: string): void {
    for (let times = 2; times > 0; times--) this.#discovery.discover(node);
  }

  #ended({ ref, target, reason }: Down): void {
    if (!(target instanceof Pid)) {
      this.#discovery.ended(ref, target, reason);
      return;
    }
    const peer = this.#peers.get(target.key);
    // A monitor on a peer that was removed earlier does not matter.
    if (peer?.ref !== ref) return;
    this.#removePeer(peer);
    // It had ended before it was added here: its late message may have displaced the scope that runs now.
    if (reason === 'noproc') this.#askTwice(target.node);
  }
}

/** How much of a snapshot is sent at a time, in pids; a group counts as `PIDS_PER_COUNT`. Tests lower the limits. */
export const syncLimits = {
  /** At once, in one message. */
  pids: 16_384 * PIDS_PER_COUNT,
  /** In each later slice. */
  pidsLater: 256 * PIDS_PER_COUNT,
};

/** The message that a scope process sends itself when a peer can take more of a snapshot. */
class SendMore {
  readonly peer: RemoteScope;
  readonly unsent: Set<Group>;

  constructor(peer: RemoteScope, unsent: Set<Group>) {
    this.peer = peer;
    this.unsent = unsent;
  }
}

function isNotEncodable(error: unknown): boolean {
  return error instanceof TroupeError && error.code === 'TROUPE_NOT_ENCODABLE';
}

function oneOrMany(pids: readonly Pid[]): Pid | readonly Pid[] {
  return pids.length === 1 ? (pids[0] as Pid) : pids;
}

// ---- discovery ----

/** How long to wait before asking again for a scope that was not there, in milliseconds, at first. */
const FIRST_RETRY_MS = 1_000;
/** The longest such wait, in milliseconds. */
const LAST_RETRY_MS = 30_000;

/** The message that a scope process sends itself when it is time to ask again. */
class AskAgain {
  readonly node: string;

  constructor(node: string) {
    this.node = node;
  }
}

/** The search on one node. */
interface Search {
  ref: Ref | undefined;
  timer: TimerRef | undefined;
  retryMs: number;
}

/**
 * Finds the scope processes of other nodes.
 *
 * When a node comes up, it asks for that node's scope by name and monitors the name: a scope that starts later, or restarts, would
 * not find a node that is hidden from it. While the node is connected it asks again: at once when the scope has ended, and after a
 * wait that doubles each time when there was none.
 */
class Discovery {
  readonly #self: Process;
  readonly #scope: string;
  readonly #searches = new Map<string, Search>();

  constructor(self: Process, scope: string) {
    this.#self = self;
    this.#scope = scope;
  }

  /** A node has connected. */
  start(node: string): void {
    if (node === this.#self.node.name) return;
    this.stop(node);
    if (this.#self.node.router.connectedPeer(node)?.hasNames === false) return;
    this.#searches.set(node, { ref: undefined, timer: undefined, retryMs: FIRST_RETRY_MS });
    this.ask(node);
  }

  /** A node is no longer connected. */
  stop(node: string): void {
    const search = this.#searches.get(node);
    if (search === undefined) return;
    search.timer?.cancel();
    if (search.ref !== undefined) this.#self.demonitor(search.ref);
    this.#searches.delete(node);
  }

  /** Asks the scope of a node for its members, once. @returns false when the node is not connected. */
  discover(node: string): boolean {
    // A message must not re-establish a lost connection.
    if (this.#self.node.router.connectedPeer(node) === undefined) return false;
    this.#self.send({ name: this.#scope, node }, protocol.discover(this.#self.pid));
    return true;
  }

  /** Asks the scope of a node, and asks again when it has ended or is not there. */
  ask(node: string): void {
    const search = this.#searches.get(node);
    // The connection may have been lost.
    if (search === undefined || this.#self.node.router.connectedPeer(node) === undefined) return;
    search.timer = undefined;
    // The monitor comes first: it fires when no process is there to receive the message.
    search.ref = this.#self.monitor({ name: this.#scope, node });
    this.discover(node);
  }

  /** A monitor on a name fired. @returns false when the monitor does not belong to the search. */
  ended(ref: Ref, target: MonitorTarget, reason: ExitReason): boolean {
    const search = this.#searches.get(target.node);
    if (search === undefined || search.ref !== ref) return false;
    search.ref = undefined;
    if (reason === 'noproc') {
      search.timer = this.#self.sendAfter(search.retryMs, this.#self.pid, new AskAgain(target.node));
      search.retryMs = Math.min(search.retryMs * 2, LAST_RETRY_MS);
    } else if (reason !== 'noconnection') {
      search.retryMs = FIRST_RETRY_MS;
      this.ask(target.node);
    }
    return true;
  }
}
