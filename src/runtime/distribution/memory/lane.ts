/**
 * What is on its way from one node to another, in order: signals, and what becomes of connections in between.
 *
 * One lane serves all connections that follow each other between two nodes, so that the end of one always arrives before
 * the beginning of the next. A lane decides nothing; the network says when its head is delivered.
 */
import type { Endpoint } from './endpoint.ts';
import type { PackedSignal } from './codec.ts';

/** A connection between two nodes. */
export class Connection {
  readonly first: Endpoint;
  readonly second: Endpoint;
  /** Once broken, what is sent over it is lost. Each side learns of it when its lane has come that far. */
  broken = false;
  /** The side that broke it, which has taken leave of it at once. */
  leftBy: Endpoint | undefined = undefined;

  constructor(first: Endpoint, second: Endpoint) {
    this.first = first;
    this.second = second;
  }

  /** The side that is not `endpoint`. */
  other(endpoint: Endpoint): Endpoint {
    return endpoint === this.first ? this.second : this.first;
  }
}

/** What can arrive. */
export type Arrival =
  /** A request of the receiving node itself to connect. */
  | { readonly kind: 'dial' }
  | { readonly kind: 'up'; readonly connection: Connection }
  | { readonly kind: 'signal'; readonly connection: Connection; readonly signal: PackedSignal }
  | { readonly kind: 'down'; readonly connection: Connection; readonly reason: string };

/** An arrival in its lane. */
export interface Entry {
  readonly arrival: Arrival;
  /** Its place among all of the network. */
  readonly number: number;
  /** The time from which it may be delivered, by the network's clock. */
  readonly dueMs: number;
}

/** How a pair of nodes is treated, in one direction; outlives their restarts. */
export interface LaneRule {
  held: boolean;
  delayMs: number;
}

/** What is on its way to an endpoint from one peer. */
export class Lane {
  readonly peer: string;
  readonly to: Endpoint;
  readonly rule: LaneRule;
  #entries: Entry[] = [];
  #first = 0;
  /** How many signals wait. */
  signals = 0;

  constructor(peer: string, to: Endpoint, rule: LaneRule) {
    this.peer = peer;
    this.to = to;
    this.rule = rule;
  }

  get length(): number {
    return this.#entries.length - this.#first;
  }

  get head(): Entry | undefined {
    return this.#entries[this.#first];
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    if (entry.arrival.kind === 'signal') this.signals++;
  }

  /** Takes the head; the lane must not be empty. */
  shift(): Arrival {
    const entry = this.#entries[this.#first++] as Entry;
    if (entry.arrival.kind === 'signal') this.signals--;
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) this.#compact();
    return entry.arrival;
  }

  /** How many arrivals of a connection wait. */
  count(connection: Connection): number {
    this.#compact();
    return this.#entries.filter((entry) => belongs(entry, connection)).length;
  }

  /** Loses what waits of a connection, but for the first `kept`. */
  lose(connection: Connection, kept: number): void {
    this.#compact();
    let left = kept;
    this.#entries = this.#entries.filter((entry) => !belongs(entry, connection) || left-- > 0);
    this.signals = this.#entries.filter(({ arrival }) => arrival.kind === 'signal').length;
  }

  #compact(): void {
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}

function belongs({ arrival }: Entry, connection: Connection): boolean {
  return arrival.kind !== 'dial' && arrival.connection === connection;
}
