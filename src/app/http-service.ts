// HTTP as this application serves it: the server with its limits, its hooks and its routes. What each of them does is in
// `http/`, `notes/` and `notifications/`; this file has their order, which matters: a hook sees only routes that are added later.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { nanoid } from 'nanoid';
import { troupeFastify } from 'troupe/fastify';
import { isFromHere, observer } from 'troupe/observer';
import type { Node, ServerRef } from 'troupe';
import type { Config } from './config.ts';
import type { DatabaseStatus } from './database/database.ts';
import { readBodies } from './http/body.ts';
import { connectionsFor, openFilesLimit } from './http/connections.ts';
import { drain, type Drain } from './http/drain.ts';
import { answerClientError, answerUnreadable, handleErrors } from './http/errors.ts';
import { health } from './http/health.ts';
import { checkHosts, hostCheck } from './http/host.ts';
import { type Metrics, metricsRoute } from './http/metrics.ts';
import { noteInPage, servePage, setHeaders } from './http/page.ts';
import { describeApi } from './http/openapi.ts';
import { RequestLines } from './http/request-lines.ts';
import { boundedServers } from './http/server.ts';
import { Traffic } from './http/traffic.ts';
import { handleUnknown } from './http/unknown.ts';
import type { noteIndexer } from './indexer/indexer.ts';
import { boundedLines } from './log-lines.ts';
import { notesController } from './notes/controller.ts';
import type { NoteChanges } from './notes/changes.ts';
import type { IncomingEvents } from './notes/incoming.ts';
import type { NoteSearch } from './notes/page.ts';
import type { NoteReader } from './notes/repository.ts';
import { notifications } from './notifications/route.ts';
import { Watch } from './notifications/watch.ts';
import { Recurring } from 'troupe/log';

/** What the routes work with. */
export interface Served {
  readonly node: Node;
  readonly database: DatabaseStatus;
  readonly repository: NoteReader;
  readonly changes: NoteChanges;
  readonly search: NoteSearch;
  readonly indexer: ServerRef<typeof noteIndexer>;
  readonly incoming: IncomingEvents;
  /** Undefined unless they were asked for. */
  readonly metrics: Metrics | undefined;
  /** True from the moment that the service shuts down. */
  readonly stops: () => boolean;
  /** Called when it is unknown whether a change was made. */
  readonly onUnsure: () => void;
}

/** The share of the time for a shutdown in which clients must answer the close of their WebSockets, and the most of it. */
const CLOSE_SHARE = 0.2;
const CLOSE_MAX_MS = 2_000;
const TOO_MANY = 'a connection was refused: there are as many as MAX_CONNECTIONS allows';
/** Connections of those who read the metrics. */
const METRICS_CONNECTIONS_MAX = 50;
/** How much longer a change may take than a statement of the database; see `notes/controller.ts`. */
const CHANGE_GRACE_MS = 1_000;

/** The server, without routes. */
export function createHttp(config: Config, logger: FastifyServerOptions['logger']) {
  const refused = new Recurring();
  const maxConnections = maxConnectionsOf(config);
  const http = Fastify({
    logger: { level: config.logLevel, ...boundedLines, ...(typeof logger === 'object' && logger) },
    logController: new RequestLines(),
    bodyLimit: config.bodyLimitBytes,
    serverFactory: boundedServers({
      requestTimeoutMs: config.requestTimeoutMs,
      sendTimeoutMs: config.sendTimeoutMs,
      maxConnections,
      onRefused: () => {
        const count = refused.due('');
        if (count !== undefined) http.log.warn({ count, maxConnections }, TOO_MANY);
      },
    }),
    trustProxy: config.trustProxy.length > 0 && [...config.trustProxy],
    genReqId: () => nanoid(12),
    frameworkErrors: answerUnreadable,
    clientErrorHandler: answerClientError,
    // Requests that arrive while the service stops are served as long as it listens; see `http/drain.ts`.
    return503OnClosing: false,
  }).withTypeProvider<TypeBoxTypeProvider>();
  return http;
}

/** Adds hooks and routes. @returns what stops the server */
export async function addRoutes(
  http: ReturnType<typeof createHttp>,
  config: Config,
  { node, database, repository, changes, search, indexer, incoming, metrics, stops, onUnsure }: Served,
): Promise<Drain> {
  metrics?.follow(http);
  handleErrors(http);
  const traffic = new Traffic(config.trafficMaxBytes);
  traffic.follow(http);
  readBodies(http, config.bodyLimitBytes, traffic);
  handleUnknown(http, noteInPage);
  // Before the routes: refusals get the same headers, and no request for a foreign host reaches a WebSocket.
  await setHeaders(http);
  checkHosts(http, hostCheck(config.host, config.allowedHosts));
  await http.register(troupeFastify, {
    node,
    controllerTimeoutMs: config.requestTimeoutMs,
    webSocket: {
      maxPayloadBytes: config.wsMaxPayloadBytes,
      maxConnections: maxConnectionsOf(config),
      sendLimitBytes: config.wsSendLimitBytes,
      sendTimeoutMs: config.sendTimeoutMs,
      origins: config.allowedOrigins,
      closeTimeoutMs: Math.min(CLOSE_MAX_MS, config.shutdownTimeoutMs * CLOSE_SHARE),
    },
  });
  const end = drain(http);
  // Before the description of the API, of which it is not a part.
  if (config.observer !== undefined) {
    await http.register(observer, { node, ...config.observer });
    const who =
      config.observer.token === undefined ? 'users of this machine' : 'users who have OBSERVER_TOKEN';
    http.log.info(`the observer is at /observer/, for ${who}`);
  }
  await describeApi(http);
  await servePage(http);
  await http.register(health, { database, indexer, stopping: stops, node: config.cluster && node });
  await http.register(notesController, {
    repository,
    changes,
    search,
    page: config.page,
    traffic,
    changeTimeoutMs: Math.max(config.requestTimeoutMs, config.database.queryTimeoutMs + CHANGE_GRACE_MS),
    onUnsure,
  });
  await http.register(notifications, {
    incoming,
    watch: new Watch(node, config.watch),
    reachesObserver: (request) =>
      config.observer !== undefined && (config.observer.token !== undefined || isFromHere(request)),
  });
  if (metrics !== undefined && config.metrics === 'public') await http.register(metricsRoute, { metrics });
  await http.ready();
  return end;
}

/** The server of the metrics, for a port of their own. It has the limits and the headers of the other one. */
export async function createMetricsServer(
  config: Config,
  host: string,
  metrics: Metrics,
  log: FastifyBaseLogger,
): Promise<FastifyInstance> {
  const server = Fastify({
    loggerInstance: log,
    logController: new RequestLines(),
    serverFactory: boundedServers({
      requestTimeoutMs: config.requestTimeoutMs,
      sendTimeoutMs: config.sendTimeoutMs,
      maxConnections: METRICS_CONNECTIONS_MAX,
      onRefused: () => undefined,
    }),
    genReqId: () => nanoid(12),
    frameworkErrors: answerUnreadable,
    clientErrorHandler: answerClientError,
    forceCloseConnections: true,
  });
  handleErrors(server);
  handleUnknown(server);
  await setHeaders(server);
  checkHosts(server, hostCheck(host, config.allowedHosts));
  await server.register(metricsRoute, { metrics });
  await server.ready();
  return server;
}

function maxConnectionsOf(config: Config): number {
  return config.maxConnections ?? connectionsFor(openFilesLimit());
}
