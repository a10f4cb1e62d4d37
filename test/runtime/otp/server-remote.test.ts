// Servers of other nodes: calls, casts, failures, system messages, over the in-memory carrier (gen_server:call/3).
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  atom,
  call,
  defineServer,
  defineSupervisor,
  type From,
  type Node,
  noReply,
  serverRef,
  stop,
  sys,
  tuple,
} from 'troupe';
import { awaitExit, createManualClock, createMemoryNetwork, createProbe } from 'troupe/testing';
import { SYSTEM } from '../../../src/runtime/otp/internal.ts';
import { makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';

const server = defineServer({
  name: 'tested',
  init: (_self, waiting?: From[]) => ({ log: [] as unknown[], waiting }),
  call: {
    log: ({ log }) => [...log],
    echo: (_state, value: unknown) => value,
    later: async (_state, value: unknown) => value,
    who: (_state, _argument: undefined, _self, from: From) => from.pid,
    wait({ waiting }, _argument: undefined, _self, from: From) {
      waiting?.push(from);
      return noReply();
    },
    crash() {
      throw new Error('bad day');
    },
    stop: (_state, reason: unknown) => stop(reason, { reply: 'bye' }),
    unsendable: () => () => 'a function',
  },
  cast: { add: ({ log }, item: unknown) => log.push(item) },
});

/** Two nodes; the server runs on the second, under the name `one`. */
async function begin(waiting?: From[]) {
  const network = createMemoryNetwork();
  const clock = createManualClock();
  const here: Node = makeNode({ name: 'here@x', carrier: network.carrier('here@x'), clock });
  const there: Node = makeNode({ name: 'there@x', carrier: network.carrier('there@x'), clock });
  onTestFinished(() => network.settle());
  const started = await there.start(server, [waiting], { name: 'one' });
  const named = serverRef(here, server, { name: 'one', node: 'there@x' });
  const byPid = serverRef(here, server, started.pid);
  return { network, clock, here, there, started, named, byPid };
}

describe('calls to another node', () => {
  test('by name and by pid', async () => {
    const { named, byPid } = await begin();
    expect(await named.call('echo', { deep: ['value'] })).toEqual({ deep: ['value'] });
    expect(await byPid.call('later', 1n)).toBe(1n);
    expect(await byPid.call('log')).toEqual([]);
  });

  test('the handler sees the pid of the caller', async () => {
    const { here, named } = await begin();
    const probe = createProbe(here);
    expect(await named.call('who')).toEqual(here.initPid);
    expect((await named.call('who', undefined, { from: probe.self })) as object).toBe(probe.self.pid);
  });

  test('casts, in the order sent', async () => {
    const { named, byPid } = await begin();
    for (let item = 0; item < 10; item += 2) {
      named.cast('add', item);
      byPid.cast('add', item + 1);
    }
    expect(await named.call('log')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('a deferred reply', async () => {
    const waiting: From[] = [];
    const { network, named } = await begin(waiting);
    const answer = named.call('wait');
    await network.settle();
    waiting[0]?.reply('at last');
    expect(await answer).toBe('at last');
  });

  test('a reply that comes too late is dropped', async () => {
    const waiting: From[] = [];
    const { network, clock, here, named } = await begin(waiting);
    const probe = createProbe(here);
    const answer = failure(named.call('wait', undefined, { from: probe.self, timeoutMs: 10 }));
    await network.settle();
    await clock.advance(10);
    expect((await answer).code).toBe('TROUPE_CALL_TIMEOUT');
    waiting[0]?.reply('late');
    await network.settle();
    expect(probe.messages()).toEqual([]);
  });

  test('a deferred reply after the end of the server is dropped', async () => {
    const waiting: From[] = [];
    const { network, there, started, named } = await begin(waiting);
    const answer = failure(named.call('wait'));
    await network.settle();
    there.exit(started.pid, 'gone');
    waiting[0]?.reply('late');
    expect(await answer).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'gone' });
  });
});

describe('failures', () => {
  test('noproc', async () => {
    const { here, byPid, started } = await begin();
    await started.stop();
    await expectFailure(byPid.call('log'), 'TROUPE_CALL_NOPROC', 'noproc');
    const nobody = serverRef(here, server, { name: 'nobody', node: 'there@x' });
    expect((await failure(nobody.call('log'))).code).toBe('TROUPE_CALL_NOPROC');
  });

  test('nodedown, when the connection is lost', async () => {
    const { network, named } = await begin([]);
    const answer = failure(named.call('wait'));
    await network.settle();
    network.cut('here@x', 'there@x');
    expect(await answer).toMatchObject({ code: 'TROUPE_CALL_NODEDOWN', reason: 'nodedown' });
  });

  test('a handler that throws: the reason arrives as a description', async () => {
    const { there, started, named } = await begin();
    const ended = awaitExit(there, started.pid);
    expect(await failure(named.call('crash'))).toMatchObject({
      code: 'TROUPE_CALL_EXIT',
      reason: { name: 'Error', message: 'bad day' },
    });
    expect(await ended).toMatchObject({ message: 'bad day' });
  });

  test('{stop, Reason, Reply, State}: the reply arrives before the end', async () => {
    const { here, named } = await begin();
    const probe = createProbe(here);
    probe.self.monitor(named);
    expect(await named.call('stop', 'over', { from: probe.self })).toBe('bye');
    expect(await probe.receive()).toMatchObject({ reason: 'over' });
  });

  test.each(['unknown', 'constructor'])('an unknown call, %s, fails; the server goes on', async (name) => {
    const unexpected = recordTelemetry('troupe:server:unexpected');
    const { here, there, started, named } = await begin();
    expect(await failure(call(here, named, name, 1))).toMatchObject({
      code: 'TROUPE_UNKNOWN_CALL',
      reason: ['unknown_call', name],
    });
    expect(unexpected.map(({ kind, message }) => [kind, message])).toEqual([['call', { name, argument: 1 }]]);
    expect(there.isAlive(started.pid)).toBe(true);
    expect(await named.call('log')).toEqual([]);
  });

  test('a reply that cannot leave the node fails the call; the server goes on', async () => {
    const { named } = await begin();
    const error = await failure(named.call('unsendable'));
    expect(error.code).toBe('TROUPE_REPLY_NOT_ENCODABLE');
    expect(error.reason).toEqual(['not_encodable', expect.stringContaining('a function')]);
    expect(await named.call('log')).toEqual([]);
  });

  test('an argument that cannot leave the node', async () => {
    const { named } = await begin();
    expect((await failure(named.call('echo', () => 0))).code).toBe('TROUPE_NOT_ENCODABLE');
  });

  test('a call that says not whom to answer is handled and not answered', async () => {
    const { here, there, started, named } = await begin();
    const calls = ['echo', 'nothing', SYSTEM].map((name) =>
      tuple(atom('$gen_call'), tuple(null, 'alias'), tuple(atom(name), atom('get_state'))),
    );
    const supervised = await there.start(defineSupervisor({ children: [] }));
    for (const message of calls) {
      here.send(started.pid, message);
      here.send(supervised.pid, message);
    }
    expect(await named.call('echo', 'after')).toBe('after');
    expect(await supervised.countChildren()).toMatchObject({ specs: 0 });
  });

  test('a failed call leaves nothing behind on either side', async () => {
    const { network, here, there, started, named } = await begin();
    await failure(call(here, named, 'unknown', 1));
    await failure(named.call('unsendable'));
    await named.call('log');
    await network.settle();
    expect(here.router.aliases.size).toBe(0);
    expect(here.router.peer('there@x').outgoing.size).toBe(0);
    expect(there.router.peer('here@x').incoming.size).toBe(0);
    expect(there.processInfo(started.pid)?.monitoredBy).toEqual([]);
  });
});

describe('system messages to another node', () => {
  test('state, status, suspend and resume', async () => {
    const { here, started, named } = await begin();
    named.cast('add', 1);
    expect(await sys.getState(here, named)).toEqual({ log: [1], waiting: undefined });
    expect(await sys.getStatus(here, named)).toMatchObject({ status: 'running', name: 'one' });
    await sys.suspend(here, named);
    const answer = named.call('log');
    expect(await sys.getStatus(here, started.pid)).toMatchObject({ status: 'suspended' });
    await sys.resume(here, named);
    expect(await answer).toEqual([1]);
  });

  test('a state that cannot leave the node fails the asker only', async () => {
    const { here, there, named } = await begin();
    await there.start(defineServer({ init: () => new AbortController() }), [], { name: 'closed' });
    const error = await failure(sys.getState(here, { name: 'closed', node: 'there@x' }));
    expect([error.code, (error.reason as unknown[])[0]]).toEqual([
      'TROUPE_REPLY_NOT_ENCODABLE',
      'not_encodable',
    ]);
    expect(there.whereis('closed')).toBeDefined();
    expect(await named.call('log')).toEqual([]);
  });

  test('stop waits until the server is gone', async () => {
    const { network, here, there } = await begin();
    const gate = makeGate();
    const slow = defineServer({ init: () => 0, terminate: () => gate.opened });
    const { pid } = await there.start(slow, [], { name: 'slow' });
    const named = serverRef(here, slow, { name: 'slow', node: 'there@x' });
    let stopped = false;
    const stopping = named.stop('shutdown').then(() => (stopped = true));
    await network.settle();
    expect([stopped, there.isAlive(pid)]).toEqual([false, true]);
    gate.open();
    await stopping;
    expect(there.isAlive(pid)).toBe(false);
    expect((await failure(named.stop())).code).toBe('TROUPE_CALL_NOPROC');
  });
});
