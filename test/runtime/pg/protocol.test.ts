// The exchange with peers, seen from a peer that follows pg.erl of OTP 25 and notes what is said; and what a scope
// survives. The dangers are those that crash OTP's own scope: a leave of what it has not recorded, an unknown message.
import { describe, expect, test } from 'vitest';
import {
  atom,
  GroupJoined,
  GroupLeft,
  type Node,
  NodeDown,
  NodeUp,
  pg,
  Pid,
  type Tuple,
  tuple,
} from 'troupe';
import { Cast, SYSTEM } from '../../../src/runtime/otp/internal.ts';
import { discover, join, leave, sync } from '../../../src/runtime/pg/internal.ts';
import { collector, Cluster, forever, keys } from '../distribution/cluster.ts';
import { recordTelemetry } from '../process/helpers.ts';
import { Spy } from './spy.ts';

const [DISCOVER, SYNC, JOIN, LEAVE] = ['discover', 'sync', 'join', 'leave'].map((name) => atom(name));

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
    expect(spy.kinds).toEqual(['discover']);
    expect(spy.messages[0]!.peer.equals(scope)).toBe(true);
    const pid = forever(a);
    pg.join(a, 's', 'g', pid);
    pg.leave(a, 's', 'g', pid);
    await cluster.settle();
    expect(spy.kinds).toEqual(['discover']);
  });

  test('its discover is answered by a snapshot, a monitor, and a discover; then changes follow', async () => {
    const { cluster, a, spy, tell, scope } = await watched();
    const [one, two] = [forever(a), forever(a)];
    pg.join(a, 's', 'g', [one, two, one]);
    pg.join(a, 's', 'h', two);
    spy.clear();
    await tell(discover(spy.pid));
    expect(spy.kinds).toEqual(['sync', 'discover']);
    expect(spy.of('sync')[0]!.groups.map(([group, pids]) => [group, keys(pids)])).toEqual([
      ['g', keys([one, one, two])],
      ['h', keys([two])],
    ]);
    pg.join(a, 's', 'i', one);
    pg.join(a, 's', 'i', [one, two]);
    pg.leave(a, 's', 'g', [two, two]);
    a.exit(one, 'kill');
    await cluster.settle();
    expect(spy.kinds.slice(2)).toEqual(['join', 'join', 'leave', 'leave']);
    expect(spy.of('join').map(({ group, pids }) => [group, keys(pids)])).toEqual([
      ['i', keys([one])],
      ['i', keys([one, two])],
    ]);
    const [list, ended] = spy.of('leave');
    expect([list!.groups, keys(list!.pids), keys(ended!.pids)]).toEqual([['g'], keys([two]), keys([one])]);
    expect(ended!.groups.map(String).toSorted()).toEqual(['g', 'g', 'i', 'i']);
    // One pid goes as itself, several as a list.
    expect(spy.got.slice(2).map((message) => Array.isArray((message as Tuple).elements[3]))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(spy.faults).toEqual([]);
    a.exit(scope, 'kill');
    await cluster.settle();
  });

  test('the discover of OTP 29, with a version, is answered as that of version 0', async () => {
    const { spy, tell } = await watched();
    spy.clear();
    await tell(tuple(DISCOVER, spy.pid, 1));
    expect(spy.kinds).toEqual(['sync', 'discover']);
  });

  test('a discover of one that is known is answered by a snapshot alone', async () => {
    const { spy, tell } = await watched();
    await tell(discover(spy.pid));
    spy.clear();
    await tell(discover(spy.pid));
    expect(spy.kinds).toEqual(['sync']);
  });

  test('one that sends a snapshot without asking gets one, too', async () => {
    const { a, spy, tell } = await watched();
    pg.join(a, 's', 'g', forever(a));
    spy.clear();
    await tell(sync(spy.pid, []));
    expect(spy.kinds).toEqual(['sync']);
  });

  test('nothing is sent over a later connection before a new exchange', async () => {
    const { cluster, a, b, spy, tell } = await watched();
    const pid = forever(a);
    pg.join(a, 's', 'g', pid);
    await tell(discover(spy.pid));
    cluster.network.drop('a@x', 'b@x');
    await b.connect('a@x');
    // As a real one, the spy forgets with the connection.
    spy.told.clear();
    spy.clear();
    // The scope has not handled the end of the connection: its process runs later.
    pg.leave(a, 's', 'g', pid);
    await cluster.settle();
    expect(spy.kinds).toEqual(['discover']);
    expect(spy.faults).toEqual([]);
  });

  test('a change makes no connection', async () => {
    const { cluster, a, spy, tell } = await watched();
    await tell(discover(spy.pid));
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
    await tell(join(spy.pid, 'g', forever(b)), leave(spy.pid, forever(b), ['g']));
    expect(pg.whichGroups(a, 's')).toEqual([]);
    expect(events).toEqual([]);
  });

  test('leaves of groups and pids that were never sent', async () => {
    const { a, b, spy, tell, scope } = await watched();
    const [one, two] = [forever(b), forever(b)];
    await tell(discover(spy.pid), join(spy.pid, 'g', one));
    await tell(leave(spy.pid, two, ['g', 'h']), leave(spy.pid, [two, one, one], ['h', 'g', 'g']));
    expect(pg.whichGroups(a, 's')).toEqual([]);
    expect(a.isAlive(scope)).toBe(true);
  });

  test('empty joins, leaves and groups make no group', async () => {
    const { a, b, spy, tell } = await watched();
    const pid = forever(b);
    await tell(
      sync(spy.pid, [
        ['empty', []],
        ['g', [pid]],
      ]),
      join(spy.pid, 'none', []),
      leave(spy.pid, [], ['g', 'none']),
    );
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
  });

  test('a group named twice in a snapshot has the members of both', async () => {
    const { a, b, spy, tell } = await watched();
    const [one, two] = [forever(b), forever(b)];
    await tell(
      sync(spy.pid, [
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
    await tell(sync(spy.pid, [['g', [pid, forever(a), stranger]]]), join(spy.pid, 'h', a.initPid));
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
  });

  test('anything else is published and left out', async () => {
    const { a, b, spy, tell, scope } = await watched();
    const events = recordTelemetry('troupe:pg:bad_message');
    const pid = forever(b);
    await tell(discover(spy.pid));
    const groupsOf = (groups: unknown) => new Cast('$request', tuple(SYNC, spy.pid, groups));
    const bad = [
      'garbage',
      ['discover', spy.pid],
      { join: 1 },
      tuple(),
      tuple(DISCOVER),
      tuple(DISCOVER, 'me'),
      tuple(DISCOVER, spy.pid, 1, 2),
      tuple('discover', spy.pid),
      tuple(atom('unknown'), spy.pid),
      tuple(SYNC, spy.pid, []),
      new Cast('sync', tuple(SYNC, spy.pid, [])),
      new Cast('$request', SYNC),
      new Cast('$request', tuple(SYNC, 7, [])),
      new Cast('$request', tuple(SYNC, spy.pid, [], [])),
      groupsOf('groups'),
      groupsOf(['g']),
      groupsOf([['g', [pid]]]),
      groupsOf([tuple('g', 'pids')]),
      groupsOf([tuple('g', [pid], 1)]),
      groupsOf([tuple('g', [pid]), tuple('h', ['pid'])]),
      tuple(JOIN, spy.pid, 'g', 'pid'),
      tuple(JOIN, spy.pid, 'g', [pid, 'pid']),
      tuple(JOIN, null, 'g', pid),
      tuple(JOIN, spy.pid, 'g'),
      tuple(LEAVE, spy.pid, pid, 'g'),
      tuple(LEAVE, spy.pid, undefined, ['g']),
      tuple(LEAVE, 'me', pid, ['g']),
      tuple(LEAVE, spy.pid, pid, ['g'], 1),
      join(spy.pid, nested(100), pid),
      leave(spy.pid, pid, [nested(100)]),
      sync(spy.pid, [[nested(100), [pid]]]),
      discover(scope),
      // Version 1, which OTP 29 speaks with those that ask for it.
      new Cast('$request', tuple(atom('local_data'), spy.pid, 1, new Map())),
      tuple(atom('update'), spy.pid, tuple(atom('join'), 'g', [pid])),
      // What a scope process gets of its own node only.
      tuple(atom('DOWN'), a.makeRef(), atom('process'), null, 'x'),
      new NodeUp('b@x'),
      new NodeDown('b@x', 'x'),
    ];
    await tell(...bad);
    expect(events.map(({ message }) => message)).toHaveLength(bad.length);
    expect(events[0]).toEqual({ scope: 's', node: 'a@x', message: 'garbage' });
    expect(a.isAlive(scope)).toBe(true);
    expect(pg.whichGroups(a, 's')).toEqual([]);
  });

  test('a call that says not whom to answer is not answered', async () => {
    const { a, spy, tell, scope } = await watched();
    const call = atom('$gen_call');
    for (const request of [
      atom(SYSTEM),
      atom('call'),
      tuple(atom(SYSTEM), atom('get_state')),
      { no: 'name' },
    ]) {
      await tell(tuple(call, null, request), tuple(call, tuple(null, a.makeRef()), request));
      // Anything can be a tag; it is answered with.
      await tell(tuple(call, tuple(spy.pid, 'tag'), request));
    }
    expect(a.isAlive(scope)).toBe(true);
  });

  test('a bad group does not keep the others of its message away', async () => {
    const { a, b, spy, tell } = await watched();
    const pid = forever(b);
    await tell(
      sync(spy.pid, [
        [nested(100), [pid]],
        ['g', [pid]],
      ]),
    );
    expect(pg.whichGroups(a, 's')).toEqual(['g']);
    await tell(leave(spy.pid, pid, [nested(100), 'g']));
    expect(pg.whichGroups(a, 's')).toEqual([]);
  });
});

describe('two scope processes of one node', () => {
  test('the new one takes the place of the old one before the end of that is known', async () => {
    const { cluster, a, b, spy, tell } = await watched();
    const [one, two] = [forever(b), forever(b)];
    await tell(discover(spy.pid), sync(spy.pid, [['g', [one]]]));
    const follower = collector(a);
    pg.monitor(a.find(follower.pid)!, 's', 'g');
    const second = b.spawn({ name: 'second', init: () => undefined, handle: () => undefined });
    await tell(sync(second, [['g', [two]]]));
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([two]));
    // What the old one said last is late.
    await tell(join(spy.pid, 'g', one), leave(spy.pid, two, ['g']));
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
    await tell(discover(spy.pid), sync(spy.pid, []));
    const pid = forever(b);
    const old = spy.pid;
    // The old one ends; the new one is asked for by name as soon as that is known.
    b.exit(old, 'kill');
    pg.start(b, 's');
    pg.join(b, 's', 'g', pid);
    b.send({ name: 's', node: 'a@x' }, sync(old, [['g', [forever(b)]]]));
    await cluster.settle();
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
    expect(keys(pg.getMembers(b, 's', 'g'))).toEqual(keys([pid]));
    // Later still, when nothing else would make anybody ask.
    b.send({ name: 's', node: 'a@x' }, sync(old, [['g', [forever(b)]]]));
    await cluster.settle();
    expect(keys(pg.getMembers(a, 's', 'g'))).toEqual(keys([pid]));
    const own = forever(a);
    pg.join(a, 's', 'g', own);
    await cluster.settle();
    expect(keys(pg.getMembers(b, 's', 'g'))).toEqual(keys([pid, own]));
  });

  test('a message of an earlier incarnation of a node is late, too', async () => {
    const { cluster, a, spy, tell } = await watched();
    await tell(discover(spy.pid));
    cluster.network.crash('b@x');
    const again = cluster.node('b@x');
    await again.connect('a@x');
    const follower = collector(a);
    pg.monitorScope(a.find(follower.pid)!, 's');
    again.send({ name: 's', node: 'a@x' }, discover(spy.pid));
    again.send({ name: 's', node: 'a@x' }, sync(spy.pid, [['g', [spy.pid]]]));
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
    await tell(discover(spy.pid));
    expect(spy.of('sync')[0]!.groups).toHaveLength(10_000);
    const follower = collector(a);
    pg.monitorScope(a.find(follower.pid)!, 's');
    const snapshot = sync(spy.pid, [
      [
        ['group', 1],
        [pid, pid],
      ],
    ]);
    await tell(...Array.from({ length: 2_000 }, () => snapshot));
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
    await tell(discover(spy.pid), join(spy.pid, 'g', [pid, pid]));
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
