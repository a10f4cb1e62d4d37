/**
 * What a scope process knows of another one, on another node.
 *
 * The rule that keeps a peer alive (an OTP scope dies of a `leave` for what it has not recorded): nothing goes to it
 * before a snapshot has, and what is sent afterwards is what the tables changed by since. So a snapshot goes out in the turn
 * in which a peer becomes known, and changes in the turn in which they happen. A peer belongs to one connection; over a
 * later one it is sent nothing, as it has forgotten us with the first, and its `Down` is on the way.
 */
import type { Peer as Connection } from '../process/peer.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Group, RemoteMembers } from './group.ts';

/** A scope process of another node. */
export class Peer {
  readonly pid: Pid;
  /** The monitor on it. */
  readonly ref: Ref;
  readonly #connection: Connection;
  /** The members that it has told of. */
  readonly groups = new Map<Group, RemoteMembers>();

  constructor(pid: Pid, ref: Ref, connection: Connection) {
    this.pid = pid;
    this.ref = ref;
    this.#connection = connection;
  }

  /** True while the connection on which it was met lasts. */
  get reachable(): boolean {
    return this.#connection.connected;
  }

  /** Sends it a message, unless its connection is lost. */
  send(from: Pid, message: unknown): void {
    if (this.reachable) this.#connection.send({ op: 'send', from, to: this.pid, message });
  }

  /** Sends one message to several of the members that it has told of. */
  sendToMembers(from: Pid, to: readonly Pid[], message: unknown): void {
    if (this.reachable) this.#connection.send({ op: 'sendMany', from, to, message });
  }
}
