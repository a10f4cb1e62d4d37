// What a peer tells of very many groups is taken in slices, with all else in between: counted in steps between two runs of others.
import { setImmediate } from 'node:timers/promises';
import { GroupJoined, GroupLeft, type Node, pg, type Pid } from 'troupe';
import { expect, test } from 'vitest';
import { discover, join, leave, type NamedGroup, sync } from '../../../src/runtime/pg/internal.ts';
import { Cluster, collector, forever, keys } from '../distribution/cluster.ts';
import { longestRun } from './longest-run.ts';
import { Spy } from './spy.ts';

const MANY = 20_000;

/** A node with a scope whose peer is a spy, and one with a scope of its own. */
async function watched() {
  const cluster = new Cluster();
  const [a, b, c] = cluster.nodes('a@x', 'b@x', 'c@x') as [Node, Node, Node];
  const spy = new Spy(b, 's');
  for (const node of [a, c]) pg.start(node, 's');
  await cluster.mesh([a, b, c]);
  const pid = forever(b);
  const tell = (...messages: readonly unknown[]) => {
    for (const message of messages) spy.tell(a, 's', message);
  };
  tell(discover(spy.pid));
  await cluster.settle();
  const follower = collector(a);
  pg.monitorScope(a.find(follower.pid)!, 's');
  const events = () =>
    follower.got.map((event) => {
      if (event instanceof GroupJoined) return `+${String(event.group)}`;
      return event instanceof GroupLeft ? `-${String(event.group)}` : 'other';
    });
  return { cluster, a, b, c, spy, tell, pid, events };
}

function groupsOf(pid: Pid, from = 0, to = MANY): NamedGroup[] {
  return Array.from({ length: to - from }, (_, index) => [`g${from + index}`, [pid]] as const);
}

/** Goes on until the scope has begun with a snapshot, and is in the middle of it. */
async function underWay(node: Node): Promise<number> {
  while (pg.whichGroups(node, 's').length === 0) await setImmediate();
  return pg.whichGroups(node, 's').length;
}

test('between two slices of a snapshot, and of what replaces it, other processes have their turn', async () => {
  const { cluster, a, spy, tell, pid, events } = await watched();
  const end = longestRun(a, 'joinRemote', 'leaveRemote');
  tell(sync(spy.pid, groupsOf(pid)));
  while (pg.whichGroups(a, 's').length < MANY) await setImmediate();
  tell(sync(spy.pid, groupsOf(pid, MANY - 1, MANY)));
  while (pg.whichGroups(a, 's').length > 1) await setImmediate();
  expect(end()).toBeLessThan(1_500);
  await cluster.settle();
  expect(events()).toHaveLength(2 * MANY - 1);
});

test('one of some hundred groups is taken in the turn in which it comes', async () => {
  const { cluster, a, spy, tell, pid } = await watched();
  const seen = new Set<number>();
  const watcher = longestRun(a, 'joinRemote', 'leaveRemote');
  tell(sync(spy.pid, groupsOf(pid, 0, 900)));
  while (!seen.has(900)) {
    seen.add(pg.whichGroups(a, 's').length);
    await setImmediate();
  }
  expect([...seen].filter((count) => count > 0)).toEqual([900]);
  expect(watcher()).toBe(900);
  await cluster.settle();
});

test('what the peer tells meanwhile waits, and others do not', async () => {
  const { cluster, a, c, spy, tell, pid, events } = await watched();
  const [own, theirs] = [forever(a), forever(c)];
  const last = `g${MANY - 1}`;
  tell(sync(spy.pid, groupsOf(pid)), leave(spy.pid, pid, [last]), join(spy.pid, 'later', pid));
  expect(await underWay(a)).toBeLessThan(MANY);
  pg.join(c, 's', 'theirs', theirs);
  pg.join(a, 's', last, own);
  expect(keys(pg.getMembers(a, 's', last))).toEqual(keys([own]));
  while (pg.getMembers(a, 's', 'theirs').length === 0) await setImmediate();
  expect(pg.whichGroups(a, 's').length).toBeLessThan(MANY);
  await cluster.settle();
  expect(pg.whichGroups(a, 's')).toHaveLength(MANY + 2);
  expect(keys(pg.getMembers(a, 's', last))).toEqual(keys([own]));
  // Each change once: our own and theirs, those of the snapshot, and then what came after it.
  expect(events().slice(-2)).toEqual([`-${last}`, '+later']);
  expect(events().filter((event) => event.startsWith('+'))).toHaveLength(MANY + 3);
  expect(new Set(events()).size).toBe(events().length - 1);
});

test('a peer that goes down during the slices drops the rest', async () => {
  const { cluster, a, b, spy, tell, pid, events } = await watched();
  tell(sync(spy.pid, groupsOf(pid)), join(spy.pid, 'later', pid));
  await underWay(a);
  b.exit(spy.pid, 'kill');
  await cluster.settle();
  expect(pg.whichGroups(a, 's')).toEqual([]);
  const joined = events().filter((event) => event.startsWith('+'));
  expect(joined.length).toBeLessThan(MANY);
  expect(joined).not.toContain('+later');
  expect(events().filter((event) => event.startsWith('-'))).toHaveLength(joined.length);
});

test('a scope that is started again during the slices: the old one is forgotten first, and then the new one heard', async () => {
  const { cluster, a, b, spy, tell, pid, events } = await watched();
  tell(sync(spy.pid, groupsOf(pid)));
  while ((await underWay(a)) < 5_000) await setImmediate();
  b.exit(spy.pid, 'kill');
  pg.start(b, 's');
  pg.join(b, 's', 'g0', pid);
  await cluster.settle();
  expect(pg.whichGroups(a, 's')).toEqual(['g0']);
  expect(keys(pg.getMembers(a, 's', 'g0'))).toEqual(keys([pid]));
  expect(events().filter((event) => event.endsWith('g0'))).toEqual(['+g0', '-g0', '+g0']);
  expect(events().at(-1)).toBe('+g0');
});

test('of snapshots that wait, the last counts', async () => {
  const { cluster, a, spy, tell, pid, events } = await watched();
  const flood = Array.from({ length: 20 }, (_, index) => [
    sync(spy.pid, groupsOf(pid, 0, 2_000 + index)),
    join(spy.pid, `dropped ${index}`, pid),
  ]);
  tell(sync(spy.pid, groupsOf(pid)), ...flood.flat(), sync(spy.pid, groupsOf(pid, 0, 10)));
  await cluster.settle();
  expect(pg.whichGroups(a, 's')).toHaveLength(10);
  // The first goes to its end, and then what differs in the last.
  expect(events()).toHaveLength(MANY + MANY - 10);
});

test('a group of very many members is taken in parts, each announced once', async () => {
  const { cluster, a, spy, tell, pid } = await watched();
  const other = forever(a);
  const pids = Array.from({ length: MANY * 10 }, () => pid);
  tell(sync(spy.pid, [['big', pids]]));
  expect(await underWay(a)).toBe(1);
  expect(pg.getMembers(a, 's', 'big').length).toBeLessThan(pids.length);
  pg.join(a, 's', 'big', other);
  await cluster.settle();
  expect(pg.getMembers(a, 's', 'big')).toHaveLength(pids.length + 1);
  tell(sync(spy.pid, [['big', [pid]]]));
  await cluster.settle();
  expect(keys(pg.getMembers(a, 's', 'big'))).toEqual(keys([pid, other]));
});
