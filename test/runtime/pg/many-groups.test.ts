// A node with very many groups of its own: what it tells a peer goes out in slices, and so does the end of a member of them all.
// How long a slice is, is counted in groups between two runs of another process.
import { setImmediate } from 'node:timers/promises';
import { createNode, GroupJoined, GroupLeft, type Node, pg, type Pid } from 'troupe';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  canonicalText,
  discover,
  leave,
  type NamedGroup,
  sliceLimits,
  Slices,
  sync,
  syncLimits,
} from '../../../src/runtime/pg/internal.ts';
import { Cluster, collector, forever, keys } from '../distribution/cluster.ts';
import { recordTelemetry } from '../process/helpers.ts';
import { SOON, startSite } from '../distribution/erlang/raw-peer.ts';
import { longestRun } from './longest-run.ts';
import { Spy } from './spy.ts';

const MANY = 20_000;
/** How much a group counts in a snapshot. */
const GROUP = 16;

beforeEach(() => {
  const [slices, snapshot] = [{ ...sliceLimits }, { ...syncLimits }];
  onTestFinished(() => {
    Object.assign(sliceLimits, slices);
    Object.assign(syncLimits, snapshot);
  });
});

/** A node with a scope, and one with a spy that it does not know yet. */
async function watched() {
  const cluster = new Cluster();
  const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
  const spy = new Spy(b, 's');
  pg.start(a, 's');
  await cluster.mesh([a, b]);
  return { cluster, a, b, spy };
}

function joinMany(node: Node, pid: Pid, count = MANY): void {
  for (let group = 0; group < count; group++) pg.join(node, 's', `g${group}`, pid);
}

/** What the scope of a node says of its own members, as the spy keeps what it is told. */
function own(node: Node): Map<string, Map<string, number>> {
  return new Map(
    pg.whichLocalGroups(node, 's').map((name) => {
      const counts = new Map<string, number>();
      for (const { key } of pg.getLocalMembers(node, 's', name)) counts.set(key, (counts.get(key) ?? 0) + 1);
      return [canonicalText(name), counts];
    }),
  );
}

test('a snapshot goes out in slices: what changes meanwhile is in it, or comes after it', async () => {
  Object.assign(syncLimits, { pids: 1_000 * GROUP, pidsLater: 100 * GROUP });
  const { cluster, a, spy } = await watched();
  const [one, two] = [forever(a), forever(a)];
  joinMany(a, one);
  spy.clear();
  spy.tell(a, 's', discover(spy.pid));
  while (spy.of('sync').length === 0) await setImmediate();
  expect(spy.of('sync')[0]!.groups.length).toBeLessThan(1_100);
  const sofar = spy.told.get(a.whereis('s')!.key)!.size;
  expect(sofar).toBeLessThan(MANY);
  // In groups that it knows, in groups that it does not know yet, and in a new one.
  for (const group of ['g0', `g${MANY - 1}`, 'new']) pg.join(a, 's', group, [two, two]);
  for (const group of ['g1', `g${MANY - 2}`]) pg.leave(a, 's', group, one);
  pg.join(a, 's', `g${MANY - 2}`, one);
  pg.leave(a, 's', `g${MANY - 3}`, one);
  pg.leave(a, 's', `g${MANY - 1}`, two);
  await cluster.settle();
  expect(spy.faults).toEqual([]);
  expect(spy.told.get(a.whereis('s')!.key)).toEqual(own(a));
  expect(spy.of('sync')).toHaveLength(1);
  // One for each group that the snapshot left out, and those changes alone that the peer could not find in them.
  expect(spy.of('join').filter(({ group }) => group === `g${MANY - 1}`)).toHaveLength(1);
  expect(spy.of('leave').map(({ groups }) => groups)).toEqual([['g1']]);
});

test('a peer that asks again while a snapshot goes out gets another, and each group once in it', async () => {
  Object.assign(syncLimits, { pids: 100 * GROUP, pidsLater: 10 * GROUP });
  const { cluster, a, spy } = await watched();
  joinMany(a, forever(a), 2_000);
  spy.tell(a, 's', discover(spy.pid));
  while (spy.of('join').length === 0) await setImmediate();
  spy.tell(a, 's', discover(spy.pid));
  await cluster.settle();
  expect(spy.of('sync')).toHaveLength(2);
  expect(spy.told.get(a.whereis('s')!.key)).toEqual(own(a));
  expect([...spy.told.get(a.whereis('s')!.key)!.values()].every((pids) => [...pids.values()][0] === 1)).toBe(
    true,
  );
});

test('a peer that goes down during a snapshot is sent no more of it', async () => {
  Object.assign(syncLimits, { pids: 100 * GROUP, pidsLater: 10 * GROUP });
  const { cluster, a, b, spy } = await watched();
  joinMany(a, forever(a), 2_000);
  spy.tell(a, 's', discover(spy.pid));
  while (spy.of('join').length === 0) await setImmediate();
  b.exit(spy.pid, 'kill');
  await cluster.settle();
  expect(spy.of('join').length).toBeLessThan(1_900);
  expect(pg.whichGroups(a, 's')).toHaveLength(2_000);
});

test('the discover that comes right after a first snapshot is not answered by another', async () => {
  const { cluster, a, spy } = await watched();
  pg.join(a, 's', 'g', forever(a));
  spy.clear();
  // As pg.erl answers our discover.
  spy.tell(a, 's', sync(spy.pid, []));
  spy.tell(a, 's', discover(spy.pid));
  await cluster.settle();
  expect(spy.kinds).toEqual(['sync']);
  spy.tell(a, 's', discover(spy.pid));
  await cluster.settle();
  expect(spy.kinds).toEqual(['sync', 'sync']);
});

test('more of a snapshot goes out only when the carrier has sent what it was given', async () => {
  Object.assign(syncLimits, { pids: 100 * GROUP, pidsLater: 100 * GROUP });
  const cluster = new Cluster();
  const carrier = cluster.network.carrier('slow@x');
  let sent = (): void => undefined;
  carrier.drained = () => new Promise((resolve) => (sent = resolve));
  const a = createNode({ name: 'slow@x', carrier });
  onTestFinished(() => a.stop());
  const b = cluster.node('b@x');
  const spy = new Spy(b, 's');
  pg.start(a, 's');
  joinMany(a, forever(a), 350);
  await cluster.mesh([a, b]);
  spy.tell(a, 's', discover(spy.pid));
  const told: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    await cluster.settle();
    told.push(spy.told.get(a.whereis('s')!.key)!.size);
    sent();
  }
  expect(told).toEqual([190, 285, 350, 350]);
});

test('a snapshot that is larger than the send queue goes out as the network takes it', async () => {
  const undeliverable = recordTelemetry('troupe:message:undeliverable');
  const sites = [
    await startSite('large@x', { sendQueue: { maxBytes: 100_000 } }),
    await startSite('other@x'),
  ] as const;
  const [a, b] = [sites[0].node, sites[1].node];
  for (const node of [a, b]) pg.start(node, 's');
  const down: unknown[] = [];
  a.monitorNodes(
    a.spawn({ name: 'w', init: () => undefined, handle: (_s, message) => void down.push(message) }),
    true,
  );
  joinMany(a, forever(a));
  await a.connect(b.name);
  await expect.poll(() => pg.whichGroups(b, 's').length, SOON).toBe(MANY);
  expect(undeliverable).toEqual([]);
  expect(down).toHaveLength(1);
});

test('a member of very many groups leaves them in slices, and reads find it in none', async () => {
  const { cluster, a, spy } = await watched();
  const [one, two] = [forever(a), forever(a)];
  joinMany(a, one);
  pg.join(a, 's', `g${MANY - 1}`, [one, two]);
  spy.tell(a, 's', discover(spy.pid));
  await cluster.settle();
  spy.clear();
  const [before, after] = [collector(a), collector(a)];
  pg.monitorScope(a.find(before.pid)!, 's');
  const end = longestRun(a, 'removeExited');
  a.exit(one, 'kill');
  // In the turn of the exit, and in the middle of the slices.
  for (let turn = 0; turn < 2; turn++) {
    expect(pg.getMembers(a, 's', 'g7777')).toEqual([]);
    expect(keys(pg.getMembers(a, 's', `g${MANY - 1}`))).toEqual(keys([two]));
    expect(pg.getLocalMembers(a, 's', `g${MANY - 2 - turn}`)).toEqual([]);
    expect(pg.whichGroups(a, 's')).toEqual([`g${MANY - 1}`]);
    expect(pg.whichLocalGroups(a, 's')).toEqual([`g${MANY - 1}`]);
    await setImmediate();
  }
  const { groups } = pg.monitorScope(a.find(after.pid)!, 's');
  expect([...groups.keys()]).toEqual([`g${MANY - 1}`]);
  const { members } = pg.monitor(a.find(after.pid)!, 's', 'g9999');
  expect(members).toEqual([]);
  pg.join(a, 's', 'g9999', two);
  while (before.got.length < MANY + 2) await setImmediate();
  expect(end()).toBeLessThan(1_500);
  await cluster.settle();
  const left = before.got.filter((event) => event instanceof GroupLeft);
  // It was in the last one twice.
  expect(left).toHaveLength(MANY + 1);
  expect(new Set(left.map((event) => event.group)).size).toBe(MANY);
  expect(after.got.map((event) => [event instanceof GroupJoined, (event as GroupLeft).group])).toEqual([
    [true, 'g9999'],
    [true, 'g9999'],
  ]);
  expect(spy.faults).toEqual([]);
  expect(spy.told.get(a.whereis('s')!.key)).toEqual(own(a));
});

test('a scope that ends while a member leaves starts again without it', async () => {
  const { cluster, a } = await watched();
  const one = forever(a);
  joinMany(a, one);
  a.exit(one, 'kill');
  a.exit(a.whereis('s')!, 'kill');
  pg.start(a, 's');
  await cluster.settle();
  expect(pg.whichGroups(a, 's')).toEqual([]);
});

/** Takes so many steps. */
function* steps(count: number, done: () => void): Generator<number, void> {
  for (let step = 1; step < count; step++) yield 0;
  done();
}

test('changes that wait behind a snapshot do not become more and more', async () => {
  const { a } = await watched();
  const self = a.find(forever(a))!;
  const slices = new Slices(self);
  let [waiting, most] = [0, 0];
  const one = () => waiting--;
  slices.run(
    'b@x',
    null,
    'snapshot',
    steps(200_000, () => undefined),
  );
  for (let change = 0; change < 100_000; change++) {
    waiting++;
    expect(slices.run('b@x', null, 'change', steps(1, one), 1)).toBe(true);
    most = Math.max(most, waiting);
  }
  expect(most).toBeLessThan(sliceLimits.waiting + 200_000 / 8 + 1);
  expect(waiting).toBeLessThan(sliceLimits.waiting + 1);
});

test('a peer that sends more than may wait is asked for a snapshot, and what it sent before is dropped', async () => {
  Object.assign(sliceLimits, { waiting: 100, mostWaiting: 1_000 });
  const { cluster, a, b, spy } = await watched();
  const pid = forever(b);
  const groups = Array.from({ length: MANY }, (_, index) => [`g${index}`, [pid]] as NamedGroup);
  spy.tell(a, 's', discover(spy.pid));
  await cluster.settle();
  spy.clear();
  const names = groups.map(([name]) => name);
  spy.tell(a, 's', sync(spy.pid, groups));
  // More than may wait in one, behind a snapshot that has begun.
  spy.tell(a, 's', leave(spy.pid, pid, names.slice(0, 2_000)));
  spy.tell(a, 's', leave(spy.pid, pid, names.slice(2_000, 2_010)));
  await cluster.settle();
  expect(spy.kinds).toEqual(['discover', 'discover']);
  // The snapshot that had begun was taken, and nothing that came later.
  expect(pg.whichGroups(a, 's')).toHaveLength(MANY);
  spy.tell(a, 's', sync(spy.pid, groups.slice(0, 10)));
  spy.tell(a, 's', leave(spy.pid, pid, ['g0']));
  await cluster.settle();
  expect(pg.whichGroups(a, 's')).toEqual(names.slice(1, 10));
});
