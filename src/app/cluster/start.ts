// Starts the node of the instance: alone, or in a cluster when the settings say so.
import type { FastifyBaseLogger } from 'fastify';
import type { PeerInfo } from '../../runtime/distribution/erlang/index.ts';
import { createNode, type Node, pubsub } from '../../runtime/index.ts';
import { type ClusterCarrier, openCarrier } from './carrier.ts';
import type { ClusterSettings } from './settings.ts';

/** A node that runs. */
export interface StartedNode {
  readonly node: Node;
  /** The connections of a node in a cluster; undefined for one that is alone. */
  readonly peers: (() => readonly PeerInfo[]) | undefined;
}

/**
 * Starts the node, and waits until others can connect to it.
 * @param given in place of what the settings describe
 * @throws Error that says what the operator can do, when it cannot listen, is not registered, or has no cookie
 */
export async function startNode(
  settings: ClusterSettings | undefined,
  log: FastifyBaseLogger,
  given?: ClusterCarrier,
): Promise<StartedNode> {
  if (settings === undefined) return { node: createNode(), peers: undefined };
  try {
    const carrier = given ?? openCarrier(settings);
    const node = createNode({ name: settings.node, carrier });
    // Before the first connection, so that members are known from the first moment on.
    pubsub.start(node);
    await untilReady(node, carrier);
    log.info({ node: node.name, port: carrier.port }, `this is the node ${node.name}`);
    return { node, peers: () => carrier.peers?.() ?? [] };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the node ${settings.node} cannot be started: ${why}`, { cause: error });
  }
}

async function untilReady(node: Node, carrier: ClusterCarrier): Promise<void> {
  try {
    await carrier.ready?.();
  } catch (error) {
    await node.stop();
    throw error;
  }
}
