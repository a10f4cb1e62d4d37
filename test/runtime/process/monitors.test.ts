// Monitors: erlang:monitor/2, erlang:demonitor/1,2 and the reference manual, "Processes", section "Monitors".
import { Down, Exit, type Pid, Ref } from 'troupe';
import { createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { idle, inProcess, makeNode } from './helpers.ts';

describe('monitor', () => {
  test.each(['normal', 'shutdown', 'kill', ['any', 'term']])(
    'erlang:monitor/2: one Down arrives whatever the reason: %j',
    async (reason) => {
      const node = makeNode();
      const [watcher, target] = [createProbe(node), createProbe(node)];
      const ref = watcher.monitor(target.pid);
      target.stop(reason);
      await settle(node);
      expect(watcher.messages()).toEqual([new Down(ref, target.pid, reason)]);
    },
  );

  test('erlang:monitor/2: a killed process is down with killed', async () => {
    const node = makeNode();
    const watcher = createProbe(node);
    const target = node.spawn(idle);
    const ref = watcher.monitor(target);
    node.exit(target, 'kill');
    expect(await watcher.receive()).toEqual(new Down(ref, target, 'killed'));
  });

  test('erlang:monitor/2: a pid that is not alive is down at once, with noproc', async () => {
    const node = makeNode();
    const watcher = createProbe(node);
    const dead = node.spawn(() => undefined);
    await settle(node);
    const ref = watcher.monitor(dead);
    expect(await watcher.receive()).toEqual(new Down(ref, dead, 'noproc'));
  });

  test('erlang:monitor/2: it is one-way: the end of the watcher is nothing to the target', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    watcher.monitor(target.pid);
    expect(node.processInfo(target.pid)?.monitoredBy).toEqual([watcher.pid]);
    watcher.stop('gone');
    await target.expectNone();
    expect(node.processInfo(target.pid)?.monitoredBy).toEqual([]);
  });

  test('erlang:monitor/2: each call makes a monitor of its own, each with a Down', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    const refs = [watcher.monitor(target.pid), watcher.monitor(target.pid), watcher.monitor(target.pid)];
    expect(node.processInfo(watcher.pid)?.monitors).toEqual([target.pid, target.pid, target.pid]);
    target.stop('gone');
    await settle(node);
    const downs = watcher.messages() as Down[];
    expect(new Set(downs.map(({ ref }) => ref))).toEqual(new Set(refs));
    expect(downs).toHaveLength(3);
  });

  test('erlang:monitor/2: of oneself is a ref and nothing more', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const ref = probe.monitor(probe.pid);
    expect(node.processInfo(probe.pid)).toMatchObject({ monitors: [], monitoredBy: [] });
    expect(probe.demonitor(ref)).toBe(false);
    await probe.expectNone();
  });

  test('reference manual, "Signal Delivery": a message sent before the end arrives before the Down', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const target = node.spawn(async (self) => {
      await self.receive();
      for (let i = 0; i < 3; i++) self.send(probe.pid, i);
    });
    await settle(node);
    const ref = probe.monitor(target);
    node.send(target, 'go');
    await settle(node);
    expect(probe.messages()).toEqual([0, 1, 2, new Down(ref, target, 'normal')]);
  });

  test('a process that is linked and monitored tells both, once each', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const target = node.spawn(idle);
    probe.link(target);
    const ref = probe.monitor(target);
    node.exit(target, 'gone');
    await settle(node);
    expect(probe.messages()).toHaveLength(2);
    expect(probe.messages()).toContainEqual(new Exit(target, 'gone'));
    expect(probe.messages()).toContainEqual(new Down(ref, target, 'gone'));
  });

  test('of many monitors on one process each watcher is notified, and a removed one among them is not', async () => {
    const node = makeNode();
    const target = node.spawn(idle);
    const watchers = Array.from({ length: 50 }, () => createProbe(node));
    const refs = watchers.map((watcher) => watcher.monitor(target));
    for (const index of [0, 25, 49]) watchers[index]?.demonitor(refs[index] as Ref);
    node.exit(target, 'gone');
    await settle(node);
    const told = watchers.map((watcher) => watcher.messages().length);
    expect(told).toEqual(watchers.map((_, index) => ([0, 25, 49].includes(index) ? 0 : 1)));
  });
});

describe('by name', () => {
  test('erlang:monitor/2: the Down of a monitor by name carries {name, node}', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node, { name: 'service' })];
    const ref = watcher.monitor('service');
    expect(node.processInfo(watcher.pid)?.monitors).toEqual([{ name: 'service', node: node.name }]);
    target.stop('gone');
    expect(await watcher.receive()).toEqual(new Down(ref, { name: 'service', node: node.name }, 'gone'));
  });

  test('erlang:monitor/2: {name, node} of this node is the same', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node, { name: 'service' })];
    const ref = watcher.monitor({ name: 'service', node: node.name });
    target.stop('gone');
    expect(await watcher.receive()).toEqual(new Down(ref, { name: 'service', node: node.name }, 'gone'));
  });

  test('erlang:monitor/2: an unregistered name is down at once, with noproc', async () => {
    const node = makeNode();
    const watcher = createProbe(node);
    const ref = watcher.monitor('nobody');
    expect(await watcher.receive()).toEqual(new Down(ref, { name: 'nobody', node: node.name }, 'noproc'));
  });

  test('erlang:monitor/2: the process is monitored, not the name: who takes the name over is not', async () => {
    const node = makeNode();
    const [watcher, first] = [createProbe(node), createProbe(node, { name: 'service' })];
    const ref = watcher.monitor('service');
    node.unregister('service');
    const second = createProbe(node, { name: 'service' });
    second.stop('second');
    await watcher.expectNone();
    first.stop('first');
    expect(await watcher.receive()).toEqual(new Down(ref, { name: 'service', node: node.name }, 'first'));
  });

  test('what has a pid can be monitored as the pid', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    const ref = watcher.monitor({ pid: target.pid });
    target.stop('gone');
    expect(await watcher.receive()).toEqual(new Down(ref, target.pid, 'gone'));
  });
});

describe('demonitor', () => {
  test('erlang:demonitor/1: afterwards no Down arrives', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    expect(watcher.demonitor(watcher.monitor(target.pid))).toBe(true);
    target.stop('unnoticed');
    await watcher.expectNone();
  });

  test('erlang:demonitor/1: a Down that is in the mailbox stays; with flush it is removed, and only it', async () => {
    const node = makeNode();
    const leftWith = (flush: boolean) =>
      inProcess(node, async (self) => {
        const [a, b] = [self.spawn(idle), self.spawn(idle)];
        const [refA, refB] = [self.monitor(a), self.monitor(b)];
        self.send(self.pid, 'before');
        self.exit(a, 'x');
        self.exit(b, 'y');
        self.send(self.pid, 'after');
        expect(self.demonitor(refA, { flush })).toBe(false);
        const left: unknown[] = [];
        for (let count = flush ? 3 : 4; count > 0; count--) left.push(await self.receive());
        expect(await self.receive(() => true, { after: 0 })).toBeTypeOf('symbol');
        return left.map((message) => (message instanceof Down ? message.ref.equals(refB) : message));
      });
    expect(await leftWith(false)).toEqual(['before', false, true, 'after']);
    expect(await leftWith(true)).toEqual(['before', true, 'after']);
  });

  test('erlang:demonitor/2: with flush, an active monitor is removed and nothing arrives', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    expect(watcher.demonitor(watcher.monitor(target.pid), { flush: true })).toBe(true);
    target.stop();
    await watcher.expectNone();
  });

  test('erlang:demonitor/2 [info]: false for a monitor that is gone, and for any other ref', async () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    const ref = watcher.monitor(target.pid);
    expect([watcher.demonitor(ref), watcher.demonitor(ref), watcher.demonitor(node.makeRef())]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('a ref that travelled stands for the same monitor', () => {
    const node = makeNode();
    const [watcher, target] = [createProbe(node), createProbe(node)];
    const { origin, low, high } = watcher.monitor(target.pid);
    const copy = new Ref(origin, low, high);
    expect([watcher.demonitor(copy), watcher.demonitor(copy)]).toEqual([true, false]);
  });

  test('erlang:demonitor/1: it is an error to name the monitor of another process', () => {
    const node = makeNode();
    const [a, b, target] = [createProbe(node), createProbe(node), createProbe(node)];
    const ref = a.monitor(target.pid);
    expect(() => b.demonitor(ref)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
    expect(node.processInfo(a.pid)?.monitors).toEqual([target.pid]);
  });

  test('a removed monitor leaves the others of both sides alone', async () => {
    const node = makeNode();
    const watcher = createProbe(node);
    const targets = Array.from({ length: 6 }, () => node.spawn(idle));
    const refs = targets.map((target) => watcher.monitor(target));
    for (const index of [5, 0, 3]) watcher.demonitor(refs[index] as Ref);
    expect(node.processInfo(watcher.pid)?.monitors).toEqual([targets[1], targets[2], targets[4]]);
    for (const target of targets) node.exit(target, 'gone');
    await settle(node);
    expect(watcher.messages().map((message) => (message as Down).target as Pid)).toEqual([
      targets[1],
      targets[2],
      targets[4],
    ]);
  });
});
