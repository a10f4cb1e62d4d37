// What the tests of signals between two nodes share: the nodes, processes that are led by hand, and the check that nothing
// is kept about links, monitors and calls which have ended.
import type { Node, Pid, Process } from 'troupe';
import { afterEach } from 'vitest';
import { Cluster } from './cluster.ts';

/** The nodes of a test. */
export interface Pair {
  readonly cluster: Cluster;
  readonly network: Cluster['network'];
  readonly a: Node;
  readonly b: Node;
  /** Another node, that is connected with nobody. */
  more(name: string, options?: Parameters<Cluster['node']>[1]): Node;
  /** How many entries the routers keep in all. */
  kept(): number;
}

let current: { cluster: Cluster; nodes: Node[] } | undefined;

/** Two nodes that are connected. */
export async function pair(): Promise<Pair> {
  const cluster = new Cluster();
  const nodes = cluster.nodes('a@x', 'b@x');
  current = { cluster, nodes };
  await cluster.mesh(nodes);
  const [a, b] = nodes as [Node, Node];
  return {
    cluster,
    network: cluster.network,
    a,
    b,
    more: (name, options) => {
      const node = cluster.node(name, options);
      nodes.push(node);
      return node;
    },
    kept: () => kept(nodes),
  };
}

/** A process that keeps what it receives, to be led by hand. */
export function puppet(
  node: Node,
  trapExit = false,
): { readonly pid: Pid; readonly got: unknown[]; readonly self: Process } {
  const got: unknown[] = [];
  const pid = node.spawnWith(
    { trapExit },
    { name: 'puppet', init: () => undefined, handle: (_self, message) => void got.push(message) },
  );
  return { pid, got, self: node.find(pid) as Process };
}

/** Checks after each test that the end of all processes leaves nothing in the tables. */
export function checkTables(): void {
  afterEach(async () => {
    if (current === undefined) throw new Error('the test has no nodes');
    const { cluster, nodes } = current;
    await cluster.settle();
    for (const node of nodes) {
      for (const pid of node.processes()) if (!pid.equals(node.initPid)) node.exit(pid, 'kill');
    }
    await cluster.settle();
    const left = kept(nodes) + cluster.network.inFlight;
    if (left > 0) throw new Error(`${left} entries are left in the tables`);
  });
}

function kept(nodes: readonly Node[]): number {
  let count = 0;
  for (const { router } of nodes) {
    count += router.aliases.size;
    for (const { name } of nodes) {
      const connection = router.connectedPeer(name);
      if (connection === undefined) continue;
      count += connection.links.size + connection.incoming.size + connection.outgoing.size;
    }
  }
  return count;
}
