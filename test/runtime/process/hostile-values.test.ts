// Values whose own code throws: whatever a process throws, exits with or is ended with, it ends, and others hear of it.
import { createNode, defineServer, Down, formatReason, type Node, onTelemetry, type Pid } from 'troupe';
import { awaitExit } from 'troupe/testing';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { takeReports } from '../../../src/runtime/process/internal.ts';
import { reportAloud } from '../../support/quiet-reports.ts';

reportAloud();

const printed: string[] = [];
let node: Node;
/** Labels are new in each test: reports are counted for each. */
let count = 0;

beforeEach(() => {
  printed.length = 0;
  count++;
  node = createNode();
  vi.spyOn(console, 'error').mockImplementation((_format, text: string) => void printed.push(text));
});
afterEach(async () => {
  await node.stop();
  vi.restoreAllMocks();
});

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function withGetter(name: string): Error {
  return Object.defineProperty(new Error('odd'), name, {
    get: () => {
      throw new Error(`${name} is read`);
    },
  });
}

/** Of these not even the class can be asked for. */
const unsound: Readonly<Record<string, () => unknown>> = {
  'a proxy that was revoked': () => revoked({}),
  'a proxy of an error that was revoked': () => revoked(new Error('gone')),
  'a proxy of a function that was revoked': () => revoked(() => undefined),
  'a proxy of a pair that was revoked': () => revoked(['shutdown', 'done']),
  'a proxy whose traps throw': () =>
    new Proxy(
      {},
      {
        getPrototypeOf() {
          throw new Error('trap');
        },
      },
    ),
};
const errors: Readonly<Record<string, () => Error>> = {
  'an error with a stack that throws': () => withGetter('stack'),
  'an error with a message that throws': () => withGetter('message'),
  'an error with a name that throws': () => withGetter('name'),
  'an error whose message is an object': () => Object.assign(new Error('odd'), { message: {} }),
  'an error whose stack is an object': () => Object.assign(new Error('odd'), { stack: {} }),
};

/** What a process that monitors it hears of the end of another. */
async function endOf(pid: Pid, cause: () => void): Promise<unknown> {
  const heard = new Promise((resolve) => {
    node.spawn(async (self) => {
      self.monitor(pid);
      cause();
      resolve(await self.receive((message) => message instanceof Down));
    });
  });
  const down = (await heard) as Down;
  expect(node.isAlive(pid)).toBe(false);
  return down.reason;
}

const waiting = (thrown?: () => unknown) =>
  node.spawnWith({ label: `label_${count}` }, async (self) => {
    await self.receive();
    if (thrown !== undefined) throw thrown();
  });

describe.each(Object.entries(unsound))('%s', (_name, make) => {
  const reason = ['nocatch', expect.stringMatching(/^\[(object|function)\]$/)];

  test('that is thrown ends the process', async () => {
    const pid = waiting(make);
    expect(await endOf(pid, () => node.send(pid, 'go'))).toEqual(reason);
    const sync = node.spawnWith({ label: `label_${count}` }, () => {
      throw make();
    });
    expect(await awaitExit(node, sync)).toEqual(reason);
    expect(printed).toHaveLength(2);
  });

  test('that a process exits with, or is sent as an exit signal, ends it', async () => {
    const pid = node.spawn(async (self) => {
      await self.receive();
      self.exit(make());
    });
    expect(await endOf(pid, () => node.send(pid, 'go'))).toEqual(reason);
    const other = waiting();
    expect(await endOf(other, () => node.sendExit(node.initPid, other, make()))).toEqual(reason);
  });

  test('that a server throws ends it after its terminate', async () => {
    const ended: unknown[] = [];
    const server = await node.start(
      defineServer({
        name: 'odd',
        init: () => 0,
        cast: {
          fail: () => {
            throw make();
          },
        },
        terminate: (_state, why) => void ended.push(why),
      }),
    );
    expect(await endOf(server.pid, () => server.cast('fail', undefined))).toEqual(reason);
    expect(ended).toEqual([reason]);
  });
});

describe.each(Object.entries(errors))('%s', (_name, make) => {
  test('that is thrown ends the process, and is reported', async () => {
    const error = make();
    const pid = waiting(() => error);
    expect(await endOf(pid, () => node.send(pid, 'go'))).toBe(error);
    expect(printed).toEqual([expect.stringContaining('CRASH REPORT')]);
  });
});

test('a report that fails is printed instead', async () => {
  onTestFinished(
    takeReports(node, () => {
      throw new Error('of a logger');
    }),
  );
  const pid = waiting(() => withGetter('stack'));
  await endOf(pid, () => node.send(pid, 'go'));
  expect(printed).toEqual([expect.stringContaining(`exception: ${formatReason(withGetter('none'))}`)]);
});

test('an event carries a reason that can be looked at', async () => {
  const reasons: unknown[] = [];
  onTestFinished(onTelemetry('troupe:process:crash', ({ reason }) => void reasons.push(reason)));
  const pid = waiting(() => revoked([]));
  await endOf(pid, () => node.send(pid, 'go'));
  expect(reasons).toEqual([['nocatch', '[object]']]);
});
