/**
 * What the parts of the carrier for Erlang's distribution protocol require of each other: the set-up of connections, the
 * connections themselves, and the services behind them. Types only.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { SystemCall } from '../../otp/gen.ts';
import type { Node } from '../../process/node.ts';
import type { Pid, Ref } from '../../terms/identifiers.ts';
import type { Atom } from '../../terms/atom.ts';
import type { Tuple } from '../../terms/values.ts';

/** A connection after its handshake, before anything else was read. */
export interface EstablishedConnection {
  /** Without listeners, and paused. */
  readonly socket: Socket | TLSSocket;
  /** What was read beyond the last message of the handshake. */
  readonly leftover: Buffer;
  /** Name and creation of the other node. */
  readonly peer: string;
  readonly creation: number;
  /** The flags that both sides have set. */
  readonly flags: bigint;
  /** True when this node dialled. */
  readonly initiator: boolean;
}

/** What the connector reports to the owner of connections. All calls are synchronous. */
export interface ConnectionEvents {
  /** @internal A handshake is done; the receiver of this call owns the connection from now on. */
  up(established: EstablishedConnection): void;
  /** @internal True while a connection to the peer is up. */
  isUp(peer: string): boolean;
  /** @internal The peer has connected again, so its current connection is dead: end it, and report the end, before `up`. */
  retire(peer: string): void;
}

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

/** SPAWN_REQUEST: the peer wants a process here. */
export interface SpawnRequest {
  readonly ref: Ref;
  readonly from: Pid;
  readonly groupLeader: Pid;
  readonly module: Atom;
  readonly function: Atom;
  readonly arity: number;
  /** The list of options, as received. */
  readonly options: unknown;
  /** The list of arguments, as received. */
  readonly args: unknown;
}

/** SPAWN_REPLY: the answer to a request of this node: a pid, or an atom that says why there is none. */
export interface SpawnReply {
  readonly ref: Ref;
  readonly to: Pid;
  /** Bit 0: linked, bit 1: monitored. */
  readonly flags: number;
  readonly result: Pid | Atom;
}

/** The services behind the connections. None of these methods may throw. */
export interface Services {
  /**
   * The node exists; called once.
   * @param ready resolves when the node listens and has its name; seeds are dialled then, and never if it rejects
   */
  attach(node: Node, ready?: Promise<void>): void;
  /** A connection is up, and the node has been told. */
  peerUp(connection: PeerConnection): void;
  /** A connection was lost, and the node has been told. The reason is `disconnect` if this node's program closed it. */
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
