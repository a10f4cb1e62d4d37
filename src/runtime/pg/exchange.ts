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
import { Down, NodeDown, NodeUp } from '../process/messages.ts';
import { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { telemetry } from '../telemetry.ts';
import { AskAgain, Discovery } from './discovery.ts';
import type { Group } from './group.ts';
import { type Members, parts, type Snapshot, type Tell } from './members.ts';
import type { Naming } from './naming.ts';
import { Peer } from './peer.ts';
import * as protocol from './protocol.ts';
import { type PeerMessage, readEntry, readPeerMessage } from './protocol.ts';
import { GO_ON, Slices } from './slices.ts';

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
  readonly #tell: Tell;
  readonly #peers = new Map<string, Peer>();
  readonly #discovery: Discovery;
  readonly #slices: Slices;

  /** @param tell is given what changes because of other nodes. */
  constructor(self: Process, scope: string, naming: Naming, members: Members, tell: Tell) {
    this.#self = self;
    this.#scope = scope;
    this.#naming = naming;
    this.#members = members;
    this.#tell = tell;
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
        this.#tellAll(peer);
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
    const peer = read.kind === 'sync' ? (known ?? this.#meet(read.peer)) : known;
    if (peer === undefined) return;
    if (read.kind === 'sync') this.#slices.run(peer, 'snapshot', this.#synced(peer, read, message));
    else if (read.kind === 'join') this.#slices.run(peer, 'change', this.#peerJoined(peer, read, message));
    else this.#slices.run(peer, 'change', this.#peerLeft(peer, read, message));
  }

  #discovered(known: Peer | undefined, pid: Pid): void {
    const peer = known ?? this.#meet(pid);
    if (peer === undefined) return;
    if (known === undefined) peer.send(this.#self.pid, protocol.discover(this.#self.pid));
    else this.#tellAll(peer);
  }

  *#synced(
    peer: Peer,
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
        yield* this.#members.tellOf(peer, group, told, snapshot, this.#tell);
      }
    }
    yield* this.#members.leaveUntold(peer, snapshot, this.#tell);
  }

  *#peerJoined(
    peer: Peer,
    { group: name, pids }: PeerMessage & { kind: 'join' },
    message: unknown,
  ): Generator<number, void> {
    const group = pids.length === 0 ? undefined : this.#group(name, message);
    if (group === undefined) return;
    for (const part of parts(pids)) {
      const change = this.#members.joinRemote(peer, group, part, this.#naming.isAtom(name));
      if (change !== undefined) this.#tell(change);
      yield part.length;
    }
  }

  *#peerLeft(
    peer: Peer,
    { groups, pids }: PeerMessage & { kind: 'leave' },
    message: unknown,
  ): Generator<number, void> {
    for (const name of groups) {
      const group = this.#named(() => this.#members.groups.find(this.#naming.here(name)), message);
      for (const part of group === undefined ? [] : parts(pids)) {
        const change = this.#members.leaveRemote(peer, group as Group, part, this.#naming.isAtom(name));
        if (change !== undefined) this.#tell(change);
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
  #meet(pid: Pid): Peer | undefined {
    const connection = this.#self.node.router.connection(pid.node);
    if (connection === undefined || connection.creation !== pid.creation) return undefined;
    for (const other of this.#peers.values()) {
      if (other.pid.node === pid.node) this.#part(other);
    }
    const peer = new Peer(pid, this.#self.monitor(pid), connection);
    this.#peers.set(pid.key, peer);
    return this.#tellAll(peer) ? peer : undefined;
  }

  /** Forgets a peer and all that it has told of. */
  #part(peer: Peer): void {
    this.#peers.delete(peer.pid.key);
    this.#self.demonitor(peer.ref);
    this.#slices.drop(peer);
    this.#slices.run(peer, 'end', this.#members.forgetPeer(peer, this.#tell));
  }

  /**
   * Sends a peer all local members. A snapshot that is too large for the carrier leaves the peer unknown, since it must not be
   * told of changes to what it has not been told; the members here go on among themselves.
   * @returns whether that was possible.
   */
  #tellAll(peer: Peer): boolean {
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
      this.#part(peer);
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
    this.#part(peer);
    // It had ended before we met it: a late message of it may have taken the place of the one that runs now.
    if (reason === 'noproc') this.#discovery.hail(target.node);
  }
}

function isNotEncodable(error: unknown): boolean {
  return error instanceof TroupeError && error.code === 'TROUPE_NOT_ENCODABLE';
}

function oneOrMany(pids: readonly Pid[]): Pid | readonly Pid[] {
  return pids.length === 1 ? (pids[0] as Pid) : pids;
}
