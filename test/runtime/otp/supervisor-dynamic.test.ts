// Dynamic children: simple_one_for_one of the OTP module `supervisor`.
import { describe, expect, test } from 'vitest';
import {
  child,
  childTemplate,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  dynamicSupervisorRef,
  fail,
  ignore,
  type Node,
  type Pid,
  type Process,
  type StartDynamicChildResult,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import { makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure } from './helpers.ts';
import { end, worker } from './supervisor-helpers.ts';

const room = defineServer({
  name: 'room',
  init: (_self, title: string, seats: number) => {
    if (seats === 0) return ignore();
    return seats < 0 ? fail('bad seats') : { title, seats };
  },
  call: { title: ({ title }) => title, seats: ({ seats }) => seats },
});

const rooms = defineDynamicSupervisor({
  name: 'rooms',
  child: childTemplate(room, { restart: 'temporary' }),
});

const start = (self: Process, _n: number): Pid => self.spawnLink(worker);
const workers = defineDynamicSupervisor({ child: { start, restart: 'temporary' } });

function pidIn(result: StartDynamicChildResult): Pid {
  if (!result.ok || result.pid === undefined) throw new Error('no child was started');
  return result.pid;
}

/** What is left of a node whose supervisor has no children: its own process and init. */
function expectEmpty(node: Node, supervisor: { readonly pid: Pid }): void {
  expect(node.processes()).toEqual([node.initPid, supervisor.pid]);
  const info = node.processInfo(supervisor.pid);
  expect(info).toMatchObject({ links: [], monitors: [], monitoredBy: [], messageQueueLength: 0 });
  expect(node.find(supervisor.pid)?.watchers).toBeNull();
}

describe('startChild', () => {
  test('starts each child with its own arguments', async () => {
    const node = makeNode();
    const progress = recordTelemetry('troupe:supervisor:child_started');
    const supervisor = await node.start(rooms);
    expect(await supervisor.whichChildren()).toEqual([]);
    const started = await supervisor.startChild(['blue', 4]);
    const pid = pidIn(started);
    expect(await (started.ok ? started.handle?.call('title') : undefined)).toBe('blue');
    await supervisor.startChild(['red', 2]);
    expect((await supervisor.whichChildren())[0]).toEqual({
      id: undefined,
      pid,
      status: 'running',
      type: 'worker',
      modules: ['room'],
    });
    expect(await supervisor.countChildren()).toEqual({ specs: 1, active: 2, supervisors: 0, workers: 2 });
    expect(progress).toMatchObject([
      { label: 'rooms', id: 'room', pid, restart: false },
      { label: 'rooms', id: 'room', restart: false },
    ]);
  });

  test('ignore: ok without a pid, and no child; a failure: its reason, and no child', async () => {
    const node = makeNode();
    const supervisor = await node.start(rooms);
    expect(await supervisor.startChild(['blue', 0])).toEqual({ ok: true, pid: undefined, handle: undefined });
    expect(await supervisor.startChild(['blue', -1])).toEqual({
      ok: false,
      error: 'start_failed',
      reason: 'bad seats',
    });
    expect(await supervisor.countChildren()).toMatchObject({ active: 0, workers: 0 });
    expectEmpty(node, supervisor);
  });

  test('the template may depend on the arguments of the supervisor', async () => {
    const node = makeNode();
    const hotel = defineDynamicSupervisor({
      child: (name: string) => ({
        id: name,
        restart: 'temporary' as const,
        start: (self: Process, number: number) => self.startLink(room, [`${name} ${number}`, 2]),
      }),
    });
    const supervisor = await node.start(hotel, ['Ritz']);
    const started = await supervisor.startChild([7]);
    expect(await (started.ok ? started.handle?.call('title') : undefined)).toBe('Ritz 7');
  });

  test('by name, as a child of another supervisor', async () => {
    const node = makeNode();
    await node.start(defineSupervisor({ children: [child(rooms, [], { name: 'rooms' })] }));
    const named = dynamicSupervisorRef(node, rooms, 'rooms');
    expect(named.toString()).toBe(`rooms on ${node.name}`);
    const pid = pidIn(await named.startChild(['blue', 1]));
    const instance = dynamicSupervisorRef(node, rooms, node.whereis('rooms') as Pid);
    expect(await instance.terminateChild(pid)).toEqual({ ok: true });
    expect(instance.toString()).toBe(instance.pid.toString());
    const other = dynamicSupervisorRef(node, rooms, { name: 'rooms', node: node.name });
    expect(await other.countChildren()).toMatchObject({ active: 0 });
    expect(await dynamicSupervisorRef(node, rooms, instance).countChildren()).toMatchObject({ active: 0 });
  });

  test('supervisors can be the children', async () => {
    const node = makeNode();
    const house = defineSupervisor({
      name: 'house',
      children: (name: string) => [child(room, [name, 1], { id: 'hall' })],
    });
    const street = await node.start(defineDynamicSupervisor({ child: childTemplate(house) }));
    await street.startChild(['one']);
    await street.startChild(['two']);
    expect(await street.countChildren()).toEqual({ specs: 1, active: 2, supervisors: 2, workers: 0 });
    await street.stop();
    await settle(node);
    expect(node.processes()).toEqual([node.initPid]);
  });
});

describe('restart', () => {
  test('starts a child again with the arguments that it was started with', async () => {
    const node = makeNode();
    const permanent = defineDynamicSupervisor({ intensity: 5, child: childTemplate(room) });
    const progress = recordTelemetry('troupe:supervisor:child_started');
    const supervisor = await node.start(permanent);
    await supervisor.startChild(['red', 9]);
    const before = pidIn(await supervisor.startChild(['blue', 4]));
    node.exit(before, 'boom');
    await settle(node);
    const after = (await supervisor.whichChildren())[1]?.pid as Pid;
    expect(after).not.toBe(before);
    expect(progress.at(-1)).toMatchObject({ id: 'room', pid: after, restart: true });
    expect(await supervisor.countChildren()).toMatchObject({ active: 2, workers: 2 });
    node.exit(after, 'boom');
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 2, workers: 2 });
  });

  test('a child whose restart answers ignore is removed', async () => {
    const node = makeNode();
    let wanted = true;
    const once = (self: Process): Pid | undefined => (wanted ? self.spawnLink(worker) : undefined);
    const supervisor = await node.start(defineDynamicSupervisor({ child: { start: once } }));
    const pid = pidIn(await supervisor.startChild([]));
    wanted = false;
    node.exit(pid, 'boom');
    await settle(node);
    expect(await supervisor.whichChildren()).toEqual([]);
    expectEmpty(node, supervisor);
  });
});

describe('terminateChild', () => {
  test('by pid; a child that is gone is ok, any other process is not_found', async () => {
    const node = makeNode();
    const supervisor = await node.start(workers);
    const pid = pidIn(await supervisor.startChild([1]));
    expect(await supervisor.terminateChild(node.pid(pid.toString()))).toEqual({ ok: true });
    expect(node.isAlive(pid)).toBe(false);
    expect(await supervisor.terminateChild(pid)).toEqual({ ok: true });
    expect(await supervisor.terminateChild(node.initPid)).toEqual({ ok: false, error: 'not_found' });
    expectEmpty(node, supervisor);
  });

  test('by anything else is simple_one_for_one', async () => {
    const node = makeNode();
    const supervisor = await node.start(workers);
    expect(await supervisor.terminateChild('1' as unknown as Pid)).toEqual({
      ok: false,
      error: 'simple_one_for_one',
    });
    await expectFailure(supervisor.startChild('abc' as unknown as [number]), 'TROUPE_BAD_ARGUMENT');
  });

  test('one that has just died by itself is not restarted', async () => {
    const node = makeNode();
    const permanent = defineDynamicSupervisor({ child: { start } });
    const supervisor = await node.start(permanent);
    const pid = pidIn(await supervisor.startChild([1]));
    const terminating = supervisor.terminateChild(pid);
    node.exit(pid, 'boom');
    expect(await terminating).toEqual({ ok: true });
    await settle(node);
    expectEmpty(node, supervisor);
  });
});

describe('many children', () => {
  test('10,000 are started and stopped, and nothing is left of them', async () => {
    const node = makeNode();
    const supervisor = await node.start(workers);
    const all = await Promise.all(Array.from({ length: 10_000 }, (_, i) => supervisor.startChild([i])));
    expect(await supervisor.countChildren()).toMatchObject({ active: 10_000, workers: 10_000 });
    expect(node.processInfo(supervisor.pid)?.links).toHaveLength(10_000);
    const pids = all.map(pidIn);
    for (const pid of pids.slice(0, 5_000)) end(node, pid, 'boom');
    await Promise.all(pids.slice(5_000, 6_000).map((pid) => supervisor.terminateChild(pid)));
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 4_000, workers: 4_000 });
    await Promise.all(pids.slice(6_000).map((pid) => supervisor.terminateChild(pid)));
    expect(await supervisor.whichChildren()).toEqual([]);
    expectEmpty(node, supervisor);
  });

  test('10,000 end together with their supervisor', async () => {
    const node = makeNode();
    const supervisor = await node.start(workers);
    await Promise.all(Array.from({ length: 10_000 }, (_, i) => supervisor.startChild([i])));
    const ended = awaitExit(node, supervisor.pid);
    await supervisor.stop('shutdown');
    expect(await ended).toBe('shutdown');
    await settle(node);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('after much coming and going the tables are empty', async () => {
    const node = makeNode();
    const supervisor = await node.start(
      defineDynamicSupervisor({ intensity: 1e6, child: { start, shutdown: 'brutal_kill' } }),
    );
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => supervisor.startChild([i])));
      for (const { pid } of await supervisor.whichChildren()) {
        if (pid !== undefined && pid.id % 3 === 0) node.exit(pid, 'boom');
      }
      const children = await supervisor.whichChildren();
      expect(children).toHaveLength(50);
      await Promise.all(children.map(({ pid }) => supervisor.terminateChild(pid as Pid)));
    }
    expectEmpty(node, supervisor);
  });
});
