// Following groups and scopes: pg:monitor/2, pg:monitor_scope/1, pg:demonitor/2.
import { describe, expect, test } from 'vitest';
import { GroupJoined, GroupLeft, matching, type Node, pg, type Pid, Ref } from 'troupe';
import { Cluster, collector, forever, keys } from '../distribution/cluster.ts';
import { inProcess, makeNode } from '../process/helpers.ts';

function scoped(): Node {
  const node = makeNode();
  pg.start(node, 's');
  return node;
}

/** Events in short: what happened, where, to how many. */
function shorten(events: readonly unknown[]): unknown[] {
  return events.map((event) => {
    if (event instanceof GroupJoined) return ['join', event.group, keys(event.pids)];
    if (event instanceof GroupLeft) return ['leave', event.group, keys(event.pids)];
    return event;
  });
}

describe('monitor', () => {
  test('answers the members and tells what changes in that group', async () => {
    const node = scoped();
    const [one, two] = [forever(node), forever(node)];
    pg.join(node, 's', 'g', one);
    const follower = collector(node);
    const { ref, members } = pg.monitor(node.find(follower.pid)!, 's', 'g');
    expect(ref).toBeInstanceOf(Ref);
    expect(members).toEqual([one]);
    pg.join(node, 's', 'other', two);
    pg.join(node, 's', 'g', [two, two]);
    pg.leave(node, 's', 'g', [two, one, one]);
    node.exit(two, 'kill');
    await inProcess(node, () => undefined);
    expect(shorten(follower.got)).toEqual([
      ['join', 'g', keys([two, two])],
      ['leave', 'g', keys([one, two])],
      ['leave', 'g', keys([two])],
    ]);
    expect(follower.got.every((event) => (event as GroupJoined).ref.equals(ref))).toBe(true);
  });

  test('follows a group that does not exist yet, and each monitor tells of its own', async () => {
    const node = scoped();
    const follower = collector(node);
    const self = node.find(follower.pid)!;
    expect(pg.monitor(self, 's', ['compound', 1]).members).toEqual([]);
    pg.monitor(self, 's', ['compound', 1]);
    const pid = forever(node);
    pg.join(node, 's', ['compound', 1n], pid);
    pg.leave(node, 's', ['compound', 1], pid);
    pg.join(node, 's', ['compound', 1], pid);
    await inProcess(node, () => undefined);
    expect(follower.got).toHaveLength(6);
  });

  test('a string and a number that look alike are not confused', async () => {
    const node = scoped();
    const follower = collector(node);
    pg.monitor(node.find(follower.pid)!, 's', 'i1;');
    pg.join(node, 's', 1, forever(node));
    await inProcess(node, () => undefined);
    expect(follower.got).toEqual([]);
  });

  test('a process can follow a group and be in it, and its end disturbs no other (erlang/otp#7625)', async () => {
    const node = scoped();
    const other = collector(node);
    pg.monitor(node.find(other.pid)!, 's', 'g');
    const both = forever(node);
    pg.monitor(node.find(both)!, 's', 'g');
    pg.monitorScope(node.find(both)!, 's');
    pg.join(node, 's', 'g', both);
    node.exit(both, 'kill');
    await inProcess(node, () => undefined);
    expect(shorten(other.got)).toEqual([
      ['join', 'g', keys([both])],
      ['leave', 'g', keys([both])],
    ]);
    expect(node.isAlive(node.whereis('s')!)).toBe(true);
  });

  test('one that has ended is forgotten', () => {
    const node = scoped();
    const pid = forever(node);
    const scope = node.find(node.whereis('s')!)!;
    pg.monitor(node.find(pid)!, 's', 'g');
    node.exit(pid, 'kill');
    expect(() => pg.join(node, 's', 'g', forever(node))).not.toThrow();
    expect(scope.alive).toBe(true);
  });
});

describe('monitorScope', () => {
  test('answers all groups of all nodes, and tells what changes', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    for (const node of [a, b]) pg.start(node, 's');
    await cluster.mesh([a, b]);
    const [one, other] = [forever(a), forever(b)];
    pg.join(a, 's', 'g', one);
    pg.join(b, 's', 'g', other);
    await cluster.settle();
    const follower = collector(a);
    const { groups } = pg.monitorScope(a.find(follower.pid)!, 's');
    expect([...groups].map(([group, pids]) => [group, keys(pids)])).toEqual([['g', keys([one, other])]]);
    pg.join(a, 's', { kind: 'room' }, one);
    await cluster.settle();
    pg.join(b, 's', 'h', other);
    pg.leave(b, 's', 'g', other);
    await cluster.settle();
    expect(shorten(follower.got)).toEqual([
      ['join', { kind: 'room' }, keys([one])],
      ['join', 'h', keys([other])],
      ['leave', 'g', keys([other])],
    ]);
  });

  test('snapshot and events together are the state, whatever happens to a peer', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    for (const node of [a, b]) pg.start(node, 's');
    const follower = collector(a);
    const { groups } = pg.monitorScope(a.find(follower.pid)!, 's');
    const counted = new Map<unknown, string[]>([...groups].map(([group, pids]) => [group, keys(pids)]));
    await cluster.mesh([a, b]);
    const pids = [forever(b), forever(b)];
    pg.join(b, 's', 'g', [...pids, ...pids]);
    await cluster.settle();
    cluster.network.cut('a@x', 'b@x');
    await cluster.settle();
    pg.leave(b, 's', 'g', pids);
    pg.join(b, 's', 'h', pids);
    cluster.network.heal();
    await cluster.mesh([a, b]);
    b.exit(b.whereis('s')!, 'kill');
    pg.start(b, 's');
    pg.join(b, 's', 'h', pids[0]!);
    await cluster.settle();
    for (const event of follower.got as Array<GroupJoined | GroupLeft>) replay(counted, event);
    expect([...counted].filter(([, members]) => members.length > 0)).toEqual([['h', keys([pids[0]!])]]);
    expect(keys(pg.getMembers(a, 's', 'h'))).toEqual(keys([pids[0]!]));
  });
});

describe('demonitor', () => {
  test('ends following and takes its messages away, and only those', async () => {
    const node = scoped();
    const pid = forever(node);
    await inProcess(node, async (self) => {
      const first = pg.monitor(self, 's', 'g').ref;
      const second = pg.monitor(self, 's', 'g').ref;
      pg.join(self, 's', 'g', pid);
      self.send(self.pid, 'kept');
      pg.leave(self, 's', 'g', pid);
      expect(self.mailboxLength).toBe(5);
      expect(pg.demonitor(self, 's', first)).toBe(true);
      expect(self.mailboxLength).toBe(3);
      expect(pg.demonitor(self, 's', first)).toBe(false);
      pg.join(self, 's', 'g', pid);
      const events = [
        await self.receive(matching(GroupJoined)),
        await self.receive(matching(GroupLeft)),
        await self.receive(matching(GroupJoined)),
      ];
      expect(events.every((event) => event.ref.equals(second))).toBe(true);
      expect(await self.receive()).toBe('kept');
    });
  });

  test('of a scope; of a ref of another process; of a value other than a monitor', async () => {
    const node = scoped();
    const [mine, other] = [collector(node), collector(node)];
    const [self, stranger] = [node.find(mine.pid)!, node.find(other.pid)!];
    const { ref } = pg.monitorScope(self, 's');
    expect(pg.demonitor(stranger, 's', ref)).toBe(false);
    expect(pg.demonitor(self, 's', node.makeRef())).toBe(false);
    expect(pg.demonitor(self, 's', ref)).toBe(true);
    pg.join(node, 's', 'g', mine.pid);
    await inProcess(node, () => undefined);
    expect(mine.got).toEqual([]);
  });
});

function replay(counted: Map<unknown, string[]>, event: GroupJoined | GroupLeft): void {
  const members = counted.get(event.group) ?? [];
  const pids: readonly Pid[] = event.pids;
  if (event instanceof GroupJoined) {
    counted.set(event.group, [...members, ...keys(pids)].toSorted());
    return;
  }
  for (const key of keys(pids)) {
    expect(members).toContain(key);
    members.splice(members.indexOf(key), 1);
  }
  counted.set(event.group, members);
}
