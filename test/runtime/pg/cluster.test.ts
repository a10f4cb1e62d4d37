// pg between nodes. The cases are those of pg_SUITE's group `cluster`, named after them; where that suite calls the scope
// to be sure that a message was handled, these settle the network.
import { describe, expect, test } from 'vitest';
import { type Node, pg, type Pid } from 'troupe';
import { createManualClock } from 'troupe/testing';
import { Cluster, forever, keys } from '../distribution/cluster.ts';
import { protocol } from '../../../src/runtime/pg/internal.ts';

/** Nodes that run the scope `s` and are all connected. */
async function scoped(...names: readonly string[]) {
  const cluster = new Cluster();
  const nodes = cluster.nodes(...names);
  for (const node of nodes) pg.start(node, 's');
  await cluster.mesh(nodes);
  return { cluster, network: cluster.network, nodes };
}

async function two() {
  const { cluster, network, nodes } = await scoped('a@x', 'b@x');
  return { cluster, network, a: nodes[0]!, b: nodes[1]! };
}

function members(node: Node, group: unknown): string[] {
  return keys(pg.getMembers(node, 's', group));
}

function locals(node: Node, group: unknown): string[] {
  return keys(pg.getLocalMembers(node, 's', group));
}

const join = (node: Node, group: unknown, pids: Pid | readonly Pid[]): void =>
  pg.join(node, 's', group, pids);
const leave = (node: Node, group: unknown, pids: Pid | readonly Pid[]) => pg.leave(node, 's', group, pids);

describe('cluster', () => {
  test('two: members are seen on both nodes, until they end', async () => {
    const { cluster, a, b } = await two();
    const pid = forever(a);
    join(a, 'g', pid);
    await cluster.settle();
    expect([members(b, 'g'), locals(b, 'g')]).toEqual([keys([pid]), []]);
    a.exit(pid, 'kill');
    await cluster.settle();
    expect([members(a, 'g'), members(b, 'g')]).toEqual([[], []]);
    const others = [forever(b), forever(b)];
    for (const other of others) join(b, 'g', other);
    await cluster.settle();
    expect([members(a, 'g'), locals(a, 'g'), locals(b, 'g')]).toEqual([keys(others), [], keys(others)]);
    await b.stop();
    await cluster.settle();
    expect(members(a, 'g')).toEqual([]);
    expect(pg.whichGroups(a, 's')).toEqual([]);
  });

  test('process_owner_check, nolocal: processes of another node cannot be joined here', async () => {
    const { cluster, a, b } = await two();
    const [own, other] = [forever(a), forever(b)];
    expect(() => join(a, 'g', other)).toThrow(/TROUPE_NOT_LOCAL/);
    expect(() => join(a, 'g', [own, other])).toThrow(/TROUPE_NOT_LOCAL/);
    expect(() => leave(a, 'g', other)).toThrow(/TROUPE_NOT_LOCAL/);
    join(b, 'g', other);
    await cluster.settle();
    expect(() => leave(a, 'g', pg.getMembers(a, 's', 'g'))).toThrow(/TROUPE_NOT_LOCAL/);
    expect([members(a, 'g'), locals(a, 'g')]).toEqual([keys([other]), []]);
  });

  test('overlay_missing: messages of a scope that has stopped change nothing', async () => {
    const { cluster, a, b } = await two();
    const [own, other] = [forever(a), forever(b)];
    join(a, 'g', own);
    const stopped = b.whereis('s')!;
    b.exit(stopped, 'shutdown');
    await cluster.settle();
    b.send({ name: 's', node: 'a@x' }, protocol.join(stopped, 'g', other));
    await cluster.settle();
    expect(members(a, 'g')).toEqual(keys([own]));
    b.send({ name: 's', node: 'a@x' }, protocol.leave(stopped, other, ['g']));
    await cluster.settle();
    expect(members(a, 'g')).toEqual(keys([own]));
  });

  test('empty_group_by_remote_leave: a group that became empty elsewhere is gone here', async () => {
    const { cluster, a, b } = await two();
    const [one, other] = [forever(b), forever(b)];
    join(b, 'g', one);
    await cluster.settle();
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    leave(b, 'g', one);
    await cluster.settle();
    expect(pg.whichGroups(a, 's')).toEqual([]);
    join(b, 'g', [one, other]);
    leave(b, 'g', [other, one]);
    await cluster.settle();
    expect([pg.whichGroups(a, 's'), members(a, 'g')]).toEqual([[], []]);
  });

  test('initial: a scope that starts later learns what was joined before', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    await cluster.mesh([a, b]);
    pg.start(a, 's');
    const pid = forever(a);
    join(a, 'g', pid);
    pg.start(b, 's');
    await cluster.settle();
    expect([members(b, 'g'), locals(b, 'g')]).toEqual([keys([pid]), []]);
  });

  test('netsplit: each side goes on alone, and both agree afterwards', async () => {
    const { cluster, network, a, b } = await two();
    const old = forever(b);
    join(b, '$invisible', old);
    await cluster.settle();
    network.cut('a@x', 'b@x');
    await cluster.settle();
    expect(members(a, '$invisible')).toEqual([]);
    const [here, there] = [forever(a), forever(b)];
    join(b, 'g', there);
    expect(leave(b, '$invisible', old)).toBe('ok');
    join(b, '$visible', old);
    join(a, 'g', here);
    await cluster.settle();
    expect([a.nodes(), b.nodes()]).toEqual([[], []]);
    expect([members(a, 'g'), members(b, 'g')]).toEqual([keys([here]), keys([there])]);
    network.heal('a@x', 'b@x');
    await a.connect('b@x');
    await cluster.settle();
    for (const node of [a, b]) {
      expect(members(node, 'g')).toEqual(keys([here, there]));
      expect(members(node, '$visible')).toEqual(keys([old]));
      expect(pg.whichGroups(node, 's').map(String).toSorted()).toEqual(['$visible', 'g']);
    }
  });

  test('trisplit: a third node learns of a join made after a flicker', async () => {
    const { cluster, network, a, b } = await two();
    const pid = forever(b);
    join(b, 'three', pid);
    network.drop('a@x', 'b@x');
    await a.connect('b@x');
    join(b, 'one', pid);
    const c = cluster.node('c@x');
    pg.start(c, 's');
    await c.connect('b@x');
    await c.connect('a@x');
    await cluster.settle();
    for (const node of [a, b, c])
      expect([members(node, 'one'), members(node, 'three')]).toEqual([keys([pid]), keys([pid])]);
  });

  test('foursplit: what ended or left during a split stays away', async () => {
    const { cluster, network, a, b } = await two();
    const [pid, other] = [forever(a), forever(b)];
    join(a, 'one', pid);
    join(a, 'two', pid);
    join(b, 'one', other);
    leave(a, 'one', pid);
    expect(leave(a, 'three', pid)).toBe('not_joined');
    await cluster.settle();
    network.cut('a@x', 'b@x');
    b.exit(other, 'kill');
    expect(leave(a, 'three', pid)).toBe('not_joined');
    await cluster.settle();
    network.heal();
    await a.connect('b@x');
    await cluster.settle();
    for (const node of [a, b])
      expect([members(node, 'one'), members(node, 'two')]).toEqual([[], keys([pid])]);
  });

  test('four nodes in two halves, and each alone', async () => {
    const { cluster, network, nodes } = await scoped('a@x', 'b@x', 'c@x', 'd@x');
    const pids = nodes.map((node) => forever(node));
    const all = nodes.flatMap((node, index) =>
      nodes.slice(index + 1).map((other) => [node.name, other.name] as const),
    );
    nodes.forEach((node, index) => join(node, 'g', pids[index]!));
    await cluster.settle();
    const across = all.filter(([one, other]) => one < 'c' !== other < 'c');
    for (const [one, other] of across) network.cut(one, other);
    await cluster.settle();
    expect(nodes.map((node) => members(node, 'g'))).toEqual(
      [pids.slice(0, 2), pids.slice(0, 2), pids.slice(2), pids.slice(2)].map(keys),
    );
    for (const [one, other] of all) network.cut(one, other);
    await cluster.settle();
    expect(nodes.map((node) => members(node, 'g'))).toEqual(pids.map((pid) => keys([pid])));
    network.heal();
    await cluster.mesh(nodes);
    for (const node of nodes) expect(members(node, 'g')).toEqual(keys(pids));
  });

  test('exchange: three nodes, groups of many members', async () => {
    const { cluster, network, nodes } = await scoped('a@x', 'b@x', 'c@x');
    const [a, b, c] = nodes as [Node, Node, Node];
    const make = (node: Node, count: number) => Array.from({ length: count }, () => forever(node));
    const [tenOfB, tenOfC, third] = [make(b, 10), make(c, 10), make(b, 10)];
    join(b, 'g', tenOfB);
    await cluster.settle();
    expect(members(a, 'g')).toEqual(keys(tenOfB));
    for (const pid of tenOfB.slice(0, 3)) b.exit(pid, 'kill');
    a.disconnect('b@x');
    a.disconnect('c@x');
    await cluster.settle();
    expect(members(a, 'g')).toEqual([]);
    for (const pid of tenOfC) join(c, 'g', pid);
    for (const pid of third) join(b, 'second', pid);
    join(b, 'third', third);
    await cluster.mesh(nodes);
    expect(members(a, 'g')).toEqual(keys([...tenOfB.slice(3), ...tenOfC]));
    expect([members(a, 'second'), members(a, 'third')]).toEqual([keys(third), keys(third)]);
    expect(leave(b, 'third', third.slice(0, 3))).toBe('ok');
    await cluster.settle();
    expect(members(a, 'third')).toEqual(keys(third.slice(3)));
    expect(leave(b, 'left', third)).toBe('not_joined');
    expect(leave(b, 'third', third.slice(3))).toBe('ok');
    await cluster.settle();
    expect(members(a, 'third')).toEqual([]);
    expect(network.inFlight).toBe(0);
  });

  test('double: a pid that joined twice is seen twice', async () => {
    const { cluster, a, b } = await two();
    const pid = forever(a);
    join(a, 'g', pid);
    join(a, 'g', [pid]);
    await cluster.settle();
    expect(members(b, 'g')).toEqual(keys([pid, pid]));
  });

  test('group_leave: one that joined 16 times leaves four times, then its node stops', async () => {
    const { cluster, a, b } = await two();
    const pid = forever(b);
    const total = Array.from({ length: 16 }, () => pid);
    join(b, 'two', total);
    leave(b, 'two', total.slice(0, 4));
    await cluster.settle();
    expect(members(a, 'two')).toEqual(keys(total.slice(4)));
    await b.stop();
    await cluster.settle();
    expect(members(a, 'two')).toEqual([]);
  });

  test('scope_restart: members of other nodes come back, local ones do not', async () => {
    const { cluster, a, b } = await two();
    const [pid, other] = [forever(a), forever(b)];
    join(a, 'g', [pid, pid]);
    join(b, 'g', other);
    await cluster.settle();
    expect(members(a, 'g')).toEqual(keys([pid, pid, other]));
    a.exit(a.whereis('s')!, 'kill');
    pg.start(a, 's');
    await cluster.settle();
    expect([members(a, 'g'), members(b, 'g')]).toEqual([keys([other]), keys([other])]);
    join(a, 'g', pid);
    await cluster.settle();
    expect(members(b, 'g')).toEqual(keys([pid, other]));
  });

  test('missing_scope_join: no scope, no members', async () => {
    const { a, b } = await two();
    b.exit(b.whereis('s')!, 'kill');
    expect(() => join(b, 'g', forever(b))).toThrow(/TROUPE_NO_SCOPE/);
    expect(() => leave(b, 'g', forever(b))).toThrow(/TROUPE_NO_SCOPE/);
    expect(a.isAlive(a.whereis('s')!)).toBe(true);
  });

  test('disconnected_start: a scope starts and stops without a connection', async () => {
    const { cluster, a, b } = await two();
    a.disconnect('b@x');
    await cluster.settle();
    for (let round = 0; round < 2; round++) {
      b.exit(b.whereis('s')!, 'kill');
      pg.start(b, 's');
    }
    await cluster.settle();
    expect(a.nodes()).toEqual([]);
    expect(b.nodes()).toEqual([]);
  });

  test('forced_sync: a snapshot replaces what was known, and discover asks for one', async () => {
    const { cluster, a, b } = await two();
    const [pid, other] = [forever(a), forever(b)];
    join(a, 'one', pid);
    join(b, 'one', other);
    await cluster.settle();
    // White box: one group is gone, one replaced, one stays.
    const fake = [
      ['one', [other, other]],
      ['g', [other, other]],
    ] as const;
    b.send({ name: 's', node: 'a@x' }, protocol.sync(b.whereis('s')!, fake));
    await cluster.settle();
    expect(members(a, 'g')).toEqual(keys([other, other]));
    expect(members(a, 'one')).toEqual(keys([other, other, pid]));
    a.send({ name: 's', node: 'b@x' }, protocol.discover(a.whereis('s')!));
    await cluster.settle();
    expect([members(a, 'g'), members(a, 'one')]).toEqual([[], keys([pid, other])]);
  });

  test('a view is not transitive: nodes that are not connected do not see each other', async () => {
    const cluster = new Cluster();
    const nodes = cluster.nodes('a@x', 'b@x', 'c@x');
    const [a, b, c] = nodes as [Node, Node, Node];
    for (const node of nodes) pg.start(node, 's');
    await a.connect('b@x');
    await b.connect('c@x');
    const pids = nodes.map((node) => forever(node));
    nodes.forEach((node, index) => join(node, 'g', pids[index]!));
    await cluster.settle();
    expect(members(b, 'g')).toEqual(keys(pids));
    expect([members(a, 'g'), members(c, 'g')]).toEqual([keys(pids.slice(0, 2)), keys(pids.slice(1))]);
  });

  test('a node that crashed and came back has only what joined since', async () => {
    const { cluster, network, a, b } = await two();
    join(b, 'g', forever(b));
    await cluster.settle();
    network.crash('b@x');
    const again = cluster.node('b@x');
    pg.start(again, 's');
    const pid = forever(again);
    join(again, 'g', pid);
    await again.connect('a@x');
    await cluster.settle();
    expect([members(a, 'g'), members(again, 'g')]).toEqual([keys([pid]), keys([pid])]);
  });
});

describe('finding the scope of another node', () => {
  test('one that is started late, and one that is started again', async () => {
    const clock = createManualClock();
    const cluster = new Cluster({ clock });
    const a = cluster.node('a@x', { clock });
    const b = cluster.node('b@x', { clock });
    pg.start(a, 's');
    const pid = forever(a);
    join(a, 'g', pid);
    await cluster.mesh([a, b]);
    // As a hidden node to a scope of OTP: it is not told that we are there, and does not ask.
    const seen: unknown[] = [];
    const listen = () =>
      b.spawnWith(
        { name: 's' },
        { name: 'deaf scope', init: () => undefined, handle: (_self, m) => void seen.push(m) },
      );
    await cluster.settle();
    listen();
    await clock.advance(999);
    await cluster.settle();
    expect(seen).toEqual([]);
    await clock.advance(1);
    await cluster.settle();
    expect(seen).toHaveLength(1);
    b.exit(b.whereis('s')!, 'kill');
    listen();
    await cluster.settle();
    expect(seen).toHaveLength(2);
    expect(a.isAlive(a.whereis('s')!)).toBe(true);
  });

  test('asks less and less often for one that is not there, and no more when the node is gone', async () => {
    const clock = createManualClock();
    const cluster = new Cluster({ clock });
    const a = cluster.node('a@x', { clock });
    const b = cluster.node('b@x');
    const monitored: number[] = [];
    const scope = a.find(pg.start(a, 's'))!;
    const { monitor } = scope;
    scope.monitor = (target) => {
      monitored.push(clock.now());
      return monitor.call(scope, target);
    };
    await cluster.mesh([a, b]);
    for (let second = 0; second < 120; second++) {
      await clock.advance(1_000);
      await cluster.settle();
    }
    expect(monitored.map((at) => at / 1_000)).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
    cluster.network.cut('a@x', 'b@x');
    await cluster.settle();
    for (let second = 0; second < 60; second++) await clock.advance(1_000);
    expect(monitored).toHaveLength(8);
    expect(a.nodes()).toEqual([]);
  });
});
