// What bounds a mailbox does: reject, dropOldest and exit; that signals are never dropped; and the high-water event.
// OTP has no bounds of this kind (the nearest is max_heap_size of erlang:spawn_opt/4): these are differences, documented.
import {
  call,
  defineServer,
  Down,
  Exit,
  type MailboxPolicy,
  type Node,
  type Pid,
  type Process,
  sys,
} from 'troupe';
import { awaitExit, createMemoryNetwork, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { idle, makeNode, recordTelemetry } from './helpers.ts';

/** A process with a bounded mailbox that waits for 'go' and then tells the probe what it finds, one by one. */
async function bounded(node: Node, limit: number, policy: MailboxPolicy, report: Pid): Promise<Pid> {
  const pid = node.spawnWith(
    { mailbox: { limit, policy }, trapExit: true, label: 'bounded' },
    async (self) => {
      await self.receive((message) => message === 'go');
      for (;;) self.send(report, await self.receive());
    },
  );
  await settle(node);
  return pid;
}

describe('reject', () => {
  test('the message that comes is dropped, counted and reported', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const dropped = recordTelemetry('troupe:mailbox:dropped');
    const pid = await bounded(node, 3, 'reject', probe.pid);
    for (let i = 1; i <= 5; i++) node.send(pid, i);
    expect(node.processInfo(pid)).toMatchObject({ messageQueueLength: 3, messagesDropped: 2 });
    expect(dropped).toEqual([
      { pid, label: 'bounded', policy: 'reject', message: 4, dropped: 1 },
      { pid, label: 'bounded', policy: 'reject', message: 5, dropped: 2 },
    ]);
  });

  test('there is room again when messages were taken', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    const pid = node.spawnWith(
      { mailbox: { limit: 2, policy: 'reject' } },
      {
        name: 'b',
        init: () => undefined,
        handle: (_self: Process, message: unknown) => void seen.push(message),
      },
    );
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 3; i++) node.send(pid, round * 10 + i);
      await settle(node);
    }
    expect(seen).toEqual([0, 1, 10, 11, 20, 21]);
  });

  test('a call that is dropped fails at once with TROUPE_MAILBOX_FULL', async () => {
    const node = makeNode();
    const pid = await bounded(node, 1, 'reject', node.initPid);
    node.send(pid, 'full');
    await expect(call(node, pid, 'get', undefined, { timeoutMs: Infinity })).rejects.toMatchObject({
      code: 'TROUPE_MAILBOX_FULL',
      reason: 'mailbox_full',
    });
    expect(node.processInfo(pid)?.messageQueueLength).toBe(1);
  });
});

describe('dropOldest', () => {
  test('the oldest message is dropped, counted and reported', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const dropped = recordTelemetry('troupe:mailbox:dropped');
    const pid = await bounded(node, 3, 'dropOldest', probe.pid);
    for (let i = 1; i <= 5; i++) node.send(pid, i);
    node.send(pid, 'go');
    await settle(node);
    expect(probe.messages()).toEqual([4, 5]);
    expect(node.processInfo(pid)?.messagesDropped).toBe(3);
    expect(dropped.map(({ message, policy }) => [message, policy])).toEqual([
      [1, 'dropOldest'],
      [2, 'dropOldest'],
      [3, 'dropOldest'],
    ]);
  });

  test('a call that is dropped for a later message fails at once with TROUPE_MAILBOX_FULL', async () => {
    const node = makeNode();
    const pid = await bounded(node, 1, 'dropOldest', node.initPid);
    const answer = call(node, pid, 'get', undefined, { timeoutMs: Infinity });
    node.send(pid, 'later');
    await expect(answer).rejects.toMatchObject({ code: 'TROUPE_MAILBOX_FULL' });
  });

  test('a call from another node that is dropped fails at once, too', async () => {
    const network = createMemoryNetwork();
    const [here, there] = [
      makeNode({ name: 'here@full', carrier: network.carrier('here@full') }),
      makeNode({ name: 'there@full', carrier: network.carrier('there@full') }),
    ];
    const pid = await bounded(there, 1, 'dropOldest', there.initPid);
    const answer = call(here, pid, 'get', undefined, { timeoutMs: Infinity });
    await settle([here, there]);
    there.send(pid, 'later');
    await expect(answer).rejects.toMatchObject({ code: 'TROUPE_MAILBOX_FULL', reason: 'mailbox_full' });
  });

  test('a receive that waits misses nothing when what it has looked at is dropped', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const pid = node.spawnWith({ mailbox: { limit: 3, policy: 'dropOldest' } }, async (self) => {
      for (;;) self.send(probe.pid, await self.receive((message) => typeof message === 'number'));
    });
    await settle(node);
    for (const message of ['a', 'b', 'c']) node.send(pid, message);
    await settle(node);
    node.send(pid, 'd');
    node.send(pid, 1);
    await settle(node);
    expect(probe.messages()).toEqual([1]);
  });
});

describe('exit', () => {
  test('the process ends with {mailbox_full, Limit}, and linked processes are notified', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const pid = await bounded(node, 2, 'exit', probe.pid);
    probe.link(pid);
    const ended = awaitExit(node, pid);
    for (let i = 0; i < 3; i++) node.send(pid, i);
    expect(await ended).toEqual(['mailbox_full', 2]);
    expect(await probe.receive()).toEqual(new Exit(pid, ['mailbox_full', 2]));
  });

  test('a call that overflows it, and those that waited in it, fail with the exit reason', async () => {
    const node = makeNode();
    const pid = await bounded(node, 1, 'exit', node.initPid);
    const waiting = call(node, pid, 'one', undefined);
    const last = call(node, pid, 'two', undefined);
    const failure = { code: 'TROUPE_CALL_EXIT', reason: ['mailbox_full', 1] };
    await expect(waiting).rejects.toMatchObject(failure);
    await expect(last).rejects.toMatchObject(failure);
  });

  test('a process that floods itself ends within the send that is too much', async () => {
    const node = makeNode();
    let sent = 0;
    const pid = node.spawnWith({ mailbox: { limit: 10, policy: 'exit' } }, (self) => {
      for (;;) {
        self.send(self.pid, sent);
        sent++;
      }
    });
    expect(await awaitExit(node, pid)).toEqual(['mailbox_full', 10]);
    expect(sent).toBe(11);
  });
});

describe('signals', () => {
  test.each(['reject', 'dropOldest', 'exit'] as const)(
    'exits and downs are never dropped: %s',
    async (policy) => {
      const node = makeNode();
      const probe = createProbe(node);
      const [a, b] = [node.spawn(idle), node.spawn(idle)];
      const pid = node.spawnWith({ mailbox: { limit: 2, policy }, trapExit: true }, async (self) => {
        self.link(a);
        self.monitor(b);
        await self.receive((message) => message === 'go');
        for (;;) self.send(probe.pid, await self.receive());
      });
      await settle(node);
      node.send(pid, 1);
      node.send(pid, 2);
      node.exit(a, 'x');
      node.exit(b, 'y');
      await settle(node);
      expect(node.processInfo(pid)).toMatchObject({ messageQueueLength: 4, messagesDropped: 0 });
    },
  );

  test.each(['reject', 'dropOldest', 'exit'] as const)(
    'nor is what looks into a server and stops it, from this node and from another: %s',
    async (policy) => {
      const network = createMemoryNetwork();
      const [here, there] = [
        makeNode({ name: 'here@kept', carrier: network.carrier('here@kept') }),
        makeNode({ name: 'there@kept', carrier: network.carrier('there@kept') }),
      ];
      const slow = defineServer({
        init: () => 'state',
        cast: { work: (_state, done: Promise<void>) => done },
      });
      const server = await there.start(slow, [], { mailbox: { limit: 3, policy } });
      let release!: () => void;
      server.cast('work', new Promise<void>((resolve) => (release = resolve)));
      await network.settle();
      for (let i = 0; i < 3; i++) server.cast('work', Promise.resolve());
      const looks = [sys.getState(there, server.pid), sys.getState(here, server.pid)];
      await network.settle();
      const stopped = server.stop('normal');
      // Only what is not kept gives way, or is kept out.
      if (policy !== 'exit') for (let i = 0; i < 10; i++) server.cast('work', Promise.resolve());
      release();
      expect(await Promise.all(looks)).toEqual(['state', 'state']);
      expect(await stopped).toBeUndefined();
    },
  );

  test('dropOldest passes over them, and keeps a message out when nothing else is there', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const dropped = recordTelemetry('troupe:mailbox:dropped');
    const targets = [node.spawn(idle), node.spawn(idle)];
    const pid = node.spawnWith({ mailbox: { limit: 2, policy: 'dropOldest' } }, async (self) => {
      for (const target of targets) self.monitor(target);
      await self.receive((message) => message === 'go');
    });
    probe.monitor(pid);
    await settle(node);
    node.exit(targets[0] as Pid, 'x');
    node.send(pid, 'first');
    node.send(pid, 'second');
    node.exit(targets[1] as Pid, 'y');
    node.send(pid, 'third');
    expect(node.processInfo(pid)?.messageQueueLength).toBe(3); // two downs and the newest message
    const other = node.spawnWith({ mailbox: { limit: 1, policy: 'dropOldest' }, trapExit: true }, idle);
    node.exit(other, 'trapped');
    node.send(other, 'kept out');
    expect(dropped.map(({ message, policy }) => [message, policy])).toEqual([
      ['first', 'dropOldest'],
      ['second', 'dropOldest'],
      ['kept out', 'reject'],
    ]);
    node.exit(pid, 'kill');
    expect(await probe.receive()).toBeInstanceOf(Down);
  });
});

describe('high-water mark', () => {
  test('the event comes once when a mailbox grows past the mark, and again only after it was empty', async () => {
    const node = makeNode({ mailboxHighWater: 10 });
    const events = recordTelemetry('troupe:mailbox:high_water');
    const pid = node.spawn(idle);
    const flood = (): void => {
      for (let i = 0; i < 30; i++) node.send(pid, i);
    };
    for (let i = 0; i < 10; i++) node.send(pid, i);
    expect(events).toEqual([]);
    flood();
    expect(events).toEqual([{ pid, label: 'idle', length: 11 }]);
    await settle(node);
    flood();
    expect(events).toHaveLength(2);
  });

  test('it comes again for a function that receives, too, after its mailbox was empty', async () => {
    const node = makeNode({ mailboxHighWater: 10 });
    const events = recordTelemetry('troupe:mailbox:high_water');
    const pid = node.spawn(async (self) => {
      for (;;) await self.receive();
    });
    await settle(node);
    for (let round = 1; round <= 3; round++) {
      for (let i = 0; i < 30; i++) node.send(pid, i);
      expect(events).toHaveLength(round);
      await settle(node);
    }
  });

  test('it does not come again while the mailbox only shrinks', async () => {
    const node = makeNode({ mailboxHighWater: 10 });
    const events = recordTelemetry('troupe:mailbox:high_water');
    const pid = node.spawn(async (self) => {
      for (let i = 0; i < 10; i++) await self.receive();
      await self.receive(() => false);
    });
    for (let i = 0; i < 12; i++) node.send(pid, i);
    await settle(node);
    for (let i = 0; i < 12; i++) node.send(pid, i);
    expect(events).toHaveLength(1);
  });

  test('the messages of signals count, too', async () => {
    const node = makeNode({ mailboxHighWater: 10 });
    const events = recordTelemetry('troupe:mailbox:high_water');
    const pid = node.spawn(async (self) => {
      for (let i = 0; i < 20; i++) self.monitor('nobody');
      await self.receive(() => false);
    });
    await settle(node);
    expect(events).toEqual([{ pid, label: 'anonymous', length: 11 }]);
  });

  test('the default is 10,000 messages', () => {
    const node = makeNode();
    const events = recordTelemetry('troupe:mailbox:high_water');
    const pid = node.spawn(idle);
    for (let i = 0; i < 10_000; i++) node.send(pid, i);
    expect(events).toEqual([]);
    node.send(pid, 'one more');
    expect(events).toMatchObject([{ length: 10_001 }]);
  });
});
