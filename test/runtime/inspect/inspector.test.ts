// The inspector of the own node: what it answers, what it measures, and that it leaves nothing behind.
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  child,
  createNode,
  defineServer,
  defineSupervisor,
  type Node,
  type NodeOptions,
  nodeStatistics,
  pg,
  pubsub,
  type Process,
} from 'troupe';
import { type Inspector, inspectNode, type TreeLine, type TreeRow } from 'troupe/inspect';
import { createManualClock, settle } from 'troupe/testing';

const clock = createManualClock();
let node: Node;
let inspector: Inspector;

beforeEach(() => {
  begin();
});
afterEach(() => node.stop());

function begin(options: NodeOptions = {}): void {
  node = createNode({ name: 'here@test', clock, ...options });
  inspector = inspectNode(node);
}

const counter = defineServer({
  name: 'counter',
  init: () => ({ count: 0 }),
  call: {
    add: (state, by: number) => (state.count += by),
    wait: () => new Promise<never>(() => undefined),
  },
});

/** Lets what can run have its turn; `settle` waits for handlers that await, too. */
async function turn(): Promise<void> {
  for (let count = 0; count < 3; count++) await new Promise(setImmediate); // oxlint-disable-line no-await-in-loop
}

/** Holds up the event loop. */
function spin(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const behaviour = (handle: (self: Process, message: unknown) => void | Promise<void>) => ({
  name: 'a behaviour',
  init: () => undefined,
  handle,
});

describe('one process', () => {
  test('shows links, monitors, groups, names and its state', async () => {
    const { pid } = await node.start(counter, [], { name: 'the_counter' });
    const other = node.spawn(async (self) => {
      self.link(pid);
      self.monitor('the_counter');
      await self.receive();
    });
    await settle(node);
    pg.start(node, 'jobs');
    pg.join(node, 'jobs', ['a', 1], [pid, pid]);
    pubsub.join(node, 'news', pid);
    const detail = await inspector.process('the_counter');
    expect(detail).toMatchObject({
      node: 'here@test',
      pid: pid.toString(),
      name: 'the_counter',
      label: 'counter',
      behaviour: 'counter',
      status: 'waiting',
      mailbox: 0,
      links: [other.toString()],
      monitoredBy: [other.toString()],
      state: '{ count: 0 }',
      current: undefined,
    });
    expect(detail.groups.toSorted((a, b) => (a.scope < b.scope ? -1 : 1))).toEqual([
      { scope: 'jobs', group: "[ 'a', 1 ]", count: 2 },
      { scope: 'nova_scope', group: 'news', count: 1 },
    ]);
    expect((await inspector.process(other.toString())).monitors).toEqual(['the_counter@here@test']);
    expect(JSON.parse(JSON.stringify(detail))).toMatchObject({ pid: pid.toString() });
  });

  test('shows the handler that awaits and for how long, and that the state cannot be had meanwhile', async () => {
    const server = await node.start(counter, [], { name: 'busy' });
    void server.call('wait', undefined, { timeoutMs: Infinity }).catch(() => undefined);
    await turn();
    const asked = inspector.process('busy');
    await clock.advance(1_000);
    const detail = await asked;
    expect(detail.status).toBe('awaiting');
    expect(detail.current).toMatchObject({ kind: 'handler', what: 'wait()' });
    expect(detail.current?.forMs).toBeGreaterThanOrEqual(0);
    expect(detail.state).toBeUndefined();
    expect(detail.stateProblem).toContain('was not answered');
  });

  test('tells a function from an init that awaits', async () => {
    const never = new Promise<void>(() => undefined);
    const running = node.spawn(function job() {
      return never;
    });
    const starting = node.spawn({ name: 'slow', init: () => never, handle: () => undefined });
    await turn();
    await clock.advance(5_000);
    expect((await inspector.process(running.toString())).current).toEqual({
      kind: 'function',
      what: 'job',
      forMs: 5_000,
    });
    expect((await inspector.process(starting.toString())).current).toMatchObject({ kind: 'init' });
  });

  test.each(['nobody', '<0.99.0>'])('%s is refused', async (target) => {
    await expect(inspector.process(target)).rejects.toMatchObject({ code: 'TROUPE_NOPROC' });
  });
});

describe('all processes', () => {
  test('are sorted, limited and selected', async () => {
    const quiet = node.spawnWith(
      { label: 'quiet' },
      behaviour(() => undefined),
    );
    const full = node.spawnWith({ label: 'full' }, async (self) => {
      await self.receive((message): message is 'never' => message === 'never');
    });
    for (let message = 0; message < 3; message++) node.send(full, message);
    await settle(node);
    const pids = async (options: Parameters<Inspector['processes']>[0]): Promise<string[]> =>
      (await inspector.processes(options)).map(({ pid }) => pid);
    expect(await pids({})).toEqual(['<0.0.0>', quiet.toString(), full.toString()]);
    expect(await pids({ sort: 'mailbox', limit: 1 })).toEqual([full.toString()]);
    expect(await pids({ match: 'quie' })).toEqual([quiet.toString()]);
    expect((await inspector.processes({ match: 'full' }))[0]).toMatchObject({
      mailbox: 3,
      status: 'waiting',
    });
    await expect(inspector.processes({ limit: -1 })).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
    await expect(inspector.processes({ sort: 'weight' as 'pid' })).rejects.toThrow('sort must be one of');
  });

  test('a page has its part of the sorted list, and says how many there are', async () => {
    const labels = ['d', 'b', 'e', 'a', 'c'];
    for (const label of labels) {
      node.spawnWith(
        { label: `worker ${label}` },
        behaviour(() => undefined),
      );
    }
    const page = async (options: Parameters<Inspector['processPage']>[0]): Promise<[number, string]> => {
      const { first, total, rows } = await inspector.processPage({ match: 'worker', ...options });
      expect(first).toBe(options?.first ?? 0);
      return [total, rows.map(({ label }) => label.slice(-1)).join('')];
    };
    expect(await page({ sort: 'label', first: 1, limit: 3 })).toEqual([5, 'bcd']);
    expect(await page({ sort: 'label', reverse: true, first: 1, limit: 3 })).toEqual([5, 'dcb']);
    expect(await page({ first: 3 })).toEqual([5, 'ac']);
    expect(await page({ reverse: true })).toEqual([5, 'caebd']);
    expect(await page({ first: 9 })).toEqual([5, '']);
    expect(await page({ match: 'none' })).toEqual([0, '']);
    await expect(inspector.processPage({ first: -1 })).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
    await expect(inspector.processPage({ limit: 100_001 })).rejects.toThrow('limit must be');
  });

  test('a page makes only its own rows', async () => {
    let made = 0;
    for (let count = 0; count < 2_000; count++) {
      node.spawnWith({ label: `worker ${count % 7}` }, { ...behaviour(() => undefined), name: 'worker' });
    }
    for (const process of node.table.all()) {
      const { pid } = process;
      pid.toString = () => {
        made++;
        return Object.getPrototypeOf(pid).toString.call(pid) as string;
      };
    }
    for (const sort of ['pid', 'name', 'label', 'mailbox', 'busy', 'oldest', 'rate'] as const) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await inspector.processPage({ sort, first: 100, limit: 50 })).toMatchObject({ total: 2_001 });
    }
    expect(made).toBe(7 * 50);
  });

  test('show time in handlers, and the rate of messages', async () => {
    const pid = node.spawn(behaviour(() => spin(3)));
    await inspector.processes();
    for (let message = 0; message < 10; message++) node.send(pid, message);
    await settle(node);
    await clock.advance(1_000);
    const row = (await inspector.processes({ sort: 'busy', limit: 1 }))[0];
    expect(row?.pid).toBe(pid.toString());
    expect(row?.busyMs).toBeGreaterThanOrEqual(30);
    expect(row?.longestMs).toBeGreaterThanOrEqual(3);
    expect(row?.handledPerSecond).toBe(10);
  });

  test('show how long the oldest message has waited, at least', async () => {
    let release: () => void = () => undefined;
    const pid = node.spawn(
      behaviour((_self, message) =>
        message === 'wait' ? new Promise((done) => (release = done)) : undefined,
      ),
    );
    const oldest = async (): Promise<number | undefined> =>
      (await inspector.processes()).find((row) => row.pid === pid.toString())?.oldestMs;
    expect(await oldest()).toBe(0);
    node.send(pid, 'wait');
    node.send(pid, 'first');
    await clock.advance(1_000);
    node.send(pid, 'wait');
    node.send(pid, 'second');
    await clock.advance(3_000);
    expect(await oldest()).toBe(3_000);
    release();
    await turn();
    // `first` is handled, and the next `wait` too: what is left came after the first sample.
    expect(await oldest()).toBe(2_000);
    await clock.advance(2_000);
    release();
    await settle(node);
    expect(await oldest()).toBe(0);
  });
});

describe('supervision tree, groups and channels', () => {
  test('the tree has supervisors, children and all other processes', async () => {
    const root = defineSupervisor({ name: 'root', children: () => [child(counter, [], { id: 'one' })] });
    const { pid } = await node.start(root, [], { name: 'root' });
    const tree = await inspector.tree();
    expect(tree).toMatchObject({ pid: '<0.0.0>', name: 'init' });
    expect(tree.children).toMatchObject([
      { pid: pid.toString(), name: 'root', type: 'supervisor', children: [{ id: 'one', status: 'running' }] },
    ]);
  });

  test('the tree lists the children of those that are open, and counts those of the others', async () => {
    const root = defineSupervisor({
      name: 'root',
      children: () => [child(counter, [], { id: 'one' }), child(counter, [], { id: 'two' })],
    });
    const { pid } = await node.start(root, [], { name: 'root' });
    const parent = node.spawn(async (self) => {
      for (let count = 0; count < 3; count++) self.spawn((each) => each.receive());
      await self.receive();
    });
    await settle(node);
    const closed = await inspector.tree({ open: [] });
    expect(closed).toMatchObject({ childCount: 2, name: 'init' });
    expect(closed.children).toMatchObject([
      { pid: pid.toString(), type: 'supervisor', childCount: 2, children: [] },
      { pid: parent.toString(), type: 'worker', childCount: 3, children: [] },
    ]);
    const open = await inspector.tree({ open: [parent.toString(), '<0.999.0>'] });
    expect(open.children[0]?.children).toEqual([]);
    expect(open.children[1]?.children).toHaveLength(3);
    const cut = await inspector.tree({ limit: 4 });
    expect(cut).toMatchObject({ childCount: 2 });
    expect(cut.children).toMatchObject([{ childCount: 2, children: [{ id: 'one' }, { id: 'two' }] }]);
    await expect(inspector.tree({ open: ['nobody'] })).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
    await expect(inspector.tree({ open: Array.from({ length: 10_001 }, () => '<0.1.0>') })).rejects.toThrow(
      'open lists at most',
    );
  });

  test('as lines it has the same order, and pages make their own lines only', async () => {
    const root = defineSupervisor({
      name: 'root',
      children: () => [child(counter, [], { id: 'one' }), child(counter, [], { id: 'gone' })],
    });
    const supervisor = await node.start(root, [], { name: 'root' });
    await supervisor.terminateChild('gone');
    const { pid } = supervisor;
    const parent = node.spawn(async (self) => {
      for (let count = 0; count < 5; count++) self.spawn((each) => each.receive());
      await self.receive();
    });
    await settle(node);
    const open = [pid.toString(), parent.toString()];
    const flat: string[] = [];
    const walk = (row: TreeRow, depth: number): void => {
      flat.push(`${depth} ${row.pid ?? `${pid.toString()}/${String(row.id)}`} ${row.childCount}`);
      for (const each of row.children) walk(each, depth + 1);
    };
    walk(await inspector.tree({ open }), 0);
    const whole = await inspector.treePage({ open });
    const lineOf = (line: TreeLine): string => `${line.depth} ${line.key} ${line.childCount}`;
    expect(whole).toMatchObject({ first: 0, total: flat.length });
    expect(whole.rows.map(lineOf)).toEqual(flat);
    expect(whole.rows.filter((line) => line.open).map(({ key }) => key)).toEqual(['<0.0.0>', ...open]);
    const pages = await Promise.all(
      [0, 3, 6, 9].map((first) => inspector.treePage({ open, first, limit: 3 })),
    );
    expect(pages.flatMap(({ rows }) => rows.map(lineOf))).toEqual(flat);
    const closed = await inspector.treePage();
    expect(closed.rows.map(({ key, childCount }) => [key, childCount])).toEqual([
      ['<0.0.0>', 2],
      [pid.toString(), 2],
      [parent.toString(), 5],
    ]);
    await expect(inspector.treePage({ first: -1 })).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });

  test('a tree of processes that have spawned each other is cut at a thousand levels', async () => {
    const chain = (self: Process, left: number): Promise<unknown> => {
      if (left > 0) self.spawn((next) => chain(next, left - 1));
      return self.receive();
    };
    node.spawn((self) => chain(self, 1_500));
    await settle(node);
    let levels = 1;
    let row = await inspector.tree();
    for (; row.children.length > 0; levels++) row = row.children[0] as typeof row;
    expect([levels, row.childCount]).toEqual([1_000, 1]);
    const open = node.processes().map(String);
    expect((await inspector.treePage({ open })).total).toBe(1_000);
  });

  test('groups and channels come in pages, sorted by name', async () => {
    const pid = node.spawn(behaviour(() => undefined));
    pg.start(node, 'jobs');
    for (const name of ['c', 'a', 'b', 'd']) {
      pg.join(node, 'jobs', `job ${name}`, pid);
      pubsub.join(node, `news ${name}`, pid);
    }
    const groups = await inspector.groupPage({ scope: 'jobs', match: 'job', first: 1, limit: 2 });
    expect(groups).toMatchObject({ first: 1, total: 4, rows: [{ group: 'job b' }, { group: 'job c' }] });
    const channels = await inspector.channelPage({ match: 'news', first: 3 });
    expect(channels).toMatchObject({ first: 3, total: 4, rows: [{ channel: 'news d', members: 1 }] });
    await expect(inspector.channelPage({ limit: 10_001 })).rejects.toThrow('limit must be');
  });

  test('groups show members by node, members how often they have joined', async () => {
    const pid = node.spawn(behaviour(() => undefined));
    pg.start(node, 'jobs');
    pg.join(node, 'jobs', 'b', pid);
    pg.join(node, 'jobs', { kind: 'a' }, [pid, pid]);
    expect(await inspector.scopes()).toMatchObject([{ scope: 'jobs', groups: 2 }]);
    expect(await inspector.groups('jobs')).toEqual([
      { group: 'b', members: 1, local: 1, nodes: { 'here@test': 1 } },
      { group: "{ kind: 'a' }", members: 2, local: 2, nodes: { 'here@test': 2 } },
    ]);
    expect(await inspector.members("{ kind: 'a' }", 'jobs')).toMatchObject([
      { pid: pid.toString(), node: 'here@test', count: 2, label: 'a behaviour' },
    ]);
    expect(await inspector.members('none', 'jobs')).toEqual([]);
    expect(await inspector.groups()).toEqual([]);
    await expect(inspector.groups('none')).rejects.toMatchObject({ code: 'TROUPE_NO_SCOPE' });
  });

  test('channels show the rate of broadcasts and whom they reach', async () => {
    const pids = [1, 2].map(() => node.spawn(behaviour(() => undefined)));
    pubsub.join(node, 'news', pids);
    expect(await inspector.channels()).toMatchObject([{ channel: 'news', members: 2, published: 0 }]);
    for (let count = 0; count < 5; count++) pubsub.broadcast(node, 'news', 'topic', count);
    pubsub.localBroadcast(node, 'news', 'topic', 5);
    await clock.advance(1_000);
    expect(await inspector.channels()).toEqual([
      { channel: 'news', members: 2, local: 2, published: 6, perSecond: 6, delivered: 12, lastReach: 2 },
    ]);
  });
});

describe('load', () => {
  test('names the process whose handler has blocked the event loop, and for how long', async () => {
    const pid = node.spawnWith(
      { label: 'greedy' },
      behaviour(() => spin(25)),
    );
    await inspector.load();
    node.send(pid, 'go');
    await settle(node);
    const load = await inspector.load();
    expect(load).toMatchObject({ node: 'here@test', processes: 2, queued: 0 });
    // The counts are those of `nodeStatistics`.
    const { runQueue, ...counts } = nodeStatistics(node);
    expect(load).toMatchObject({ ...counts, queued: runQueue });
    expect(load.blocked).toMatchObject([{ pid: pid.toString(), label: 'greedy' }]);
    expect(load.blocked[0]?.ms).toBeGreaterThanOrEqual(25);
  });

  test('is kept by the second, for five minutes, as long as somebody asks and a minute longer', async () => {
    expect(await inspector.loadHistory()).toEqual([]);
    await clock.advance(3_000);
    const points = await inspector.loadHistory();
    expect(points.map(({ at }) => at - node.startedAt)).toEqual([1_000, 2_000, 3_000]);
    expect(points[0]).toMatchObject({ processes: 1, busyShare: expect.any(Number) as number });
    await clock.advance(2_000);
    expect(await inspector.loadHistory(points[2]?.at)).toHaveLength(2);
    for (let minute = 0; minute < 6; minute++) {
      await clock.advance(59_000);
      await inspector.loadHistory();
    }
    expect(await inspector.loadHistory()).toHaveLength(300);
    await clock.advance(61_000);
    expect([Object.hasOwn(node.scheduler, 'runItem'), node.tap]).toEqual([false, null]);
    expect(await inspector.loadHistory()).toEqual([]);
  });

  test('goes on after a second when the clock is set back', async () => {
    await inspector.loadHistory();
    await clock.advance(3_000);
    const [last] = (await inspector.loadHistory()).slice(-1);
    const wallTime = clock.wallTime();
    const setBack = vi.spyOn(clock, 'wallTime').mockReturnValue(wallTime - 3_600_000);
    onTestFinished(() => {
      setBack.mockRestore();
    });
    await clock.advance(1_000);
    expect(await inspector.loadHistory(last?.at)).toMatchObject([{ at: wallTime - 3_600_000 }]);
  });

  test('is measured for ten seconds after the last question, and then by nobody', async () => {
    await inspector.load();
    await clock.advance(9_000);
    expect((await inspector.load()).measuredMs).toBe(9_000);
    await clock.advance(9_000);
    expect([Object.hasOwn(node.scheduler, 'runItem'), node.tap]).toEqual([true, expect.anything()]);
    await clock.advance(2_000);
    expect([
      Object.hasOwn(node.scheduler, 'runItem'),
      node.tap,
      Object.hasOwn(node.router, 'receive'),
    ]).toEqual([false, null, false]);
    expect((await inspector.load()).measuredMs).toBe(0);
  });
});

describe('what changes something', () => {
  test('is done', async () => {
    const server = await node.start(counter, [], { name: 'c' });
    await inspector.suspend('c');
    const late = server.call('add', 1, { timeoutMs: 5 }).catch((error: unknown) => error);
    await clock.advance(5);
    expect(await late).toMatchObject({ code: 'TROUPE_CALL_TIMEOUT' });
    await inspector.resume('c');
    expect(await server.call('add', 1)).toBe(2);
    await inspector.exit('c', 'kill');
    expect(node.isAlive(server.pid)).toBe(false);
  });

  test('is refused by one that only looks', async () => {
    const { pid } = await node.start(counter, [], { name: 'c' });
    const reader = inspectNode(node, { readOnly: true });
    const attempts = [reader.exit('c', 'kill'), reader.send('c', 1), reader.suspend('c'), reader.resume('c')];
    for (const attempt of attempts) {
      // oxlint-disable-next-line no-await-in-loop
      await expect(attempt).rejects.toMatchObject({ code: 'TROUPE_NOT_ALLOWED' });
    }
    expect(node.processInfo(pid)).toMatchObject({ messagesHandled: 0, messageQueueLength: 0 });
    expect((await reader.process('c')).state).toBe('{ count: 0 }');
  });
});
