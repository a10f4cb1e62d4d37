// In whose async context code of a process runs: in none, or for good in the one of its spawn when it asked for that; never in
// that of who sent, called, killed or was handled before.
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  childProcess,
  defineServer,
  defineSupervisor,
  noReply,
  type Process,
  type SpawnOptions,
  started,
  TIMEOUT,
} from 'troupe';
import { describe, expect, test } from 'vitest';
import { Cluster } from '../distribution/cluster.ts';
import { inProcess, makeNode } from './helpers.ts';

const storage = new AsyncLocalStorage<string>();
const here = (): string => storage.getStore() ?? 'none';
const KEEP: SpawnOptions = { asyncContext: 'spawner' };

/** What was seen where, in order; and a promise of a number of them. */
function recorder(): {
  readonly seen: string[];
  note(where: string): void;
  until(count: number): Promise<string[]>;
} {
  const seen: string[] = [];
  let wake: () => void = () => undefined;
  return {
    seen,
    note: (where) => {
      seen.push(`${where}: ${here()}`);
      wake();
    },
    async until(count) {
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return seen;
    },
  };
}

/** A process that notes the context of everything that it does with a message. */
function noting(note: (where: string) => void) {
  return {
    name: 'noting',
    init: () => note('init'),
    handle: async (self: Process, message: unknown): Promise<void> => {
      note('handle');
      await Promise.resolve();
      note('after await');
      if (message !== 'receive') return;
      await self.receive((next) => {
        note('matcher');
        return next === 'found';
      });
      note('received');
      expect(await self.receive(() => false, { after: 1 })).toBe(TIMEOUT);
      note('after');
    },
  };
}

const EVERYWHERE = ['init', 'handle', 'after await', 'matcher', 'matcher', 'received', 'after'];

describe('a process', () => {
  test.each<[string, SpawnOptions, string]>([
    ['runs in no context', {}, 'none'],
    ['runs in that of its spawn when it asks for it', KEEP, 'spawner'],
  ])('%s, whoever sends', async (_title, options, expected) => {
    const node = makeNode();
    const { note, until } = recorder();
    const pid = storage.run('spawner', () => node.spawnWith(options, noting(note)));
    storage.run('sender', () => node.send(pid, 'receive'));
    await until(3);
    storage.run('second sender', () => node.send(pid, 'not this'));
    await until(4);
    storage.run('third sender', () => node.send(pid, 'found'));
    expect(await until(7)).toEqual(EVERYWHERE.map((where) => `${where}: ${expected}`));
  });

  test('of many that one turn wakes, each runs in its own', async () => {
    const node = makeNode();
    const { seen, note, until } = recorder();
    const names = Array.from({ length: 64 }, (_, index) => `request ${index}`);
    const pids = names.map((name) =>
      storage.run(name, () =>
        node.spawnWith(KEEP, {
          name,
          init: () => undefined,
          handle: async () => {
            note(name);
            await Promise.resolve();
            note(name);
          },
        }),
      ),
    );
    for (let round = 0; round < 3; round++) {
      storage.run('sender', () => pids.forEach((pid) => node.send(pid, round)));
      await until(128 * (round + 1));
    }
    expect(new Set(seen)).toEqual(new Set(names.map((name) => `${name}: ${name}`)));
  });

  test('that changes its context does not change that of the next turn', async () => {
    const node = makeNode();
    const { note, until } = recorder();
    const pid = node.spawn({
      name: 'enters',
      init: () => undefined,
      handle: (_self, message) => {
        note(String(message));
        storage.enterWith('entered');
      },
    });
    node.send(pid, 'first');
    await until(1);
    node.send(pid, 'second');
    expect(await until(2)).toEqual(['first: none', 'second: none']);
  });

  test('does not run in the first context of the program, which another has entered and left', async () => {
    const file = fileURLToPath(new URL('first-context-program.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file]);
    expect(stdout).toBe('one: none\ntwo: none\n');
  });

  test('hears of a timer that another started in no context', async () => {
    const node = makeNode();
    const { note, until } = recorder();
    const pid = node.spawn({ name: 'timed', init: () => undefined, handle: () => note('sendAfter') });
    storage.run('starter', () => node.sendAfter(3, pid, 'now'));
    expect(await until(1)).toEqual(['sendAfter: none']);
  });

  test('hears of an exit and of a down in its own, whoever caused it', async () => {
    const node = makeNode();
    const { note, until } = recorder();
    const victim = node.spawn({ name: 'victim', init: () => undefined, handle: () => undefined });
    const listen = (self: Process) => {
      self.trapExit(true);
      self.link(victim);
      self.monitor(victim);
    };
    const watcher = { name: 'watcher', init: listen, handle: () => note('told') };
    storage.run('spawner', () => {
      node.spawnWith(KEEP, watcher);
      node.spawn(watcher);
    });
    await inProcess(node, () => undefined);
    storage.run('killer', () => node.exit(victim, 'kill'));
    const seen = await until(4);
    expect(seen.toSorted()).toEqual(['told: none', 'told: none', 'told: spawner', 'told: spawner']);
  });

  test.each<[SpawnOptions, string]>([
    [{}, 'none'],
    [KEEP, 'spawner'],
  ])('with %o has listeners of its signal called in its own context', async (options, expected) => {
    const node = makeNode();
    const { note, until } = recorder();
    const pid = storage.run('spawner', () =>
      node.spawnWith(options, (self) => {
        self.signal.addEventListener('abort', () => note('abort'));
        note('ready');
        return new Promise(() => undefined);
      }),
    );
    await until(1);
    storage.run('killer', () => node.exit(pid, 'kill'));
    expect(await until(2)).toEqual([`ready: ${expected}`, `abort: ${expected}`]);
  });

  test('refuses another word for its context', () => {
    expect(() => makeNode().spawnWith({ asyncContext: 'mine' as never }, () => undefined)).toThrow(
      "asyncContext is 'none' or 'spawner', not 'mine'",
    );
  });
});

describe('a server', () => {
  const contexts = defineServer({
    name: 'contexts',
    init: (self, note: (where: string) => void) => {
      note('init');
      self.trapExit(true);
      return started({ note }, { continue: 'begin' });
    },
    continue: ({ note }) => note('continue'),
    call: {
      now: ({ note }) => {
        note('call');
        return here();
      },
      later: async ({ note }) => {
        await Promise.resolve();
        note('call after await');
        return here();
      },
      never: () => noReply(),
    },
    cast: { quiet: ({ note }) => (note('cast'), noReply({ timeoutMs: 1 })) },
    info: ({ note }, message) => note(message === TIMEOUT ? 'timeout' : 'info'),
    terminate: ({ note }) => note('terminate'),
  });

  test('runs in no context, whoever calls, casts, sends and stops it', async () => {
    const node = makeNode();
    const { note, until, seen } = recorder();
    const server = await storage.run('starter', () => node.start(contexts, [note]));
    await storage.run('caller', async () => {
      expect(await server.call('now')).toBe('none');
      expect(here()).toBe('caller');
      expect(await server.call('later')).toBe('none');
      expect(here()).toBe('caller');
      server.cast('quiet');
    });
    await until(6);
    storage.run('sender', () => node.send(server.pid, 'hello'));
    await until(7);
    await storage.run('stopper', () => server.stop());
    expect(seen).toEqual(
      ['init', 'continue', 'call', 'call after await', 'cast', 'timeout', 'info', 'terminate'].map(
        (where) => `${where}: none`,
      ),
    );
  });

  test('leaves its caller in its own context, process or not, also when the call fails', async () => {
    const node = makeNode();
    const server = await node.start(contexts, [() => undefined]);
    const body = async (self: Process): Promise<string[]> => {
      const seen: string[] = [];
      await server.call('later', undefined, { from: self });
      seen.push(here());
      await server.call('never', undefined, { from: self, timeoutMs: 1 }).catch(() => undefined);
      seen.push(here());
      await server.call('never', undefined, { timeoutMs: 1 }).then(undefined, () => seen.push(here()));
      await self.startLink(contexts, [() => undefined]);
      seen.push(here());
      return seen;
    };
    const kept = storage.run('mine', () => inProcess(node, body, KEEP));
    const none = storage.run('spawner', () => inProcess(node, body));
    expect(await kept).toEqual(Array.from({ length: 4 }, () => 'mine'));
    expect(await none).toEqual(Array.from({ length: 4 }, () => 'none'));
  });
});

describe('a supervisor', () => {
  test('starts and restarts its children in no context, whoever asked or killed', async () => {
    const node = makeNode();
    const { note, until } = recorder();
    const worker = { name: 'worker', init: () => note('init'), handle: () => undefined };
    const tree = defineSupervisor({
      name: 'tree',
      children: () => [childProcess(worker, [], { id: 'first', name: 'first', asyncContext: 'spawner' })],
    });
    const supervisor = await storage.run('starter', () => node.start(tree));
    await storage.run('asker', () => supervisor.startChild(childProcess(worker, [], { id: 'second' })));
    await until(2);
    storage.run('killer', () => node.exit(node.whereis('first') as never, 'kill'));
    expect(await until(3)).toEqual(['init: none', 'init: none', 'init: none']);
  });
});

describe('what comes from another node', () => {
  test('is handled in no context, whoever connected and sent', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x');
    if (a === undefined || b === undefined) throw new Error('no nodes');
    const { note, until } = recorder();
    const kept = storage.run('spawner', () => b.spawnWith({ ...KEEP, name: 'kept' }, noting(note)));
    const plain = b.spawn(noting(note));
    await storage.run('connects', () => a.connect('b@x'));
    storage.run('sender', () => {
      a.send(kept, 'hello');
      a.send(plain, 'hello');
    });
    const seen = await until(6);
    expect(seen.toSorted()).toEqual(
      ['spawner', 'none']
        .flatMap((who) => ['init', 'handle', 'after await'].map((where) => `${where}: ${who}`))
        .toSorted(),
    );
  });
});

describe('a tick of process.nextTick', () => {
  test.each([
    ['is held once the runtime is loaded, so that collections leave the class of ticks alone', 'troupe', 1],
    ['is not held without the runtime', 'node:net', 0],
  ])('%s', async (_title, module, held) => {
    const file = fileURLToPath(new URL('held-tick-program.ts', import.meta.url));
    const args = ['--expose-gc', '--import', 'tsx', file, module];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toBe(`${held} alive\n`);
  });
});
