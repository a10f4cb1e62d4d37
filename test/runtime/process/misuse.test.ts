/** What a program gets wrong is told where it is done, with a code, and costs nobody else anything. */
import { describe, expect, test } from 'vitest';
import {
  call,
  channelLog,
  child,
  childProcess,
  childTemplate,
  createMemoryStore,
  createNode,
  defineChannel,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  noReply,
  on,
  type Pid,
  type Process,
  reply,
  serverRef,
  stop,
  supervisorRef,
} from 'troupe';
import { controller, defineWebSocketHandler } from 'troupe/fastify';
import { inspectServer } from 'troupe/inspect';
import { replServer } from 'troupe/repl';
import { createManualClock, createProbe, settle } from 'troupe/testing';

const nothing = [undefined, null, 7, {}, '<0.0.0>'] as unknown as Pid[];
const bad = expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }) as Error;

describe('values other than pids are refused (erlang: badarg)', () => {
  test.each(nothing)('%j', async (what) => {
    const node = createNode();
    const probe = createProbe(node);
    node.spawn((self: Process) => {
      expect(() => self.link(what)).toThrow(bad);
      expect(() => self.unlink(what)).toThrow(bad);
      expect(() => self.exit(what, 'kill')).toThrow(bad);
      self.send(probe.pid, 'alive');
    });
    expect(() => node.isAlive(what)).toThrow(bad);
    expect(() => node.processInfo(what)).toThrow(bad);
    expect(() => node.register('name', what)).toThrow(bad);
    expect(() => node.exit(what, 'kill')).toThrow(bad);
    expect(await probe.receive()).toBe('alive');
    await node.stop();
  });

  test('a message to nobody', async () => {
    const node = createNode();
    const probe = createProbe(node);
    node.spawn((self: Process) => {
      expect(() => self.send(undefined as unknown as Pid, 'hello')).toThrow(bad);
      self.send(probe.pid, 'alive');
    });
    expect(await probe.receive()).toBe('alive');
    await node.stop();
  });
});

test('what cannot be started is refused, and says how it is made', async () => {
  const node = createNode();
  const probe = createProbe(node);
  const made = /defineServer or defineSupervisor has made, not (null|an array|a value of type)/;
  for (const what of [undefined, null, {}, () => undefined] as unknown[] as never[]) {
    expect(() => node.start(what)).toThrow(made);
    await expect(node.startMonitor(what)).rejects.toThrow(bad);
    expect(() => child(what, [], { id: 'a' })).toThrow(bad);
    expect(() => childTemplate(what)).toThrow(bad);
    node.spawn((self: Process) => {
      expect(() => self.start(what)).toThrow(bad);
      expect(() => self.startLink(what)).toThrow(bad);
      self.send(probe.pid, 'alive');
    });
    expect(await probe.receive()).toBe('alive');
  }
  await node.stop();
});

test('dropOldest looks for a message behind 64 signals at most, then drops what comes', async () => {
  const node = createNode();
  const bounded = node.spawnWith(
    { trapExit: true, mailbox: { limit: 10, policy: 'dropOldest' } },
    { name: 'busy', init: () => new Promise<void>(() => undefined), handle: () => undefined },
  );
  await settle(node, { except: [bounded] });
  for (let i = 0; i < 64; i++) node.exit(bounded, 'hello');
  node.send(bounded, 'kept out');
  expect(node.processInfo(bounded)).toMatchObject({ messageQueueLength: 64, messagesDropped: 1 });
  await node.stop();
});

describe('an option that does not exist is refused, and those that do are named', () => {
  // As a program in JavaScript has them, or one that goes around the types.
  const slip = (more: object = {}) => ({ ...more, slip: 1 }) as never;
  const init = () => undefined;
  const server = defineServer({ init });
  const names = /'slip'; its options are \w+/;

  test.each<[string, () => unknown]>([
    ['createNode', () => createNode(slip())],
    ['defineServer', () => defineServer(slip({ init }))],
    ['defineSupervisor', () => defineSupervisor(slip({ children: [] }))],
    ['defineDynamicSupervisor', () => defineDynamicSupervisor(slip({ child: childTemplate(server) }))],
    ['defineChannel', () => defineChannel('slips', slip())],
    [
      'follow',
      () => defineChannel('slips', { durable: true }).follow(createProbe(createNode()).self, '', slip()),
    ],
    ['reply', () => reply(1, slip())],
    ['noReply', () => noReply(slip())],
    ['stop', () => stop('normal', slip())],
    ['spawnWith', () => createNode().spawnWith(slip(), init)],
    ['defineWebSocketHandler', () => defineWebSocketHandler(slip({ name: 'a', init }))],
    ['its limits', () => defineWebSocketHandler({ name: 'a', init, limits: slip() })],
    ['controller', () => controller(init, slip())],
    ['createProbe', () => createProbe(createNode(), slip())],
    ['createManualClock', () => createManualClock(slip())],
  ])('%s', (_what, run) => {
    expect(run).toThrow(bad);
    expect(run).toThrow(names);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['start', () => createNode().start(server, [], slip())],
    ['call', () => call(createNode(), 'nobody', 'name', 1, slip())],
    ['a wait', () => createProbe(createNode()).receive(undefined, slip())],
  ])('%s', async (_what, run) => {
    await expect(run()).rejects.toThrow(bad);
    await expect(run()).rejects.toThrow(names);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['child', () => createNode().start(defineSupervisor({ children: [child(server, [], slip())] }))],
    [
      'childProcess',
      () => createNode().start(defineSupervisor({ children: [childProcess(init, [], slip({ id: 'a' }))] })),
    ],
    [
      'a written child spec',
      () => createNode().start(defineSupervisor({ children: [slip({ id: 'a', start: init })] })),
    ],
    ['replServer', () => createNode().start(replServer, [slip()])],
    ['inspectServer', () => createNode().start(inspectServer, [slip()])],
    ['channelLog', () => createNode().start(channelLog, ['slips', createMemoryStore(), slip()])],
  ])('%s fails to start', async (_what, run) => {
    await expect(run()).rejects.toMatchObject({ code: 'TROUPE_START_FAILED' });
    await expect(run()).rejects.toThrow(names);
  });

  test('options that are no object', () => {
    expect(() => createNode('one@127.0.0.1' as never)).toThrow('not a value of type string');
    expect(() => defineServer(undefined as never)).toThrow('not a value of type undefined');
    expect(() => createNode([] as never)).toThrow('not an array');
  });
});

test('options in the place of the arguments of a start are refused', async () => {
  const server = defineServer({ init: () => undefined });
  const node = createNode();
  const options = { name: 'a' } as never;
  const said =
    "The arguments of a start are an array, not a value of type object; options follow it: (definition, [], { name: 'counter' }).";
  expect(() => node.start(server, options)).toThrow(said);
  expect(() => child(server, options)).toThrow(said);
  const probe = createProbe(node);
  node.spawn((self) => {
    expect(() => self.start(server, options)).toThrow(said);
    expect(() => self.startLink(server, options)).toThrow(said);
    self.send(probe, 'done');
  });
  expect(await probe.receive()).toBe('done');
  await node.stop();
});

test('options in the place of what a receive matches are refused', async () => {
  const node = createNode();
  const probe = createProbe(node);
  node.spawn(async (self) => {
    try {
      await self.receive({ after: 5 } as never);
    } catch (error) {
      self.send(probe, error);
    }
  });
  expect(String(await probe.receive())).toContain('options follow it: receive(undefined, { after: 100 })');
  await expect(probe.receive({ withinMs: 5 } as never)).rejects.toThrow(
    'receive(undefined, { withinMs: 100 })',
  );
  await expect(probe.expectNone({ withinMs: 5 } as never)).rejects.toThrow(bad);
  await node.stop();
});

describe('what a channel is given', () => {
  const plain = defineChannel<{ told: string }>('misused');
  const durable = defineChannel<{ told: string }>('misused_durable', { durable: true });

  test.each<[string, () => unknown, string]>([
    ['nobody joins', () => plain.join(undefined as never), 'not a value of type undefined'],
    ['a pid joins without its node', () => plain.join(createNode().initPid as never), 'such as `self`'],
    ['nobody follows', () => durable.follow({ node: undefined } as never), 'such as `self`'],
    ['handlers of no channel', () => on('misused' as never, {}), 'on() takes a channel'],
    ['no handlers', () => on(plain, undefined as never), 'on() takes the handlers'],
    [
      'a handler that is none',
      () => on(plain, { told: 'x' } as never),
      "handler of 'told' on the channel 'misused'",
    ],
    [
      'a promise is published',
      () => durable.publish(createNode(), Promise.resolve() as never),
      'await its transaction',
    ],
  ])('%s', (_what, run, said) => {
    expect(run).toThrow(bad);
    expect(run).toThrow(said);
  });

  test('a store is given something other than its transaction and an event', async () => {
    const store = createMemoryStore();
    const event = durable.event('told', 'a');
    await expect(store.append(undefined as never, event)).rejects.toThrow('takes the transaction first');
    await expect(store.transaction((own) => store.append(own, { told: 'a' } as never))).rejects.toThrow(
      'takes an event',
    );
  });
});

test('a reference to nothing is refused', () => {
  const server = defineServer({ init: () => undefined });
  expect(() => serverRef(createNode(), server, undefined as never)).toThrow(bad);
  expect(() => supervisorRef(createNode(), {} as never)).toThrow(bad);
});
