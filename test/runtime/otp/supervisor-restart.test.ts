// What a supervisor does when a child has ended: all strategies, restart types and exit reasons (do_restart/3, restart/3), and
// restarts that fail (try_again_restart). "Restart Strategies" and "Child specification" of the OTP module `supervisor`.
import { describe, expect, test } from 'vitest';
import {
  childProcess,
  type ChildSpec,
  defineDynamicSupervisor,
  defineSupervisor,
  type ExitReason,
  formatReason,
  type Pid,
  type Process,
  type Restart,
} from 'troupe';
import { settle } from 'troupe/testing';
import { childrenToRestart, doRestart } from '../../../src/runtime/otp/internal.ts';
import { idle, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { end, look, pidOf, worker, workerChild } from './supervisor-helpers.ts';

type Becomes = 'restarted' | 'left' | 'removed';

const boom = new Error('boom');

/** What happens to a child that ends by itself, and whether that is reported. */
const outcomes: ReadonlyArray<[restart: Restart, reason: ExitReason, becomes: Becomes, reported: boolean]> = [
  ['permanent', 'normal', 'restarted', true],
  ['permanent', 'shutdown', 'restarted', true],
  ['permanent', ['shutdown', 'idle'], 'restarted', true],
  ['permanent', 'killed', 'restarted', true],
  ['permanent', 'boom', 'restarted', true],
  ['permanent', boom, 'restarted', true],
  ['transient', 'normal', 'left', false],
  ['transient', 'shutdown', 'left', false],
  ['transient', ['shutdown', 'idle'], 'left', false],
  ['transient', 'killed', 'restarted', true],
  ['transient', 'boom', 'restarted', true],
  ['transient', boom, 'restarted', true],
  ['temporary', 'normal', 'removed', false],
  ['temporary', 'shutdown', 'removed', false],
  ['temporary', ['shutdown', 'idle'], 'removed', false],
  ['temporary', 'killed', 'removed', true],
  ['temporary', 'boom', 'removed', true],
  ['temporary', boom, 'removed', true],
];

/** The children that a restart of `b` renews. `before` and `after` are temporary, `a` and `c` permanent. */
const renewed = {
  one_for_one: { again: ['b'], gone: [] },
  rest_for_one: { again: ['b', 'c'], gone: ['after'] },
  one_for_all: { again: ['a', 'b', 'c'], gone: ['before', 'after'] },
} as const;

const cases = (['one_for_one', 'rest_for_one', 'one_for_all'] as const).flatMap((strategy) =>
  outcomes.map(([restart, reason, becomes, reported]) => ({ strategy, restart, reason, becomes, reported })),
);

describe('a child that ends by itself', () => {
  test.each(cases.map((one) => ({ ...one, text: formatReason(one.reason) })))(
    '$strategy, $restart, $text: it is $becomes',
    async ({ strategy, restart, reason, becomes, reported }) => {
      const node = makeNode();
      const reports = recordTelemetry('troupe:supervisor:child_terminated');
      const progress = recordTelemetry('troupe:supervisor:child_started');
      const children = [
        workerChild('before', { restart: 'temporary' }),
        workerChild('a'),
        workerChild('b', { restart }),
        workerChild('c'),
        workerChild('after', { restart: 'temporary' }),
      ];
      const supervisor = await node.start(defineSupervisor({ name: 'tree', strategy, children }));
      const before = new Map(await look(supervisor));
      const b = await pidOf(supervisor, 'b');
      progress.length = 0;

      end(node, b, reason);
      await settle(node);

      const again: readonly string[] = becomes === 'restarted' ? renewed[strategy].again : [];
      const gone: readonly string[] = becomes === 'restarted' ? renewed[strategy].gone : [];
      const after = await look(supervisor);
      const left = [...before.keys()].filter(
        (id) => !gone.includes(id) && !(id === 'b' && becomes === 'removed'),
      );
      const stateOf = ([id, pid]: [string, string]): [string, string] => {
        if (pid === 'stopped') return [id, 'left'];
        return [id, pid === before.get(id) ? 'untouched' : 'again'];
      };
      expect(after.map(stateOf)).toEqual(
        left.map((id) => {
          if (id === 'b' && becomes === 'left') return [id, 'left'];
          return [id, again.includes(id) ? 'again' : 'untouched'];
        }),
      );
      expect(progress.map(({ id, restart: isRestart }) => [id, isRestart])).toEqual(
        again.map((id) => [id, true]),
      );
      const report = { id: 'b', pid: b, reason, context: 'child_terminated', supervisor: supervisor.pid };
      expect(reports).toEqual(reported ? [{ ...report, label: 'tree' }] : []);
      expect(node.isAlive(supervisor.pid)).toBe(true);
      // Nothing is left of those that ended: init, the supervisor and its running children.
      expect(node.processes()).toHaveLength(2 + after.filter(([, pid]) => pid !== 'stopped').length);
    },
  );

  test.each(
    outcomes.map(([restart, reason, becomes]) => ({ restart, reason, becomes, text: formatReason(reason) })),
  )('simple_one_for_one, $restart, $text', async ({ restart, reason, becomes }) => {
    const node = makeNode();
    const child = { restart, start: (self: Process, _n: number) => self.spawnLink(worker) };
    const supervisor = await node.start(defineDynamicSupervisor({ child }));
    const started = await Promise.all([1, 2, 3].map((n) => supervisor.startChild([n])));
    const pids = started.map((one) => (one.ok ? (one.pid as Pid) : node.initPid));
    end(node, pids[1] as Pid, reason);
    await settle(node);
    const now = (await supervisor.whichChildren()).map(({ pid }) => pid);
    // One that was restarted is the youngest; one that has ended for good is no child any more.
    expect(now.slice(0, 2)).toEqual([pids[0], pids[2]]);
    expect(now).toHaveLength(becomes === 'restarted' ? 3 : 2);
    expect(node.processes()).toHaveLength(2 + now.length);
  });
});

describe('the decisions alone', () => {
  test.each(outcomes)('%s, %o: %s', (restart, reason, becomes, report) => {
    expect(doRestart(restart, reason)).toEqual({ restart: becomes === 'restarted', report });
  });

  test('rest_for_one concerns those after the child, one_for_all every one, the others it alone', () => {
    const all = ['a', 'b', 'c'];
    expect(childrenToRestart('one_for_one', all, 'b')).toEqual(['b']);
    expect(childrenToRestart('simple_one_for_one', all, 'b')).toEqual(['b']);
    expect(childrenToRestart('rest_for_one', all, 'a')).toEqual(['a', 'b', 'c']);
    expect(childrenToRestart('rest_for_one', all, 'c')).toEqual(['c']);
    expect(childrenToRestart('one_for_all', all, 'c')).toEqual(['a', 'b', 'c']);
  });
});

/** Notes when it is started and when it ends, and fails to start as long as it is told to. */
function noting(log: string[], failures: Map<string, number>, id: string): ChildSpec {
  const child = childProcess(
    (self) => self.receive().then((message) => self.exit((message as { reason: unknown }).reason)),
    [],
    { id },
  );
  return {
    id,
    start: (self) => {
      const left = failures.get(id) ?? 0;
      log.push(left > 0 ? `fails ${id}` : `starts ${id}`);
      if (left === 0) return child.start(self);
      failures.set(id, left - 1);
      throw new Error(`${id} cannot start`);
    },
  };
}

describe('the order', () => {
  test.each([
    ['one_for_all', ['c', 'b', 'a'], ['a', 'b', 'c']],
    ['rest_for_one', ['c', 'b'], ['b', 'c']],
  ] as const)('%s stops the last first and starts the first first', async (strategy, stops, starts) => {
    const node = makeNode();
    const log: string[] = [];
    const exits = recordTelemetry('troupe:process:exit');
    const children = ['a', 'b', 'c'].map((id) => noting(log, new Map(), id));
    const supervisor = await node.start(defineSupervisor({ strategy, children }));
    const names = new Map((await look(supervisor)).map(([id, pid]) => [pid, id]));
    log.length = 0;
    end(node, await pidOf(supervisor, 'b'), 'boom');
    await settle(node);
    const [first, ...others] = exits.map(({ pid, reason }) => [names.get(String(pid)), reason]);
    expect(first).toEqual(['b', 'boom']);
    expect(others).toEqual(stops.filter((id) => id !== 'b').map((id) => [id, 'shutdown']));
    expect(log).toEqual(starts.map((id) => `starts ${id}`));
  });

  test('stays that of the specs through restarts', async () => {
    const node = makeNode();
    const ids = ['a', 'b', 'c', 'd'];
    const tree = defineSupervisor({
      strategy: 'rest_for_one',
      intensity: 9,
      children: ids.map((id) => workerChild(id)),
    });
    const supervisor = await node.start(tree);
    await supervisor.startChild(workerChild('e'));
    for (const id of ['c', 'a', 'e']) {
      end(node, await pidOf(supervisor, id), 'boom');
      await settle(node);
    }
    expect((await look(supervisor)).map(([id]) => id)).toEqual([...ids, 'e']);
  });
});

describe('a restart with others', () => {
  test('starts those that were terminated by request, too', async () => {
    const node = makeNode();
    const children = ['a', 'b', 'c'].map((id) => workerChild(id));
    const supervisor = await node.start(defineSupervisor({ strategy: 'rest_for_one', children }));
    await supervisor.terminateChild('a');
    await supervisor.terminateChild('c');
    end(node, await pidOf(supervisor, 'b'), 'boom');
    await settle(node);
    const now = new Map(await look(supervisor));
    expect(now.get('a')).toBe('stopped');
    expect(now.get('c')).not.toBe('stopped');
  });

  test('is one restart when others of the group have ended at the same time', async () => {
    const node = makeNode();
    const log: string[] = [];
    const children = ['a', 'b', 'c'].map((id) => noting(log, new Map(), id));
    const supervisor = await node.start(
      defineSupervisor({ strategy: 'one_for_all', intensity: 1, children }),
    );
    log.length = 0;
    for (const { pid } of await supervisor.whichChildren()) if (pid !== undefined) node.exit(pid, 'boom');
    await settle(node);
    // The exits of the two others name processes that are no children any more.
    expect(log).toEqual(['starts a', 'starts b', 'starts c']);
    expect(await supervisor.countChildren()).toMatchObject({ active: 3 });
  });

  test('a child that another one takes along is restarted with it', async () => {
    const node = makeNode();
    const followers: Pid[] = [];
    const follower = (self: Process, leader: string) => {
      followers.push(self.pid);
      self.link(node.whereis(leader) as Pid);
      return self.receive();
    };
    const tree = defineSupervisor({
      strategy: 'rest_for_one',
      children: [
        childProcess(worker, [], { id: 'leader', name: 'leader' }),
        childProcess(follower, ['leader'], { id: 'follower' }),
      ],
    });
    const supervisor = await node.start(tree);
    await settle(node);
    node.exit(node.whereis('leader') as Pid, 'boom');
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 2 });
    expect(followers).toHaveLength(2);
  });
});

describe('a restart that fails is tried again', () => {
  test.each([
    ['one_for_one', ['fails b', 'fails b', 'starts b']],
    ['rest_for_one', ['fails b', 'fails b', 'starts b', 'starts c']],
    ['one_for_all', ['starts a', 'fails b', 'starts a', 'fails b', 'starts a', 'starts b', 'starts c']],
  ] as const)('%s', async (strategy, expected) => {
    const node = makeNode();
    const log: string[] = [];
    const failures = new Map<string, number>();
    const children = ['a', 'b', 'c'].map((id) => noting(log, failures, id));
    const supervisor = await node.start(defineSupervisor({ strategy, intensity: 3, children }));
    log.length = 0;
    failures.set('b', 2);
    end(node, await pidOf(supervisor, 'b'), 'boom');
    await settle(node);
    expect(log).toEqual(expected);
    expect(await supervisor.countChildren()).toMatchObject({ specs: 3, active: 3 });
  });

  test('from the child that failed on, which need not be the one that had ended', async () => {
    const node = makeNode();
    const log: string[] = [];
    const failures = new Map<string, number>();
    const children = ['a', 'b', 'c'].map((id) => noting(log, failures, id));
    const supervisor = await node.start(
      defineSupervisor({ strategy: 'rest_for_one', intensity: 3, children }),
    );
    log.length = 0;
    failures.set('b', 1);
    end(node, await pidOf(supervisor, 'a'), 'boom');
    await settle(node);
    expect(log).toEqual(['starts a', 'fails b', 'starts b', 'starts c']);
  });

  test('and is reported each time', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const failures = new Map<string, number>();
    const supervisor = await node.start(
      defineSupervisor({ name: 'tree', intensity: 3, children: [noting([], failures, 'a')] }),
    );
    failures.set('a', 1);
    const pid = await pidOf(supervisor, 'a');
    end(node, pid, 'boom');
    await settle(node);
    const event = { supervisor: supervisor.pid, label: 'tree', id: 'a' };
    expect(reports).toEqual([
      { ...event, pid, reason: 'boom', context: 'child_terminated' },
      { ...event, pid: undefined, reason: new Error('a cannot start'), context: 'start_error' },
    ]);
  });

  test('requests have their turn between two attempts, and see the child as restarting', async () => {
    const node = makeNode();
    const log: string[] = [];
    const failures = new Map<string, number>();
    const tree = defineSupervisor({
      intensity: 1_000,
      children: [noting(log, failures, 'a'), workerChild('b')],
    });
    const supervisor = await node.start(tree);
    failures.set('a', Infinity);
    node.exit(await pidOf(supervisor, 'a'), 'boom');
    // The exit comes first, then these, then the second attempt; each answer is that of one state.
    const answers = await Promise.all([
      supervisor
        .whichChildren()
        .then((children) => children.map(({ id, status, pid }) => [id, status, pid !== undefined])),
      supervisor.countChildren(),
      supervisor.restartChild('a'),
      supervisor.deleteChild('a'),
      supervisor.startChild(workerChild('a')),
      supervisor.terminateChild('a'),
      supervisor.whichChildren().then((children) => children.map(({ id, status }) => [id, status])),
    ]);
    expect(answers).toEqual([
      [
        ['a', 'restarting', false],
        ['b', 'running', true],
      ],
      { specs: 2, active: 1, supervisors: 0, workers: 2 },
      { ok: false, error: 'restarting' },
      { ok: false, error: 'restarting' },
      { ok: false, error: 'already_present' },
      { ok: true },
      [
        ['a', 'stopped'],
        ['b', 'running'],
      ],
    ]);
    const attempts = log.length;
    await settle(node);
    // Terminated, it is not tried again.
    expect(log).toHaveLength(attempts);
    failures.clear();
    expect(await supervisor.restartChild('a')).toMatchObject({ ok: true });
  });

  test('a dynamic child that waits for its restart is found by the pid it had', async () => {
    const node = makeNode();
    let fails = false;
    const start = (self: Process): Pid => {
      if (fails) throw new Error('no');
      return self.spawnLink(idle);
    };
    const supervisor = await node.start(defineDynamicSupervisor({ intensity: 1_000, child: { start } }));
    const first = await supervisor.startChild([]);
    await supervisor.startChild([]);
    fails = true;
    const pid = first.ok ? (first.pid as Pid) : node.initPid;
    node.exit(pid, 'boom');
    const answers = await Promise.all([
      supervisor.whichChildren().then((children) => children.map(({ status }) => status).toSorted()),
      supervisor.countChildren(),
      supervisor.terminateChild(pid),
      supervisor.countChildren(),
    ]);
    expect(answers).toEqual([
      ['restarting', 'running'],
      { specs: 1, active: 1, supervisors: 0, workers: 2 },
      { ok: true },
      { specs: 1, active: 1, supervisors: 0, workers: 1 },
    ]);
    await settle(node);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1, workers: 1 });
  });
});

describe('while the supervisor waits for the start of a child', () => {
  test('the exits of others wait and are handled afterwards', async () => {
    const node = makeNode();
    const gate = makeGate();
    const supervisor = await node.start(defineSupervisor({ children: [workerChild('a')] }));
    const before = await pidOf(supervisor, 'a');
    const slow = { id: 'slow', start: (self: Process) => gate.opened.then(() => self.spawnLink(idle)) };
    const starting = supervisor.startChild(slow);
    const looking = look(supervisor);
    await settle(node, { except: [supervisor.pid] });
    node.exit(before, 'boom');
    await settle(node, { except: [supervisor.pid] });
    expect(node.processes()).toHaveLength(2);
    gate.open();
    await starting;
    // The question came before the exit, as did the child that it sees.
    expect(new Map(await looking).get('a')).toBe(before.toString());
    await settle(node);
    expect(await pidOf(supervisor, 'a')).not.toBe(before);
  });
});
