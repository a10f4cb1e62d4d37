// Calls and casts between processes: gen_server:call/2,3, gen_server:cast/2, gen_server:reply/2. The servers here are probes,
// so that the test decides when and whether they answer.
import { getEventListeners } from 'node:events';
import { call, cast, type Process, type TroupeError } from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { deaf, idle, inProcess, makeNode, recordUnhandledRejections, turns } from './helpers.ts';

/** What a promise is rejected with; handled from the start. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ({ resolved: value }),
    (error: unknown) => error,
  );
}

function setUp() {
  const clock = createManualClock();
  const node = makeNode({ clock });
  return { clock, node, server: createProbe(node, { name: 'server' }), client: createProbe(node) };
}

describe('the answer', () => {
  test('gen_server:call/2: the caller gets what the server replies', async () => {
    const { node, server, client } = setUp();
    const answers = [
      call(node, server.pid, 'get', 1),
      call(node, 'server', 'get', 2),
      call(node, { name: 'server', node: node.name }, 'get', 3),
      call(node, server, 'get', 4),
      client.call(server.pid, 'get', 5),
    ];
    for (let i = 1; i <= 5; i++) {
      const request = await server.receiveCall('get');
      expect(request.from).toBe(i === 5 ? client.pid : node.initPid);
      request.reply([request.argument]);
    }
    expect(await Promise.all(answers)).toEqual([[1], [2], [3], [4], [5]]);
  });

  test('gen_server:reply/2: in any order, whenever the server likes', async () => {
    const { server, client } = setUp();
    const answers = [client.call(server.pid, 'a', 0), client.call(server.pid, 'b', 0)];
    const [first, second] = [await server.receiveCall('a'), await server.receiveCall('b')];
    second.reply('to b');
    first.reply('to a');
    expect(await Promise.all(answers)).toEqual(['to a', 'to b']);
  });

  test('gen_server:reply/2: a second reply has no effect', async () => {
    const { server, client } = setUp();
    const answer = client.call(server.pid, 'get', 0);
    const request = await server.receiveCall();
    request.reply('first');
    request.reply('second');
    expect(await answer).toBe('first');
  });

  test('a promise as the answer is not awaited by the call, but by who awaits the call, as always', async () => {
    const { server, client } = setUp();
    const answer = client.call(server.pid, 'get', 0);
    (await server.receiveCall()).reply(Promise.resolve('later'));
    expect(await answer).toBe('later');
  });

  test('a process goes on after its call under the control of the scheduler', async () => {
    const { node, server } = setUp();
    const caller = inProcess(node, async (self) => {
      const answer = await call(node, server.pid, 'get', 'x', { from: self });
      self.send(server.pid, ['thanks for', answer]);
      return answer;
    });
    (await server.receiveCall('get')).reply('y');
    expect(await caller).toBe('y');
    expect(await server.receive()).toEqual(['thanks for', 'y']);
  });

  test('gen_server:cast/2: nothing is answered, and a missing server is not an error', async () => {
    const { node, server, client } = setUp();
    cast(node, server.pid, 'put', 1);
    client.cast('server', 'put', 2);
    expect(await server.receiveCast('put')).toEqual({ name: 'put', argument: 1 });
    expect(await server.receiveCast()).toEqual({ name: 'put', argument: 2 });
    server.stop();
    expect(() => cast(node, server.pid, 'put', 3)).not.toThrow();
    expect(() => cast(node, 'server', 'put', 4)).not.toThrow();
  });
});

describe('failures', () => {
  test('gen_server:call/3: no answer in time is TROUPE_CALL_TIMEOUT; the server lives on', async () => {
    const { clock, server, client } = setUp();
    const answer = client.call(server.pid, 'get', 0, { timeoutMs: 100 });
    const error = failureOf(answer);
    await clock.advance(100);
    expect(await error).toMatchObject({ code: 'TROUPE_CALL_TIMEOUT', reason: 'timeout' });
    expect(server.alive).toBe(true);
  });

  test('gen_server:call/2: the default is 5,000 ms', async () => {
    const { clock, server, client } = setUp();
    let outcome: unknown = 'pending';
    client.call(server.pid, 'get', 0).catch((error: TroupeError) => {
      outcome = error.code;
    });
    await clock.advance(4999);
    expect(outcome).toBe('pending');
    await clock.advance(1);
    expect(outcome).toBe('TROUPE_CALL_TIMEOUT');
  });

  test('gen_server:call/3: infinity waits for ever', async () => {
    const { clock, server, client } = setUp();
    const answer = client.call(server.pid, 'get', 0, { timeoutMs: Infinity });
    await clock.advance(2 ** 40);
    (await server.receiveCall()).reply('at last');
    expect(await answer).toBe('at last');
  });

  test('gen_server:call/3: an answer that is late is dropped, and no message of it reaches the caller', async () => {
    const unhandled = recordUnhandledRejections();
    const { clock, server, client } = setUp();
    const answer = client.call(server.pid, 'get', 0, { timeoutMs: 100 });
    const error = failureOf(answer);
    await clock.advance(100);
    expect(await error).toMatchObject({ code: 'TROUPE_CALL_TIMEOUT' });
    (await server.receiveCall()).reply('too late');
    await client.expectNone();
    expect(unhandled).toEqual([]);
  });

  test('gen_server:call/2: noproc for a dead pid, an unregistered name, here or with the node', async () => {
    const { node, server, client } = setUp();
    server.stop();
    const noproc = { code: 'TROUPE_CALL_NOPROC', reason: 'noproc' };
    await expect(client.call(server.pid, 'get', 0)).rejects.toMatchObject(noproc);
    await expect(client.call('nobody', 'get', 0)).rejects.toMatchObject(noproc);
    await expect(client.call({ name: 'nobody', node: node.name }, 'get', 0)).rejects.toMatchObject(noproc);
    await expect(call(node, server.pid, 'get', 0)).rejects.toMatchObject(noproc);
  });

  test.each(['normal', 'shutdown', 'killed', ['any', 'term']])(
    'gen_server:call/2: when the server ends before it answers the call fails with its reason: %j',
    async (reason) => {
      const { server, client } = setUp();
      const answer = client.call(server.pid, 'get', 0, { timeoutMs: Infinity });
      server.stop(reason);
      await expect(answer).rejects.toMatchObject({ code: 'TROUPE_CALL_EXIT', reason });
    },
  );

  test('gen_server:call/2: all calls that wait fail when the server ends, each once', async () => {
    const { node, server } = setUp();
    const answers = Array.from({ length: 100 }, (_, i) => call(node, server.pid, 'get', i));
    server.stop('crash');
    const outcomes = await Promise.allSettled(answers);
    expect(outcomes.map(({ status }) => status)).toEqual(Array<string>(100).fill('rejected'));
  });

  test('gen_server:call/2: calling oneself is calling_self', async () => {
    const { node } = setUp();
    await expect(
      inProcess(node, (self) => call(node, self.pid, 'get', 0, { from: self })),
    ).rejects.toMatchObject({ code: 'TROUPE_CALL_SELF', reason: 'calling_self' });
  });

  test('a call that fails and is not caught ends the calling process with the error', async () => {
    const { node, server } = setUp();
    const pid = node.spawn((self) => call(node, server.pid, 'get', 0, { from: self }));
    const ended = awaitExit(node, pid);
    await server.receiveCall();
    server.stop('crash');
    expect(await ended).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'crash' });
  });

  test.each([-1, Number.NaN, 2 ** 32])('a timeout of %d ms is refused', async (timeoutMs) => {
    const { server, client } = setUp();
    await expect(client.call(server.pid, 'get', 0, { timeoutMs })).rejects.toMatchObject({
      code: 'TROUPE_BAD_ARGUMENT',
    });
    await server.expectNone();
  });

  test('a call to another node without a carrier fails with TROUPE_NO_CARRIER, once', async () => {
    const unhandled = recordUnhandledRejections();
    const { clock, node } = setUp();
    const controller = new AbortController();
    const to = { name: 'server', node: 'other@host' };
    await expect(call(node, to, 'get', 0, { signal: controller.signal })).rejects.toMatchObject({
      code: 'TROUPE_NO_CARRIER',
    });
    controller.abort();
    await clock.advance(10_000);
    await turns(3);
    expect([unhandled, node.router.aliases.size]).toEqual([[], 0]);
  });
});

describe('the stack of a failure names who called', () => {
  const ways: Readonly<Record<string, (parts: ReturnType<typeof setUp>) => Promise<void>>> = {
    TROUPE_CALL_TIMEOUT: ({ clock }) => clock.advance(5_000),
    TROUPE_CALL_EXIT: async ({ node, server }) => node.exit(server.pid, 'kill'),
  };

  test.each(Object.entries(ways))('%s', async (code, happen) => {
    const parts = setUp();
    const { node, server } = parts;
    async function theCaller(from?: Process): Promise<unknown> {
      try {
        return await call(node, server.pid, 'get', 0, from === undefined ? {} : { from });
      } catch (error) {
        return error;
      }
    }
    const failures = [theCaller(), inProcess(node, theCaller)];
    await settle(node);
    await happen(parts);
    for (const failure of failures) {
      const error = (await failure) as TroupeError;
      expect(error.code).toBe(code);
      expect(error.stack).toMatch(/at (async )?theCaller/);
    }
  });
});

describe('AbortSignal', () => {
  test('it ends the wait with TROUPE_CALL_ABORTED; a later answer is dropped', async () => {
    const { server, client } = setUp();
    const controller = new AbortController();
    const answer = client.call(server.pid, 'get', 0, { signal: controller.signal });
    const request = await server.receiveCall();
    const cause = new Error('changed my mind');
    controller.abort(cause);
    await expect(answer).rejects.toMatchObject({ code: 'TROUPE_CALL_ABORTED', cause });
    request.reply('too late');
    await client.expectNone();
  });

  test('one that has fired already keeps the request from being sent', async () => {
    const { server, client } = setUp();
    await expect(client.call(server.pid, 'get', 0, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'TROUPE_CALL_ABORTED',
    });
    await server.expectNone();
  });

  test('many calls share one listener, which goes with the last of them', async () => {
    const { node, server } = setUp();
    const warnings: unknown[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    onTestFinished(() => void process.off('warning', warned));
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = (): number => getEventListeners(signal, 'abort').length;
    const start = (count: number): Promise<unknown>[] =>
      Array.from({ length: count }, () => failureOf(call(node, server.pid, 'get', 0, { signal })));
    const answered = start(20);
    expect(listeners()).toBe(1);
    for (let left = answered.length; left > 1; left--) (await server.receiveCall('get')).reply('done');
    expect(listeners()).toBe(1);
    (await server.receiveCall('get')).reply('done');
    await Promise.all(answered);
    expect(listeners()).toBe(0);
    const aborted = start(20);
    controller.abort();
    expect(await Promise.all(aborted)).toEqual(
      aborted.map(() => expect.objectContaining({ code: 'TROUPE_CALL_ABORTED' }) as unknown),
    );
    expect([listeners(), warnings]).toEqual([0, []]);
  });

  test("a process's own signal ends its calls with it", async () => {
    const { node, server } = setUp();
    const log: unknown[] = [];
    const pid = node.spawn(async (self) => {
      await call(node, server.pid, 'get', 0, { signal: self.signal, timeoutMs: Infinity }).catch(
        (error: TroupeError) => log.push(error.code, self.alive),
      );
    });
    await server.receiveCall();
    node.exit(pid, 'kill');
    await turns(3);
    expect(log).toEqual(['TROUPE_CALL_ABORTED', false]);
  });

  test('after the answer it has no effect, and nothing listens to it any more', async () => {
    const { server, client } = setUp();
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const answer = client.call(server.pid, 'get', 0, { signal });
    expect(listeners).toBe(1);
    (await server.receiveCall()).reply('in time');
    expect([await answer, listeners]).toEqual(['in time', 0]);
    controller.abort();
    expect(await answer).toBe('in time');
  });
});

describe('what a call leaves behind', () => {
  test('nothing: no monitor at the server, no timer, however it ended', async () => {
    const { clock, node, server, client } = setUp();
    const full = node.spawnWith({ mailbox: { limit: 1, policy: 'reject' } }, deaf);
    node.send(full, 'full');
    await settle(node);
    const answered = client.call(server.pid, 'get', 0);
    (await server.receiveCall()).reply('yes');
    await answered;
    await expect(client.call(full, 'get', 0)).rejects.toMatchObject({ code: 'TROUPE_MAILBOX_FULL' });
    await expect(client.call('nobody', 'get', 0)).rejects.toMatchObject({ code: 'TROUPE_CALL_NOPROC' });
    const aborted = client.call(server.pid, 'get', 0, { signal: AbortSignal.timeout(1) });
    await expect(aborted).rejects.toMatchObject({ code: 'TROUPE_CALL_ABORTED' });
    expect([node.find(server.pid)?.watchers, node.find(full)?.watchers]).toEqual([null, null]);
    expect(clock.pending).toBe(0);
  });

  test('calls that wait are not listed as monitors', async () => {
    const { node, server, client } = setUp();
    void client.call(server.pid, 'get', 0).catch(() => undefined);
    expect(node.processInfo(server.pid)?.monitoredBy).toEqual([]);
    expect(node.processInfo(client.pid)?.monitors).toEqual([]);
    await server.receiveCall();
  });

  test('a process that takes calls as messages and never answers does no harm but to the caller', async () => {
    const { clock, node } = setUp();
    const server = node.spawn(idle);
    const error = failureOf(call(node, server, 'get', 0));
    await clock.advance(5000);
    expect(await error).toMatchObject({ code: 'TROUPE_CALL_TIMEOUT' });
    expect(node.isAlive(server)).toBe(true);
  });
});
