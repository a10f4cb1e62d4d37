/**
 * What a carrier keeps about one peer, the connection to it or what waits for one, and what can be seen of it.
 *
 * A line is dropped when there is neither, so that names tried once do not accumulate.
 */
import type { Connection } from './connection.ts';
import { PendingSignals } from './wire/send-queue.ts';

/** A node that this one is connected or connecting to. */
export interface PeerInfo {
  /** Its full name. */
  readonly name: string;
  /** Its incarnation; 0 while connecting. */
  readonly creation: number;
  readonly state: 'connecting' | 'up';
  /** Which of the two dialled; undefined while connecting. */
  readonly direction: 'out' | 'in' | undefined;
  /** Whether it has announced itself as a node of Troupe. */
  readonly troupe: boolean;
  /** When it entered this state. */
  readonly since: Date;
  readonly sent: {
    /** Signals of all kinds; a message to several processes counts once for each frame. */
    readonly messages: number;
    /** How often data was handed to the system: each time one or more frames. */
    readonly writes: number;
    readonly bytes: number;
    readonly ticks: number;
  };
  readonly received: PeerTraffic;
  /** How many bytes wait to be sent to it. */
  readonly queuedBytes: number;
}

/** What has arrived over a connection. */
export interface PeerTraffic {
  /** Control messages of all kinds. */
  readonly messages: number;
  /** Frames, including ticks and single fragments. */
  readonly frames: number;
  readonly bytes: number;
  readonly ticks: number;
}

/** How often something went wrong with other nodes; see the events `troupe:distribution:…`. */
export interface FaultCounts {
  /** Connections that could not be set up, or were refused. */
  readonly refused: number;
  /** Connections that were closed because their input could not be read. */
  readonly badFrames: number;
  /** Connections, or attempts to connect, that ended because too much was waiting. */
  readonly queuesFull: number;
  /** Input of other nodes that was left out. */
  readonly dropped: number;
}

/** One peer. */
export class Line {
  readonly peer: string;
  /** Also one that has ended, until the node knows it. */
  connection: Connection | null = null;
  readonly pending: PendingSignals;
  /** Resolves when a connection that the program dropped is closed, after what had been sent over it. */
  closing: Promise<void> | null = null;
  /** An attempt to connect is under way. */
  dialling = false;
  /** A connection is about to be handed over, so there is no need to dial. */
  arriving = false;
  /** More was sent than may wait, so the attempt counts as failed. */
  overflown = false;
  #callers: Array<(connected: boolean) => void> = [];
  #since = new Date();

  constructor(peer: string, maxSignals: number, maxBytes: number) {
    this.peer = peer;
    this.pending = new PendingSignals(maxSignals, maxBytes);
  }

  /** True when there is no connection, and neither callers nor signals wait for one. */
  get idle(): boolean {
    return (
      this.connection === null &&
      this.closing === null &&
      !this.dialling &&
      !this.overflown &&
      this.#callers.length === 0 &&
      this.pending.empty
    );
  }

  /** Resolves once it is known whether there is a connection. */
  connected(): Promise<boolean> {
    return new Promise((resolve) => this.#callers.push(resolve));
  }

  /** Whether callers or signals wait for a connection. */
  get wanted(): boolean {
    return this.#callers.length > 0 || !this.pending.empty;
  }

  answer(connected: boolean): void {
    const callers = this.#callers;
    this.#callers = [];
    for (const resolve of callers) resolve(connected);
  }

  /** Another attempt begins. */
  dials(): void {
    this.dialling = true;
    this.#since = new Date();
  }

  /** Its public state; undefined when it is neither connected nor connecting. */
  info(): PeerInfo | undefined {
    if (this.connection !== null) return this.connection.usable ? this.connection.info() : undefined;
    if (!this.dialling) return undefined;
    return {
      name: this.peer,
      creation: 0,
      state: 'connecting',
      direction: undefined,
      troupe: false,
      since: this.#since,
      sent: { messages: 0, writes: 0, bytes: 0, ticks: 0 },
      received: { messages: 0, frames: 0, bytes: 0, ticks: 0 },
      queuedBytes: this.pending.bytes,
    };
  }
}
