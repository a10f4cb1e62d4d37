// The functions of a supervisor and what they answer: start_child/2, restart_child/2, terminate_child/2, delete_child/2,
// get_childspec/2, which_children/1, count_children/1 of the OTP module `supervisor`.
import { describe, expect, test } from 'vitest';
import {
  call,
  cast,
  child,
  childProcess,
  childTemplate,
  createNode,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  type Node,
  type Pid,
  type Process,
  type SupervisorInstance,
  supervisorRef,
  sys,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import { idle, inProcess, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';
import { end, look, pidOf, worker, workerChild } from './supervisor-helpers.ts';

const counter = defineServer({
  name: 'counter',
  init: (_self, from: number) => ({ count: from }),
  call: { next: (state) => ++state.count },
});

async function started(...ids: string[]): Promise<{ node: Node; supervisor: SupervisorInstance }> {
  const node = makeNode();
  const children = ids.map((id) => workerChild(id));
  return { node, supervisor: await node.start(defineSupervisor({ children })) };
}

describe('startChild (start_child/2)', () => {
  test('starts the child behind the others and answers its pid and what its start answered', async () => {
    const { node, supervisor } = await started('a');
    const result = await supervisor.startChild(child(counter, [6]));
    if (!result.ok) throw new Error(result.error);
    expect(node.isAlive(result.pid as Pid)).toBe(true);
    expect(await result.handle.call('next')).toBe(7);
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a', 'counter']);
  });

  test('an id that is there: already_started with its pid, or already_present', async () => {
    const { supervisor } = await started('a');
    const pid = await pidOf(supervisor, 'a');
    expect(await supervisor.startChild(workerChild('a'))).toEqual({
      ok: false,
      error: 'already_started',
      pid,
    });
    await supervisor.terminateChild('a');
    expect(await supervisor.startChild(workerChild('a'))).toEqual({ ok: false, error: 'already_present' });
  });

  test('a start that fails: the reason, and the spec is discarded', async () => {
    const { supervisor } = await started('a');
    const broken = defineServer({
      name: 'broken',
      init: () => {
        throw new Error('no disk');
      },
    });
    expect(await supervisor.startChild(child(broken))).toEqual({
      ok: false,
      error: 'start_failed',
      reason: new Error('no disk'),
    });
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a']);
  });

  test('ignore: ok without a pid; the spec is kept, unless temporary', async () => {
    const { supervisor } = await started();
    const spec = { id: 'a', start: () => undefined };
    expect(await supervisor.startChild(spec)).toEqual({ ok: true, pid: undefined, handle: undefined });
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
    expect(await supervisor.startChild({ ...spec, id: 'b', restart: 'temporary' })).toMatchObject({
      ok: true,
    });
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
    expect(await supervisor.restartChild('a')).toEqual({ ok: true, pid: undefined, handle: undefined });
  });

  test('a wrong spec is an error of who asks, and nothing else', async () => {
    const { supervisor } = await started('a');
    await expectFailure(supervisor.startChild(workerChild('')), 'TROUPE_BAD_CHILD_SPEC');
    const significant = workerChild('b', { restart: 'transient', significant: true });
    await expectFailure(supervisor.startChild(significant), 'TROUPE_BAD_CHILD_SPEC');
    const trap = {
      get id(): string {
        throw new Error('trap');
      },
      start: () => undefined,
    };
    await expectFailure(supervisor.startChild(trap), 'TROUPE_BAD_ARGUMENT');
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a']);
  });
});

describe('restartChild (restart_child/2)', () => {
  test('starts one that was terminated, in its old place', async () => {
    const { supervisor } = await started('a', 'b');
    const before = await pidOf(supervisor, 'a');
    await supervisor.terminateChild('a');
    const result = await supervisor.restartChild('a');
    expect(result.ok && result.pid).toBe(await pidOf(supervisor, 'a'));
    expect(result.ok && result.pid).not.toBe(before);
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a', 'b']);
  });

  test('starts a transient one that has ended', async () => {
    const { node, supervisor } = await started();
    await supervisor.startChild(workerChild('a', { restart: 'transient' }));
    end(node, await pidOf(supervisor, 'a'), 'normal');
    await settle(node);
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
    expect(await supervisor.restartChild('a')).toMatchObject({ ok: true });
  });

  test('running, not_found', async () => {
    const { supervisor } = await started('a');
    expect(await supervisor.restartChild('a')).toEqual({ ok: false, error: 'running' });
    expect(await supervisor.restartChild('b')).toEqual({ ok: false, error: 'not_found' });
  });

  test('a start that fails leaves it as it was', async () => {
    const { node, supervisor } = await started();
    let fails = false;
    const start = (self: Process): Pid => {
      if (fails) throw new Error('no');
      return self.spawnLink(idle);
    };
    await supervisor.startChild({ id: 'a', start });
    await supervisor.terminateChild('a');
    fails = true;
    const reason = new Error('no');
    expect(await supervisor.restartChild('a')).toEqual({ ok: false, error: 'start_failed', reason });
    await settle(node);
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
  });
});

describe('terminateChild (terminate_child/2)', () => {
  test('ends the process and keeps the spec, unless temporary', async () => {
    const { node, supervisor } = await started('a');
    await supervisor.startChild(workerChild('b', { restart: 'temporary' }));
    const pids = [await pidOf(supervisor, 'a'), await pidOf(supervisor, 'b')];
    expect(await supervisor.terminateChild('a')).toEqual({ ok: true });
    expect(await supervisor.terminateChild('b')).toEqual({ ok: true });
    expect(pids.map((pid) => node.isAlive(pid))).toEqual([false, false]);
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
    await settle(node);
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
    expect(node.processInfo(supervisor.pid)).toMatchObject({
      links: [],
      monitors: [],
      messageQueueLength: 0,
    });
  });

  test('one that is not running is ok, one that is not there is not_found', async () => {
    const { supervisor } = await started('a');
    await supervisor.terminateChild('a');
    expect(await supervisor.terminateChild('a')).toEqual({ ok: true });
    expect(await supervisor.terminateChild('b')).toEqual({ ok: false, error: 'not_found' });
    expect(await supervisor.terminateChild(supervisor.pid)).toEqual({ ok: false, error: 'not_found' });
  });

  test('one that has just died by itself is not restarted', async () => {
    const { node, supervisor } = await started('a');
    const pid = await pidOf(supervisor, 'a');
    const terminating = supervisor.terminateChild('a');
    // Its exit reaches the supervisor behind the request.
    node.exit(pid, 'boom');
    expect(await terminating).toEqual({ ok: true });
    await settle(node);
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
  });
});

describe('deleteChild (delete_child/2)', () => {
  test('running, ok, not_found', async () => {
    const { supervisor } = await started('a', 'b');
    expect(await supervisor.deleteChild('a')).toEqual({ ok: false, error: 'running' });
    await supervisor.terminateChild('a');
    expect(await supervisor.deleteChild('a')).toEqual({ ok: true });
    expect(await supervisor.deleteChild('a')).toEqual({ ok: false, error: 'not_found' });
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['b']);
    // The id is free again, at the end.
    await supervisor.startChild(workerChild('a'));
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['b', 'a']);
  });
});

describe('getChildSpec (get_childspec/2)', () => {
  test('answers all fields', async () => {
    const { supervisor } = await started();
    const spec = childProcess(worker, [], { id: 'a', shutdown: 'brutal_kill' });
    await supervisor.startChild(spec);
    expect(await supervisor.getChildSpec('a')).toEqual({
      ok: true,
      spec: {
        id: 'a',
        start: spec.start,
        restart: 'permanent',
        significant: false,
        shutdown: 'brutal_kill',
        type: 'worker',
        modules: ['worker'],
      },
    });
    expect(await supervisor.getChildSpec('b')).toEqual({ ok: false, error: 'not_found' });
  });
});

describe('whichChildren and countChildren', () => {
  test('count specs, live processes, supervisors and workers', async () => {
    const { supervisor } = await started('a', 'b', 'c');
    await supervisor.startChild(child(defineSupervisor({ name: 'inner', children: [] })));
    await supervisor.terminateChild('b');
    expect(await supervisor.countChildren()).toEqual({ specs: 4, active: 3, supervisors: 1, workers: 3 });
    const [, b, , inner] = await supervisor.whichChildren();
    expect(b).toEqual({ id: 'b', pid: undefined, status: 'stopped', type: 'worker', modules: ['worker'] });
    expect(inner).toMatchObject({ id: 'inner', status: 'running', type: 'supervisor', modules: ['inner'] });
  });

  test('a child that has died and is not restarted yet is not active', async () => {
    const { node, supervisor } = await started('a', 'b');
    const pid = await pidOf(supervisor, 'a');
    const counting = supervisor.countChildren();
    node.exit(pid, 'boom');
    expect(await counting).toMatchObject({ specs: 2, active: 1 });
  });
});

describe('a dynamic supervisor, addressed like any', () => {
  test('answers simple_one_for_one to what it cannot do', async () => {
    const node = makeNode();
    const many = await node.start(defineDynamicSupervisor({ child: childTemplate(counter, { id: 'one' }) }));
    const any = supervisorRef(node, many);
    const wrong = { ok: false, error: 'simple_one_for_one' };
    expect(await any.restartChild('one')).toEqual(wrong);
    expect(await any.deleteChild('one')).toEqual(wrong);
    expect(await any.terminateChild('one')).toEqual(wrong);
    expect(await any.getChildSpec('one')).toMatchObject({
      ok: true,
      spec: { id: 'one', restart: 'permanent' },
    });
    expect(await any.getChildSpec('two')).toEqual({ ok: false, error: 'not_found' });
    await expectFailure(any.startChild(workerChild('a')), 'TROUPE_BAD_ARGUMENT');
    const first = await many.startChild([1]);
    expect(await any.getChildSpec((first.ok && first.pid) as Pid)).toMatchObject({ ok: true });
    expect(await any.getChildSpec(node.initPid)).toEqual({ ok: false, error: 'not_found' });
  });
});

describe('addresses', () => {
  test('a name is looked up at each request', async () => {
    const node = makeNode();
    const inner = defineSupervisor({ name: 'inner', children: [workerChild('a')] });
    await node.start(defineSupervisor({ children: [child(inner, [], { name: 'inner' })] }));
    const named = supervisorRef(node, 'inner');
    expect(named.toString()).toBe(`inner on ${node.name}`);
    const before = await look(named);
    node.exit(node.whereis('inner') as Pid, 'kill');
    await settle(node);
    const after = await look(named);
    expect(after).toHaveLength(1);
    expect(after).not.toEqual(before);
    await expectFailure(supervisorRef(node, 'nobody').whichChildren(), 'TROUPE_CALL_NOPROC');
    const away = supervisorRef(node, { name: 'inner', node: node.name });
    expect(await away.countChildren()).toMatchObject({ active: 1 });
  });

  test('a reference is what a pid is', async () => {
    const { node, supervisor } = await started('a');
    expect(supervisor.toString()).toBe(supervisor.pid.toString());
    expect(await supervisorRef(node, supervisor.pid).countChildren()).toMatchObject({ specs: 1 });
    const ended = inProcess(node, async (self) => {
      self.monitor(supervisor);
      return self.receive();
    });
    await supervisor.stop();
    expect(await ended).toMatchObject({ reason: 'normal' });
  });

  test('requests wait as long as it takes, or as long as their option says', async () => {
    const { node, supervisor } = await started('a');
    const gate = makeGate();
    const starting = supervisor.startChild({ id: 'slow', start: () => gate.opened.then(() => undefined) });
    await expectFailure(supervisor.whichChildren({ timeoutMs: 0 }), 'TROUPE_CALL_TIMEOUT');
    const waiting = supervisor.countChildren();
    gate.open();
    await starting;
    expect(await waiting).toMatchObject({ specs: 2 });
    expect(node.isAlive(supervisor.pid)).toBe(true);
  });

  test('a supervisor cannot ask itself', async () => {
    const { supervisor } = await started();
    let seen: unknown;
    const start = async (self: Process): Promise<undefined> => {
      seen = await failure(supervisor.whichChildren({ from: self }));
    };
    await supervisor.startChild({ id: 'a', start });
    expect(seen).toMatchObject({ code: 'TROUPE_CALL_SELF' });
  });
});

describe('anything but a request', () => {
  test('is reported and has no effect', async () => {
    const { node, supervisor } = await started('a');
    const reports = recordTelemetry('troupe:server:unexpected');
    node.send(supervisor.pid, 'hello');
    cast(node, supervisor.pid, 'do', 1);
    await expectFailure(call(node, supervisor.pid, 'undo', 2), 'TROUPE_UNKNOWN_CALL');
    const common = { pid: supervisor.pid, label: 'supervisor' };
    expect(reports).toEqual([
      { ...common, kind: 'info', message: 'hello' },
      { ...common, kind: 'cast', message: { name: 'do', argument: 1 } },
      { ...common, kind: 'call', message: { name: 'undo', argument: 2 } },
    ]);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
  });
});

describe('system messages (sys)', () => {
  test('show a supervisor', async () => {
    const { node, supervisor } = await started('a', 'b');
    const status = await sys.getStatus(node, supervisor);
    expect(status).toMatchObject({
      behaviour: 'supervisor',
      status: 'running',
      details: {
        name: 'supervisor',
        strategy: 'one_for_one',
        intensity: 1,
        periodMs: 5_000,
        children: { specs: 2, active: 2 },
      },
    });
    expect(await sys.getState(node, supervisor)).toBe(status.state);
  });

  test('the state can be read and not be replaced', async () => {
    const { node, supervisor } = await started('a');
    await sys.replaceState(node, supervisor, (state) => state);
    await expectFailure(
      sys.replaceState(node, supervisor, () => ({})),
      'TROUPE_SYSTEM_FAILED',
    );
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
  });

  test('a suspended supervisor restarts nothing until it is resumed', async () => {
    const { node, supervisor } = await started('a');
    const before = await pidOf(supervisor, 'a');
    await sys.suspend(node, supervisor);
    node.exit(before, 'boom');
    await settle(node);
    expect(node.processes()).toHaveLength(2);
    await sys.resume(node, supervisor);
    await settle(node);
    expect(await pidOf(supervisor, 'a')).not.toBe(before);
  });

  test('terminate stops the children', async () => {
    const { node, supervisor } = await started('a', 'b');
    const ended = awaitExit(node, supervisor.pid);
    await sys.terminate(node, supervisor, 'over');
    expect(await ended).toBe('over');
    expect(node.processes()).toEqual([node.initPid]);
  });
});

test('requests to a node that is stopped fail', async () => {
  const node = createNode();
  const supervisor = await node.start(defineSupervisor({ children: [workerChild('a')] }));
  await node.stop();
  expect((await failure(supervisor.whichChildren())).code).toBe('TROUPE_CALL_NOPROC');
});
