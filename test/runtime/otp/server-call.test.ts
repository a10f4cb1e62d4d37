// Calls and casts of a server: replies, failures, deferred replies, order (gen_server:call/3, cast/2, reply/2, handle_call/3).
import { describe, expect, test } from 'vitest';
import { call, defineServer, type From, noReply, reply, type Ref, serverRef, stop } from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { inProcess, makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';

/** A server that does what it is told, and keeps a log. */
const server = defineServer({
  name: 'tested',
  init: () => [] as unknown[],
  call: {
    log: (log) => [...log],
    run: (log, run: (log: unknown[], from: From) => unknown, _self, from: From) => run(log, from),
    who: (_log, _argument: undefined, self, from: From) => [self.pid, from.pid],
  },
  cast: {
    add: (log, item: unknown) => log.push(item),
    run: (log, run: (log: unknown[]) => unknown) => run(log),
  },
});

describe('the reply', () => {
  test.each<[string, unknown]>([
    ['a value', 5],
    ['undefined', undefined],
    ['null', null],
    ['an object', { deep: [1] }],
    ['a function', Math.max],
    ['an error, which is a value like any', new Error('no failure')],
  ])('is what the handler returns: %s', async (_what, value) => {
    const { call: ask } = bind(await makeNode().start(server));
    expect(await ask(() => value)).toBe(value);
    expect(await ask(() => Promise.resolve(value))).toBe(value);
    expect(await ask(() => reply(value))).toBe(value);
    expect(await ask(() => Promise.resolve(reply(value)))).toBe(value);
  });

  test('{reply, Reply, NewState} replaces the state', async () => {
    const ref = await makeNode().start(server);
    expect(await ref.call('run', () => reply('done', { state: ['new'] }))).toBe('done');
    expect(await ref.call('log')).toEqual(['new']);
  });

  test('a state of undefined is a state', async () => {
    const node = makeNode();
    const ref = await node.start(
      defineServer({
        init: (): string | undefined => 'set',
        call: { get: (state) => state, unset: () => reply('was set', { state: undefined }) },
      }),
    );
    expect([await ref.call('get'), await ref.call('unset'), await ref.call('get')]).toEqual([
      'set',
      'was set',
      undefined,
    ]);
  });

  test('the handler knows itself and the caller', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    expect(await ref.call('who')).toEqual([ref.pid, node.initPid]);
    await inProcess(node, async (self) => {
      expect(await ref.call('who', undefined, { from: self })).toEqual([ref.pid, self.pid]);
    });
  });
});

describe('deferred replies: gen_server:reply/2', () => {
  test('from the handler itself, then and later', async () => {
    const ref = await makeNode().start(server);
    let kept: From | undefined;
    const first = ref.call('run', (_log, from) => {
      from.reply('at once');
      return noReply();
    });
    const second = ref.call('run', (_log, from) => {
      kept = from;
      return noReply();
    });
    expect(await first).toBe('at once');
    ref.cast('run', () => kept?.reply('in a cast'));
    expect(await second).toBe('in a cast');
  });

  test('from another process', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    const replier = node.spawn(async (self) => {
      ((await self.receive()) as From).reply('by another');
    });
    const answer = ref.call('run', (_log, from) => {
      node.send(replier, from);
      return noReply();
    });
    expect(await answer).toBe('by another');
  });

  test('the server takes other calls meanwhile', async () => {
    const ref = await makeNode().start(server);
    const waiting: From[] = [];
    const first = ref.call('run', (_log, from) => {
      waiting.push(from);
      return noReply();
    });
    expect(await ref.call('run', () => 'second')).toBe('second');
    waiting[0]?.reply('first');
    expect(await first).toBe('first');
  });

  test('only the first counts', async () => {
    const ref = await makeNode().start(server);
    const answer = ref.call('run', (_log, from) => {
      from.reply(1);
      from.reply(2);
      return 3;
    });
    expect(await answer).toBe(1);
  });

  test('after the end of the server it is dropped: the caller has its exit', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    let kept: From | undefined;
    const answer = failure(
      ref.call('run', (_log, from) => {
        kept = from;
        return noReply();
      }),
    );
    await settle(node);
    node.exit(ref.pid, 'gone');
    kept?.reply('too late');
    expect(await answer).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'gone' });
  });
});

describe('failures of calls', () => {
  test('timeout: fails after timeoutMs, 5,000 by default; the server goes on', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const ref = await node.start(server);
    const outcomes: string[] = [];
    const note = (what: string) => (error: unknown) => {
      outcomes.push(`${what} ${(error as { code: string }).code}`);
    };
    void ref.call('run', () => noReply()).catch(note('default'));
    void ref.call('run', () => noReply(), { timeoutMs: 10 }).catch(note('short'));
    await clock.advance(10);
    expect(outcomes).toEqual(['short TROUPE_CALL_TIMEOUT']);
    await clock.advance(4_989);
    expect(outcomes).toHaveLength(1);
    await clock.advance(1);
    expect(outcomes).toEqual(['short TROUPE_CALL_TIMEOUT', 'default TROUPE_CALL_TIMEOUT']);
    expect(await ref.call('log')).toEqual([]);
  });

  test('a late reply is dropped: nothing of it reaches the mailbox of the caller', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const ref = await node.start(server);
    const probe = createProbe(node);
    let kept: From | undefined;
    const answer = failure(
      ref.call(
        'run',
        (_log, from) => {
          kept = from;
          return noReply();
        },
        { from: probe.self, timeoutMs: 10 },
      ),
    );
    await settle(node);
    await clock.advance(10);
    expect((await answer).code).toBe('TROUPE_CALL_TIMEOUT');
    kept?.reply('late');
    await settle(node);
    expect(probe.messages()).toEqual([]);
  });

  test('noproc: of a pid that is dead, of an unregistered name', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    await ref.stop();
    for (const gone of [ref, serverRef(node, server, 'nobody')]) {
      expect(await failure(gone.call('log'))).toMatchObject({ code: 'TROUPE_CALL_NOPROC', reason: 'noproc' });
    }
  });

  test('a handler that throws: the caller gets the reason, and so does everybody who monitors', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    const crash = new Error('bad day');
    const ended = awaitExit(node, ref.pid);
    const answers = [
      failure(
        ref.call('run', () => {
          throw crash;
        }),
      ),
      failure(ref.call('log')),
    ];
    for (const error of await Promise.all(answers)) {
      expect([error.code, error.reason]).toEqual(['TROUPE_CALL_EXIT', crash]);
    }
    expect(await ended).toBe(crash);
  });

  test.each<[string, () => unknown, unknown]>([
    ['rejects', () => Promise.reject(new Error('bad day')), expect.objectContaining({ message: 'bad day' })],
    [
      'throws no error',
      () => {
        throw 'bad day';
      },
      ['nocatch', 'bad day'],
    ],
    ['stops without a reply', () => stop('bad day'), 'bad day'],
  ])('a handler that %s ends the server', async (_how, run, reason) => {
    const node = makeNode();
    const ref = await node.start(server);
    const ended = awaitExit(node, ref.pid);
    await expectFailure(ref.call('run', run), 'TROUPE_CALL_EXIT', reason);
    expect(await ended).toEqual(reason);
  });

  test('calling_self', async () => {
    const node = makeNode();
    const selfish = defineServer({
      init: () => null,
      call: {
        itself: (_state, _argument: undefined, self): Promise<unknown> =>
          failure(call(node, self.pid, 'itself', undefined, { from: self })),
      },
    });
    const ref = await node.start(selfish);
    expect(await ref.call('itself')).toMatchObject({ code: 'TROUPE_CALL_SELF' });
  });

  test('a signal gives up the wait; the server still handles the call', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    const abort = new AbortController();
    const answer = failure(ref.call('run', (log) => log.push('handled'), { signal: abort.signal }));
    abort.abort();
    expect((await answer).code).toBe('TROUPE_CALL_ABORTED');
    expect(await ref.call('log')).toEqual(['handled']);
  });
});

describe('names that the definition does not have', () => {
  test.each(['unknown', 'constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    'call %s: fails for the caller, is reported, and the server goes on',
    async (name) => {
      const node = makeNode();
      const unexpected = recordTelemetry('troupe:server:unexpected');
      const ref = await node.start(server);
      const error = await failure(call(node, ref, name, 'argument'));
      expect([error.code, error.reason]).toEqual(['TROUPE_UNKNOWN_CALL', ['unknown_call', name]]);
      expect(unexpected).toEqual([
        { pid: ref.pid, label: 'tested', kind: 'call', message: { name, argument: 'argument' } },
      ]);
      expect(await ref.call('log')).toEqual([]);
    },
  );

  test('cast: is reported and dropped', async () => {
    const node = makeNode();
    const unexpected = recordTelemetry('troupe:server:unexpected');
    const ref = await node.start(server);
    (ref as { cast(name: string, argument: unknown): void }).cast('constructor', 1);
    expect(await ref.call('log')).toEqual([]);
    expect(unexpected).toEqual([
      { pid: ref.pid, label: 'tested', kind: 'cast', message: { name: 'constructor', argument: 1 } },
    ]);
  });
});

describe('gen_server:cast/2', () => {
  test('is not an error when no process is there', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    await ref.stop();
    ref.cast('add', 1);
    serverRef(node, server, 'nobody').cast('add', 1);
    expect(node.whereis('nobody')).toBeUndefined();
  });

  test('{noreply, NewState} replaces the state; other values mean nothing', async () => {
    const ref = await makeNode().start(server);
    ref.cast('run', () => noReply({ state: ['new'] }));
    ref.cast('run', () => ({ state: ['no action'] }));
    ref.cast('run', async () => ['no action']);
    ref.cast('add', 1);
    expect(await ref.call('log')).toEqual(['new', 1]);
  });

  test.each<[string, () => unknown]>([
    ['reply()', () => reply(1)],
    ['stop() with a reply', () => stop('normal', { reply: 1 })],
  ])('%s is {bad_return_value, _}: there is nobody to reply to', async (_what, run) => {
    const node = makeNode();
    const ref = await node.start(server);
    const ended = awaitExit(node, ref.pid);
    ref.cast('run', run);
    expect(await ended).toMatchObject({
      code: 'TROUPE_BAD_RETURN',
      reason: ['bad_return_value', expect.anything()],
    });
  });
});

describe('order', () => {
  test('calls, casts and messages of one process are handled in the order sent', async () => {
    const node = makeNode();
    const ref = await node.start(
      defineServer({
        init: () => [] as unknown[],
        call: { get: (log) => [...log], note: (log, item: number) => log.push(item) },
        cast: { note: (log, item: number) => log.push(item) },
        info: (log, message) => log.push(message),
      }),
    );
    await inProcess(node, async (self) => {
      const calls: Promise<unknown>[] = [];
      for (let item = 0; item < 300; item += 3) {
        ref.cast('note', item, { from: self });
        self.send(ref, item + 1);
        calls.push(ref.call('note', item + 2, { from: self }));
      }
      await Promise.all(calls);
    });
    expect(await ref.call('get')).toEqual(Array.from({ length: 300 }, (_, index) => index));
  });

  test('while an asynchronous handler is pending nothing else is handled', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    const gate = makeGate();
    const first = ref.call('run', async (log) => {
      log.push('begin');
      await gate.opened;
      log.push('end');
      return 'first';
    });
    ref.cast('add', 'cast');
    const second = ref.call('log');
    await settle(node, { except: [ref.pid] });
    expect(node.processInfo(ref.pid)).toMatchObject({ status: 'awaiting', messageQueueLength: 2 });
    gate.open();
    expect(await first).toBe('first');
    expect(await second).toEqual(['begin', 'end', 'cast']);
  });
});

describe('serverRef', () => {
  test('addresses by pid, by name, and by what has one of them', async () => {
    const node = makeNode();
    const started = await node.start(server, [], { name: 'one' });
    const targets: unknown[] = [
      serverRef(node, server, started.pid),
      serverRef(node, server, started),
      serverRef(node, server, 'one'),
      serverRef(node, server, { name: 'one', node: node.name }),
      serverRef(node, server, serverRef(node, server, 'one')),
    ];
    for (const target of targets as (typeof started)[]) {
      target.cast('add', 1);
      await target.call('log');
    }
    expect(await started.call('log')).toEqual([1, 1, 1, 1, 1]);
  });

  test('by name it finds the one that has the name now', async () => {
    const node = makeNode();
    const named = serverRef(node, server, 'one');
    const first = await node.start(server, [], { name: 'one' });
    named.cast('add', 'to the first');
    await named.stop();
    await node.start(server, [], { name: 'one' });
    named.cast('add', 'to the second');
    expect(node.isAlive(first.pid)).toBe(false);
    expect(await named.call('log')).toEqual(['to the second']);
  });

  test('a reference is a destination: it can be sent to and monitored', async () => {
    const node = makeNode();
    const probe = createProbe(node, { name: 'probe' });
    const ref = await node.start(server, [], { name: 'one' });
    const refs: Ref[] = [probe.self.monitor(ref), probe.self.monitor(serverRef(node, server, 'one'))];
    await ref.stop('shutdown');
    const downs = [await probe.receive(), await probe.receive()] as { ref: Ref; reason: unknown }[];
    expect(new Set(downs.map((down) => down.ref))).toEqual(new Set(refs));
    expect(downs.map((down) => down.reason)).toEqual(['shutdown', 'shutdown']);
  });

  test('prints as what it addresses', async () => {
    const node = makeNode();
    const ref = await node.start(server);
    expect(String(ref)).toBe(ref.pid.toString());
    expect(String(serverRef(node, server, 'one'))).toBe('one on nonode@nohost');
  });
});

test('a full mailbox fails the call at once, with `reject`', async () => {
  const node = makeNode();
  const gate = makeGate();
  const ref = await node.start(server, [], { mailbox: { limit: 1, policy: 'reject' } });
  const first = ref.call('run', () => gate.opened);
  await settle(node, { except: [ref.pid] });
  const second = ref.call('log');
  await expectFailure(ref.call('log'), 'TROUPE_MAILBOX_FULL');
  gate.open();
  await first;
  expect(await second).toEqual([]);
});

function bind(ref: { call(name: 'run', run: () => unknown): Promise<unknown> }) {
  return { call: (run: () => unknown) => ref.call('run', run) };
}
