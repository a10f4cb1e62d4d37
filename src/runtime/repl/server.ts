// The server of the REPL: a supervised process that listens on a Unix socket in the data folder and starts a process for
// each client that connects.
//
// Anyone who can open the socket can run code in the application, unless it is read-only: socket.ts says who can. The sessions are linked to the
// server; they end with it, and it does not end with them.
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import type { PeerInfo } from '../distribution/erlang/index.ts';
import { type Node, type Process, TroupeError, defineServer, sys } from '../index.ts';
import { inspectNode } from '../inspect/index.ts';
import { Connection } from './connection.ts';
import { SYNC_LIMIT_MS } from './evaluator.ts';
import { Fault } from './shell.ts';
import { allHelpers } from './helpers/help.ts';
import { Inbox } from './helpers/messages.ts';
import { DEFAULT_DATA_DIR, type Listener, NoSocketsError, listenPrivately, socketPath } from './socket.ts';
import type { Hello } from './protocol.ts';
import { type SessionSettings, sessionBehaviour } from './session.ts';

/** How many clients may be attached by default. */
const CLIENTS_MAX = 16;

/** Options of the REPL's server. */
export interface ReplOptions {
  /** The folder of the socket, `repl.sock`. Default `./data`. */
  readonly dataDir?: string;
  /** The path of the socket, in place of one in `dataDir`. */
  readonly socket?: string;
  /** Only looks: nothing can be evaluated, sent or killed, whatever a client asks for. Default false. */
  readonly readOnly?: boolean;
  /** What is there in every REPL besides the helpers, by name: the application's channels, for instance. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** The connections of the node with others; undefined for a node that is alone. */
  readonly peers?: (() => readonly PeerInfo[]) | undefined;
  /** The most clients that may be attached. Default 16. */
  readonly clientsMax?: number;
  /** How long a line may run before its first `await`, in milliseconds. Default 5,000. */
  readonly syncLimitMs?: number;
  /**
   * Gets errors that code of a REPL which has ended leaves behind. By default they become warnings of the process. They
   * never end it.
   */
  readonly onOrphanError?: (error: unknown) => void;
  /** Told when the data folder takes no sockets, so that there is no REPL. By default it becomes a warning of the process. */
  readonly onNoSocket?: (error: NoSocketsError) => void;
}

/**
 * The REPL's server: `child(replServer, [options])` in a supervision tree, or `node.start(replServer, [options])`. It has
 * started when it listens, and its state is the path of its socket. With it, however it ends, all its REPLs end. Where the
 * data folder takes no sockets it runs without one, and its state is `undefined`.
 * @throws as a failed start, when another process listens in the data folder
 */
export const replServer = defineServer({
  name: 'repl_server',
  async init(self: Process, options: ReplOptions): Promise<string | undefined> {
    self.trapExit(true);
    const settings = settingsOf(self, options);
    const { clientsMax = CLIENTS_MAX } = options;
    const path =
      options.socket === undefined
        ? socketPath(options.dataDir ?? DEFAULT_DATA_DIR)
        : resolve(options.socket);
    const clients = new Set<Connection>();
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
    if (taken.has(name)) throw new Fault(`the REPL has something of its own that is called '${name}'`);
  }
  return { node, variables, syncLimitMs, onOrphan: onOrphanError, peers, readOnly };
}

function accept(
  self: Process,
  socket: Socket,
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
  const options = { label: 'repl', trapExit: true };
  self.link(self.spawnWith(options, sessionBehaviour, connection, hello, settings, self.pid));
}

function warn(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`code of a REPL that has ended has failed: ${text}`, 'ReplWarning');
}

function warnOfNoSocket({ message }: NoSocketsError): void {
  process.emitWarning(message, 'ReplWarning');
}
