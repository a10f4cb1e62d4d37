/**
 * The Fastify plugin: gives an application a node, and registers `@fastify/websocket` with limits that are safe.
 *
 * It owns the processes of connections and controllers and ends them when the application closes: connections in
 * `preClose`, since the HTTP server waits for their sockets; controllers that outlived their requests in `onClose`. It
 * does not stop the node.
 */
import fastifyWebsocket, { type WebSocket, type WebsocketPluginOptions } from '@fastify/websocket';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyPluginCallback,
  FastifyRequest,
  RouteOptions,
} from 'fastify';
import { Node } from '../process/node.ts';
import { badArgument } from '../errors.ts';
import { TroupeApp, TroupeHttpError } from './app.ts';
import { hasConnection } from './connection.ts';
import { Executions } from './controller.ts';
import { DEFAULT_CONTROLLER_TIMEOUT_MS, type WebSocketOptions, checkTime, limitsOf } from './limits.ts';
import { isUpgrade, type Upgrader, Upgrades, originAllowed } from './upgrades.ts';
import { formatReason } from '../process/messages.ts';
import { loggableError, takeReports } from '../process/report.ts';

/** Options of the plugin. */
export interface TroupeFastifyOptions {
  /** The node that the processes run on. */
  readonly node: Node;
  /** Limits of WebSocket connections. */
  readonly webSocket?: WebSocketOptions;
  /** Milliseconds that a controller may take; `Infinity` for no limit. Default 30,000. */
  readonly controllerTimeoutMs?: number;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The actors of this application. */
    readonly troupe: TroupeApp;
  }
}

const register: FastifyPluginAsync<TroupeFastifyOptions> = async (app, options) => {
  const { node, webSocket = {}, controllerTimeoutMs = DEFAULT_CONTROLLER_TIMEOUT_MS } = options;
  if (!(node instanceof Node)) {
    throw badArgument('The option `node` must be a node made by createNode().');
  }
  checkTime('controllerTimeoutMs', controllerTimeoutMs);
  const limits = limitsOf(webSocket);
  const shared = app.hasDecorator('websocketServer');
  const troupe = new TroupeApp(node, limits, controllerTimeoutMs, new Executions(), shared);
  app.decorate('troupe', troupe);
  const upgrades = new Upgrades(
    app,
    shared ? upgradersOf(app) : await registerWebSocket(app, troupe),
    shared,
    (request) => refusalOf(troupe, request),
  );
  app.addHook('preClose', async function (this: FastifyInstance) {
    upgrades.close();
    await troupe.sockets.close(shared ? undefined : this.websocketServer);
  });
  const stopLogging = logReports(node, app.log);
  app.addHook('onClose', () => {
    stopLogging();
    troupe.executions.shutDown();
  });
};

/**
 * The plugin. Register it with `await` before the routes that use it. It decorates the application with `troupe` and
 * checks the Origin of all WebSocket upgrades. It registers `@fastify/websocket`, unless the application has done so before.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for an option out of its range.
 * @example `await app.register(troupeFastify, { node });`
 */
export const troupeFastify: FastifyPluginAsync<TroupeFastifyOptions> = Object.assign(register, {
  // As `fastify-plugin` does: the plugin decorates the application that registers it, not a child of that.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'troupe',
  [Symbol.for('plugin-meta')]: { name: 'troupe', fastify: '5.x' },
});

/**
 * `@fastify/websocket` without what it adds to plain requests: a hook `onRequest` that sets `request.ws`, which is read from the request
 * here; a hook `onResponse`, for which Fastify listens to the end of every response, to end the socket of an upgrade that was answered;
 * and another handler for routes without a WebSocket. `Upgrades` does the last two.
 */
const webSocketPlugin = Object.assign(
  (app: FastifyInstance, options: WebsocketPluginOptions, next: (error?: Error) => void): void => {
    type Method = (...args: unknown[]) => unknown;
    const addHook = app.addHook.bind(app) as Method;
    const instead: Readonly<Record<string, Method>> = {
      addHook(name, hook) {
        if (name === 'onRequest' || name === 'onResponse') return quiet;
        if (name !== 'onRoute') return addHook(name, hook);
        return addHook(name, function onRoute(this: FastifyInstance, route: RouteOptions) {
          if (route.websocket === true || route.wsHandler !== undefined) (hook as Method).call(this, route);
        });
      },
      decorateRequest: (name) =>
        app.decorateRequest(name as string, {
          getter(this: FastifyRequest) {
            return isUpgrade(this.raw);
          },
        }),
    };
    const quiet = new Proxy(app, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return instead[key as string] ?? (value.bind(target) as Method);
      },
    });
    (fastifyWebsocket as FastifyPluginCallback)(quiet, options, next);
  },
  {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: '@fastify/websocket',
    [Symbol.for('plugin-meta')]: { name: '@fastify/websocket', fastify: '5.x' },
  },
);

/** Registers `@fastify/websocket`. @returns its listeners for upgrades. */
async function registerWebSocket(app: FastifyInstance, troupe: TroupeApp): Promise<readonly Upgrader[]> {
  const { limits } = troupe;
  // Not written in place: the types of `ws` do not know `closeTimeout` yet.
  const options = {
    maxPayload: limits.maxPayloadBytes,
    perMessageDeflate: false,
    closeTimeout: limits.closeTimeoutMs,
  };
  const before = app.server.listeners('upgrade');
  await app.register(webSocketPlugin, {
    options,
    errorHandler: (error, socket, request) => {
      onSocketError(error, socket, request);
    },
    // The plugin's own hook closes.
    preClose: (done) => {
      done();
    },
  });
  return app.server.listeners('upgrade').filter((each) => !before.includes(each)) as Upgrader[];
}

/** The listeners of an `@fastify/websocket` that the application registered; those of others keep their place. */
function upgradersOf(app: FastifyInstance): readonly Upgrader[] {
  const listeners = app.server.listeners('upgrade');
  return listeners.filter(({ name }) => listeners.length === 1 || name === 'onUpgrade') as Upgrader[];
}

/** Why an upgrade is refused. */
function refusalOf(troupe: TroupeApp, request: FastifyRequest): TroupeHttpError | undefined {
  const { origins } = troupe.limits;
  if (origins !== 'any' && !originAllowed(request, origins)) {
    return new TroupeHttpError(403, 'TROUPE_ORIGIN_REFUSED', 'This page may not open a WebSocket here.');
  }
  if (troupe.sockets.full) {
    return new TroupeHttpError(503, 'TROUPE_TOO_MANY_CONNECTIONS', 'There are too many connections.');
  }
  return undefined;
}

/** A connection handles the errors of its socket; for other sockets this does what `@fastify/websocket` does by default. */
function onSocketError(error: Error, socket: WebSocket, request: FastifyRequest): void {
  if (hasConnection(socket)) return;
  request.log.error(error);
  socket.terminate();
}

/**
 * Logs the failures of a node that the program does not subscribe to (`process/report.ts`), until the returned function is
 * called. An application without a logger leaves them to standard error.
 */
function logReports(node: Node, log: FastifyBaseLogger): () => void {
  // Fastify's stand-in for a logger uses one empty function for all of its methods.
  if (log.error === log.info) return () => undefined;
  return takeReports(node, (text, { kind, pid, label, name, reason, context, child }, leftOut) => {
    const level = kind === 'warning' ? 'warn' : 'error';
    if (leftOut > 0) {
      log[level]({ label, leftOut }, text);
      return;
    }
    const why = reason instanceof Error ? { err: loggableError(reason) } : { reason: formatReason(reason) };
    log[level]({ process: pid?.toString(), label, name, context, child, ...why }, text);
  });
}
