// How a server ends: Module:terminate/2 and when it runs, stop, exits of the parent and of others (gen_server, proc_lib:stop/3).
import { describe, expect, test } from 'vitest';
import {
  atom,
  defineServer,
  Exit,
  type Node,
  noReply,
  type Process,
  ProcessExit,
  reply,
  serverRef,
  type ServerInstance,
  stop,
  stopProcess,
  type TroupeError,
  tuple,
  UNHANDLED,
} from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { makeGate, makeNode, recordTelemetry } from '../process/helpers.ts';
import { expectFailure, failure } from './helpers.ts';

/** A server that notes what happens to it in an array of the test's. */
const noting = defineServer({
  name: 'noting',
  init: (_self, log: unknown[], cleanUp?: (reason: unknown, self: Process) => unknown) => ({ log, cleanUp }),
  call: { run: (_state, run: () => unknown) => run() },
  cast: { run: (_state, run: () => unknown) => run() },
  info: ({ log }, message) => log.push(['info', message]),
  terminate: ({ log, cleanUp }, reason, self) => {
    log.push(['terminate', reason]);
    return cleanUp?.(reason, self);
  },
});

type Noting = ServerInstance<typeof noting>;

describe('Module:terminate/2 runs', () => {
  test.each<[string, (ref: Noting) => unknown, unknown]>([
    ['when a cast stops', (ref) => ref.cast('run', () => stop('over')), 'over'],
    ['when a cast stops later', (ref) => ref.cast('run', async () => stop('over')), 'over'],
    ['when a call stops', (ref) => failure(ref.call('run', () => stop('over'))), 'over'],
    [
      'when a handler exits',
      (ref) =>
        ref.cast('run', () => {
          throw new ProcessExit('over');
        }),
      'over',
    ],
    [
      'when a handler throws',
      (ref) => ref.cast('run', throwing),
      expect.objectContaining({ message: 'bad day' }),
    ],
    [
      'when a handler rejects',
      (ref) => ref.cast('run', async () => throwing()),
      expect.objectContaining({ message: 'bad day' }),
    ],
    ['when it is stopped', (ref) => ref.stop(), 'normal'],
    ['when it is stopped with a reason', (ref) => ref.stop(['shutdown', 1]), ['shutdown', 1]],
  ])('%s, with the reason that the process ends with', async (_when, end, reason) => {
    const node = makeNode();
    const log: unknown[] = [];
    const ref = await node.start(noting, [log]);
    const ended = awaitExit(node, ref.pid);
    await end(ref);
    expect(await ended).toEqual(reason);
    expect(log).toEqual([['terminate', reason]]);
  });

  test('with the state of that moment', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    const ref = await node.start(
      defineServer({
        init: () => 1,
        cast: { end: () => stop('normal', { state: 2 }) },
        terminate: (state) => seen.push(state),
      }),
    );
    const ended = awaitExit(node, ref.pid);
    ref.cast('end');
    await ended;
    expect(seen).toEqual([2]);
  });

  test('as long as it takes: the process lives, and handles nothing more', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const gate = makeGate();
    const ref = await node.start(noting, [log, () => gate.opened]);
    const ended = awaitExit(node, ref.pid);
    const stopping = ref.stop();
    await settle(node, { except: [ref.pid] });
    node.send(ref, 'late');
    await settle(node, { except: [ref.pid] });
    expect(node.isAlive(ref.pid)).toBe(true);
    gate.open();
    await stopping;
    expect(await ended).toBe('normal');
    expect(log).toEqual([['terminate', 'normal']]);
  });

  test.each<[string, (reason: unknown, self: Process) => unknown, unknown]>([
    ['throws', throwing, expect.objectContaining({ message: 'bad day' })],
    ['rejects', async () => throwing(), expect.objectContaining({ message: 'bad day' })],
    ['exits', (_reason, self) => self.exit('cannot'), 'cannot'],
  ])('when it %s, that is what the server ends with', async (_how, cleanUp, reason) => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:server:terminated');
    const ref = await node.start(noting, [[], cleanUp]);
    const ended = awaitExit(node, ref.pid);
    await expectFailure(ref.stop('normal'), 'TROUPE_CALL_EXIT', reason);
    expect(await ended).toEqual(reason);
    expect(reports.map((report) => report.reason)).toEqual([reason]);
  });
});

describe('a stop', () => {
  test.each<[string, () => unknown]>([
    ['a tuple', () => tuple(atom('done'), [1, 'two'])],
    ['an array', () => ['shutdown', { left: 3 }]],
    ['an atom', () => atom('done')],
    ['a bigint', () => 1n],
  ])('compares reasons by value: %s', async (_kind, makeReason) => {
    const node = makeNode();
    const ref = await node.start(noting, [[], (_reason, self) => self.exit(makeReason())]);
    const ended = awaitExit(node, ref.pid);
    await ref.stop(makeReason());
    expect(await ended).toEqual(makeReason());
  });

  test.each([
    [tuple(atom('done'), 1), tuple(atom('done'), 2)],
    [atom('done'), 'done'],
    [new Error('one'), new Error('one')],
  ])('fails when the reason is another one: %j and %j', async (asked, other) => {
    const node = makeNode();
    const ref = await node.start(noting, [[], (_reason, self) => self.exit(other)]);
    const error = await failure(ref.stop(asked));
    expect(error).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: other });
  });

  test('that fails names the process, and its stack leads to the code that waits', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const gate = makeGate();
    const ref = await node.start(noting, [[], () => gate.opened]);
    const deaf = node.spawn(async (self) => {
      await self.receive(() => false);
    });
    async function whoStops(stopping: Promise<void>): Promise<void> {
      await stopping;
    }
    const failures = [
      failure(whoStops(ref.stop('normal', 1_000))), // in `terminate`
      failure(whoStops(stopProcess(node, deaf, 'normal', 1_000))), // before the answer to `sys`
    ];
    await settle(node, { except: [ref.pid] });
    await clock.advance(1_000);
    const [first, second] = (await Promise.all(failures)) as [TroupeError, TroupeError];
    expect(first.message).toContain(`Stop of ${ref.pid.toString()}: it did not exit in 1000 ms`);
    expect(second.message).toContain(`Stop of ${deaf.toString()}: it did not exit in 1000 ms`);
    for (const error of [first, second]) {
      expect(error).toMatchObject({ code: 'TROUPE_CALL_TIMEOUT', reason: 'timeout' });
      expect(error.stack).toContain('whoStops');
    }
    gate.open();
    node.exit(deaf, 'kill');
  });
});

describe('Module:terminate/2 does not run', () => {
  test.each([true, false])('when the server is killed (trapping exits: %s)', async (trapExit) => {
    const node = makeNode();
    const log: unknown[] = [];
    const ref = await node.start(noting, [log], { trapExit });
    const ended = awaitExit(node, ref.pid);
    node.exit(ref.pid, 'kill');
    expect(await ended).toBe('killed');
    await settle(node);
    expect(log).toEqual([]);
  });

  test('when it kills itself in a handler', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const ref = await node.start(noting, [log]);
    const ended = awaitExit(node, ref.pid);
    ref.cast('run', () => {
      node.exit(ref.pid, 'kill');
      throw new Error('too late');
    });
    expect(await ended).toBe('killed');
    await settle(node);
    expect(log).toEqual([]);
  });

  test('when it is killed while a handler waits: what the handler returns has no effect', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const gate = makeGate();
    const ref = await node.start(noting, [log]);
    ref.cast('run', async () => {
      await gate.opened;
      log.push('woken');
      return stop('normal', { state: { log, cleanUp: undefined } });
    });
    await settle(node, { except: [ref.pid] });
    node.exit(ref.pid, 'kill');
    gate.open();
    await settle(node);
    expect(log).toEqual(['woken']);
  });

  test.each<[string, (gate: Promise<void>) => unknown]>([
    ['a call that asks for continue', (gate) => gate.then(() => reply(1, { continue: 'on' }))],
    ['a message that it leaves to the next handler', (gate) => gate.then(() => UNHANDLED)],
  ])('when it is killed in %s: no other callback runs', async (_what, outcome) => {
    const node = makeNode();
    const log: unknown[] = [];
    const gate = makeGate();
    const busy = defineServer({
      init: () => log,
      info: [() => outcome(gate.opened), () => log.push('next handler')],
      call: { run: () => outcome(gate.opened) },
      continue: () => log.push('continue'),
      terminate: () => log.push('terminate'),
    });
    const byMessage = await node.start(busy);
    const byCall = await node.start(busy);
    const answer = failure(byCall.call('run'));
    node.send(byMessage, 'go');
    await settle(node, { except: [byCall.pid, byMessage.pid] });
    node.exit(byMessage.pid, 'kill');
    node.exit(byCall.pid, 'kill');
    gate.open();
    expect(await answer).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'killed' });
    await settle(node);
    expect(log).toEqual([]);
  });

  test('when it is killed while it cleans up; the caller of stop hears it', async () => {
    const node = makeNode();
    const gate = makeGate();
    const reports = recordTelemetry('troupe:server:terminated');
    const ref = await node.start(noting, [[], () => gate.opened.then(throwing)]);
    const stopping = failure(ref.stop('normal'));
    await settle(node, { except: [ref.pid] });
    node.exit(ref.pid, 'kill');
    expect(await stopping).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'killed' });
    gate.open();
    await settle(node);
    expect(reports).toEqual([]);
  });

  test('when an exit comes through a link and is not trapped', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const probe = createProbe(node);
    const ref = await node.start(noting, [log]);
    probe.self.link(ref.pid);
    const ended = awaitExit(node, ref.pid);
    node.exit(probe.self.pid, 'kill');
    expect(await ended).toBe('killed');
    expect(log).toEqual([]);
  });
});

describe('with exits trapped', () => {
  test.each([['shutdown'], [['shutdown', 1]], ['normal'], ['bad day']])(
    'the exit of the parent with %j runs terminate and ends the server with it',
    async (reason) => {
      const node = makeNode();
      const log: unknown[] = [];
      const probe = createProbe(node);
      const ref = await probe.self.startLink(noting, [log], { trapExit: true });
      const ended = awaitExit(node, ref.pid);
      probe.self.exit(ref.pid, reason);
      expect(await ended).toEqual(reason);
      expect(log).toEqual([['terminate', reason]]);
    },
  );

  test('so does the end of the parent', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const probe = createProbe(node);
    const ref = await probe.self.startLink(noting, [log], { trapExit: true });
    const ended = awaitExit(node, ref.pid);
    node.exit(probe.self.pid, 'kill');
    expect(await ended).toBe('killed');
    expect(log).toEqual([['terminate', 'killed']]);
  });

  test('it waits for its turn: messages before it are handled first', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const gate = makeGate();
    const probe = createProbe(node);
    const ref = await probe.self.startLink(noting, [log], { trapExit: true });
    const ended = awaitExit(node, ref.pid);
    ref.cast('run', () => gate.opened);
    node.send(ref, 'before');
    probe.self.exit(ref.pid, 'shutdown');
    node.send(ref, 'after');
    gate.open();
    await ended;
    expect(log).toEqual([
      ['info', 'before'],
      ['terminate', 'shutdown'],
    ]);
  });

  test('exits of others are messages', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const probe = createProbe(node);
    const ref = await node.start(noting, [log], { trapExit: true });
    probe.self.exit(ref.pid, 'shutdown');
    await settle(node);
    expect(log).toEqual([['info', new Exit(probe.self.pid, 'shutdown')]]);
  });

  test('who started it without a link is not its parent', async () => {
    const node = makeNode();
    const log: unknown[] = [];
    const probe = createProbe(node);
    const ref = await probe.self.start(noting, [log], { trapExit: true });
    probe.self.exit(ref.pid, 'shutdown');
    await settle(node);
    expect(log).toEqual([['info', new Exit(probe.self.pid, 'shutdown')]]);
  });
});

describe('{stop, Reason, Reply, NewState}', () => {
  test.each([true, false])('terminate, then the reply, then the exit (asynchronous: %s)', async (later) => {
    const node = makeNode();
    const order: string[] = [];
    const cleanUp = later ? async () => order.push('clean') : () => order.push('clean');
    const probe = createProbe(node);
    const ref = await node.start(noting, [[], cleanUp]);
    probe.self.monitor(ref);
    const down = probe.receive().then(() => order.push('down'));
    const answer = ref.call('run', () => stop('normal', { reply: 'bye' }), { from: probe.self });
    expect(await answer.then((said) => (order.push('reply'), said))).toBe('bye');
    await down;
    expect(order).toEqual(['clean', 'reply', 'down']);
  });

  test('the reply leaves even when terminate throws', async () => {
    const node = makeNode();
    const ref = await node.start(noting, [[], throwing]);
    const ended = awaitExit(node, ref.pid);
    expect(await ref.call('run', () => stop('normal', { reply: 'bye' }))).toBe('bye');
    expect(await ended).toMatchObject({ message: 'bad day' });
  });
});

describe('the report', () => {
  test('an abnormal end is published with the last message', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:server:terminated');
    const crashing = await node.start(noting, [[]]);
    const stopping = await node.start(noting, [[]], { label: 'second' });
    await failure(crashing.call('run', throwing));
    await failure(stopping.call('run', () => stop('odd')));
    expect(reports).toEqual([
      {
        pid: crashing.pid,
        label: 'noting',
        reason: expect.objectContaining({ message: 'bad day' }),
        lastMessage: { name: 'run', argument: throwing },
      },
      {
        pid: stopping.pid,
        label: 'second',
        reason: 'odd',
        lastMessage: { name: 'run', argument: expect.any(Function) },
      },
    ]);
  });

  test.each([['normal'], ['shutdown'], [['shutdown', 'x']]])('%j is none', async (reason) => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:server:terminated');
    const crashes = recordTelemetry('troupe:process:crash');
    const ref = await node.start(noting, [[]]);
    await ref.stop(reason);
    expect([...reports, ...crashes]).toEqual([]);
  });

  test('a continue and a message are named as they are', async () => {
    const node = makeNode();
    const reports = recordTelemetry('troupe:server:terminated');
    const odd = defineServer({
      init: () => 0,
      info: (_state, message) => (message === 'go' ? noReply({ continue: 'on' }) : stop('odd')),
      continue: () => stop('odder'),
    });
    node.send(await node.start(odd), 'text');
    node.send(await node.start(odd), 'go');
    await settle(node);
    expect(reports.map(({ lastMessage }) => lastMessage)).toEqual(['text', ['continue', 'on']]);
  });
});

describe('proc_lib:stop/3', () => {
  test('waits until the process is gone and its name free', async () => {
    const node = makeNode();
    await node.start(noting, [[]], { name: 'one' });
    await serverRef(node, noting, 'one').stop();
    expect(node.whereis('one')).toBeUndefined();
  });

  test('noproc', async () => {
    const node = makeNode();
    const ref = await node.start(noting, [[]]);
    await ref.stop();
    for (const gone of [ref, serverRef(node, noting, 'nobody')]) {
      expect(await failure(gone.stop())).toMatchObject({ code: 'TROUPE_CALL_NOPROC', reason: 'noproc' });
    }
  });

  test('another reason than the one asked for', async () => {
    const node = makeNode();
    const gate = makeGate();
    const ref = await node.start(noting, [[], () => gate.opened]);
    const stopping = failure(ref.stop(['shutdown', 'asked']));
    await settle(node, { except: [ref.pid] });
    node.exit(ref.pid, 'kill');
    expect(await stopping).toMatchObject({ code: 'TROUPE_CALL_EXIT', reason: 'killed' });
  });

  test('the reason asked for, come about otherwise, is a stop as well', async () => {
    const node: Node = makeNode();
    const gate = makeGate();
    const ref = await node.start(noting, [[]]);
    ref.cast('run', () => gate.opened);
    const stopping = ref.stop(['shutdown', 'asked']);
    await settle(node, { except: [ref.pid] });
    node.exit(ref.pid, ['shutdown', 'asked']);
    await stopping;
    expect(node.isAlive(ref.pid)).toBe(false);
  });

  test.each<[string, boolean]>([
    ['while a handler waits', true],
    ['while it cleans up', false],
  ])('timeout %s; the process ends later all the same', async (_when, busy) => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const gate = makeGate();
    const ref = await node.start(noting, [[], () => gate.opened]);
    const ended = awaitExit(node, ref.pid);
    if (busy) ref.cast('run', () => gate.opened);
    const stopping = failure(ref.stop('normal', 50));
    await settle(node, { except: [ref.pid] });
    await clock.advance(50);
    expect((await stopping).code).toBe('TROUPE_CALL_TIMEOUT');
    expect(node.isAlive(ref.pid)).toBe(true);
    gate.open();
    expect(await ended).toBe('normal');
  });

  test('a process other than a server has no answer to it', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const probe = createProbe(node);
    const stopping = failure(stopProcess(node, probe.self.pid, 'normal', 50));
    await settle(node);
    await clock.advance(50);
    expect((await stopping).code).toBe('TROUPE_CALL_TIMEOUT');
  });

  test('leaves no process behind', async () => {
    const node = makeNode();
    const before = node.processes().length;
    const ref = await node.start(noting, [[]]);
    await ref.stop();
    await failure(ref.stop());
    await settle(node);
    expect(node.processes()).toHaveLength(before);
  });
});

function throwing(): never {
  throw new Error('bad day');
}
