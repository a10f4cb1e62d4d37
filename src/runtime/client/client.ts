/**
 * A client of a durable channel: it keeps a WebSocket open, resumes after the last event that it has seen, and says what it knows.
 *
 *   connecting ──open──▶ resuming ──{"event":"live"}──▶ live ──lost──▶ connecting
 *                            └──{"event":"reset"}──▶ reset ──{"event":"live"}──▶ live          any ──close()──▶ closed
 *
 * - What the server sends: `{"event": topic, "data": payload, "id": position}`, in order, and `reset` and `live` in the same form. A client
 *   that connects with `?since=` and a position gets what came after it, then `live`. After a `reset` it has missed events that nobody can
 *   give it: whoever shows something reads it again. A client without a position gets `live` first.
 * - Attempts are spread: the delay is a random part of a ceiling that doubles up to a cap (full jitter), and starts over only after a connection
 *   that held for a while. A server that is about to stop names a delay in the reason of its close frame, `retry=<ms>`, which is kept.
 * - A connection is lost when it closes, does not get live in time, sends what is no such message, or leaves a ping unanswered (a dead
 *   network closes no socket).
 * - A handler that throws does not stop the others: the error is reported as one that nobody caught.
 */

/** What is needed of a WebSocket; that of browsers, Deno, Bun and Node.js 22 fits. */
export interface ClientSocket {
  onopen: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  send(data: string): void;
  close(): void;
}

/** Where a client stands. */
export type ClientState = 'connecting' | 'resuming' | 'live' | 'reset' | 'closed';

/** Where a client stands, with what a page shows of it. */
export interface ClientStatus {
  readonly state: ClientState;
  /** Losses since a connection last held. */
  readonly attempt: number;
  /** When the next attempt begins, in the milliseconds of the clock; undefined while none is waited for. */
  readonly retryAt: number | undefined;
  /** What kept the last attempt from beginning: what `token` or `open` threw; undefined for a connection that was lost. */
  readonly error: unknown;
}

/** What comes with an event besides its payload. */
export interface EventContext {
  readonly topic: string;
  /** The position of the event; undefined for one that was not stored. */
  readonly id: string | undefined;
}

/** Time and chance, for tests. */
export interface ClientTimers {
  now(): number;
  /** Runs a function later. @returns what cancels it */
  after(delayMs: number, run: () => void): () => void;
  /** At least 0 and less than 1. */
  random(): number;
}

/** The limits of a client, in milliseconds. */
export interface ClientLimits {
  /** Ceiling of the first delay. Default 500. */
  readonly delayBaseMs: number;
  /** Ceiling of every delay, those that the server names included. Default 15,000. */
  readonly delayCapMs: number;
  /** From an attempt to `live`, or from one message to the next until then. Default 10,000. */
  readonly liveWithinMs: number;
  /** From a pong to the next ping. Default 20,000. */
  readonly pingEveryMs: number;
  /** From a ping to its pong. Default 5,000. */
  readonly pongWithinMs: number;
  /** A connection that held for so long sets the delay back. Default 10,000. */
  readonly stableAfterMs: number;
}

/** Options of a client. */
export interface ChannelClientOptions {
  /** The address of the WebSocket, `ws:` or `wss:`, without `since`. */
  readonly url: string | URL;
  /** The position to resume from at the first attempt; without one the client begins with what comes. */
  readonly since?: string | undefined;
  /**
   * Asked before each attempt for a token, which goes with it as the query parameter `token`. Without one there is no parameter; when it
   * throws the attempt has failed.
   */
  readonly token?: () => string | undefined | Promise<string | undefined>;
  /** Opens a socket; by default the global `WebSocket`. Node.js 20 has none: give it that of the package `ws`. */
  readonly open?: (url: string) => ClientSocket;
  readonly timers?: ClientTimers;
  readonly limits?: Partial<ClientLimits>;
}

type Payload<Topics, Topic> = Topic extends keyof Topics ? Topics[Topic] : unknown;

/** Follows a channel; made by {@link createChannelClient}. */
export interface ChannelClient<Topics> {
  /** Calls a handler for each event of a topic, in order. @returns what ends it */
  on<Topic extends keyof Topics & string>(
    topic: Topic,
    handler: (payload: Payload<Topics, Topic>, context: EventContext) => void,
  ): () => void;
  /** Calls a handler for each event, after those of its topic. @returns what ends it */
  onAny(handler: (payload: unknown, context: EventContext) => void): () => void;
  /**
   * Calls a handler when events have been missed for good: what is shown has to be read again. What is read after the call is not older
   * than the events that follow. @returns what ends it
   */
  onReset(handler: () => void): () => void;
  /** Calls a handler at each change, and once soon. @returns what ends it */
  onStatus(handler: (status: ClientStatus) => void): () => void;
  readonly status: ClientStatus;
  /** After the last event that was seen: `since` for another client. Undefined before the first `live`. */
  readonly position: string | undefined;
  /** The network is back, the page is seen again, somebody cannot wait: tries at once, or proves that the connection lives. */
  wake(): void;
  /** Ends it for good. */
  close(): void;
}

const LIMITS: ClientLimits = {
  delayBaseMs: 500,
  delayCapMs: 15_000,
  liveWithinMs: 10_000,
  pingEveryMs: 20_000,
  pongWithinMs: 5_000,
  stableAfterMs: 10_000,
};
const TIMERS: ClientTimers = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/**
 * Connects to a channel and follows it until `close`. The type names the topics and their payloads: that of the channel's declaration.
 * @throws TypeError for an address that does not begin with `ws:` or `wss:`, and without `open` where there is no global `WebSocket`
 * @example
 * const client = createChannelClient<Topics>({ url: 'wss://example.org/notifications' });
 * client.on('note_created', (note) => show(note));
 * client.onReset(() => readEverything());
 */
export function createChannelClient<Topics extends object>(
  options: ChannelClientOptions,
): ChannelClient<Topics> {
  const { open = globalSocket(), token, timers = TIMERS } = options;
  const limits = { ...LIMITS, ...options.limits };
  const address = new URL(options.url);
  if (!/^wss?:$/.test(address.protocol))
    throw new TypeError(`The address of a channel begins with ws: or wss:, not ${address.protocol}`);
  const topics = new Map<string, Set<(payload: never, context: EventContext) => void>>();
  const anys = new Set<(payload: unknown, context: EventContext) => void>();
  const resets = new Set<() => void>();
  const statuses = new Set<(status: ClientStatus) => void>();
  let position = options.since;
  let status: ClientStatus = { state: 'connecting', attempt: 0, retryAt: undefined, error: undefined };
  let socket: ClientSocket | undefined;
  /** Counts attempts, so that what belongs to one that was given up is not heard. */
  let turn = 0;
  let liveSince: number | undefined;
  let awaitsPong = false;
  /** At most one runs: until live, until a ping, until its pong, or until an attempt. */
  let cancel = () => {};

  const schedule = (delayMs: number, run: () => void): void => {
    cancel();
    cancel = timers.after(delayMs, run);
  };

  const move = (state: ClientState, change: Partial<ClientStatus> = {}): void => {
    status = { ...status, retryAt: undefined, ...change, state };
    for (const handler of statuses) safely(() => handler(status));
  };

  const connect = async (): Promise<void> => {
    const mine = ++turn;
    schedule(limits.liveWithinMs, () => lose());
    move('connecting');
    try {
      const given = token === undefined ? undefined : await token();
      if (mine !== turn) return;
      const url = new URL(address);
      url.searchParams.set('since', position ?? '');
      if (given !== undefined) url.searchParams.set('token', given);
      const opened = open(url.href);
      socket = opened;
      const current = () => socket === opened;
      opened.onopen = () => {
        if (current()) move('resuming');
      };
      opened.onmessage = ({ data }: { data: unknown }) => {
        if (current() && typeof data === 'string') receive(data);
      };
      opened.onerror = () => {}; // a close follows
      opened.onclose = ({ reason }: { reason?: unknown }) => {
        if (current()) lose(advisedBy(reason));
      };
    } catch (error) {
      if (mine === turn) lose(undefined, error); // the next attempt may have a token
    }
  };

  const receive = (text: string): void => {
    if (text === 'pong') {
      awaitsPong = false;
      if (liveSince !== undefined) schedule(limits.pingEveryMs, ping);
      return;
    }
    const message = parse(text);
    if (message === undefined) return lose();
    const { event, data, id } = message;
    if (liveSince === undefined) schedule(limits.liveWithinMs, () => lose());
    if (id !== undefined) position = id;
    if (event === 'reset') {
      move('reset');
      for (const handler of resets) safely(handler);
    } else if (event === 'live') {
      liveSince ??= timers.now();
      schedule(limits.pingEveryMs, ping);
      move('live');
    } else {
      const context = { topic: event, id };
      for (const handler of topics.get(event) ?? []) safely(() => handler(data as never, context));
      for (const handler of anys) safely(() => handler(data, context));
    }
  };

  const ping = (): void => {
    awaitsPong = true;
    socket?.send('ping');
    schedule(limits.pongWithinMs, () => lose());
  };

  const abandon = (): number => {
    const held = liveSince === undefined ? 0 : timers.now() - liveSince;
    const old = socket;
    turn++;
    socket = undefined;
    liveSince = undefined;
    awaitsPong = false;
    cancel();
    old?.close();
    return held;
  };

  const lose = (advisedMs?: number, error?: unknown): void => {
    const attempt = abandon() >= limits.stableAfterMs ? 1 : status.attempt + 1;
    const ceilingMs = Math.min(limits.delayCapMs, limits.delayBaseMs * 2 ** Math.min(attempt - 1, 30));
    const delayMs = Math.min(limits.delayCapMs, advisedMs ?? Math.round(timers.random() * ceilingMs));
    schedule(delayMs, () => void connect());
    move('connecting', { attempt, retryAt: timers.now() + delayMs, error });
  };

  const listen = <Handler>(handlers: Set<Handler>, handler: Handler): (() => void) => {
    handlers.add(handler);
    return () => handlers.delete(handler);
  };

  void connect();
  return {
    on(topic, handler) {
      const handlers = topics.get(topic) ?? new Set();
      topics.set(topic, handlers);
      return listen(handlers, handler as (payload: never, context: EventContext) => void);
    },
    onAny: (handler) => listen(anys, handler),
    onReset: (handler) => listen(resets, handler),
    onStatus(handler) {
      queueMicrotask(() => {
        if (statuses.has(handler)) safely(() => handler(status));
      });
      return listen(statuses, handler);
    },
    get status() {
      return status;
    },
    get position() {
      return position;
    },
    wake() {
      if (status.state === 'closed') return;
      if (status.retryAt !== undefined) void connect();
      else if (liveSince !== undefined && !awaitsPong) ping();
    },
    close() {
      abandon();
      move('closed');
      statuses.clear();
    },
  };
}

function globalSocket(): (url: string) => ClientSocket {
  const { WebSocket } = globalThis as { WebSocket?: new (url: string) => ClientSocket };
  if (WebSocket === undefined)
    throw new TypeError(
      'There is no global WebSocket: pass `open: (url) => new WebSocket(url)` with the one of the package ws.',
    );
  return (url) => new WebSocket(url);
}

/** The delay that a server names in the reason of its close frame, such as `going away; retry=800`. */
function advisedBy(reason: unknown): number | undefined {
  const [, ms] = /(?:^|; )retry=(\d{1,9})$/.exec(String(reason)) ?? [];
  return ms === undefined ? undefined : Number(ms);
}

function parse(text: string): { event: string; data: unknown; id: string | undefined } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('event' in value)) return undefined;
    const { event } = value;
    const id = 'id' in value ? value.id : undefined;
    if (typeof event !== 'string' || (id !== undefined && typeof id !== 'string')) return undefined;
    return { event, data: 'data' in value ? value.data : undefined, id };
  } catch {
    return undefined;
  }
}

/** Runs a handler; what it throws is reported as what nobody has caught, and stops nothing here. */
function safely(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
