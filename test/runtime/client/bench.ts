// A client of a channel over sockets that a test opens and drops, and a clock that it steps.
import { type ChannelClientOptions, type ClientSocket, createChannelClient } from 'troupe/client';

interface Topics {
  added: { n: number };
  removed: { n: number };
}

class Socket implements ClientSocket {
  onopen: (() => void) | null = null;
  onclose: ((event: { reason?: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly url: string;
  readonly sent: string[] = [];
  closed = false;

  constructor(url: string) {
    this.url = url;
  }

  send(data: string): void {
    this.sent.push(data);
  }

  close(): void {
    this.closed = true;
  }

  say(message: object | string): void {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  }

  drop(reason = ''): void {
    this.onerror?.();
    this.onclose?.({ reason });
  }
}

/** A client with all that a test needs of it. */
export function bench(options: Partial<ChannelClientOptions> = {}) {
  const sockets: Socket[] = [];
  const log: unknown[] = [];
  const states: string[] = [];
  let now = 0;
  let random = (): number => 0.5;
  let timers: Array<{ readonly at: number; readonly run: () => void }> = [];
  const client = createChannelClient<Topics>({
    url: 'ws://example.org/notifications?a=1',
    open(url) {
      const socket = new Socket(url);
      sockets.push(socket);
      return socket;
    },
    timers: {
      now: () => now,
      after(delayMs, run) {
        const timer = { at: now + delayMs, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
      random: () => random(),
    },
    ...options,
  });
  client.on('added', ({ n }, { id }) => log.push(['added', n, id]));
  client.onReset(() => log.push('reset'));
  client.onStatus(({ state }) => states.push(state));
  return {
    client,
    log,
    states,
    sockets,
    get socket() {
      return sockets.at(-1) as Socket;
    },
    /** Milliseconds until the next attempt. */
    get delayMs() {
      return (client.status.retryAt ?? Number.NaN) - now;
    },
    set random(value: number) {
      random = () => value;
    },
    get timers() {
      return timers.length;
    },
    pass(ms: number) {
      const end = now + ms;
      for (;;) {
        const [next] = timers.toSorted((a, b) => a.at - b.at);
        if (next === undefined || next.at > end) break;
        timers = timers.filter((other) => other !== next);
        now = next.at;
        next.run();
      }
      now = end;
    },
    async goLive(id = 'e:0') {
      await Promise.resolve();
      this.socket.onopen?.();
      this.socket.say({ event: 'live', id });
    },
  };
}
