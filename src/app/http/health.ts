// Whether the process is alive, and whether it can serve.
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { type Node, type ServerRef, TroupeError } from 'troupe';
import type { DatabaseStatus } from '../database/database.ts';
import type { noteIndexer } from '../indexer/indexer.ts';

/** The parts that readiness depends on. */
export interface HealthOptions {
  readonly database: DatabaseStatus;
  readonly indexer: ServerRef<typeof noteIndexer>;
  /** Whether the service is shutting down. */
  readonly stopping: () => boolean;
  /** The node in a cluster. Its peers are reported but decide nothing: an instance that is cut off keeps serving. */
  readonly node: Node | undefined;
}

/** How long the indexer may take to reply. */
const ASK_MS = 1_000;

/** Why the service is not ready, by the part that is not and its state. Details, such as host names, stay in the log. */
const CAUSES: Readonly<Record<string, string>> = {
  'service stopping': 'the service is shutting down',
  'database starting': 'the database is being opened',
  'database unavailable': 'the database cannot be reached; the log says why',
  'database closed': 'the database is closed',
  'indexer busy': `the indexer did not reply within ${ASK_MS} ms`,
  'indexer not running': 'the indexer is not running',
};

const Alive = Type.Object(
  { status: Type.String({ examples: ['alive'] }) },
  { examples: [{ status: 'alive' }] },
);
const Ready = Type.Object(
  {
    status: Type.String({ enum: ['ready', 'not ready'] }),
    cause: Type.Optional(Type.String({ description: 'Why it is not ready.' })),
    service: Type.String({ enum: ['running', 'stopping'] }),
    database: Type.String({ enum: ['starting', 'ready', 'unavailable', 'closed'] }),
    indexer: Type.String({ enum: ['ready', 'busy', 'not running'] }),
    cluster: Type.Optional(
      Type.Object(
        { node: Type.String(), peers: Type.Array(Type.String()) },
        { description: 'Of an instance in a cluster: its node, and those that are connected.' },
      ),
    ),
  },
  { examples: [{ status: 'ready', service: 'running', database: 'ready', indexer: 'ready' }] },
);

/** `GET /livez` and `GET /readyz`. What is not ready says so with a cause, and when to ask again. */
export const health: FastifyPluginAsync<HealthOptions> = async (
  app,
  { database, indexer, stopping, node },
) => {
  app.get(
    '/livez',
    {
      schema: {
        tags: ['service'],
        operationId: 'livez',
        summary: 'Answered while the process lives',
        response: { 200: Alive },
      },
    },
    () => ({ status: 'alive' }),
  );

  const schema = {
    tags: ['service'],
    operationId: 'readyz',
    summary: 'Whether the service can serve; `retry-after` of a 503 says when to ask again',
    response: { 200: Ready, 503: Ready },
  };
  app.get('/readyz', { schema }, async (_request, reply) => {
    const parts = {
      service: stopping() ? 'stopping' : 'running',
      database: database.state,
      indexer: await indexerState(indexer),
    };
    const cause = Object.entries(parts)
      .map(([part, state]) => CAUSES[`${part} ${state}`])
      .find((each) => each !== undefined);
    const cluster = node && { node: node.name, peers: node.nodes().toSorted() };
    if (cause === undefined) return reply.send({ status: 'ready', ...parts, ...(cluster && { cluster }) });
    void reply.header('retry-after', Math.ceil(database.retryAfterMs / 1_000));
    return reply.code(503).send({ status: 'not ready', cause, ...parts, ...(cluster && { cluster }) });
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
