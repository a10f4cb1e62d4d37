// The client's end of the connection: requests and their answers, and what the server prints beside them.
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import {
  CLIENT_LINE_MAX,
  encodeLine,
  type Hello,
  LineReader,
  parseServerMessage,
  PROTOCOL_VERSION,
  ProtocolError,
  SERVER_LINE_MAX,
  type ServerMessage,
} from './protocol.ts';
import { socketAddress } from './socket.ts';

/** How long the application may take to answer the first line. */
export const READY_TIMEOUT_MS = 10_000;

/** Why there is no connection, or no longer: one sentence. */
export class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault';
}

type Result = Extract<ServerMessage, { type: 'result' }>;
type Completions = Extract<ServerMessage, { type: 'completions' }>;
type Answer = Result | Completions;

/** What happens beside the answers. */
export interface ClientEvents {
  onPrint(stream: 'out' | 'err', text: string): void;
  /** Called once, when either side has ended the connection; pending requests fail first. */
  onEnd(reason: ConnectionFault): void;
}

/** A connection with a server that is ready. */
export class ClientConnection {
  /** The pid of the REPL. */
  readonly pid: string;
  /** The name of the node. */
  readonly node: string;
  readonly #socket: Socket;
  readonly #asked = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: unknown) => void }
  >();
  #events: ClientEvents | undefined;
  #nextId = 1;
  #end: ConnectionFault | undefined;

  /** Use {@link attach}. */
  constructor(socket: Socket, ready: Extract<ServerMessage, { type: 'ready' }>) {
    this.#socket = socket;
    this.pid = ready.pid;
    this.node = ready.node;
  }

  /** Sets the listener. Call it at once. */
  use(events: ClientEvents): void {
    this.#events = events;
  }

  /** Runs code. @throws ConnectionFault when the connection ends before the answer */
  async evaluate(code: string): Promise<Result> {
    const id = this.#nextId++;
    const line = encodeLine({ type: 'eval', id, code });
    if (line.length <= CLIENT_LINE_MAX) return (await this.#ask(id, line)) as Result;
    const text = `** the code has ${line.length} characters, more than ${CLIENT_LINE_MAX}`;
    return { type: 'result', id, status: 'error', text };
  }

  /** Completes a line. @throws ConnectionFault */
  async complete(line: string): Promise<Completions> {
    const id = this.#nextId++;
    return (await this.#ask(id, encodeLine({ type: 'complete', id, line }))) as Completions;
  }

  /** Gives up the code that runs. */
  cancel(): void {
    if (this.#end === undefined) this.#socket.write(encodeLine({ type: 'cancel' }));
  }

  /** Says how wide the terminal is now. */
  resize(columns: number): void {
    if (this.#end === undefined) this.#socket.write(encodeLine({ type: 'resize', columns }));
  }

  /** Leaves. */
  close(): void {
    this.#finish(new ConnectionFault('the connection was closed'));
    this.#socket.end();
    this.#socket.unref();
  }

  /** For `attach`: a line of the server. */
  received(message: ServerMessage): void {
    switch (message.type) {
      case 'result':
      case 'completions':
        this.#asked.get(message.id)?.resolve(message);
        this.#asked.delete(message.id);
        break;
      case 'print':
        this.#events?.onPrint(message.stream, message.text);
        break;
      case 'bye':
        this.#finish(new ConnectionFault(message.text));
        break;
      case 'ready':
        break;
    }
  }

  /** For `attach`: the connection has ended. */
  ended(reason: ConnectionFault): void {
    this.#finish(reason);
  }

  #ask(id: number, line: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      this.#asked.set(id, { resolve, reject });
      this.#socket.write(line);
    });
  }

  #finish(reason: ConnectionFault): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    for (const { reject } of this.#asked.values()) reject(reason);
    this.#asked.clear();
    this.#events?.onEnd(reason);
  }
}

/**
 * Connects to the application.
 * @throws ConnectionFault that says what is in the way
 */
export function attach(
  path: string,
  hello: Omit<Hello, 'repl'>,
  { readyMs = READY_TIMEOUT_MS }: { readonly readyMs?: number } = {},
): Promise<ClientConnection> {
  return new Promise((resolve, reject) => {
    let connection: ClientConnection | undefined = undefined;
    const lines = new LineReader(SERVER_LINE_MAX);
    let socket: Socket;
    const end = (reason: ConnectionFault): void => {
      clearTimeout(timer);
      socket.destroy();
      if (connection === undefined) reject(reason);
      else connection.ended(reason);
    };
    const timer = setTimeout(() => {
      end(new ConnectionFault(`the application at ${path} does not answer; it may be busy`));
    }, readyMs);
    const receive = (message: ServerMessage): void => {
      if (connection !== undefined) connection.received(message);
      else if (message.type === 'bye') end(new ConnectionFault(message.text));
      else if (message.type === 'ready') {
        clearTimeout(timer);
        connection = new ClientConnection(socket, message);
        resolve(connection);
      }
    };
    try {
      if (!isTrusted(path)) throw Object.assign(new Error('another owner'), { code: 'EACCES' });
      const address = socketAddress(path);
      socket = connect(address.path, address.release);
      socket.once('close', address.release);
    } catch (error) {
      clearTimeout(timer);
      reject(new ConnectionFault(whyNot(path, error as NodeJS.ErrnoException)));
      return;
    }
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end(
        new ConnectionFault(
          connection === undefined ? whyNot(path, error) : `the connection broke: ${error.message}`,
        ),
      );
    });
    socket.on('close', () => {
      end(new ConnectionFault('the application has gone away'));
    });
    socket.on('data', (chunk) => {
      try {
        for (const line of lines.push(chunk)) receive(parseServerMessage(line));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        end(new ConnectionFault(`the application said something unexpected: ${error.message}`));
      }
    });
    socket.write(encodeLine({ repl: PROTOCOL_VERSION, ...hello }));
  });
}

/** Whether this user or root owns the socket: in a folder that others can write to, another user may listen. Root trusts every owner. */
function isTrusted(path: string): boolean {
  const own = process.getuid?.();
  const { uid } = statSync(path);
  return own === undefined || own === 0 || uid === own || uid === 0;
}

/** Why a socket cannot be connected to. */
function whyNot(path: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `no program with a REPL runs here: there is no socket at ${path} (start the program; startRepl or replServer of troupe/repl makes the socket; DATA_DIR or --socket says where to look)`;
    case 'ECONNREFUSED':
      return `no program with a REPL runs here: nothing listens at ${path} (it was killed; start it again)`;
    case 'EACCES':
    case 'EPERM':
      return `the socket at ${path} belongs to another user, and only that user can attach`;
    case 'ENOTSOCK':
      return `${path} is not a socket`;
    default:
      return `cannot connect to ${path}: ${error.message}`;
  }
}
