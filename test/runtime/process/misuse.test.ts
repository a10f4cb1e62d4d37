/** What a program gets wrong is told where it is done, with a code, and costs nobody else anything. */
import { describe, expect, test } from 'vitest';
import { child, childTemplate, createNode, type Pid, type Process } from 'troupe';
import { createProbe, settle } from 'troupe/testing';

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
