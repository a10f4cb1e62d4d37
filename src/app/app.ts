// Puts the application together: node, database, supervision tree, HTTP. It listens on no port and knows no signals; that
// is main.ts's.
//
// Order matters both ways. Up: database and tree first, then HTTP. Down: HTTP first, so that requests and connections
// end while what they use is there, then the tree in reverse, then the node.
import { mkdirSync } from 'node:fs';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { nanoid } from 'nanoid';
import { createNode, type ExitReason, type Node, serverRef } from '../runtime/index.ts';
import { troupeFastify, webSocketHandler } from '../runtime/fastify/index.ts';
import type { Config } from './config.ts';
import { openDatabase } from './database/open.ts';
import { handleErrors } from './http/errors.ts';
import { health } from './http/health.ts';
import { servePage } from './http/page.ts';
import { indexerName, noteIndexer } from './indexer/indexer.ts';
import { logDatabase, logRuntime } from './logging.ts';
import { notes } from './notes/channel.ts';
import { notesController } from './notes/controller.ts';
import { createNoteRepository } from './notes/repository.ts';
import { notificationsHandler } from './notifications/handler.ts';
import { notesTree, rootName } from './tree.ts';

/** The running application. */
export interface App {
  /** The HTTP server, ready to listen. */
  readonly http: FastifyInstance;
  readonly node: Node;
  readonly log: FastifyBaseLogger;
  /** Settles when the supervision tree ended without `stop`: with the reason, since nothing is left that could go on. */
  readonly failed: Promise<ExitReason>;
  /** Stops everything in order: clients are told 1001, requests end, the tree stops. Further calls answer the same. */
  stop(): Promise<void>;
}

/** Requests that are still running after this part of the time for a shutdown are cut off. */
const DRAIN_SHARE = 0.5;

/**
 * Builds the application and starts its processes.
 * @param options.logger in place of the log that the settings describe
 * @throws what keeps the tree from starting, such as a data folder that another process has
 */
export async function createApp(
  config: Config,
  options: Pick<FastifyServerOptions, 'logger'> = {},
): Promise<App> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const http = Fastify({
    logger: options.logger ?? {
      level: config.logLevel,
      redact: ['req.headers.authorization', 'req.headers.cookie'],
    },
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: config.requestTimeoutMs,
    genReqId: () => nanoid(12),
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  }).withTypeProvider<TypeBoxTypeProvider>();
  const { log } = http;
  const node = createNode();
  const database = openDatabase(config.database);
  const repository = createNoteRepository(database);
  const subscriptions = [logRuntime(log), logDatabase(log, database)];

  let stopping: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await drained(http, config.shutdownTimeoutMs * DRAIN_SHARE);
    await tree?.stop('shutdown', Infinity);
    await database.close();
    await node.stop();
    for (const unsubscribe of subscriptions) unsubscribe();
  };
  const stop = (): Promise<void> => (stopping ??= end());

  let tree: Awaited<ReturnType<typeof startTree>> | undefined;
  const startTree = () =>
    node.start(
      notesTree,
      [{ database, repository, repl: { dataDir: config.dataDir, variables: { notes } } }],
      {
        name: rootName,
      },
    );
  try {
    tree = await startTree();
    await addRoutes();
  } catch (error) {
    await stop();
    throw error;
  }

  async function addRoutes(): Promise<void> {
    const indexer = serverRef(node, noteIndexer, indexerName);
    // Only JSON is read: a body of another type is answered 415, plain text included.
    http.removeContentTypeParser('text/plain');
    handleErrors(http, config.bodyLimitBytes);
    await http.register(troupeFastify, {
      node,
      controllerTimeoutMs: config.requestTimeoutMs,
      webSocket: { maxPayloadBytes: config.wsMaxPayloadBytes, origins: config.allowedOrigins },
    });
    await servePage(http);
    await http.register(health, { database, indexer, stopping: () => stopping !== undefined });
    await http.register(notesController, { repository, indexer });
    http.get('/notifications', { websocket: true }, webSocketHandler(notificationsHandler));
    await http.ready();
  }

  const failed = new Promise<ExitReason>((resolve) => {
    const { pid } = tree;
    node.spawnWith({ label: 'tree_watch' }, async (self) => {
      self.monitor(pid);
      const down = await self.receive();
      if (stopping === undefined) resolve((down as { reason: ExitReason }).reason);
    });
  });
  return { http, node, log, failed, stop };
}

/** Closes the server; what is still under way when the time is over is cut off, so a client cannot hold it up. */
async function drained(http: FastifyInstance, limitMs: number): Promise<void> {
  const cut = setTimeout(() => http.server.closeAllConnections(), limitMs);
  try {
    await http.close();
  } finally {
    clearTimeout(cut);
  }
}
