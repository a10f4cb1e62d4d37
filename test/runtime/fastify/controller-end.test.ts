// What ends the process of a controller: its time, its client, its application.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { Exit, type Process } from 'troupe';
import { controller } from 'troupe/fastify';
import { awaitExit, createManualClock, settle } from 'troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Events, gate, Group, serveRoutes } from './helpers.ts';

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

  test('for a process that traps exits is over twice: it can finish, or is killed', async () => {
    const clock = createManualClock();
    const release = gate();
    const finished = gate<unknown>();
    const running = { finishing: gate<Process>(), hanging: gate<Process>() };
    const { get, node } = await serveRoutes(
      (app) => {
        app.get(
          '/finishing',
          controller(async (self) => {
            self.trapExit(true);
            running.finishing.open(self);
            await release.passed;
            const message = await self.receive();
            finished.open(message instanceof Exit ? message.reason : message);
          }),
        );
        app.get(
          '/hanging',
          controller((self) => {
            self.trapExit(true);
            running.hanging.open(self);
            return new Promise(() => undefined);
          }),
        );
      },
      { node: { clock }, controllerTimeoutMs: 1_000 },
    );
    const answers = [get('/finishing'), get('/hanging')];
    const [finishing, hanging] = await Promise.all([running.finishing.passed, running.hanging.passed]);
    const exits = [awaitExit(node, finishing.pid), awaitExit(node, hanging.pid)];
    await clock.advance(1_000);
    for (const answer of answers) expect((await answer).status).toBe(503);
    await clock.advance(999);
    expect([finishing.alive, hanging.alive]).toEqual([true, true]);
    release.open();
    expect(await finished.passed).toBe('timeout');
    expect(await exits[0]).toBe('normal');
    await clock.advance(1);
    expect(await exits[1]).toBe('killed');
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
