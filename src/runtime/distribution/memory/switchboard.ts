/**
 * Moves what is on its way between the endpoints of an in-memory network, one arrival at a time.
 *
 * Without a seed things arrive in the order in which they were sent. With one, the next arrival is taken from any lane,
 * and of a connection that breaks some of what was under way still arrives; the seed decides. Within a lane
 * order is kept, always.
 *
 * Invariant: while something can be delivered, one turn of the event loop is asked for.
 */
import { TroupeError } from '../../errors.ts';
import type { Clock, ClockTimer } from '../../process/timers.ts';
import type { CodecLimits, PackedSignal } from './codec.ts';
import type { Endpoint } from './endpoint.ts';
import { type Arrival, Connection, Lane, type LaneRule } from './lane.ts';
import type { Random } from './random.ts';

/** The limits of a network. */
export interface Limits extends CodecLimits {
  /** How many arrivals may wait between two nodes in one direction. */
  readonly maxQueuedSignals: number;
}

/** How many arrivals are delivered before the nodes have their turn. */
const ARRIVALS_PER_TURN = 64;
/** The same with a seed, which chooses from 1 up to this many. */
const SEEDED_ARRIVALS_PER_TURN = 8;

/** The inside of a network. */
export class Switchboard {
  readonly limits: Limits;
  readonly #clock: Clock;
  readonly #random: Random | undefined;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #connections = new Map<string, Connection>();
  readonly #rules = new Map<string, LaneRule>();
  readonly #cuts = new Set<string>();
  /** The lanes in which something waits. */
  readonly #busy = new Set<Lane>();
  #numbers = 0;
  #turnAsked = false;
  #alarm: ClockTimer | undefined = undefined;
  readonly #turn = (): void => {
    this.#turnAsked = false;
    this.#deliver();
  };

  constructor(limits: Limits, clock: Clock, random: Random | undefined) {
    this.limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  // ---- endpoints ----

  add(endpoint: Endpoint): void {
    if (this.#endpoints.has(endpoint.name)) {
      throw new TroupeError(
        'TROUPE_BAD_ARGUMENT',
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

  connection(a: string, b: string): Connection | undefined {
    return this.#connections.get(pairKey(a, b));
  }

  /** Makes a connection, unless there is one on its way. @returns false when the peer cannot be reached. */
  dial(from: Endpoint, peer: string): boolean {
    const to = this.#endpoints.get(peer);
    const key = pairKey(from.name, peer);
    if (to === undefined || to === from || this.#cuts.has(key)) return false;
    if (this.#connections.has(key)) return true;
    const connection = new Connection(from, to);
    this.#connections.set(key, connection);
    this.push(from.line(to.name).lane, { kind: 'up', connection });
    this.push(to.line(from.name).lane, { kind: 'up', connection });
    return true;
  }

  /**
   * Breaks a connection.
   * @param orderly whether what is under way still arrives; what is held is lost in any case.
   */
  break(connection: Connection, reason: string, orderly = false): void {
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
  transmit(connection: Connection, from: Endpoint, signal: PackedSignal): void {
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

  /** How many arrivals wait, whether they can be delivered or not. */
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

  /** The lanes whose head can be delivered. The end of a connection is noticed on each side and cannot be held. */
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
