// The page's WebSocket to /notifications, which comes back by itself.
//
//   connecting --first pong--> online --lost--> waiting --delay over, or wake()--> connecting
//
// A connection counts as online at the answer to its first ping, not when the socket opens: the server's process
// answers after it has joined the channel, so whatever is asked from then on is no older than the events. It is lost
// when the socket closes, when it does not get online in time, or when a ping is not answered in time (a dead network
// closes no socket). The delay is full jitter: a random part of a ceiling that doubles with each attempt up to a cap,
// and starts over only after a connection has held for a while, so that a server that accepts and drops is not hammered.
// Not here: what the messages mean, and the reload after a gap; the caller does both.

/** What the connection needs of a WebSocket; the browser's own fits. */
export type Socket = {
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(data: string): void;
  close(): void;
};

/** Time, handed in so that tests step it. Times are in milliseconds. */
export type Scheduler = {
  now(): number;
  after(delayMs: number, run: () => void): Timer;
};
export type Timer = { cancel(): void };

/** Where the connection stands. `retryAt` is in the scheduler's milliseconds; `attempt` counts losses in a row. */
export type ConnectionStatus =
  | Readonly<{ phase: 'connecting' }>
  | Readonly<{ phase: 'online' }>
  | Readonly<{ phase: 'waiting'; retryAt: number; attempt: number }>;

/** Every limit of the connection, in milliseconds. */
export type ConnectionLimits = Readonly<typeof connectionLimits>;
export const connectionLimits = {
  /** Ceiling of the first delay. */
  delayBaseMs: 500,
  /** Ceiling of every delay. */
  delayCapMs: 15_000,
  /** From the attempt to the first pong. */
  onlineWithinMs: 10_000,
  /** From a pong to the next ping. */
  pingEveryMs: 20_000,
  /** From a ping to its pong. */
  pongWithinMs: 5_000,
  /** A connection that held so long sets the delay back to its base. */
  stableAfterMs: 10_000,
};

export type ConnectionOptions = {
  open(): Socket;
  scheduler: Scheduler;
  /** At least 0 and less than 1. */
  random(): number;
  onStatus(status: ConnectionStatus): void;
  /** Text frames but the answers to pings. */
  onMessage(text: string): void;
  limits?: ConnectionLimits;
};

export type Connection = {
  /** Something changed outside (network back, page seen again, "Try now"): try at once, or prove that it still lives. */
  wake(): void;
  /** Gives the present socket up because what it sent made no sense; the next one comes after the usual delay. */
  reset(): void;
  /** Ends it for good. */
  close(): void;
};

/** Opens the connection and keeps it open until `close`. */
export function keepConnected(options: ConnectionOptions): Connection {
  const { scheduler, onStatus, limits = connectionLimits } = options;
  let socket: Socket | null = null;
  let attempt = 0;
  let onlineSince: number | null = null;
  let timer: Timer | null = null; // at most one runs: until online, until a ping, until its pong, or until a retry
  let awaitingPong = false;
  let closed = false;

  const schedule = (delayMs: number, run: () => void): void => {
    timer?.cancel();
    timer = scheduler.after(delayMs, run);
  };

  const connect = (): void => {
    const mine = options.open();
    socket = mine;
    awaitingPong = false;
    onlineSince = null;
    // A socket that was given up may still report; only the present one is heard.
    mine.onopen = () => {
      if (socket === mine) mine.send('ping');
    };
    mine.onmessage = ({ data }) => {
      if (socket === mine && typeof data === 'string') receive(data);
    };
    mine.onerror = () => {}; // a close follows, and says all there is to say
    mine.onclose = () => {
      if (socket === mine) lose();
    };
    schedule(limits.onlineWithinMs, lose);
    onStatus({ phase: 'connecting' });
  };

  const receive = (text: string): void => {
    if (text !== 'pong') {
      options.onMessage(text);
      return;
    }
    awaitingPong = false;
    schedule(limits.pingEveryMs, ping);
    if (onlineSince !== null) return;
    onlineSince = scheduler.now();
    onStatus({ phase: 'online' });
  };

  const ping = (): void => {
    awaitingPong = true;
    socket?.send('ping');
    schedule(limits.pongWithinMs, lose);
  };

  const lose = (): void => {
    const held = onlineSince === null ? 0 : scheduler.now() - onlineSince;
    attempt = held >= limits.stableAfterMs ? 1 : attempt + 1;
    abandon();
    const ceilingMs = Math.min(limits.delayCapMs, limits.delayBaseMs * 2 ** Math.min(attempt - 1, 30));
    const delayMs = Math.round(options.random() * ceilingMs);
    schedule(delayMs, connect);
    onStatus({ phase: 'waiting', retryAt: scheduler.now() + delayMs, attempt });
  };

  const abandon = (): void => {
    const old = socket;
    socket = null;
    onlineSince = null;
    timer?.cancel();
    old?.close();
  };

  connect();
  return {
    wake() {
      if (closed) return;
      if (socket === null) connect();
      else if (onlineSince !== null && !awaitingPong) ping();
    },
    reset() {
      if (socket !== null) lose();
    },
    close() {
      closed = true;
      abandon();
    },
  };
}
