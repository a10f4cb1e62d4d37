/**
 * WebSockets and controllers: a server in one process, its clients in another, beside a plain server of `ws` or of Fastify, and the
 * `publish` of Bun where the tests have installed it. The servers stay up between runs, so that all can be measured in turns.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { prepareRuntime } from '../../scripts/lib/nodes.mjs';
import { PAIRS } from '../lib/measure.mjs';

const RUN_MS = 1_000;
const serverProgram = fileURLToPath(new URL('../peers/fanout-server.mjs', import.meta.url));
const loadProgram = fileURLToPath(new URL('../peers/fanout-load.mjs', import.meta.url));
const bunProgram = fileURLToPath(new URL('../peers/bun-server.mjs', import.meta.url));

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A program that answers each message with one. */
class Peer {
  /**
   * @param {string} program
   * @param {string[]} args
   * @param {import('node:child_process').ForkOptions} options
   */
  constructor(program, args = [], options = { execArgv: ['--expose-gc'] }) {
    this.child = fork(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    running.add(this.child);
    this.child.once('exit', () => running.delete(this.child));
    this.first = this.#next();
  }

  /** @returns {Promise<any>} */
  #next() {
    return new Promise((resolve, reject) => {
      this.child.once('exit', reject);
      this.child.once('message', (message) => {
        this.child.off('exit', reject);
        resolve(message);
      });
    });
  }

  /** @param {object} message */
  ask(message) {
    const answer = this.#next();
    this.child.send(message);
    return answer;
  }

  close() {
    this.child.disconnect();
  }
}

/**
 * A server of a kind with so many WebSockets open.
 * @param {string} kind
 * @param {number} clients
 */
async function openFanout(kind, clients) {
  const server =
    kind === 'bun'
      ? new Peer(bunProgram, [], { execArgv: [], execPath: bunPath })
      : new Peer(serverProgram, [kind]);
  const load = new Peer(loadProgram);
  const { port } = await server.first;
  const before = await server.ask({ collect: true });
  await load.ask({ what: 'open', port, count: clients });
  const after = await server.ask({ collect: true });
  return {
    bytesPerConnection: (after.rss - before.rss) / clients,
    /** @param {number} writers */
    run: (writers, forMs = RUN_MS) => load.ask({ what: 'fanout', writers, forMs }),
    close() {
      load.close();
      server.close();
    },
  };
}

/**
 * A server of a kind for plain requests.
 * @param {string} kind
 */
async function openHttp(kind) {
  const server = new Peer(serverProgram, [kind]);
  const load = new Peer(loadProgram);
  const { port } = await server.first;
  return {
    async run(forMs = RUN_MS) {
      const start = await server.ask({});
      const figures = await load.ask({ what: 'http', port, forMs });
      const end = await server.ask({});
      return { ...figures, cpuUs: ((end.cpuMs - start.cpuMs) * 1_000) / figures.answers };
    },
    close() {
      load.close();
      server.close();
    },
  };
}

/** Bun, where it is installed. */
const bun = await prepareRuntime('bun', '1.4', { install: false });
const bunPath = 'path' in bun ? bun.path : undefined;

/**
 * Measures servers in turns, and gives all figures of each.
 * @param {Array<{ run: (...args: any[]) => Promise<Record<string, number>> }>} servers
 * @param {...unknown} args
 */
async function inTurns(servers, ...args) {
  const all = servers.map(() => /** @type {Array<Record<string, number>>} */ ([]));
  for (let pair = 0; pair < PAIRS; pair++) {
    // None of them always follows the same one.
    for (const index of pair % 2 === 0 ? servers.keys() : [...servers.keys()].toReversed()) {
      all[index]?.push((await servers[index]?.run(...args)) ?? {});
    }
  }
  return all;
}

/**
 * What is measured once and shown in several rows: gives the figures of one server, one after the other.
 * @param {() => Promise<Array<Array<Record<string, number>>>>} measure
 */
function shared(measure) {
  /** @type {ReturnType<typeof measure> | undefined} */
  let measured;
  return (/** @type {number} */ server, /** @type {'perSecond' | 'p99' | 'cpuUs'} */ figure) => {
    let next = 0;
    return async () => {
      measured ??= measure();
      return (await measured)[server]?.[next++]?.[figure] ?? Number.NaN;
    };
  };
}

/** @param {number} clients @param {number} writers */
async function fanout(clients, writers) {
  const servers = [await openFanout('troupe', clients), await openFanout('ws', clients)];
  if (showsBun(clients)) servers.push(await openFanout('bun', clients));
  const figures = await inTurns(servers, writers, clients > 1_000 ? 3 * RUN_MS : RUN_MS);
  servers.forEach((server) => server.close());
  return figures;
}

/** @param {string} kind @param {string} beside */
async function requests(kind, beside) {
  const servers = [await openHttp(kind), await openHttp(beside)];
  const figures = await inTurns(servers);
  servers.forEach((server) => server.close());
  return figures;
}

/** @param {string} kind */
async function idleBytes(kind) {
  const server = await openFanout(kind, 5_000);
  server.close();
  return server.bytesPerConnection;
}

/** @param {number} clients */
const showsBun = (clients) => bunPath !== undefined && clients === 1_000;

/** The workloads: a name, what is asked, and both sides. */
export const socketWorkloads = [
  ...[100, 1_000, 5_000].flatMap((clients) =>
    [
      [1, 1.3],
      [8, 5],
      [64, 10],
    ].flatMap(([writers = 0, asked = 0]) => {
      const figures = shared(() => fanout(clients, writers));
      const name = `websockets_${clients}_writers_${writers}`;
      const unit = 'deliveries/s';
      return [
        {
          name,
          unit,
          ...(clients === 100 ? {} : { asked }),
          beside: { name: 'ws', run: figures(1, 'perSecond') },
          run: figures(0, 'perSecond'),
        },
        {
          name: `${name}_p99`,
          unit: 'ms',
          less: true,
          ...(clients === 100 ? {} : { asked: 1 }),
          beside: { name: 'ws', run: figures(1, 'p99') },
          run: figures(0, 'p99'),
        },
        ...(showsBun(clients)
          ? [
              {
                name: `${name}_bun`,
                unit,
                beside: { name: 'Bun', run: figures(2, 'perSecond') },
                run: figures(0, 'perSecond'),
              },
            ]
          : []),
      ];
    }),
  ),
  {
    name: 'websocket_idle',
    unit: 'bytes',
    asked: 1.3,
    less: true,
    beside: { name: 'ws', run: () => idleBytes('ws') },
    run: () => idleBytes('troupe'),
  },
  ...[
    { name: 'controller', kind: 'controller' },
    { name: 'handler_beside_plugin', kind: 'beside' },
  ].flatMap(({ name, kind }) => {
    const figures = shared(() => requests(kind, 'plain'));
    return [
      {
        name,
        unit: 'requests/s',
        asked: 0.9,
        beside: { name: 'Fastify', run: figures(1, 'perSecond') },
        run: figures(0, 'perSecond'),
      },
      {
        name: `${name}_cpu`,
        unit: 'µs a request',
        less: true,
        asked: 1.1,
        beside: { name: 'Fastify', run: figures(1, 'cpuUs') },
        run: figures(0, 'cpuUs'),
      },
    ];
  }),
];
