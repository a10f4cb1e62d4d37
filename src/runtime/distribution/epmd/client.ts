/**
 * The client of epmd: requests, one per connection, as the protocol demands; and the registrar, which keeps one name registered, with
 * an epmd or as one.
 *
 * An answer may take at most `timeoutMs`, including the lookup of the host and connecting, and is read up to a limit. A connection
 * keeps the operating system process alive only while an answer is awaited. A request is not retried.
 *
 * A registration lasts as long as its connection. When that is gone, the registrar tries again every `retryMs` until it succeeds
 * or is closed, as OTP does. The pause lets a restarted epmd have its port back before one of its clients takes it. The first
 * registration is retried too, within bounds: after a fast restart the name counts as taken until epmd has seen the end of the
 * previous connection. The creation that epmd assigns is ignored: a node keeps its own for its whole life. Source: `erl_epmd.erl`.
 */
import { connect, type Socket } from 'node:net';
import {
  codeOf,
  decodeLookupAnswer,
  decodeNamesAnswer,
  decodeRegisterAnswer,
  encodeRequest,
  type Entry,
  EpmdFailure,
  FOUND_MAX_BYTES,
  Gathered,
  isLoopback,
  NAMES_MAX_BYTES,
  REGISTERED_MAX_BYTES,
  type Request,
} from './protocol.ts';
import { EpmdServer } from './server.ts';

// ---- requests ----

/** How long a registration is idle before the system checks whether the other end is still there. */
const KEEPALIVE_MS = 60_000;

/** Which epmd to ask, and how. */
export interface Inquiry {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Fires when the answer is no longer wanted. */
  readonly signal: AbortSignal;
}

/** How to read an answer. */
interface AnswerFormat<T extends object> {
  readonly maxBytes: number;
  /** @returns undefined while it is incomplete. @throws RangeError if it is anything else */
  decode(bytes: Buffer, isWhole: boolean): T | undefined;
}

const REGISTERED: AnswerFormat<{ accepted: boolean; creation: number }> = {
  maxBytes: REGISTERED_MAX_BYTES,
  decode: decodeRegisterAnswer,
};
const FOUND: AnswerFormat<{ entry: Entry | undefined }> = {
  maxBytes: FOUND_MAX_BYTES,
  decode: decodeLookupAnswer,
};
const NAMES: AnswerFormat<Array<{ name: string; port: number }>> = {
  maxBytes: NAMES_MAX_BYTES,
  decode: (bytes, isWhole) => (isWhole ? decodeNamesAnswer(bytes) : undefined),
};

/** A name that is registered with an epmd, for as long as the connection lasts. */
export class Registration {
  readonly #socket: Socket;
  #released = false;

  /**
   * @internal
   * @param lost called once when the connection is gone for any reason but `release`
   */
  constructor(socket: Socket, lost: () => void) {
    this.#socket = socket;
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.unref();
    socket.once('close', () => {
      if (!this.#released) lost();
    });
    // epmd sends nothing more, and one that does is broken. Reading detects the end of the connection.
    socket.on('data', () => socket.destroy());
  }

  /** Gives the name back. Resolves when the connection is closed. */
  release(): Promise<void> {
    this.#released = true;
    return new Promise((resolve) => {
      if (this.#socket.closed) return resolve();
      this.#socket.once('close', () => resolve());
      this.#socket.destroy();
    });
  }
}

/**
 * Registers a node.
 * @param lost called once when epmd closes the connection or it breaks
 * @throws EpmdFailure
 */
async function register(inquiry: Inquiry, entry: Entry, lost: () => void): Promise<Registration> {
  const { answer, socket } = await ask(inquiry, { kind: 'register', entry }, REGISTERED);
  if (answer.accepted && !socket.destroyed) return new Registration(socket, lost);
  socket.destroy();
  if (answer.accepted) throw ended(inquiry);
  throw new EpmdFailure(
    'taken',
    `${where(inquiry)} has another node with the name '${entry.name.toString()}'.`,
  );
}

/** Looks a node up by the part of its name before the @. @throws EpmdFailure */
export async function lookUp(inquiry: Inquiry, alive: string): Promise<Entry | undefined> {
  const { answer, socket } = await ask(inquiry, { kind: 'lookup', name: Buffer.from(alive) }, FOUND);
  socket.destroy();
  return answer.entry;
}

/** Lists the names that are registered. @throws EpmdFailure */
export async function listNames(inquiry: Inquiry): Promise<Array<{ name: string; port: number }>> {
  const { answer, socket } = await ask(inquiry, { kind: 'names' }, NAMES);
  socket.destroy();
  return answer;
}

/** Sends a request and reads the answer. Leaves the connection open, with no listener but one for errors. */
function ask<T extends object>(
  inquiry: Inquiry,
  request: Request,
  format: AnswerFormat<T>,
): Promise<{ answer: T; socket: Socket }> {
  const { host, port, timeoutMs, signal } = inquiry;
  return new Promise((resolve, reject) => {
    const gathered = new Gathered(format.maxBytes);
    const socket = connect({ host, port, autoSelectFamily: true, noDelay: true });
    const timer = setTimeout(() => {
      fail(new EpmdFailure('timeout', `${where(inquiry)} did not answer within ${timeoutMs} ms.`));
    }, timeoutMs);

    let isConnected = false;
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      socket.off('connect', connected).off('data', received).off('end', finished).off('close', closed);
    };
    const fail = (failure: EpmdFailure) => {
      finish();
      socket.destroy();
      reject(failure);
    };
    const aborted = () => {
      fail(new EpmdFailure('closed', 'This side was closed before epmd answered.'));
    };
    const connected = () => {
      isConnected = true;
      // If nothing listens on a port of the range for outgoing connections, a socket can end up connected to itself.
      if (socket.localPort === port && socket.localAddress === socket.remoteAddress) {
        fail(new EpmdFailure('refused', `${where(inquiry)} does not run.`));
      } else {
        socket.write(encodeRequest(request));
      }
    };
    const read = (isWhole: boolean) => {
      try {
        const answer = format.decode(gathered.bytes, isWhole);
        if (answer === undefined) return;
        finish();
        resolve({ answer, socket });
      } catch (error) {
        fail(new EpmdFailure('bad_answer', `${where(inquiry)} is not an epmd: ${String(error)}`, error));
      }
    };
    const received = (chunk: Buffer) => {
      if (gathered.add(chunk)) read(false);
      else fail(new EpmdFailure('bad_answer', `${where(inquiry)} sends too long an answer.`));
    };
    const finished = () => {
      if (gathered.bytes.length > 0) read(true);
    };
    const closed = () => {
      fail(ended(inquiry));
    };

    socket.on('connect', connected).on('data', received).on('end', finished).on('close', closed);
    // Stays: `close` follows an error, and the owner of the connection by then acts on that.
    socket.on('error', (error) => {
      if (!isConnected) fail(connectFailure(inquiry, error));
    });
    signal.addEventListener('abort', aborted);
    if (signal.aborted) aborted();
  });
}

function ended(inquiry: Inquiry): EpmdFailure {
  return new EpmdFailure('ended', `${where(inquiry)} closed the connection before it had answered.`);
}

function connectFailure(inquiry: Inquiry, error: Error): EpmdFailure {
  const code = codeOf(error);
  if (code === 'ECONNREFUSED') return new EpmdFailure('refused', `${where(inquiry)} does not run.`, error);
  return new EpmdFailure('unreachable', `${where(inquiry)} cannot be connected to: ${code}.`, error);
}

function where({ host, port }: Inquiry): string {
  return `The epmd at ${host}:${port}`;
}

// ---- the registrar ----

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
  #reported = '';

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
      throw closedHere();
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
      throw closedHere();
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
    this.#reported = '';
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
        if (this.#reported !== what) {
          this.#reported = what;
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
      if (signal.aborted) return reject(closedHere());
      const aborted = () => {
        clearTimeout(timer);
        reject(closedHere());
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

function closedHere(): EpmdFailure {
  return new EpmdFailure('closed', 'This side was closed before the node was registered.');
}
