/**
 * The other node of the workloads between nodes, in an operating system process of its own: `node peer.mjs NAME`. It does what
 * messages to the name `bench_peer` ask for, as `serve` of ../otp/troupe_dist_bench.erl does, and ends with its stdin.
 */
import { atom, Broadcast, createNode, GroupJoined, pg, Tuple, tuple } from '../../dist/runtime/index.js';
import { createErlangCarrier } from '../../dist/runtime/distribution/erlang/index.js';
import { largeSink, stream } from '../lib/large.mjs';
import { notes } from '../lib/notes.mjs';

const DONE = atom('done');
const READY = atom('ready');
const SYNCED = atom('synced');

const sink = {
  name: 'sink',
  init: (self, missing, to) => ({ missing, to }),
  handle(self, message, state) {
    if (!(message instanceof Broadcast) || --state.missing !== 0) return;
    self.send(state.to, DONE);
    self.exit('normal');
  },
};

const echo = {
  name: 'echo',
  init: () => atom('pong'),
  handle: (self, message, pong) => self.send(message.elements[1], pong),
};

/** A member of the channel `notes`; `all` is what the members of a run have in common. */
const member = {
  name: 'member',
  init(self, all) {
    notes.join(self);
    return { all, missing: all.rounds };
  },
  handle(self, message, state) {
    if (!(message instanceof Broadcast) || message.topic !== 'note_created' || --state.missing !== 0) return;
    const { all } = state;
    state.missing = all.rounds;
    if (--all.missing !== 0) return;
    all.missing = all.count;
    self.send(all.to, DONE);
  },
};

const grouped = {
  name: 'grouped',
  init(self, prefix, count) {
    for (let i = 1; i <= count; i++) pg.join(self, 'nova_scope', tuple(prefix, i));
  },
  handle: () => undefined,
};

/** Tells whenever `count` groups have come. */
const follower = {
  name: 'follower',
  init(self, count, to) {
    pg.monitorScope(self, 'nova_scope');
    return { count, to, joined: 0 };
  },
  handle(self, message, state) {
    if (!(message instanceof GroupJoined) || ++state.joined !== state.count) return;
    state.joined = 0;
    self.send(state.to, SYNCED);
  },
};

const requests = {
  sink: (self, [missing, to]) => self.send(to, tuple(READY, self.spawn(sink, missing, to))),
  echo: (self, [to]) => self.send(to, tuple(READY, self.spawn(echo))),
  stream: (self, [kind, large, to]) => self.send(to, tuple(READY, self.spawn(stream, kind, large))),
  large_sink: (self, [told, to]) => self.send(to, tuple(READY, self.spawn(largeSink, told))),
  members(self, [count, rounds, to]) {
    const all = { count, rounds, to, missing: count };
    for (let i = 0; i < count; i++) self.spawn(member, all);
    self.send(to, tuple(READY, self.pid));
  },
  groups(self, [prefix, count, to]) {
    self.spawn(grouped, prefix, count);
    self.spawn(follower, count, to);
    self.send(to, tuple(READY, self.pid));
  },
};

const [name, cookie] = process.argv.slice(2);
const carrier = createErlangCarrier({ cookie, epmd: 'client' });
const node = createNode({ name, carrier });
await carrier.ready();
pg.start(node, 'nova_scope');
node.spawnWith(
  { name: 'bench_peer' },
  {
    name: 'bench_peer',
    init: () => undefined,
    handle(self, message) {
      if (!(message instanceof Tuple)) return;
      const [request, ...args] = message;
      requests[String(request)]?.(self, args);
    },
  },
);
process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.write('ready\n');
