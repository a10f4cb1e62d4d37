/**
 * Decides what becomes a WebSocket: which upgrades are passed on, what a plain request to a WebSocket's path is answered, and
 * which web pages may open one.
 *
 * Node.js hands every request with an `Upgrade` header to the listeners for upgrades, unread. Only upgrades to `websocket` go on
 * to `@fastify/websocket`. Any other, such as the offer of HTTP/2 that curl and Java make, must be ignored (RFC 9110, 7.8), so the
 * request goes back into the server without that header. Its connection ends with the answer, since further upgrades on it
 * would pile up listeners. So does an upgrade to a WebSocket by another method than GET (RFC 6455, 4.1).
 *
 * A request that is no upgrade runs no hook for this: a hook costs it 5 to 10 % of what Fastify does for it. Routes with a WebSocket have
 * a hook of their own, and the handlers of all others look for a mark that upgrades bear.
 *
 * Limits: when the server has other listeners for upgrades, upgrades to other protocols are left to them. This file opens no
 * WebSocket.
 */
import type { IncomingMessage, OutgoingMessage, Server } from 'node:http';
import { isIP, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  RouteOptions,
} from 'fastify';
import { TroupeHttpError } from './app.ts';

/** Where a route notes whether it has a WebSocket. A route without this note was registered before the plugin was loaded. */
const WEBSOCKET = Symbol('troupe.websocket');

/** The mark of a request that is an upgrade to a WebSocket. */
const UPGRADE = Symbol('troupe.upgrade');

/** @internal Whether a request is an upgrade to a WebSocket. */
export function isUpgrade(request: IncomingMessage & { readonly [UPGRADE]?: boolean }): boolean {
  return request[UPGRADE] === true;
}

/** What Node.js keeps on a socket: the answer that is being sent on it. To keep it here would cost every request. */
interface Answering {
  readonly _httpMessage?: OutgoingMessage | null;
}

/** A listener to the upgrades of a server. */
export type Upgrader = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Decides about upgrades; see the head of this file. */
export class Upgrades {
  readonly #server: Server;
  readonly #upgraders: readonly Upgrader[];
  readonly #refusalOf: (request: FastifyRequest) => TroupeHttpError | undefined;
  readonly #decide: Upgrader;
  #closing = false;

  /**
   * @param upgraders the listeners of `@fastify/websocket`, which it replaces.
   * @param shared true when the application registered `@fastify/websocket` and may have added routes since: then a hook of all
   * requests checks upgrades.
   * @param refusalOf why a WebSocket that there is may not be opened.
   */
  constructor(
    app: FastifyInstance,
    upgraders: readonly Upgrader[],
    shared: boolean,
    refusalOf: (request: FastifyRequest) => TroupeHttpError | undefined,
  ) {
    this.#server = app.server;
    this.#upgraders = upgraders;
    this.#refusalOf = refusalOf;
    this.#decide = (request, socket, head) => {
      this.#upgrade(request, socket, head);
    };
    for (const upgrader of upgraders) this.#server.removeListener('upgrade', upgrader);
    this.#server.on('upgrade', this.#decide);
    app.addHook('onRoute', (route) => {
      this.#guard(route, shared);
    });
    if (shared) app.addHook('onRequest', (request, _reply, done) => done(this.#refusalOfAny(request)));
  }

  /**
   * Makes upgrades plain requests. Otherwise the socket of a refused upgrade would belong to nobody, and a client that keeps
   * it open would keep the server from closing.
   */
  close(): void {
    this.#closing = true;
    this.#server.removeListener('upgrade', this.#decide);
  }

  /** Of a request to a route that this may not have seen. */
  #refusalOfAny(request: FastifyRequest): TroupeHttpError | undefined {
    if (!request.ws) return undefined;
    const { config } = request.routeOptions;
    const hasWebSocket = request.is404 || ((config as { [WEBSOCKET]?: boolean })[WEBSOCKET] ?? true);
    return hasWebSocket ? this.#refusalOf(request) : noWebSocket();
  }

  /** Has a route refuse what it has not: WebSockets, or plain requests. */
  #guard(route: RouteOptions, shared: boolean): void {
    const only = route.websocket === true;
    const hasWebSocket = only || route.wsHandler !== undefined;
    if (shared) route.config = Object.assign({}, route.config, { [WEBSOCKET]: hasWebSocket });
    if (hasWebSocket) {
      const check: onRequestHookHandler = (request, reply, done) => {
        if (request.ws) done(this.#refusalOf(request));
        else done(only ? this.#refusalOfPlain(request, reply) : undefined);
      };
      route.onRequest = [check, ...[route.onRequest ?? []].flat()];
    } else if (!shared) {
      const { handler } = route;
      route.handler = function answer(request, reply) {
        if (isUpgrade(request.raw)) throw noWebSocket();
        return handler.call(this, request, reply);
      };
    }
  }

  #refusalOfPlain(request: FastifyRequest, reply: FastifyReply): TroupeHttpError {
    if (this.#closing && isWebSocket(request.raw)) {
      return new TroupeHttpError(503, 'TROUPE_UNAVAILABLE', 'The server is closing.');
    }
    void reply.headers({ upgrade: 'websocket', connection: 'upgrade, close' });
    return new TroupeHttpError(426, 'TROUPE_UPGRADE_REQUIRED', 'There is only a WebSocket here.');
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (isWebSocket(request) && request.method === 'GET') {
      Object.assign(request, { [UPGRADE]: true });
      if (!(socket instanceof Socket)) endWhenSaid(socket);
      for (const upgrader of this.#upgraders) upgrader.call(this.#server, request, socket, head);
      // An upgrade that is answered instead of made ends its connection.
      answerOn(socket)?.once('finish', () => socket.destroy());
    } else if (socket instanceof Socket && this.#server.listenerCount('upgrade') === 1) {
      this.#answerInTurn(request, socket, head);
    }
  }

  /** Answers a request once those before it on its connection are answered. */
  #answerInTurn(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = answerOn(socket);
    if (before === undefined) this.#answer(request, socket, head);
    // The next one, if several wait, is the socket's by then.
    else before.once('close', () => this.#answerInTurn(request, socket, head));
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

function answerOn(socket: Duplex): OutgoingMessage | undefined {
  // oxlint-disable-next-line no-underscore-dangle
  return (socket as Answering)._httpMessage ?? undefined;
}

function noWebSocket(): TroupeHttpError {
  return new TroupeHttpError(404, 'TROUPE_NO_WEBSOCKET', 'There is no WebSocket here.');
}

/** `@fastify/websocket` accepts no other upgrade, whatever else the client offers. */
function isWebSocket({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * The stream of `injectWS` stays open when both sides have ended it, unlike a connection; without this the server would wait
 * for its end until `closeTimeoutMs` is over.
 */
function endWhenSaid(stream: Duplex): void {
  stream.once('finish', () => stream.destroy());
}

// ---- origins ----

/**
 * True when the request has no `Origin`, or one whose host and port are those that the request was sent to, or one of
 * `origins`. For hooks that run before the upgrade, such as `onRequest`; the plugin checks all routes. With `trustProxy` the
 * host is the one that the proxy reports.
 *
 * Browsers let any page open a WebSocket to any server and name the page in `Origin`; cross-origin rules (CORS) do not apply.
 * Other clients send no `Origin`, or one of their choice. They are let in: such a client carries no victim's cookies and
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

/** A name or an address as `Host` has it, with or without a port. */
const HOST = /^(?<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Whether a host is a name or address that means the machine itself: `localhost`, names that end with `.localhost`, 127.0.0.0/8 and
 * ::1. For what is meant for the user of the machine alone; check both the address of the connection and `Host`, since any site can
 * give its own name the address 127.0.0.1.
 * @param host as `Host` has it, or an address as a socket has it.
 */
export function isLoopbackHost(host: string): boolean {
  const { name = '' } = HOST.exec(isIP(host) === 6 ? `[${host.replace(/%.*$/, '')}]` : host)?.groups ?? {};
  if (!URL.canParse(`http://${name}`)) return false;
  const { hostname } = new URL(`http://${name}`);
  const bare = hostname.replace(/\.$/, '');
  if (bare === 'localhost' || bare.endsWith('.localhost') || bare === '[::1]') return true;
  return (isIP(bare) === 4 && bare.startsWith('127.')) || /^\[::ffff:7f[0-9a-f]{2}:/.test(bare);
}

/**
 * What to count a client by, given its address: an IPv6 client has a network of 2^64 addresses, so of these only the first four groups
 * count.
 * @param address as `request.ip` has it.
 */
export function clientOf(address: string): string {
  if (isIP(address) !== 6 || address.startsWith('::ffff:')) return address;
  const [front = [], back = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - front.length - back.length).fill('0');
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}
