// Waiting until nodes agree on a scope, and what is said when they do not.
import { type Node, pg, pubsub } from 'troupe';
import { awaitConverged, createMemoryNetwork, createProbe, type MemoryNetwork } from 'troupe/testing';
import { expect, test } from 'vitest';
import { makeNode } from '../process/helpers.ts';

/** Connected nodes that run the scope `s`. */
async function cluster<Names extends readonly string[]>(
  ...names: Names
): Promise<{ network: MemoryNetwork; nodes: { -readonly [Index in keyof Names]: Node } }> {
  const network = createMemoryNetwork();
  const nodes = names.map((name) => makeNode({ name, carrier: network.carrier(name) }));
  for (const node of nodes) pg.start(node, 's');
  for (const [index, node] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) await node.connect(other.name);
  }
  return { network, nodes: nodes as never };
}

test('waits until every node knows the members of all, and each as often as it has joined', async () => {
  const { nodes } = await cluster('a@cv', 'b@cv', 'c@cv');
  const members = nodes.map((node) => createProbe(node).pid);
  for (const [index, node] of nodes.entries()) {
    for (let times = 0; times <= index; times++) pg.join(node, 's', ['room', 1], members[index] as never);
  }
  await awaitConverged(nodes, 's');
  for (const node of nodes) expect(pg.getMembers(node, 's', ['room', 1])).toHaveLength(6);
});

test('waits for leaves, too, and for members that end', async () => {
  const { nodes } = await cluster('a@cv', 'b@cv');
  const [a, b] = nodes;
  const [leaves, dies] = [createProbe(a), createProbe(a)];
  pg.join(a, 's', 'g', [leaves.pid, leaves.pid, dies.pid]);
  await awaitConverged(nodes, 's');
  pg.leave(a, 's', 'g', leaves.pid);
  dies.stop();
  await awaitConverged(nodes, 's');
  expect(pg.getMembers(b, 's', 'g')).toHaveLength(1);
});

test('the scope of channels when none is named', async () => {
  const network = createMemoryNetwork();
  const nodes = ['a@nova', 'b@nova'].map((name) => makeNode({ name, carrier: network.carrier(name) }));
  for (const node of nodes) pubsub.start(node);
  const [a, b] = nodes as [Node, Node];
  await a.connect(b.name);
  pubsub.join(a, 'news', createProbe(a).pid);
  await awaitConverged(nodes);
  expect(pubsub.getMembers(b, 'news')).toHaveLength(1);
});

test('each side of a split agrees by itself; together they do only when it is healed', async () => {
  const { network, nodes } = await cluster('a@cv', 'b@cv', 'c@cv');
  const [a, b, c] = nodes;
  const [inA, inC] = [createProbe(a), createProbe(c)];
  pg.join(a, 's', 'g', inA.pid);
  pg.join(c, 's', 'g', inC.pid);
  await awaitConverged(nodes, 's');
  network.cut(a.name, c.name);
  network.cut(b.name, c.name);
  await awaitConverged([a, b], 's');
  await awaitConverged([c], 's');
  expect(pg.getMembers(b, 's', 'g').map(String)).toEqual([String(inA.pid)]);
  await expect(awaitConverged(nodes, 's', { withinMs: 20 })).rejects.toThrow(
    `c@cv does not have ${inA.pid.toString()} of a@cv in 'g', which a@cv has`,
  );
  network.heal();
  await c.connect(a.name);
  await c.connect(b.name);
  await awaitConverged(nodes, 's');
  expect(pg.getMembers(c, 's', 'g')).toHaveLength(2);
});

test('when the time is over it lists who is missing, who is gone and who is counted wrongly', async () => {
  const { network, nodes } = await cluster('a@cv', 'b@cv');
  const [a] = nodes;
  const [leaver, twice, late] = [createProbe(a), createProbe(a), createProbe(a)];
  pg.join(a, 's', 'old', leaver.pid);
  pg.join(a, 's', 'g', twice.pid);
  await awaitConverged(nodes, 's');
  network.hold('a@cv', 'b@cv');
  pg.leave(a, 's', 'old', leaver.pid);
  pg.join(a, 's', 'g', [twice.pid, late.pid]);
  const error: unknown = await awaitConverged(nodes, 's', { withinMs: 20 }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'TROUPE_TEST_TIMEOUT' });
  const lines = (error as Error).message.split('\n');
  expect(lines).toContain(`  - b@cv has ${leaver.pid.toString()} of a@cv in 'old', where it no longer is`);
  expect(lines).toContain(`  - b@cv has ${twice.pid.toString()} of a@cv 1 times in 'g', not 2`);
  expect(lines).toContain(`  - b@cv does not have ${late.pid.toString()} of a@cv in 'g', which a@cv has`);
  network.release();
  await awaitConverged(nodes, 's');
});

test('a node where the scope does not run is named', async () => {
  const { nodes } = await cluster('a@cv');
  const other = makeNode({ name: 'other@cv' });
  await expect(awaitConverged([...nodes, other], 's', { withinMs: 20 })).rejects.toThrow(
    'other@cv does not run the scope',
  );
});
