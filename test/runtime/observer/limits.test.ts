// What bounds the observer: pages, looks, frames, what is not understood, and a page that does not read.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Node, pubsub } from 'troupe';
import { awaitExit } from 'troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { Events, open } from '../fastify/helpers.ts';
import { observe, Page } from './support.ts';

const SOCKET = '/observer/socket';

function idle(node: Node, count: number, label: string): void {
  for (let made = 0; made < count; made++)
    node.spawnWith({ label }, async (self) => {
      await self.receive();
    });
}

test('no more pages than are allowed; one that closes makes room', async () => {
  const { port } = await observe({ maxPages: 2 });
  const closed = new Events('troupe:fastify:close');
  const first = await Page.open(port);
  await Page.open(port);
  const third = await open(port, SOCKET);
  expect(await third.closed).toEqual({ code: 1013, reason: 'too many pages look into this node' });
  await closed.next();
  first.client.socket.close();
  await closed.next();
  await Page.open(port);
});

test.each([
  ['no JSON', '{', 'a message is JSON'],
  ['no object', '[]', 'a message is an object'],
  ['null', 'null', 'a message is an object'],
  ['no type', '{"id":1}', 'type is look, trace, untrace or act'],
  ['no id', '{"type":"look","views":{}}', 'id is a whole number from 0 to 9007199254740991'],
  ['no views', '{"type":"look","id":1}', 'views is an object'],
  [
    'a window too large',
    '{"type":"look","id":1,"views":{"channels":{"first":0,"count":501}}}',
    'count is a whole number from 0 to 500',
  ],
  [
    'a window before the first row',
    '{"type":"look","id":1,"views":{"channels":{"first":-1,"count":5}}}',
    'first is a whole number from 0 to 1000000000',
  ],
  [
    'an unknown order',
    '{"type":"look","id":1,"views":{"processes":{"sort":"__proto__","first":0,"count":5}}}',
    'sort is pid, name, label, mailbox, handled, age, busy, oldest, rate',
  ],
  [
    'too much open',
    `{"type":"look","id":1,"views":{"tree":{"open":${JSON.stringify(Array(1001).fill('a'))},"first":0,"count":5}}}`,
    'open lists at most 1000 keys',
  ],
  [
    'an unknown act',
    '{"type":"act","id":1,"act":{"kind":"eval","target":"a"}}',
    'kind is exit, suspend, resume or send',
  ],
  [
    'another reason',
    '{"type":"act","id":1,"act":{"kind":"exit","target":"a","reason":"normal"}}',
    'reason is kill or shutdown',
  ],
  [
    'a message without end',
    `{"type":"act","id":1,"act":{"kind":"send","target":"a","message":"${'1'.repeat(20_000)}"}}`,
    'message is a text of 1 to 16384 characters',
  ],
  ['a trace of nothing', '{"type":"trace","id":1,"target":{}}', 'channel is a text of 1 to 4096 characters'],
])('%s closes the page with what is wrong, and ends its process cleanly', async (_what, message, problem) => {
  const { port } = await observe({ allow: true });
  const ended = new Events('troupe:fastify:close');
  const page = await Page.open(port);
  page.client.send(message);
  expect(await page.client.closed).toEqual({
    code: 1008,
    reason: `not understood: ${problem}`.slice(0, 120),
  });
  expect((await ended.next()).reason).toBe('normal');
});

test('a trace with the id of another one, and bytes, are not understood', async () => {
  const { port } = await observe();
  const twice = await Page.open(port);
  for (let count = 0; count < 2; count++) twice.say({ type: 'trace', id: 1, target: { channel: 'news' } });
  expect(await twice.client.closed).toMatchObject({
    code: 1008,
    reason: 'not understood: there is a trace with this id',
  });
  const bytes = await Page.open(port);
  bytes.client.send(Buffer.from('{}'));
  expect(await bytes.client.closed).toMatchObject({
    code: 1008,
    reason: 'not understood: a message is text',
  });
});

test('a message that is too large ends the page', async () => {
  const { port } = await observe();
  const page = await Page.open(port);
  page.client.send(' '.repeat(70_000));
  expect((await page.client.closed).code).toBe(1009);
});

test('a flood of looks is answered four times a second, with the last one; more than 60 a second end the page', async () => {
  const { node, port } = await observe();
  idle(node, 100, 'one of many');
  const page = await Page.open(port);
  const look = (first: number): number =>
    page.look({ processes: { sort: 'pid', match: 'one of many', first, count: 10 } });
  let last = 0;
  const start = performance.now();
  for (let count = 0; count < 50; count++) last = look(count);
  await page.until(() => {
    const frame = page.frames.at(-1);
    return frame?.type === 'changes' && frame.look === last;
  });
  expect(page.tables.get('processes')?.first).toBe(49);
  // The first one, what came with the next tick, and one for each tick on a machine that is slow to deliver the looks.
  const ticks = Math.ceil((performance.now() - start) / 250);
  expect(page.frames.filter(({ type }) => type === 'changes').length).toBeLessThanOrEqual(2 + ticks);
  for (let count = 0; count < 1_000; count++) look(count);
  expect(await page.client.closed).toEqual({ code: 1008, reason: 'too many messages' });
});

test('a frame is bounded whatever names and labels the program has', async () => {
  const { node, port } = await observe();
  idle(node, 600, 'x'.repeat(100_000));
  const page = await Page.open(port);
  page.look({
    processes: { sort: 'label', first: 0, count: 500 },
    tree: { open: [], first: 0, count: 500 },
  });
  const text = await page.client.next();
  expect(page.frames.map(({ type }) => type)).toEqual(['hello']);
  expect(text.length).toBeGreaterThan(300_000);
  expect(text.length).toBeLessThan(700_000);
});

test('a frame is bounded whatever names channels have, and each has its row', async () => {
  const { node, port } = await observe();
  const member = node.spawn(async (self) => {
    for (let index = 0; index < 200; index++) pubsub.join(self, `${'x'.repeat(60_000)}${index}`);
    await self.receive();
  });
  const page = await Page.open(port);
  const views = ['groups', 'channels', 'process'] as const;
  const window = { first: 0, count: 500 };
  page.look({ groups: window, channels: window, process: member.toString() });
  await page.until(({ tables, values }) => views.every((view) => tables.has(view) || values.has(view)));
  expect([page.column('groups', 'members'), page.column('channels', 'members')]).toEqual(
    Array(2).fill(Array(200).fill(1)),
  );
  expect(JSON.stringify(page.frames).length).toBeLessThan(2_000_000);
});

/** A page over a bare connection, so that it can stop reading. */
async function bare(port: number): Promise<{ socket: Socket; say: (message: object) => void }> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  const head = [
    `GET ${SOCKET} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ];
  socket.write(head.join('\r\n'));
  await once(socket, 'data');
  const say = (message: object): void => {
    const payload = Buffer.from(JSON.stringify(message));
    // A masked frame, with a mask of zeros.
    const length =
      payload.length < 126
        ? [0x80 | payload.length]
        : [0x80 | 126, payload.length >> 8, payload.length & 255];
    socket.write(Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]));
  };
  return { socket, say };
}

test('for a page that does not read nothing is queued: it is not asked for either', async () => {
  const { node, port, app } = await observe();
  // What it looks at changes all the time, and its frames are large.
  idle(node, 500, 'y'.repeat(1_000));
  const busy = node.spawnWith({ label: 'busy' }, async (self) => {
    for (;;) {
      await self.receive();
      self.send(self.pid, 'again');
      await new Promise(setImmediate);
    }
  });
  node.send(busy, 'begin');
  const opened = new Events('troupe:fastify:open');
  let connection: Socket | undefined;
  app.server.once('connection', (socket: Socket) => {
    connection = socket;
  });
  const { socket, say } = await bare(port);
  const { pid } = await opened.next();
  socket.pause();
  // Turning the order round sends the order of all rows each time, and other rows.
  let id = 0;
  const timer = setInterval(() => {
    id++;
    say({
      type: 'look',
      id,
      views: { processes: { sort: 'pid', reverse: id % 2 === 0, first: 0, count: 250 } },
    });
  }, 30);
  onTestFinished(() => {
    clearInterval(timer);
  });
  // Until the buffers of the system are full.
  const waiting = (): number => connection?.writableLength ?? 0;
  while (waiting() === 0) await new Promise(setImmediate);
  const held = waiting();
  const handled = (): number => node.processInfo(pid)?.messagesHandled ?? 0;
  const before = handled();
  while (handled() < before + 100) await new Promise(setImmediate);
  // Looks have come and ticks have passed, and no frame was added.
  expect(waiting()).toBeLessThanOrEqual(held);
  expect(waiting()).toBeLessThan(1_000_000);
  clearInterval(timer);
  socket.destroy();
  await awaitExit(node, pid);
});

test('nothing runs while no page is open, nor for a page that looks at nothing', async () => {
  const { node, port } = await observe();
  const opened = new Events('troupe:fastify:open');
  const page = await Page.open(port);
  const { pid } = await opened.next();
  page.look({ load: true });
  await page.until(() => page.values.has('load'));
  page.look({});
  await page.frame('changes');
  const handled = node.processInfo(pid)?.messagesHandled;
  // One turn of the tick that was under way.
  const tick = new Promise((resolve) => {
    node.sendAfter(
      600,
      node.spawn(async (self) => {
        await self.receive();
        resolve(undefined);
      }),
      'now',
    );
  });
  await tick;
  expect((node.processInfo(pid)?.messagesHandled ?? 0) - (handled ?? 0)).toBeLessThanOrEqual(1);
  page.client.socket.terminate();
  await awaitExit(node, pid);
  expect(node.processes().map((each) => node.processInfo(each)?.label)).not.toContain('observer page');
});
