// An Elixir node in the same groups: orders made here reach a GenServer there, and what it broadcasts reaches processes here. It starts
// `elixir` with examples/elixir-node.exs, so Elixir has to be installed. Run it with `npx tsx examples/elixir-node.ts`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { atom, call, createNode, defineChannel, GroupJoined, matching, pg, pubsub } from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';

const COOKIE = 'a secret of all nodes';

// With atoms for keys on the wire, as an Elixir program expects them: %{id: 1, total: 30}.
const orders = defineChannel<{ placed: { id: number; total: number }; paid: { id: number } }>('orders', {
  atomKeys: ['id', 'total'],
});

// This node, which is also the epmd of the two.
const epmdPort = await freePort();
const carrier = createErlangCarrier({ cookie: COOKIE, epmdPort });
const node = createNode({ name: 'shop@127.0.0.1', carrier });
await carrier.ready();
pubsub.start(node);
const paid = new Promise<number[]>((resolve) => {
  node.spawn(async (self) => {
    orders.join(self);
    const ids: number[] = [];
    while (ids.length < 2) ids.push((await self.receive(orders.matching('paid'))).payload.id);
    resolve(ids);
  });
});
const till = new Promise<void>((resolve) => {
  node.spawn(async (self) => {
    pg.monitor(self, 'nova_scope', atom('orders'));
    let joined: GroupJoined;
    do joined = await self.receive(matching(GroupJoined));
    while (joined.pids.every((pid) => pid.node === node.name)); // until it is the GenServer
    resolve();
  });
});

// The other.
const elixir = spawn(
  'elixir',
  [
    '--name',
    'till@127.0.0.1',
    '--cookie',
    COOKIE,
    '--hidden',
    '--erl',
    '-start_epmd false',
    `${import.meta.dirname}/elixir-node.exs`,
  ],
  { env: { ...process.env, ERL_EPMD_PORT: String(epmdPort) }, stdio: ['pipe', 'inherit', 'inherit'] },
);
const ended = once(elixir, 'exit');
await Promise.race([till, ended.then(() => Promise.reject(new Error('elixir ended')))]);

orders.broadcast(node, 'placed', { id: 1, total: 30 });
orders.broadcast(node, 'placed', { id: 2, total: 12 });
console.log(
  'total, says Elixir:',
  await call(node, { name: 'Elixir.Till', node: 'till@127.0.0.1' }, 'total', undefined),
);
console.log('paid, says Troupe:', (await paid).join(', '));
elixir.stdin.end(); // it ends with its input
await ended;
await node.stop();

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

// Prints:
// total, says Elixir: 42
// paid, says Troupe: 1, 2
