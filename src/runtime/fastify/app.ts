/**
 * What an application has once the plugin is registered: its node, its WebSocket connections and the controllers that run.
 *
 * Invariants: at most `maxConnections` connections; when the application closes, none outlives `closeTimeoutMs`. It does not
 * know what happens within a connection (`connection.ts`) or a request (`controller.ts`).
 */
import type { WebSocket } from '@fastify/websocket';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type ErrorCode, TroupeError, badArgument, kindOf } from '../errors.ts';
import type { Node } from '../process/node.ts';
import { type CloseStatus, Connection, type ConnectionOwner, hasConnection } from './connection.ts';
import type { Executions } from './controller.ts';
import { WebSocketDefinition } from './handler.ts';
import { type ConnectionLimits, connectionLimits, type Limits } from './limits.ts';
import { limitSocket, readInTurns, releaseRequest } from './wire.ts';

/** Frames that WebSocket clients have sent, that were sent to them, and that were dropped because they were too slow. */
export interface FrameCounts {
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
}

/** The actors of an application: `app.troupe`. */
export class TroupeApp {
  /** The node that all its processes run on. */
  readonly node: Node;
  /** How long a controller may take by default, in milliseconds. */
  readonly controllerTimeoutMs: number;
  /** @internal */ readonly limits: Limits;
  /** @internal */ readonly sockets: Connections;
  /** @internal The requests that wait for their controller. */
  readonly executions: Executions;

  /** @internal */
  constructor(
    node: Node,
    limits: Limits,
    controllerTimeoutMs: number,
    executions: Executions,
    shared: boolean,
  ) {
    this.node = node;
    this.limits = limits;
    this.controllerTimeoutMs = controllerTimeoutMs;
    this.executions = executions;
    this.sockets = new Connections(node, limits, shared);
  }

  /** Number of WebSocket connections. */
  get connections(): number {
    return this.sockets.size;
  }

  /** Frames of all WebSocket connections since the application started, those included that are over; adds up the open ones. */
  get frames(): FrameCounts {
    return this.sockets.frames();
  }

  /** Number of requests that wait for their controller. */
  get requests(): number {
    return this.executions.size;
  }
}

/** @internal The actors of an application. @throws TroupeError TROUPE_NO_PLUGIN. */
export function troupeOf(app: FastifyInstance): TroupeApp {
  const { troupe } = app as { troupe?: TroupeApp };
  if (troupe === undefined) throw noPlugin('The application has no node.');
  return troupe;
}

function noPlugin(what: string): TroupeError {
  return new TroupeError('TROUPE_NO_PLUGIN', what);
}

// ---- its WebSocket connections ----

/** What is used of a WebSocket server of `ws`. */
export interface SocketServer {
  readonly clients: ReadonlySet<WebSocket>;
  close(): void;
  once(event: 'close', listener: () => void): unknown;
}

/** The shortest default of `retryWithinMs`. */
const RETRY_WITHIN_MIN_MS = 1_000;

/** @internal The connections of an application. */
export class Connections implements ConnectionOwner {
  readonly #node: Node;
  readonly #limits: Limits;
  readonly #shared: boolean;
  readonly #live = new Set<Connection>();
  readonly #limitsOf = new WeakMap<WebSocketDefinition, ConnectionLimits>();
  #emptied: () => void = () => undefined;
  /** The frames of the connections that are over. */
  #past: FrameCounts = { received: 0, sent: 0, dropped: 0 };

  /** @param shared true when the application itself registered `@fastify/websocket`. */
  constructor(node: Node, limits: Limits, shared: boolean) {
    this.#node = node;
    this.#limits = limits;
    this.#shared = shared;
  }

  /** Number of connections, including those that have not ended completely. */
  get size(): number {
    return this.#live.size;
  }

  /** The frames of all connections, including those that are over. */
  frames(): FrameCounts {
    let counts = this.#past;
    for (const connection of this.#live) counts = sum(counts, connection);
    return counts;
  }

  /** True when there is no room for another connection. */
  get full(): boolean {
    return this.#live.size >= this.#limits.maxConnections;
  }

  /** Gives a socket its process. A socket for which there is no room is closed. */
  open(
    definition: WebSocketDefinition,
    args: readonly never[],
    socket: WebSocket,
    request: FastifyRequest,
  ): void {
    // Upgrades are refused when there is no room, but others may have been under way at the same time.
    if (this.full) {
      socket.close(1013, 'too many connections');
      return;
    }
    if (this.#shared) this.#takeOver(socket, request.server.websocketServer);
    const listener = socket.listeners('error').at(-1);
    try {
      const limits = this.#connectionLimits(definition);
      const start = { request, args };
      this.#live.add(new Connection(this.#node, definition, start, socket, limits, this));
      readInTurns(socket);
      releaseRequest(socket);
      // What `@fastify/websocket` has added holds the request and its reply. It has nothing to do for a socket with a process.
      if (!this.#shared && listener !== undefined) socket.off('error', listener as () => void);
    } catch (error) {
      const code = error instanceof TroupeError ? REFUSALS[error.code] : undefined;
      if (code === undefined) throw error;
      socket.close(code, 'unavailable');
    }
  }

  /** The close frame that tells a client when to come back, so that not all come at once. */
  goingAway(): CloseStatus {
    const withinMs = this.#limits.retryWithinMs ?? Math.max(RETRY_WITHIN_MIN_MS, this.size);
    const retry = withinMs === 0 ? '' : `; retry=${Math.floor(Math.random() * withinMs)}`;
    return { code: 1001, reason: `going away${retry}` };
  }

  /** A connection and its socket are gone. */
  over(connection: Connection): void {
    this.#live.delete(connection);
    this.#past = sum(this.#past, connection);
    if (this.#live.size === 0) this.#emptied();
  }

  /**
   * Ends all connections: processes exit with `shutdown`, clients get 1001, and connections that are not closed within
   * `closeTimeoutMs` are torn down. It does not wait by the node's clock, since the node may be stopped before.
   * @param server the server of `ws` to close with them, unless that is the application's.
   */
  async close(server: SocketServer | undefined): Promise<void> {
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    const closed = new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.once('close', resolve);
    });
    const others = server?.clients ?? [];
    for (const connection of this.#live) connection.end({ exit: 'shutdown', close: this.goingAway() });
    for (const socket of others) {
      if (hasConnection(socket)) continue;
      const { code, reason } = this.goingAway();
      socket.close(code, reason);
    }
    server?.close();
    if (this.#live.size === 0) this.#emptied();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, this.#limits.closeTimeoutMs, 'late');
    });
    const outcome = await Promise.race([Promise.all([emptied, closed]), late]);
    clearTimeout(timer);
    if (outcome !== 'late') return;
    for (const connection of this.#live) connection.kill();
    for (const socket of others) socket.terminate();
  }

  /**
   * Takes a socket over from a server of `ws` that the application made. That server would close its clients without a code
   * before their processes have ended, and its limits are those of the application.
   */
  #takeOver(socket: WebSocket, server: Pick<SocketServer, 'clients'>): void {
    (server.clients as Set<WebSocket>).delete(socket);
    limitSocket(socket, this.#limits);
  }

  #connectionLimits(definition: WebSocketDefinition): ConnectionLimits {
    let limits = this.#limitsOf.get(definition);
    if (limits === undefined) {
      limits = connectionLimits(definition.callbacks.limits, this.#limits.connection);
      this.#limitsOf.set(definition, limits);
    }
    return limits;
  }
}

function sum(a: FrameCounts, b: FrameCounts): FrameCounts {
  return { received: a.received + b.received, sent: a.sent + b.sent, dropped: a.dropped + b.dropped };
}

/** Why a node may refuse a process, and the close code that says so. */
const REFUSALS: Readonly<Partial<Record<string, number>>> = {
  TROUPE_SYSTEM_LIMIT: 1013,
  TROUPE_NODE_STOPPED: 1001,
};

/** What a route with `websocket: true` takes. */
export type WebSocketRouteHandler = (socket: WebSocket, request: FastifyRequest) => void;

/**
 * Serves a WebSocket handler under a route: the process of a connection is spawned in the upgrade itself.
 * @param args what `init` gets after the request.
 * @example `app.get('/notifications', { websocket: true }, webSocketHandler(notifications, repository));`
 */
export function webSocketHandler<State, Args extends readonly unknown[]>(
  definition: WebSocketDefinition<State, Args>,
  ...args: Args
): WebSocketRouteHandler {
  if (!(definition instanceof WebSocketDefinition)) {
    throw badArgument(
      `webSocketHandler takes what defineWebSocketHandler has made, not ${kindOf(definition)}.`,
    );
  }
  return (socket, request) => {
    // A route that `@fastify/websocket` has not seen calls it as a handler of requests.
    if (typeof socket.readyState !== 'number')
      throw noPlugin('The route was added before the plugin was loaded.');
    troupeOf(request.server).sockets.open(
      definition as unknown as WebSocketDefinition,
      args as unknown as readonly never[],
      socket,
      request,
    );
  };
}

// ---- its errors ----

/**
 * A {@link TroupeError} that Fastify answers with `statusCode`. The client reads its message, so that names no process and
 * no reason; those are in `reason` and `cause`.
 */
export class TroupeHttpError extends TroupeError {
  override readonly name = 'TroupeHttpError';
  readonly statusCode: number;

  /** @internal */
  constructor(
    statusCode: number,
    code: ErrorCode,
    what: string,
    options: { cause?: unknown; reason?: unknown } = {},
  ) {
    super(code, what, options);
    this.statusCode = statusCode;
  }
}
