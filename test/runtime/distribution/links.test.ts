// Links and monitors between nodes: the rules of the reference manual's chapter "Processes" and of erl_dist_protocol, over
// the in-memory carrier.
import { describe, expect, test } from 'vitest';
import { Down, type Exit, type Pid, type Ref } from 'troupe';
import { collector, forever } from './cluster.ts';
import { checkTables, pair, puppet } from './pair.ts';

checkTables();

describe('links', () => {
  test('the end of one side reaches the other, in both directions', async () => {
    const { cluster, a, b } = await pair();
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const [one, other] = [puppet(from), puppet(to)];
      one.self.link(other.pid);
      await cluster.settle();
      to.exit(other.pid, 'boom');
      await cluster.settle();
      expect(from.isAlive(one.pid)).toBe(false);
      const [three, trapping] = [puppet(from), puppet(to, true)];
      three.self.link(trapping.pid);
      await cluster.settle();
      from.exit(three.pid, 'normal');
      from.exit(three.pid, 'kill');
      await cluster.settle();
      expect(trapping.got).toMatchObject([{ reason: 'killed' }]);
      expect((trapping.got[0] as Exit).from.equals(three.pid)).toBe(true);
    }
  });

  test('linking twice, from both sides, is one link', async () => {
    const { cluster, a, b } = await pair();
    const [one, other] = [puppet(a, true), puppet(b, true)];
    one.self.link(other.pid);
    other.self.link(one.pid);
    one.self.link(other.pid);
    await cluster.settle();
    b.exit(other.pid, 'kill');
    await cluster.settle();
    expect(one.got).toMatchObject([{ reason: 'killed' }]);
  });

  test('to a process that is not there: noproc', async () => {
    const { cluster, a, b } = await pair();
    const dead = forever(b);
    b.exit(dead, 'kill');
    const [trapping, plain] = [puppet(a, true), puppet(a)];
    trapping.self.link(dead);
    plain.self.link(dead);
    await cluster.settle();
    expect(trapping.got).toMatchObject([{ reason: 'noproc' }]);
    expect(a.isAlive(plain.pid)).toBe(false);
  });

  test('unlink: no exit arrives afterwards, on either side', async () => {
    const { cluster, a, b } = await pair();
    const [one, other] = [puppet(a, true), puppet(b, true)];
    one.self.link(other.pid);
    await cluster.settle();
    one.self.unlink(other.pid);
    one.self.unlink(other.pid);
    await cluster.settle();
    b.exit(other.pid, 'kill');
    await cluster.settle();
    expect([one.got, other.got]).toEqual([[], []]);
  });

  test('an unlink and an exit that cross: the exit is dropped (UNLINK_ID)', async () => {
    const { cluster, network, a, b } = await pair();
    const [one, other] = [puppet(a, true), puppet(b)];
    one.self.link(other.pid);
    await cluster.settle();
    network.hold('b@x', 'a@x');
    b.exit(other.pid, 'boom');
    one.self.unlink(other.pid);
    await cluster.settle();
    network.release();
    await cluster.settle();
    expect(one.got).toEqual([]);
  });

  test('an unlink and a new link that follow each other at once leave one link', async () => {
    const { cluster, network, a, b } = await pair();
    const [one, other] = [puppet(a, true), puppet(b, true)];
    one.self.link(other.pid);
    await cluster.settle();
    network.hold('b@x', 'a@x');
    one.self.unlink(other.pid);
    one.self.link(other.pid);
    await cluster.settle();
    network.release();
    await cluster.settle();
    a.exit(one.pid, 'kill');
    await cluster.settle();
    expect(other.got).toMatchObject([{ reason: 'killed' }]);
  });

  test('both unlink at once', async () => {
    const { cluster, kept, a, b } = await pair();
    const [one, other] = [puppet(a, true), puppet(b, true)];
    one.self.link(other.pid);
    await cluster.settle();
    one.self.unlink(other.pid);
    other.self.unlink(one.pid);
    await cluster.settle();
    expect(kept()).toBe(0);
    a.exit(one.pid, 'kill');
    await cluster.settle();
    expect(other.got).toEqual([]);
  });

  test('a lost connection breaks them with noconnection, once', async () => {
    const { cluster, network, a, b } = await pair();
    const [one, other, plain] = [puppet(a, true), puppet(b, true), puppet(a)];
    one.self.link(other.pid);
    plain.self.link(other.pid);
    await cluster.settle();
    network.drop('a@x', 'b@x');
    await cluster.settle();
    expect([one.got, other.got.length]).toMatchObject([[{ reason: 'noconnection' }], 2]);
    expect(a.isAlive(plain.pid)).toBe(false);
    await a.connect('b@x');
    b.exit(other.pid, 'kill');
    await cluster.settle();
    expect(one.got).toHaveLength(1);
  });

  test('to a node that cannot be reached: noconnection', async () => {
    const { cluster, network, a, b } = await pair();
    const pid = forever(b);
    network.cut('a@x', 'b@x');
    await cluster.settle();
    const one = puppet(a, true);
    one.self.link(pid);
    expect(one.got).toEqual([]);
    await cluster.settle();
    expect(one.got).toMatchObject([{ reason: 'noconnection' }]);
  });

  test('spawned processes of a chain over three nodes end together', async () => {
    const { cluster, more, a, b } = await pair();
    const c = more('c@x');
    const [one, two, three] = [puppet(a), puppet(b), puppet(c)];
    one.self.link(two.pid);
    two.self.link(three.pid);
    await cluster.settle();
    c.exit(three.pid, 'boom');
    await cluster.settle();
    expect([a.isAlive(one.pid), b.isAlive(two.pid)]).toEqual([false, false]);
  });
});

describe('monitors', () => {
  test('by pid: one Down each, with the reason and the ref', async () => {
    const { cluster, a, b } = await pair();
    const [watcher, target] = [puppet(a), puppet(b)];
    const refs = [watcher.self.monitor(target.pid), watcher.self.monitor(target.pid)];
    await cluster.settle();
    b.exit(target.pid, ['shutdown', { code: 7 }]);
    await cluster.settle();
    expect(watcher.got).toHaveLength(2);
    for (const down of watcher.got as Down[]) {
      expect(down).toBeInstanceOf(Down);
      expect([down.reason, (down.target as Pid).equals(target.pid)]).toEqual([
        ['shutdown', { code: 7 }],
        true,
      ]);
      expect(refs).toContain(down.ref);
    }
  });

  test('by name: the target names it; a name that nobody has is noproc', async () => {
    const { cluster, a, b } = await pair();
    const watcher = puppet(a);
    collector(b, 'target');
    const ref = watcher.self.monitor({ name: 'target', node: 'b@x' });
    watcher.self.monitor({ name: 'nobody', node: 'b@x' });
    await cluster.settle();
    b.exit(b.whereis('target')!, 'bye');
    await cluster.settle();
    expect(watcher.got).toEqual([
      new Down(expect.anything() as Ref, { name: 'nobody', node: 'b@x' }, 'noproc'),
      new Down(ref, { name: 'target', node: 'b@x' }, 'bye'),
    ]);
  });

  test('of a process that failed: its error is described', async () => {
    const { cluster, a, b } = await pair();
    const watcher = puppet(a);
    const target = b.spawn(async (self) => {
      await self.receive();
      throw Object.assign(new TypeError('broken'), { code: 'E_BROKEN' });
    });
    watcher.self.monitor(target);
    await cluster.settle();
    b.send(target, 'go');
    await cluster.settle();
    const [down] = watcher.got as [Down];
    expect(down.reason).toEqual({
      name: 'TypeError',
      message: 'broken',
      code: 'E_BROKEN',
      stack: expect.stringContaining('TypeError: broken') as string,
    });
  });

  test('demonitor: no Down afterwards; with flush none that has come', async () => {
    const { cluster, a, b } = await pair();
    const watcher = puppet(a);
    const [one, two] = [forever(b), forever(b)];
    const ref = watcher.self.monitor(one);
    await cluster.settle();
    expect(watcher.self.demonitor(ref)).toBe(true);
    expect(watcher.self.demonitor(ref)).toBe(false);
    const body = a.spawn(async (self) => {
      const late = self.monitor(two);
      await self.receive((message) => message === 'flush');
      watcher.self.send(watcher.pid, [
        self.mailboxLength,
        self.demonitor(late, { flush: true }),
        self.mailboxLength,
      ]);
    });
    await cluster.settle();
    b.exit(one, 'kill');
    b.exit(two, 'kill');
    await cluster.settle();
    a.send(body, 'flush');
    await cluster.settle();
    expect(watcher.got).toEqual([[1, false, 0]]);
  });

  test('a demonitor and the end of the target that cross', async () => {
    const { cluster, network, a, b } = await pair();
    const [watcher, target] = [puppet(a), puppet(b)];
    const ref = watcher.self.monitor(target.pid);
    await cluster.settle();
    network.hold('b@x', 'a@x');
    b.exit(target.pid, 'kill');
    watcher.self.demonitor(ref);
    await cluster.settle();
    network.release();
    await cluster.settle();
    expect(watcher.got).toEqual([]);
  });

  test('the end of the watcher ends them on the other node', async () => {
    const { cluster, kept, a, b } = await pair();
    const [watcher, target] = [puppet(a), puppet(b)];
    watcher.self.monitor(target.pid);
    watcher.self.link(target.pid);
    await cluster.settle();
    a.exit(watcher.pid, 'normal');
    a.exit(watcher.pid, 'shutdown');
    await cluster.settle();
    expect(b.isAlive(target.pid)).toBe(false);
    expect(kept()).toBe(0);
  });

  test('a lost connection answers them with noconnection', async () => {
    const { cluster, network, a, b } = await pair();
    const [watcher, target] = [puppet(a), puppet(b)];
    watcher.self.monitor(target.pid);
    watcher.self.monitor({ name: 'any', node: 'b@x' });
    network.cut('a@x', 'b@x');
    await cluster.settle();
    expect(watcher.got).toMatchObject([{ reason: 'noconnection' }, { reason: 'noconnection' }]);
    b.exit(target.pid, 'kill');
    network.heal();
    await a.connect('b@x');
    await cluster.settle();
    expect(watcher.got).toHaveLength(2);
  });

  test('a ref that a peer uses twice is one monitor, and nothing is left of it', async () => {
    const { cluster, network, a, b } = await pair();
    const target = forever(a);
    const from = forever(b);
    const ref = b.makeRef();
    const monitor = { op: 'monitor', from, target, ref } as const;
    for (const signal of [monitor, monitor]) a.router.receive('b@x', signal);
    expect(a.processInfo(target)?.monitoredBy).toHaveLength(1);
    a.router.receive('b@x', { op: 'demonitor', from, target, ref });
    expect(a.processInfo(target)?.monitoredBy).toEqual([]);
    for (const signal of [monitor, monitor]) a.router.receive('b@x', signal);
    network.drop('a@x', 'b@x');
    await cluster.settle();
    expect(a.processInfo(target)?.monitoredBy).toEqual([]);
  });

  test('the end of many monitors and links with a connection calls for no new one', async () => {
    const { cluster, network, a, b } = await pair();
    const targets = Array.from({ length: 20 }, () => forever(b));
    for (let index = 0; index < 20; index++) {
      a.spawn(async (self) => {
        for (const pid of targets) self.monitor(pid);
        self.link(targets[index]!);
        await self.receive();
        // Its end finds monitors that are gone with the connection.
      });
    }
    await cluster.settle();
    network.drop('a@x', 'b@x');
    await cluster.settle();
    expect([a.nodes(), b.nodes()]).toEqual([[], []]);
  });
});
