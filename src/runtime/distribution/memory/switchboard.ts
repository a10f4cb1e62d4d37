/**
 * The inside of an in-memory network: the connections between its endpoints, what is on its way over them, and the order in
 * which it arrives.
 *
 * Without a seed, arrivals are delivered in the order in which they were sent. With a seed, the next arrival comes from any
 * lane, and part of what was under way on a connection that breaks still arrives; the seed decides. Order within a lane never
 * changes.
 *
 * Invariant: while anything can be delivered, one turn of the event loop has been requested.
 */
import { badArgument } from '../../errors.ts';
import type { Clock, ClockTimer } from '../../process/timers.ts';
import type { CodecLimits, Endpoint, EncodedSignal } from './endpoint.ts';

/** A connection between two nodes. */
export class MemoryConnection {
  readonly first: Endpoint;
  readonly second: Endpoint;
  /** Once it is broken, signals sent over it are lost. Each side learns of it when its lane gets there. */
  broken = false;
  /** The side that broke it, which stops using it at once. */
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

/** Something that can arrive. */
export type Arrival =
  /** A request of the receiving node itself to connect. */
  | { readonly kind: 'dial' }
  | { readonly kind: 'up'; readonly connection: MemoryConnection }
  | { readonly kind: 'signal'; readonly connection: MemoryConnection; readonly signal: EncodedSignal }
  | { readonly kind: 'down'; readonly connection: MemoryConnection; readonly reason: string };

/** An arrival in its lane. */
export interface Entry {
  readonly arrival: Arrival;
  /** Its position among all arrivals of the network. */
  readonly number: number;
  /** The time from which it may be delivered, by the network's clock. */
  readonly dueMs: number;
}

/** How to treat what one node sends to another; outlives restarts of the nodes. */
export interface LaneRule {
  held: boolean;
  delayMs: number;
}

/**
 * What is on its way to an endpoint from one peer, in order: signals, and the beginnings and ends of connections.
 *
 * One lane serves all successive connections between two nodes, so that the end of one always arrives before the beginning of
 * the next. A lane decides nothing; the network says when its head is delivered.
 */
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

  /** Removes the head; the lane must not be empty. */
  shift(): Arrival {
    const entry = this.#entries[this.#first++] as Entry;
    if (entry.arrival.kind === 'signal') this.signals--;
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) this.#compact();
    return entry.arrival;
  }

  /** How many arrivals of a connection wait. */
  count(connection: MemoryConnection): number {
    this.#compact();
    return this.#entries.filter((entry) => belongs(entry, connection)).length;
  }

  /** Drops what waits of a connection, except the first `kept`. */
  lose(connection: MemoryConnection, kept: number): void {
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

function belongs({ arrival }: Entry, connection: MemoryConnection): boolean {
  return arrival.kind !== 'dial' && arrival.connection === connection;
}

/** A small seeded random generator (mulberry32), to reproduce an order of events. Not for secrets. */
export class Random {
  #state: number;

  /** @param seed any number; its low 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }
}

/** The limits of a network. */
export interface NetworkLimits extends CodecLimits {
  /** How many arrivals may wait between two nodes in one direction. */
  readonly maxQueuedSignals: number;
}

/** How many arrivals are delivered before the nodes get their turn. */
const ARRIVALS_PER_TURN = 64;
/** The same with a seed, which chooses from 1 to this many. */
const SEEDED_ARRIVALS_PER_TURN = 8;

/** The inside of a network. */
export class Switchboard {
  readonly limits: NetworkLimits;
  readonly #clock: Clock;
  readonly #random: Random | undefined;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #connections = new Map<string, MemoryConnection>();
  readonly #rules = new Map<string, LaneRule>();
  readonly #cuts = new Set<string>();
  /** The lanes that are not empty. */
  readonly #busy = new Set<Lane>();
  #numbers = 0;
  #turnAsked = false;
  #alarm: ClockTimer | undefined = undefined;
  readonly #turn = (): void => {
    this.#turnAsked = false;
    this.#deliver();
  };

  constructor(limits: NetworkLimits, clock: Clock, random: Random | undefined) {
    this.limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  // ---- endpoints ----

  add(endpoint: Endpoint): void {
    if (this.#endpoints.has(endpoint.name)) {
      throw badArgument(
        `The network has a node '${endpoint.name}'; stop that one before another takes its name.`,
      );
    }
    this.#endpoints.set(endpoint.name, endpoint);
  }

  /** @param orderly whether what it has sent still arrives. */
  remove(endpoint: Endpoint, orderly: boolean): void {
    if (this.#endpoints.get(endpoint.name) !== endpoint) return;
    for (const connection of this.#connections.values()) {
      if (connection.first !== endpoint && connection.second !== endpoint) continue;
      this.break(connection, 'connection_closed', orderly);
    }
    for (const lane of endpoint.lanes()) this.#busy.delete(lane);
    this.#endpoints.delete(endpoint.name);
    endpoint.detach();
  }

  endpoint(name: string): Endpoint | undefined {
    return this.#endpoints.get(name);
  }

  /** True while no process of any node can run. */
  get idle(): boolean {
    return [...this.#endpoints.values()].every((endpoint) => endpoint.idle);
  }

  // ---- connections ----

  connection(a: string, b: string): MemoryConnection | undefined {
    return this.#connections.get(pairKey(a, b));
  }

  /** Makes a connection, unless one is on its way. @returns false if the peer cannot be reached. */
  dial(from: Endpoint, peer: string): boolean {
    const to = this.#endpoints.get(peer);
    const key = pairKey(from.name, peer);
    if (to === undefined || to === from || this.#cuts.has(key)) return false;
    if (this.#connections.has(key)) return true;
    const connection = new MemoryConnection(from, to);
    this.#connections.set(key, connection);
    this.push(from.line(to.name).lane, { kind: 'up', connection });
    this.push(to.line(from.name).lane, { kind: 'up', connection });
    return true;
  }

  /**
   * Breaks a connection.
   * @param orderly whether signals under way still arrive; anything held is lost in any case.
   */
  break(connection: MemoryConnection, reason: string, orderly = false): void {
    if (connection.broken) return;
    const { first, second } = connection;
    connection.broken = true;
    this.#connections.delete(pairKey(first.name, second.name));
    for (const endpoint of [first, second]) {
      if (this.#endpoints.get(endpoint.name) !== endpoint) continue;
      const { lane } = endpoint.line(connection.other(endpoint).name);
      if (!orderly || lane.rule.held) {
        const count = lane.count(connection);
        lane.lose(connection, lane.rule.held ? 0 : (this.#random?.below(count + 1) ?? 0));
      }
      this.push(lane, { kind: 'down', connection, reason });
    }
  }

  /** Sends a signal over a connection; over a broken one it is lost. */
  transmit(connection: MemoryConnection, from: Endpoint, signal: EncodedSignal): void {
    if (connection.broken) return;
    const { lane } = connection.other(from).line(from.name);
    if (lane.signals >= this.limits.maxQueuedSignals) this.break(connection, 'queue_full');
    else this.push(lane, { kind: 'signal', connection, signal });
  }

  cut(a: string, b: string): void {
    this.#cuts.add(pairKey(a, b));
    const connection = this.connection(a, b);
    if (connection !== undefined) this.break(connection, 'net_tick_timeout');
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(pairKey(a, b));
  }

  healAll(): void {
    this.#cuts.clear();
  }

  // ---- lanes ----

  lane(from: string, to: Endpoint): Lane {
    return new Lane(from, to, this.#rule(from, to.name));
  }

  setRule(from: string, to: string, change: Partial<LaneRule>): void {
    Object.assign(this.#rule(from, to), change);
    this.#askForTurn();
  }

  clearRules(): void {
    for (const rule of this.#rules.values()) Object.assign(rule, { held: false, delayMs: 0 });
    this.#askForTurn();
  }

  push(lane: Lane, arrival: Arrival): void {
    const dueMs = lane.rule.delayMs === 0 ? 0 : this.#clock.now() + lane.rule.delayMs;
    lane.push({ arrival, number: this.#numbers++, dueMs });
    this.#busy.add(lane);
    this.#askForTurn();
  }

  /** How many arrivals wait, deliverable or not. */
  get inFlight(): number {
    let count = 0;
    for (const lane of this.#busy) count += lane.length;
    return count;
  }

  /** True while something can be delivered. */
  get moving(): boolean {
    return this.#ready().length > 0;
  }

  #rule(from: string, to: string): LaneRule {
    const key = `${from} ${to}`;
    let rule = this.#rules.get(key);
    if (rule === undefined) {
      rule = { held: false, delayMs: 0 };
      this.#rules.set(key, rule);
    }
    return rule;
  }

  // ---- delivery ----

  #askForTurn(): void {
    if (this.#turnAsked) return;
    if (this.moving) {
      this.#turnAsked = true;
      setImmediate(this.#turn);
    } else {
      this.#setAlarm();
    }
  }

  #deliver(): void {
    const limit =
      this.#random === undefined ? ARRIVALS_PER_TURN : 1 + this.#random.below(SEEDED_ARRIVALS_PER_TURN);
    for (let count = 0; count < limit; count++) {
      const lane = this.#choose();
      if (lane === undefined) break;
      const arrival = lane.shift();
      if (lane.length === 0) this.#busy.delete(lane);
      lane.to.arrived(lane.peer, arrival);
    }
    this.#askForTurn();
  }

  #choose(): Lane | undefined {
    const ready = this.#ready();
    if (this.#random !== undefined) return ready[this.#random.below(ready.length)];
    let oldest: Lane | undefined;
    for (const lane of ready) {
      if (oldest === undefined || (lane.head?.number ?? 0) < (oldest.head?.number ?? 0)) oldest = lane;
    }
    return oldest;
  }

  /** The lanes whose head can be delivered. The end of a connection is noticed on each side, and cannot be held. */
  #ready(): Lane[] {
    const now = this.#clock.now();
    return [...this.#busy].filter((lane) => {
      const { head, rule } = lane;
      if (head === undefined) return false;
      const due = !rule.held && (rule.delayMs === 0 || head.dueMs <= now);
      return due || head.arrival.kind === 'down';
    });
  }

  /** Wakes up when the first delayed arrival is due. */
  #setAlarm(): void {
    if (this.#alarm !== undefined) this.#clock.clear(this.#alarm);
    this.#alarm = undefined;
    const delayed = [...this.#busy].filter(({ rule }) => !rule.held && rule.delayMs > 0);
    const due = delayed.map(({ head }) => head?.dueMs ?? 0);
    if (due.length === 0) return;
    this.#alarm = this.#clock.set(Math.max(1, Math.min(...due) - this.#clock.now()), () => {
      this.#alarm = undefined;
      this.#askForTurn();
    });
  }
}

function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
