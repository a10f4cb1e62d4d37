/**
 * The WebSocket connections of one application: opens them, bounds their number, ends them when it closes.
 */
import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import { TroupeError } from '../errors.ts';
import type { Node } from '../process/node.ts';
import { Connection } from './connection.ts';
import type { WebSocketDefinition } from './definition.ts';
import { type ConnectionLimits, connectionLimits, type Limits } from './limits.ts';

/** A WebSocket server of `ws`, as far as it is needed here. */
export interface SocketServer {
  readonly clients: ReadonlySet<WebSocket>;
  close(): void;
  once(event: 'close', listener: () => void): unknown;
}

/** The connections of an application. */
export class Connections {
  readonly #node: Node;
  readonly #limits: Limits;
  readonly #live = new Set<Connection>();
  readonly #sockets = new WeakSet<WebSocket>();
  readonly #limitsOf = new WeakMap<WebSocketDefinition, ConnectionLimits>();
  #emptied: () => void = () => undefined;

  constructor(node: Node, limits: Limits) {
    this.#node = node;
    this.#limits = limits;
  }

  /** Number of connections, those included whose end is not complete. */
  get size(): number {
    return this.#live.size;
  }

  /** True when a further connection is one too many. */
  get full(): boolean {
    return this.#live.size >= this.#limits.maxConnections;
  }

  /** True for a socket that has a process. */
  owns(socket: WebSocket): boolean {
    return this.#sockets.has(socket);
  }

  /** Gives a socket its process. A socket for which there is no room is closed. */
  open(
    definition: WebSocketDefinition,
    args: readonly never[],
    socket: WebSocket,
    request: FastifyRequest,
  ): void {
    // The upgrade was refused when there was no room, but others may have been on their way with it.
    if (this.full) {
      socket.close(1013, 'too many connections');
      return;
    }
    try {
      const limits = this.#connectionLimits(definition);
      const start = { request, args };
      this.#live.add(
        new Connection(this.#node, definition, start, socket, limits, (connection) => {
          this.#live.delete(connection);
          if (this.#live.size === 0) this.#emptied();
        }),
      );
      this.#sockets.add(socket);
    } catch (error) {
      const code = error instanceof TroupeError ? REFUSALS[error.code] : undefined;
      if (code === undefined) throw error;
      socket.close(code, 'unavailable');
    }
  }

  /**
   * Ends all connections: processes exit with `shutdown`, clients get 1001, and what is not done within `closeTimeoutMs`
   * is torn down. The wait does not go through the node's clock, as the node may be stopped before.
   */
  async close(server: SocketServer): Promise<void> {
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    const closed = new Promise<void>((resolve) => {
      server.once('close', resolve);
    });
    for (const connection of this.#live) connection.end('shutdown', 1001, 'going away');
    for (const socket of server.clients) if (!this.owns(socket)) socket.close(1001, 'going away');
    server.close();
    if (this.#live.size === 0) this.#emptied();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, this.#limits.closeTimeoutMs, 'late');
    });
    const outcome = await Promise.race([Promise.all([emptied, closed]), late]);
    clearTimeout(timer);
    if (outcome !== 'late') return;
    for (const connection of this.#live) connection.kill();
    for (const socket of server.clients) socket.terminate();
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

/** Why a process may not be had, and the close code that says so. */
const REFUSALS: Readonly<Partial<Record<string, number>>> = {
  TROUPE_SYSTEM_LIMIT: 1013,
  TROUPE_NODE_STOPPED: 1001,
};
