// Selective receive: Erlang reference manual, "Expressions", section "Receive". Deliberately against real mailboxes.
import { type Behaviour, matching, type Process, TIMEOUT } from 'troupe';
import { awaitExit, createManualClock, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { idle, inProcess, makeNode } from './helpers.ts';

const isNumber = (message: unknown): message is number => typeof message === 'number';
const isText = (message: unknown): message is string => typeof message === 'string';

class Ping {
  readonly count: number;
  constructor(count: number) {
    this.count = count;
  }
}
class Pong {
  readonly kind = 'pong';
}

describe('selection', () => {
  test('the first message in time order that matches is taken, the others stay in order', async () => {
    const node = makeNode();
    const taken = await inProcess(node, async (self) => {
      for (const message of ['a', 1, 'b', 2, 'c']) self.send(self.pid, message);
      const received: unknown[] = [];
      received.push(await self.receive(isNumber), await self.receive(isNumber));
      for (let i = 0; i < 3; i++) received.push(await self.receive());
      return received;
    });
    expect(taken).toEqual([1, 2, 'a', 'b', 'c']);
  });

  test('without a match it waits, and what comes meanwhile stays', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const pid = node.spawn(async (self) => {
      self.send(probe.pid, await self.receive(isNumber));
      self.send(probe.pid, await self.receive());
    });
    for (const message of ['x', 'y', 7]) {
      node.send(pid, message);
      await settle(node);
    }
    expect(probe.messages()).toEqual([7, 'x']);
  });

  test('what was looked at is not looked at again when more arrives', async () => {
    const node = makeNode();
    const looked: unknown[] = [];
    const pid = node.spawn(async (self) => {
      await self.receive((message) => {
        looked.push(message);
        return message === 'end';
      });
    });
    for (const message of [1, 2, 3, 'end']) {
      node.send(pid, message);
      await settle(node);
    }
    expect(looked).toEqual([1, 2, 3, 'end']);
  });

  test('the next receive begins at the oldest message again', async () => {
    const node = makeNode();
    const order = await inProcess(node, async (self) => {
      for (const message of [1, 'a', 2, 'b']) self.send(self.pid, message);
      const received: unknown[] = [await self.receive((message) => message === 'b')];
      received.push(await self.receive(isText), await self.receive(), await self.receive());
      return received;
    });
    expect(order).toEqual(['b', 'a', 1, 2]);
  });

  test('matching(): instances of any of several classes', async () => {
    const node = makeNode();
    await inProcess(node, async (self) => {
      self.send(self.pid, 'noise');
      self.send(self.pid, new Ping(3));
      self.send(self.pid, new Pong());
      const ping = await self.receive(matching(Ping));
      expect(ping.count).toBe(3);
      expect(await self.receive(matching(Ping, Pong))).toBeInstanceOf(Pong);
      expect(await self.receive()).toBe('noise');
    });
  });

  test('undefined and null are messages', async () => {
    const node = makeNode();
    const received = await inProcess(node, async (self) => {
      self.send(self.pid, undefined);
      self.send(self.pid, null);
      return [await self.receive(), await self.receive()];
    });
    expect(received).toEqual([undefined, null]);
  });

  test('a mailbox of 50,000 messages is searched to its end, over many turns', async () => {
    const node = makeNode();
    const pid = node.spawn(async (self) => {
      const last = await self.receive((message) => message === 'last');
      self.exit([last, await self.receive()]);
    });
    for (let i = 0; i < 50_000; i++) node.send(pid, i);
    node.send(pid, 'last');
    expect(await awaitExit(node, pid)).toEqual(['last', 0]);
  });
});

describe('matchers that throw', () => {
  test.each([
    ['while it waits', false],
    ['at once', true],
  ])('reject the receive, and the message stays: %s', async (_title, warm) => {
    const node = makeNode();
    const result = await inProcess(node, async (self) => {
      if (warm) {
        // After one answer a receive looks into the mailbox at once.
        self.send(self.pid, 'warm');
        await self.receive();
      }
      self.send(self.pid, 'poison');
      const failed = await self
        .receive(() => {
          throw new Error('bad matcher');
        })
        .catch((error: Error) => error.message);
      return [failed, await self.receive()];
    });
    expect(result).toEqual(['bad matcher', 'poison']);
  });
});

describe('after', () => {
  test('TIMEOUT when nothing has matched by then; the mailbox is as it was', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const probe = createProbe(node);
    const pid = node.spawn(async (self) => {
      self.send(probe.pid, await self.receive(isNumber, { after: 100 }));
      self.send(probe.pid, await self.receive());
    });
    node.send(pid, 'kept');
    await clock.advance(99);
    expect(probe.messages()).toEqual([]);
    await clock.advance(1);
    expect(probe.messages()).toEqual([TIMEOUT, 'kept']);
  });

  test('a message in time ends it, and the timer is forgotten', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const probe = createProbe(node);
    const pid = node.spawn(async (self) => {
      self.send(probe.pid, await self.receive(isNumber, { after: 100 }));
      self.send(probe.pid, await self.receive(isNumber));
    });
    await clock.advance(99);
    node.send(pid, 1);
    await clock.advance(1000);
    expect(probe.messages()).toEqual([1]);
    node.send(pid, 2);
    await settle(node);
    expect(probe.messages()).toEqual([1, 2]);
  });

  test('a message that does not match does not prolong the wait', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const probe = createProbe(node);
    const pid = node.spawn(async (self) => {
      self.send(probe.pid, await self.receive(isNumber, { after: 100 }));
    });
    await clock.advance(60);
    node.send(pid, 'no number');
    await clock.advance(40);
    expect(probe.messages()).toEqual([TIMEOUT]);
  });

  test('after 0: what is there is looked at, all of it, and nothing is waited for', async () => {
    const node = makeNode();
    const received = await inProcess(node, async (self) => {
      const results: unknown[] = [await self.receive(isNumber, { after: 0 })];
      for (let i = 0; i < 5000; i++) self.send(self.pid, `text ${i}`);
      results.push(await self.receive(isNumber, { after: 0 }));
      self.send(self.pid, 5);
      results.push(await self.receive(isNumber, { after: 0 }));
      results.push(await self.receive(isText, { after: 0 }));
      return results;
    });
    expect(received).toEqual([TIMEOUT, TIMEOUT, 5, 'text 0']);
  });

  test('after 0 with the first receive of a process, too', async () => {
    const node = makeNode();
    expect(await inProcess(node, (self) => self.receive(() => true, { after: 0 }))).toBe(TIMEOUT);
  });

  test('after infinity waits for ever', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const pid = node.spawn((self) => self.receive(() => true, { after: Infinity }));
    await clock.advance(2 ** 40);
    expect(node.processInfo(pid)?.status).toBe('waiting');
  });

  test.each([-1, Number.NaN, 2 ** 32])('timeout_value: after %d is an error', async (after) => {
    const node = makeNode();
    await expect(inProcess(node, (self) => self.receive(() => true, { after }))).rejects.toMatchObject({
      code: 'TROUPE_BAD_ARGUMENT',
    });
  });

  test('the wait may be longer than the longest timer of Node.js', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const probe = createProbe(node);
    const after = 0xffff_ffff;
    node.spawn(async (self) => self.send(probe.pid, await self.receive(() => true, { after })));
    await clock.advance(after - 1);
    expect(probe.messages()).toEqual([]);
    await clock.advance(1);
    expect(probe.messages()).toEqual([TIMEOUT]);
  });
});

describe('one at a time', () => {
  test('a second receive while one waits is an error, and the process ends', async () => {
    const node = makeNode();
    const pid = node.spawn((self) => Promise.all([self.receive(isNumber), self.receive(isText)]));
    expect(await awaitExit(node, pid)).toMatchObject({ code: 'TROUPE_RECEIVE_BUSY' });
  });

  test('a receive outside of any handler is an error', async () => {
    const node = makeNode();
    let process: Process | undefined;
    node.spawn({
      name: 'leaky',
      init: (self: Process) => {
        process = self;
      },
      handle: () => undefined,
    });
    await settle(node);
    expect(() => process?.receive()).toThrow(expect.objectContaining({ code: 'TROUPE_RECEIVE_BUSY' }));
  });

  test('a handler may receive: the process waits within it', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const pid = node.spawn({
      name: 'asks back',
      init: () => undefined,
      handle: async (self: Process, message: unknown) => {
        self.send(probe.pid, [message, await self.receive(isNumber)]);
      },
    });
    for (const message of ['a', 'b', 1, 2]) node.send(pid, message);
    await settle(node);
    expect(probe.messages()).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  test.each(['sync', 'async'])(
    'a receive that a %s handler did not wait for is given up with it',
    async (kind) => {
      const node = makeNode();
      const handled: unknown[] = [];
      const stray: unknown[] = [];
      const behaviour: Behaviour = {
        name: 'careless',
        init: () => undefined,
        handle: (self, message) => {
          handled.push(message);
          if (message === 'stray') void self.receive().then((taken) => stray.push(taken));
          return kind === 'async' ? Promise.resolve() : undefined;
        },
      };
      const pid = node.spawn(behaviour);
      for (const message of ['stray', 1, 2]) {
        node.send(pid, message);
        await settle(node);
      }
      expect({ handled, stray }).toEqual({ handled: ['stray', 1, 2], stray: [] });
    },
  );

  test('a sync handler that leaves a receive behind does not take the receive of the next handler away', async () => {
    const node = makeNode();
    const handled: unknown[] = [];
    const behaviour: Behaviour = {
      name: 'careless',
      init: () => undefined,
      handle: (self, message) => {
        if (message !== 'stray') return takeOne(self, message);
        void self.receive();
        return undefined;
      },
    };
    async function takeOne(self: Process, message: unknown): Promise<void> {
      handled.push([message, await self.receive(isNumber)]);
    }
    const pid = node.spawn(behaviour);
    for (const message of ['stray', 'take', 1]) node.send(pid, message);
    await settle(node);
    expect(handled).toEqual([['take', 1]]);
  });
});

describe('order against signals', () => {
  test('downs and exits are received as messages, selectively too', async () => {
    const node = makeNode();
    await inProcess(
      node,
      async (self) => {
        const { pid, ref } = self.spawnMonitor(idle);
        self.link(pid);
        self.send(self.pid, 'first');
        self.exit(pid, 'gone');
        const isDown = (message: unknown) => (message as { ref?: unknown }).ref === ref;
        expect(await self.receive(isDown)).toMatchObject({ reason: 'gone' });
        expect(await self.receive()).toBe('first');
        expect(await self.receive()).toMatchObject({ from: pid, reason: 'gone' });
      },
      { trapExit: true },
    );
  });
});
