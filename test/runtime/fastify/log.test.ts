// Failures in the log of the application: those that nobody subscribes to, each once.
import { controller, defineWebSocketHandler, stop, webSocketHandler } from 'troupe/fastify';
import { awaitExit } from 'troupe/testing';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { reportAloud } from '../../support/quiet-reports.ts';
import { Events, open, serveRoutes } from './helpers.ts';

reportAloud();

let printed: string[];

beforeEach(() => {
  printed = [];
  vi.spyOn(console, 'error').mockImplementation((_format, text: string) => void printed.push(text));
});
afterEach(() => vi.restoreAllMocks());

function logger() {
  const lines: Array<Readonly<Record<string, unknown>>> = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  return { lines, options: { logger: { level: 'error', stream } } };
}

const routes = (app: FastifyInstance): void => {
  const broken = defineWebSocketHandler({
    name: 'broken_handler',
    init: () => undefined,
    handle: (_state, frame) => {
      if (String(frame.data) === 'stop') return stop('given_up');
      throw new Error('cannot handle');
    },
  });
  app.get('/socket', { websocket: true }, webSocketHandler(broken));
  app.get(
    '/fails',
    controller(() => {
      throw new Error('cannot answer');
    }),
  );
  app.get(
    '/late',
    controller(async (_self, _request, reply) => {
      await reply.send('early');
      throw new Error('too late');
    }),
  );
};

test('a WebSocket handler that throws, or stops with a failure', async () => {
  const { lines, options } = logger();
  const { port } = await serveRoutes(routes, { fastify: options });
  for (const text of ['x', 'stop']) {
    const client = await open(port);
    client.send(text);
    expect(await client.closed).toMatchObject({ code: 1011 });
  }
  expect(lines).toMatchObject([
    {
      level: 50,
      label: 'broken_handler',
      msg: 'a process crashed',
      process: expect.stringMatching(/^<\d+\.\d+\.\d+>$/) as unknown,
      err: { message: 'cannot handle' },
    },
    { level: 50, label: 'broken_handler', msg: 'a process ended with a failure', reason: 'given_up' },
  ]);
  expect(printed).toEqual([]);
});

test('a controller that throws is told by Fastify alone, and one that has answered by its process', async () => {
  const { lines, options } = logger();
  const { get, node } = await serveRoutes(routes, { fastify: options });
  expect((await get('/fails')).status).toBe(500);
  expect(lines).toMatchObject([{ level: 50, err: { message: 'cannot answer' } }]);
  expect(lines[0]).toHaveProperty('reqId');
  expect((await get('/late')).text).toBe('early');
  const pid = node.spawnWith({ label: 'other' }, () => {
    throw new Error('elsewhere');
  });
  await awaitExit(node, pid);
  expect(lines.map(({ err }) => (err as Error).message)).toEqual(['cannot answer', 'too late', 'elsewhere']);
  expect(lines.at(-1)).toMatchObject({ label: 'other', err: { message: 'elsewhere' } });
  expect(printed).toEqual([]);
});

test('what the program subscribes to is not logged as well', async () => {
  const { lines, options } = logger();
  const { port } = await serveRoutes(routes, { fastify: options });
  const events = new Events('troupe:process:crash');
  const client = await open(port);
  client.send('x');
  await events.next();
  expect([lines, printed]).toEqual([[], []]);
});

test('without a logger, and once the application is closed, failures go to standard error', async () => {
  const { port } = await serveRoutes(routes);
  const client = await open(port);
  client.send('x');
  await client.closed;
  expect(printed).toEqual([expect.stringContaining('cannot handle')]);
  const { lines, options } = logger();
  const { app, node } = await serveRoutes(routes, { fastify: options });
  await app.close();
  const pid = node.spawnWith({ label: 'afterwards' }, () => {
    throw new Error('left alone');
  });
  await awaitExit(node, pid);
  expect(lines).toEqual([]);
  expect(printed.at(-1)).toContain('left alone');
});
