// Automatic shutdown: "Automatic Shutdown" of the OTP module `supervisor` and of its design principles; do_auto_shutdown/2.
import { describe, expect, test } from 'vitest';
import {
  type AutoShutdown,
  child,
  defineDynamicSupervisor,
  defineSupervisor,
  type ExitReason,
  formatReason,
  type Pid,
  type Process,
  type Restart,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import { doAutoShutdown } from '../../../src/runtime/otp/internal.ts';
import { makeNode, recordTelemetry } from '../process/helpers.ts';
import { end, look, pidOf, worker, workerChild } from './supervisor-helpers.ts';

const significant = (id: string, restart: Restart) => workerChild(id, { restart, significant: true });

describe('any_significant', () => {
  const ends: ReadonlyArray<[Restart, ExitReason, boolean]> = [
    ['transient', 'normal', true],
    ['transient', 'shutdown', true],
    ['transient', ['shutdown', 'done'], true],
    ['transient', 'boom', false],
    ['transient', 'killed', false],
    ['temporary', 'normal', true],
    ['temporary', 'boom', true],
    ['temporary', 'killed', true],
  ];

  test.each(ends.map(([restart, reason, over]) => ({ restart, reason, over, text: formatReason(reason) })))(
    'a $restart significant child that ends with $text ends the supervisor: $over',
    async ({ restart, reason, over }) => {
      const node = makeNode();
      const tree = defineSupervisor({
        name: 'tree',
        autoShutdown: 'any_significant',
        children: [workerChild('a'), significant('b', restart), significant('c', restart)],
      });
      const supervisor = await node.start(tree);
      const exits = recordTelemetry('troupe:process:exit');
      end(node, await pidOf(supervisor, 'b'), reason);
      await settle(node);
      const ended = exits.map(({ label, reason: why }) => [label, why]);
      expect(ended).toEqual([
        ['worker', reason],
        ...(over
          ? [
              ['worker', 'shutdown'],
              ['worker', 'shutdown'],
              ['tree', 'shutdown'],
            ]
          : []),
      ]);
    },
  );

  test('a child that is not significant ends nothing', async () => {
    const node = makeNode();
    const children = [workerChild('a', { restart: 'temporary' }), significant('b', 'temporary')];
    const supervisor = await node.start(defineSupervisor({ autoShutdown: 'any_significant', children }));
    end(node, await pidOf(supervisor, 'a'), 'normal');
    await settle(node);
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['b']);
  });

  test('a child that is terminated or deleted by request ends nothing', async () => {
    const node = makeNode();
    const children = [significant('a', 'transient'), significant('b', 'temporary')];
    const supervisor = await node.start(defineSupervisor({ autoShutdown: 'any_significant', children }));
    await supervisor.terminateChild('a');
    await supervisor.deleteChild('a');
    await supervisor.terminateChild('b');
    await settle(node);
    expect(await supervisor.whichChildren()).toEqual([]);
  });

  test('a temporary significant child that a restart takes away ends nothing', async () => {
    const node = makeNode();
    const tree = defineSupervisor({
      strategy: 'one_for_all',
      autoShutdown: 'any_significant',
      children: [workerChild('a'), significant('b', 'temporary')],
    });
    const supervisor = await node.start(tree);
    end(node, await pidOf(supervisor, 'a'), 'boom');
    await settle(node);
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a']);
  });
});

describe('all_significant', () => {
  test('the last active significant child ends the supervisor', async () => {
    const node = makeNode();
    const tree = defineSupervisor({
      autoShutdown: 'all_significant',
      children: [
        workerChild('keeps'),
        significant('a', 'transient'),
        significant('b', 'temporary'),
        significant('c', 'transient'),
      ],
    });
    const supervisor = await node.start(tree);
    const ended = awaitExit(node, supervisor.pid);
    for (const id of ['a', 'b']) {
      end(node, await pidOf(supervisor, id), 'normal');
      await settle(node);
      expect(node.isAlive(supervisor.pid)).toBe(true);
    }
    end(node, await pidOf(supervisor, 'c'), 'normal');
    expect(await ended).toBe('shutdown');
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('one that waits for another attempt to restart it is active', async () => {
    const node = makeNode();
    let fails = false;
    const start = (self: Process): Pid => {
      if (fails) throw new Error('no');
      return self.spawnLink(worker);
    };
    const tree = defineSupervisor({
      autoShutdown: 'all_significant',
      intensity: 100,
      children: [{ id: 'a', start, restart: 'transient', significant: true }, significant('b', 'temporary')],
    });
    const supervisor = await node.start(tree);
    const [a, b] = await Promise.all(['a', 'b'].map((id) => pidOf(supervisor, id)));
    fails = true;
    node.exit(a as Pid, 'boom');
    node.exit(b as Pid, 'shutdown');
    // Asked between the exit of b and the second attempt for a.
    expect(await supervisor.countChildren()).toMatchObject({ specs: 1, active: 0 });
    fails = false;
    await settle(node);
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a']);
  });

  test('one that has not been started yet, or has ended before, does not count', async () => {
    const node = makeNode();
    const children = [significant('a', 'transient'), significant('b', 'transient')];
    const supervisor = await node.start(defineSupervisor({ autoShutdown: 'all_significant', children }));
    await supervisor.terminateChild('a');
    const ended = awaitExit(node, supervisor.pid);
    end(node, await pidOf(supervisor, 'b'), 'normal');
    expect(await ended).toBe('shutdown');
  });
});

describe('a dynamic supervisor', () => {
  const start = (self: Process): Pid => self.spawnLink(worker);

  test.each<[AutoShutdown, number]>([
    ['any_significant', 1],
    ['all_significant', 3],
  ])('%s: it ends with its child number %i', async (autoShutdown, count) => {
    const node = makeNode();
    const template = { start, restart: 'temporary', significant: true } as const;
    const many = await node.start(defineDynamicSupervisor({ autoShutdown, child: template }));
    const ended = awaitExit(node, many.pid);
    for (let i = 0; i < 3; i++) await many.startChild([]);
    const pids = (await many.whichChildren()).map(({ pid }) => pid as Pid);
    for (const pid of pids.slice(0, count - 1)) node.exit(pid, 'boom');
    await settle(node);
    expect(node.isAlive(many.pid)).toBe(true);
    node.exit(pids[count - 1] as Pid, 'boom');
    expect(await ended).toBe('shutdown');
    expect(node.processes()).toEqual([node.initPid]);
  });
});

test('ends of supervisors go up the tree: a transient supervisor that shuts itself down ends its own', async () => {
  const node = makeNode();
  const inner = defineSupervisor({
    name: 'inner',
    autoShutdown: 'any_significant',
    children: [significant('job', 'transient')],
  });
  const outer = defineSupervisor({
    name: 'outer',
    autoShutdown: 'any_significant',
    children: [
      workerChild('helper'),
      child(inner, [], { name: 'inner', restart: 'transient', significant: true }),
    ],
  });
  const supervisor = await node.start(outer);
  const ended = awaitExit(node, supervisor.pid);
  const [job] =
    node.processInfo(node.whereis('inner') as Pid)?.links.filter((pid) => pid !== supervisor.pid) ?? [];
  end(node, job as Pid, 'normal');
  expect(await ended).toBe('shutdown');
  expect(node.processes()).toEqual([node.initPid]);
});

describe('the decision alone', () => {
  test('never, any and all', () => {
    const yes = { significant: true };
    expect(doAutoShutdown('never', yes, () => false)).toBe(false);
    expect(doAutoShutdown('any_significant', { significant: false }, () => false)).toBe(false);
    expect(doAutoShutdown('any_significant', yes, () => true)).toBe(true);
    expect(doAutoShutdown('all_significant', yes, () => true)).toBe(false);
    expect(doAutoShutdown('all_significant', yes, () => false)).toBe(true);
  });
});
