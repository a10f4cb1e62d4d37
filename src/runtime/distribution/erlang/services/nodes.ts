/** Finds the services of a node, for functions that are given the node only. */
import { TroupeError } from '../../../errors.ts';
import type { Node } from '../../../process/node.ts';
import type { SpawnClient } from './spawn-client.ts';

/** The services that programs use. */
export interface NodeServices {
  readonly client: SpawnClient;
}

const byNode = new WeakMap<Node, NodeServices>();

/** Says which services a node has. */
export function setServices(node: Node, services: NodeServices): void {
  byNode.set(node, services);
}

/** @throws TroupeError TROUPE_NO_CARRIER when the node has no carrier that speaks Erlang's protocol. */
export function servicesOf(node: Node): NodeServices {
  const services = byNode.get(node);
  if (services === undefined) {
    throw new TroupeError(
      'TROUPE_NO_CARRIER',
      `Node '${node.name}' has no carrier for Erlang's distribution protocol.`,
    );
  }
  return services;
}
