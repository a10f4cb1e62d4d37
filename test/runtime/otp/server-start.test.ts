// How a server starts: defineServer, Module:init/1 and its results, names, options (gen_server:start/4, start_link/4).
import { describe, expect, test } from 'vitest';
import { defineServer, Exit, fail, ignore, noReply, type Process, started, stop } from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { inProcess, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';

const counter = defineServer({
  name: 'counter',
  init: (_self, from: number) => ({ count: from }),
  call: { get: (state) => state.count },
});

/** A server whose `init` does what it is given. */
const given = defineServer({
  name: 'given',
  init: (self: Process, made: (self: Process) => unknown) => made(self),
  call: { get: (state) => state },
});

describe('the definition', () => {
  test('its arguments reach init, and what init returns is the state', async () => {
    const server = await makeNode().start(counter, [5]);
    expect(await server.call('get')).toBe(5);
  });

  test('process info shows its name', async () => {
    const node = makeNode();
    const named = await node.start(counter, [0]);
    const plain = await node.start(defineServer({ init: () => null }));
    expect(node.processInfo(named.pid)).toMatchObject({ currentBehaviour: 'counter', label: 'counter' });
    expect(node.processInfo(plain.pid)?.currentBehaviour).toBe('server');
  });

  test.each<[string, object, string]>([
    ['no init', {}, 'init'],
    ['a call handler that is none', { init: () => 0, call: { get: 1 } }, 'call.get'],
    ['a cast handler that is none', { init: () => 0, cast: { put: null } }, 'cast.put'],
    ['an info handler that is none', { init: () => 0, info: [() => 0, 'x'] }, 'info'],
    ['a terminate that is none', { init: () => 0, terminate: true }, 'terminate'],
    ['the name of system messages', { init: () => 0, call: { $system: () => 0 } }, '$system'],
  ])('is refused with %s', (_what, definition, named) => {
    expect(() => defineServer(definition as never)).toThrowError(
      expect.objectContaining({
        code: 'TROUPE_BAD_ARGUMENT',
        message: expect.stringContaining(named) as string,
      }),
    );
  });
});

describe('Module:init/1', () => {
  test('may be asynchronous; the start waits for it, and so do messages', async () => {
    const node = makeNode();
    const gate = makeGate();
    const starting = node.start(given, [() => gate.opened.then(() => ({ made: true }))], { name: 'slow' });
    const early = node.start(counter, [1]).then(() => node.whereis('slow'));
    expect(await early).toBeDefined();
    gate.open();
    expect(await (await starting).call('get')).toEqual({ made: true });
  });

  test.each<[string, (self: Process) => unknown]>([
    ['{stop, Reason}', () => stop('no_disk')],
    ['{stop, Reason} later', async () => stop('no_disk')],
    ['exit/1', (self) => self.exit('no_disk')],
    ['exit/1 later', async (self) => self.exit('no_disk')],
  ])('%s: the start fails with the reason, and the process ended with it', async (_how, made) => {
    const node = makeNode();
    const exits = recordTelemetry('troupe:process:exit');
    await expectFailure(node.start(given, [made]), 'TROUPE_START_FAILED', 'no_disk');
    expect(exits.filter(({ label }) => label === 'given').map(({ reason }) => reason)).toEqual(['no_disk']);
  });

  test('what it throws is the reason, and a crash', async () => {
    const node = makeNode();
    const crashes = recordTelemetry('troupe:process:crash');
    const thrown = new Error('no disk');
    const error = await failure(
      node.start(given, [
        () => {
          throw thrown;
        },
      ]),
    );
    expect([error.code, error.reason]).toEqual(['TROUPE_START_FAILED', thrown]);
    expect(crashes.map(({ reason }) => reason)).toEqual([thrown]);
  });

  test('{error, Reason}: fails with the reason although the process ends with normal (OTP 26)', async () => {
    const node = makeNode();
    const exits = recordTelemetry('troupe:process:exit');
    await expectFailure(node.start(given, [() => fail('no_disk')]), 'TROUPE_START_FAILED', 'no_disk');
    expect(exits.filter(({ label }) => label === 'given').map(({ reason }) => reason)).toEqual(['normal']);
  });

  test('ignore: the start answers undefined, the process ended with normal', async () => {
    const node = makeNode();
    const exits = recordTelemetry('troupe:process:exit');
    const ignored = defineServer({ name: 'ignored', init: () => ignore() });
    expect(await node.start(ignored, [], { name: 'nobody' })).toBeUndefined();
    expect(exits.filter(({ label }) => label === 'ignored').map(({ reason }) => reason)).toEqual(['normal']);
    expect(node.whereis('nobody')).toBeUndefined();
  });

  test('an action that makes no sense there fails the start with TROUPE_BAD_RETURN', async () => {
    const error = await failure(makeNode().start(given, [() => noReply()]));
    expect(error.reason).toMatchObject({ code: 'TROUPE_BAD_RETURN' });
  });

  test('terminate does not run when it fails', async () => {
    const node = makeNode();
    const ran: unknown[] = [];
    const server = defineServer({
      init: (_self, action: unknown): unknown => action,
      terminate: (_state, reason) => {
        ran.push(reason);
      },
    });
    await failure(node.start(server, [stop('a')]));
    await failure(node.start(server, [Promise.reject(new Error('b'))]));
    await failure(node.start(server, [fail('c')]));
    expect(ran).toEqual([]);
  });

  test('a process that is killed meanwhile does nothing more', async () => {
    const node = makeNode();
    const gate = makeGate();
    const entered = makeGate();
    const ran: unknown[] = [];
    const server = defineServer({
      init: async () => {
        entered.open();
        await gate.opened;
        return started('state', { continue: 'go' });
      },
      continue: (_state, argument) => {
        ran.push(argument);
      },
    });
    const starting = node.start(server, [], { name: 'slow' });
    const caught = failure(starting);
    await entered.opened;
    node.exit(node.whereis('slow') as never, 'kill');
    gate.open();
    expect((await caught).reason).toBe('killed');
    await settle(node);
    expect(ran).toEqual([]);
  });
});

describe('names', () => {
  test('the name is there when init runs', async () => {
    const node = makeNode();
    const seen = await node.start(given, [(self: Process) => [self.node.whereis('one'), self.pid]], {
      name: 'one',
    });
    const [named, pid] = (await seen.call('get')) as unknown[];
    expect(named).toBe(pid);
  });

  test('{error, {already_started, Pid}}; init does not run', async () => {
    const node = makeNode();
    const first = await node.start(counter, [1], { name: 'one' });
    let ran = false;
    const made = (): boolean => (ran = true);
    await expectFailure(node.start(given, [made], { name: 'one' }), 'TROUPE_NAME_TAKEN', [
      'already_started',
      first.pid,
    ]);
    expect(ran).toBe(false);
  });

  test('it is free before a failed start is reported: a second try does not meet it', async () => {
    const node = makeNode();
    const tries = [stop('first'), fail('second'), ignore(), { at: 'last' }];
    const codes: unknown[] = [];
    for (const made of tries) {
      const start = node.start(given, [() => made], { name: 'one' });
      codes.push(
        await start.then(
          (server) => server?.pid,
          (error: unknown) => (error as { code: string }).code,
        ),
      );
    }
    expect(codes).toEqual(['TROUPE_START_FAILED', 'TROUPE_START_FAILED', undefined, node.whereis('one')]);
  });
});

describe('options', () => {
  test('timeoutMs: an init that takes longer is killed', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const starting = failure(
      node.start(given, [() => new Promise(() => undefined)], { name: 'slow', timeoutMs: 50 }),
    );
    const ended = awaitExit(node, node.whereis('slow') as never);
    await clock.advance(49);
    expect(node.whereis('slow')).toBeDefined();
    await clock.advance(1);
    expect(await ended).toBe('killed');
    expect((await starting).code).toBe('TROUPE_START_TIMEOUT');
  });

  test('timeoutMs does not end a server that has started', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const server = await node.start(counter, [1], { timeoutMs: 50 });
    await clock.advance(100);
    expect(await server.call('get')).toBe(1);
  });

  test('label, trapExit and mailbox are those of spawn', async () => {
    const node = makeNode();
    const { pid } = await node.start(counter, [1], {
      label: 'my counter',
      trapExit: true,
      mailbox: { limit: 1, policy: 'exit' },
    });
    expect(node.processInfo(pid)).toMatchObject({ label: 'my counter', trapExit: true });
    const ended = awaitExit(node, pid);
    node.send(pid, 1);
    node.send(pid, 2);
    expect(await ended).toEqual(['mailbox_full', 1]);
  });
});

describe('gen_server:start_link/4', () => {
  test('links the server to its starter, which is its parent', async () => {
    const node = makeNode();
    await inProcess(node, async (self) => {
      const { pid } = await self.startLink(counter, [1]);
      expect(node.processInfo(pid)).toMatchObject({ parent: self.pid, links: [self.pid] });
    });
  });

  test('a starter that does not trap exits ends when init fails', async () => {
    const node = makeNode();
    const starter = node.spawn(async (self) => {
      await self.startLink(given, [() => stop('no_disk')]);
    });
    expect(await awaitExit(node, starter)).toBe('no_disk');
  });

  test('a starter that traps exits gets the error and no Exit', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    await expectFailure(
      probe.self.startLink(given, [() => stop('no_disk')]),
      'TROUPE_START_FAILED',
      'no_disk',
    );
    await settle(node);
    expect(probe.messages()).toEqual([]);
  });

  test('after the start an exit of the server arrives as of any link', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const { pid } = await probe.self.startLink(counter, [1]);
    node.exit(pid, 'over');
    expect(await probe.receive()).toEqual(new Exit(pid, 'over'));
  });

  test('start without a link leaves the starter alone', async () => {
    const node = makeNode();
    await inProcess(node, async (self) => {
      await expectFailure(self.start(given, [() => stop('no_disk')]), 'TROUPE_START_FAILED');
      const { pid } = await self.start(counter, [1]);
      expect(node.processInfo(pid)?.links).toEqual([]);
    });
  });
});

test('a node that is stopped fails the start', async () => {
  const node = makeNode();
  await node.stop();
  expect((await failure(node.start(counter, [1]))).code).toBe('TROUPE_NODE_STOPPED');
});
