// Connections and controllers as members of channels: what the plugin is for.
import { type Broadcast, defineChannel, type Node, on, type Pid } from 'troupe';
import { controller, defineWebSocketHandler, encodeOnce, text, webSocketHandler } from 'troupe/fastify';
import { settle } from 'troupe/testing';
import { expect, test } from 'vitest';
import { type Client, Events, open, serve } from './helpers.ts';

const notes = defineChannel<{ created: { title: string }; deleted: { id: number } }>('notes');

/** A server whose connections follow the channel, and whose controller broadcasts to it. */
async function serveNotes() {
  const senders: Pid[] = [];
  let encoded = 0;
  const asEvent = encodeOnce(({ topic, payload }: Broadcast) => {
    encoded++;
    return JSON.stringify({ event: topic, data: payload });
  });
  const follower = defineWebSocketHandler({
    name: 'follower',
    init: (self) => {
      notes.join(self);
    },
    handle: (_state, frame) => {
      if (frame.data === 'crash') throw new Error('told to');
      return frame.data === 'ping' ? text('pong') : undefined;
    },
    info: on(notes, {
      created: (_state, _payload, _self, message) => asEvent(message),
      deleted: (_state, _payload, _self, message) => asEvent(message),
    }),
  });
  const server = await serve((app) => {
    app.get('/socket', { websocket: true }, webSocketHandler(follower));
    app.post(
      '/notes',
      {},
      controller((self, request, reply) => {
        senders.push(self.pid);
        notes.broadcast(self, 'created', request.body as { title: string });
        return reply.code(201).send(request.body);
      }),
    );
  });
  return { ...server, senders, encodings: () => encoded };
}

/** Opens connections and waits until their processes have joined. */
async function openAll(port: number, count: number): Promise<Client[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => open(port)));
  for (const client of clients) client.send('ping');
  for (const client of clients) expect(await client.next()).toBe('pong');
  return clients;
}

function members(node: Node): number {
  return notes.getLocalMembers(node).length;
}

test('a broadcast of a controller reaches every connection, encoded once', async () => {
  const { app, port, node, senders, encodings } = await serveNotes();
  const clients = await openAll(port, 50);
  expect(members(node)).toBe(50);
  const answer = await app.inject({ method: 'POST', url: '/notes', payload: { title: 'one' } });
  expect(answer.statusCode).toBe(201);
  for (const client of clients) {
    expect(JSON.parse(await client.next())).toEqual({ event: 'created', data: { title: 'one' } });
  }
  expect(encodings()).toBe(1);
  expect(senders).toHaveLength(1);
  expect(node.isAlive(senders[0] as Pid)).toBe(false);
});

test('membership ends with the connection, however that ends, and others go on', async () => {
  const { app, port, node } = await serveNotes();
  const ended = new Events('troupe:fastify:close');
  const [closing, vanishing, crashing, ...others] = await openAll(port, 53);
  closing?.socket.close();
  vanishing?.socket.terminate();
  crashing?.send('crash');
  for (let i = 0; i < 3; i++) await ended.next();
  await settle(node);
  expect(members(node)).toBe(50);
  notes.broadcast(node, 'deleted', { id: 7 });
  expect(new Set(await Promise.all(others.map((client) => client.next())))).toEqual(
    new Set(['{"event":"deleted","data":{"id":7}}']),
  );
  await app.close();
  await settle(node);
  expect(members(node)).toBe(0);
});

test('a controller is a member only while it runs', async () => {
  const { app, node } = await serve((server) => {
    server.get(
      '/wait',
      {},
      controller(async (self) => {
        notes.join(self);
        const before = members(node);
        notes.broadcast(node, 'deleted', { id: before });
        const { payload } = await self.receive(notes.matching('deleted'));
        return payload;
      }),
    );
  });
  expect((await app.inject('/wait')).json()).toEqual({ id: 1 });
  await settle(node);
  expect(members(node)).toBe(0);
});
