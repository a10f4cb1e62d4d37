/**
 * WebSockets and controllers: a server in one process, its clients in another, beside a plain server of `ws` or of Fastify. The
 * servers stay up between runs, so that both can be measured in turns.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const RUN_MS = 1_000;
const PAIRS = 5;
const serverProgram = fileURLToPath(new URL('../peers/fanout-server.mjs', import.meta.url));
const loadProgram = fileURLToPath(new URL('../peers/fanout-load.mjs', import.meta.url));

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A program that answers each message with one. */
class Peer {
  /**
   * @param {string} program
   * @param {string[]} args
   */
  constructor(program, args = [], execArgv = ['--expose-gc']) {
    this.child = fork(program, args, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
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
  const server = new Peer(serverProgram, [kind]);
  const load = new Peer(loadProgram);
  const { port } = await server.first;
  const before = await server.ask({});
  await load.ask({ what: 'open', port, count: clients });
  const after = await server.ask({});
  return {
    bytesPerConnection: (after.rss - before.rss) / clients,
    /** @param {number} writers */
    async run(writers, forMs = RUN_MS) {
      const start = await server.ask({});
      const figures = await load.ask({ what: 'fanout', writers, forMs });
      const end = await server.ask({});
      return { ...figures, cpuUs: ((end.cpuMs - start.cpuMs) * 1_000) / figures.deliveries };
    },
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
      return { ...figures, cpuUs: ((end.cpuMs - start.cpuMs) * 1_000) / figures.deliveries };
    },
    close() {
      load.close();
      server.close();
    },
  };
}

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/**
 * Measures two servers in turns, and gives the medians of each figure.
 * @param {Array<{ run: (...args: any[]) => Promise<Record<string, number>> }>} servers
 * @param {...unknown} args
 */
async function inTurns(servers, ...args) {
  const all = servers.map(() => /** @type {Array<Record<string, number>>} */ ([]));
  for (let pair = 0; pair < PAIRS; pair++) {
    for (const index of pair % 2 === 0 ? [0, 1] : [1, 0]) {
      all[index]?.push((await servers[index]?.run(...args)) ?? {});
    }
  }
  return all.map((figures) => ({
    perSecond: median(figures.map(({ perSecond = 0 }) => perSecond)),
    p99: median(figures.map(({ p99 = 0 }) => p99)),
  }));
}

/**
 * What is measured once and shown in several rows.
 * @template T
 * @param {() => Promise<T>} measure
 */
function once(measure) {
  /** @type {Promise<T> | undefined} */
  let measured;
  return () => (measured ??= measure());
}

/** @param {number} clients @param {number} writers */
async function fanout(clients, writers) {
  const servers = [await openFanout('troupe', clients), await openFanout('ws', clients)];
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

async function idle() {
  const servers = [await openFanout('troupe', 5_000), await openFanout('ws', 5_000)];
  servers.forEach((server) => server.close());
  return servers.map(({ bytesPerConnection }) => bytesPerConnection);
}

const idleBytes = once(idle);

/** The workloads: a name, what is asked, and both sides. */
export const socketWorkloads = [
  ...[100, 1_000, 5_000].flatMap((clients) =>
    [
      [1, 1.3],
      [8, 5],
      [64, 10],
    ].flatMap(([writers = 0, asked = 0]) => {
      const figures = once(() => fanout(clients, writers));
      return [
        {
          name: `websockets_${clients}_writers_${writers}`,
          unit: 'deliveries/s',
          pairs: 1, // five inside
          ...(clients === 100 ? {} : { asked }),
          beside: { name: 'ws', run: async () => (await figures())[1]?.perSecond ?? 0 },
          run: async () => (await figures())[0]?.perSecond ?? 0,
        },
        {
          name: `websockets_${clients}_writers_${writers}_p99`,
          unit: 'ms',
          pairs: 1,
          less: true,
          ...(clients === 100 ? {} : { asked: 1 }),
          beside: { name: 'ws', run: async () => (await figures())[1]?.p99 ?? 0 },
          run: async () => (await figures())[0]?.p99 ?? 0,
        },
      ];
    }),
  ),
  {
    name: 'websocket_idle',
    unit: 'bytes',
    pairs: 1,
    asked: 1.3,
    less: true,
    beside: { name: 'ws', run: async () => (await idleBytes())[1] ?? 0 },
    run: async () => (await idleBytes())[0] ?? 0,
  },
  ...[
    { name: 'controller', kind: 'controller' },
    { name: 'handler_beside_plugin', kind: 'beside' },
  ].map(({ name, kind }) => {
    const figures = once(() => requests(kind, 'plain'));
    return {
      name,
      unit: 'requests/s',
      pairs: 1,
      asked: 0.9,
      beside: { name: 'Fastify', run: async () => (await figures())[1]?.perSecond ?? 0 },
      run: async () => (await figures())[0]?.perSecond ?? 0,
    };
  }),
];
