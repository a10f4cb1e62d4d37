// How a supervisor stops its children, and how it ends: shutdown/1, terminate_children/2, terminate_dynamic_children/1 of OTP's
// supervisor.erl; "shutdown" in "Child specification"; a supervisor that is killed.
import { describe, expect, test } from 'vitest';
import {
  child,
  childProcess,
  type ChildSpec,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  type Destination,
  Exit,
  formatReason,
  type Node,
  type Pid,
  type Process,
  type Restart,
  type Shutdown,
  sys,
} from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { isShutdownError } from '../../../src/runtime/otp/internal.ts';
import { idle, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';
import { look, pidOf, worker, workerChild } from './supervisor-helpers.ts';

/** Traps exits and goes on as if nothing had been. */
function stubborn(self: Process): Promise<unknown> {
  self.trapExit(true);
  return self.receive((message) => !(message instanceof Exit));
}

/** Traps exits and ends with another reason when it is asked to. */
async function ownReason(self: Process, reason: unknown): Promise<void> {
  self.trapExit(true);
  await self.receive((message) => message instanceof Exit);
  self.exit(reason);
}

/** Cleans up when it is told to, and says when it is done. */
const cleaner = defineServer({
  name: 'cleaner',
  init: (self, log: string[], id: string) => {
    self.trapExit(true);
    return { log, id };
  },
  terminate: async ({ log, id }, reason) => {
    log.push(`${id} cleans up after ${formatReason(reason)}`);
    await Promise.resolve();
    log.push(`${id} is done`);
  },
});

/** The ends of processes from now on: label and reason. */
function recordExits(): () => Array<[string, unknown]> {
  const exits = recordTelemetry('troupe:process:exit');
  return () => exits.map(({ label, reason }) => [label, reason]);
}

describe('stop', () => {
  test('ends the children one after the other, the last first, then the supervisor', async () => {
    const node = makeNode();
    const log: string[] = [];
    const children = ['a', 'b', 'c'].map((id) => child(cleaner, [log, id], { id, label: id }));
    const supervisor = await node.start(defineSupervisor({ children }));
    const exits = recordExits();
    await supervisor.stop();
    expect(log).toEqual(['c', 'b', 'a'].flatMap((id) => [`${id} cleans up after shutdown`, `${id} is done`]));
    expect(exits().filter(([label]) => label !== 'stop')).toEqual([
      ['c', 'shutdown'],
      ['b', 'shutdown'],
      ['a', 'shutdown'],
      ['supervisor', 'normal'],
    ]);
    await settle(node);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('with a reason, and the reason of the process is that', async () => {
    const node = makeNode();
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a')] }));
    const ended = awaitExit(node, supervisor.pid);
    await supervisor.stop(['shutdown', 'deploy']);
    expect(await ended).toEqual(['shutdown', 'deploy']);
  });

  test('goes down the tree: each level waits for the one below', async () => {
    const node = makeNode();
    const log: string[] = [];
    const leaf = (id: string): ChildSpec => child(cleaner, [log, id], { id });
    const inner = defineSupervisor({ name: 'inner', children: [leaf('b'), leaf('c')] });
    const outer = defineSupervisor({ children: [leaf('a'), child(inner), leaf('d')] });
    const supervisor = await node.start(outer);
    await supervisor.stop('shutdown');
    expect(log.filter((line) => line.endsWith('done'))).toEqual(
      ['d', 'c', 'b', 'a'].map((id) => `${id} is done`),
    );
    await settle(node);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('in time: when that is over it fails, and the supervisor still ends when its child does', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const children = [childProcess(stubborn, [], { id: 'a', shutdown: 5_000 })];
    const supervisor = await node.start(defineSupervisor({ children }));
    const stopping = expectFailure(supervisor.stop('normal', 1_000), 'TROUPE_CALL_TIMEOUT');
    await clock.advance(1_000);
    await stopping;
    expect(node.isAlive(supervisor.pid)).toBe(true);
    const ended = awaitExit(node, supervisor.pid);
    await clock.advance(4_000);
    expect(await ended).toBe('normal');
  });
});

describe('the exit of the parent', () => {
  test('is a shutdown with its reason', async () => {
    const node = makeNode();
    const tree = defineSupervisor({ name: 'tree', children: [workerChild('a'), workerChild('b')] });
    const parent = node.spawn(async (self) => {
      await self.startLink(tree);
      await self.receive();
    });
    await settle(node);
    const exits = recordExits();
    node.exit(parent, 'deploy');
    await settle(node);
    expect(exits().slice(1)).toEqual([
      ['worker', 'shutdown'],
      ['worker', 'shutdown'],
      ['tree', 'deploy'],
    ]);
  });

  test('waits for a child that is being started', async () => {
    const node = makeNode();
    const [entered, gate] = [makeGate(), makeGate()];
    let pid: Destination = 'nobody';
    const parent = node.spawn(async (self) => {
      pid = (await self.startLink(defineSupervisor({ name: 'tree', children: [] }))).pid;
      await self.receive();
    });
    await settle(node);
    const start = async (self: Process): Promise<Pid> => {
      entered.open();
      await gate.opened;
      return self.spawnLink(idle);
    };
    const probe = createProbe(node);
    void probe.call(pid, 'start_child', { id: 'slow', start }).catch(() => undefined);
    await entered.opened;
    const exits = recordExits();
    node.exit(parent, 'over');
    gate.open();
    await settle(node);
    expect(exits().slice(1)).toEqual([
      ['idle', 'shutdown'],
      ['tree', 'over'],
    ]);
  });
});

describe('shutdown in milliseconds', () => {
  test.each<[string, (node: Node, shutdown: Shutdown) => Promise<{ stop(): Promise<void> }>]>([
    [
      'of a child',
      (node, shutdown) =>
        node.start(defineSupervisor({ children: [childProcess(stubborn, [], { id: 'a', shutdown })] })),
    ],
    [
      'of dynamic children, for all together',
      async (node, shutdown) => {
        const start = (self: Process): Pid => self.spawnLink(stubborn);
        const many = await node.start(defineDynamicSupervisor({ child: { start, shutdown } }));
        await Promise.all([1, 2, 3].map(() => many.startChild([])));
        return many;
      },
    ],
  ])('%s: after that time it is killed, and not before', async (_what, start) => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const supervisor = await start(node, 3_000);
    await settle(node);
    const count = node.processes().length;
    const stopping = supervisor.stop();
    await clock.advance(2_999);
    // And the process that stops it.
    expect(node.processes()).toHaveLength(count + 1);
    expect(reports).toEqual([]);
    await clock.advance(1);
    await stopping;
    expect(node.processes()).toEqual([node.initPid]);
    expect(reports.length).toBeGreaterThan(0);
    expect(reports.every(({ reason, context }) => reason === 'killed' && context === 'shutdown_error')).toBe(
      true,
    );
  });

  test('0 is at once', async () => {
    const node = makeNode({ clock: createManualClock() });
    const children = [childProcess(stubborn, [], { id: 'a', shutdown: 0 })];
    const supervisor = await node.start(defineSupervisor({ children }));
    await settle(node);
    expect(await supervisor.terminateChild('a')).toEqual({ ok: true });
    expect(await look(supervisor)).toEqual([['a', 'stopped']]);
  });

  test('the default is 5 s for a worker, and no limit for a supervisor', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const inner = defineSupervisor({
      name: 'inner',
      children: [childProcess(stubborn, [], { id: 'a', shutdown: 60_000 })],
    });
    const children = [child(inner), childProcess(stubborn, [], { id: 'b' })];
    const supervisor = await node.start(defineSupervisor({ children }));
    await settle(node);
    const exits = recordExits();
    const stopping = supervisor.stop();
    await clock.advance(4_999);
    expect(exits()).toEqual([]);
    await clock.advance(1);
    expect(exits()).toEqual([['stubborn', 'killed']]);
    await clock.advance(59_999);
    expect(exits()).toHaveLength(1);
    await clock.advance(1);
    await stopping;
    expect(exits().slice(1, 3)).toEqual([
      ['stubborn', 'killed'],
      ['inner', 'shutdown'],
    ]);
  });

  test('infinity waits until the child ends by itself', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const children = [childProcess(stubborn, [], { id: 'a', shutdown: 'infinity' })];
    const supervisor = await node.start(defineSupervisor({ children }));
    await settle(node);
    const pid = await pidOf(supervisor, 'a');
    const terminating = supervisor.terminateChild('a');
    await clock.advance(1_000_000_000);
    expect(node.isAlive(pid)).toBe(true);
    node.send(pid, 'enough');
    expect(await terminating).toEqual({ ok: true });
  });

  test('brutal_kill kills at once, without asking', async () => {
    const node = makeNode({ clock: createManualClock() });
    const log: string[] = [];
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const children = [child(cleaner, [log, 'a'], { id: 'a', shutdown: 'brutal_kill' })];
    const supervisor = await node.start(defineSupervisor({ children }));
    const ended = awaitExit(node, await pidOf(supervisor, 'a'));
    await supervisor.stop();
    expect(await ended).toBe('killed');
    expect(log).toEqual([]);
    expect(reports).toEqual([]);
  });
});

describe('a child that ends with another reason than the one requested', () => {
  test('one that has unlinked itself is ended all the same', async () => {
    const node = makeNode();
    const naughty = (self: Process, supervisor: Pid) => {
      self.unlink(supervisor);
      return stubborn(self);
    };
    const supervisor = await node.start(defineSupervisor({ children: [] }));
    const spec = childProcess(naughty, [supervisor.pid], { id: 'a', shutdown: 0 });
    await supervisor.startChild(spec);
    await settle(node);
    expect(node.processInfo(supervisor.pid)?.links).toEqual([]);
    const ended = awaitExit(node, await pidOf(supervisor, 'a'));
    await supervisor.terminateChild('a');
    expect(await ended).toBe('killed');
  });

  test('its own reason is reported (shutdown_error)', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const children = [childProcess(ownReason, ['disk full'], { id: 'a' })];
    const supervisor = await node.start(defineSupervisor({ name: 'tree', children }));
    await settle(node);
    const pid = await pidOf(supervisor, 'a');
    await supervisor.terminateChild('a');
    const event = { supervisor: supervisor.pid, label: 'tree', id: 'a', pid };
    expect(reports).toEqual([{ ...event, reason: 'disk full', context: 'shutdown_error' }]);
  });

  test('one that has crashed before its turn is reported with the reason of the crash', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a'), workerChild('b')] }));
    const pids = await Promise.all(['a', 'b'].map((id) => pidOf(supervisor, id)));
    const terminating = sys.terminate(node, supervisor, 'shutdown');
    // The exits stand behind the request in its mailbox.
    for (const pid of pids) node.exit(pid, 'boom');
    await terminating;
    await settle(node);
    expect(reports.map(({ id, reason, context }) => [id, reason, context])).toEqual([
      ['b', 'boom', 'shutdown_error'],
      ['a', 'boom', 'shutdown_error'],
    ]);
  });

  test('one that ends while another is being stopped is not restarted, and its reason is known', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const children = [workerChild('a'), childProcess(stubborn, [], { id: 'b', shutdown: 100 })];
    const supervisor = await node.start(defineSupervisor({ children }));
    await settle(node);
    const a = await pidOf(supervisor, 'a');
    const stopping = supervisor.stop();
    await settle(node);
    node.exit(a, 'boom');
    await clock.advance(100);
    await stopping;
    expect(reports.map(({ id, reason }) => [id, reason])).toEqual([
      ['b', 'killed'],
      ['a', 'boom'],
    ]);
  });

  const reasons = ['shutdown', ['shutdown', 'x'], 'normal', 'killed', 'boom'];
  const allowed: ReadonlyArray<[Restart, Shutdown, readonly unknown[]]> = [
    ['permanent', 5_000, ['shutdown']],
    ['permanent', 'infinity', ['shutdown']],
    ['permanent', 'brutal_kill', ['killed']],
    ['transient', 5_000, ['shutdown', ['shutdown', 'x'], 'normal']],
    ['temporary', 'infinity', ['shutdown', ['shutdown', 'x'], 'normal']],
    ['transient', 'brutal_kill', ['shutdown', ['shutdown', 'x'], 'normal', 'killed']],
    ['temporary', 'brutal_kill', ['shutdown', ['shutdown', 'x'], 'normal', 'killed']],
  ];

  test.each(allowed)('%s, %s: %o are no fault', (restart, shutdown, wanted) => {
    const faultless = reasons.filter((reason) => !isShutdownError(restart, shutdown, reason));
    expect(faultless).toEqual(wanted);
  });
});

describe('a supervisor that is killed', () => {
  test('takes its children with it through their links', async () => {
    const node = makeNode();
    const log: string[] = [];
    const inner = defineSupervisor({ name: 'inner', children: [workerChild('b'), workerChild('c')] });
    const tree = defineSupervisor({
      name: 'tree',
      children: [workerChild('a'), child(inner), child(cleaner, [log, 'd'], { id: 'd' })],
    });
    const supervisor = await node.start(tree);
    const exits = recordExits();
    node.exit(supervisor.pid, 'kill');
    await settle(node);
    // The supervisor below traps exits: it shuts its own children down first.
    expect(
      exits()
        .map(([label, reason]) => `${label} ${String(reason)}`)
        .toSorted(),
    ).toEqual([
      'cleaner killed',
      'inner killed',
      'tree killed',
      'worker killed',
      'worker shutdown',
      'worker shutdown',
    ]);
    // A child that traps exits sees its parent end, as a server does: it cleans up.
    expect(log).toEqual(['d cleans up after killed', 'd is done']);
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('a dynamic one, too', async () => {
    const node = makeNode();
    const start = (self: Process): Pid => self.spawnLink(worker);
    const many = await node.start(defineDynamicSupervisor({ child: { start } }));
    await Promise.all(Array.from({ length: 100 }, () => many.startChild([])));
    node.exit(many.pid, 'kill');
    expect(node.processes()).toEqual([node.initPid]);
  });

  test('while it waits for the end of a child', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const children = [workerChild('a'), childProcess(stubborn, [], { id: 'b', shutdown: 100 })];
    const supervisor = await node.start(defineSupervisor({ children }));
    await settle(node);
    const b = await pidOf(supervisor, 'b');
    const terminating = expectFailure(supervisor.terminateChild('b'), 'TROUPE_CALL_EXIT', 'killed');
    await settle(node);
    node.exit(supervisor.pid, 'kill');
    await terminating;
    await clock.advance(1_000);
    // It ignores the end of its supervisor as well, which nobody can kill it for any more; nobody watches it either.
    expect(node.processes()).toEqual([node.initPid, b]);
    expect(node.processInfo(b)).toMatchObject({ links: [], monitoredBy: [] });
    expect(node.find(b)?.watchers).toBeNull();
  });
});

describe('a supervisor that is killed by what a child does at its end', () => {
  /** Kills the supervisor when it ends. */
  const avenger = (self: Process, node: Node, name: string) => {
    self.signal.addEventListener('abort', () => {
      node.exit(node.whereis(name) as Pid, 'kill');
    });
    return self.receive();
  };

  test('tells the next child nothing more', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const children = [{ id: 'a', start: () => probe.pid }, childProcess(avenger, [node, 'sup'], { id: 'b' })];
    const supervisor = await node.start(defineSupervisor({ children }), [], { name: 'sup' });
    await settle(node);
    await expectFailure(supervisor.stop(), 'TROUPE_CALL_EXIT', 'killed');
    await settle(node);
    expect(probe.messages()).toEqual([new Exit(supervisor.pid, 'killed')]);
  });

  test('starts no other one', async () => {
    const node = makeNode();
    let starts = 0;
    const counted = { ...workerChild('a'), start: (self: Process) => (starts++, self.spawnLink(worker)) };
    const tree = defineSupervisor({
      strategy: 'one_for_all',
      children: [counted, childProcess(avenger, [node, 'sup'], { id: 'b' })],
    });
    const supervisor = await node.start(tree, [], { name: 'sup' });
    await settle(node);
    const ended = awaitExit(node, supervisor.pid);
    node.exit(await pidOf(supervisor, 'a'), 'boom');
    expect(await ended).toBe('killed');
    await settle(node);
    expect(starts).toBe(1);
    expect(node.processes()).toEqual([node.initPid]);
  });
});

describe('the requests that wait when a supervisor ends', () => {
  test('fail with its reason', async () => {
    const node = makeNode();
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a')] }));
    const terminating = sys.terminate(node, supervisor, 'over');
    const counting = failure(supervisor.countChildren());
    await terminating;
    expect(await counting).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'over' });
  });
});

test('many dynamic children are stopped in slices of time: others run meanwhile', async () => {
  // With a slice that is always over the event loop has its turn as often as the clock is looked at.
  const node = makeNode({ sliceMs: 0.001 });
  const start = (self: Process): Pid => self.spawnLink(worker);
  const many = await node.start(defineDynamicSupervisor({ child: { start, shutdown: 5_000 } }));
  await Promise.all(Array.from({ length: 6_400 }, () => many.startChild([])));
  const counts: number[] = [];
  const stopping = many.stop();
  const counting = setInterval(() => counts.push(node.table.size), 0);
  await stopping;
  clearInterval(counting);
  await settle(node);
  expect(node.processes()).toEqual([node.initPid]);
  expect(counts.some((count) => count > 1_000 && count < 6_000)).toBe(true);
});
