// The start protocol (`src/runtime/otp/proc-lib.ts`) against proc_lib of OTP 26: start/5, start_link/5, init_ack/2, init_fail/3.
import { describe, expect, test } from 'vitest';
import {
  createNode,
  defineServer,
  type Down,
  Exit,
  type Node,
  type Process,
  ProcessExit,
  type StartOptions,
  TroupeError,
} from 'troupe';
import { createManualClock, settle } from 'troupe/testing';
import { makeGate, recordUnhandledRejections, turns } from '../process/helpers.ts';
import { startBehaviour, type Startup } from '../../../src/runtime/otp/internal.ts';

type Init = (self: Process, startup: Startup) => unknown;

function start(
  node: Node,
  init: Init,
  options?: StartOptions,
  parent?: Process,
  linked = parent !== undefined,
): Promise<Process | undefined> {
  const behaviour = { name: 'tested', init, handle: () => undefined };
  return startBehaviour(node, parent, linked, behaviour, [], options);
}

/** Runs code as a process that traps exits or not, and tells how it went and what the process ended with. */
function inProcess<T>(
  node: Node,
  trapExit: boolean,
  body: (self: Process) => Promise<T>,
): { result: Promise<T>; ended: Promise<unknown> } {
  let resolve: (value: T) => void;
  let reject: (error: unknown) => void;
  const result = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  const ended = new Promise((done) => {
    node.spawn(async (observer) => {
      observer.spawnMonitor(async (self) => {
        self.trapExit(trapExit);
        await body(self).then(resolve, reject);
      });
      done(((await observer.receive()) as Down).reason);
    });
  });
  return { result, ended };
}

const thrower = (): never => {
  throw new Error('no file');
};

const ready: Init = (_self, startup) => {
  startup.acknowledge();
};

async function failure(promise: Promise<unknown>): Promise<TroupeError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TroupeError);
  return error as TroupeError;
}

describe('proc_lib:start/5', () => {
  test('answers when init has acknowledged', async () => {
    const node = createNode();
    const process = await start(node, ready);
    expect(process?.alive).toBe(true);
    expect(process?.behaviour.name).toBe('tested');
  });

  test('waits for an init that is asynchronous', async () => {
    const node = createNode();
    const order: string[] = [];
    const process = await start(node, async (_self, startup) => {
      await new Promise((done) => {
        setImmediate(done);
      });
      order.push('init');
      startup.acknowledge();
    });
    order.push('started');
    expect(order).toEqual(['init', 'started']);
    expect(process?.alive).toBe(true);
  });

  test.each<[string, Init, unknown]>([
    ['throws', thrower, 'no file'],
    ['exits', (self) => self.exit('bad_config'), 'bad_config'],
    ['rejects', async () => thrower(), 'no file'],
    ['exits asynchronously', async (self) => self.exit(['shutdown', 1]), ['shutdown', 1]],
  ])('{error, Reason} when init %s; the name is free again', async (_how, init, reason) => {
    const node = createNode();
    const error = await failure(start(node, init, { name: 'one' }));
    expect(error.code).toBe('TROUPE_START_FAILED');
    expect(error.reason instanceof Error ? error.reason.message : error.reason).toEqual(reason);
    expect(node.whereis('one')).toBeUndefined();
    await start(node, ready, { name: 'one' });
  });

  test('init_fail/3: the reason is reported and the process ends with normal', async () => {
    const node = createNode();
    const ends: unknown[] = [];
    const error = await failure(
      start(node, (self, startup) => {
        self.signal.addEventListener('abort', () => ends.push(self.signal.reason));
        return startup.fail('no_port');
      }),
    );
    expect([error.code, error.reason]).toEqual(['TROUPE_START_FAILED', 'no_port']);
    expect(ends).toEqual(['normal']);
  });

  test('ignore: answers undefined, the process is gone and its name free', async () => {
    const node = createNode();
    expect(await start(node, (_self, startup) => startup.ignore(), { name: 'one' })).toBeUndefined();
    expect(node.whereis('one')).toBeUndefined();
  });

  test('a name that is taken: already_started with the pid, and init does not run', async () => {
    const node = createNode();
    const first = await start(node, ready, { name: 'one' });
    let ran = false;
    const error = await failure(
      start(
        node,
        (_self, startup) => {
          ran = true;
          startup.acknowledge();
        },
        { name: 'one' },
      ),
    );
    expect(error.code).toBe('TROUPE_NAME_TAKEN');
    expect(error.reason).toEqual(['already_started', first?.pid]);
    expect(ran).toBe(false);
  });

  test('{error, timeout}: the process is killed and its name free', async () => {
    const node = createNode();
    const ends: unknown[] = [];
    const never = new Promise(() => undefined);
    const error = await failure(
      start(
        node,
        (self) => {
          self.signal.addEventListener('abort', () => ends.push(self.signal.reason));
          return never;
        },
        { name: 'slow', timeoutMs: 1 },
      ),
    );
    expect([error.code, error.reason]).toEqual(['TROUPE_START_TIMEOUT', 'timeout']);
    expect(ends).toEqual(['killed']);
    expect(node.whereis('slow')).toBeUndefined();
  });

  test('an invalid timeout is refused', async () => {
    const error = await failure(start(createNode(), ready, { timeoutMs: -1 }));
    expect(error.code).toBe('TROUPE_BAD_ARGUMENT');
  });

  test('a starter that is killed while it waits leaves the process alone, and so does the timeout', async () => {
    const clock = createManualClock();
    const node = createNode({ clock });
    const entered = makeGate();
    const gate = makeGate();
    const starter = node.spawn(async (self) => {
      const init: Init = async (_self, startup) => {
        entered.open();
        await gate.opened;
        startup.acknowledge();
      };
      await start(node, init, { name: 'child', timeoutMs: 50 }, self, false);
    });
    await entered.opened;
    node.exit(starter, 'kill');
    await clock.advance(100);
    gate.open();
    await settle(node);
    expect(node.processInfo(node.whereis('child') as never)?.status).toBe('waiting');
  });
});

test('a start that fails after the end of its starter causes no unhandled rejection', async () => {
  const node = createNode();
  const rejections = recordUnhandledRejections();
  const gate = makeGate();
  const starter = node.spawn(async (self) => {
    void start(node, () => gate.opened.then(thrower), {}, self, false);
    void self.start(defineServer({ init: () => gate.opened.then(thrower) }));
    await self.receive();
  });
  await turns(2);
  node.exit(starter, 'kill');
  gate.open();
  await settle(node);
  await turns(2);
  expect(rejections).toEqual([]);
});

describe('proc_lib:start_link/5', () => {
  test('the link is there before init runs', async () => {
    const node = createNode();
    const { result } = inProcess(node, false, async (self) => {
      let links: unknown;
      await start(
        node,
        (child, startup) => {
          links = node.processInfo(child.pid)?.links;
          startup.acknowledge();
        },
        {},
        self,
      );
      return [links, self.pid];
    });
    const [links, pid] = await result;
    expect(links).toEqual([pid]);
  });

  test('a starter that traps exits gets the error, and no Exit stays', async () => {
    const node = createNode();
    const { result, ended } = inProcess(node, true, async (self) => {
      const error = await failure(start(node, (child) => child.exit('boom'), {}, self));
      const left = await self.receive(() => true, { after: 0 });
      return { error, left, links: node.processInfo(self.pid)?.links };
    });
    const { error, left, links } = await result;
    expect([error.code, error.reason]).toEqual(['TROUPE_START_FAILED', 'boom']);
    expect(left).not.toBeInstanceOf(Exit);
    expect(links).toEqual([]);
    expect(await ended).toBe('normal');
  });

  test('a starter that does not trap exits ends with the process', async () => {
    const node = createNode();
    const { result, ended } = inProcess(node, false, (self) =>
      start(node, (child) => child.exit('boom'), {}, self),
    );
    expect(await ended).toBe('boom');
    await expect(result).rejects.toBeInstanceOf(ProcessExit);
  });

  test.each([true, false])(
    'init_fail and ignore leave the starter alone (trapping: %s)',
    async (trapping) => {
      const node = createNode();
      const { result, ended } = inProcess(node, trapping, async (self) => {
        const error = await failure(start(node, (_child, startup) => startup.fail('no'), {}, self));
        const ignored = await start(node, (_child, startup) => startup.ignore(), {}, self);
        return { error, ignored, left: node.processInfo(self.pid)?.messageQueueLength };
      });
      const { error, ignored, left } = await result;
      expect(error.reason).toBe('no');
      expect(ignored).toBeUndefined();
      expect(left).toBe(0);
      expect(await ended).toBe('normal');
    },
  );

  test('kill_flush_EXIT: a timeout does not reach the starter through the link', async () => {
    const node = createNode();
    const never = new Promise(() => undefined);
    const { result, ended } = inProcess(node, false, async (self) => {
      const error = await failure(start(node, () => never, { timeoutMs: 1 }, self));
      return error.code;
    });
    expect(await result).toBe('TROUPE_START_TIMEOUT');
    expect(await ended).toBe('normal');
  });

  test('after the start the link works like any other', async () => {
    const node = createNode();
    const { result } = inProcess(node, true, async (self) => {
      const child = await start(node, ready, {}, self);
      node.exit((child as Process).pid, 'later');
      const exit = (await self.receive()) as Exit;
      return [exit, child?.pid] as const;
    });
    const [exit, pid] = await result;
    expect(exit).toBeInstanceOf(Exit);
    expect([exit.from, exit.reason]).toEqual([pid, 'later']);
  });
});
