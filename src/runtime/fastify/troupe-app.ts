/** What the plugin adds to an application: its node, its connections and the controllers that run. */
import type { FastifyInstance } from 'fastify';
import { TroupeError } from '../errors.ts';
import type { Node } from '../process/node.ts';
import { Connections } from './connections.ts';
import type { Execution } from './execution.ts';
import type { Limits } from './limits.ts';

/** The actors of an application: `app.troupe`. */
export class TroupeApp {
  /** The node that all its processes run on. */
  readonly node: Node;
  /** How long a controller may take by default, in milliseconds. */
  readonly controllerTimeoutMs: number;
  /** @internal */ readonly limits: Limits;
  /** @internal */ readonly sockets: Connections;
  /** @internal The requests that wait for their controller. */
  readonly executions = new Set<Execution>();

  /** @internal */
  constructor(node: Node, limits: Limits, controllerTimeoutMs: number) {
    this.node = node;
    this.limits = limits;
    this.controllerTimeoutMs = controllerTimeoutMs;
    this.sockets = new Connections(node, limits);
  }

  /** Number of WebSocket connections. */
  get connections(): number {
    return this.sockets.size;
  }

  /** Number of requests that wait for their controller. */
  get requests(): number {
    return this.executions.size;
  }
}

/** @internal The actors of an application. @throws TroupeError TROUPE_NO_PLUGIN. */
export function troupeOf(app: FastifyInstance): TroupeApp {
  const { troupe } = app as { troupe?: TroupeApp };
  if (troupe === undefined) {
    throw new TroupeError('TROUPE_NO_PLUGIN', 'The application has no node.');
  }
  return troupe;
}
