// Puts the application together: node, database, supervision tree (`tree.ts`), HTTP (`http-service.ts`). It serves no port and
// knows no signals; that is main.ts's.
//
// Order matters both ways. Up: the node, with its connections in a cluster, then the tree, then HTTP. Down: HTTP first, so
// that requests and connections end while what they use is there, then the tree in reverse, then the node.
import type { FastifyBaseLogger, FastifyInstance, FastifyServerOptions } from 'fastify';
import { channelLog, Down, type ExitReason, matching, type Node, serverRef } from 'troupe';
import { type ClusterCarrier, openCarrier } from './cluster/carrier.ts';
import { clusterMember, memberName } from './cluster/member.ts';
import { startNode } from './cluster/start.ts';
import { Strangers } from './cluster/strangers.ts';
import type { Config } from './config.ts';
import type { Database } from './database/database.ts';
import type { Drain } from './http/drain.ts';
import { Metrics } from './http/metrics.ts';
import { addRoutes, createHttp, createMetricsServer } from './http-service.ts';
import { indexerName, noteIndexer } from './indexer/indexer.ts';
import { indexerLog, logDatabase, logLeftOut, logNotIndexed, logRuntime, logStranger } from './logging.ts';
import { notes } from './notes/channel.ts';
import { IncomingEvents } from './notes/incoming.ts';
import { openNotes, openOwnDatabase } from './notes/source.ts';
import { makePrivateFolder } from './private-folder.ts';
import { logName, notesTree, rootName } from './tree.ts';

/** The running application. */
export interface App {
  /** The HTTP server, ready to listen. */
  readonly http: FastifyInstance;
  /** The server of the metrics, ready to listen, when they have a port of their own. */
  readonly metrics: FastifyInstance | undefined;
  readonly node: Node;
  readonly log: FastifyBaseLogger;
  /** Settles when the supervision tree ended without `stop`: with the reason, since nothing is left that could go on. */
  readonly failed: Promise<ExitReason>;
  /** Stops everything in order: clients are told 1001, requests end, the tree stops. Further calls answer the same. */
  stop(): Promise<void>;
}

/** What an application can be given in place of what its settings describe. */
export interface AppParts extends Pick<FastifyServerOptions, 'logger'> {
  /** The application closes it when it stops. */
  readonly database?: Database;
  /** Connects the node of a cluster with others. */
  readonly carrier?: ClusterCarrier;
}

/** The share of the time for a shutdown after which requests that are not done are cut off. */
const DRAIN_SHARE = 0.5;

/**
 * Builds the application and starts its processes.
 * @throws ConfigError for files of a cluster that cannot be used, and what keeps the node or the tree from starting, such as a
 * data folder that another process has
 */
export async function createApp(config: Config, parts: AppParts = {}): Promise<App> {
  const { cluster: settings } = config;
  // First: it reads the files that the settings name, and nothing is to be closed yet when one cannot be used.
  const carrier = parts.carrier ?? (settings && openCarrier(settings));
  makeDataFolder(config.dataDir);
  const http = createHttp(config, parts.logger);
  const { log } = http;
  const own = parts.database ?? openOwnDatabase(config.database);
  const unsubscribe = [logRuntime(log)];
  if (own !== undefined) unsubscribe.push(logDatabase(log, own));
  const startCluster = async (): ReturnType<typeof startNode> => {
    // An instance that cannot open its own notes joins no cluster, not even for a moment.
    if (settings !== undefined && own?.kind === 'pglite') await own.opened();
    return startNode(settings && carrier && { name: settings.node, carrier }, log);
  };
  const { node, peers } = await startCluster().catch(async (error: unknown) => {
    await inOrder([() => http.close(), () => own?.close(), ...unsubscribe]);
    throw error;
  });
  const { database, repository, changes, events, search, backlog, indexers, identity } = openNotes(
    config.database,
    node,
    own,
    (what) => logNotIndexed(log, what),
  );
  if (own === undefined) unsubscribe.push(logDatabase(log, database));
  if (settings !== undefined && own?.kind === 'pglite') {
    log.info(
      `the notes of this instance are in its data folder; others use them with DATABASE_URL=troupe://${node.name}`,
    );
  }
  const indexer = serverRef(node, noteIndexer, indexerName);
  const strangers = new Strangers((peer, theirs) => logStranger(log, peer, theirs, identity));
  const incoming = new IncomingEvents({
    node: node.name,
    isStranger: (name) => strangers.has(name),
    onLeftOut: (what) => logLeftOut(log, what),
    get: (id) => repository.get(id),
    tell: (topic, note) => {
      if (stopping === undefined) notes.localBroadcast(node, topic, note);
    },
    onMissed: () => indexer.cast('resync'),
  });
  const indexing = { backlog, search, incoming, group: indexers, ...indexerLog(log) };
  const cluster = settings && { identity, indexer, strangers };

  const metrics =
    config.metrics &&
    new Metrics({
      node,
      peers,
      database,
      events,
      cursor: () => serverRef(node, channelLog, logName).call('cursor'),
      backlog,
    });
  if (metrics !== undefined) unsubscribe.push(() => metrics.stop());
  let metricsServer: FastifyInstance | undefined;

  let stopping: Promise<void> | undefined;
  let draining: Drain | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= inOrder([
      () => draining?.close(config.shutdownTimeoutMs * DRAIN_SHARE) ?? http.close(),
      () => metricsServer?.close(),
      // It has ended by itself when its children failed too often.
      () => (tree !== undefined && node.isAlive(tree.pid) ? tree.stop('shutdown', Infinity) : undefined),
      () => database.close(),
      () => node.stop(),
      ...unsubscribe,
    ]));

  let tree: Awaited<ReturnType<typeof startTree>> | undefined;
  const startTree = () => {
    const onOrphanError = (error: unknown): void =>
      log.warn({ err: error }, 'code of a REPL that has ended has failed');
    const onNoSocket = ({ message }: Error): void => log.warn(`there is no REPL: ${message}`);
    const repl = { dataDir: config.dataDir, variables: { notes }, onOrphanError, onNoSocket, peers };
    const stored = {
      repository,
      changes,
      events,
      search,
      history: config.history,
      pageBytes: config.page.bytes,
    };
    return node.start(notesTree, [{ database, ...stored, indexer: indexing, repl, cluster }], {
      name: rootName,
    });
  };
  try {
    tree = await startTree();
    const stops = (): boolean => stopping !== undefined;
    const served = {
      node,
      database,
      repository,
      changes,
      search,
      indexer,
      incoming,
      metrics,
      stops,
      onUnsure,
    };
    draining = await addRoutes(http, config, served);
    if (metrics !== undefined && typeof config.metrics === 'object')
      metricsServer = await createMetricsServer(config, config.metrics.host, metrics, log);
  } catch (error) {
    await stop().catch((failure: unknown) =>
      log.error({ err: failure }, 'the end of a failed start failed too'),
    );
    throw error;
  }

  function onUnsure(): void {
    if (config.cluster === undefined) indexer.cast('resync');
    else serverRef(node, clusterMember, memberName).cast('unsure');
  }

  const { pid } = tree;
  const failed = new Promise<ExitReason>((resolve) => {
    node.spawnWith({ label: 'tree_watch' }, async (self) => {
      self.monitor(pid);
      const { reason } = await self.receive(matching(Down));
      if (stopping === undefined) resolve(reason);
    });
  });
  return { http, metrics: metricsServer, node, log, failed, stop };
}

/** It is needed also when the notes are on a server: the REPL's socket is in it. */
function makeDataFolder(folder: string): void {
  try {
    makePrivateFolder(folder);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the data folder ${folder} cannot be made: ${why}; set DATA_DIR to another one`, {
      cause: error,
    });
  }
}

/** Takes every step, also after one that has failed. @throws AggregateError of the failures. */
async function inOrder(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'the application did not stop in order');
}
