// Another node's inspector, over the network in memory: what it answers, what it refuses, and how traces end.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { call, createNode, defineServer, type Node, type Pid, pg, pubsub } from 'troupe';
import { inspectNode, inspectRemote, inspectServer } from 'troupe/inspect';
import { createMemoryNetwork, settle } from 'troupe/testing';

let here: Node;
let there: Node;
let server: Pid;

const counter = defineServer({
  name: 'counter',
  init: () => ({ count: 7 }),
  call: { add: (state, by: number) => (state.count += by) },
  info: () => undefined,
});

beforeEach(async () => {
  const network = createMemoryNetwork();
  [here, there] = ['here@test', 'there@test'].map((name) =>
    createNode({ name, carrier: network.carrier(name) }),
  ) as [Node, Node];
  ({ pid: server } = await there.start(counter, [], { name: 'counter' }));
  await here.connect('there@test');
});
afterEach(() => Promise.all([here.stop(), there.stop()]));

const start = (allow = false): Promise<unknown> =>
  there.start(inspectServer, [{ allow }], { name: 'troupe_inspect' });

describe('questions', () => {
  test('are answered as on the node itself', async () => {
    await start();
    pg.start(there, 'jobs');
    pg.join(there, 'jobs', ['a', 1], server);
    pubsub.join(there, 'news', server);
    await settle([here, there]);
    const [local, remote] = [inspectNode(there), inspectRemote(here, 'there@test')];
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    expect(await remote.scopes()).toEqual(plain(await local.scopes()));
    expect(await remote.groups('jobs')).toEqual(plain(await local.groups('jobs')));
    expect(await remote.members("[ 'a', 1 ]", 'jobs')).toMatchObject([{ pid: server.toString(), count: 1 }]);
    expect(await remote.tree()).toEqual(plain(await local.tree()));
    expect(await remote.nodes()).toMatchObject([{ node: 'there@test', self: true }, { node: 'here@test' }]);
    expect(await remote.process(server.toString())).toMatchObject({
      node: 'there@test',
      state: '{ count: 7 }',
    });
    expect(await remote.processes({ match: 'counter' })).toMatchObject([{ pid: server.toString() }]);
    expect(await remote.channels()).toMatchObject([{ channel: 'news', members: 1 }]);
    expect(await remote.load()).toMatchObject({ node: 'there@test' });
    expect(await remote.peers()).toEqual([]);
  });

  test('fail as on the node itself, and where nobody answers as calls do', async () => {
    const remote = inspectRemote(here, 'there@test');
    await expect(remote.tree()).rejects.toMatchObject({
      code: 'TROUPE_CALL_NOPROC',
      what: expect.stringMatching(
        /on there@test found no process\. .* inspectServer, from troupe\/inspect\.$/,
      ) as string,
    });
    await expect(inspectRemote(here, 'none@test').tree()).rejects.toMatchObject({
      code: 'TROUPE_CALL_NODEDOWN',
    });
    await start();
    await expect(remote.process('nobody')).rejects.toMatchObject({ code: 'TROUPE_NOPROC' });
    await expect(remote.groups('none')).rejects.toMatchObject({ code: 'TROUPE_NO_SCOPE' });
    await expect(remote.processes({ limit: -1 })).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });

  test.each([
    [['toString', '[]'], 'no answer'],
    [['startTrace', '["counter"]'], 'no answer'],
    [['process', 'x'], 'not JSON'],
    [['process', '{}'], 'not a JSON array'],
    [['trace', '["counter"]'], 'needs a process of the node that asks'],
    ['tree', 'not JSON'],
  ])('what is no question is refused: %j', async (asked, what) => {
    await start();
    const answer = await call(here, { name: 'troupe_inspect', node: 'there@test' }, 'ask', asked);
    expect(JSON.parse(String(answer))).toMatchObject({
      error: { code: 'TROUPE_BAD_ARGUMENT', what: expect.stringContaining(what) as string },
    });
  });
});

describe('what changes something', () => {
  test('is refused unless the server allows it', async () => {
    await start();
    const remote = inspectRemote(here, 'there@test');
    const attempts = [
      remote.exit('counter', 'kill'),
      remote.send('counter', 1),
      remote.suspend('counter'),
      remote.resume('counter'),
    ];
    for (const attempt of attempts) {
      // oxlint-disable-next-line no-await-in-loop
      await expect(attempt).rejects.toMatchObject({ code: 'TROUPE_NOT_ALLOWED' });
    }
    expect(there.processInfo(server)).toMatchObject({ messagesHandled: 0 });
  });

  test('is done where it is allowed', async () => {
    await start(true);
    const remote = inspectRemote(here, 'there@test');
    await remote.send('counter', 'a message');
    await remote.exit('counter', 'kill');
    expect(there.isAlive(server)).toBe(false);
  });
});

describe('a trace', () => {
  const far = { name: 'counter', node: 'there@test' };

  test('sends its messages to the node that asked, and ends there and here', async () => {
    await start();
    const trace = await inspectRemote(here, 'there@test').trace('counter', { limit: 3 });
    here.send(far, 'hello');
    await call(here, far, 'add', 1);
    const texts: string[] = [];
    for await (const { direction, kind, text } of trace) texts.push(`${direction} ${kind} ${text}`);
    expect(texts).toEqual(["in message 'hello'", 'in call add(1)', 'out reply 8']);
    expect(await trace.ended).toEqual({ reason: 'limit', reported: 3, leftOut: 0 });
    await settle([here, there]);
    expect([there.tap, here.processes().length]).toEqual([null, 1]);
  });

  test.each<[string, (trace: { stop(): void }) => void]>([
    ['it is stopped', (trace) => trace.stop()],
    ['the connection breaks', () => here.disconnect('there@test')],
    ['the server there ends', () => there.exit(there.whereis('troupe_inspect') as Pid, 'kill')],
  ])('leaves nothing behind when %s', async (_when, cause) => {
    await start();
    const trace = await inspectRemote(here, 'there@test').trace('counter');
    expect(there.tap).not.toBeNull();
    cause(trace);
    expect((await trace.ended).reason).toBe('stopped');
    await settle([here, there]);
    expect([there.tap, here.processes().length]).toEqual([null, 1]);
  });

  test('of what sends the messages is refused', async () => {
    await start();
    await expect(inspectRemote(here, 'there@test').trace('troupe_inspect')).rejects.toThrow(
      'cannot be traced',
    );
  });
});
