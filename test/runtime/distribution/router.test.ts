// Messages, exit signals, node events and calls between nodes, over the in-memory carrier. See erl_dist_protocol and the
// reference manual's chapter "Processes".
import { describe, expect, test } from 'vitest';
import {
  call,
  cast,
  defineServer,
  type Exit,
  type From,
  NodeDown,
  NodeUp,
  noReply,
  type Pid,
  type Process,
} from 'troupe';
import { createManualClock } from 'troupe/testing';
import { recordTelemetry } from '../process/helpers.ts';
import { collector, forever } from './cluster.ts';
import { checkTables, pair, puppet } from './pair.ts';

checkTables();

describe('messages', () => {
  test('to a pid, to a name, in the order sent', async () => {
    const { cluster, a, b } = await pair();
    const target = collector(b, 'target');
    const { self } = puppet(a);
    self.send(target.pid, 1);
    self.send({ name: 'target', node: 'b@x' }, 2);
    self.send({ pid: target.pid }, 3);
    a.send(target.pid, 4);
    await cluster.settle();
    expect(target.got).toEqual([1, 2, 3, 4]);
  });

  test('to dead processes and unknown names are lost in silence', async () => {
    const { cluster, a, b } = await pair();
    const dead = forever(b);
    b.exit(dead, 'kill');
    a.send(dead, 1);
    a.send({ name: 'nobody', node: 'b@x' }, 2);
    await cluster.settle();
    expect(b.processes()).toEqual([b.initPid]);
  });

  test('a pid that went around is known as the own one again', async () => {
    const { cluster, a, b } = await pair();
    const [here, there] = [puppet(a), puppet(b)];
    here.self.send(there.pid, here.pid);
    await cluster.settle();
    const copy = there.got[0] as Pid;
    expect([copy.equals(here.pid), copy === here.pid, copy.process]).toEqual([true, false, null]);
    there.self.send(copy, [copy, there.pid]);
    await cluster.settle();
    const [own, other] = here.got[0] as [Pid, Pid];
    expect(own).toBe(here.pid);
    expect(other.equals(there.pid)).toBe(true);
  });

  test('sendAfter reaches another node', async () => {
    const { cluster, more, a, b } = await pair();
    const target = collector(b);
    const clock = createManualClock();
    const c = more('c@x', { clock });
    c.sendAfter(10, target.pid, 'later');
    await clock.advance(10);
    await cluster.settle();
    expect(target.got).toEqual(['later']);
    expect(a.nodes()).toEqual(['b@x']);
  });
});

describe('exit/2', () => {
  test('kill, normal, another reason, trapped', async () => {
    const { cluster, a, b } = await pair();
    const [killed, spared, ended, trapping] = [puppet(b, true), puppet(b), puppet(b), puppet(b, true)];
    const { self } = puppet(a);
    self.exit(killed.pid, 'kill');
    self.exit(spared.pid, 'normal');
    self.exit(ended.pid, ['shutdown', 1]);
    self.exit(trapping.pid, 'reason');
    await cluster.settle();
    expect([killed, spared, ended, trapping].map(({ pid }) => b.isAlive(pid))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(trapping.got).toHaveLength(1);
    const [exit] = trapping.got as [Exit];
    expect([exit.reason, exit.from.equals(self.pid)]).toEqual(['reason', true]);
  });

  test('a reason that cannot leave the node goes as its text', async () => {
    const { cluster, a, b } = await pair();
    const trapping = puppet(b, true);
    a.exit(trapping.pid, () => 1);
    a.exit(trapping.pid, new RangeError('too far'));
    await cluster.settle();
    expect(trapping.got).toMatchObject([
      { reason: '() => 1' },
      { reason: { name: 'RangeError', message: 'too far' } },
    ]);
  });
});

describe('nodes', () => {
  test('monitorNodes: up and down, until it is turned off or the process has ended', async () => {
    const { cluster, network, a, b } = await pair();
    const [one, two, three] = [puppet(a), puppet(a), puppet(a)];
    for (const { pid } of [one, two, three]) a.monitorNodes(pid, true);
    expect(one.got).toEqual([]);
    network.drop('a@x', 'b@x');
    await cluster.settle();
    a.monitorNodes(two.pid, false);
    a.exit(three.pid, 'kill');
    await b.connect('a@x');
    await cluster.settle();
    expect(one.got).toEqual([new NodeDown('b@x', 'connection_closed'), new NodeUp('b@x')]);
    expect(two.got).toHaveLength(1);
  });

  test('monitorNodes: a process that has ended is not kept, although no node comes or goes', async () => {
    const { a } = await pair();
    const { pid, self } = puppet(a);
    a.monitorNodes(pid, true);
    a.monitorNodes(pid, true);
    a.monitorNodes(pid, false);
    expect(self.watchers).toBeNull();
    const before = a.router.observing;
    a.monitorNodes(pid, true);
    expect(a.router.observing).toBe(before + 1);
    a.exit(pid, 'kill');
    expect(a.router.observing).toBe(before);
  });

  test('telemetry tells of connections and of signals that are not understood', async () => {
    const { cluster, network, a, b } = await pair();
    const [ups, downs, bad] = [
      recordTelemetry('troupe:node:up'),
      recordTelemetry('troupe:node:down'),
      recordTelemetry('troupe:node:bad_signal'),
    ];
    a.router.receive('b@x', { op: 'dance' } as never);
    network.drop('a@x', 'b@x');
    await cluster.settle();
    await a.connect('b@x');
    await cluster.settle();
    expect(bad).toMatchObject([{ node: 'a@x', peer: 'b@x', error: { code: 'TROUPE_BAD_ARGUMENT' } }]);
    expect(ups.map(({ node, peer }) => `${node} ${peer}`).toSorted()).toEqual(['a@x b@x', 'b@x a@x']);
    expect(downs).toHaveLength(2);
    expect(b.nodes()).toEqual(['a@x']);
  });

  test('what is sent, called and monitored right after disconnect goes over another connection', async () => {
    const { cluster, a, b } = await pair();
    const target = collector(b, 'target');
    const server = await b.start(defineServer({ init: () => 1, call: { ask: () => 'answer' } }));
    const watcher = collector(a);
    const { self, got } = puppet(a);
    a.monitorNodes(watcher.pid, true);
    self.monitor(target.pid);
    expect(a.disconnect('b@x')).toBe(true);
    self.send(target.pid, 'sent');
    const answer = call(a, server.pid, 'ask', undefined);
    const ref = self.monitor(target.pid);
    expect(await answer).toBe('answer');
    await cluster.settle();
    expect(target.got).toEqual(['sent']);
    expect(watcher.got).toEqual([new NodeDown('b@x', 'disconnect'), new NodeUp('b@x')]);
    b.exit(target.pid, 'kill');
    await cluster.settle();
    expect(got).toMatchObject([{ reason: 'noconnection' }, { ref, reason: 'killed' }]);
  });

  test('a connection that comes up again before the loss was handled keeps the order: down, then up', async () => {
    const { cluster, network, a, b } = await pair();
    const [watcher, seen] = [puppet(a), puppet(a)];
    a.monitorNodes(seen.pid, true);
    watcher.self.monitor(forever(b));
    await cluster.settle();
    network.drop('a@x', 'b@x');
    b.send({ name: 'init', node: 'a@x' }, 'into the old one');
    expect(await b.connect('a@x')).toBe(true);
    await cluster.settle();
    // Over sockets, b hears of the loss only now.
    expect(await b.connect('a@x')).toBe(true);
    await cluster.settle();
    expect(seen.got).toEqual([new NodeDown('b@x', 'connection_closed'), new NodeUp('b@x')]);
    expect(watcher.got).toMatchObject([{ reason: 'noconnection' }]);
  });
});

describe('calls', () => {
  const definition = defineServer({
    init: (_self: Process, _args?: undefined) => ({ froms: [] as From<string>[], casts: [] as unknown[] }),
    call: {
      echo: (_state, value: unknown) => value,
      later: (state, _value: undefined, _self, from: From<string>) => {
        state.froms.push(from);
        return noReply();
      },
      answer: (state) => {
        for (const from of state.froms) from.reply('late');
        return state.froms.length;
      },
      casts: (state) => state.casts,
      fail: () => {
        throw new TypeError('broken');
      },
      stranger: () => () => 1,
    },
    cast: {
      note: (state, value: unknown) => {
        state.casts.push(value);
      },
    },
  });

  async function served() {
    const made = await pair();
    const { pid } = await made.b.start(definition, [], { name: 'server' });
    return { ...made, pid };
  }

  test('are answered across nodes, by pid and by name', async () => {
    const { cluster, kept, a, pid } = await served();
    expect(await call(a, pid, 'echo', { id: 1 })).toEqual({ id: 1 });
    expect(await call(a, { name: 'server', node: 'b@x' }, 'echo', [1n, 'x'])).toEqual([1n, 'x']);
    cast(a, pid, 'note', 1);
    cast(a, { name: 'server', node: 'b@x' }, 'note', 2);
    expect(await call(a, pid, 'casts', undefined)).toEqual([1, 2]);
    await cluster.settle();
    expect(kept()).toBe(0);
  });

  test('a timeout ends one, and its late answer is dropped', async () => {
    const clock = createManualClock();
    const { cluster, kept, more, a: unused, b } = await served();
    const c = more('c@x', { clock });
    const caller = puppet(c);
    const asked = call(c, { name: 'server', node: 'b@x' }, 'later', undefined, {
      timeoutMs: 50,
      from: caller.self,
    });
    const failed = asked.catch((error: unknown) => error);
    await cluster.settle();
    await clock.advance(50);
    expect(await failed).toMatchObject({ code: 'TROUPE_CALL_TIMEOUT', reason: 'timeout' });
    expect(await call(b, 'server', 'answer', undefined)).toBe(1);
    await cluster.settle();
    expect(caller.got).toEqual([]);
    expect(unused.nodes()).toEqual(['b@x']);
    expect(kept()).toBe(0);
  });

  test('noproc, nodedown and the end of the server are distinguished', async () => {
    const { cluster, network, a, b, pid } = await served();
    await expect(call(a, { name: 'nobody', node: 'b@x' }, 'echo', 1)).rejects.toMatchObject({
      code: 'TROUPE_CALL_NOPROC',
      reason: 'noproc',
    });
    await expect(call(a, pid, 'fail', undefined)).rejects.toMatchObject({
      code: 'TROUPE_CALL_EXIT',
      reason: { name: 'TypeError', message: 'broken' },
    });
    await expect(call(a, pid, 'echo', 1)).rejects.toMatchObject({ code: 'TROUPE_CALL_NOPROC' });
    const { pid: next } = await b.start(definition, []);
    const waiting = call(a, next, 'later', undefined);
    const failed = waiting.catch((error: unknown) => error);
    await cluster.settle();
    network.cut('a@x', 'b@x');
    expect(await failed).toMatchObject({
      code: 'TROUPE_CALL_NODEDOWN',
      reason: 'nodedown',
    });
    await expect(call(a, next, 'echo', 1)).rejects.toMatchObject({ code: 'TROUPE_CALL_NODEDOWN' });
    expect(await call(b, next, 'answer', undefined)).toBe(1);
  });

  test('of a node that stops end with it, and one that has stopped makes none', async () => {
    const { cluster, a, b } = await pair();
    const mute = forever(b);
    const pending = [call(a, mute, 'x', 1), call(a, mute, 'x', 1, { timeoutMs: Infinity })];
    const ends = Promise.allSettled(pending);
    await cluster.settle();
    await a.stop();
    expect(await ends).toMatchObject([
      { reason: { code: 'TROUPE_CALL_NODEDOWN' } },
      { reason: { code: 'TROUPE_CALL_NODEDOWN' } },
    ]);
    await expect(call(a, mute, 'x', 1)).rejects.toMatchObject({ code: 'TROUPE_NODE_STOPPED' });
    expect(a.router.aliases.size).toBe(0);
  });

  test('an answer over a new connection to a call of the old one is dropped', async () => {
    const { cluster, network, a, b } = await served();
    const waiting = call(a, { name: 'server', node: 'b@x' }, 'later', undefined);
    const failed = waiting.catch((error: unknown) => error);
    await cluster.settle();
    network.drop('a@x', 'b@x');
    expect(await failed).toMatchObject({ code: 'TROUPE_CALL_NODEDOWN' });
    await a.connect('b@x');
    expect(await call(b, 'server', 'answer', undefined)).toBe(1);
    await cluster.settle();
    expect(a.router.aliases.size).toBe(0);
  });

  test('an argument that cannot leave the node fails the call; nothing is kept of it', async () => {
    const { cluster, kept, a, pid } = await served();
    await expect(call(a, pid, 'echo', () => 1)).rejects.toMatchObject({ code: 'TROUPE_NOT_ENCODABLE' });
    await cluster.settle();
    expect(kept()).toBe(0);
    expect(await call(a, pid, 'echo', 1)).toBe(1);
  });

  test('an answer that cannot leave the node fails the call', async () => {
    const { cluster, kept, a, pid } = await served();
    await expect(call(a, pid, 'stranger', undefined)).rejects.toMatchObject({
      code: 'TROUPE_REPLY_NOT_ENCODABLE',
      message: expect.stringContaining('a function') as string,
    });
    await cluster.settle();
    expect(kept()).toBe(0);
  });
});
