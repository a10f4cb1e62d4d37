/**
 * The interface between a node and the engine that moves its signals to other nodes.
 *
 * The core knows other nodes only through this file. Signals are those of the Erlang distribution protocol, so that a
 * carrier which speaks it only translates. A carrier keeps, for each pair of nodes, the order in which signals were
 * sent; it may lose signals only together with the connection, and then reports `nodeDown`.
 *
 * It does not deliver: the node's router (`process/router.ts`) applies what arrives.
 */
import type { ExitReason } from './messages.ts';
import type { Node } from './node.ts';
import type { Origin, Pid, Ref } from '../terms/identifiers.ts';

/** A signal between processes of two nodes. Names and meaning follow the control messages of `erl_dist_protocol`. */
export type Signal =
  /** A message to a pid (SEND_SENDER). */
  | { readonly op: 'send'; readonly from: Pid; readonly to: Pid; readonly message: unknown }
  /** One message to several processes of the receiving node; a carrier whose peer lacks this sends it one by one. */
  | { readonly op: 'sendMany'; readonly from: Pid; readonly to: readonly Pid[]; readonly message: unknown }
  /** A message to a registered name (REG_SEND). */
  | { readonly op: 'sendNamed'; readonly from: Pid; readonly to: string; readonly message: unknown }
  /**
   * The answer to a call, sent to the holder of the alias that the call was made with (ALIAS_SEND). On the wire it is
   * `{[alias | Ref], Answer}`, unless it is a plain message to an alias.
   */
  | {
      readonly op: 'sendAlias';
      readonly from: Pid;
      readonly to: Ref;
      readonly message: unknown;
      readonly plain?: true;
    }
  | { readonly op: 'link'; readonly from: Pid; readonly to: Pid }
  /** Ends a link; answered by `unlinkAck` with the same id, a positive integer below 2^64 (UNLINK_ID). */
  | { readonly op: 'unlink'; readonly id: number | bigint; readonly from: Pid; readonly to: Pid }
  | { readonly op: 'unlinkAck'; readonly id: number | bigint; readonly from: Pid; readonly to: Pid }
  /** A linked process ended (PAYLOAD_EXIT). */
  | { readonly op: 'exitLink'; readonly from: Pid; readonly to: Pid; readonly reason: ExitReason }
  /** `exit/2` (PAYLOAD_EXIT2). */
  | { readonly op: 'exit'; readonly from: Pid; readonly to: Pid; readonly reason: ExitReason }
  /** Monitors a pid or a registered name of the receiving node (MONITOR_P). */
  | { readonly op: 'monitor'; readonly from: Pid; readonly target: Pid | string; readonly ref: Ref }
  | { readonly op: 'demonitor'; readonly from: Pid; readonly target: Pid | string; readonly ref: Ref }
  /** Makes a process of the receiving node's output go to `leader`, a pid of any node (GROUP_LEADER). */
  | { readonly op: 'groupLeader'; readonly leader: Pid; readonly to: Pid }
  /** A monitored process ended; `target` is what the monitor was set on (PAYLOAD_MONITOR_P_EXIT). */
  | {
      readonly op: 'down';
      readonly target: Pid | string;
      readonly to: Pid;
      readonly ref: Ref;
      readonly reason: ExitReason;
    };

/** What a carrier is given by its node. */
export interface CarrierHost {
  /** Name and creation of the node. */
  readonly origin: Origin;
  /** The node itself, for carriers that run processes of their own on it. */
  readonly node: Node;
  /** True while no process of the node can run; for carriers that are used in tests. */
  readonly idle: boolean;
  /**
   * Applies a signal that arrived from a connected node. The pids of this node in it may be any objects with the right
   * fields. It never throws: what cannot be applied is left out and reported (`troupe:node:bad_signal`).
   */
  receive(peer: string, signal: Signal): void;
  /**
   * A connection is up; call this before the first `receive` from that peer. `creation` is the peer's incarnation.
   * @param hasNames false for a node without registered names, such as a C node, on which no name is looked up; true when
   * left out.
   */
  nodeUp(peer: string, creation: number, hasNames?: boolean): void;
  /** A connection was lost; links, monitors and calls to the peer end with `noconnection`. */
  nodeDown(peer: string, reason: unknown): void;
  /**
   * A pid as this node knows it: the one of its process when it is alive here. For carriers that decode pids; others
   * need not call it.
   */
  internPid(pid: Pid): Pid;
}

/** A connection, or one that is being made, as its carrier describes it. */
export interface CarrierPeer {
  /** The name of the other node. */
  readonly name: string;
  readonly state: 'connecting' | 'up';
  /** When it entered this state. */
  readonly since: Date;
  readonly sent: { readonly messages: number; readonly bytes: number };
  readonly received: { readonly messages: number; readonly bytes: number };
  /** How many bytes wait to be sent to it. */
  readonly queuedBytes: number;
}

/** An engine that connects nodes. */
export interface Carrier {
  /** Starts the carrier for a node; called once by `createNode`. */
  attach(host: CarrierHost): void;
  /**
   * Sends a signal to another node. When there is no connection the carrier tries to make one and keeps the signal
   * until it is up; when that fails it calls `host.nodeDown` for the peer, which ends what waits for it.
   * @throws TroupeError TROUPE_NOT_ENCODABLE, before anything is sent, when the signal holds a value that cannot leave the node.
   */
  send(peer: string, signal: Signal): void;
  /** Connects to a node. @returns true when connected. */
  connect(peer: string): Promise<boolean>;
  /** Drops the connection to a node. @returns false when there was none. */
  disconnect(peer: string): boolean;
  /**
   * Whether `sys` of a connected node predates stdlib 5.1 (OTP 26.1): it sends and expects the bare state instead of
   * `{ok, State}`. Left out by carriers that know no such nodes.
   */
  givesBareState?(peer: string): Promise<boolean>;
  /**
   * Resolves when nothing waits in this program to be sent to a node; also when the connection is lost. For code that sends much
   * and would otherwise fill the send queue of a slow peer. Left out by carriers without such a queue.
   */
  drained?(peer: string): Promise<void>;
  /** Its connections, for tools. Left out by carriers that count nothing. */
  connections?(): readonly CarrierPeer[];
  /** Ends all connections and frees what the carrier holds. */
  close(): Promise<void>;
}
