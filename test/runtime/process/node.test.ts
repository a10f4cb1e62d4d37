// The node: how it is made, what it refuses, how it stops.
import { type Carrier, type Clock, type NodeOptions, systemClock } from 'troupe';
import { awaitExit, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { inProcess, deaf, idle, makeNode, recordTelemetry } from './helpers.ts';

/** A carrier that connects to nobody and counts how often it is closed. */
class NoCarrier implements Carrier {
  closed = 0;
  attach(): void {}
  send(): void {}
  connect(): Promise<boolean> {
    return Promise.resolve(false);
  }
  disconnect(): boolean {
    return false;
  }
  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

describe('options', () => {
  test('nothing has to be configured; erlang:node/0 of a node without a name is nonode@nohost', () => {
    expect(makeNode().name).toBe('nonode@nohost');
  });

  test.each(['', 'name', '@host', 'name@', 'na me@host', 'a@b@c', `${'x'.repeat(255)}@host`])(
    'a node name has the form name@host: not %j',
    (name) => {
      expect(() => makeNode({ name })).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
    },
  );

  test.each<NodeOptions>([
    { creation: 3 },
    { creation: 2 ** 32 },
    { creation: 4.5 },
    { maxProcesses: 0 },
    { maxProcesses: 1.5 },
    { maxProcesses: 2 ** 27 + 1 },
    { mailboxHighWater: 0 },
    { mailboxHighWater: Number.NaN },
    { sliceMs: 0 },
    { sliceMs: Number.NaN },
    { sliceMs: 1001 },
  ])('%j is refused', (options) => {
    expect(() => makeNode(options)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
  });

  test('two incarnations of a node have different creations', () => {
    const creations = new Set(Array.from({ length: 8 }, () => makeNode().initPid.creation));
    expect(creations.size).toBe(8);
  });

  test('time comes from the clock that was given', () => {
    const clock: Clock = { ...systemClock, wallTime: () => 1234, now: () => 10 };
    const node = makeNode({ clock });
    expect(node.processInfo(node.spawn(idle))?.startedAt).toEqual(new Date(1234));
  });
});

describe('processes of a node', () => {
  test('erlang:processes/0 lists the live processes, init among them', async () => {
    const node = makeNode();
    const [a, b] = [node.spawn(idle), node.spawn(() => undefined)];
    await settle(node);
    expect(node.processes()).toEqual([node.initPid, a]);
    expect(node.isAlive(b)).toBe(false);
  });

  test('erlang:send/2 from outside comes from init; what is sent to init is taken and dropped', async () => {
    const node = makeNode();
    node.send(node.initPid, 'for nobody');
    node.send('init', 'for nobody');
    await settle(node);
    expect(node.processInfo(node.initPid)).toMatchObject({ messageQueueLength: 0, messagesHandled: 2 });
  });

  test('erlang:exit/2 from outside comes from init', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    node.exit(probe.pid, 'why');
    expect(await probe.receive()).toMatchObject({ from: node.initPid, reason: 'why' });
  });

  test('ids are not used again while the process table wraps around, and grows', async () => {
    const node = makeNode();
    const keys = new Set<string>();
    const kept = Array.from({ length: 1500 }, () => node.spawn(idle));
    for (const pid of kept) keys.add(pid.key);
    for (let i = 0; i < 5000; i++) {
      const pid = node.spawn(idle);
      keys.add(pid.key);
      node.exit(pid, 'kill');
    }
    expect(keys.size).toBe(6500);
    expect(kept.every((pid) => node.isAlive(pid) && node.pid(pid.toString()) === pid)).toBe(true);
    expect(node.processes()).toHaveLength(1501);
  });
});

test.each([undefined, null, 7, {}, { name: 'service' }, { pid: 'pid' }])(
  'erlang:send/2, erlang:monitor/2: %j is no destination',
  async (to) => {
    const node = makeNode();
    const refused = expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }) as Error;
    expect(() => node.send(to as never, 1)).toThrow(refused);
    await inProcess(node, (self) => {
      expect(() => self.monitor(to as never)).toThrow(refused);
    });
  },
);

describe('reaching other nodes without a carrier', () => {
  test('erlang:send/2 to a name elsewhere fails with TROUPE_NO_CARRIER', () => {
    const node = makeNode();
    expect(() => node.send({ name: 'x', node: 'other@host' }, 1)).toThrow(
      expect.objectContaining({ code: 'TROUPE_NO_CARRIER' }),
    );
  });

  test('net_kernel:connect_node/1, erlang:nodes/0 and disconnect_node/1 of a node that is alone', async () => {
    const node = makeNode();
    expect(await node.connect('other@host')).toBe(false);
    expect(node.disconnect('other@host')).toBe(false);
    expect(node.nodes()).toEqual([]);
  });
});

describe('stop', () => {
  test('init:stop/0: every process ends with shutdown, trapped or not, those started last first', async () => {
    const node = makeNode();
    const pids = Array.from({ length: 5 }, (_, i) => node.spawnWith({ trapExit: i % 2 === 0 }, idle));
    const exits = recordTelemetry('troupe:process:exit');
    await node.stop();
    expect(exits.map(({ pid }) => pid)).toEqual([...pids.toReversed(), node.initPid]);
    expect(exits.every(({ reason }) => reason === 'shutdown')).toBe(true);
    expect(node.processes()).toEqual([]);
  });

  test('those started last end first, wherever they stand in the process table', async () => {
    const node = makeNode();
    const old = Array.from({ length: 20 }, () => node.spawn(idle));
    // The table has 1,024 slots: after 1,024 spawns ids stand in its first ones again.
    const middle = Array.from({ length: 500 }, () => node.spawn(idle));
    for (const pid of old) node.exit(pid, 'kill');
    for (let i = 0; i < 510; i++) node.exit(node.spawn(idle), 'kill');
    const young = node.spawn(idle);
    expect(young.id % 1024).toBeLessThan(middle[0]?.id ?? 0);
    const exits = recordTelemetry('troupe:process:exit');
    await node.stop();
    expect(exits.map(({ pid }) => pid)).toEqual([young, ...middle.toReversed(), node.initPid]);
  });

  test('names are free, timers are cancelled and waiting code is notified', async () => {
    const node = makeNode();
    const pid = node.spawnWith({ name: 'server' }, idle);
    const timer = node.sendAfter(1000, pid, 'late');
    const ended = awaitExit(node, pid);
    await node.stop();
    expect(await ended).toBe('shutdown');
    expect([node.registered(), timer.left(), timer.cancel()]).toEqual([[], false, false]);
  });

  test('stopping twice is stopping once; the carrier is closed', async () => {
    const carrier = new NoCarrier();
    const node = makeNode({ carrier });
    expect(node.stop()).toBe(node.stop());
    await node.stop();
    expect(carrier.closed).toBe(1);
  });

  test('a stopped node spawns nothing, not even while it stops, and drops what it is sent', async () => {
    const carrier = new NoCarrier();
    const node = makeNode({ carrier });
    const tried: unknown[] = [];
    const pid = node.spawn((self) => {
      self.signal.addEventListener('abort', () => {
        void node.stop();
        try {
          tried.push(node.spawn(idle));
        } catch (error) {
          tried.push((error as { code: string }).code);
        }
      });
      return deaf(self);
    });
    await settle(node);
    await node.stop();
    expect(tried).toEqual(['TROUPE_NODE_STOPPED']);
    expect(carrier.closed).toBe(1);
    expect(node.processes()).toEqual([]);
    expect(() => node.spawn(idle)).toThrow(expect.objectContaining({ code: 'TROUPE_NODE_STOPPED' }));
    expect(() => node.send(pid, 'late')).not.toThrow();
    expect(node.sendAfter(0, pid, 'late').left()).toBe(false);
  });
});
