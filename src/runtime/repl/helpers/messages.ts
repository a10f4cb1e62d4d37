// Helpers that send messages, call servers and look at received messages; and the inbox behind `flush()` and `receive()`.
//
// The inbox holds a limited number of messages and drops and counts the oldest: a REPL that has joined a busy channel and
// is left open overnight must not fill the memory.
import { call, cast } from '../../index.ts';
import { Fault, type Helpers, type Shell, destinationOf } from '../shell.ts';
import { present, showLine } from '../show.ts';

/** The helpers for messages and calls. */
export function messageHelpers(shell: Shell): Helpers {
  const { node, self, inbox } = shell;
  return {
    send: {
      usage: "send('name', message)",
      about: 'sends a message to a pid or a registered name',
      run: (...args: unknown[]) => {
        if (args.length < 2) throw new Fault('send(to, message) needs both');
        self.send(destinationOf(node, args[0]), args[1]);
        return args[1];
      },
    },
    call: {
      usage: "call('server', 'name', argument, {timeoutMs: 5000})",
      about: 'calls a server and waits for its reply',
      run: async (to: unknown, name: unknown, argument?: unknown, options: { timeoutMs?: number } = {}) => {
        const target = destinationOf(node, to);
        return await call(node, target, callName(name), argument, {
          ...options,
          from: self,
          signal: shell.signal(),
        });
      },
    },
    cast: {
      usage: "cast('server', 'name', argument)",
      about: 'sends a server a request without a reply',
      run: (to: unknown, name: unknown, argument?: unknown) => {
        cast(node, destinationOf(node, to), callName(name), argument, self);
        return 'ok';
      },
    },
    receive: {
      usage: 'receive((message) => true, {after: 1000})',
      about: 'takes the first message that matches, waiting for one; undefined after the timeout',
      run: (match: (message: unknown) => boolean = () => true, { after }: { after?: number } = {}) => {
        if (typeof match !== 'function')
          throw new Fault('receive(match) needs a function that returns true or false');
        return inbox.receive(match, after, shell.signal());
      },
    },
    flush: {
      usage: 'flush()',
      about: `takes all messages received by this REPL; the last ${INBOX_MAX} are kept`,
      run: () => {
        const { dropped } = inbox;
        const messages = inbox.flush();
        return present(messages, ({ colour }) => {
          const lines = messages.map((message) => showLine(message, { colour }));
          if (dropped > 0) lines.unshift(`(${dropped} older messages were not kept)`);
          return lines.length === 0 ? 'no messages' : lines.join('\n');
        });
      },
    },
  };
}

function callName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw new Fault("the name of a call is a string: call('server', 'name', argument)");
}

// ---- the inbox ----

/** How many messages are kept. */
export const INBOX_MAX = 10_000;

/** A waiting receive. */
interface Waiter {
  readonly match: (message: unknown) => boolean;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that wait to be looked at. */
export class Inbox {
  #messages: unknown[] = [];
  readonly #waiters = new Set<Waiter>();
  /** Messages dropped since the last `flush`. */
  dropped = 0;

  /** The number of waiting messages. */
  get length(): number {
    return this.#messages.length;
  }

  /** Adds a message, or passes it to a waiting receive. @returns false when a receive took it. */
  push(message: unknown): boolean {
    for (const waiter of this.#waiters) {
      try {
        if (!waiter.match(message)) continue;
        waiter.resolve(message);
      } catch (error) {
        waiter.reject(error);
        continue;
      }
      return false;
    }
    this.#messages.push(message);
    if (this.#messages.length > INBOX_MAX) {
      this.#messages.shift();
      this.dropped++;
    }
    return true;
  }

  /** Takes all messages. */
  flush(): unknown[] {
    const all = this.#messages;
    this.#messages = [];
    this.dropped = 0;
    return all;
  }

  /**
   * Takes the first message that matches; waits for one if there is none.
   * @param afterMs resolves with undefined after so many milliseconds
   * @param signal rejects with its reason when it aborts
   */
  receive(
    match: (message: unknown) => boolean,
    afterMs: number | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const index = this.#messages.findIndex(match);
    if (index !== -1) return Promise.resolve(this.#messages.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined = undefined;
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', aborted);
      };
      const waiter: Waiter = {
        match,
        resolve: (message) => {
          settle();
          resolve(message);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const aborted = (): void => {
        waiter.reject(signal.reason);
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', aborted);
      if (afterMs !== undefined) timer = setTimeout(waiter.resolve, afterMs, undefined);
    });
  }
}
