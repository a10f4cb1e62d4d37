// Connections obey system messages, so that they can be looked into as servers can. See `sys`.
import { sys } from 'troupe';
import { defineWebSocketHandler, text, webSocketHandler } from 'troupe/fastify';
import { awaitExit } from 'troupe/testing';
import { expect, test } from 'vitest';
import { Events, open, serve } from './helpers.ts';

async function openCounter() {
  const left: unknown[] = [];
  const { port, node } = await serve(
    (app) => {
      const handler = defineWebSocketHandler({
        name: 'counter',
        init: () => ({ count: 0 }),
        handle: (state) => text(String(++state.count)),
        terminate: (_state, reason) => {
          left.push(reason);
        },
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    },
    { webSocket: { mailboxHighWater: 1 } },
  );
  const opened = new Events('troupe:fastify:open');
  const client = await open(port);
  const { pid } = await opened.next();
  return { client, node, pid, left };
}

test('the state can be seen and replaced', async () => {
  const { client, node, pid } = await openCounter();
  client.send('x');
  expect(await client.next()).toBe('1');
  expect(await sys.getState(node, pid)).toEqual({ count: 1 });
  await sys.replaceState(node, pid, () => ({ count: 41 }));
  client.send('x');
  expect(await client.next()).toBe('42');
});

test('the status shows what the connection has done', async () => {
  const { client, node, pid } = await openCounter();
  client.send('x');
  await client.next();
  expect(await sys.getStatus(node, pid)).toMatchObject({
    pid,
    status: 'running',
    behaviour: 'websocket',
    state: { count: 1 },
    details: { received: 1, sent: 1, dropped: 0, bufferedBytes: 0 },
  });
});

test('a suspended connection keeps what comes for later, in order', async () => {
  const { client, node, pid } = await openCounter();
  await sys.suspend(node, pid);
  const frames = new Promise<void>((resolve) => {
    client.socket.once('pong', () => {
      resolve();
    });
  });
  client.send('a');
  client.socket.ping();
  await frames;
  expect(client.waiting).toEqual([]);
  await sys.resume(node, pid);
  client.send('b');
  expect(await client.take(3)).toEqual(['1', '2', '3']);
});

test('it can be ended with a reason', async () => {
  const { client, node, pid, left } = await openCounter();
  const exit = awaitExit(node, pid);
  await sys.terminate(node, pid, ['shutdown', 'maintenance']);
  expect(await exit).toEqual(['shutdown', 'maintenance']);
  expect(await client.closed).toMatchObject({ code: 1001 });
  expect(left).toEqual([['shutdown', 'maintenance']]);
});
