// The scheduler's promises: no process starves another, and no load of processes starves the event loop.
// Counted in messages, turns and events, never in time. Each flood ends by itself after FLOOD_MAX messages, so that a
// starving event loop fails the test instead of hanging it.
// See "Erlang reference manual, Processes": processes are scheduled preemptively; here after reductions and slices of time.
import { readFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { setImmediate, setTimeout } from 'node:timers';
import { type Behaviour, call, type Node, type Pid, type Process, TIMEOUT } from 'troupe';
import { createProbe, settle } from 'troupe/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { idle, makeNode, turns } from './helpers.ts';

const FLOOD_MAX = 50_000_000;
/** Reductions of one run, REDUCTIONS_PER_RUN of scheduler.ts. */
const RUN = 2000;

/** Counts what a flood does, and says whether it goes on. */
class Flood {
  count = 0;
  max = FLOOD_MAX;
  #over = false;

  goesOn(): boolean {
    return ++this.count < this.max && !this.#over;
  }

  stop(): void {
    this.#over = true;
  }
}

/** Sends each message on to another process. */
function forwarder(flood: Flood): Behaviour<{ next: Pid | undefined }> {
  return {
    name: 'forwarder',
    init: () => ({ next: undefined }),
    handle: (self, message, state) => {
      if (message instanceof Object && 'next' in message) state.next = message.next as Pid;
      else if (state.next !== undefined && flood.goesOn()) self.send(state.next, message);
    },
  };
}

/** Processes in a ring that each have `waiting` messages to send on. */
function ring(node: Node, flood: Flood, size: number, waiting: number): Pid[] {
  const pids = Array.from({ length: size }, () => node.spawn(forwarder(flood)));
  pids.forEach((pid, index) => node.send(pid, { next: pids[(index + 1) % size] }));
  for (const pid of pids) for (let i = 0; i < waiting; i++) node.send(pid, i);
  return pids;
}

/** Replies to each call at once. */
const echo: Behaviour = {
  name: 'echo',
  init: () => undefined,
  handle: (_self, message) => {
    const { reply, argument } = message as { reply?: (value: unknown) => void; argument?: unknown };
    reply?.call(message, argument);
  },
};

const floods: ReadonlyArray<[what: string, start: (node: Node, flood: Flood) => void]> = [
  ['behaviours that send to each other', (node, flood) => void ring(node, flood, 4, 1000)],
  ['a behaviour that sends to itself', (node, flood) => void ring(node, flood, 1, 1)],
  [
    'async handlers with full mailboxes',
    (node, flood) => {
      for (let i = 0; i < 4; i++) {
        const pid = node.spawn({
          name: 'async',
          init: () => undefined,
          handle: (self: Process, message: unknown) => {
            if (flood.goesOn()) self.send(self.pid, message);
            return Promise.resolve();
          },
        });
        for (let n = 0; n < 1000; n++) node.send(pid, n);
      }
    },
  ],
  [
    'functions that loop on receive with full mailboxes',
    (node, flood) => {
      for (let i = 0; i < 100; i++) {
        const pid = node.spawn(async (self) => {
          while (flood.goesOn()) self.send(self.pid, await self.receive());
        });
        for (let n = 0; n < 100; n++) node.send(pid, n);
      }
    },
  ],
  [
    'one function that loops on receive with a full mailbox',
    (node, flood) => {
      const pid = node.spawn(async (self) => {
        while (flood.goesOn()) self.send(self.pid, await self.receive());
      });
      for (let n = 0; n < 1000; n++) node.send(pid, n);
    },
  ],
  [
    'a function that polls an empty mailbox',
    (node, flood) => {
      node.spawn(async (self) => {
        while (flood.goesOn() && (await self.receive(undefined as never, { after: 0 })) === TIMEOUT);
      });
    },
  ],
  [
    'a function that looks in vain through a long mailbox',
    (node, flood) => {
      flood.max = 20_000; // each of them looks at 10,000 messages
      const pid = node.spawn(async (self) => {
        while (flood.goesOn()) await self.receive(() => false, { after: 0 });
      });
      for (let n = 0; n < 10_000; n++) node.send(pid, n);
    },
  ],
  [
    'processes that call a server in a loop',
    (node, flood) => {
      const server = node.spawn(echo);
      for (let i = 0; i < 20; i++) {
        node.spawn(async (self) => {
          while (flood.goesOn()) await call(node, server, 'echo', i, { from: self });
        });
      }
    },
  ],
  [
    'code that is no process and calls a server in a loop',
    (node, flood) => {
      const server = node.spawn(echo);
      const loop = async (): Promise<void> => {
        while (flood.goesOn()) await call(node, server, 'echo', 1);
      };
      loop().catch(() => undefined); // the node stops in the midst of a call
    },
  ],
  [
    'processes that spawn the next and end',
    (node, flood) => {
      const spawnNext = (self: Process): void => {
        if (flood.goesOn()) self.spawn(spawnNext);
      };
      for (let i = 0; i < 10; i++) node.spawn(spawnNext);
    },
  ],
  [
    'a parent whose children crash and are started again',
    (node, flood) => {
      node.spawnWith(
        { trapExit: true },
        {
          name: 'parent',
          init: (self: Process) => void self.spawnLink(crashing),
          handle: (self: Process) => {
            if (flood.goesOn()) self.spawnLink(crashing);
          },
        },
      );
    },
  ],
];

function crashing(self: Process): void {
  self.exit('crash');
}

/** One message there and back over a socket of this machine. */
async function socketRoundTrip(): Promise<void> {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as { port: number }).port, '127.0.0.1');
  client.write('hello');
  await once(client, 'data');
  client.destroy();
  server.close();
  await once(server, 'close');
}

async function timers(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}

/** Messages there and back between a probe and a process that was there before the flood. */
async function roundTrips(node: Node, bystander: Pid, count: number): Promise<void> {
  const probe = createProbe(node);
  for (let i = 0; i < count; i++) {
    expect(await probe.call(bystander, 'echo', i, { timeoutMs: 20_000 })).toBe(i);
  }
}

describe('while processes flood each other, immediates, timers, files, sockets and other processes are served', () => {
  test.each(floods)('%s', async (_what, start) => {
    const node = makeNode();
    const bystander = node.spawn(echo);
    const flood = new Flood();
    onTestFinished(() => flood.stop());
    start(node, flood);
    await Promise.all([
      turns(20),
      timers(5),
      readFile(import.meta.filename),
      socketRoundTrip(),
      roundTrips(node, bystander, 10),
    ]);
    const during = flood.count;
    // It has run, it has not come to its own end, and it is still going on.
    expect(during).toBeGreaterThan(0);
    expect(during).toBeLessThan(flood.max);
    await turns(3);
    expect(flood.count).toBeGreaterThan(during);
    flood.stop();
  });
});

describe('while processes flood each other, each has its share', () => {
  test('a message to another process is handled after at most one run of each that was before it', async () => {
    const node = makeNode();
    const flood = new Flood();
    const size = 5;
    const handledAt: number[] = [];
    const bystander = node.spawn({
      name: 'bystander',
      init: () => undefined,
      handle: () => void handledAt.push(flood.count),
    });
    ring(node, flood, size, 10_000);
    await turns(3);
    for (let round = 0; round < 20; round++) {
      const sentAt = flood.count;
      node.send(bystander, 'your turn');
      for (let i = 0; handledAt.length <= round && i < 1000; i++) await turns(1);
      expect((handledAt[round] ?? Infinity) - sentAt).toBeLessThanOrEqual(size * RUN);
    }
    flood.stop();
    await settle(node);
  });

  test('equally loaded processes handle about the same number of messages', async () => {
    const node = makeNode({ sliceMs: 1000 }); // only reductions count
    const counts = Array<number>(10).fill(0);
    const total = () => counts.reduce((sum, count) => sum + count, 0);
    counts.forEach((_, index) => {
      const pid = node.spawn({
        name: 'loaded',
        init: () => undefined,
        handle: (self: Process, message: unknown) => {
          counts[index] = (counts[index] ?? 0) + 1;
          if (total() < 500_000) self.send(self.pid, message);
        },
      });
      for (let n = 0; n < 100; n++) node.send(pid, n);
    });
    await settle(node, { withinMs: 20_000 });
    expect(Math.min(...counts)).toBeGreaterThan(25_000);
    expect(Math.max(...counts)).toBeLessThan(100_000);
  });

  test('a process that sends much for each message does not outrun those that handle it', async () => {
    const node = makeNode({ sliceMs: 1000 }); // only reductions count
    let longest = 0;
    let left = 2000;
    const receiver = node.spawn(idle);
    const sender = node.spawn({
      name: 'sender',
      init: () => undefined,
      handle: (self: Process) => {
        for (let i = 0; i < 100; i++) self.send(receiver, i);
        longest = Math.max(longest, node.processInfo(receiver)?.messageQueueLength ?? 0);
        if (--left > 0) self.send(self.pid, 'more');
      },
    });
    node.send(sender, 'go');
    await settle(node, { withinMs: 20_000 });
    expect(node.processInfo(receiver)?.messagesHandled).toBe(200_000);
    expect(longest).toBeLessThan(10 * RUN);
  });

  test('functions that loop on receive let a process in between that has one message', async () => {
    const node = makeNode();
    const flood = new Flood();
    const size = 100;
    for (let i = 0; i < size; i++) {
      const pid = node.spawn(async (self) => {
        while (flood.goesOn()) self.send(self.pid, await self.receive());
      });
      for (let n = 0; n < 200; n++) node.send(pid, n);
    }
    const handledAt: number[] = [];
    const bystander = node.spawn(async (self) => {
      for (;;) {
        await self.receive();
        handledAt.push(flood.count);
      }
    });
    await turns(3);
    for (let round = 0; round < 20; round++) {
      const sentAt = flood.count;
      node.send(bystander, 'your turn');
      for (let i = 0; handledAt.length <= round && i < 1000; i++) await turns(1);
      expect((handledAt[round] ?? Infinity) - sentAt).toBeLessThanOrEqual(size * 64);
    }
    flood.stop();
    await settle(node);
  });
});

/** What a count grows by in each of 50 turns of the event loop, after a first one. */
async function countPerTurn(count: () => number): Promise<number[]> {
  await turns(1);
  const perTurn: number[] = [];
  await new Promise<void>((resolve) => {
    let before = count();
    const look = (): void => {
      perTurn.push(count() - before);
      before = count();
      if (perTurn.length < 50) setImmediate(look);
      else resolve();
    };
    setImmediate(look);
  });
  return perTurn;
}

describe('slices', () => {
  test('a turn of the event loop comes after a bounded number of messages, with the shortest slice', async () => {
    const node = makeNode({ sliceMs: 0.001 });
    const flood = new Flood();
    ring(node, flood, 2, 100);
    const perTurn = await countPerTurn(() => flood.count);
    flood.stop();
    // The clock is looked at every 32 messages, and every 16 turns that follow each other.
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(16 * 64);
    expect(Math.max(...perTurn)).toBeGreaterThan(0);
  });

  test('looking through a mailbox of a million messages yields to the event loop, too', async () => {
    const node = makeNode({ sliceMs: 0.001 });
    const flood = new Flood();
    let looks = 0;
    const pid = node.spawn(async (self) => {
      const never = (): boolean => {
        looks++;
        return false;
      };
      while (flood.goesOn()) await self.receive(never, { after: 0 });
    });
    for (let n = 0; n < 1_000_000; n++) node.send(pid, n);
    const perTurn = await countPerTurn(() => looks);
    flood.stop();
    // Two runs of 2,000 and the 16 receives of at most 128 looks that follow an answer.
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(2 * RUN + 16 * 128);
    expect(Math.max(...perTurn)).toBeGreaterThan(0);
  });

  test('two nodes in one operating system process share the event loop', async () => {
    const [one, two] = [makeNode({ name: 'one@test' }), makeNode({ name: 'two@test' })];
    const [first, second] = [new Flood(), new Flood()];
    ring(one, first, 2, 1000);
    ring(two, second, 2, 1000);
    await Promise.all([turns(20), timers(3)]);
    expect(first.count).toBeGreaterThan(1000);
    expect(second.count).toBeGreaterThan(1000);
    expect(Math.max(first.count, second.count)).toBeLessThan(FLOOD_MAX);
    for (const flood of [first, second]) flood.stop();
  });
});
