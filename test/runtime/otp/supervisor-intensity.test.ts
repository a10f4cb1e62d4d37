// Restart intensity and period: "Restart intensity and period" of the OTP module `supervisor`; add_restart/1.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { childTemplate, defineDynamicSupervisor, defineServer, defineSupervisor, type Node } from 'troupe';
import { awaitExit, createManualClock, type ManualClock, settle } from 'troupe/testing';
import { RestartWindow } from '../../../src/runtime/otp/internal.ts';
import { makeNode, recordTelemetry } from '../process/helpers.ts';
import { end, pidOf, workerChild } from './supervisor-helpers.ts';

describe('the window of restarts', () => {
  test('allows `intensity` restarts in a period and no more', () => {
    const window = new RestartWindow(2, 100);
    expect([0, 1, 2].map((at) => window.add(at))).toEqual([true, true, false]);
  });

  test('an intensity of 0 allows none', () => {
    expect(new RestartWindow(0, 100).add(7)).toBe(false);
  });

  test('a restart counts until it is older than the period', () => {
    const exactly = new RestartWindow(1, 100);
    expect([0, 100].map((at) => exactly.add(at))).toEqual([true, false]);
    const later = new RestartWindow(1, 100);
    expect([0, 100.5].map((at) => later.add(at))).toEqual([true, true]);
  });

  test('agrees with a list of all restarts', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 400 });
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 0, max: 80 }),
        fc.integer({ min: 1, max: 200 }),
        (gaps, most, period) => {
          const window = new RestartWindow(most, period);
          const all: number[] = [];
          let now = 0;
          for (const gap of gaps) {
            now += gap;
            all.push(now);
            const within = all.filter((at) => at >= now - period).length;
            expect(window.add(now)).toBe(within <= most);
            expect(window.count).toBe(within);
          }
        },
      ),
    );
  });
});

describe('a supervisor', () => {
  const children = [workerChild('a')];
  const tree = defineSupervisor({ name: 'tree', intensity: 2, periodMs: 1_000, children });

  function nodeWithClock(): { node: Node; clock: ManualClock } {
    const clock = createManualClock();
    return { node: makeNode({ clock }), clock };
  }

  test('ends with shutdown when there is one restart too many, and says so', async () => {
    const { node, clock } = nodeWithClock();
    const reached = recordTelemetry('troupe:supervisor:intensity_reached');
    const supervisor = await node.start(tree);
    const ended = awaitExit(node, supervisor.pid);
    for (const gap of [0, 500, 500]) {
      await clock.advance(gap);
      end(node, await pidOf(supervisor, 'a'), 'boom');
    }
    expect(await ended).toBe('shutdown');
    expect(reached).toEqual([{ supervisor: supervisor.pid, label: 'tree', id: 'a' }]);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('goes on when the oldest restart is a millisecond older than the period, by the clock of the node', async () => {
    const { node, clock } = nodeWithClock();
    const supervisor = await node.start(tree);
    for (const gap of [0, 500, 501, 500, 501, 500]) {
      await clock.advance(gap);
      end(node, await pidOf(supervisor, 'a'), 'boom');
      await settle(node);
    }
    expect(node.isAlive(supervisor.pid)).toBe(true);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
  });

  test('the default is one restart in five seconds', async () => {
    const { node, clock } = nodeWithClock();
    const supervisor = await node.start(defineSupervisor({ children }));
    const ended = awaitExit(node, supervisor.pid);
    end(node, await pidOf(supervisor, 'a'), 'boom');
    await clock.advance(5_001);
    end(node, await pidOf(supervisor, 'a'), 'boom');
    await clock.advance(5_000);
    end(node, await pidOf(supervisor, 'a'), 'boom');
    expect(await ended).toBe('shutdown');
  });

  test('counts what is restarted, whichever child it is; restartChild does not count', async () => {
    const { node } = nodeWithClock();
    const both = defineSupervisor({ intensity: 1, children: [workerChild('a'), workerChild('b')] });
    const supervisor = await node.start(both);
    for (let i = 0; i < 5; i++) {
      await supervisor.terminateChild('a');
      await supervisor.restartChild('a');
    }
    end(node, await pidOf(supervisor, 'a'), 'boom');
    await settle(node);
    const ended = awaitExit(node, supervisor.pid);
    end(node, await pidOf(supervisor, 'b'), 'boom');
    expect(await ended).toBe('shutdown');
  });

  test('one restart of many children counts once', async () => {
    const { node } = nodeWithClock();
    const ids = Array.from({ length: 20 }, (_, i) => `w${i}`);
    const all = defineSupervisor({ strategy: 'one_for_all', children: ids.map((id) => workerChild(id)) });
    const supervisor = await node.start(all);
    end(node, await pidOf(supervisor, 'w7'), 'boom');
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 20 });
  });

  test('children that end together count one by one', async () => {
    const { node } = nodeWithClock();
    const both = defineSupervisor({ intensity: 2, children: ['a', 'b', 'c'].map((id) => workerChild(id)) });
    const supervisor = await node.start(both);
    const ended = awaitExit(node, supervisor.pid);
    for (const { pid } of await supervisor.whichChildren()) if (pid !== undefined) node.exit(pid, 'boom');
    expect(await ended).toBe('shutdown');
  });

  test('attempts to restart count, too (try_again_restart)', async () => {
    const { node } = nodeWithClock();
    const failed = recordTelemetry('troupe:supervisor:child_terminated');
    let starts = 0;
    const failing = {
      ...workerChild('a'),
      start: (self: Parameters<(typeof children)[0]['start']>[0]) => {
        if (++starts > 1) throw new Error('port taken');
        return children[0]?.start(self) as ReturnType<(typeof children)[0]['start']>;
      },
    };
    const supervisor = await node.start(defineSupervisor({ intensity: 4, children: [failing] }));
    const ended = awaitExit(node, supervisor.pid);
    end(node, await pidOf(supervisor, 'a'), 'boom');
    expect(await ended).toBe('shutdown');
    expect(starts).toBe(5);
    expect(failed.map(({ context }) => context)).toEqual([
      'child_terminated',
      ...Array.from({ length: 4 }, () => 'start_error'),
    ]);
  });

  test('a dynamic supervisor counts the restarts of all its children', async () => {
    const { node } = nodeWithClock();
    const server = defineServer({ name: 'one', init: () => 1 });
    const many = defineDynamicSupervisor({ name: 'many', intensity: 3, child: childTemplate(server) });
    const reached = recordTelemetry('troupe:supervisor:intensity_reached');
    const supervisor = await node.start(many);
    const ended = awaitExit(node, supervisor.pid);
    for (let i = 0; i < 4; i++) await supervisor.startChild([]);
    for (const { pid } of await supervisor.whichChildren()) if (pid !== undefined) node.exit(pid, 'boom');
    expect(await ended).toBe('shutdown');
    expect(reached).toMatchObject([{ label: 'many', id: 'one' }]);
    expect(node.processes()).toEqual([node.initPid]);
  });
});
