/**
 * The exchange with the scope processes of other nodes, as `pg.erl` describes it: a new peer is discovered, answers with a
 * snapshot of its local members, discovers us in turn, and from then on both tell each other what changes.
 *
 * Peers are known by pid, not by node: when the scope of a node was started again, messages of the new one can come before
 * the end of the old one is known, and then the old one is forgotten at once. Nothing that arrives ends the
 * scope process: what is not understood is published on `troupe:pg:bad_message` and left out, as is what a node says in the name
 * of a scope process that is not its own; and what comes from a peer that is not known is left out in silence, as it can be
 * late. What a peer tells of very many groups takes effect in slices, in order (`slices.ts`); what it is told does not.
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
import { GO_ON, Slices } from './slices.ts';
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

/** What a scope process has to do with others. */
export class Exchange {
  readonly #self: Process;
  readonly #scope: string;
  readonly #naming: Naming;
  readonly #members: Members;
  readonly #notify: Notify;
  readonly #peers = new Map<string, RemoteScope>();
  readonly #discovery: Discovery;
  readonly #slices: Slices;

  /** @param notify is given what changes because of other nodes. */
  constructor(self: Process, scope: string, naming: Naming, members: Members, notify: Notify) {
    this.#self = self;
    this.#scope = scope;
    this.#naming = naming;
    this.#members = members;
    this.#notify = notify;
    this.#discovery = new Discovery(self, scope);
    this.#slices = new Slices(self);
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

  /** True while there is nobody to tell. */
  get alone(): boolean {
    return this.#peers.size === 0;
  }

  /** Local processes have joined. */
  joined(group: Group, pids: readonly Pid[]): void {
    if (this.alone) return;
    this.#broadcast(protocol.join(this.#self.pid, this.#naming.told(group), oneOrMany(pids)));
  }

  /** Local processes have left, each of them every group. */
  left(pids: readonly Pid[], groups: readonly Group[]): void {
    if (this.alone) return;
    const names = groups.map((group) => this.#naming.told(group));
    this.#broadcast(protocol.leave(this.#self.pid, oneOrMany(pids), names));
  }

  #broadcast(message: unknown): void {
    for (const peer of this.#peers.values()) {
      try {
        peer.send(this.#self.pid, message);
      } catch (error) {
        if (!isNotEncodable(error)) throw error;
        // A change that is too large for the carrier, such as the end of a member of very many groups: all that is left.
        this.#sync(peer);
      }
    }
  }

  // ---- messages ----

  /** Handles a message of the scope process. */
  handle(message: unknown): void {
    if (message instanceof Down) this.#ended(message);
    else if (message instanceof NodeUp) this.#discovery.start(message.node);
    else if (message instanceof NodeDown) this.#discovery.stop(message.node);
    else if (message === GO_ON) this.#slices.goOn();
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
    if (read.kind === 'discover') {
      this.#discovered(known, read.peer);
      return;
    }
    const peer = read.kind === 'sync' ? (known ?? this.#addPeer(read.peer)) : known;
    if (peer === undefined) return;
    if (read.kind === 'sync') this.#slices.run(peer, 'snapshot', this.#synced(peer, read, message));
    else if (read.kind === 'join') this.#slices.run(peer, 'change', this.#peerJoined(peer, read, message));
    else this.#slices.run(peer, 'change', this.#peerLeft(peer, read, message));
  }

  #discovered(known: RemoteScope | undefined, pid: Pid): void {
    const peer = known ?? this.#addPeer(pid);
    if (peer === undefined) return;
    if (known === undefined) peer.send(this.#self.pid, protocol.discover(this.#self.pid));
    else this.#sync(peer);
  }

  *#synced(
    peer: RemoteScope,
    { entries }: PeerMessage & { kind: 'sync' },
    message: unknown,
  ): Generator<number, void> {
    const snapshot: Snapshot = new Map();
    for (const entry of entries) {
      const [name, pids] = readEntry(peer.pid, entry);
      const group = pids.length === 0 ? undefined : this.#group(name, message);
      if (group === undefined) yield 0;
      else {
        const told = { pids, isAtom: this.#naming.isAtom(name) };
        yield* this.#members.syncGroup(peer, group, told, snapshot, this.#notify);
      }
    }
    yield* this.#members.leaveMissing(peer, snapshot, this.#notify);
  }

  *#peerJoined(
    peer: RemoteScope,
    { group: name, pids }: PeerMessage & { kind: 'join' },
    message: unknown,
  ): Generator<number, void> {
    const group = pids.length === 0 ? undefined : this.#group(name, message);
    if (group === undefined) return;
    for (const part of parts(pids)) {
      const change = this.#members.joinRemote(peer, group, part, this.#naming.isAtom(name));
      if (change !== undefined) this.#notify(change);
      yield part.length;
    }
  }

  *#peerLeft(
    peer: RemoteScope,
    { groups, pids }: PeerMessage & { kind: 'leave' },
    message: unknown,
  ): Generator<number, void> {
    for (const name of groups) {
      const group = this.#named(() => this.#members.groups.find(this.#naming.here(name)), message);
      for (const part of group === undefined ? [] : parts(pids)) {
        const change = this.#members.leaveRemote(peer, group as Group, part, this.#naming.isAtom(name));
        if (change !== undefined) this.#notify(change);
        yield part.length;
      }
      yield 0;
    }
  }

  /** A group that gets a member of a peer at once. */
  #group(name: unknown, message: unknown): Group | undefined {
    return this.#named(() => this.#members.groups.findOrMake(this.#naming.here(name)), message);
  }

  /** The group that a peer names; one that cannot be named here is left out. */
  #named(find: () => Group | undefined, message: unknown): Group | undefined {
    try {
      return find();
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
   * Begins to know a peer, and sends it all local members: from now on it is told of changes. One that knew us before we knew
   * it would not ask. Undefined when its node, or that incarnation of it, is not connected any more.
   */
  #addPeer(pid: Pid): RemoteScope | undefined {
    const node = this.#self.node.router.connectedPeer(pid.node);
    if (node === undefined || node.creation !== pid.creation) return undefined;
    for (const other of this.#peers.values()) {
      if (other.pid.node === pid.node) this.#removePeer(other);
    }
    const peer = new RemoteScope(pid, this.#self.monitor(pid), node);
    this.#peers.set(pid.key, peer);
    return this.#sync(peer) ? peer : undefined;
  }

  /** Forgets a peer and all that it has told of. */
  #removePeer(peer: RemoteScope): void {
    this.#peers.delete(peer.pid.key);
    this.#self.demonitor(peer.ref);
    this.#slices.drop(peer);
    this.#slices.run(peer, 'end', this.#members.forgetPeer(peer, this.#notify));
  }

  /**
   * Sends a peer all local members. A snapshot that is too large for the carrier leaves the peer unknown, since it must not be
   * told of changes to what it has not been told; the members here go on among themselves.
   * @returns whether that was possible.
   */
  #sync(peer: RemoteScope): boolean {
    const groups: protocol.NamedGroup[] = [];
    for (const group of this.#members.groups.all()) {
      if (group.hasLocal) groups.push([this.#naming.told(group), group.localPids]);
    }
    const { pid } = this.#self;
    const message = protocol.sync(pid, groups);
    try {
      peer.send(pid, message);
      return true;
    } catch (error) {
      if (!isNotEncodable(error)) throw error;
      this.#removePeer(peer);
      undeliverable.publish({ from: pid, to: peer.pid, message, error });
      return false;
    }
  }

  #ended({ ref, target, reason }: Down): void {
    if (!(target instanceof Pid)) {
      this.#discovery.ended(ref, target, reason);
      return;
    }
    const peer = this.#peers.get(target.key);
    // The monitor of one that was parted from before has nothing to say.
    if (peer?.ref !== ref) return;
    this.#removePeer(peer);
    // It had ended before we met it: a late message of it may have taken the place of the one that runs now.
    if (reason === 'noproc') this.#discovery.discover(target.node);
  }
}

function isNotEncodable(error: unknown): boolean {
  return error instanceof TroupeError && error.code === 'TROUPE_NOT_ENCODABLE';
}

function oneOrMany(pids: readonly Pid[]): Pid | readonly Pid[] {
  return pids.length === 1 ? (pids[0] as Pid) : pids;
}

// ---- discovery ----

/** How long a scope that was not there is waited for at first, in milliseconds. */
const FIRST_RETRY_MS = 1_000;
/** How long it is waited for at most. */
const LAST_RETRY_MS = 30_000;

/** The message that a scope process sends to itself when it is time to ask again. */
class AskAgain {
  readonly node: string;

  constructor(node: string) {
    this.node = node;
  }
}

/** What is known of the search on one node. */
interface Search {
  ref: Ref | undefined;
  timer: TimerRef | undefined;
  retryMs: number;
}

/**
 * Finds the scope processes of other nodes.
 *
 * When a node comes up, its scope is asked for by name, and a monitor is kept on that name: a scope that is started later,
 * or again, would not find a node that is hidden from it. A scope that is not there is asked for again after a while, twice
 * as long each time, for as long as the node is connected; one that has ended, at once.
 */
class Discovery {
  readonly #self: Process;
  readonly #scope: string;
  readonly #searches = new Map<string, Search>();

  constructor(self: Process, scope: string) {
    this.#self = self;
    this.#scope = scope;
  }

  /** A node is connected. */
  start(node: string): void {
    if (node === this.#self.node.name) return;
    this.stop(node);
    if (this.#self.node.router.connectedPeer(node)?.hasNames === false) return;
    this.#searches.set(node, { ref: undefined, timer: undefined, retryMs: FIRST_RETRY_MS });
    this.ask(node);
  }

  /** A node is not connected any more. */
  stop(node: string): void {
    const search = this.#searches.get(node);
    if (search === undefined) return;
    search.timer?.cancel();
    if (search.ref !== undefined) this.#self.demonitor(search.ref);
    this.#searches.delete(node);
  }

  /** Asks the scope of a node to tell its members, once. @returns false when the node is not connected. */
  discover(node: string): boolean {
    // A message must not make a connection that was lost meanwhile.
    if (this.#self.node.router.connectedPeer(node) === undefined) return false;
    this.#self.send({ name: this.#scope, node }, protocol.discover(this.#self.pid));
    return true;
  }

  /** Asks the scope of a node, and sees to it that it is asked again when it has ended or is not there. */
  ask(node: string): void {
    const search = this.#searches.get(node);
    if (search === undefined || !this.discover(node)) return;
    search.timer = undefined;
    search.ref = this.#self.monitor({ name: this.#scope, node });
  }

  /** A monitor on a name fired. @returns false when it is none of the search. */
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
