// Traces for a page: what comes in and goes out as it happens, and that every trace ends, at the latest with the page.
import { createNode, defineServer, type Node, pubsub } from 'troupe';
import { inspectServer } from 'troupe/inspect';
import { createMemoryNetwork, settle } from 'troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { Events } from '../fastify/helpers.ts';
import { observe, Page } from './support.ts';

const echo = defineServer({
  name: 'echo',
  init: () => undefined,
  call: { echo: (_state, value: unknown) => value },
});

/** Frames of a trace until its events or its end are there. */
async function traced(
  page: Page,
  id: number,
  count: number,
): Promise<{ texts: string[]; end: string | undefined }> {
  const texts: string[] = [];
  let end: string | undefined;
  while (texts.length < count && end === undefined) {
    const frame = await page.frame('trace');
    expect(frame.id).toBe(id);
    texts.push(...frame.events.map(({ direction, text }) => `${direction} ${text}`));
    ({ end } = frame);
  }
  return { texts, end };
}

/** True when a process or the channels of a node are traced no more. */
const isTraced = (node: Node): boolean => node.tap !== null;

test('of a process: calls and their answers, until it ends', async () => {
  const { node, port } = await observe();
  const server = await node.start(echo, [], { name: 'echo' });
  const page = await Page.open(port);
  const id = page.trace('echo');
  // Answered when the trace runs: the process of the page handles what it is sent in order. That the observer asks for the state is
  // not told.
  page.look({ process: 'echo' });
  await page.until(() => page.values.has('process'));
  await server.call('echo', 'one');
  expect(await traced(page, id, 2)).toEqual({ texts: ["in echo('one')", "out 'one'"], end: undefined });
  await server.stop();
  expect((await traced(page, id, Infinity)).end).toBe('the process has ended');
});

test('of a channel, until the page stops it', async () => {
  const { node, port } = await observe();
  pubsub.join(
    node,
    'news',
    node.spawn(async (self) => {
      for (;;) await self.receive();
    }),
  );
  const page = await Page.open(port);
  const id = page.trace({ channel: 'news' });
  page.look({});
  await page.frame('changes');
  pubsub.broadcast(node, 'news', 'headline', { text: 'x'.repeat(10_000) });
  const { texts } = await traced(page, id, 1);
  expect(texts[0]).toMatch(/^in headline \{ text: 'x{100,200}/);
  expect(texts[0]?.length).toBeLessThan(220);
  page.say({ type: 'untrace', id });
  const second = page.trace({ channel: 'news' });
  page.look({});
  await page.frame('changes');
  pubsub.broadcast(node, 'news', 'again', 1);
  expect((await traced(page, second, 1)).texts).toEqual(['in again 1']);
});

test('shows the beginning of the name of a channel', async () => {
  const { node, port } = await observe();
  const channel = 'x'.repeat(4_000);
  pubsub.join(
    node,
    channel,
    node.spawn(async (self) => {
      for (;;) await self.receive();
    }),
  );
  const page = await Page.open(port);
  page.trace({ channel });
  page.look({});
  await page.frame('changes');
  pubsub.broadcast(node, channel, 'topic', 1);
  const { events } = await page.frame('trace');
  expect(events[0]?.to).toBe(`${'x'.repeat(1_000)}…`);
});

test('is limited in number and speed, and says what it left out', async () => {
  const { node, port } = await observe();
  const server = await node.start(echo);
  const page = await Page.open(port);
  const id = page.trace(server.pid.toString());
  page.look({});
  await page.frame('changes');
  for (let count = 0; count < 5_000; count++) node.send(server.pid, count);
  await settle(node);
  const frame = await page.frame('trace');
  expect(frame.events.length).toBeLessThanOrEqual(100);
  await server.stop();
  expect((await traced(page, id, Infinity)).end).toMatch(
    /^the process has ended; \d+ messages came too fast/,
  );
});

test('what cannot be traced says why; a fifth is one too many', async () => {
  const { node, port } = await observe();
  const page = await Page.open(port);
  const ended = async (id: number): Promise<string | undefined> => {
    const frame = await page.frame('trace');
    expect(frame.id).toBe(id);
    return frame.end;
  };
  expect(await ended(page.trace('nobody'))).toBe(`No process is registered as 'nobody' on ${node.name}.`);
  expect(await ended(page.trace('<0.9999.0>'))).toMatch(/^No process <0\.9999\.0> is alive/);
  for (let count = 0; count < 4; count++) page.trace({ channel: `news ${count}` });
  expect(await ended(page.trace({ channel: 'one more' }))).toBe('a page can have 4 traces at once: stop one');
});

test('all end with the page, however that ends', async () => {
  const { node, port } = await observe();
  const closed = new Events('troupe:fastify:close');
  for (const end of ['close', 'terminate', 'kill'] as const) {
    const opened = new Events('troupe:fastify:open');
    const page = await Page.open(port);
    page.trace({ channel: 'news' });
    page.look({});
    await page.frame('changes');
    expect(isTraced(node)).toBe(true);
    const { pid } = opened.all.at(-1) ?? {};
    if (end === 'kill' && pid !== undefined) node.exit(pid, 'kill');
    else if (end === 'close') page.client.socket.close();
    else page.client.socket.terminate();
    await closed.next();
    expect([end, isTraced(node)]).toEqual([end, false]);
  }
});

test('of a process of another node, until that goes down', async () => {
  const network = createMemoryNetwork();
  const [here, far] = ['here@test', 'far@test'].map((name) =>
    createNode({ name, carrier: network.carrier(name) }),
  ) as [Node, Node];
  onTestFinished(() => far.stop());
  await far.start(inspectServer, [], { name: 'troupe_inspect' });
  const server = await far.start(echo, [], { name: 'echo' });
  await here.connect('far@test');
  const { port } = await observe({ node: here });
  const page = await Page.open(port);
  page.look({ node: 'far@test' });
  const id = page.trace('echo');
  await awaitTrace(far);
  await server.call('echo', 1);
  expect((await traced(page, id, 2)).texts).toEqual(['in echo(1)', 'out 1']);
  here.disconnect('far@test');
  expect((await traced(page, id, Infinity)).end).toBe('its node is gone, or ended it');
});

/** Waits until a trace runs on a node. */
async function awaitTrace(node: Node): Promise<void> {
  while (!isTraced(node)) await new Promise(setImmediate);
}
