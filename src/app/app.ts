// Assembles the application: node, database, supervision tree (`tree.ts`), HTTP (`http-service.ts`). Ports and signals are
// `main.ts`'s.
//
// Order matters both ways. Up: the node, with its connections in a cluster, then the tree, then HTTP. Down: the reverse, so
// that requests and connections end while what they use is still there.
import type { FastifyBaseLogger, FastifyInstance, FastifyServerOptions } from 'fastify';
import { channelLog, Down, type ExitReason, matching, type Node, serverRef } from 'troupe';
import { type ClusterCarrier, openCarrier } from './cluster/carrier.ts';
import { clusterMember, memberName } from './cluster/member.ts';
import { startNode } from './cluster/start.ts';
import { Strangers } from './cluster/strangers.ts';
import type { Config } from './config.ts';
import type { Database } from './database/database.ts';
import { Metrics } from './http/metrics.ts';
import { addRoutes, createHttp, createMetricsServer } from './http-service.ts';
import { indexerName, noteIndexer } from './indexer/indexer.ts';
import {
  holdErrors,
  indexerLog,
  logDatabase,
  logLeftOut,
  logNotIndexed,
  logRuntime,
  logStranger,
} from './logging.ts';
import { notes } from './notes/channel.ts';
import { IncomingEvents } from './notes/incoming.ts';
import { openNotes, openOwnDatabase } from './notes/source.ts';
import { makePrivateFolder } from './private-folder.ts';
import { logName, notesTree, rootName, type TreeParts } from './tree.ts';
import type { ReplOptions } from 'troupe/repl';

/** The running application. */
export interface App {
  /** The HTTP server, ready to listen. */
  readonly http: FastifyInstance;
  /** The server of the metrics, ready to listen, when they have a port of their own. */
  readonly metrics: FastifyInstance | undefined;
  readonly node: Node;
  readonly log: FastifyBaseLogger;
  /** Resolves with the reason when the supervision tree ends without `stop`: nothing is left to serve then. */
  readonly failed: Promise<ExitReason>;
  /** Stops everything in order: WebSockets close with 1001, requests end, the tree stops. Further calls return the same promise. */
  stop(): Promise<void>;
}

/** Parts that replace what the settings describe. */
export interface AppParts extends Pick<FastifyServerOptions, 'logger'> {
  /** The application closes it when it stops. */
  readonly database?: Database;
  /** Connects the node of a cluster with others. */
  readonly carrier?: ClusterCarrier;
}

/** The share of the time for a shutdown after which unfinished requests are cut off. */
const DRAIN_SHARE = 0.5;

/**
 * Builds the application and starts its processes.
 * @throws ConfigError for files of a cluster that cannot be used; otherwise what keeps the node or the tree from starting, such
 * as a data folder that another process has
 */
export async function createApp(config: Config, parts: AppParts = {}): Promise<App> {
  // First: it reads the files that the settings name, and nothing needs closing yet when it cannot use one.
  const carrier = parts.carrier ?? (config.cluster && openCarrier(config.cluster));
  makeDataFolder(config.dataDir);
  const http = createHttp(config, parts.logger);
  const { log } = http;
  const teardown = new Teardown();
  const start = holdErrors(log);
  teardown.add(logRuntime(start.log));
  try {
    const app = await startApp(config, carrier, parts.database, http, teardown);
    start.succeeded();
    return app;
  } catch (error) {
    await teardown
      .run()
      .catch((failure: unknown) => log.error({ err: failure }, 'closing after a failed start failed, too'));
    start.failed();
    throw error;
  }
}

async function startApp(
  config: Config,
  carrier: ClusterCarrier | undefined,
  given: Database | undefined,
  http: ReturnType<typeof createHttp>,
  teardown: Teardown,
): Promise<App> {
  const { cluster: settings } = config;
  const { log } = http;
  const own = given ?? openOwnDatabase(config.database);
  if (own !== undefined) {
    teardown.add(logDatabase(log, own));
    teardown.add(() => own.close());
    // An instance that cannot open its own notes joins no cluster, not even for a moment.
    if (settings !== undefined && own.kind === 'pglite') await own.opened();
  }
  const { node, peers } = await startNode(settings && carrier && { name: settings.node, carrier }, log);
  teardown.add(() => node.stop());
  const { database, repository, changes, deleted, events, search, backlog, indexers, identity } = openNotes(
    config.database,
    node,
    own,
    config.deleted.maxAgeMs,
    (what) => logNotIndexed(log, what),
  );
  if (own === undefined) teardown.add(logDatabase(log, database));
  teardown.add(() => database.close());
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
      if (!teardown.begun) notes.localBroadcast(node, topic, note);
    },
    onMissed: () => indexer.cast('resync'),
  });
  const repl: ReplOptions = {
    dataDir: config.dataDir,
    variables: { notes },
    peers,
    onOrphanError: (error) => log.warn({ err: error }, 'code of a REPL that has ended failed'),
    onNoSocket: ({ message }) => log.warn(`there is no REPL: ${message}`),
  };
  const treeParts: TreeParts = {
    database,
    repository,
    changes,
    events,
    search,
    repl,
    history: config.history,
    pageBytes: config.page.bytes,
    indexer: { backlog, search, incoming, group: indexers, ...indexerLog(log) },
    deleted: deleted && {
      notes: deleted,
      limit: config.deleted,
      onFailed: (err) =>
        log.error({ err }, 'deleted notes could not be removed for good; they are tried again'),
    },
    cluster: settings && { identity, indexer, strangers },
  };
  const tree = await node.start(notesTree, [treeParts], { name: rootName });
  // A tree whose children failed too often has ended already.
  teardown.add(() => (node.isAlive(tree.pid) ? tree.stop('shutdown', Infinity) : undefined));

  const onUnsure = (): void => {
    if (settings === undefined) indexer.cast('resync');
    else serverRef(node, clusterMember, memberName).cast('unsure');
  };
  const stops = (): boolean => teardown.begun;
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
  let metricsServer: FastifyInstance | undefined;
  if (metrics !== undefined) {
    teardown.add(() => metrics.stop());
    if (typeof config.metrics === 'object') {
      metricsServer = await createMetricsServer(config, config.metrics.host, metrics, log);
      teardown.add(() => metricsServer?.close());
    }
  }
  const served = { node, database, repository, changes, search, indexer, incoming, metrics, stops, onUnsure };
  teardown.add(() => http.close()); // should a route fail
  const draining = await addRoutes(http, config, served);
  teardown.add(() => draining.close(config.shutdownTimeoutMs * DRAIN_SHARE));

  const failed = new Promise<ExitReason>((resolve) => {
    node.spawnWith({ label: 'tree_watch' }, async (self) => {
      self.monitor(tree.pid);
      const { reason } = await self.receive(matching(Down));
      if (!teardown.begun) resolve(reason);
    });
  });
  return { http, metrics: metricsServer, node, log, failed, stop: () => teardown.run() };
}

/** What is undone when the application stops: what started last stops first. */
class Teardown {
  readonly #steps: (() => unknown)[] = [];
  #running: Promise<void> | undefined;

  get begun(): boolean {
    return this.#running !== undefined;
  }

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /**
   * Takes every step, even after one that fails. Further calls answer the same.
   * @throws AggregateError of the failures
   */
  run(): Promise<void> {
    return (this.#running ??= this.#undo());
  }

  async #undo(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'the application did not stop in order');
  }
}

/** Needed even when the notes are on a server: the REPL's socket is in it. */
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
