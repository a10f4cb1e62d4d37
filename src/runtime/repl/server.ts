// The server of the REPL: a supervised process that listens on a Unix socket in the data folder and starts a process for
// each client that connects.
//
// - Anyone who can open the socket can run code in the application, unless the REPL is read-only; socket.ts says who can.
// - The sessions are linked to the server: they end with it, and it does not end with them.
// - A client that connects has a limited time to say hello.
// - A client that does not read must not fill the memory: when much waits to be sent, prints are left out and counted. Results are
//   never left out: when they fill the buffer, the connection ends.
// - However a connection ends, `onClose` is called once, and nothing is written afterwards.
import { checkOptionNames, type OptionNames } from '../errors.ts';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import type { PeerInfo } from '../distribution/erlang/index.ts';
import { defineServer, type Node, type Process, sys, TroupeError } from '../index.ts';
import { inspectNode } from '../inspect/index.ts';
import { SYNC_LIMIT_MS } from './evaluator.ts';
import { allHelpers } from './helpers/help.ts';
import { Inbox } from './helpers/messages.ts';
import {
  CLIENT_LINE_MAX,
  type ClientMessage,
  encodeLine,
  type Hello,
  LineReader,
  parseClientMessage,
  parseHello,
  ProtocolError,
  type ServerMessage,
} from './protocol.ts';
import { sessionBehaviour, type SessionSettings } from './session.ts';
import { Fault } from './shell.ts';
import { letOthersIn, relayBehaviour } from './remote.ts';
import { DEFAULT_DATA_DIR, type Listener, listenPrivately, NoSocketsError, socketPath } from './socket.ts';

/** How many clients may be attached by default. */
const CLIENTS_MAX = 16;

/** Options of the REPL's server. */
export interface ReplOptions {
  /** The folder of the socket, `repl.sock`. Default `./data`. */
  readonly dataDir?: string;
  /** The path of the socket, in place of one in `dataDir`. */
  readonly socket?: string;
  /**
   * Lets the REPLs of other nodes evaluate here, for `troupe eval --node` and `troupe repl --node`: whoever knows the cookie of the cluster
   * can run code then. Default false.
   */
  readonly remote?: boolean;
  /** Answers questions only: no client can evaluate code, send or kill. Default false. */
  readonly readOnly?: boolean;
  /** Variables of every REPL besides the helpers, by name: the application's channels, for instance. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** The connections of the node with others; undefined for a node that is alone. */
  readonly peers?: (() => readonly PeerInfo[]) | undefined;
  /** The most clients that may be attached. Default 16. */
  readonly clientsMax?: number;
  /** How long a line may run before its first `await`, in milliseconds. Default 5,000. */
  readonly syncLimitMs?: number;
  /**
   * Gets errors of code that a REPL left behind when it ended. By default they become warnings of the process. They
   * never end it.
   */
  readonly onOrphanError?: (error: unknown) => void;
  /** Called when the data folder does not support sockets, so that there is no REPL. By default a warning of the process. */
  readonly onNoSocket?: (error: NoSocketsError) => void;
}

const REPL_OPTIONS: OptionNames<ReplOptions> = {
  dataDir: true,
  socket: true,
  remote: true,
  readOnly: true,
  variables: true,
  peers: true,
  clientsMax: true,
  syncLimitMs: true,
  onOrphanError: true,
  onNoSocket: true,
};

/**
 * The REPL's server: `child(replServer, [options])` in a supervision tree, or `node.start(replServer, [options])`. It has
 * started when it listens, and its state is the path of its socket. With it, however it ends, all its REPLs end. Where the
 * data folder takes no sockets it runs without one, and its state is `undefined`.
 * @throws as a failed start, when another process listens in the data folder
 */
export const replServer = defineServer({
  name: 'repl_server',
  async init(self: Process, options: ReplOptions): Promise<string | undefined> {
    checkOptionNames('The REPL', options, REPL_OPTIONS);
    self.trapExit(true);
    const settings = settingsOf(self, options);
    const { clientsMax = CLIENTS_MAX } = options;
    const path =
      options.socket === undefined
        ? socketPath(options.dataDir ?? DEFAULT_DATA_DIR)
        : resolve(options.socket);
    const clients = new Set<Connection>();
    if (options.remote === true) {
      letOthersIn(self, (link) => {
        accept(self, link, settings, clients, clientsMax);
      });
    }
    let listener: Listener;
    try {
      listener = await listenPrivately(path, (socket) => {
        accept(self, socket, settings, clients, clientsMax);
      });
    } catch (error) {
      if (!(error instanceof NoSocketsError)) throw error;
      (options.onNoSocket ?? warnOfNoSocket)(error);
      return undefined;
    }
    self.label = `repl server at ${path}`;
    // However the process ends, nobody can connect afterwards, and the socket is gone before another one listens.
    if (!self.alive) listener.close();
    self.signal.addEventListener('abort', listener.close);
    return path;
  },
  // Exits of sessions.
  info: () => undefined,
});

/** A REPL that runs, made by {@link startRepl}. */
export interface RunningRepl {
  /** The path of its socket; undefined where the file system takes no sockets. */
  readonly socket: string | undefined;
  /** Ends it, with all that are attached. */
  stop(): Promise<void>;
}

/**
 * Starts a REPL in a running node, outside of any supervision tree: `npx troupe repl --socket <path>` attaches to it. In a program that has a
 * tree, use {@link replServer}.
 * @throws TroupeError TROUPE_START_FAILED when another process listens there
 */
export async function startRepl(node: Node, options: ReplOptions = {}): Promise<RunningRepl> {
  const server = await node.start(replServer, [options]);
  const socket = (await sys.getState(node, server.pid)) as string | undefined;
  return { socket, stop: () => server.stop() };
}

function settingsOf(self: Process, options: ReplOptions): SessionSettings {
  const {
    variables = {},
    syncLimitMs = SYNC_LIMIT_MS,
    onOrphanError = warn,
    peers,
    readOnly = false,
  } = options;
  const { node } = self;
  const shell = {
    self,
    node,
    inbox: new Inbox(),
    signal: () => self.signal,
    announce: () => undefined,
    own: <T>(code: T) => code,
    inspector: inspectNode(node),
    json: false,
    interactive: false,
    peers,
  };
  const taken = new Set([...Object.keys(allHelpers(shell, [])), 'node', 'console', '_', '_error']);
  for (const name of Object.keys(variables)) {
    if (taken.has(name)) throw new Fault(`the REPL has a helper or variable of its own called '${name}'`);
  }
  return { node, variables, syncLimitMs, onOrphan: onOrphanError, peers, readOnly };
}

function accept(
  self: Process,
  socket: Line,
  settings: SessionSettings,
  clients: Set<Connection>,
  clientsMax: number,
): void {
  const connection = new Connection(socket, (hello) => {
    try {
      startSession(self, connection, hello, settings);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      connection.bye(error.message); // the server has ended meanwhile, or the node has as many processes as it may
    }
  });
  clients.add(connection);
  socket.once('close', () => clients.delete(connection));
  if (!self.alive) connection.bye('the application has ended the REPL');
  else if (clients.size > clientsMax)
    connection.bye(`${clientsMax} clients are attached already, which is the limit`);
}

function startSession(self: Process, connection: Connection, hello: Hello, settings: SessionSettings): void {
  const begin = (): void => {
    const options = { label: 'repl', trapExit: true };
    self.link(self.spawnWith(options, sessionBehaviour, connection, hello, settings, self.pid));
  };
  const { target = '', readOnly = false } = hello;
  if (target === '' || target === self.node.name || readOnly || settings.readOnly) {
    begin();
    return;
  }
  // Where nobody may evaluate, this REPL asks.
  const refused = (): void => {
    if (self.alive) begin();
  };
  const relay = { label: `repl on ${target}` };
  self.link(self.spawnWith(relay, relayBehaviour, connection, hello, target, refused));
}

function warn(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`code of a REPL that has ended has failed: ${text}`, 'ReplWarning');
}

function warnOfNoSocket({ message }: NoSocketsError): void {
  process.emitWarning(message, 'ReplWarning');
}

// ---- a connection ----

/** How long a client may take to say hello. */
export const HELLO_TIMEOUT_MS = 5_000;
/** How much may wait to be sent before prints are left out, in bytes. */
export const PRINT_BUFFER_MAX = 4_194_304;
/** How much may wait to be sent before the connection ends, in bytes. */
export const BUFFER_MAX = 67_108_864;
/** How long a client may take to close its end. */
const CLOSE_TIMEOUT_MS = 1_000;

/** A socket, or what stands in for one. */
type Line = Duplex & { unref(): unknown };

/** What a session does with its connection. */
export interface ConnectionEvents {
  onMessage(message: ClientMessage): void;
  onClose(): void;
}

/** A connection, from the moment it is accepted. */
export class Connection {
  readonly #socket: Line;
  readonly #lines = new LineReader(CLIENT_LINE_MAX);
  #onHello: ((hello: Hello) => void) | undefined;
  #events: ConnectionEvents | undefined;
  /** What came before `use`. */
  #early: ClientMessage[] = [];
  #ended = false;
  #leftOut = 0;

  /** @param onHello is called with the client's hello; it must call `use` or `bye`. */
  constructor(socket: Line, onHello: (hello: Hello) => void) {
    this.#socket = socket;
    this.#onHello = onHello;
    const timer = setTimeout(() => {
      this.bye(`the client said nothing for ${HELLO_TIMEOUT_MS} ms`);
    }, HELLO_TIMEOUT_MS);
    socket.on('data', (chunk: Buffer) => {
      this.#received(chunk, timer);
    });
    socket.on('error', () => {
      socket.destroy(); // the client has gone; `close` follows
    });
    socket.on('close', () => {
      clearTimeout(timer);
      this.#ended = true;
      this.#events?.onClose();
    });
    socket.on('drain', () => {
      this.#drained();
    });
    socket.resume();
  }

  /** Sets the listener for what comes from now on. */
  use(events: ConnectionEvents): void {
    this.#events = events;
    for (const message of this.#early.splice(0)) events.onMessage(message);
    if (this.#socket.destroyed) events.onClose();
  }

  /** True when so much waits to be sent that prints are left out. */
  get congested(): boolean {
    return this.#socket.writableLength > PRINT_BUFFER_MAX;
  }

  /** Counts a print that was left out. */
  leaveOut(): void {
    this.#leftOut++;
  }

  /** Sends a message. */
  send(message: ServerMessage): void {
    if (this.#ended) return;
    if (message.type === 'print' && this.congested) {
      this.leaveOut();
      return;
    }
    this.#socket.write(encodeLine(message));
    if (this.#socket.writableLength > BUFFER_MAX) this.#socket.destroy();
  }

  /** Says why the connection ends, and ends it. */
  bye(text: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end(encodeLine({ type: 'bye', text }));
    // A client that is stopped does not close its end, and the application must be able to end.
    setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    this.#socket.unref();
  }

  #received(chunk: Buffer, timer: NodeJS.Timeout): void {
    if (this.#ended) return;
    try {
      for (const line of this.#lines.push(chunk)) {
        if (this.#onHello !== undefined) {
          const onHello = this.#onHello;
          const hello = parseHello(line);
          this.#onHello = undefined;
          clearTimeout(timer);
          onHello(hello);
        } else {
          const message = parseClientMessage(line);
          if (this.#events === undefined) this.#early.push(message);
          else this.#events.onMessage(message);
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.bye(error.message);
    }
  }

  #drained(): void {
    if (this.#leftOut === 0) return;
    const text = `(left out: ${this.#leftOut} prints, which came faster than they could be shown)\n`;
    this.#leftOut = 0;
    this.send({ type: 'print', stream: 'err', text });
  }
}
