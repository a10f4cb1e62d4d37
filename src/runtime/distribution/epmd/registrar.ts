/**
 * Keeps one name registered, with an epmd or as one.
 *
 * The registration lasts as long as its connection. When that is gone, the registrar tries again every `retryMs` until it succeeds
 * or is closed, as OTP does. The pause lets a restarted epmd have its port back before one of its clients takes it. The first
 * registration is retried too, within bounds: after a fast restart the name counts as taken until epmd has seen the end of the
 * previous connection.
 *
 * The creation that epmd assigns is ignored: a node keeps its own for its whole life.
 *
 * Source: `erl_epmd.erl`.
 */
import { type Registration, register } from './client.ts';
import { type Entry, EpmdFailure, isLoopback } from './protocol.ts';
import { EpmdServer } from './server.ts';

/** How often a first registration is retried, each time after a quarter of `retryMs`. */
const FIRST_RETRIES = 8;
/** How often to choose again between asking and serving, while others come and go, before the next pause. */
const CHOICES = 3;

/** Where a name is registered, and the waits. */
export interface RegistrarOptions {
  readonly mode: 'auto' | 'client' | 'embedded';
  /** The epmd to ask. */
  readonly host: string;
  readonly port: number;
  /** Where this process listens when it is the epmd. */
  readonly serveOn: string;
  readonly retryMs: number;
  readonly timeoutMs: number;
}

/** What a registrar reports; see `EpmdEvents` in epmd.ts. */
export interface RegistrarEvents {
  state(state: 'registered' | 'lost' | 'failed' | 'serving', error?: unknown): void;
}

/** One name, from `start` to `close`. */
export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #entry: Entry;
  readonly #events: RegistrarEvents;
  readonly #closing = new AbortController();
  #registration: Registration | undefined;
  #server: EpmdServer | undefined;
  /** Resolves with the end of the current attempt; never rejects. */
  #work: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** The error of the last attempt, so that equal ones are reported once. */
  #told = '';

  constructor(options: RegistrarOptions, entry: Entry, events: RegistrarEvents) {
    this.#options = options;
    this.#entry = entry;
    this.#events = events;
  }

  /** Registers for the first time, and from then on keeps the name registered. @throws EpmdFailure */
  start(): Promise<void> {
    const first = this.#first();
    this.#work = first.catch(() => undefined); // the caller gets it
    return first;
  }

  async #first(): Promise<void> {
    for (let retries = FIRST_RETRIES; ; retries--) {
      try {
        return await this.#attempt();
      } catch (error) {
        if (retries === 0 || !this.#mayPass(error)) throw error;
      }
      await this.#pause(this.#options.retryMs / 4);
    }
  }

  /** Gives the name back; resolves when the connection and the server are closed. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await this.#work;
    await Promise.all([this.#registration?.release(), this.#server?.close()]);
  }

  /** Registers with an epmd, or as one. @throws EpmdFailure */
  async #attempt(): Promise<void> {
    const { mode, host } = this.#options;
    if (mode === 'embedded') return this.#serve();
    for (let choices = CHOICES; ; choices--) {
      try {
        return await this.#ask();
      } catch (error) {
        if (mode === 'client' || !isLoopback(host) || !isKind(error, 'refused')) throw error;
      }
      try {
        return await this.#serve();
      } catch (error) {
        // Another process was faster, and can be asked.
        if (choices === 1 || !isKind(error, 'port_taken')) throw error;
      }
    }
  }

  async #ask(): Promise<void> {
    const { host, port, timeoutMs } = this.#options;
    const { signal } = this.#closing;
    const registration = await register({ host, port, timeoutMs, signal }, this.#entry, () => {
      this.#registration = undefined;
      this.#lost(new EpmdFailure('ended', `The epmd at ${host}:${port} is gone.`));
    });
    if (signal.aborted) {
      await registration.release();
      throw closed();
    }
    this.#registration = registration;
    this.#registered();
  }

  async #serve(): Promise<void> {
    const { serveOn, port } = this.#options;
    const server = new EpmdServer({ host: serveOn, port });
    // Before anyone can connect, so that the name is free.
    server.add(this.#entry);
    await server.listen();
    if (this.#closing.signal.aborted) {
      await server.close();
      throw closed();
    }
    this.#server = server;
    this.#events.state('serving');
    this.#registered();
  }

  /** Whether the failure may pass in a moment: the name, the port or the epmd is changing owners. */
  #mayPass(error: unknown): boolean {
    return (
      isKind(error, 'taken') ||
      isKind(error, 'ended') ||
      (isKind(error, 'port_taken') && this.#options.mode === 'auto')
    );
  }

  #registered(): void {
    this.#told = '';
    this.#events.state('registered');
  }

  #lost(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    this.#events.state('lost', error);
    this.#again();
  }

  /** Tries again after the pause. */
  #again(): void {
    this.#timer = setTimeout(() => {
      this.#work = this.#attempt().catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        const what = String(error);
        if (this.#told !== what) {
          this.#told = what;
          this.#events.state('failed', error);
        }
        this.#again();
      });
    }, this.#options.retryMs).unref();
  }

  /** Waits, and keeps the operating system process alive in the meantime. @throws EpmdFailure when closed */
  #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(closed());
      const aborted = () => {
        clearTimeout(timer);
        reject(closed());
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', aborted);
        resolve();
      }, ms);
      signal.addEventListener('abort', aborted, { once: true });
    });
  }
}

function isKind(error: unknown, kind: EpmdFailure['kind']): boolean {
  return error instanceof EpmdFailure && error.kind === kind;
}

function closed(): EpmdFailure {
  return new EpmdFailure('closed', 'This side was closed before the node was registered.');
}
