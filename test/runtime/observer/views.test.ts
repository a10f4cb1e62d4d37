// What a page sees of a node: each view whole, then what changes; nothing when nothing does; and what cannot be shown, with why.
import {
  child,
  createNode,
  defineServer,
  defineSupervisor,
  type Node,
  pg,
  type Pid,
  pubsub,
  sys,
} from 'troupe';
import { inspectServer } from 'troupe/inspect';
import { awaitExit, createMemoryNetwork } from 'troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { observe, Page } from './support.ts';

const WINDOW = { first: 0, count: 50 };

const counter = defineServer({
  name: 'counter',
  init: () => ({ count: 0 }),
  call: { add: (state, by: number) => (state.count += by) },
});

/** Processes that wait. */
function idle(node: Node, count: number, label = 'idle'): void {
  for (let made = 0; made < count; made++)
    node.spawnWith({ label }, async (self) => {
      await self.receive();
    });
}

test('a window of the processes, which is sent again only where it differs', async () => {
  const { node, port } = await observe();
  idle(node, 300, 'one of many');
  const page = await Page.open(port);
  page.look({ processes: { sort: 'pid', match: 'one of many', first: 100, count: 20 } });
  await page.frame('changes');
  const table = page.tables.get('processes');
  expect([table?.first, table?.total, table?.order.length]).toEqual([100, 300, 20]);
  expect(new Set(page.column('processes', 'label'))).toEqual(new Set(['one of many']));
  // Ten rows are new to the page, and those alone are sent.
  const id = page.look({ processes: { sort: 'pid', match: 'one of many', first: 110, count: 20 } });
  await page.until(() => page.tables.get('processes')?.first === 110);
  const frame = page.frames.at(-1);
  expect(frame).toMatchObject({ type: 'changes', look: id });
  expect(frame?.type === 'changes' && Object.keys(frame.changes.processes?.set ?? {})).toHaveLength(10);
  // The other way round.
  page.look({ processes: { sort: 'pid', reverse: true, match: 'one of many', first: 280, count: 20 } });
  await page.until(() => page.tables.get('processes')?.first === 280);
  expect(page.column('processes', 'pid')).toEqual(
    node
      .processes()
      .filter((pid) => node.processInfo(pid)?.label === 'one of many')
      .slice(0, 20)
      .toReversed()
      .map(String),
  );
});

test('a window beyond the end is the last one', async () => {
  const { node, port } = await observe();
  idle(node, 30, 'one of many');
  const page = await Page.open(port);
  page.look({ processes: { sort: 'pid', match: 'one of many', first: 1_000, count: 20 } });
  await page.frame('changes');
  expect(page.tables.get('processes')).toMatchObject({ first: 10, total: 30 });
  expect(page.column('processes', 'label')).toHaveLength(20);
  page.look({
    members: { group: 'nobody', first: 5, count: 5 },
    groups: { first: 9, count: 9 },
    channels: { first: 9, count: 9 },
  });
  await page.until(() => page.tables.size === 4);
  for (const name of ['members', 'groups', 'channels'])
    expect(page.tables.get(name)).toMatchObject({ total: 0, order: [] });
});

test('a process that ends while it is looked at goes from the table, and its detail says so', async () => {
  const { node, port } = await observe();
  const server = await node.start(counter, [], { name: 'the_counter' });
  const page = await Page.open(port);
  page.look({ processes: { sort: 'name', match: 'the_counter', ...WINDOW }, process: server.pid.toString() });
  await page.until(() => page.values.has('process') && page.tables.has('processes'));
  expect(page.values.get('process')).toMatchObject({
    detail: { name: 'the_counter', state: '{ count: 0 }' },
  });
  await server.call('add', 5);
  await page.until(() => JSON.stringify(page.values.get('process')).includes('count: 5'));
  node.exit(server.pid, 'kill');
  await awaitExit(node, server.pid);
  await page.until(() => page.problems.has('process') && page.tables.get('processes')?.total === 0);
  expect(page.problems.get('process')).toBe(`No process ${server.pid.toString()} is alive on ${node.name}.`);
  // Under its name a new one may come.
  page.look({ process: 'the_counter' });
  await page.until(
    () => page.problems.get('process') === `No process is registered as 'the_counter' on ${node.name}.`,
  );
  await node.start(counter, [], { name: 'the_counter' });
  await page.until(() => page.values.has('process'));
  expect(page.problems.has('process')).toBe(false);
});

test('the tree as far as it is open', async () => {
  const { node, port } = await observe();
  const root = defineSupervisor({
    name: 'root',
    strategy: 'one_for_one',
    children: () => [
      child(counter, [], { id: 'one', name: 'one' }),
      child(counter, [], { id: 'two', restart: 'temporary' }),
    ],
  });
  const tree = await node.start(root, [], { name: 'root' });
  const page = await Page.open(port);
  page.look({ tree: { open: [], ...WINDOW } });
  await page.frame('changes');
  expect(page.column('tree', 'title').slice(0, 2)).toEqual(['init', 'root']);
  expect(page.tables.get('tree')?.rows.get(tree.pid.toString())).toMatchObject({
    depth: 1,
    type: 'supervisor',
    strategy: 'one_for_one',
    children: 2,
    open: false,
  });
  page.look({ tree: { open: [tree.pid.toString(), 'no pid', '<0.9999.0>'], ...WINDOW } });
  await page.until(() => page.column('tree', 'title').includes('one'));
  expect(page.column('tree', 'title').slice(0, 4)).toEqual(['init', 'root', 'one', 'two']);
  expect(page.column('tree', 'depth').slice(0, 4)).toEqual([0, 1, 2, 2]);
  const one = page.tables.get('tree')?.order[2];
  node.exit(node.whereis('one') as Pid, 'kill');
  await page.until(() => page.tables.get('tree')?.order[2] !== one);
  expect(page.column('tree', 'title').slice(0, 4)).toEqual(['init', 'root', 'one', 'two']);
});

test('a window of a tree with very many lines', async () => {
  const { node, port } = await observe();
  idle(node, 5_000, 'one of many');
  const page = await Page.open(port);
  page.look({ tree: { open: [], first: 4_000, count: 30 } });
  await page.frame('changes');
  const table = page.tables.get('tree');
  expect([table?.first, table?.order.length, (table?.total ?? 0) > 5_000]).toEqual([4_000, 30, true]);
  expect(new Set(page.column('tree', 'title'))).toEqual(new Set(['one of many']));
});

test('groups of each scope, their members, and channels with rates', async () => {
  const { node, port } = await observe();
  pg.start(node, 'jobs');
  const worker = node.spawnWith({ label: 'worker' }, async (self) => {
    for (;;) await self.receive();
  });
  pg.join(node, 'jobs', 'builders', [worker, worker]);
  pubsub.join(node, 'news', worker);
  const page = await Page.open(port);
  page.look({
    groups: { scope: 'jobs', ...WINDOW },
    members: { scope: 'jobs', group: 'builders', ...WINDOW },
    channels: WINDOW,
  });
  await page.until(() => page.tables.size === 3);
  expect(page.column('groups', 'members')).toEqual([2]);
  expect([...(page.tables.get('members')?.rows.values() ?? [])]).toEqual([
    { pid: worker.toString(), node: node.name, count: 2, label: 'worker' },
  ]);
  expect(page.column('channels', 'channel')).toEqual(['news']);
  const frame = page.frames.find((each) => each.type === 'changes' && each.changes.groups !== undefined);
  expect(frame).toMatchObject({
    changes: { groups: { scopes: [{ scope: 'jobs' }, { scope: 'nova_scope' }] } },
  });
  pubsub.broadcast(node, 'news', 'headline', {});
  pg.leave(node, 'jobs', 'builders', worker);
  await page.until(
    () => page.column('channels', 'published')[0] === 1 && page.column('groups', 'members')[0] === 1,
  );
  page.look({ groups: { scope: 'no such scope', ...WINDOW } });
  await page.until(() => page.problems.has('groups'));
  expect(page.problems.get('groups')).toBe(`No pg scope 'no such scope' runs on ${node.name}.`);
});

test('the load of the last seconds, which goes on for the next page', async () => {
  const { port } = await observe();
  const page = await Page.open(port);
  page.look({ load: true });
  const at: number[] = [];
  await page.until(() => {
    const news = page.frames.at(-1);
    const points = news?.type === 'changes' ? (news.changes.load?.points ?? []) : [];
    at.push(...points.map((point) => point.at));
    return at.length >= 3;
  });
  expect(at).toEqual([...new Set(at)].toSorted((a, b) => a - b));
  expect(page.values.get('load')).toMatchObject({ now: { processes: expect.any(Number) as number } });
  page.client.socket.terminate();
  const next = await Page.open(port);
  next.look({ load: true });
  await next.until(() => next.values.has('load'));
  const { points } = next.values.get('load') as { points: Array<{ at: number }> };
  expect(points.slice(0, 3).map((point) => point.at)).toEqual(at.slice(0, 3));
});

test('nothing is sent while nothing changes, but a sign of life; a new look is always answered', async () => {
  const { node, port } = await observe();
  idle(node, 10, 'quiet');
  const page = await Page.open(port);
  page.look({ processes: { sort: 'pid', match: 'quiet', ...WINDOW } });
  await page.frame('changes');
  const quiet = await page.frame('changes');
  expect(quiet.changes).toEqual({});
  const id = page.look({ processes: { sort: 'pid', match: 'quiet', ...WINDOW } });
  const answer = await page.frame('changes');
  expect(answer).toEqual({ type: 'changes', look: id, changes: {} });
});

test('what no longer is looked at is not sent any more, and comes whole when it is again', async () => {
  const { node, port } = await observe();
  idle(node, 10, 'quiet');
  const page = await Page.open(port);
  const processes = { sort: 'pid', match: 'quiet', ...WINDOW } as const;
  page.look({ processes });
  await page.frame('changes');
  page.look({});
  await page.frame('changes');
  const pid = node.spawnWith({ label: 'quiet' }, () => new Promise<never>(() => undefined));
  const id = page.look({ processes });
  await page.until(() => page.tables.get('processes')?.total === 11);
  const frame = page.frames.at(-1);
  expect(frame).toMatchObject({ look: id });
  expect(frame?.type === 'changes' && Object.keys(frame.changes.processes?.set ?? {})).toHaveLength(11);
  expect(page.column('processes', 'pid').at(-1)).toBe(pid.toString());
});

test('another node, until it goes down; and only one that is connected', async () => {
  const network = createMemoryNetwork();
  const far = createNode({ name: 'far@test', carrier: network.carrier('far@test') });
  const here = createNode({ name: 'here@test', carrier: network.carrier('here@test') });
  onTestFinished(() => far.stop());
  await far.start(inspectServer, [], { name: 'troupe_inspect' });
  idle(far, 3, 'a far one');
  await here.connect('far@test');
  const { port } = await observe({ node: here });
  const page = await Page.open(port);
  page.look({
    node: 'far@test',
    processes: { sort: 'pid', match: 'a far one', ...WINDOW },
    tree: { open: [], ...WINDOW },
    nodes: true,
    load: true,
  });
  await page.until(() => page.tables.size === 2 && page.values.size === 2);
  expect(page.column('processes', 'label')).toEqual(Array(3).fill('a far one'));
  expect(page.values.get('nodes')).toMatchObject({
    nodes: [{ node: 'far@test', self: true }, { node: 'here@test' }],
  });
  here.disconnect('far@test');
  await page.until(() => page.problems.size === 4);
  expect(new Set(page.problems.values())).toEqual(new Set(['far@test is not connected.']));
  await here.connect('far@test');
  await page.until(() => page.problems.size === 0);
  // The node must not be made to connect with whatever a page names.
  page.look({ node: 'else@where', load: true });
  await page.until(() => page.problems.get('load') === 'else@where is not connected.');
  page.look({ node: 'here@test', load: true });
  await page.until(() => page.values.has('load'));
  expect(page.problems.size).toBe(0);
});

test('answers that come late, for what the page has turned away from, are dropped', async () => {
  const network = createMemoryNetwork();
  const far = createNode({ name: 'far@test', carrier: network.carrier('far@test') });
  const here = createNode({ name: 'here@test', carrier: network.carrier('here@test') });
  onTestFinished(() => far.stop());
  const { pid } = await far.start(inspectServer, [], { name: 'troupe_inspect' });
  idle(far, 40, 'a far one');
  await here.connect('far@test');
  const { port } = await observe({ node: here });
  const page = await Page.open(port);
  const look = (first: number): number =>
    page.look({ node: 'far@test', processes: { sort: 'pid', match: 'a far one', first, count: 10 } });
  const asked = async (count: number): Promise<void> => {
    while ((far.processInfo(pid)?.messageQueueLength ?? 0) < count) await new Promise(setImmediate);
  };
  await sys.suspend(far, pid);
  look(0);
  await asked(1);
  look(5);
  await asked(2);
  const last = look(8); // of which the one before has a part
  await asked(3);
  await sys.resume(far, pid);
  await page.until(() => page.tables.has('processes'));
  const told = page.frames.filter(
    (frame) => frame.type === 'changes' && frame.changes.processes !== undefined,
  );
  expect(told).toMatchObject([{ look: last, changes: { processes: { first: 8 } } }]);
  expect(page.tables.get('processes')).toMatchObject({ first: 8, total: 40 });
  expect(page.column('processes', 'label')).toEqual(Array(10).fill('a far one'));
});
