/**
 * WebSockets and controllers: a server in one process, its clients in another, beside a plain server of `ws` or of Fastify. The
 * servers stay up between runs, so that both can be measured in turns.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const RUN_MS = 1_000;
const serverProgram = fileURLToPath(new URL('../peers/fanout-server.mjs', import.meta.url));
const loadProgram = fileURLToPath(new URL('../peers/fanout-load.mjs', import.meta.url));

/** A program that answers each message with one. */
class Peer {
  /**
   * @param {string} program
   * @param {string[]} args
   */
  constructor(program, args = [], execArgv = ['--expose-gc']) {
    this.child = fork(program, args, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    process.on('exit', () => this.child.kill('SIGKILL'));
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
export async function openFanout(kind, clients) {
  const server = new Peer(serverProgram, [kind]);
  const load = new Peer(loadProgram);
  const { port } = await server.first;
  const before = await server.ask({});
  await load.ask({ what: 'open', port, count: clients });
  const after = await server.ask({});
  return {
    bytesPerConnection: (after.bytes - before.bytes) / clients,
    rssPerConnection: (after.rss - before.rss) / clients,
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
export async function openHttp(kind) {
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
