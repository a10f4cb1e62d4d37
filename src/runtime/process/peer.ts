/**
 * What a node keeps about another node that it has dealings with: the links, monitors and pending answers that end with
 * `noconnection` when the connection is lost.
 *
 * Links across nodes follow the UNLINK_ID protocol of OTP 23.3 and later: a link is removed for certain only when the
 * other side has acknowledged, so that an unlink and an exit that cross each other cannot leave one side linked.
 *
 * It applies nothing that arrives; see `router.ts`.
 */
import type { Carrier, Signal } from './carrier.ts';
import { TroupeError } from '../errors.ts';
import { type ExitReason, formatReason } from './messages.ts';
import type { RemoteMonitor } from './monitor.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from './process.ts';

/** How much is sent of the text of a reason that cannot be sent itself. */
const REASON_CHARACTERS_MAX = 10_000;

/** A link between a process here and one on another node. */
export class RemoteLink {
  readonly local: Process;
  readonly remote: Pid;
  /** False while an unlink waits for its acknowledgement. */
  active = true;
  /** The id of that unlink; 0 while active. */
  unlinkId = 0;

  constructor(local: Process, remote: Pid) {
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
  readonly #carrier: Carrier;
  /** Incarnation while connected, 0 before. */
  creation = 0;
  /** Whether it has registered names; false for a C node. */
  hasNames = true;
  /** True between nodeUp and nodeDown. */
  connected = false;
  readonly links = new Set<RemoteLink>();
  /** Monitors set here on processes there, by the key of their ref. */
  readonly outgoing = new Map<string, AwaitsPeer>();
  /** Monitors set there on processes here, by the key of their ref. */
  readonly incoming = new Map<string, RemoteMonitor>();
  #unlinks = 0;

  constructor(name: string, carrier: Carrier) {
    this.name = name;
    this.#carrier = carrier;
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

  /** An id for an unlink: positive, and larger than those before. */
  nextUnlinkId(): number {
    return ++this.#unlinks;
  }
}
