// Spawning: from functions and behaviours, with options, and how many.
import { type Behaviour, type Process, type SpawnOptions } from 'troupe';
import { awaitExit, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { idle, inProcess, makeNode, recordTelemetry } from './helpers.ts';

const fail = (): never => {
  throw new Error('failed');
};
const failLater = (): Promise<never> => Promise.reject(new Error('failed'));

describe('functions', () => {
  test('erlang:spawn/1: the process ends with normal when its function returns', async () => {
    const node = makeNode();
    expect(
      await awaitExit(
        node,
        node.spawn(() => 'ignored'),
      ),
    ).toBe('normal');
    expect(
      await awaitExit(
        node,
        node.spawn(async () => 'ignored'),
      ),
    ).toBe('normal');
  });

  test('erlang:spawn/3: arguments are passed on', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    node.spawn((self: Process, a: number, b: string) => self.send(probe.pid, [a, b]), 1, 'two');
    expect(await probe.receive()).toEqual([1, 'two']);
  });

  test('erlang:spawn/1: the pid is there before the function runs', () => {
    const node = makeNode();
    let ran = false;
    const pid = node.spawn(() => {
      ran = true;
    });
    expect([ran, node.isAlive(pid)]).toEqual([false, true]);
  });

  test('erlang:error/1: what the function throws is the reason, an Error unchanged', async () => {
    const node = makeNode();
    const error = new Error('broken');
    const throwing = [
      () => {
        throw error;
      },
      async () => {
        throw error;
      },
    ];
    for (const body of throwing) expect(await awaitExit(node, node.spawn(body))).toBe(error);
  });

  test('erlang:throw/1: a thrown value other than an Error is the reason {nocatch, Value}', async () => {
    const node = makeNode();
    const pid = node.spawn(() => {
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- what this test is about
      throw 'ball';
    });
    expect(await awaitExit(node, pid)).toEqual(['nocatch', 'ball']);
  });

  test('erlang:exit/1 ends the process with any reason, from any depth', async () => {
    const node = makeNode();
    for (const reason of ['normal', 'shutdown', ['shutdown', 1], 'kill', 42, undefined, { why: 'object' }]) {
      const deep = (self: Process): never => self.exit(reason);
      expect(
        await awaitExit(
          node,
          node.spawn((self) => deep(self)),
        ),
      ).toEqual(reason);
      const later = async (self: Process): Promise<void> => {
        await Promise.resolve();
        deep(self);
      };
      expect(await awaitExit(node, node.spawn(later))).toEqual(reason);
    }
  });

  test('messages to a function that ignores them are lost with it', async () => {
    const node = makeNode();
    const pid = node.spawn(() => undefined);
    node.send(pid, 'one');
    node.send(pid, 'two');
    expect(await awaitExit(node, pid)).toBe('normal');
    expect(() => node.send(pid, 'three')).not.toThrow();
  });
});

describe('behaviours', () => {
  const collector: Behaviour<{ seen: unknown[] }, readonly [seen: unknown[]]> = {
    name: 'collector',
    init: (_self, seen) => ({ seen }),
    handle: (_self, message, state) => {
      state.seen.push(message);
    },
  };

  test('init runs first, then handle, once for each message in order', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    const pid = node.spawn(collector, seen);
    node.send(pid, 1);
    node.send(pid, 2);
    await settle(node);
    expect(seen).toEqual([1, 2]);
  });

  test('messages wait until an async init is done', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    let finish: () => void = () => undefined;
    const slow: Behaviour<unknown[]> = {
      name: 'slow',
      init: () =>
        new Promise((resolve) => {
          finish = () => resolve(seen);
        }),
      handle: (_self, message, state) => {
        state.push(message);
      },
    };
    const pid = node.spawn(slow);
    node.send(pid, 'early');
    await settle(node, { except: [pid] });
    expect(seen).toEqual([]);
    finish();
    await settle(node);
    expect(seen).toEqual(['early']);
  });

  test('while an async handler is under way nothing else is handled', async () => {
    const node = makeNode();
    const log: string[] = [];
    let finish: () => void = () => undefined;
    const behaviour: Behaviour = {
      name: 'slow',
      init: () => undefined,
      handle: (_self, message) => {
        log.push(`begin ${String(message)}`);
        return new Promise((resolve) => {
          finish = () => {
            log.push(`end ${String(message)}`);
            resolve();
          };
        });
      },
    };
    const pid = node.spawn(behaviour);
    node.send(pid, 1);
    node.send(pid, 2);
    await settle(node, { except: [pid] });
    expect(log).toEqual(['begin 1']);
    finish();
    await settle(node, { except: [pid] });
    expect(log).toEqual(['begin 1', 'end 1', 'begin 2']);
    node.exit(pid, 'kill');
  });

  test('what settles twice, being no promise of the language, is one handler still', async () => {
    const node = makeNode();
    const log: string[] = [];
    const settleTwice: Array<() => void> = [];
    const pid = node.spawn({
      name: 'twice',
      init: () => undefined,
      handle: (_self, message) => {
        log.push(String(message));
        // oxlint-disable-next-line no-thenable -- it is what is tested
        const thenable = { then: (resolve: () => void) => void settleTwice.push(resolve) };
        return thenable as unknown as Promise<void>;
      },
    });
    for (const message of ['a', 'b', 'c']) node.send(pid, message);
    await settle(node, { except: [pid] });
    for (let i = 0; i < 2; i++) settleTwice[0]?.();
    await settle(node, { except: [pid] });
    settleTwice[0]?.();
    await settle(node, { except: [pid] });
    expect(log).toEqual(['a', 'b']);
    node.exit(pid, 'kill');
  });

  test.each<[string, Behaviour]>([
    ['init throws', { name: 'failing', init: fail, handle: () => undefined }],
    ['init rejects', { name: 'failing', init: failLater, handle: () => undefined }],
    ['handle throws', { name: 'failing', init: () => undefined, handle: fail }],
    ['handle rejects', { name: 'failing', init: () => undefined, handle: failLater }],
  ])('when %s the process ends with the error', async (_title, behaviour) => {
    const node = makeNode();
    const pid = node.spawn(behaviour);
    node.send(pid, 'go');
    expect(await awaitExit(node, pid)).toMatchObject({ message: 'failed' });
  });
});

test.each([undefined, null, 7, 'name', {}, { name: 'half', init: () => undefined }])(
  'erlang:spawn/1: what cannot be run, such as %j, is an error where it is spawned',
  (body) => {
    const node = makeNode();
    expect(() => node.spawn(body as never)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
    expect(node.processes()).toEqual([node.initPid]);
  },
);

describe('spawning and linking in one step', () => {
  test('erlang:spawn_link/1: the link is there before the new process can end', async () => {
    const node = makeNode();
    const parent = node.spawn(async (self) => {
      self.spawnLink((child) => child.exit('gone'));
      await self.receive();
    });
    expect(await awaitExit(node, parent)).toBe('gone');
  });

  test('erlang:spawn_monitor/1: the Down carries the ref that it returned', async () => {
    const node = makeNode();
    await inProcess(node, async (self) => {
      const { pid, ref } = self.spawnMonitor((child) => child.exit('gone'));
      expect(await self.receive()).toMatchObject({ ref, target: pid, reason: 'gone' });
    });
  });

  test('erlang:process_info(parent): the spawner; undefined for what was spawned from outside', async () => {
    const node = makeNode();
    const outside = node.spawn(idle);
    expect(node.processInfo(outside)?.parent).toBeUndefined();
    await inProcess(node, (self) => {
      expect(node.processInfo(self.spawn(idle))?.parent).toBe(self.pid);
    });
  });
});

describe('options', () => {
  test('erlang:spawn_opt/2: label, name, trapExit and mailbox are set before it runs', async () => {
    const node = makeNode();
    const options: SpawnOptions = { label: 'worker 1', name: 'worker', trapExit: true };
    const pid = node.spawnWith(options, idle);
    expect(node.processInfo(pid)).toMatchObject({
      label: 'worker 1',
      registeredName: 'worker',
      trapExit: true,
    });
  });

  test('a name that is taken leaves no process behind', () => {
    const node = makeNode();
    node.spawnWith({ name: 'taken' }, idle);
    const before = node.processes().length;
    expect(() => node.spawnWith({ name: 'taken' }, idle)).toThrow(
      expect.objectContaining({ code: 'TROUPE_NAME_TAKEN' }),
    );
    expect(node.processes()).toHaveLength(before);
  });

  test.each([
    { limit: 0, policy: 'reject' },
    { limit: -1, policy: 'reject' },
    { limit: 1.5, policy: 'exit' },
    { limit: Number.NaN, policy: 'exit' },
    { limit: 10, policy: 'explode' },
  ])('a mailbox bound of %j is refused, and leaves no process behind', (mailbox) => {
    const node = makeNode();
    const before = node.processes().length;
    expect(() => node.spawnWith({ mailbox: mailbox as never }, idle)).toThrow(
      expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
    );
    expect(node.processes()).toHaveLength(before);
  });
});

describe('limit', () => {
  test('erl +P: beyond maxProcesses spawn fails with TROUPE_SYSTEM_LIMIT (system_limit), until one ends', () => {
    const node = makeNode({ maxProcesses: 3 }); // init is one of them
    const first = node.spawn(idle);
    node.spawn(idle);
    expect(() => node.spawn(idle)).toThrow(expect.objectContaining({ code: 'TROUPE_SYSTEM_LIMIT' }));
    node.exit(first, 'kill');
    expect(node.isAlive(node.spawn(idle))).toBe(true);
  });

  test('a process that cannot spawn ends with the error, like any other', async () => {
    const node = makeNode({ maxProcesses: 2 });
    const pid = node.spawn((self) => {
      self.spawn(idle);
    });
    expect(await awaitExit(node, pid)).toMatchObject({ code: 'TROUPE_SYSTEM_LIMIT' });
  });
});

describe('events', () => {
  test('troupe:process:spawn, :exit and :crash report each process, and making a node causes none', async () => {
    const [spawned, exited, crashed] = [
      recordTelemetry('troupe:process:spawn'),
      recordTelemetry('troupe:process:exit'),
      recordTelemetry('troupe:process:crash'),
    ];
    const node = makeNode();
    const error = new Error('broken');
    const bad = node.spawnWith({ label: 'bad', name: 'baddy' }, () => {
      throw error;
    });
    const good = node.spawn(function good(self) {
      self.exit('on purpose');
    });
    await settle(node);
    expect(spawned).toContainEqual({ pid: bad, label: 'bad', parent: node.initPid });
    expect(spawned).toContainEqual({ pid: good, label: 'good', parent: node.initPid });
    expect(exited).toEqual([
      { pid: bad, label: 'bad', name: 'baddy', reason: error },
      { pid: good, label: 'good', name: undefined, reason: 'on purpose' },
    ]);
    expect(crashed).toEqual([{ pid: bad, label: 'bad', name: 'baddy', reason: error }]);
  });
});
