// Process flags, labels and process info: erlang:process_flag/2, erlang:process_info/1,2, proc_lib:set_label/1.
import { type Process } from 'troupe';
import { createManualClock, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { deaf, idle, inProcess, makeGate, makeNode } from './helpers.ts';

describe('flags', () => {
  test('erlang:process_flag(trap_exit, _) returns the setting before', async () => {
    const node = makeNode();
    const settings = await inProcess(node, (self) => [
      self.trapExit(true),
      self.trapExit(true),
      self.trapExit(false),
      self.trapExit(false),
    ]);
    expect(settings).toEqual([false, true, true, false]);
  });

  test('erlang:process_flag(trap_exit, _): it is the setting at the time of the signal that counts', async () => {
    const node = makeNode();
    const received = await inProcess(node, async (self) => {
      self.trapExit(true);
      self.exit(self.spawnLink(idle), 'first');
      self.trapExit(false);
      return self.receive();
    });
    expect(received).toMatchObject({ reason: 'first' });
  });
});

describe('process_info', () => {
  test('erlang:process_info/1: undefined for a process that is not alive', async () => {
    const node = makeNode();
    const pid = node.spawn(() => undefined);
    await settle(node);
    expect(node.processInfo(pid)).toBeUndefined();
  });

  test('it tells name, label, parent, flags, links, monitors and who monitors', () => {
    const clock = createManualClock({ wallTimeMs: 1_000_000 });
    const node = makeNode({ clock });
    const [a, b] = [createProbe(node, { name: 'a', label: 'the first' }), createProbe(node)];
    a.link(b.pid);
    a.monitor(b.pid);
    a.monitor('nobody');
    b.monitor('a');
    expect(node.processInfo(a.pid)).toEqual({
      pid: a.pid,
      registeredName: 'a',
      label: 'the first',
      initialCall: 'probe',
      currentBehaviour: 'probe',
      status: 'runnable',
      messageQueueLength: 1,
      messagesHandled: 0,
      messagesDropped: 0,
      links: [b.pid],
      monitors: [b.pid],
      monitoredBy: [b.pid],
      trapExit: true,
      parent: undefined,
      startedAt: new Date(1_000_000),
    });
    expect(node.processInfo(b.pid)?.monitors).toEqual([{ name: 'a', node: node.name }]);
  });

  test('message_queue_len counts what waits, messages handled what was taken', async () => {
    const node = makeNode();
    const pid = node.spawn(async (self) => {
      await self.receive((message) => message === 2);
      await self.receive((message) => message === 3);
      await deaf(self);
    });
    for (let i = 0; i < 6; i++) node.send(pid, i);
    await settle(node);
    expect(node.processInfo(pid)).toMatchObject({ messageQueueLength: 4, messagesHandled: 2 });
    const other = node.spawn(idle);
    for (let i = 0; i < 6; i++) node.send(other, i);
    expect(node.processInfo(other)).toMatchObject({ messageQueueLength: 6, messagesHandled: 0 });
    await settle(node);
    expect(node.processInfo(other)).toMatchObject({ messageQueueLength: 0, messagesHandled: 6 });
  });

  test('status: runnable, running, waiting for a message, awaiting a promise', async () => {
    const node = makeNode();
    const gate = makeGate();
    let within: unknown;
    const busy = node.spawn((self) => {
      within = node.processInfo(self.pid)?.status;
      return gate.opened;
    });
    const receiving = node.spawn(deaf);
    const idling = node.spawn(idle);
    const statusOf = (pid: typeof busy) => node.processInfo(pid)?.status;
    expect([busy, receiving, idling].map(statusOf)).toEqual(['runnable', 'runnable', 'runnable']);
    await settle(node, { except: [busy] });
    expect(within).toBe('running');
    expect([busy, receiving, idling].map(statusOf)).toEqual(['awaiting', 'waiting', 'waiting']);
    gate.open();
  });

  test('initial call: the name of the behaviour or function; the label is that until one is set', async () => {
    const node = makeNode();
    const pids = [
      node.spawn(deaf),
      node.spawn((self: Process, _argument: number) => deaf(self), 1),
      node.spawn(function named(self: Process, _argument: number) {
        return deaf(self);
      }, 1),
      node.spawn(idle),
      node.spawn(async (self) => {
        self.label = 'set later';
        await deaf(self);
      }),
    ];
    await settle(node);
    expect(pids.map((pid) => node.processInfo(pid)?.initialCall)).toEqual([
      'deaf',
      'anonymous',
      'named',
      'idle',
      'anonymous',
    ]);
    expect(pids.map((pid) => node.processInfo(pid)?.label)).toEqual([
      'deaf',
      'anonymous',
      'named',
      'idle',
      'set later',
    ]);
    expect(node.processInfo(pids[0] as never)?.currentBehaviour).toBe('function');
  });

  test('it was started when it was spawned, by the clock of the node', async () => {
    const clock = createManualClock({ wallTimeMs: 1_000_000 });
    const node = makeNode({ clock });
    await clock.advance(5000);
    expect(node.processInfo(node.spawn(idle))?.startedAt).toEqual(new Date(1_005_000));
  });

  test('a snapshot does not change afterwards', async () => {
    const node = makeNode();
    const [a, b] = [createProbe(node), createProbe(node)];
    const before = node.processInfo(a.pid);
    a.link(b.pid);
    a.monitor(b.pid);
    node.send(a.pid, 1);
    expect(before).toMatchObject({ links: [], monitors: [], messageQueueLength: 0 });
  });
});
