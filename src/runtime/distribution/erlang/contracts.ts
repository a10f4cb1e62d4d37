/**
 * What the parts of the carrier for Erlang's distribution protocol ask of each other: those that set connections up, the one
 * that runs them, and the services that stand behind them. Types only.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { SystemCall } from '../../otp/gen.ts';
import type { Node } from '../../process/node.ts';
import type { Pid, Ref } from '../../terms/identifiers.ts';
import type { Atom } from '../../terms/atom.ts';
import type { Tuple } from '../../terms/values.ts';

/** A connection whose handshake is done, and of which nothing was read since. */
export interface EstablishedConnection {
  /** Without listeners, and paused. */
  readonly socket: Socket | TLSSocket;
  /** What had been read after the last message of the handshake. */
  readonly leftover: Buffer;
  /** Name and creation of the other node. */
  readonly peer: string;
  readonly creation: number;
  /** The flags that both sides have. */
  readonly flags: bigint;
  /** True when this node dialled. */
  readonly initiator: boolean;
}

/** What those who set connections up tell the one that runs them. All calls are synchronous. */
export interface ConnectionEvents {
  /** @internal A handshake is done; from now on the connection belongs to who is told. */
  up(established: EstablishedConnection): void;
  /** @internal True while a connection to the peer runs. */
  isUp(peer: string): boolean;
  /** @internal The peer has come anew, and the connection that runs is dead: it has to be ended, and its end told, before `up`. */
  retire(peer: string): void;
}

/** A connection that runs, as services see it. */
export interface PeerConnection {
  readonly name: string;
  readonly creation: number;
  readonly flags: bigint;
  /**
   * Sends a control message that is no signal of the carrier interface, with its payload when one is given.
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
  /** A list of options, as it came. */
  readonly options: unknown;
  /** The list of arguments, as it came. */
  readonly args: unknown;
}

/** SPAWN_REPLY: the answer to a request of ours: a pid, or an atom that says why not. */
export interface SpawnReply {
  readonly ref: Ref;
  readonly to: Pid;
  /** Bit 0: linked, bit 1: monitored. */
  readonly flags: number;
  readonly result: Pid | Atom;
}

/** What stands behind the connections. Nothing that it does may throw. */
export interface Services {
  /**
   * The node is there; called once.
   * @param ready resolves when the node listens and has its name; seeds are dialled then, and not when it rejects
   */
  attach(node: Node, ready?: Promise<void>): void;
  /** A connection is up; the node knows it. */
  peerUp(connection: PeerConnection): void;
  /** A connection was lost; the node knows it. The reason is `disconnect` when this node's program has dropped it. */
  peerDown(peer: string, reason?: unknown): void;
  /** @internal A system message of a node has come; it is delivered as soon as it is known how to answer it. */
  systemCall(peer: string, message: SystemCall, deliver: () => void): void;
  /** See `Carrier.givesBareState`. */
  givesBareState(peer: string): Promise<boolean>;
  spawnRequest(connection: PeerConnection, request: SpawnRequest): void;
  spawnReply(connection: PeerConnection, reply: SpawnReply): void;
  /** The carrier closes. */
  close(): void;
}
