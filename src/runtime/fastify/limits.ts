/**
 * The limits of WebSocket connections and controllers: what they are, their defaults, the check of what a user sets, and the
 * timer and the token bucket that measure them.
 */
import { checkNumber, checkOneOf, checkOptionNames, badArgument } from '../errors.ts';
import { MAX_TIMER_MS, TimerEntry, type Timers } from '../process/timers.ts';

/** See {@link ConnectionLimits.slowClient}. */
export type SlowClientPolicy = 'close' | 'drop' | 'latest';

const POLICIES: readonly string[] = ['close', 'drop', 'latest'] satisfies SlowClientPolicy[];

/** Limits of one connection; a definition can set its own. */
export interface ConnectionLimits {
  /**
   * Milliseconds between two pings. A client that sends nothing at all between two of them is gone: its socket is torn down
   * and the process exits with `['shutdown', 'timeout']`. `Infinity` for no pings. Default 30,000.
   */
  readonly heartbeatMs: number;
  /**
   * Milliseconds without a text or binary frame of the client after which the connection is closed with 1000 and the
   * process exits with `['shutdown', 'timeout']`. Default `Infinity`.
   */
  readonly idleTimeoutMs: number;
  /**
   * Milliseconds that a process has, once its client is gone, to handle what came before; then it is ended. Default 5,000.
   */
  readonly drainTimeoutMs: number;
  /**
   * The most bytes that the socket holds until the client takes them; a larger frame is handed over alone. Other frames wait
   * in order in front of the socket, where connections share those of `encodeOnce`. Default 1 MiB.
   */
  readonly sendHighWaterBytes: number;
  /** The most bytes that may wait, on the socket and in front of it, including the frame to be sent. Default 32 MiB. */
  readonly sendLimitBytes: number;
  /**
   * Milliseconds in which a client must take something when frames wait behind `sendHighWaterBytes`: one that reads, however
   * slowly, gets everything; one that does not read is closed with 1013 after this time. Default 30,000.
   */
  readonly sendTimeoutMs: number;
  /**
   * What to do when a client is too slow. In no case does anybody else wait, and what waits is bounded.
   *
   * - `close`: closes the connection with 1013 when its frames would pass `sendLimitBytes`, or nothing was taken for
   *   `sendTimeoutMs`, so that the client comes back and loses nothing in silence.
   * - `drop`: drops each frame that would pass `sendHighWaterBytes`, and counts it. With the callback `dropped` the client can be
   *   told how many.
   * - `latest`: a frame that waits is replaced by a later one with the same key; see `FrameOptions`. What is sent keeps its order.
   *   Frames of other keys, or without one, wait as with `close`, and are bounded by `sendLimitBytes`.
   *
   * Default `close`.
   */
  readonly slowClient: SlowClientPolicy;
  /**
   * The mailbox length at which the socket is no longer read, until the mailbox is down to half. What the socket has read
   * already still arrives. Default 256.
   */
  readonly mailboxHighWater: number;
  /**
   * The most frames a second that a client may send on average, and at once; one that sends more is closed with 1008.
   * Default `Infinity`: the client is slowed down by `mailboxHighWater` alone.
   */
  readonly messagesPerSecond: number;
}

/** Limits of all connections of an application. */
export interface WebSocketOptions extends Partial<ConnectionLimits> {
  /** The most bytes in a message of a client; a longer one is answered by close code 1009. Default 64 KiB. */
  readonly maxPayloadBytes?: number;
  /** The most connections; another one is refused with 503, or closed with 1013 if it is open already. Default 10,000. */
  readonly maxConnections?: number;
  /**
   * Milliseconds that a client has to answer a close before its socket is torn down, and that all clients together have when
   * the application closes. Default 2,000.
   */
  readonly closeTimeoutMs?: number;
  /**
   * Milliseconds over which clients spread their return when the application closes or the node stops; otherwise all would come
   * back at once to a server that has just started. Each close frame has the reason `going away; retry=<ms>`, with a random
   * number below this one. 0 leaves it out. Default: 1 for each connection, at least 1,000.
   */
  readonly retryWithinMs?: number;
  /**
   * Origins that may open WebSockets beside the server's own, such as `https://example.org`; `any` turns the check off.
   * See `originAllowed`. Default none.
   */
  readonly origins?: readonly string[] | 'any';
}

/** @internal All limits, with defaults filled in. */
export interface Limits {
  readonly connection: ConnectionLimits;
  readonly maxPayloadBytes: number;
  readonly maxConnections: number;
  readonly closeTimeoutMs: number;
  readonly retryWithinMs: number | undefined;
  readonly origins: readonly string[] | 'any';
}

const defaults: ConnectionLimits = {
  heartbeatMs: 30_000,
  idleTimeoutMs: Infinity,
  drainTimeoutMs: 5_000,
  sendHighWaterBytes: 1_048_576,
  sendLimitBytes: 33_554_432,
  sendTimeoutMs: 30_000,
  slowClient: 'close',
  mailboxHighWater: 256,
  messagesPerSecond: Infinity,
};

/** How long a controller may take by default, in milliseconds. */
export const DEFAULT_CONTROLLER_TIMEOUT_MS = 30_000;

/** @internal Fills in defaults and checks. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function limitsOf(options: WebSocketOptions): Limits {
  const { maxPayloadBytes, maxConnections, closeTimeoutMs, retryWithinMs, origins, ...connection } = options;
  const limits: Limits = {
    connection: connectionLimits(connection),
    maxPayloadBytes: maxPayloadBytes ?? 65_536,
    maxConnections: maxConnections ?? 10_000,
    closeTimeoutMs: closeTimeoutMs ?? 2_000,
    retryWithinMs,
    origins: origins ?? [],
  };
  checkNumber('maxPayloadBytes', limits.maxPayloadBytes, 1, 0x7fff_ffff);
  checkNumber('maxConnections', limits.maxConnections, 0, Infinity);
  checkNumber('closeTimeoutMs', limits.closeTimeoutMs, 1, 0x7fff_ffff);
  if (retryWithinMs !== undefined) checkNumber('retryWithinMs', retryWithinMs, 0, 0x7fff_ffff);
  if (limits.origins !== 'any') limits.origins.forEach(checkOrigin);
  return limits;
}

/** @internal Lays limits over others, and checks them. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function connectionLimits(
  own: Partial<ConnectionLimits> = {},
  base: ConnectionLimits = defaults,
): ConnectionLimits {
  checkOptionNames(
    'The limits of a connection',
    own,
    defaults as unknown as Record<keyof ConnectionLimits, true>,
  );
  const limits = { ...base, ...definedOf(own) };
  checkTime('heartbeatMs', limits.heartbeatMs);
  checkTime('idleTimeoutMs', limits.idleTimeoutMs);
  checkNumber('drainTimeoutMs', limits.drainTimeoutMs, 0, MAX_TIMER_MS);
  checkNumber('sendHighWaterBytes', limits.sendHighWaterBytes, 1, Infinity);
  checkNumber('sendLimitBytes', limits.sendLimitBytes, 1, Infinity);
  checkTime('sendTimeoutMs', limits.sendTimeoutMs);
  checkNumber('mailboxHighWater', limits.mailboxHighWater, 1, Infinity);
  checkNumber('messagesPerSecond', limits.messagesPerSecond, 1, Infinity);
  checkOneOf('slowClient', limits.slowClient, POLICIES);
  return limits;
}

/** @internal Checks a time limit: a timer's length, or Infinity for none. */
export function checkTime(name: string, timeMs: number): void {
  if (timeMs !== Infinity) checkNumber(name, timeMs, 1, MAX_TIMER_MS);
}

function checkOrigin(origin: string): void {
  if (!URL.canParse(origin) || new URL(origin).origin !== origin.toLowerCase()) {
    throw badArgument(`'${origin}' is no origin; one looks like https://example.org, without a path.`);
  }
}

function definedOf(own: Partial<ConnectionLimits>): Partial<ConnectionLimits> {
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}

// ---- what measures them ----

/** A timer of the node that calls a function once, unless it is restarted or cancelled before. */
export class Alarm extends TimerEntry {
  readonly #timers: Timers;
  readonly #run: () => void;

  constructor(timers: Timers, run: () => void) {
    super();
    this.#timers = timers;
    this.#run = run;
  }

  /** Starts or restarts it. @param timeMs `Infinity` for never. */
  start(timeMs: number): void {
    this.#timers.drop(this);
    if (timeMs !== Infinity) this.#timers.start(this, Math.ceil(timeMs));
  }

  cancel(): void {
    this.#timers.drop(this);
  }

  override expired(): void {
    this.#run();
  }
}

/**
 * A token bucket: holds one second's worth of messages, loses one for each message, and is refilled at the allowed rate.
 */
export class Rate {
  readonly #perSecond: number;
  #left: number;
  #lastMs: number;

  /** @param perSecond messages a second on average, and at once. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#lastMs = nowMs;
  }

  /** Takes one message. @returns false when the rate is exceeded. */
  take(nowMs: number): boolean {
    const gained = ((nowMs - this.#lastMs) * this.#perSecond) / 1000;
    this.#left = Math.min(this.#perSecond, this.#left + gained);
    this.#lastMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
