// settle: when nothing happens any more; and the waits for one exit and one message.
import { call, type Process } from 'troupe';
import {
  awaitExit,
  awaitMessage,
  createManualClock,
  createMemoryNetwork,
  createProbe,
  settle,
} from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { deaf, idle, makeGate, makeNode, turns } from '../process/helpers.ts';

describe('settle', () => {
  test('waits until all that was sent is handled, over any number of processes and turns', async () => {
    const node = makeNode();
    let hops = 0;
    const relay = (self: Process, message: unknown): void => {
      hops++;
      if (hops < 10_000)
        self.send(self.spawn({ name: 'relay', init: () => undefined, handle: relay }), message);
    };
    node.send(node.spawn({ name: 'relay', init: () => undefined, handle: relay }), 'go');
    await settle(node);
    expect(hops).toBe(10_000);
  });

  test('waits for async handlers, whatever they await', async () => {
    const node = makeNode();
    let done = 0;
    const pid = node.spawn({
      name: 'async',
      init: () => undefined,
      handle: async () => {
        await turns(20);
        done++;
      },
    });
    for (let i = 0; i < 3; i++) node.send(pid, i);
    await settle(node);
    expect(done).toBe(3);
  });

  test('a process that waits for a message, a timer or the answer of a call is settled', async () => {
    const node = makeNode({ clock: createManualClock() });
    const server = createProbe(node);
    node.spawn(deaf);
    node.spawn(idle);
    node.spawn((self) => self.receive(() => true, { after: 1000 }));
    const caller = node.spawn((self) => call(node, server.pid, 'get', 0, { from: self }));
    await expect(settle(node)).resolves.toBeUndefined();
    const answered = awaitExit(node, caller);
    (await server.receiveCall()).reply(1);
    expect(await answered).toBe('normal');
  });

  test('a process that calls a busy server is not', async () => {
    const node = makeNode();
    const gate = makeGate();
    const server = node.spawn({
      name: 'busy',
      init: () => undefined,
      handle: async (_self: Process, request: unknown) => {
        await gate.opened;
        (request as { reply(value: unknown): void }).reply('done');
      },
    });
    const answers: unknown[] = [];
    node.spawn(async (self) => {
      answers.push(await call(node, server, 'get', 0, { from: self }));
    });
    const settled = settle(node);
    await turns(10);
    expect(answers).toEqual([]);
    gate.open();
    await settled;
    expect(answers).toEqual(['done']);
  });

  test('when the time is over it names who is busy', async () => {
    const node = makeNode();
    const gate = makeGate();
    const pid = node.spawnWith({ label: 'slow one' }, () => gate.opened);
    await expect(settle(node, { withinMs: 20 })).rejects.toMatchObject({
      code: 'TROUPE_TEST_TIMEOUT',
      message: expect.stringContaining(
        `\n  - slow one ${pid.toString()} awaits a promise in its handler`,
      ) as string,
    });
    await expect(settle(node, { except: [pid] })).resolves.toBeUndefined();
    gate.open();
  });

  test('when the run queue never gets empty it says so', async () => {
    const node = makeNode({ name: 'flooded@test' });
    const pid = node.spawn({
      name: 'endless',
      init: () => undefined,
      handle: (self: Process) => self.send(self.pid, 'again'),
    });
    node.send(pid, 'go');
    await expect(settle(node, { withinMs: 20 })).rejects.toThrow(
      'the run queue of flooded@test is not empty',
    );
  });

  test('several nodes that talk to each other settle together', async () => {
    const network = createMemoryNetwork();
    const [a, b] = [
      makeNode({ name: 'a@settle', carrier: network.carrier('a@settle') }),
      makeNode({ name: 'b@settle', carrier: network.carrier('b@settle') }),
    ];
    let bounces = 0;
    const bounce = {
      name: 'bounce',
      init: () => undefined,
      handle: (self: Process, message: unknown) => {
        const other = self.node === a ? b : a;
        if (++bounces < 100) self.send({ name: 'bounce', node: other.name }, message);
      },
    };
    for (const node of [a, b]) node.spawnWith({ name: 'bounce' }, bounce);
    await a.connect(b.name);
    a.send('bounce', 'go');
    await settle([a, b]);
    expect(bounces).toBe(100);
  });
});

describe('awaitExit', () => {
  test('resolves with the exit reason', async () => {
    const node = makeNode();
    const pid = node.spawn(idle);
    const ended = awaitExit(node, pid);
    node.exit(pid, ['any', 'reason']);
    expect(await ended).toEqual(['any', 'reason']);
  });

  test('of a process that is not alive it is noproc, as a monitor says', async () => {
    const node = makeNode();
    const pid = node.spawn(idle);
    node.exit(pid, 'kill');
    expect(await awaitExit(node, pid)).toBe('noproc');
  });

  test('when the time is over it says that the process is alive, and leaves nothing with it', async () => {
    const node = makeNode();
    const pid = node.spawnWith({ label: 'immortal' }, deaf);
    node.send(pid, 1);
    await expect(awaitExit(node, pid, { withinMs: 5 })).rejects.toMatchObject({
      code: 'TROUPE_TEST_TIMEOUT',
      message: expect.stringContaining(
        `immortal ${pid.toString()} was still alive, with 1 messages in its mailbox`,
      ) as string,
    });
    expect(node.find(pid)?.watchers).toBeNull();
  });
});

describe('awaitMessage', () => {
  test('gives a pid to what causes the message, and leaves no process behind', async () => {
    const node = makeNode();
    const echo = node.spawn({
      name: 'echo',
      init: () => undefined,
      handle: (self: Process, message: unknown) => {
        const [from, value] = message as [typeof self.pid, unknown];
        self.send(from, 'noise');
        self.send(from, value);
      },
    });
    const before = node.processes().length;
    const answer = await awaitMessage(
      node,
      (pid) => node.send(echo, [pid, 42]),
      (message): message is number => typeof message === 'number',
    );
    expect(answer).toBe(42);
    expect(node.processes()).toHaveLength(before);
  });

  test('fails with what the cause throws, or with what came instead', async () => {
    const node = makeNode();
    const failing = awaitMessage(node, () => {
      throw new Error('no cause');
    });
    await expect(failing).rejects.toThrow('no cause');
    const wrong = awaitMessage(
      node,
      (pid) => node.send(pid, 'wrong'),
      (message) => message === 'right',
      { withinMs: 5 },
    );
    await expect(wrong).rejects.toThrow("\n  - 'wrong'\n");
    expect(node.processes()).toEqual([node.initPid]);
  });
});
