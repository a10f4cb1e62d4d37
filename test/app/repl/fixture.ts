// A small application with a REPL, for the tests: a supervision tree with a server, a group and a channel, and the REPL's
// server in it. Its data folder is DATA_DIR; it prints a line of JSON when it is ready, and ends with its stdin.
import { child, childProcess, createNode, defineServer, defineSupervisor, pg, pubsub } from 'troupe';
import { replServer } from '../../../src/app/repl/server.ts';

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
          clientsMax: 4,
          syncLimitMs: 500,
          variables: { answer: 42, broken: () => Promise.reject(new Error('broken promise')) },
        },
      ],
      { name: 'repl_server' },
    ),
  ],
});

const node = createNode({ name: 'fixture@test' });
const supervisor = await node.start(tree);
process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid })}\n`);
process.stdin.resume();
process.stdin.on('end', () => {
  void supervisor.stop('shutdown').then(() => {
    process.stdout.write('stopped\n');
    return node.stop();
  });
});
