// Whether the process lives, and whether it can serve.
import type { FastifyPluginAsync } from 'fastify';
import { type Node, type ServerRef, TroupeError } from 'troupe';
import type { DatabaseStatus } from '../database/database.ts';
import type { noteIndexer } from '../indexer/indexer.ts';

/** What readiness depends on. */
export interface HealthOptions {
  readonly database: DatabaseStatus;
  readonly indexer: ServerRef<typeof noteIndexer>;
  /** True from the moment that the service shuts down. */
  readonly stopping: () => boolean;
  /** The node of a cluster. Whom it is connected with is told, and decides nothing: an instance that is cut off serves on. */
  readonly node: Node | undefined;
}

/** How long the indexer may take to say that it is there. */
const ASK_MS = 1_000;

/** `GET /livez` and `GET /readyz`. */
export const health: FastifyPluginAsync<HealthOptions> = async (
  app,
  { database, indexer, stopping, node },
) => {
  app.get('/livez', () => ({ status: 'alive' }));

  app.get('/readyz', async (_request, reply) => {
    const parts = {
      service: stopping() ? 'stopping' : 'running',
      database: database.state,
      indexer: await indexerState(indexer),
    };
    const ready = parts.service === 'running' && parts.database === 'ready' && parts.indexer === 'ready';
    const cluster = node && { node: node.name, peers: node.nodes().toSorted() };
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? 'ready' : 'not ready', ...parts, ...(cluster && { cluster }) });
  });
};

async function indexerState(indexer: HealthOptions['indexer']): Promise<string> {
  try {
    await indexer.call('status', undefined, { timeoutMs: ASK_MS });
    return 'ready';
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    return error.code === 'TROUPE_CALL_TIMEOUT' ? 'busy' : 'not running';
  }
}
