// Controllers as processes, one per request, as in Cowboy: their answers and their failures.
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Process } from 'troupe';
import { controller } from 'troupe/fastify';
import { awaitExit, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { Events, gate, Group, serveRoutes } from './helpers.ts';

describe('answers', () => {
  test('of sync and async controllers, by value and through reply', async () => {
    const { get, node } = await serveRoutes((app) => {
      app.get(
        '/sync',
        controller(() => ({ how: 'sync' })),
      );
      app.get(
        '/async',
        controller(async () => Promise.resolve({ how: 'async' })),
      );
      app.get(
        '/nothing',
        controller((_self, _request, reply) => reply.code(204).send()),
      );
      app.get(
        '/sync-reply',
        controller((_self, _request, reply) => reply.code(201).send({ how: 'reply' })),
      );
      app.get(
        '/async-reply',
        controller(async (_self, _request, reply) => reply.code(202).send('text')),
      );
      app.get(
        '/sent',
        controller(async (_self, _request, reply) => void (await reply.send('sent'))),
      );
    });
    const baseline = node.processes().length;
    expect((await get('/sync')).json()).toEqual({ how: 'sync' });
    expect((await get('/async')).json()).toEqual({ how: 'async' });
    expect(await get('/nothing')).toMatchObject({ status: 204, text: '' });
    expect(await get('/sync-reply')).toMatchObject({ status: 201, text: '{"how":"reply"}' });
    expect(await get('/async-reply')).toMatchObject({ status: 202, text: 'text' });
    expect(await get('/sent')).toMatchObject({ status: 200, text: 'sent' });
    expect(node.processes()).toHaveLength(baseline);
  });

  test('come from a process of their own, which is named after the function', async () => {
    const pids = new Set<string>();
    const { get } = await serveRoutes((app) => {
      app.get(
        '/named',
        controller(function list(self) {
          pids.add(self.pid.key);
          return self.label;
        }),
      );
      app.get(
        '/other',
        controller((self) => self.label, { name: 'other' }),
      );
      app.get(
        '/anonymous',
        controller((self) => self.label),
      );
    });
    for (let i = 0; i < 3; i++) expect((await get('/named')).text).toBe('list');
    expect(pids.size).toBe(3);
    expect((await get('/other')).text).toBe('other');
    expect((await get('/anonymous')).text).toBe('controller');
  });

  test('have this, params, body, schema and hooks like any route', async () => {
    const { app } = await serveRoutes((server) => {
      server.post(
        '/:id',
        {
          schema: {
            params: { type: 'object', properties: { id: { type: 'integer' } } },
            response: { 200: { type: 'object', properties: { id: { type: 'integer' }, own: {} } } },
          },
        },
        controller(function (this: FastifyInstance, self, request) {
          const { id } = request.params as { id: number };
          return { id, own: this.troupe.node === self.node, secret: 1, body: request.body };
        }),
      );
    });
    const answer = await app.inject({ method: 'POST', url: '/7', payload: { a: 1 } });
    expect(answer.json()).toEqual({ id: 7, own: true });
    expect((await app.inject({ method: 'POST', url: '/x', payload: {} })).statusCode).toBe(400);
  });

  test('can be waited for in receive', async () => {
    const { get } = await serveRoutes((app) => {
      app.get(
        '/receive',
        controller(async (self) => {
          self.spawn((child) => {
            child.send(self.pid, 'answer');
          });
          return self.receive();
        }),
      );
    });
    expect((await get('/receive')).text).toBe('answer');
  });

  test('that are streams keep their process until they are sent', async () => {
    const halfway = gate();
    const running = gate<Process>();
    const { port, node, app } = await serveRoutes((server) => {
      server.get(
        '/stream',
        controller((self) => {
          running.open(self);
          return Readable.from(
            (async function* parts() {
              yield 'one ';
              await halfway.passed;
              yield self.alive ? 'alive' : 'dead';
            })(),
          );
        }),
      );
    });
    const response = await fetch(`http://127.0.0.1:${port}/stream`);
    const self = await running.passed;
    expect([self.alive, self.signal.aborted, app.troupe.requests]).toEqual([true, false, 1]);
    const exit = awaitExit(node, self.pid);
    halfway.open();
    expect(await response.text()).toBe('one alive');
    expect(await exit).toBe('normal');
    expect(app.troupe.requests).toBe(0);
  });

  test('joins of the process are gone with it', async () => {
    let group: Group | undefined;
    const sizes: Array<number | undefined> = [];
    const { get } = await serveRoutes((app, node) => {
      group = new Group(node);
      app.get(
        '/join',
        controller((self) => {
          group?.join(self);
          sizes.push(group?.members.size);
          return 'joined';
        }),
      );
    });
    for (let i = 0; i < 3; i++) await get('/join');
    expect([sizes, group?.members.size]).toEqual([[1, 1, 1], 0]);
  });

  test('ten thousand leave nothing behind', async () => {
    const { app, node } = await serveRoutes((server) => {
      server.get(
        '/sync',
        controller(() => 'x'),
      );
      server.get(
        '/async',
        controller(async () => Promise.resolve('x')),
      );
      server.get(
        '/throw',
        controller(() => Promise.reject(new Error('x'))),
      );
    });
    const baseline = node.processes().length;
    const paths = ['/sync', '/async', '/throw'];
    for (let round = 0; round < 100; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => app.inject(paths[i % 3] ?? '/sync')));
    }
    await settle(node);
    expect([node.processes().length, app.troupe.requests]).toEqual([baseline, 0]);
  });
});

describe('failures', () => {
  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no luck');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no luck'))],
  ])('a controller that %s answers 500 and takes nothing else down', async (_how, run) => {
    const failed = new Events('troupe:fastify:failed');
    const crashed = new Events('troupe:process:crash');
    const release = gate();
    const running = gate();
    const { get } = await serveRoutes((app) => {
      app.get('/fail', controller(run, { name: 'failing' }));
      app.get(
        '/slow',
        controller(async () => {
          running.open();
          await release.passed;
          return 'done';
        }),
      );
    });
    const slow = get('/slow');
    await running.passed;
    expect(await get('/fail').then(({ status, json }) => [status, json()])).toEqual([
      500,
      { statusCode: 500, error: 'Internal Server Error', message: 'no luck' },
    ]);
    expect(failed.all).toMatchObject([{ label: 'failing', reason: new Error('no luck') }]);
    expect(crashed.all).toMatchObject([{ label: 'failing' }]);
    release.open();
    expect((await slow).text).toBe('done');
  });

  test('an error with a status keeps it; below 500 it is an answer and no failure', async () => {
    const failed = new Events('troupe:fastify:failed');
    const crashed = new Events('troupe:process:crash');
    const exited = new Events('troupe:process:exit');
    const { get } = await serveRoutes((app) => {
      const fail = (statusCode: number) =>
        controller(() => {
          throw Object.assign(new Error(`status ${statusCode}`), { statusCode });
        });
      app.get('/404', fail(404));
      app.get('/503', fail(503));
    });
    expect(await get('/404')).toMatchObject({ status: 404 });
    expect([failed.all.length, crashed.all.length, exited.all.at(-1)?.reason]).toEqual([0, 0, 'normal']);
    expect(await get('/503')).toMatchObject({ status: 503 });
    expect([failed.all.length, crashed.all.length]).toEqual([1, 1]);
  });

  test('the application’s error handler gets what was thrown', async () => {
    const { get } = await serveRoutes((app) => {
      app.setErrorHandler((error, _request, reply) => reply.code(418).send({ seen: String(error) }));
      app.get(
        '/string',
        controller(() => Promise.reject('a string')),
      );
      app.get(
        '/exit',
        controller((self) => self.exit('because')),
      );
    });
    expect(await get('/string')).toMatchObject({ status: 418, text: '{"seen":"a string"}' });
    expect((await get('/exit')).text).toContain('TROUPE_CONTROLLER_EXIT');
  });

  test.each<[string, unknown, number, string]>([
    ['killed', 'kill', 500, 'TROUPE_CONTROLLER_EXIT'],
    ['ended with a reason', 'bad_luck', 500, 'TROUPE_CONTROLLER_EXIT'],
    ['shut down', 'shutdown', 503, 'TROUPE_UNAVAILABLE'],
  ])('a process that is %s answers', async (_how, reason, status, code) => {
    const running = gate<Process>();
    const { get, node } = await serveRoutes((app) => {
      app.get(
        '/hang',
        controller((self) => {
          running.open(self);
          return new Promise(() => undefined);
        }),
      );
    });
    const answer = get('/hang');
    const self = await running.passed;
    const { signal } = self;
    node.exit(self.pid, reason);
    const { status: got, json, text } = await answer;
    expect([got, json()]).toMatchObject([status, { statusCode: status, code }]);
    expect(text).not.toContain(self.pid.toString());
    expect(text).not.toContain('bad_luck');
    expect(signal.aborted).toBe(true);
  });

  test('a process that exits by itself without an answer answers 500', async () => {
    const { get } = await serveRoutes((app) =>
      app.get(
        '/exit',
        controller((self) => self.exit('normal')),
      ),
    );
    expect((await get('/exit')).json()).toMatchObject({ statusCode: 500, code: 'TROUPE_CONTROLLER_EXIT' });
  });

  test('a linked process that crashes takes the request with it', async () => {
    const { get } = await serveRoutes((app) => {
      app.get(
        '/linked',
        controller(async (self) => {
          self.spawnLink(() => {
            throw new Error('in the child');
          });
          return self.receive();
        }),
      );
    });
    expect((await get('/linked')).json()).toMatchObject({ statusCode: 500, code: 'TROUPE_CONTROLLER_EXIT' });
  });

  test('without room for a process, or on a stopped node, the answer is 503', async () => {
    const { get, node } = await serveRoutes(
      (app) =>
        app.get(
          '/x',
          controller(() => 'x'),
        ),
      {
        node: { maxProcesses: 1 },
      },
    );
    expect((await get('/x')).json()).toMatchObject({ statusCode: 503, code: 'TROUPE_UNAVAILABLE' });
    await node.stop();
    expect((await get('/x')).json()).toMatchObject({ statusCode: 503, code: 'TROUPE_UNAVAILABLE' });
  });
});
