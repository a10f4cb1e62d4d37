/**
 * Requests to an epmd: one per connection, as the protocol demands.
 *
 * An answer may take at most `timeoutMs`, including the lookup of the host and connecting, and is read up to a limit. A connection
 * keeps the operating system process alive only while an answer is awaited. Nothing is retried here.
 */
import { type Socket, connect } from 'node:net';
import {
  type Entry,
  EpmdFailure,
  FOUND_MAX_BYTES,
  Gathered,
  NAMES_MAX_BYTES,
  REGISTERED_MAX_BYTES,
  type Request,
  codeOf,
  decodeLookupAnswer,
  decodeNamesAnswer,
  decodeRegisterAnswer,
  encodeRequest,
} from './protocol.ts';

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
export async function register(inquiry: Inquiry, entry: Entry, lost: () => void): Promise<Registration> {
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
