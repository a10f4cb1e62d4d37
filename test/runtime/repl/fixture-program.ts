// A small application with a REPL, for the tests: a supervision tree with a server, a group and a channel, and the REPL's
// server in it. Its data folder is DATA_DIR; it prints a line of JSON when it is ready, and ends with its stdin.
import { connect } from 'node:net';
import { child, childProcess, createNode, defineServer, defineSupervisor, pg, pubsub } from 'troupe';
import { createMemoryNetwork } from 'troupe/testing';
import { replServer } from 'troupe/repl';

const counter = defineServer({
  name: 'counter',
  init: () => ({ count: 0 }),
  call: {
    add: (state, by: number) => (state.count += by),
    fail: (): never => {
      throw new Error('the counter cannot');
    },
    never: () => new Promise<never>(() => undefined),
  },
  cast: {
    reset: (state) => {
      state.count = 0;
    },
  },
  info: () => undefined,
});

/** A promise of the application's that is rejected with what leaves no trace. */
const broken = (what: string): Promise<never> => Promise.reject(new Error(what)).catch(rethrowWithoutStack);
function rethrowWithoutStack(error: Error): never {
  error.stack = error.message;
  throw error;
}

/** Fails in ways that have nothing to do with who asks for it. */
const fails = {
  timer: () => {
    setTimeout(() => {
      throw new Error('of the application');
    }, 1);
  },
  promise: () => {
    setTimeout(() => {
      void Promise.reject(new Error('of the application'));
    }, 1);
  },
  tick: () => {
    process.nextTick(() => {
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error
      throw 'Error: of the application';
    });
  },
  /** A process that fails when it gets a message. */
  careless: () =>
    node.spawn(async (self) => {
      await self.receive();
      void Promise.reject(new Error('of the application'));
      await self.receive();
    }),
  socket: () => {
    connect(1, '127.0.0.1').once('close', () => process.stderr.write('Error: of the application'));
  },
};

/** What a carrier would tell; the network in memory counts nothing. */
const none = { messages: 0, frames: 0, writes: 0, bytes: 0, ticks: 0 };
const up = { creation: 7, state: 'up', direction: 'out', since: new Date(0) } as const;
const peers = [
  {
    ...up,
    name: 'other@test',
    troupe: true,
    sent: { ...none, messages: 3, bytes: 300 },
    received: { ...none, messages: 2, bytes: 200 },
    queuedBytes: 17,
  },
  { ...up, name: 'erl@test', troupe: false, sent: none, received: none, queuedBytes: 0 },
  {
    ...up,
    name: 'new@test',
    state: 'connecting',
    direction: undefined,
    troupe: false,
    sent: none,
    received: none,
    queuedBytes: 0,
  },
] as const;

const dataDir = process.env['DATA_DIR'] ?? '';
const tree = defineSupervisor({
  name: 'fixture',
  children: [
    child(pg.scope('rooms'), [], { id: 'rooms' }),
    child(counter, [], { name: 'counter' }),
    childProcess(
      async (self) => {
        pubsub.join(self, 'notes');
        pg.join(self, 'rooms', ['room', 1]);
        await self.receive((message) => message === 'stop');
      },
      [],
      { id: 'listener', label: 'listens to notes' },
    ),
    child(
      replServer,
      [
        {
          dataDir,
          clientsMax: 8,
          syncLimitMs: Number(process.env['SYNC_LIMIT_MS']),
          variables: { broken, fails },
          peers: () => peers,
        },
      ],
      { name: 'repl_server' },
    ),
  ],
});

const network = createMemoryNetwork();
const node = createNode({ name: 'fixture@test', carrier: network.carrier('fixture@test') });
const supervisor = await node.start(tree);
await startOther();
process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid })}\n`);
process.stdin.resume();
process.stdin.on('end', () => {
  void supervisor.stop('shutdown').then(() => {
    process.stdout.write('stopped\n');
    return node.stop();
  });
});

/** A second node, with a server and a member of a channel. */
async function startOther(): Promise<void> {
  const other = createNode({ name: 'other@test', carrier: network.carrier('other@test') });
  await other.start(counter, [], { name: 'far_counter' });
  other.spawn(async (self) => {
    pubsub.join(self, 'far');
    await self.receive((message) => message === 'stop');
  });
  pubsub.start(node);
  await node.connect('other@test');
}
