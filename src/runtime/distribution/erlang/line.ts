/**
 * What a carrier keeps about one peer: the connection to it, or what waits for one.
 *
 * It is dropped when there is neither, so that names which were tried once do not add up.
 */
import type { Connection } from './connection.ts';
import type { PeerInfo } from './connect/peer-info.ts';
import { PendingSignals } from './wire/pending.ts';

/** One peer. */
export class Line {
  readonly peer: string;
  /** Also one that has ended, until the node was told. */
  connection: Connection | null = null;
  readonly pending: PendingSignals;
  /** Resolves when the connection that the program has dropped is closed, which what was sent before goes out ahead of. */
  closing: Promise<void> | null = null;
  /** An attempt to connect is under way. */
  dialling = false;
  /** A connection is about to be handed over: there is no need to dial. */
  arriving = false;
  /** More was sent than may wait: the attempt counts as failed. */
  overflown = false;
  #callers: Array<(connected: boolean) => void> = [];
  #since = new Date();

  constructor(peer: string, maxSignals: number, maxBytes: number) {
    this.peer = peer;
    this.pending = new PendingSignals(maxSignals, maxBytes);
  }

  /** True when nobody waits for a connection, and nothing. */
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

  /** Resolves when it is known whether there is a connection. */
  connected(): Promise<boolean> {
    return new Promise((resolve) => this.#callers.push(resolve));
  }

  /** Whether somebody or something waits for a connection. */
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

  /** What can be seen of it; undefined when it is neither connected nor connecting. */
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
