/**
 * What an open page of the observer costs the node: processor time of a node with it less that of one without.
 *
 *   npm run build && node bench/observer.mjs
 *
 * The node has 10,000 processes, quiet ones, then with 20,000 messages a second among a thousand of them. The page looks at a hundred of the
 * processes in each order, at the tree and at the load. Processor time counts, so other programs change little.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Fastify from 'fastify';
import { createNode } from 'troupe';
import { observer } from 'troupe/observer';
import { WebSocket } from 'ws';
import { columns, number } from './lib/table.mjs';

const PROCESSES = 10_000;
const BUSY = 1_000;
const PER_SECOND = 20_000;
const TURN_MS = 3_000;
const TURNS = 5;
const ORDERS = ['pid', 'name', 'label', 'mailbox', 'busy', 'rate'];

if (process.argv[2] === 'node') await serve(Number(process.argv[3]));
else await measure();

/** @param {number} perSecond */
async function serve(perSecond) {
  const node = createNode({ name: 'bench@local' });
  const behaviour = { name: 'worker', init: () => 0, handle: () => undefined };
  const pids = Array.from({ length: PROCESSES }, (_, index) =>
    node.spawnWith({ label: `worker ${index}` }, behaviour),
  );
  const app = Fastify();
  await app.register(observer, { node });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  let next = 0;
  if (perSecond > 0)
    setInterval(() => {
      for (let count = 0; count < perSecond / 100; count++) node.send(pids[next++ % BUSY], count);
    }, 10);
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
  process.send?.({ address });
}

async function measure() {
  const line = columns([34, 14, 14, 14, 14]);
  const show = (...cells) => process.stdout.write(line(...cells));
  show('10,000 processes', 'without', 'with a page', 'of one core', 'bytes/s');
  for (const perSecond of [0, PER_SECOND]) {
    // Two nodes that do the same, as one that was looked at is measured for a minute after.
    const [alone, seen] = await Promise.all([start(perSecond), start(perSecond)]);
    await sleep(2_000);
    for (const sort of ORDERS) {
      const page = await openPage(seen.address, sort);
      await sleep(1_000);
      /** @type {number[][]} */
      const shares = [];
      const before = page.bytes();
      for (let turn = 0; turn < TURNS; turn++) {
        const [without, withPage] = await Promise.all([shareOf(alone.child), shareOf(seen.child)]);
        shares.push([without, withPage, withPage - without]);
      }
      const bytes = (page.bytes() - before) / ((TURNS * TURN_MS) / 1_000);
      page.close();
      const percent = (index) => {
        const median = shares.map((each) => each[index]).toSorted((a, b) => a - b)[TURNS >> 1];
        return `${(median * 100).toFixed(1)} %`;
      };
      const what = perSecond === 0 ? 'quiet' : `${number(perSecond)} messages/s`;
      show(`${what}, by ${sort}`, percent(0), percent(1), percent(2), number(bytes));
    }
    for (const { child } of [alone, seen]) child.kill();
  }
}

async function start(perSecond) {
  const child = fork(fileURLToPath(import.meta.url), ['node', String(perSecond)]);
  const [{ address }] = await once(child, 'message');
  return { child, address };
}

/** The part of a core that the node takes for some seconds. */
async function shareOf(child) {
  const cpu = async () => {
    child.send('cpu');
    const [{ cpu: used }] = await once(child, 'message');
    return used.user + used.system;
  };
  const [before, begun] = [await cpu(), performance.now()];
  await sleep(TURN_MS);
  return ((await cpu()) - before) / 1_000 / (performance.now() - begun);
}

async function openPage(address, sort) {
  const socket = new WebSocket(`${address.replace('http', 'ws')}/observer/socket`);
  let bytes = 0;
  socket.on('message', (data) => (bytes += data.length));
  await once(socket, 'open');
  socket.send(
    JSON.stringify({
      type: 'look',
      id: 1,
      views: {
        processes: { sort, first: 0, count: 100 },
        tree: { open: [], first: 0, count: 100 },
        load: true,
      },
    }),
  );
  return { bytes: () => bytes, close: () => socket.close() };
}
