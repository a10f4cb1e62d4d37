// What tests of several nodes share: nodes on an in-memory network, processes that do nothing but live or keep what they get.
import { createNode, type Node, type NodeOptions, type Pid, TroupeError } from 'troupe';
import { onTestFinished } from 'vitest';
import { createMemoryNetwork, type MemoryNetwork, type MemoryNetworkOptions } from 'troupe/testing';

/** A network whose nodes are stopped when the test ends. */
export class Cluster {
  readonly network: MemoryNetwork;

  constructor(options: MemoryNetworkOptions = {}) {
    this.network = createMemoryNetwork(options);
  }

  /** Starts a node, which knows no other. */
  node(name: string, options: NodeOptions = {}): Node {
    const node = createNode({ ...options, name, carrier: this.network.carrier(name) });
    onTestFinished(() => node.stop());
    return node;
  }

  /** Starts nodes. */
  nodes(...names: readonly string[]): Node[] {
    return names.map((name) => this.node(name));
  }

  /** Connects each of some nodes with all others, and waits until nothing moves. */
  async mesh(nodes: readonly Node[]): Promise<void> {
    for (const [index, node] of nodes.entries()) {
      for (const other of nodes.slice(index + 1)) await node.connect(other.name);
    }
    await this.network.settle();
  }

  settle(): Promise<void> {
    return this.network.settle();
  }
}

/** A process that lives until it is killed. */
export function forever(node: Node): Pid {
  return node.spawn({ name: 'forever', init: () => undefined, handle: () => undefined });
}

/** A process that keeps what it receives. */
export function collector(node: Node, name?: string): { readonly pid: Pid; readonly got: unknown[] } {
  const got: unknown[] = [];
  const pid = node.spawnWith(name === undefined ? {} : { name }, {
    name: 'collector',
    init: () => undefined,
    handle: (_self, message) => {
      got.push(message);
    },
  });
  return { pid, got };
}

/** Pids as texts that are the same on all nodes, in order. */
export function keys(pids: readonly Pid[]): string[] {
  return pids.map(({ key }) => key).toSorted();
}

/** What the error says when a message cannot be encoded; `sent` when it can. */
export function encodeFault(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TroupeError && error.code === 'TROUPE_NOT_ENCODABLE') return error.message;
    throw error;
  }
  return 'sent';
}
