// Probes, and what they say when a test waits for something that does not come.
import { call, Down, Exit } from 'troupe';
import { createProbe, DEFAULT_WITHIN_MS, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { idle, makeNode, turns } from '../process/helpers.ts';

const isNumber = (message: unknown): message is number => typeof message === 'number';

describe('receive', () => {
  test('takes the first message that matches, and leaves the others in order', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    for (const message of ['a', 1, 'b', 2]) node.send(probe.pid, message);
    expect(await probe.receive(isNumber)).toBe(1);
    expect(await probe.receive()).toBe('a');
    expect(probe.messages()).toEqual(['b', 2]);
  });

  test('waits for a message that is not there yet', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const received = probe.receive(isNumber);
    node.send(probe.pid, 'not this');
    await turns(2);
    node.send(probe.pid, 5);
    expect(await received).toBe(5);
    expect(probe.messages()).toEqual(['not this']);
  });

  test('of several that wait, each message goes to the first that wants it', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const received = [probe.receive(isNumber), probe.receive(), probe.receive(isNumber)];
    for (const message of [1, 2, 'x', 3]) node.send(probe.pid, message);
    expect(await Promise.all(received)).toEqual([1, 2, 3]);
    expect(probe.messages()).toEqual(['x']);
  });

  test('when the time is over it lists what was received instead', async () => {
    const node = makeNode();
    const probe = createProbe(node, { label: 'customer' });
    node.send(probe.pid, { op: 'other' });
    node.send(probe.pid, 'taken');
    await probe.receive((message) => message === 'taken');
    void call(node, probe.pid, 'get', { id: 1 }).catch(() => undefined);
    await expect(probe.receive(isNumber, { withinMs: 5 })).rejects.toMatchObject({
      code: 'TROUPE_TEST_TIMEOUT',
      message: [
        `After 5 ms customer ${probe.pid.toString()} had not received a message that matches isNumber; received and not taken: `,
        `  - { op: 'other' }`,
        `  - call 'get' from ${node.initPid.toString()}: { id: 1 }`,
        '  (1 had been taken before)',
        ' What the test waits for did not happen: see what came instead; raise withinMs only if the machine is too slow. [TROUPE_TEST_TIMEOUT]',
      ].join('\n'),
    });
  });

  test('the list is cut where it gets long, and so is each line', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    for (let i = 0; i < 50; i++) node.send(probe.pid, 'x'.repeat(10_000));
    const error: unknown = await probe.receive(isNumber, { withinMs: 5 }).catch((thrown: unknown) => thrown);
    const lines = (error as Error).message.split('\n');
    expect(lines).toHaveLength(23);
    expect(lines[21]).toBe('  and 30 more');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(250);
  });

  test('after the wait has failed, a message stays for the next receive', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    await expect(probe.receive(undefined, { withinMs: 1 })).rejects.toMatchObject({
      code: 'TROUPE_TEST_TIMEOUT',
    });
    node.send(probe.pid, 'late');
    expect(await probe.receive()).toBe('late');
  });

  test('a matcher that throws fails its own receive, and the message goes to others', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const bad = (): boolean => {
      throw new Error('bad matcher');
    };
    const received = [probe.receive(bad).catch((error: Error) => error.message), probe.receive()];
    node.send(probe.pid, 1);
    expect(await Promise.all(received)).toEqual(['bad matcher', 1]);
    node.send(probe.pid, 2);
    await settle(node);
    await expect(probe.receive(bad)).rejects.toThrow('bad matcher');
    expect(probe.messages()).toEqual([2]);
  });

  test('when the probe has ended, what it had received can be taken, and then the receive fails at once', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    node.send(probe.pid, 'last');
    await settle(node);
    const waiting = probe.receive(isNumber);
    probe.stop('enough');
    await expect(waiting).rejects.toMatchObject({ code: 'TROUPE_PROCESS_DEAD', reason: 'enough' });
    expect(await probe.receive()).toBe('last');
    await expect(probe.receive()).rejects.toMatchObject({ code: 'TROUPE_PROCESS_DEAD', reason: 'enough' });
  });

  test.each([0, -1, Number.NaN, Infinity, 3_600_001])('withinMs of %d is refused', async (withinMs) => {
    const probe = createProbe(makeNode());
    await expect(probe.receiveCall(undefined, { withinMs })).rejects.toMatchObject({
      code: 'TROUPE_BAD_ARGUMENT',
    });
  });

  test('the default limit is shorter than the 5,000 ms of the usual test runners', () => {
    expect(DEFAULT_WITHIN_MS).toBeLessThan(5000);
  });
});

describe('expectNone', () => {
  test('passes when nothing came, after all that was under way has come to its end', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    node.send(probe.pid, 'noise');
    await probe.expectNone(isNumber);
    expect(probe.messages()).toEqual(['noise']);
  });

  test('fails with what came, even when it comes over several processes', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const forward = (to: typeof probe.pid) => node.spawn(async (self) => self.send(to, await self.receive()));
    node.send(forward(forward(forward(probe.pid))), 7);
    await expect(probe.expectNone()).rejects.toMatchObject({
      code: 'TROUPE_TEST_UNEXPECTED',
      message: expect.stringContaining('\n  - 7\n') as string,
    });
  });

  test('clear() forgets what came before', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    node.send(probe.pid, 1);
    await settle(node);
    probe.clear();
    await expect(probe.expectNone()).resolves.toBeUndefined();
  });
});

describe('as a process', () => {
  test('it has a name, a label and a mailbox bound, and traps exits by default', async () => {
    const node = makeNode();
    const probe = createProbe(node, {
      name: 'probe',
      label: 'mine',
      trapExit: false,
      mailbox: { limit: 1, policy: 'reject' },
    });
    expect(node.whereis('probe')).toBe(probe.pid);
    expect(node.processInfo(probe.pid)).toMatchObject({ label: 'mine', trapExit: false });
    expect(node.processInfo(createProbe(node).pid)?.trapExit).toBe(true);
    node.send(probe.pid, 1);
    node.send(probe.pid, 2);
    await settle(node);
    expect(probe.messages()).toEqual([1]);
    node.exit(probe.pid, 'not trapped');
    expect(probe.alive).toBe(false);
  });

  test('it links, monitors, sends, exits and undoes it again', async () => {
    const node = makeNode();
    const [probe, other] = [createProbe(node), createProbe(node)];
    const target = node.spawn(idle);
    probe.link(target);
    const ref = probe.monitor(target);
    probe.send(other.pid, 'hello');
    probe.exit(target, 'gone');
    expect(await other.receive()).toBe('hello');
    expect(await probe.receive((message) => message instanceof Exit)).toEqual(new Exit(target, 'gone'));
    expect(await probe.receive()).toEqual(new Down(ref, target, 'gone'));
    const kept = node.spawn(idle);
    probe.link(kept);
    probe.unlink(kept);
    probe.demonitor(probe.monitor(kept));
    node.exit(kept, 'unnoticed');
    await expect(probe.expectNone()).resolves.toBeUndefined();
  });

  test('an exit signal to itself is one that comes from outside', async () => {
    const node = makeNode();
    const probe = createProbe(node, { trapExit: false });
    probe.exit(probe.pid, 'by itself');
    expect(probe.alive).toBe(false);
    expect(() => probe.exit(node.initPid, 'kill')).toThrow(
      expect.objectContaining({ code: 'TROUPE_PROCESS_DEAD' }),
    );
  });

  test('stop() ends it with a reason, as seen by those linked to it; twice is once', async () => {
    const node = makeNode();
    const [probe, other] = [createProbe(node), createProbe(node)];
    other.link(probe.pid);
    probe.stop('done');
    probe.stop('again');
    expect(await other.receive()).toEqual(new Exit(probe.pid, 'done'));
    await expect(other.expectNone()).resolves.toBeUndefined();
  });

  test('it stands in for a server: takes calls by name and answers them, and takes casts', async () => {
    const node = makeNode();
    const [server, client] = [createProbe(node), createProbe(node)];
    const answers = [client.call(server.pid, 'first', 1), client.call(server.pid, 'second', 2)];
    client.cast(server.pid, 'note', 3);
    const second = await server.receiveCall('second');
    expect([second.name, second.argument, second.from]).toEqual(['second', 2, client.pid]);
    second.reply('two');
    (await server.receiveCall()).reply('one');
    expect(await Promise.all(answers)).toEqual(['one', 'two']);
    expect(await server.receiveCast('note')).toEqual({ name: 'note', argument: 3 });
    expect(server.messages()).toEqual([]);
  });

  test('what it waits for in vain is named: a call, a cast', async () => {
    const node = makeNode();
    const server = createProbe(node);
    await expect(server.receiveCall('get', { withinMs: 1 })).rejects.toThrow("had not received a call 'get'");
    await expect(server.receiveCast(undefined, { withinMs: 1 })).rejects.toThrow('had not received a cast');
  });
});
