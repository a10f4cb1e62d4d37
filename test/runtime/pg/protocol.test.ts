// The exchange with peers, seen from a peer that follows pg.erl of OTP 25 and notes what is said; and what a scope
// survives. The dangers are those that crash OTP's own scope: a leave of what it has not recorded, an unknown message.
import { describe, expect, test } from 'vitest';
import { Down, GroupJoined, GroupLeft, type Node, NodeUp, pg, Pid } from 'troupe';
import { RemoteCall, SYSTEM } from '../../../src/runtime/otp/call.ts';
import { Discover, Join, Leave, Sync } from '../../../src/runtime/pg/protocol.ts';
import { collector, Cluster, forever, keys } from '../distribution/cluster.ts';
import { recordTelemetry } from '../process/helpers.ts';
import { Spy } from './spy.ts';

/** A node with a scope, and one with a spy in its place; they are connected, and nothing was said yet but by us. */
async function watched() {
  const cluster = new Cluster();
  const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
  const spy = new Spy(b, 's');
  pg.start(a, 's');
  await cluster.mesh([a, b]);
  const tell = async (...messages: readonly unknown[]) => {
    for (const message of messages) spy.tell(a, 's', message);
    await cluster.settle();
  };
  return { cluster, a, b, spy, tell, scope: a.whereis('s')! };
}

describe('what a peer is told', () => {
  test('first it is discovered, and nothing else before it has answered', async () => {
    const { cluster, a, spy, scope } = await watched();
    expect(spy.kinds).toEqual(['Discover']);
    expect((spy.got[0] as Discover).peer.equals(scope)).toBe(true);
    const pid = forever(a);
    pg.join(a, 's', 'g', pid);
    pg.leave(a, 's', 'g', pid);
    await cluster.settle();
    expect(spy.kinds).toEqual(['Discover']);
  });

  test('its discover is answered by a snapshot, a monitor, and a discover; then changes follow', async () => {
    const { cluster, a, spy, tell, scope } = await watched();
    const [one, two] = [forever(a), forever(a)];
    pg.join(a, 's', 'g', [one, two, one]);
    pg.join(a, 's', 'h', two);
    spy.clear();
    await tell(new Discover(spy.pid));
    expect(spy.kinds).toEqual(['Sync', 'Discover']);
    expect((spy.got[0] as Sync).groups.map(([group, pids]) => [group, keys(pids)])).toEqual([
      ['g', keys([one, one, two])],
      ['h', keys([two])],
    ]);
    pg.join(a, 's', 'i', one);
    pg.join(a, 's', 'i', [one, two]);
    pg.leave(a, 's', 'g', [two, two]);
    a.exit(one, 'kill');
    await cluster.settle();
    expect(spy.got.slice(2)).toEqual([
      new Join(expect.anything() as never, 'i', expect.any(Pid) as never),
      new Join(expect.anything() as never, 'i', [expect.any(Pid), expect.any(Pid)] as never),
      new Leave(expect.anything() as never, expect.any(Pid) as never, ['g']),
      new Leave(expect.anything() as never, expect.any(Pid) as never, expect.anything() as never),
    ]);
    expect((spy.got.at(-1) as Leave).groups.map(String).toSorted()).toEqual(['g', 'g', 'i', 'i']);
    expect(spy.faults).toEqual([]);
    a.exit(scope, 'kill');
    await cluster.settle();
  });

  test('the discover of OTP 29, with a version, is answered as that of version 0', async () => {
    const { spy, tell } = await watched();
    spy.clear();
    await tell(new Discover(spy.pid, 1));
    expect(spy.kinds).toEqual(['Sync', 'Discover']);
  });

  test('a discover of one that is known is answered by a snapshot alone', async () => {
    const { spy, tell } = await watched();
    await tell(new Discover(spy.pid));
    spy.clear();
    await tell(new Discover(spy.pid));
    expect(spy.kinds).toEqual(['Sync']);
  });

  test('one that sends a snapshot without asking gets one, too', async () => {
    const { a, spy, tell } = await watched();
    pg.join(a, 's', 'g', forever(a));
    spy.clear();
    await tell(new Sync(spy.pid, []));
    expect(spy.kinds).toEqual(['Sync']);
  });

  test('nothing is sent over a later connection before a new exchange', async () => {
    const { cluster, a, b, spy, tell } = await watched();
    const pid = forever(a);
    pg.join(a, 's', 'g', pid);
    await tell(new Discover(spy.pid));
    cluster.network.drop('a@x', 'b@x');
    await b.connect('a@x');
    // As a real one, the spy forgets with the connection.
    spy.told.clear();
    spy.clear();
    // The scope has not handled the end of the connection: its process runs later.
    pg.leave(a, 's', 'g', pid);
    await cluster.settle();
    expect(spy.kinds).toEqual(['Discover']);
    expect(spy.faults).toEqual([]);
  });

  test('a change makes no connection', async () => {
    const { cluster, a, spy, tell } = await watched();
    await tell(new Discover(spy.pid));
    cluster.network.drop('a@x', 'b@x');
    while (a.nodes().length > 0) await new Promise((resolve) => setImmediate(resolve));
    pg.join(a, 's', 'g', forever(a));
    await cluster.settle();
    expect(a.nodes()).toEqual([]);
  });
});

describe('what a scope survives', () => {
  test('joins and leaves of one that is not known are left out', async () => {
    const { a, b, spy, tell } = await watched();
    const events = recordTelemetry('troupe:pg:bad_message');
    await tell(new Join(spy.pid, 'g', forever(b)), new Leave(spy.pid, forever(b), ['g']));
    expect(pg.whichGroups(a, 's')).toEqual([]);
    expect(events).toEqual([]);
  });

  test('leaves of groups and pids that were never told', async () => {
    const { a, b, spy, tell, scope } = await watched();
    const [one, two] = [forever(b), forever(b)];
    await tell(new Discover(spy.pid), new Join(spy.pid, 'g', one));
    await tell(new Leave(spy.pid, two, ['g', 'h']), new Leave(spy.pid, [two, one, one], ['h', 'g', 'g']));
    expect(pg.whichGroups(a, 's')).toEqual([]);
    expect(a.isAlive(scope)).toBe(true);
  });

  test('empty joins, leaves and groups make no group', async () => {
    const { a, b, spy, tell } = await watched();
    const pid = forever(b);
    await tell(
      new Sync(spy.pid, [
        ['empty', []],
        ['g', [pid]],
      ]),
      new Join(spy.pid, 'none', []),
      new Leave(spy.pid, [], ['g', 'none']),
    );
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
  });

  test('a group named twice in a snapshot has the members of both', async () => {
    const { a, b, spy, tell } = await watched();
    const [one, two] = [forever(b), forever(b)];
    await tell(
      new Sync(spy.pid, [
        ['g', [one]],
        ['g', [two, one]],
      ]),
    );
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([one, two, one]));
  });

  test('pids that do not live on the node of the peer are left out', async () => {
    const { a, b, spy, tell } = await watched();
    const pid = forever(b);
    const stranger = new Pid(
      Object.assign(Object.create(Object.getPrototypeOf(pid.origin)), pid.origin, { node: 'c@x' }),
      1,
      0,
    );
    await tell(new Sync(spy.pid, [['g', [pid, forever(a), stranger]]]), new Join(spy.pid, 'h', a.initPid));
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
  });

  test('anything else is published and left out', async () => {
    const { a, b, spy, tell, scope } = await watched();
    const events = recordTelemetry('troupe:pg:bad_message');
    const pid = forever(b);
    await tell(new Discover(spy.pid));
    const bad = [
      'garbage',
      ['discover', spy.pid],
      { join: 1 },
      new Discover('me' as never),
      new Sync(spy.pid, 'groups' as never),
      new Sync(spy.pid, ['g'] as never),
      new Sync(spy.pid, [['g', 'pids']] as never),
      new Sync(7 as never, []),
      new Join(spy.pid, 'g', 'pid' as never),
      new Join(spy.pid, 'g', [pid, 'pid'] as never),
      new Join(null as never, 'g', pid),
      new Leave(spy.pid, pid, 'g' as never),
      new Leave(spy.pid, undefined as never, ['g']),
      new Leave('me' as never, pid, ['g']),
      new Join(spy.pid, nested(100), pid),
      new Leave(spy.pid, pid, [nested(100)]),
      new Sync(spy.pid, [[nested(100), [pid]]]),
      new Discover(scope),
      new Down(a.makeRef(), null as never, 'x'),
      new NodeUp({} as never),
    ];
    await tell(...bad);
    expect(events.map(({ message }) => message)).toHaveLength(bad.length);
    expect(events[0]).toEqual({ scope: 's', node: 'a@x', message: 'garbage' });
    expect(a.isAlive(scope)).toBe(true);
    expect(pg.whichGroups(a, 's')).toEqual([]);
  });

  test('a call that says not whom to answer is not answered', async () => {
    const { a, tell, scope } = await watched();
    for (const name of [SYSTEM, 'call', { no: 'name' }]) {
      await tell(new RemoteCall(null as never, null as never, name as never, 'get_state'));
    }
    expect(a.isAlive(scope)).toBe(true);
  });

  test('a bad group does not keep the others of its message away', async () => {
    const { a, b, spy, tell } = await watched();
    const pid = forever(b);
    await tell(
      new Sync(spy.pid, [
        [nested(100), [pid]],
        ['g', [pid]],
      ]),
    );
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    await tell(new Leave(spy.pid, pid, [nested(100), 'g']));
    expect(pg.whichGroups(a, 's')).toEqual([]);
  });
});

describe('two scope processes of one node', () => {
  test('the new one takes the place of the old one before the end of that is known', async () => {
    const { cluster, a, b, spy, tell } = await watched();
    const [one, two] = [forever(b), forever(b)];
    await tell(new Discover(spy.pid), new Sync(spy.pid, [['g', [one]]]));
    const follower = collector(a);
    pg.monitor(a.find(follower.pid)!, 's', 'g');
    const second = b.spawn({ name: 'second', init: () => undefined, handle: () => undefined });
    await tell(new Sync(second, [['g', [two]]]));
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([two]));
    // What the old one said last is late.
    await tell(new Join(spy.pid, 'g', one), new Leave(spy.pid, two, ['g']));
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([two]));
    b.exit(spy.pid, 'kill');
    await cluster.settle();
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([two]));
    b.exit(second, 'kill');
    await cluster.settle();
    expect(pg.whichGroups(a, 's')).toEqual([]);
    expect(follower.got.map((event) => event instanceof GroupJoined)).toEqual([false, true, false]);
  });

  test('a late snapshot of the old one cannot hide the new one for long', async () => {
    const { cluster, a, b, spy, tell } = await watched();
    await tell(new Discover(spy.pid), new Sync(spy.pid, []));
    const pid = forever(b);
    const old = spy.pid;
    // The old one ends; the new one is asked for by name as soon as that is known.
    b.exit(old, 'kill');
    pg.start(b, 's');
    pg.join(b, 's', 'g', pid);
    b.send({ name: 's', node: 'a@x' }, new Sync(old, [['g', [forever(b)]]]));
    await cluster.settle();
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
    expect(keys(pg.getMembers(b, 's', 'g'))).toEqual(keys([pid]));
    // Later still, when nothing else would make anybody ask.
    b.send({ name: 's', node: 'a@x' }, new Sync(old, [['g', [forever(b)]]]));
    await cluster.settle();
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
    const own = forever(a);
    pg.join(a, 's', 'g', own);
    await cluster.settle();
    expect(keys(pg.getMembers(b, 's', 'g'))).toEqual(keys([pid, own]));
  });

  test('a message of an earlier incarnation of a node is late, too', async () => {
    const { cluster, a, spy, tell } = await watched();
    await tell(new Discover(spy.pid));
    cluster.network.crash('b@x');
    const again = cluster.node('b@x');
    await again.connect('a@x');
    const follower = collector(a);
    pg.monitorScope(a.find(follower.pid)!, 's');
    again.send({ name: 's', node: 'a@x' }, new Discover(spy.pid));
    again.send({ name: 's', node: 'a@x' }, new Sync(spy.pid, [['g', [spy.pid]]]));
    await cluster.settle();
    expect(pg.whichGroups(a, 's')).toEqual([]);
    expect(follower.got).toEqual([]);
  });
});

describe('performance', () => {
  test('thundering_herd: thousands of snapshots while there are 10,000 groups', async () => {
    const { a, b, spy, tell } = await watched();
    const [own, pid] = [forever(a), forever(b)];
    for (let group = 0; group < 10_000; group++) pg.join(a, 's', ['group', group], own);
    await tell(new Discover(spy.pid));
    expect((spy.got.find((message) => message instanceof Sync) as Sync).groups).toHaveLength(10_000);
    const follower = collector(a);
    pg.monitorScope(a.find(follower.pid)!, 's');
    const sync = new Sync(spy.pid, [
      [
        ['group', 1],
        [pid, pid],
      ],
    ]);
    await tell(...Array.from({ length: 2_000 }, () => sync));
    expect(keys(pg.getMembers(a, 's', ['group', 1]))).toEqual(keys([own, pid, pid]));
    // A snapshot that changes nothing is no change.
    expect(follower.got).toHaveLength(1);
  });

  test('thundering herd: 20 nodes with 200 groups each meet at once', async () => {
    const cluster = new Cluster();
    const nodes = cluster.nodes(...Array.from({ length: 20 }, (_, index) => `n${index}@x`));
    for (const node of nodes) {
      pg.start(node, 's');
      const pid = forever(node);
      for (let group = 0; group < 200; group++) pg.join(node, 's', group % 2 === 0 ? group : `${group}`, pid);
    }
    await Promise.all(
      nodes.flatMap((node, index) => nodes.slice(index + 1).map((other) => node.connect(other.name))),
    );
    await cluster.settle();
    for (const node of nodes) {
      expect(pg.whichGroups(node, 's')).toHaveLength(200);
      for (const group of [0, 198, '1', '199']) expect(pg.getMembers(node, 's', group)).toHaveLength(20);
    }
    await nodes[0]!.stop();
    await cluster.settle();
    expect(pg.getMembers(nodes[19]!, 's', 0)).toHaveLength(19);
  });
});

describe('the end of a scope', () => {
  test('its monitors fire with the reason of its exit, so that peers forget its members', async () => {
    const { cluster, a, b, scope } = await watched();
    const watcher = collector(b);
    b.find(watcher.pid)!.monitor(scope);
    await cluster.settle();
    await a.stop();
    await cluster.settle();
    expect(watcher.got).toEqual([expect.objectContaining({ reason: 'shutdown' })]);
  });

  test('GroupLeft follows for members of a node that is lost', async () => {
    const { cluster, a, b, spy, tell } = await watched();
    const pid = forever(b);
    await tell(new Discover(spy.pid), new Join(spy.pid, 'g', [pid, pid]));
    const follower = collector(a);
    pg.monitor(a.find(follower.pid)!, 's', 'g');
    cluster.network.cut('a@x', 'b@x');
    await cluster.settle();
    expect(follower.got).toHaveLength(1);
    expect(follower.got[0]).toBeInstanceOf(GroupLeft);
    expect(keys((follower.got[0] as GroupLeft).pids)).toEqual(keys([pid, pid]));
  });
});

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}
