// Starts the node of the instance: alone, or in a cluster when the settings say so.
import type { FastifyBaseLogger } from 'fastify';
import type { PeerInfo } from 'troupe/erlang';
import { createNode, type Node, pubsub, TroupeError } from 'troupe';
import type { ClusterCarrier } from './carrier.ts';

/** A node that runs. */
export interface StartedNode {
  readonly node: Node;
  /** The connections of a node in a cluster; undefined for one that is alone. */
  readonly peers: (() => readonly PeerInfo[]) | undefined;
}

/** Replaces the runtime's advice, which is about its own options. */
const LISTEN_ADVICE =
  'The name is TROUPE_NODE; where the node listens is TROUPE_DIST_HOST (else the host in its name) and TROUPE_DIST_PORT; ' +
  'where it is registered is TROUPE_EPMD, TROUPE_EPMD_PORT and TROUPE_EPMD_SERVE_ON.';

/**
 * Starts the node, and waits until others can connect to it.
 * @param cluster its full name, and what connects it; undefined for a node that is alone
 * @throws Error that says what the operator can do, when it cannot listen or is not registered
 */
export async function startNode(
  cluster: { readonly name: string; readonly carrier: ClusterCarrier } | undefined,
  log: FastifyBaseLogger,
): Promise<StartedNode> {
  if (cluster === undefined) return { node: createNode(), peers: undefined };
  const { name, carrier } = cluster;
  try {
    const node = createNode({ name, carrier });
    // Before the first connection, so that members are known from the start.
    pubsub.start(node);
    await untilReady(node, carrier);
    log.info({ node: node.name, port: carrier.port }, `this is the node ${node.name}`);
    return { node, peers: () => carrier.peers?.() ?? [] };
  } catch (error) {
    throw new Error(`the node ${name} cannot be started: ${whyOf(error)}`, { cause: error });
  }
}

function whyOf(error: unknown): string {
  if (error instanceof TroupeError && error.code === 'TROUPE_LISTEN_FAILED')
    return `${error.what} ${LISTEN_ADVICE}`;
  return error instanceof Error ? error.message : String(error);
}

async function untilReady(node: Node, carrier: ClusterCarrier): Promise<void> {
  try {
    await carrier.ready?.();
  } catch (error) {
    await node.stop();
    throw error;
  }
}
