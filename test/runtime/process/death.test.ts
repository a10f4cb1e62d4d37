// What JavaScript that goes on running can still do after its process has died: nothing that others notice.
// In OTP the code of a dead process stops; here its pending promises go on, so this is where the differences are held.
import { call, type Node, type Pid, type Process } from 'troupe';
import { awaitExit, createManualClock, createMemoryNetwork, createProbe, settle } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import {
  deaf,
  idle,
  makeGate,
  makeNode,
  recordTelemetry,
  recordUnhandledRejections,
  turns,
} from './helpers.ts';

/** A server that never answers. */
const silent = (node: Node): Pid => node.spawn(deaf);

describe('AbortSignal', () => {
  test('it fires when the process ends, with the exit reason', async () => {
    const node = makeNode();
    const signals: AbortSignal[] = [];
    const pid = node.spawn(async (self) => {
      signals.push(self.signal);
      await deaf(self);
    });
    await settle(node);
    expect(signals[0]?.aborted).toBe(false);
    node.exit(pid, ['why', 1]);
    expect([signals[0]?.aborted, signals[0]?.reason]).toEqual([true, ['why', 1]]);
  });

  test('it fires for a normal end, too, and is one and the same each time it is asked for', async () => {
    const node = makeNode();
    const signals: AbortSignal[] = [];
    const pid = node.spawn((self) => {
      signals.push(self.signal, self.signal);
    });
    await awaitExit(node, pid);
    expect(signals[0]).toBe(signals[1]);
    expect([signals[0]?.aborted, signals[0]?.reason]).toEqual([true, 'normal']);
  });

  test.each(['with a label', undefined])(
    'asked for after the end, it has fired with the exit reason (%s)',
    async (label) => {
      const node = makeNode();
      let process: Process | undefined;
      const pid = node.spawnWith(label === undefined ? {} : { label }, {
        name: 'late',
        init: (self: Process) => {
          process = self;
        },
        handle: () => undefined,
      });
      await settle(node);
      node.exit(pid, 'gone');
      expect([process?.signal.aborted, process?.signal.reason]).toEqual([true, 'gone']);
    },
  );

  test('when its listeners run, the process is gone for everybody', async () => {
    const node = makeNode();
    const seen: unknown[] = [];
    const watcher = createProbe(node);
    const pid = node.spawnWith({ name: 'service' }, async (self) => {
      self.signal.addEventListener('abort', () => {
        seen.push(self.alive, node.isAlive(self.pid), node.whereis('service'));
      });
      await deaf(self);
    });
    watcher.monitor(pid);
    await settle(node);
    node.exit(pid, 'kill');
    expect(seen).toEqual([false, false, undefined]);
    expect(node.processInfo(watcher.pid)?.messageQueueLength).toBe(1);
  });

  test('a listener may end other processes, linked ones included', async () => {
    const node = makeNode();
    const pids: Pid[] = [];
    for (let i = 0; i < 3; i++) {
      pids.push(
        node.spawn(async (self) => {
          if (i > 0) self.link(pids[i - 1] as Pid);
          self.signal.addEventListener('abort', () => {
            for (const pid of pids) node.exit(pid, 'kill');
          });
          await deaf(self);
        }),
      );
    }
    await settle(node);
    node.exit(pids[1] as Pid, 'boom');
    expect(pids.map((pid) => node.isAlive(pid))).toEqual([false, false, false]);
  });
});

describe('code that goes on', () => {
  test('a killed process is dead at once, though its promise is still pending', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    const gate = makeGate();
    const pid = node.spawnWith({ name: 'stuck' }, () => gate.opened);
    probe.link(pid);
    await settle(node, { except: [pid] });
    node.exit(pid, 'kill');
    expect([node.isAlive(pid), node.whereis('stuck')]).toEqual([false, undefined]);
    await settle(node);
    expect(probe.messages()).toMatchObject([{ from: pid, reason: 'killed' }]);
    gate.open();
  });

  test('its later continuations can send nothing, and no rejection is left unhandled', async () => {
    const unhandled = recordUnhandledRejections();
    const node = makeNode();
    const probe = createProbe(node);
    const gate = makeGate();
    const log: string[] = [];
    const pid = node.spawn(async (self) => {
      self.link(probe.pid);
      try {
        await gate.opened;
        log.push(`alive: ${self.alive}`);
        self.send(probe.pid, 'from beyond');
        log.push('sent');
      } finally {
        log.push('finally');
      }
    });
    await settle(node, { except: [pid] });
    node.exit(pid, 'kill');
    gate.open();
    await turns(5);
    expect(log).toEqual(['alive: false', 'finally']);
    expect(probe.messages()).toMatchObject([{ reason: 'killed' }]);
    expect(unhandled).toEqual([]);
  });

  test('what it throws afterwards, or returns, changes nothing: it died once, with one reason', async () => {
    const unhandled = recordUnhandledRejections();
    const node = makeNode();
    const crashes = recordTelemetry('troupe:process:crash');
    const exits = recordTelemetry('troupe:process:exit');
    const gate = makeGate();
    const pids = [
      node.spawn(async () => {
        await gate.opened;
        throw new Error('too late');
      }),
      node.spawn(() => gate.opened),
      node.spawn({
        name: 'b',
        init: () => undefined,
        handle: async () => {
          await gate.opened;
          throw new Error('too late');
        },
      }),
    ];
    node.send(pids[2] as Pid, 'go');
    await settle(node, { except: pids });
    for (const pid of pids) node.exit(pid, 'reason');
    gate.open();
    await turns(5);
    expect(exits.map(({ reason }) => reason)).toEqual(['reason', 'reason', 'reason']);
    expect([crashes, unhandled]).toEqual([[], []]);
  });

  test('a receive that waits is ended, so that finally blocks run at once', async () => {
    const unhandled = recordUnhandledRejections();
    const node = makeNode();
    const log: unknown[] = [];
    const body = async (self: Process): Promise<void> => {
      try {
        await self.receive();
        log.push('received');
      } catch (thrown) {
        log.push((thrown as { reason: unknown }).reason);
        throw thrown;
      } finally {
        log.push(self.alive);
      }
    };
    const pids = [
      node.spawn(body),
      node.spawn({ name: 'b', init: () => undefined, handle: (self: Process) => body(self) }),
    ];
    node.send(pids[1] as Pid, 'go');
    await settle(node);
    for (const pid of pids) node.exit(pid, 'stop it');
    await turns(5);
    expect(log).toEqual(['stop it', false, 'stop it', false]);
    expect(unhandled).toEqual([]);
  });

  test('a process killed in its async init ends, and never handles a message', async () => {
    const node = makeNode();
    const gate = makeGate();
    const handled: unknown[] = [];
    const pid = node.spawn({
      name: 'slow to start',
      init: () => gate.opened,
      handle: (_self: Process, message: unknown) => void handled.push(message),
    });
    node.send(pid, 'early');
    await settle(node, { except: [pid] });
    node.exit(pid, 'kill');
    gate.open();
    await turns(5);
    expect([handled, node.isAlive(pid)]).toEqual([[], false]);
  });

  test('messages that it had not taken are gone, and a message to it does not bring it back', async () => {
    const node = makeNode();
    const pid = node.spawn(deaf);
    for (let i = 0; i < 10; i++) node.send(pid, i);
    await settle(node);
    node.exit(pid, 'kill');
    node.send(pid, 'late');
    await settle(node);
    expect([node.isAlive(pid), pid.process]).toEqual([false, null]);
  });
});

describe('calls of a dead process', () => {
  test('a caller killed while it waits: its code ends at once, and a later answer has no effect', async () => {
    const unhandled = recordUnhandledRejections();
    const clock = createManualClock();
    const node = makeNode({ clock });
    const server = createProbe(node);
    const log: unknown[] = [];
    const pid = node.spawn(async (self) => {
      try {
        log.push(await call(node, server.pid, 'get', undefined, { from: self }));
      } catch (thrown) {
        log.push((thrown as { reason: unknown }).reason);
        throw thrown;
      } finally {
        log.push('finally');
      }
    });
    const request = await server.receiveCall('get');
    node.exit(pid, 'gone');
    await turns(5);
    expect(log).toEqual(['gone', 'finally']);
    // As a monitor of the dead: the server is rid of it.
    expect([node.find(server.pid)?.watchers, clock.pending]).toEqual([null, 0]);
    request.reply('answer');
    await turns(5);
    expect([log.length, unhandled]).toEqual([2, []]);
  });

  test('a caller that waits for several calls ends them all, those that were answered already as well', async () => {
    const unhandled = recordUnhandledRejections();
    const node = makeNode();
    const server = createProbe(node);
    const outcomes: unknown[] = [];
    const pid = node.spawn(async (self) => {
      const calls = [0, 1, 2, 3, 4].map((i) =>
        call(node, server.pid, 'get', i, { from: self, timeoutMs: Infinity }),
      );
      outcomes.push(...(await Promise.allSettled(calls)).map(({ status }) => status));
      await Promise.all(calls);
    });
    const requests = [];
    for (let i = 0; i < 5; i++) requests.push(await server.receiveCall('get'));
    for (const index of [2, 4, 0]) requests[index]?.reply('answered');
    node.exit(pid, 'gone');
    await turns(5);
    // What was answered in the turn of the end does not reach the dead, either.
    expect(outcomes).toEqual(Array<string>(5).fill('rejected'));
    expect([node.find(server.pid)?.watchers, unhandled]).toEqual([null, []]);
  });

  test('a caller of another node that is killed reaches the server as a demonitor', async () => {
    const network = createMemoryNetwork();
    const [here, there] = [
      makeNode({ name: 'here@death', carrier: network.carrier('here@death') }),
      makeNode({ name: 'there@death', carrier: network.carrier('there@death') }),
    ];
    const server = createProbe(there);
    const pid = here.spawn((self) => call(here, server.pid, 'get', 0, { from: self, timeoutMs: Infinity }));
    await server.receiveCall('get');
    expect(there.find(server.pid)?.watchers).not.toBeNull();
    here.exit(pid, 'kill');
    await settle([here, there]);
    expect([there.find(server.pid)?.watchers, here.router.aliases.size]).toEqual([null, 0]);
  });

  test('a call that nobody awaits any more leaves no unhandled rejection when the caller is dead', async () => {
    const unhandled = recordUnhandledRejections();
    const clock = createManualClock();
    const node = makeNode({ clock });
    const server = silent(node);
    const pid = node.spawn(async (self) => {
      const answer = call(node, server, 'get', undefined, { from: self, timeoutMs: 100 });
      await self.receive();
      await answer;
    });
    await settle(node);
    node.exit(pid, 'kill');
    await clock.advance(100);
    await turns(5);
    expect(unhandled).toEqual([]);
  });

  test('a dead process cannot call', async () => {
    const node = makeNode();
    const server = node.spawn(idle);
    const probe = createProbe(node);
    probe.stop();
    await expect(call(node, server, 'get', undefined, { from: probe.self })).rejects.toMatchObject({
      code: 'TROUPE_PROCESS_DEAD',
    });
    await settle(node);
    expect(node.processInfo(server)?.messagesHandled).toBe(0);
  });
});
