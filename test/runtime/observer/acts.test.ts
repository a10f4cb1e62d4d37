// What pages may do to processes: nothing unless it is allowed, here and on the other node; and that each attempt is told.
import { createNode, defineServer, type Node, type Pid } from 'troupe';
import { inspectServer } from 'troupe/inspect';
import { awaitExit, createMemoryNetwork } from 'troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { Events } from '../fastify/helpers.ts';
import { observe, Page } from './support.ts';

/** A server that remembers its messages. */
const memory = defineServer({
  name: 'memory',
  init: () => [] as unknown[],
  call: { all: (messages) => messages },
  info: (messages, message: unknown) => void messages.push(message),
});

test('nothing without allow, whatever is asked for, and the attempts are told', async () => {
  const { node, port } = await observe();
  const events = new Events('troupe:observer:act');
  const server = await node.start(memory, [], { name: 'memory' });
  const page = await Page.open(port);
  const refused = 'Only looking is allowed here.';
  for (const act of [
    { kind: 'exit', target: 'memory', reason: 'kill' },
    { kind: 'exit', target: server.pid.toString(), reason: 'shutdown' },
    { kind: 'suspend', target: 'memory' },
    { kind: 'resume', target: 'memory' },
    { kind: 'send', target: 'memory', message: '1' },
  ] as const) {
    const id = page.act(act);
    expect(await page.frame('answer')).toEqual({ type: 'answer', id, problem: refused });
    expect(await events.next()).toMatchObject({
      node: node.name,
      act: act.kind,
      target: act.target,
      problem: refused,
    });
  }
  expect(await server.call('all')).toEqual([]);
});

test('with allow: messages, suspending, exit signals; and what cannot be done says why', async () => {
  const { node, port } = await observe({ allow: true });
  const events = new Events('troupe:observer:act');
  const server = await node.start(memory, [], { name: 'memory' });
  const page = await Page.open(port);
  const done = async (...args: Parameters<Page['act']>): Promise<string | undefined> => {
    const id = page.act(...args);
    const answer = await page.frame('answer');
    expect(answer.id).toBe(id);
    return answer.problem;
  };
  expect(await done({ kind: 'send', target: 'memory', message: '{"a":[1,null]}' })).toBe(undefined);
  expect(await server.call('all')).toEqual([{ a: [1, null] }]);
  expect(await events.next()).toEqual({
    node: node.name,
    pid: expect.anything() as Pid,
    address: '127.0.0.1',
    act: 'send',
    target: 'memory',
    what: '{"a":[1,null]}',
    problem: undefined,
  });
  expect(await done({ kind: 'send', target: 'memory', message: '{a: 1}' })).toMatch(
    /^The message is not JSON: /,
  );
  expect(await done({ kind: 'suspend', target: server.pid.toString() })).toBe(undefined);
  const waiting = server.call('all');
  expect(await done({ kind: 'resume', target: 'memory' })).toBe(undefined);
  expect(await waiting).toHaveLength(1);
  expect(await done({ kind: 'exit', target: 'memory', reason: 'kill' })).toBe(undefined);
  await awaitExit(node, server.pid);
  expect(await done({ kind: 'exit', target: 'memory', reason: 'kill' })).toBe(
    `No process is registered as 'memory' on ${node.name}.`,
  );
  expect(await done({ kind: 'exit', target: '<0.9999.0>', reason: 'shutdown' })).toMatch(
    /^No process <0\.9999\.0>/,
  );
  expect(await done({ kind: 'exit', target: '<no pid>', reason: 'shutdown' })).toMatch(/is not a pid/);
  expect(events.all.map(({ act, problem }) => [act, problem === undefined])).toEqual([
    ['send', true],
    ['send', false],
    ['suspend', true],
    ['resume', true],
    ['exit', true],
    ['exit', false],
    ['exit', false],
    ['exit', false],
  ]);
});

test('no more than eight at once', async () => {
  const { node, port } = await observe({ allow: true });
  const stuck = node.spawn(() => new Promise<never>(() => undefined));
  const page = await Page.open(port);
  // Nothing answers a system message there, so these wait.
  for (let count = 0; count < 8; count++) page.act({ kind: 'suspend', target: stuck.toString() });
  const id = page.act({ kind: 'suspend', target: stuck.toString() });
  expect(await page.frame('answer')).toEqual({
    type: 'answer',
    id,
    problem: 'Too much is under way; wait for an answer.',
  });
});

async function pair(options: {
  allowHere: boolean;
  allowThere: boolean;
}): Promise<{ far: Node; page: Page }> {
  const network = createMemoryNetwork();
  const [here, far] = ['here@test', 'far@test'].map((name) =>
    createNode({ name, carrier: network.carrier(name) }),
  ) as [Node, Node];
  onTestFinished(() => far.stop());
  await far.start(inspectServer, [{ allow: options.allowThere }], { name: 'troupe_inspect' });
  await here.connect('far@test');
  const { port } = await observe({ node: here, allow: options.allowHere });
  return { far, page: await Page.open(port) };
}

test.each([
  [false, false, 'Only looking is allowed here.'],
  [false, true, 'Only looking is allowed here.'],
  [true, false, 'send is not allowed on far@test.'],
  [true, true, undefined],
])(
  'on another node it must be allowed on both: %s here, %s there',
  async (allowHere, allowThere, problem) => {
    const { far, page } = await pair({ allowHere, allowThere });
    const events = new Events('troupe:observer:act');
    const server = await far.start(memory, [], { name: 'memory' });
    page.act({ kind: 'send', target: 'memory', message: '"hello"' }, 'far@test');
    expect((await page.frame('answer')).problem).toBe(problem);
    expect(await server.call('all')).toEqual(problem === undefined ? ['hello'] : []);
    expect(await events.next()).toMatchObject({ node: 'far@test', problem });
  },
);

test('a node that is not connected is not made to be', async () => {
  const { page } = await pair({ allowHere: true, allowThere: true });
  page.act({ kind: 'send', target: 'memory', message: '1' }, 'else@where');
  expect((await page.frame('answer')).problem).toBe('else@where is not connected.');
});
