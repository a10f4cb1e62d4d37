// The tests of links, monitors, messages and calls between nodes, over sockets: what they say of the network in memory holds
// for the carrier that speaks Erlang's protocol. The nodes have no services, as those of the other network.
import { vi } from 'vitest';
import type { Services } from '../../../../src/runtime/distribution/erlang/internal.ts';

vi.mock('../cluster.ts', async (original) => ({
  ...(await original<object>()),
  Cluster: (await import('./tcp-cluster.ts')).Cluster,
}));
vi.mock('../../../../src/runtime/distribution/erlang/services/index.ts', () => ({
  createServices: (): Services => ({
    attach: () => undefined,
    peerUp: () => undefined,
    peerDown: () => undefined,
    systemCall: (_peer, _message, deliver) => deliver(),
    givesBareState: () => Promise.resolve(false),
    spawnRequest: () => undefined,
    spawnReply: () => undefined,
    close: () => undefined,
  }),
}));

await import('../links.test.ts');
await import('../router.test.ts');
