// Looking into processes and holding them: sys:get_state/2, replace_state/3, get_status/2, suspend/2, resume/2, terminate/3.
import { describe, expect, test } from 'vitest';
import { call, defineServer, Exit, type Node, reply, sys, TIMEOUT } from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { SYSTEM } from '../../../src/runtime/otp/internal.ts';
import { makeGate, makeNode } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';

const logging = defineServer({
  name: 'logging',
  init: () => ({ log: [] as unknown[] }),
  call: {
    log: ({ log }) => [...log],
    run: ({ log }, run: (log: unknown[]) => unknown) => run(log),
  },
  cast: { add: ({ log }, item: unknown) => log.push(item), run: (_state, run: () => unknown) => run() },
  info: ({ log }, message) => log.push(message),
  terminate: ({ log }, reason) => log.push(['terminate', reason]),
});

describe('sys:get_state/2 and replace_state/3', () => {
  test('the state itself', async () => {
    const node = makeNode();
    const ref = await node.start(logging);
    ref.cast('add', 1);
    const state = await sys.getState(node, ref);
    expect(state).toEqual({ log: [1] });
    expect(await sys.getState(node, ref.pid)).toBe(state);
  });

  test('replaced by what the function makes of it', async () => {
    const node = makeNode();
    const ref = await node.start(logging);
    const replaced = await sys.replaceState(node, ref, ({ log }: { log: unknown[] }) => ({
      log: [...log, 'new'],
    }));
    expect(replaced).toEqual({ log: ['new'] });
    expect(await ref.call('log')).toEqual(['new']);
  });

  test('a function that throws changes nothing: {callback_failed, _}', async () => {
    const node = makeNode();
    const ref = await node.start(logging);
    ref.cast('add', 1);
    const thrown = new Error('no');
    const error = await failure(
      sys.replaceState(node, ref, () => {
        throw thrown;
      }),
    );
    expect([error.code, error.reason, error.cause]).toEqual([
      'TROUPE_SYSTEM_FAILED',
      ['callback_failed', thrown],
      thrown,
    ]);
    expect(await ref.call('log')).toEqual([1]);
  });

  test('between two messages: not while a handler is at work', async () => {
    const node = makeNode();
    const gate = makeGate();
    const ref = await node.start(logging);
    void ref.call('run', async (log) => {
      log.push('half');
      await gate.opened;
      log.pop();
    });
    const state = sys.getState(node, ref);
    gate.open();
    expect(await state).toEqual({ log: [] });
  });

  test('fails as a call does', async () => {
    const node = makeNode();
    const ref = await node.start(logging, [], { name: 'one' });
    expect(await sys.getState(node, 'one')).toEqual({ log: [] });
    await ref.stop();
    await expectFailure(sys.getState(node, 'one'), 'TROUPE_CALL_NOPROC', 'noproc');
  });
});

describe('sys:get_status/2', () => {
  test('tells what the process is', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const ref = await probe.self.startLink(logging, [], { name: 'one' });
    expect(await sys.getStatus(node, ref)).toEqual({
      pid: ref.pid,
      status: 'running',
      parent: probe.self.pid,
      name: 'one',
      behaviour: 'server',
      state: { log: [] },
      details: { definition: 'logging' },
    });
    await sys.suspend(node, ref);
    expect(await sys.getStatus(node, ref)).toMatchObject({ status: 'suspended' });
  });

  test('without a link there is no parent', async () => {
    const node = makeNode();
    const ref = await node.start(logging);
    expect(await sys.getStatus(node, ref)).toMatchObject({ parent: undefined, name: undefined });
  });
});

describe('a suspended process', () => {
  async function suspended(options: { trapExit?: boolean } = {}) {
    const clock = createManualClock();
    const node: Node = makeNode({ clock });
    const probe = createProbe(node);
    const ref = await probe.self.startLink(logging, [], options);
    await sys.suspend(node, ref);
    return { clock, node, probe, ref };
  }

  test('handles nothing, and afterwards everything in the order sent', async () => {
    const { node, ref } = await suspended();
    const calls: Promise<unknown>[] = [];
    for (let item = 0; item < 30; item += 3) {
      ref.cast('add', item);
      node.send(ref, item + 1);
      calls.push(ref.call('run', (log) => log.push(item + 2)));
    }
    await settle(node);
    expect(await sys.getState(node, ref)).toEqual({ log: [] });
    expect(node.processInfo(ref.pid)).toMatchObject({ messageQueueLength: 30, status: 'waiting' });
    await sys.resume(node, ref);
    await Promise.all(calls);
    expect(await ref.call('log')).toEqual(Array.from({ length: 30 }, (_, index) => index));
  });

  test('lets calls time out, which it answers into the void later', async () => {
    const { clock, node, ref } = await suspended();
    const answer = failure(ref.call('log', undefined, { timeoutMs: 10 }));
    await clock.advance(10);
    expect((await answer).code).toBe('TROUPE_CALL_TIMEOUT');
    await sys.resume(node, ref);
    expect(await ref.call('log')).toEqual([]);
  });

  test('answers system messages: state, replacing it, suspending again', async () => {
    const { node, ref } = await suspended();
    await sys.suspend(node, ref);
    await sys.replaceState(node, ref, () => ({ log: ['replaced'] }));
    expect(await sys.getState(node, ref)).toEqual({ log: ['replaced'] });
    await sys.resume(node, ref);
    expect(await ref.call('log')).toEqual(['replaced']);
  });

  test('can be suspended and resumed many times', async () => {
    const { node, ref } = await suspended();
    for (let round = 0; round < 100; round++) {
      ref.cast('add', round);
      await sys.resume(node, ref);
      await sys.suspend(node, ref);
    }
    await sys.resume(node, ref);
    expect(await ref.call('log')).toHaveLength(100);
  });

  test('resuming one that runs has no effect', async () => {
    const node = makeNode();
    const ref = await node.start(logging);
    await sys.resume(node, ref);
    expect(await ref.call('log')).toEqual([]);
  });

  test('ends by the exit of its parent, and cleans up, with exits trapped', async () => {
    const { node, probe, ref } = await suspended({ trapExit: true });
    const state = (await sys.getState(node, ref)) as { log: unknown[] };
    const ended = awaitExit(node, ref.pid);
    ref.cast('add', 'never handled');
    probe.self.exit(ref.pid, 'shutdown');
    expect(await ended).toBe('shutdown');
    expect(state.log).toEqual([['terminate', 'shutdown']]);
  });

  test('keeps the exits of others for later', async () => {
    const { node, ref } = await suspended({ trapExit: true });
    const other = createProbe(node);
    other.self.exit(ref.pid, 'shutdown');
    await settle(node);
    await sys.resume(node, ref);
    expect(await ref.call('log')).toEqual([new Exit(other.self.pid, 'shutdown')]);
  });

  test('can be stopped', async () => {
    const { node, probe, ref } = await suspended();
    const state = (await sys.getState(node, ref)) as { log: unknown[] };
    await ref.stop('shutdown');
    expect(state.log).toEqual([['terminate', 'shutdown']]);
    expect(await probe.receive()).toEqual(new Exit(ref.pid, 'shutdown'));
  });

  test('can be killed', async () => {
    const { node, ref } = await suspended();
    const state = (await sys.getState(node, ref)) as { log: unknown[] };
    const ended = awaitExit(node, ref.pid);
    node.exit(ref.pid, 'kill');
    expect(await ended).toBe('killed');
    expect(state.log).toEqual([]);
  });

  test('is resumed although its mailbox is full', async () => {
    const node = makeNode();
    const ref = await node.start(logging, [], { mailbox: { limit: 2, policy: 'reject' } });
    await sys.suspend(node, ref);
    for (let item = 0; item < 4; item++) ref.cast('add', item);
    await expectFailure(ref.call('log'), 'TROUPE_MAILBOX_FULL');
    await sys.resume(node, ref);
    await settle(node);
    expect(await ref.call('log')).toEqual([0, 1]);
  });
});

describe('with a timeout of the server', () => {
  async function waiting() {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const ref = await node.start(logging);
    await ref.call('run', () => reply(undefined, { timeoutMs: 100 }));
    await clock.advance(60);
    return { clock, node, ref };
  }

  test('a system message starts it again (gen_server:system_continue/3)', async () => {
    const { clock, node, ref } = await waiting();
    const state = await sys.getState(node, ref);
    await clock.advance(99);
    expect(state).toEqual({ log: [] });
    await clock.advance(1);
    expect(state).toEqual({ log: [TIMEOUT] });
  });

  test('it does not run while the process is suspended', async () => {
    const { clock, node, ref } = await waiting();
    await sys.suspend(node, ref);
    await clock.advance(1_000);
    await sys.resume(node, ref);
    const state = await sys.getState(node, ref);
    expect(state).toEqual({ log: [] });
    await clock.advance(100);
    expect(state).toEqual({ log: [TIMEOUT] });
  });
});

test('sys:terminate/3 answers before the process has ended', async () => {
  const node = makeNode();
  const gate = makeGate();
  const slow = defineServer({ init: () => 0, terminate: () => gate.opened });
  const ref = await node.start(slow);
  const ended = awaitExit(node, ref.pid);
  await sys.terminate(node, ref, 'shutdown');
  expect(node.isAlive(ref.pid)).toBe(true);
  gate.open();
  expect(await ended).toBe('shutdown');
});

test('{error, {unknown_system_msg, _}}', async () => {
  const node = makeNode();
  const ref = await node.start(logging);
  expect(await call(node, ref, SYSTEM, ['change_code', 1])).toMatchObject({
    kind: 'error',
    value: ['unknown_system_msg', ['change_code', 1]],
  });
});

test('a process that handles no system messages does not answer', async () => {
  const clock = createManualClock();
  const node = makeNode({ clock });
  const probe = createProbe(node);
  const state = failure(sys.getState(node, probe.self.pid));
  await clock.advance(5_000);
  expect((await state).code).toBe('TROUPE_CALL_TIMEOUT');
});
