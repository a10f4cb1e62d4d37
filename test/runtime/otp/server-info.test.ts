// What is no call or cast: messages, exits, downs, the `continue` callback, timeouts (handle_info/2, handle_continue/2).
import { describe, expect, test } from 'vitest';
import {
  type Clock,
  defineServer,
  Down,
  Exit,
  type From,
  type InfoHandler,
  noReply,
  reply,
  started,
  stop,
  systemClock,
  TIMEOUT,
  UNHANDLED,
} from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure } from './helpers.ts';

/** A server whose log is its state, and which does what it is told. */
function logging(info?: InfoHandler<unknown[]> | readonly InfoHandler<unknown[]>[]) {
  return defineServer({
    name: 'logging',
    init: () => [] as unknown[],
    call: {
      log: (log) => [...log],
      run: (log, run: (log: unknown[], from: From) => unknown, _self, from: From) => run(log, from),
    },
    cast: { run: (log, run: (log: unknown[]) => unknown) => run(log) },
    info: info ?? ((log, message) => log.push(message)),
    continue: (log, argument: unknown) => {
      log.push(['continue', argument]);
      return typeof argument === 'function' ? (argument as (log: unknown[]) => unknown)(log) : undefined;
    },
  });
}

describe('Module:handle_info/2', () => {
  test('gets what is sent, exits of linked processes and downs', async () => {
    const node = makeNode();
    const ref = await node.start(
      defineServer({
        init: (self) => {
          self.trapExit(true);
          return [] as unknown[];
        },
        call: {
          log: (log) => [...log],
          follow: (_log, name: string, self) => {
            const pid = node.whereis(name) as never;
            self.link(pid);
            return self.monitor(pid);
          },
        },
        info: (log, message) => log.push(message),
      }),
    );
    const other = createProbe(node, { name: 'other' });
    const pid = other.self.pid;
    const monitor = await ref.call('follow', 'other');
    node.send(ref, 'text');
    node.exit(pid, 'kill');
    await settle(node);
    expect(await ref.call('log')).toEqual([
      'text',
      new Down(monitor, pid, 'killed'),
      new Exit(pid, 'killed'),
    ]);
  });

  test('a message that no handler takes is reported and dropped', async () => {
    const node = makeNode();
    const unexpected = recordTelemetry('troupe:server:unexpected');
    const ref = await node.start(
      defineServer({ name: 'deaf', init: () => 0, call: { get: (state) => state } }),
    );
    node.send(ref, 'hello');
    expect(await ref.call('get')).toBe(0);
    expect(unexpected).toEqual([{ pid: ref.pid, label: 'deaf', kind: 'info', message: 'hello' }]);
  });

  test('several handlers: the first that does not return UNHANDLED takes the message', async () => {
    const node = makeNode();
    const unexpected = recordTelemetry('troupe:server:unexpected');
    const takes =
      (kind: string): InfoHandler<unknown[]> =>
      (log, message) =>
        typeof message === kind ? log.push(message) : UNHANDLED;
    const later =
      (handler: InfoHandler<unknown[]>): InfoHandler<unknown[]> =>
      async (...args) =>
        handler(...args);
    const ref = await node.start(
      logging([
        takes('string'),
        later(takes('number')),
        later(takes('string')),
        takes('number'),
        takes('boolean'),
      ]),
    );
    for (const message of ['text', 1, true, undefined]) node.send(ref, message);
    expect(await ref.call('log')).toEqual(['text', 1, true]);
    expect(unexpected.map(({ message }) => message)).toEqual([undefined]);
  });

  test('may replace the state, stop, and ask for continue', async () => {
    const node = makeNode();
    const ref = await node.start(
      logging((log, message) => {
        if (message === 'replace') return noReply({ state: ['replaced'] });
        if (message === 'later') return Promise.resolve(noReply({ state: [...log, 'later'] }));
        if (message === 'continue') return noReply({ continue: 'here' });
        return stop(message);
      }),
    );
    for (const message of ['replace', 'later', 'continue']) node.send(ref, message);
    expect(await ref.call('log')).toEqual(['replaced', 'later', ['continue', 'here']]);
    const ended = awaitExit(node, ref.pid);
    node.send(ref, 'over');
    expect(await ended).toBe('over');
  });

  test.each<[string, InfoHandler<unknown[]>]>([
    [
      'throws',
      () => {
        throw new Error('bad day');
      },
    ],
    ['rejects', () => Promise.reject(new Error('bad day'))],
  ])('one that %s ends the server', async (_how, handler) => {
    const node = makeNode();
    const ref = await node.start(logging([() => UNHANDLED, async () => UNHANDLED, handler]));
    const ended = awaitExit(node, ref.pid);
    node.send(ref, 'hello');
    expect(await ended).toMatchObject({ message: 'bad day' });
  });

  test('reply() is {bad_return_value, _}', async () => {
    const node = makeNode();
    const ref = await node.start(logging(() => reply(1)));
    const ended = awaitExit(node, ref.pid);
    node.send(ref, 'hello');
    expect(await ended).toMatchObject({ code: 'TROUPE_BAD_RETURN' });
  });
});

describe('Module:handle_continue/2', () => {
  test('{ok, State, {continue, _}}: runs after the start is reported and before any message', async () => {
    const node = makeNode();
    const order: unknown[] = [];
    const ref = await node.start(
      defineServer({
        init: (self) => {
          node.send(self.pid, 'sent by init');
          return started(order, { continue: 'first' });
        },
        call: { log: (log) => [...log] },
        info: (log, message) => log.push(message),
        continue: (log, argument: string) => log.push(argument),
      }),
    );
    expect(await ref.call('log')).toEqual(['first', 'sent by init']);
  });

  test('an asynchronous one holds the messages, not the starter', async () => {
    const node = makeNode();
    const gate = makeGate();
    const slow = defineServer({
      init: () => started([] as string[], { continue: 'load' }),
      call: { log: (log) => [...log] },
      continue: async (log, argument: string) => {
        await gate.opened;
        log.push(argument);
      },
    });
    const ref = await node.start(slow);
    const answer = ref.call('log');
    await settle(node, { except: [ref.pid] });
    expect(node.processInfo(ref.pid)?.messageQueueLength).toBe(1);
    gate.open();
    expect(await answer).toEqual(['load']);
  });

  test.each<[string, (next: unknown) => unknown]>([
    ['{reply, Reply, State, {continue, _}}', (next) => reply('replied', { continue: next })],
    ['the same, later', async (next) => reply('replied', { continue: next })],
  ])('%s: the caller is answered first, other messages wait', async (_how, action) => {
    const node = makeNode();
    const gate = makeGate();
    const ref = await node.start(logging());
    const first = ref.call('run', () =>
      action(async (log: unknown[]) => {
        await gate.opened;
        log.push('end');
      }),
    );
    const second = ref.call('log');
    expect(await first).toBe('replied');
    gate.open();
    expect(await second).toEqual([['continue', expect.any(Function)], 'end']);
  });

  test('what it returns is not a reply: a deferred call goes on waiting', async () => {
    const ref = await makeNode().start(logging());
    let from: From | undefined;
    const answer = ref.call('run', (_log, asked) => {
      from = asked;
      return noReply({ continue: () => 'no reply' });
    });
    await ref.call('log');
    from?.reply('the reply');
    expect(await answer).toBe('the reply');
  });

  test('one may ask for another; replaced states are passed on', async () => {
    const ref = await makeNode().start(logging());
    const last = (log: unknown[]) => log.push('last');
    const second = (log: unknown[]) => noReply({ state: [log.length], continue: last });
    await ref.call('run', () => reply(undefined, { continue: second }));
    expect(await ref.call('log')).toEqual([1, ['continue', last], 'last']);
  });

  test('a long row of them neither grows the stack nor holds the event loop', async () => {
    const node = makeNode();
    let count = 0;
    let turnsSeen = 0;
    const row = defineServer({
      init: () => null,
      call: { run: (_state, length: number) => reply('begun', { continue: length }), count: () => count },
      continue: (_state, left: number) => {
        count++;
        return left > 1 ? noReply({ continue: left - 1 }) : undefined;
      },
    });
    const ref = await node.start(row);
    let running = true;
    const look = (): void => {
      if (count > 0) turnsSeen++;
      if (running) setImmediate(look);
    };
    setImmediate(look);
    await ref.call('run', 200_000);
    expect(await ref.call('count')).toBe(200_000);
    running = false;
    expect(turnsSeen).toBeGreaterThan(1);
  });

  test('a row of asynchronous ones', async () => {
    const ref = await makeNode().start(logging());
    const step = (left: number) => async (log: unknown[]) => {
      log.length = 0;
      return left > 0 ? noReply({ continue: step(left - 1) }) : noReply({ state: ['done'] });
    };
    await ref.call('run', () => reply(undefined, { continue: step(5_000) }));
    expect(await ref.call('log')).toEqual(['done']);
  });

  test('a server without the callback that asks for it ends with TROUPE_BAD_RETURN', async () => {
    const node = makeNode();
    const ref = await node.start(
      defineServer({ init: () => 0, cast: { go: () => noReply({ continue: 1 }) } }),
    );
    const ended = awaitExit(node, ref.pid);
    ref.cast('go');
    expect(await ended).toMatchObject({ code: 'TROUPE_BAD_RETURN' });
  });

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('bad day');
      },
    ],
    ['rejects', () => Promise.reject(new Error('bad day'))],
  ])('one that %s ends the server; a call that was answered stays answered', async (_how, next) => {
    const node = makeNode();
    const ref = await node.start(logging());
    const ended = awaitExit(node, ref.pid);
    expect(await ref.call('run', () => reply(1, { continue: next }))).toBe(1);
    expect(await ended).toMatchObject({ message: 'bad day' });
  });
});

describe('timeouts of a server', () => {
  async function begin() {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const ref = await node.start(logging());
    const wait = (timeoutMs: number) => ref.call('run', () => reply(undefined, { timeoutMs }));
    return { clock, node, ref, wait };
  }

  test('TIMEOUT comes when no message does', async () => {
    const { clock, ref, wait } = await begin();
    await wait(100);
    await clock.advance(100);
    expect(await ref.call('log')).toEqual([TIMEOUT]);
  });

  test('it comes once', async () => {
    const { clock, ref, wait } = await begin();
    await wait(100);
    await clock.advance(1_000);
    expect(await ref.call('log')).toEqual([TIMEOUT]);
  });

  test('any message ends it: a call, a cast, a message', async () => {
    const { clock, node, ref, wait } = await begin();
    for (const interrupt of [
      () => void ref.call('run', () => undefined),
      () => ref.cast('run', () => undefined),
      () => node.send(ref, 'message'),
    ]) {
      await wait(100);
      await clock.advance(99);
      interrupt();
      await settle(node);
      await clock.advance(1_000);
    }
    expect(await ref.call('log')).toEqual(['message']);
  });

  test('a message that waits already wins, even against 0', async () => {
    const { node, ref } = await begin();
    const gate = makeGate();
    const first = ref.call('run', async () => {
      await gate.opened;
      return reply(undefined, { timeoutMs: 0 });
    });
    node.send(ref, 'message');
    gate.open();
    await first;
    expect(await ref.call('log')).toEqual(['message']);
  });

  test('0 comes at once when nothing waits', async () => {
    const { node, ref, wait } = await begin();
    await wait(0);
    await settle(node);
    expect(await ref.call('log')).toEqual([TIMEOUT]);
  });

  test('a message that comes when the time is over comes after TIMEOUT', async () => {
    const { clock, node, ref, wait } = await begin();
    await wait(100);
    node.sendAfter(100, ref, 'message');
    await clock.advance(100);
    expect(await ref.call('log')).toEqual([TIMEOUT, 'message']);
  });

  test('from init, and from the handler of TIMEOUT itself', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const ref = await node.start(
      defineServer({
        init: () => started([] as number[], { timeoutMs: 10 }),
        call: { log: (log) => [...log] },
        info: (log, message) => {
          if (message !== TIMEOUT) return UNHANDLED;
          log.push(clock.now());
          return noReply({ timeoutMs: 20 });
        },
      }),
    );
    await clock.advance(60);
    expect(await ref.call('log')).toEqual([10, 30, 50]);
  });

  test('Infinity sets no timeout', async () => {
    const { clock, ref, wait } = await begin();
    await wait(Infinity);
    await clock.advance(10_000_000);
    expect(await ref.call('log')).toEqual([]);
  });

  test('it ends with the server, and keeps the event loop no longer', async () => {
    let holding = 0;
    const hold = (count: number) => () => {
      holding += count;
    };
    const clock: Clock = {
      ...systemClock,
      set: (delayMs) => {
        if (delayMs === 3_600_000) holding++;
        return { ref: hold(1), unref: hold(delayMs === 3_600_000 ? -1 : 0) };
      },
      clear: () => undefined,
    };
    const node = makeNode({ clock });
    const ref = await node.start(logging());
    await ref.call('run', () => reply(undefined, { timeoutMs: 3_600_000 }));
    expect(holding).toBe(1);
    node.exit(ref.pid, 'kill');
    expect(holding).toBe(0);
  });

  test('an invalid one ends the server, as if the handler threw', async () => {
    const { node, ref, wait } = await begin();
    const ended = awaitExit(node, ref.pid);
    await expectFailure(wait(-1), 'TROUPE_CALL_EXIT');
    expect(await ended).toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });
});
