/**
 * A network in memory: it connects nodes that live in one operating system process.
 *
 * For tests of what happens between nodes. Signals arrive later, in order per pair, and are lost only together with the connection,
 * as the carrier interface demands. Any pair can be cut, healed, held and delayed, a connection dropped and a node crashed; with a
 * seed, what several peers send is interleaved at random, and the same seed gives the same run.
 *
 * Messages and exit reasons pass through the codec of the carrier for Erlang: they arrive as they would from a node of this runtime
 * over that carrier, and what cannot leave a node is refused for the same reasons. A Map whose keys are all strings arrives as a
 * plain object, and any other as an ErlMap; a charlist as an array; a record such as `Exit` as itself if it is the whole message, and
 * as a tuple within another. Unlike a real network it has no cookie, no limit on the bytes that wait, and no addresses.
 *
 * Limits: `maxQueuedSignals` in one direction (beyond it the connection breaks with `queue_full`, as a node that is too
 * slow is disconnected); `maxDepth`, `maxValues` and 128 MiB of one message (beyond them the sender gets
 * TROUPE_NOT_ENCODABLE).
 */
import { TroupeError } from '../errors.ts';
import { type Clock, systemClock, timerLength } from '../process/timers.ts';
import type { Carrier } from '../process/carrier.ts';
import { Endpoint } from './memory/endpoint.ts';
import { Random, Switchboard } from './memory/switchboard.ts';

/** Options of `createMemoryNetwork`. */
export interface MemoryNetworkOptions {
  /**
   * Interleaves what different peers send, and decides what is lost with a connection. Without it everything arrives in the order
   * sent, and everything under way when a connection breaks is lost.
   */
  readonly seed?: number;
  /** The clock that measures delays. Default: the system's. */
  readonly clock?: Clock;
  /** How many signals may wait between two nodes in one direction. Default 1,000,000. */
  readonly maxQueuedSignals?: number;
  /** How deep a message may be nested. Default 512. */
  readonly maxDepth?: number;
  /** How many values a message may hold, counting each element, key and value. Default 16,777,216. */
  readonly maxValues?: number;
}

/** A network; make one with {@link createMemoryNetwork}. */
export class MemoryNetwork {
  readonly #switchboard: Switchboard;

  /** @internal Use {@link createMemoryNetwork}. */
  constructor(options: MemoryNetworkOptions) {
    this.#switchboard = new Switchboard(
      {
        maxQueuedSignals: options.maxQueuedSignals ?? 1_000_000,
        maxDepth: options.maxDepth ?? 512,
        maxValues: options.maxValues ?? 16_777_216,
      },
      options.clock ?? systemClock,
      options.seed === undefined ? undefined : new Random(options.seed),
    );
  }

  /**
   * The carrier for one node: `createNode({ name, carrier: network.carrier(name) })`. After a stop or crash, another node can take the
   * name with a carrier of its own.
   */
  carrier(name: string): Carrier {
    return new Endpoint(name, this.#switchboard);
  }

  /** Breaks the connection between two nodes, and prevents another until `heal`. */
  cut(a: string, b: string): void {
    this.#switchboard.cut(a, b);
  }

  /** Lets two nodes, or all, connect again; as in OTP they do so when one sends to the other, or by `node.connect`. */
  heal(a: string, b: string): void;
  heal(): void;
  heal(a?: string, b?: string): void {
    if (a === undefined || b === undefined) this.#switchboard.healAll();
    else this.#switchboard.heal(a, b);
  }

  /** Breaks the connection between two nodes, which may connect again at once. @returns false if there was none. */
  drop(a: string, b: string): boolean {
    const connection = this.#switchboard.connection(a, b);
    if (connection === undefined) return false;
    this.#switchboard.break(connection, 'connection_closed');
    return true;
  }

  /** Holds back what one node sends to another, until `release`. If the connection breaks, it is lost. */
  hold(from: string, to: string): void {
    this.#switchboard.setRule(from, to, { held: true });
  }

  /** Ends holding and delays in one direction, or everywhere. */
  release(from: string, to: string): void;
  release(): void;
  release(from?: string, to?: string): void {
    if (from === undefined || to === undefined) this.#switchboard.clearRules();
    else this.#switchboard.setRule(from, to, { held: false, delayMs: 0 });
  }

  /** Delays what one node sends to another from now on by `delayMs` milliseconds of the network's clock. */
  delay(from: string, to: string, delayMs: number): void {
    this.#switchboard.setRule(from, to, { delayMs: timerLength(delayMs) });
  }

  /** Takes a node off the network as if its power had failed, without any last message. Stop it afterwards. */
  crash(name: string): void {
    const endpoint = this.#switchboard.endpoint(name);
    if (endpoint !== undefined) this.#switchboard.remove(endpoint, false);
  }

  /** How many signals are under way, including those held or delayed. */
  get inFlight(): number {
    return this.#switchboard.inFlight;
  }

  /**
   * Waits until nothing moves: no process of the nodes can run, and no signal can be delivered. Whatever is held, or waits for a clock
   * or for something outside the nodes, does not count.
   * @param maxTurns the maximum number of turns of the event loop to wait.
   * @throws TroupeError TROUPE_NOT_SETTLED if something still moves then.
   */
  async settle(maxTurns = 100_000): Promise<void> {
    for (let turn = 0; turn < maxTurns; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.#switchboard.moving && this.#switchboard.idle) return;
    }
    throw new TroupeError('TROUPE_NOT_SETTLED', `The network still moves after ${maxTurns} turns.`);
  }
}

/** Makes a network in memory. */
export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return new MemoryNetwork(options);
}
