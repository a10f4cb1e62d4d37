// Controllers as processes: one per request, as in Cowboy.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Exit, type Node, type Process } from 'troupe';
import { controller } from 'troupe/fastify';
import { awaitExit, createManualClock, settle } from 'troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Events, gate, Group, serve, type ServeOptions } from './helpers.ts';

/** A server, and `get` for its answers as seen over TCP. */
async function serveRoutes(routes: (app: FastifyInstance, node: Node) => void, options?: ServeOptions) {
  const server = await serve(routes, options);
  const url = `http://127.0.0.1:${server.port}`;
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    return { status: response.status, text, json: () => JSON.parse(text) as unknown };
  };
  return { ...server, get };
}

/** A request whose client can go away. */
function startRequest(port: number, path: string) {
  const request = httpRequest({ port, path, host: '127.0.0.1' });
  request.on('error', () => undefined);
  onTestFinished(() => {
    request.destroy();
  });
  request.end();
  return request;
}

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

  test('have this, params, body, schema and hooks as any route', async () => {
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

describe('time', () => {
  test('without an answer in time is 503, and the process ends with timeout', async () => {
    const clock = createManualClock();
    const failed = new Events('troupe:fastify:failed');
    const running = gate<Process>();
    const { get, node } = await serveRoutes(
      (app) => {
        app.get(
          '/hang',
          controller(
            (self) => {
              self.trapExit(true);
              running.open(self);
              return new Promise(() => undefined);
            },
            { timeoutMs: 1_500, name: 'hanging' },
          ),
        );
      },
      { node: { clock } },
    );
    const answer = get('/hang');
    const self = await running.passed;
    const exit = awaitExit(node, self.pid);
    await clock.advance(1_499);
    expect(self.alive).toBe(true);
    await clock.advance(1);
    expect((await answer).json()).toMatchObject({ statusCode: 503, code: 'TROUPE_CONTROLLER_TIMEOUT' });
    expect(await exit).toBe('timeout');
    expect(failed.all).toMatchObject([{ label: 'hanging', reason: 'timeout' }]);
  });

  test('is 30 seconds by default, and can be without end', async () => {
    const clock = createManualClock();
    const release = gate();
    const running = [gate<Process>(), gate<Process>()];
    const { get } = await serveRoutes(
      (app) => {
        const wait = (index: number) => async (self: Process) => {
          running[index]?.open(self);
          await release.passed;
          return 'done';
        };
        app.get('/default', controller(wait(0)));
        app.get('/endless', controller(wait(1), { timeoutMs: Infinity }));
      },
      { node: { clock } },
    );
    const answers = [get('/default'), get('/endless')];
    await Promise.all(running.map(({ passed }) => passed));
    await clock.advance(29_999);
    expect((await running[0]?.passed)?.alive).toBe(true);
    await clock.advance(1);
    expect((await answers[0])?.status).toBe(503);
    await clock.advance(1_000_000);
    release.open();
    expect((await answers[1])?.text).toBe('done');
  });

  test('does not end an answer that is on its way', async () => {
    const clock = createManualClock();
    const halfway = gate();
    const returned = gate<Process>();
    const { port } = await serveRoutes(
      (app) => {
        const parts = async function* (): AsyncGenerator<string> {
          yield 'one ';
          await halfway.passed;
          yield 'two';
        };
        const late = async function* (): AsyncGenerator<string> {
          await halfway.passed;
          yield 'late';
        };
        app.get(
          '/late',
          controller(async (self) => {
            returned.open(self);
            return Readable.from(late());
          }),
        );
        app.get(
          '/sent',
          controller(async (_self, _request, reply) => reply.send(Readable.from(parts()))),
        );
        app.get(
          '/returned',
          controller(async () => Readable.from(parts())),
        );
      },
      { node: { clock }, controllerTimeoutMs: 1_000 },
    );
    const lateResponse = fetch(`http://127.0.0.1:${port}/late`);
    const self = await returned.passed;
    const responses = await Promise.all(
      ['/sent', '/returned'].map((path) => fetch(`http://127.0.0.1:${port}${path}`)),
    );
    await clock.advance(60_000);
    expect(self.alive).toBe(true);
    halfway.open();
    expect(await (await lateResponse).text()).toBe('late');
    expect(await Promise.all(responses.map((response) => response.text()))).toEqual(['one two', 'one two']);
  });

  test('out of range is refused', () => {
    for (const timeoutMs of [0, -1, Number.NaN, 2 ** 33]) {
      expect(() => controller(() => 'x', { timeoutMs })).toThrow(
        expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
      );
    }
  });
});

describe('the client goes away', () => {
  test('the process gets an exit signal and its AbortSignal fires; nothing fails', async () => {
    const failed = new Events('troupe:fastify:failed');
    const errors: unknown[] = [];
    const running = gate<Process>();
    let group: Group | undefined;
    const { port, node, app } = await serveRoutes((server, ownNode) => {
      const joined = (group = new Group(ownNode));
      server.setErrorHandler((error, _request, reply) => {
        errors.push(error);
        return reply.send(error);
      });
      server.get(
        '/hang',
        controller((self) => {
          joined.join(self);
          running.open(self);
          return new Promise(() => undefined);
        }),
      );
    });
    const request = startRequest(port, '/hang');
    const self = await running.passed;
    const { signal } = self;
    const exit = awaitExit(node, self.pid);
    request.destroy();
    expect(await exit).toEqual(['shutdown', 'client_gone']);
    expect([signal.aborted, signal.reason]).toEqual([true, ['shutdown', 'client_gone']]);
    expect([group?.members.size, app.troupe.requests]).toEqual([0, 0]);
    await app.close();
    expect([failed.all, errors]).toEqual([[], []]);
  });

  test('a process that traps exits is told, and can finish its work', async () => {
    const running = gate();
    const finished = gate<unknown>();
    const { port, app } = await serveRoutes((server) => {
      server.get(
        '/work',
        controller(async (self) => {
          self.trapExit(true);
          running.open();
          const message = await self.receive();
          finished.open(message instanceof Exit ? message.reason : message);
          return 'nobody reads this';
        }),
      );
    });
    const request = startRequest(port, '/work');
    await running.passed;
    request.destroy();
    expect(await finished.passed).toEqual(['shutdown', 'client_gone']);
    await settle(app.troupe.node);
    expect(app.troupe.requests).toBe(0);
  });

  test('while a stream is sent', async () => {
    const running = gate<Process>();
    const { port, node } = await serveRoutes((app) => {
      app.get(
        '/stream',
        controller((self) => {
          running.open(self);
          return Readable.from(
            (async function* parts() {
              yield 'one';
              await new Promise(() => undefined);
            })(),
          );
        }),
      );
    });
    const request = startRequest(port, '/stream');
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
    response.on('error', () => undefined);
    response.resume();
    const exit = awaitExit(node, (await running.passed).pid);
    request.destroy();
    expect(await exit).toEqual(['shutdown', 'client_gone']);
  });

  test('an injected request that is given up ends too', async () => {
    const running = gate<Process>();
    const { app, node } = await serveRoutes((server) => {
      server.get(
        '/hang',
        controller((self) => {
          running.open(self);
          return new Promise(() => undefined);
        }),
      );
    });
    const abort = new AbortController();
    const answer = app.inject({ url: '/hang', signal: abort.signal });
    const outcome = answer.then(
      () => 'answered',
      () => 'given up',
    );
    const self = await running.passed;
    expect(node.isAlive(self.pid)).toBe(true);
    abort.abort();
    expect(await outcome).toBe('given up');
    await app.close();
    expect(self.alive).toBe(false);
  });
});

describe('the application closes', () => {
  test('requests that run are finished first', async () => {
    const release = gate();
    const running = gate();
    const { get, app } = await serveRoutes(
      (server) => {
        server.get(
          '/slow',
          controller(async () => {
            running.open();
            await release.passed;
            return 'finished';
          }),
        );
      },
      { fastify: { forceCloseConnections: false } },
    );
    const answer = get('/slow', { headers: { connection: 'close' } });
    await running.passed;
    const closed = app.close();
    release.open();
    expect((await answer).text).toBe('finished');
    await closed;
    expect(app.troupe.requests).toBe(0);
  });

  test('what runs on without its client is shut down', async () => {
    const running = gate<Process>();
    const told = gate();
    const { port, app, node } = await serveRoutes((server) => {
      server.get(
        '/stubborn',
        controller(async (self) => {
          self.trapExit(true);
          running.open(self);
          await self.receive();
          told.open();
          await new Promise(() => undefined);
        }),
      );
    });
    const request = startRequest(port, '/stubborn');
    const self = await running.passed;
    const exit = awaitExit(node, self.pid);
    request.destroy();
    await told.passed;
    expect(self.alive).toBe(true);
    await app.close();
    expect(await exit).toBe('shutdown');
  });
});
