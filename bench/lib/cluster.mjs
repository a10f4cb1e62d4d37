/** Two nodes for a workload: one of Troupe in this process, and its peer, of Troupe or OTP, in a process of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createErlangCarrier } from '../../dist/runtime/distribution/erlang/index.js';
import { atom, createNode, NodeDown, pg, tuple, Tuple } from '../../dist/runtime/index.js';
import { freePort } from './port.mjs';

const COOKIE = 'troupe-bench';
const peerProgram = fileURLToPath(new URL('../peers/peer.mjs', import.meta.url));
const READY = atom('ready');

/**
 * Opens two nodes that are connected.
 * @param {string | undefined} otpFolder where the peer is to be OTP: the folder of the compiled bench/otp
 */
export async function openPair(otpFolder) {
  const epmdPort = await freePort();
  const name = 'troupe_bench@127.0.0.1';
  const peer = 'troupe_bench_peer@127.0.0.1';
  const carrier = createErlangCarrier({ cookie: COOKIE, epmd: 'embedded', epmdPort });
  const node = createNode({ name, carrier });
  await carrier.ready();
  pg.start(node, 'nova_scope');
  const env = { ...process.env, ERL_EPMD_PORT: String(epmdPort) };
  const child =
    otpFolder === undefined
      ? spawn(process.execPath, ['--expose-gc', peerProgram, peer, COOKIE], {
          env,
          stdio: ['pipe', 'pipe', 'inherit'],
        })
      : spawn('erl', erlArguments(otpFolder, peer), { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  await new Promise((resolve, reject) => {
    child.on('exit', () => reject(new Error(`the peer of ${name} has ended`)));
    child.stdout.once('data', resolve);
  });
  if (!(await node.connect(peer))) throw new Error(`no connection with ${peer}`);
  const inbox = openInbox(node);
  return {
    node,
    carrier,
    peer,
    inbox,
    /**
     * Asks the peer for something and awaits the pid that it answers.
     * @param {string} request
     * @param {...unknown} args
     */
    async ask(request, ...args) {
      node.send({ name: 'bench_peer', node: peer }, tuple(atom(request), ...args, inbox.pid));
      const [, pid] = await inbox.next(
        (message) => message instanceof Tuple && message.elements[0] === READY,
      );
      return pid;
    },
    async close() {
      child.removeAllListeners('exit');
      const gone = new Promise((resolve) => child.on('exit', resolve));
      process.off('exit', kill);
      child.stdin.end(); // it ends with it
      await gone;
      await node.stop();
    },
  };
}

/**
 * @param {string} folder
 * @param {string} name
 */
function erlArguments(folder, name) {
  const options = `+S 1 -noshell -start_epmd false -name ${name} -setcookie ${COOKIE}`;
  return [...options.split(' '), '-pa', folder, '-run', 'troupe_dist_bench', 'serve', 'for_program'];
}

/** A process that code which is no process awaits messages with. */
function openInbox(node) {
  /** @type {unknown[]} */
  let kept = [];
  let waiting = () => undefined;
  const pid = node.spawn({
    name: 'inbox',
    init: (self) => node.monitorNodes(self.pid, true),
    handle(self, message) {
      kept.push(message);
      waiting();
    },
  });
  return {
    pid,
    /** @param {(message: any) => boolean} matches */
    async next(matches) {
      for (;;) {
        const found = kept.find(matches);
        if (found !== undefined) {
          kept = kept.filter((message) => message !== found);
          return found;
        }
        if (kept.some((message) => message instanceof NodeDown && !matches(message))) {
          throw new Error('the connection was lost');
        }
        await new Promise((resolve) => {
          waiting = () => resolve(undefined);
        });
      }
    },
  };
}
