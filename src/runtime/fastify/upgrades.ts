/**
 * Decides what becomes a WebSocket: which upgrades are passed on, what a plain request to a WebSocket's path is answered, and
 * which web pages may open one.
 *
 * Node.js hands every request with an `Upgrade` header to the listeners for upgrades, unread. Only upgrades to `websocket` go on
 * to `@fastify/websocket`. Any other, such as the offer of HTTP/2 that curl and Java make, must be ignored (RFC 9110, 7.8), so the
 * request goes back into the server without that header. Its connection ends with the answer, since further upgrades on it
 * would pile up listeners.
 *
 * Limits: when the server has other listeners for upgrades, upgrades to other protocols are left to them. This file opens no
 * WebSocket.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { TroupeHttpError } from './app.ts';

/** Where a route notes that it is one for WebSockets, and whether it is nothing else. */
const WEBSOCKET = Symbol('troupe.websocket');

/** A listener to the upgrades of a server. */
export type Upgrader = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Decides about upgrades; see the head of this file. */
export class Upgrades {
  readonly #server: Server;
  readonly #upgraders: readonly Upgrader[];
  /** The last answer on a connection. */
  readonly #answers = new WeakMap<Socket, ServerResponse>();
  readonly #decide: Upgrader;
  #closing = false;

  /** @param upgraders the listeners of `@fastify/websocket`, in whose place it stands from now on. */
  constructor(app: FastifyInstance, upgraders: readonly Upgrader[]) {
    this.#server = app.server;
    this.#upgraders = upgraders;
    this.#decide = (request, socket, head) => {
      this.#upgrade(request, socket, head);
    };
    for (const upgrader of upgraders) this.#server.removeListener('upgrade', upgrader);
    this.#server.on('upgrade', this.#decide);
    this.#server.on('request', (request, response) => {
      this.#answers.set(request.socket, response);
    });
    app.addHook('onRoute', note);
  }

  /**
   * Makes upgrades plain requests. Otherwise the socket of a refused upgrade would belong to nobody, and a client that keeps
   * it open would keep the server from closing.
   */
  close(): void {
    this.#closing = true;
    this.#server.removeListener('upgrade', this.#decide);
  }

  /** Why a request does not fit its route, or undefined when it does. */
  refusalOf(request: FastifyRequest, reply: FastifyReply): TroupeHttpError | undefined {
    const kind = request.is404 ? 'both' : kindOf(request.routeOptions.config);
    if (request.ws) {
      return kind === undefined
        ? new TroupeHttpError(404, 'TROUPE_NO_WEBSOCKET', 'There is no WebSocket here.')
        : undefined;
    }
    if (kind !== 'only') return undefined;
    if (this.#closing && isWebSocket(request.raw)) {
      return new TroupeHttpError(503, 'TROUPE_UNAVAILABLE', 'The server is closing.');
    }
    void reply.headers({ upgrade: 'websocket', connection: 'upgrade, close' });
    return new TroupeHttpError(426, 'TROUPE_UPGRADE_REQUIRED', 'There is only a WebSocket here.');
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isWebSocket(request)) {
      if (!(socket instanceof Socket)) endWhenSaid(socket);
      for (const upgrader of this.#upgraders) upgrader.call(this.#server, request, socket, head);
    } else if (socket instanceof Socket && this.#server.listenerCount('upgrade') === 1) {
      const before = this.#answers.get(socket);
      if (before === undefined || before.writableFinished) this.#answer(request, socket, head);
      else before.once('close', () => this.#answer(request, socket, head));
    }
  }

  /** Gives a request back to the server as one that asks for no upgrade. */
  #answer(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (socket.destroyed) return;
    const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
    const { rawHeaders } = request;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] ?? '';
      if (/^(upgrade|connection)$/i.test(name)) continue;
      lines.push(`${name}: ${rawHeaders[index + 1] ?? ''}`);
    }
    lines.push('Connection: close', '\r\n');
    socket.unshift(Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), head]));
    this.#server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket);
  }
}

/** @fastify/websocket takes no upgrade but to this, whatever else the client offers. */
function isWebSocket({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * The stream of `injectWS` stays open when both sides have ended it, as no connection does; without this its end would be
 * waited for until `closeTimeoutMs` is over.
 */
function endWhenSaid(stream: Duplex): void {
  stream.once('finish', () => stream.destroy());
}

function note(route: RouteOptions): void {
  if (route.websocket !== true && route.wsHandler === undefined) return;
  const kind = route.websocket === true ? 'only' : 'both';
  route.config = Object.assign({}, route.config, { [WEBSOCKET]: kind });
}

function kindOf(config: object): 'only' | 'both' | undefined {
  return (config as { [WEBSOCKET]?: 'only' | 'both' })[WEBSOCKET];
}

// ---- origins ----

/**
 * True when the request has no `Origin`, or one whose host and port are those that the request was sent to, or one of
 * `origins`. For hooks that run before the upgrade, such as `onRequest`; the plugin checks all routes. With `trustProxy` the
 * host is the one that the proxy reports.
 *
 * Browsers let any page open a WebSocket to any server and name the page in `Origin`; cross-origin rules (CORS) do not apply.
 * A client that is not a browser sends no `Origin`, or any that it likes. It is let in: it carries no victim's cookies and
 * gains nothing that a plain request would not give it. To know *who* connects, ask for a token. The scheme is not compared,
 * since behind a proxy that ends TLS the server cannot know its own.
 * @param origins further origins, such as `https://example.org`.
 */
export function originAllowed(
  request: Pick<FastifyRequest, 'headers' | 'host'>,
  origins: readonly string[] = [],
): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (origins.some((allowed) => allowed.toLowerCase() === page.origin)) return true;
  const own = `${page.protocol}//${request.host}`;
  return page.host !== '' && URL.canParse(own) && new URL(own).host === page.host;
}
