// The start of a supervisor and of its children: start_link/3, Module:init/1, init_children, do_start_child of the OTP module
// `supervisor`.
import { describe, expect, test } from 'vitest';
import {
  child,
  childProcess,
  type ChildSpec,
  type ChildStarted,
  defineServer,
  defineSupervisor,
  Exit,
  type Pid,
  type Process,
  stop,
  type TroupeError,
} from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { idle, inProcess, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';
import { look, worker, workerChild } from './supervisor-helpers.ts';

/** A server that says when it starts, and can be told to fail. */
const member = defineServer({
  name: 'member',
  init: async (self, log: string[], word: string, fails = false) => {
    log.push(`${word} begins`);
    await Promise.resolve();
    log.push(`${word} is up`);
    self.trapExit(true);
    return fails ? stop(['bad', word]) : { log, word };
  },
  terminate: ({ log, word }, reason) => log.push(`${word} ends with ${String(reason)}`),
});

describe('start', () => {
  test('answers when all children are up, started one after the other from the first on', async () => {
    const node = makeNode();
    const log: string[] = [];
    const progress = recordTelemetry('troupe:supervisor:child_started');
    const children = ['a', 'b', 'c'].map((id) => child(member, [log, id], { id }));
    const supervisor = await node.start(defineSupervisor({ name: 'tree', children }), [], { name: 'sup' });
    expect(log).toEqual(['a begins', 'a is up', 'b begins', 'b is up', 'c begins', 'c is up']);
    expect(node.whereis('sup')).toBe(supervisor.pid);
    const info = await supervisor.whichChildren();
    expect(info.map(({ id, status, type, modules }) => [id, status, type, modules])).toEqual(
      ['a', 'b', 'c'].map((id) => [id, 'running', 'worker', ['member']]),
    );
    const event = { supervisor: supervisor.pid, label: 'tree', restart: false };
    expect(progress).toEqual(info.map(({ id, pid }) => ({ ...event, id, pid })));
  });

  test('a supervisor traps exits and is linked to its children', async () => {
    const node = makeNode();
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a'), workerChild('b')] }));
    const info = node.processInfo(supervisor.pid);
    expect(info?.trapExit).toBe(true);
    expect(info?.links).toEqual((await supervisor.whichChildren()).map(({ pid }) => pid));
    expect(info?.currentBehaviour).toBe('supervisor');
  });

  test('a child that fails: those before it end in reverse order, the rest is not started', async () => {
    const node = makeNode();
    const log: string[] = [];
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const tree = defineSupervisor({
      name: 'tree',
      children: [
        child(member, [log, 'a'], { id: 'a' }),
        child(member, [log, 'b'], { id: 'b' }),
        child(member, [log, 'c', true], { id: 'c' }),
        child(member, [log, 'd'], { id: 'd' }),
      ],
    });
    const reason = ['shutdown', ['failed_to_start_child', 'c', ['bad', 'c']]];
    await expectFailure(node.start(tree), 'TROUPE_START_FAILED', reason);
    expect(log.slice(4)).toEqual(['c begins', 'c is up', 'b ends with shutdown', 'a ends with shutdown']);
    expect(reports).toMatchObject([{ label: 'tree', id: 'c', reason: ['bad', 'c'], context: 'start_error' }]);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('a supervisor that fails below fails the ones above, each with the reason of the next', async () => {
    const node = makeNode();
    const inner = defineSupervisor({
      name: 'inner',
      children: [child(member, [[], 'x', true], { id: 'x' })],
    });
    const outer = defineSupervisor({ children: [workerChild('a'), child(inner)] });
    const failed = (id: string, reason: unknown) => ['shutdown', ['failed_to_start_child', id, reason]];
    await expectFailure(node.start(outer), 'TROUPE_START_FAILED', failed('inner', failed('x', ['bad', 'x'])));
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('a starter that is linked and traps exits gets the failure, and no message', async () => {
    const node = makeNode();
    const broken = defineSupervisor({
      children: [{ id: 'a', start: () => Promise.reject(new Error('no')) }],
    });
    await inProcess(
      node,
      async (self) => {
        const error = await failure(self.startLink(broken));
        expect(error.reason).toEqual(['shutdown', ['failed_to_start_child', 'a', new Error('no')]]);
        expect(node.processInfo(self.pid)).toMatchObject({ messageQueueLength: 0, links: [] });
      },
      { trapExit: true },
    );
  });

  test('the exit of the parent while it starts is handled afterwards, as a shutdown', async () => {
    const node = makeNode();
    const [entered, gate] = [makeGate(), makeGate()];
    const exits = recordTelemetry('troupe:process:exit');
    const start = async (self: Process): Promise<Pid> => {
      entered.open();
      await gate.opened;
      return self.spawnLink(idle);
    };
    const tree = defineSupervisor({ name: 'tree', children: [workerChild('a'), { id: 'slow', start }] });
    const parent = node.spawn(async (self) => {
      await self.startLink(tree);
    });
    await entered.opened;
    node.exit(parent, 'over');
    expect(exits.map(({ reason }) => reason)).toEqual(['over']);
    gate.open();
    await settle(node);
    expect(exits.map(({ label, reason }) => [label, reason])).toEqual([
      ['anonymous', 'over'],
      ['idle', 'shutdown'],
      ['worker', 'shutdown'],
      ['tree', 'over'],
    ]);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('a time limit kills a supervisor whose children are not up in time, and them', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const hangs = { id: 'hangs', start: () => new Promise<undefined>(() => undefined) };
    const tree = defineSupervisor({ children: [workerChild('a'), hangs] });
    const starting = failure(node.start(tree, [], { timeoutMs: 100 }));
    await clock.advance(100);
    expect((await starting).code).toBe('TROUPE_START_TIMEOUT');
    expect(node.processes()).toEqual([node.initPid]);
  });
});

describe('the start function of a child', () => {
  const starts: ReadonlyArray<[string, (self: Process) => unknown]> = [
    ['a pid', (self) => self.spawnLink(worker)],
    ['something with a pid', (self) => ({ pid: self.spawnLink(worker), port: 80 })],
    ['a promise of a pid', (self) => Promise.resolve(self.spawnLink(worker))],
    ['the reference of a server', (self) => self.startLink(member, [[], 'a'])],
    ['a process that it did not link', (self) => self.spawn(worker)],
  ];

  test.each(starts)('may answer %s', async (_what, start) => {
    const node = makeNode();
    const spec = { id: 'a', start } as ChildSpec;
    const supervisor = await node.start(defineSupervisor({ children: [spec] }));
    const [before] = await supervisor.whichChildren();
    expect(node.processInfo(supervisor.pid)?.links).toEqual([before?.pid]);
    node.exit(before?.pid as Pid, 'kill');
    await settle(node);
    const [after] = await supervisor.whichChildren();
    expect(after?.status).toBe('running');
    expect(after?.pid).not.toBe(before?.pid);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 5],
    ['something whose pid is none', { pid: 5 }],
  ])('cannot answer %s', async (_what, answer) => {
    const node = makeNode();
    const spec = { id: 'a', start: () => answer as ChildStarted };
    const error = await failure(node.start(defineSupervisor({ children: [spec] })));
    const [, [, , reason]] = error.reason as [string, [string, string, TroupeError]];
    expect(reason.code).toBe('TROUPE_BAD_RETURN');
  });

  test('ignore: the spec is kept without a process, but for a temporary child', async () => {
    const node = makeNode();
    const progress = recordTelemetry('troupe:supervisor:child_started');
    const children = (['permanent', 'transient', 'temporary'] as const).map((restart) => ({
      id: restart,
      restart,
      start: () => undefined,
    }));
    const supervisor = await node.start(defineSupervisor({ children }));
    expect(await look(supervisor)).toEqual([
      ['permanent', 'stopped'],
      ['transient', 'stopped'],
    ]);
    expect(progress).toEqual([]);
  });

  test('a process that has died by the time it answers is restarted', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    let count = 0;
    const start = (self: Process): Pid => {
      const pid = self.spawn(worker);
      if (++count === 1) node.exit(pid, 'early');
      return pid;
    };
    const supervisor = await node.start(defineSupervisor({ children: [{ id: 'a', start }] }));
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
    expect(count).toBe(2);
    // It was not linked when it died, so that is all that can be known.
    expect(reports).toMatchObject([{ id: 'a', reason: 'noproc', context: 'child_terminated' }]);
  });

  test('a child whose process is another child already is refused', async () => {
    const node = makeNode();
    let first: Pid | undefined;
    const start = (self: Process): Pid => (first ??= self.spawnLink(worker));
    const supervisor = await node.start(defineSupervisor({ children: [{ id: 'a', start }] }));
    expect(await supervisor.startChild({ id: 'b', start })).toEqual({
      ok: false,
      error: 'already_started',
      pid: first,
    });
    expect((await look(supervisor)).map(([id]) => id)).toEqual(['a']);
  });

  test('a name that is taken is already_started, with the process that has it', async () => {
    const node = makeNode();
    const owner = createProbe(node, { name: 'taken' });
    const supervisor = await node.start(defineSupervisor({ children: [] }));
    const options = { id: 'a', name: 'taken' };
    const expected = { ok: false, error: 'already_started', pid: owner.pid };
    expect(await supervisor.startChild(child(member, [[], 'a'], options))).toEqual(expected);
    expect(await supervisor.startChild(childProcess(worker, [], options))).toEqual(expected);
    expect(await supervisor.whichChildren()).toEqual([]);
  });

  test('a child that ends with exit/1 while it starts fails with that reason', async () => {
    const node = makeNode();
    const supervisor = await node.start(defineSupervisor({ children: [] }));
    const start = (self: Process): never => self.exit('changed_my_mind');
    expect(await supervisor.startChild({ id: 'a', start })).toEqual({
      ok: false,
      error: 'start_failed',
      reason: 'changed_my_mind',
    });
  });
});

describe('a child that is being started', () => {
  test('is linked from its spawn on: it ends with a supervisor that is killed', async () => {
    const node = makeNode();
    const entered = makeGate();
    const hanging = defineServer({
      name: 'hanging',
      init: () => {
        entered.open();
        return new Promise<number>(() => undefined);
      },
    });
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a')] }));
    const starting = failure(supervisor.startChild(child(hanging)));
    await entered.opened;
    const exits = recordTelemetry('troupe:process:exit');
    node.exit(supervisor.pid, 'kill');
    expect(exits.map(({ label, reason }) => [label, reason])).toEqual([
      ['supervisor', 'killed'],
      ['worker', 'killed'],
      ['hanging', 'killed'],
    ]);
    expect((await starting).reason).toBe('killed');
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('is not kept by a supervisor that was killed meanwhile', async () => {
    const node = makeNode();
    const gate = makeGate();
    let late: unknown;
    const start = async (self: Process): Promise<undefined> => {
      await gate.opened;
      try {
        self.spawnLink(worker);
      } catch (error) {
        late = error;
      }
    };
    const supervisor = await node.start(defineSupervisor({ children: [] }));
    const starting = failure(supervisor.startChild({ id: 'a', start }));
    await settle(node, { except: [supervisor.pid] });
    const ended = awaitExit(node, supervisor.pid);
    node.exit(supervisor.pid, 'kill');
    gate.open();
    expect(await ended).toBe('killed');
    await starting;
    await settle(node);
    expect(late).toMatchObject({ code: 'TROUPE_PROCESS_DEAD' });
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('may be a process of a function that ends at once, which is restarted', async () => {
    const node = makeNode();
    let runs = 0;
    const brief = childProcess(() => void runs++, [], { id: 'brief', restart: 'permanent' });
    const supervisor = await node.start(defineSupervisor({ intensity: 3, children: [] }));
    const ended = awaitExit(node, supervisor.pid);
    await supervisor.startChild(brief);
    expect(await ended).toBe('shutdown');
    expect(runs).toBe(4);
  });
});

describe('a process that is linked to a supervisor and is not a child', () => {
  test('does not end it, unless it is the parent', async () => {
    const node = makeNode();
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a')] }));
    const stranger = node.spawn((self) => {
      self.link(supervisor.pid);
      self.exit('boom');
    });
    expect(await awaitExit(node, stranger)).toBe('boom');
    node.exit(supervisor.pid, 'shutdown');
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
  });

  test('a started one that is not linked outlives its starter', async () => {
    const node = makeNode();
    const tree = defineSupervisor({ children: [workerChild('a')] });
    const supervisor = await inProcess(node, (self) => self.start(tree));
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
  });

  test('a child can ask its supervisor, which answers when it is up', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    const curious = (self: Process, supervisor: Pid) => {
      self.link(supervisor);
      seen.push(self.pid);
      return self.receive((message) => message instanceof Exit);
    };
    const tree = defineSupervisor({ children: [] });
    const supervisor = await node.start(tree);
    await supervisor.startChild(childProcess(curious, [supervisor.pid], { id: 'curious' }));
    await settle(node);
    expect(seen).toEqual([(await supervisor.whichChildren())[0]?.pid]);
  });
});
