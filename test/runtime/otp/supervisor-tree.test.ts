// Trees of supervisors: nested restarts, and the tree as a tool sees it (observer, "Supervision Trees" of the design principles).
import { describe, expect, test } from 'vitest';
import {
  child,
  childTemplate,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  type Pid,
  type Process,
  supervisionTrees,
  supervisorRef,
  type TreeNode,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import { idle, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure } from './helpers.ts';
import { end, pidOf, workerChild } from './supervisor-helpers.ts';

const leaf = defineServer({ name: 'leaf', init: (_self, n: number) => n });
const branch = defineDynamicSupervisor({ name: 'branch', child: childTemplate(leaf) });
const inner = defineSupervisor({
  name: 'inner',
  strategy: 'rest_for_one',
  children: [workerChild('a'), child(branch, [], { name: 'branch' })],
});
const outer = defineSupervisor({
  name: 'outer',
  children: [child(inner, [], { name: 'inner' }), workerChild('z')],
});

describe('a supervisor is a child', () => {
  test('that gives up is restarted by the one above, with all of its children', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const supervisor = await node.start(outer);
    const inside = supervisorRef(node, 'inner');
    const before = await pidOf(supervisor, 'inner');
    for (let i = 0; i < 2; i++) {
      end(node, await pidOf(inside, 'a'), 'boom');
      await settle(node);
    }
    const after = await pidOf(supervisor, 'inner');
    expect(after).not.toBe(before);
    expect(await inside.countChildren()).toMatchObject({ active: 2, supervisors: 1 });
    expect(reports.filter(({ label }) => label === 'outer')).toMatchObject([
      { id: 'inner', pid: before, reason: 'shutdown', context: 'child_terminated' },
    ]);
  });

  test('failures go up until they are contained, or end the root', async () => {
    const node = makeNode();
    const supervisor = await node.start(outer);
    const ended = awaitExit(node, supervisor.pid);
    for (let i = 0; i < 4; i++) {
      expect(node.isAlive(supervisor.pid)).toBe(true);
      end(node, await pidOf(supervisorRef(node, 'inner'), 'a'), 'boom');
      await settle(node);
    }
    expect(await ended).toBe('shutdown');
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('a transient one that is stopped stays stopped', async () => {
    const node = makeNode();
    const children = [child(inner, [], { name: 'inner', restart: 'transient' })];
    const supervisor = await node.start(defineSupervisor({ children }));
    await supervisorRef(node, 'inner').stop('shutdown');
    await settle(node);
    expect(await supervisor.whichChildren()).toMatchObject([
      { id: 'inner', status: 'stopped', type: 'supervisor' },
    ]);
  });
});

describe('supervisionTrees', () => {
  /** The part of a tree that a drawing shows. */
  function draw({ id, label, name, strategy, children }: TreeNode): unknown {
    const text = [id, label, name, strategy].map((part) => part ?? '').join(' ');
    return children.length === 0 ? text : [text, ...children.map(draw)];
  }

  test('draws ids, what runs, registered names and strategies', async () => {
    const node = makeNode();
    const supervisor = await node.start(outer, [], { name: 'outer_sup' });
    await supervisorRef(node, 'inner').terminateChild('a');
    const started = await supervisorRef(node, 'branch').startChild([1] as never);
    const trees = supervisionTrees(node);
    expect(trees.map(draw)).toEqual([
      [
        ' outer outer_sup one_for_one',
        ['inner inner inner rest_for_one', 'a   ', ['branch branch branch simple_one_for_one', ' leaf  ']],
        'z worker  ',
      ],
    ]);
    const [root] = trees;
    expect(root).toMatchObject({
      pid: supervisor.pid,
      type: 'supervisor',
      status: 'running',
      modules: ['outer'],
    });
    expect(root?.children[0]?.children[0]).toMatchObject({ id: 'a', status: 'stopped', pid: undefined });
    const [one] = root?.children[0]?.children[1]?.children ?? [];
    expect(one).toMatchObject({
      pid: started.ok && started.pid,
      type: 'worker',
      modules: ['leaf'],
      omitted: 0,
    });
  });

  test('shows every root, or the one that is asked for', async () => {
    const node = makeNode();
    const first = await node.start(inner);
    const second = await node.start(defineSupervisor({ name: 'second', children: [] }));
    const other = node.spawn(async (self) => {
      await self.startLink(defineSupervisor({ name: 'third', children: [] }));
      await self.receive();
    });
    await settle(node);
    expect(supervisionTrees(node).map(({ label }) => label)).toEqual(['inner', 'second', 'third']);
    expect(supervisionTrees(node, { root: second.pid })).toHaveLength(1);
    expect(supervisionTrees(node, { root: node.whereis('branch') as Pid })[0]?.label).toBe('branch');
    expect(supervisionTrees(node, { root: other })).toEqual([]);
    await first.stop();
    expect(supervisionTrees(node).map(({ label }) => label)).toEqual(['second', 'third']);
  });

  test('leaves out what is over the limits, and says how much', async () => {
    const node = makeNode();
    const supervisor = await node.start(branch);
    for (let i = 0; i < 120; i++) await supervisor.startChild([i]);
    expect(supervisionTrees(node)[0]).toMatchObject({ omitted: 20 });
    expect(supervisionTrees(node)[0]?.children).toHaveLength(100);
    expect(supervisionTrees(node, { childrenMax: 7 })[0]).toMatchObject({ omitted: 113 });
    await node.start(outer);
    const shallow = supervisionTrees(node, { depthMax: 2 }).at(-1);
    expect(shallow?.children[0]).toMatchObject({ id: 'inner', children: [], omitted: 2 });
    expect(() => supervisionTrees(node, { depthMax: -1 })).toThrow('TROUPE_BAD_ARGUMENT');
    expect(() => supervisionTrees(node, { childrenMax: 0.5 })).toThrow('TROUPE_BAD_ARGUMENT');
  });

  test('goes 32 levels deep by default', async () => {
    const node = makeNode();
    let tree = defineSupervisor({ name: 'level', children: [] });
    for (let i = 0; i < 40; i++) tree = defineSupervisor({ name: 'level', children: [child(tree)] });
    await node.start(tree);
    let depth = 0;
    let below: TreeNode | undefined = supervisionTrees(node)[0];
    while (below !== undefined) {
      depth++;
      below = below.children[0];
    }
    expect(depth).toBe(32);
  });

  test('answers while a supervisor waits for a child', async () => {
    const node = makeNode();
    const [entered, gate] = [makeGate(), makeGate()];
    const supervisor = await node.start(outer);
    const start = async (self: Process): Promise<Pid> => {
      entered.open();
      await gate.opened;
      return self.spawnLink(idle);
    };
    const starting = supervisor.startChild({ id: 'slow', start });
    await entered.opened;
    expect(supervisionTrees(node)[0]?.children.map(({ id }) => id)).toEqual(['inner', 'z']);
    await expectFailure(supervisor.whichChildren({ timeoutMs: 0 }), 'TROUPE_CALL_TIMEOUT');
    gate.open();
    await starting;
  });
});
