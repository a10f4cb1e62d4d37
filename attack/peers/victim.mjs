// The attacked program: a node of the built output with a supervisor, a member of a channel and a function for others to call. It
// measures itself: the longest stop of the event loop, and the peak of its memory. Told and asked over the channel of `fork`.
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const { dist, name, epmdPort, cookie, tls } = JSON.parse(process.argv[2] ?? '{}');
const { childProcess, createNode, defineSupervisor, pubsub } = await import(`${dist}/runtime/index.js`);
const { createErlangCarrier } = await import(`${dist}/runtime/distribution/erlang/index.js`);

const RESOLUTION_MS = 5;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

let fromHere = 0;
let fromOthers = 0;
const carrier = createErlangCarrier({
  cookie,
  epmd: 'embedded',
  epmdPort,
  host: '127.0.0.1',
  tls: tls && { key: readFileSync(tls.key), cert: readFileSync(tls.cert), ca: readFileSync(tls.ca) },
  expose: { attack: { echo: (_self, value) => value } },
});
const node = createNode({ name, carrier });
/** @type {unknown} */
let child;
const member = {
  name: 'member',
  init(self) {
    child = self.pid;
    pubsub.join(self, 'notes');
  },
  handle(self, message) {
    if (message?.channel !== 'notes') return;
    if (message.sender.node === node.name) fromHere++;
    else fromOthers++;
  },
};
const tree = await node.start(
  defineSupervisor({
    strategy: 'one_for_one',
    intensity: 0,
    children: [childProcess(member, [], { id: 'member', name: 'member' })],
  }),
  [],
  { name: 'tree' },
);
await carrier.ready();

const asked = async ({ ask, peer }) => {
  let answer = {};
  if (ask === 'begin') delays.reset();
  if (ask === 'connect') answer = { connected: await node.connect(peer) };
  if (ask === 'report') {
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
    answer = {
      longestMs: Math.max(0, delays.max / 1e6 - RESOLUTION_MS),
      peakBytes: Number(peak?.[1]) * 1024,
      alive: node.isAlive(tree.pid) && node.isAlive(child),
      forged: fromHere,
      heard: fromOthers,
      nodes: node.nodes(),
    };
  }
  process.send?.({ ask, ...answer });
};
process.on('message', (question) => void asked(question));
process.on('disconnect', () => process.exit());
process.send?.({
  ask: 'ready',
  port: carrier.port,
  pid: [node.origin.creation, tree.pid.id, child.id, child.serial],
});
