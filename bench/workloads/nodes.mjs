/** Between two nodes in two processes, over TCP: messages, round trips, broadcasts, groups. The peer is Troupe or OTP. */
import { atom, Broadcast, GroupJoined, GroupLeft, NodeDown, pg, tuple } from '../../dist/runtime/index.js';
import { openPair } from '../lib/cluster.mjs';
import { FLOWING, largeSink, stream } from '../lib/large.mjs';
import { bestSeconds, signal } from '../lib/measure.mjs';
import { note, notes } from '../lib/notes.mjs';

/** How much is sent before the sender gives way. */
const BATCH = 256;
/** With more bytes than this waiting to be sent the sender waits, as one on a BEAM node is suspended. */
const BUSY_BYTES = 1_048_576;
const DONE = atom('done');
const SYNCED = atom('synced');

/** @param {unknown} message */
const isDone = (message) => message === DONE;

/**
 * Sends `count` times, giving way after each batch, and waiting while much waits to be sent.
 * @param {Awaited<ReturnType<typeof openPair>>} pair
 * @param {number} count
 * @param {number} batch
 * @param {(self: any) => void} send
 */
function sendAll({ node, carrier, peer }, count, batch, send) {
  node.spawn({
    name: 'source',
    init: (self) => self.send(self.pid, count),
    async handle(self, missing) {
      if (carrier.peers()[0]?.queuedBytes > BUSY_BYTES) await carrier.drained(peer);
      const now = Math.min(missing, batch);
      for (let i = 0; i < now; i++) send(self);
      if (missing === now) self.exit('normal');
      self.send(self.pid, missing - now);
    },
  });
}

/** Notes sent to one process of the peer, until all have arrived. Messages per second. */
export async function nodesOneway(otpFolder, count = 200_000) {
  const pair = await openPair(otpFolder);
  const seconds = await bestSeconds(async () => {
    const sink = await pair.ask('sink', count);
    sendAll(pair, count, BATCH, (self) =>
      self.send(sink, new Broadcast('notes', self.pid, 'note_created', note)),
    );
    await pair.inbox.next(isDone);
  });
  await pair.close();
  return count / seconds;
}

/** Round trips between processes of two nodes per second. */
export async function nodesPingpong(otpFolder, count = 10_000) {
  const pair = await openPair(otpFolder);
  const { node } = pair;
  const echo = await pair.ask('echo');
  const seconds = await bestSeconds(async () => {
    const { fire, fired } = signal();
    let trips = 0;
    node.spawn({
      name: 'ping',
      init: (self) => self.send(echo, tuple(atom('ping'), self.pid)),
      handle(self) {
        if (++trips === count) {
          fire();
          self.exit('normal');
        }
        self.send(echo, tuple(atom('ping'), self.pid));
      },
    });
    await fired;
  });
  await pair.close();
  return count / seconds;
}

/**
 * Round trips while messages of 16 MiB go from one node to another process of the other, two of which are under way at any time.
 * In milliseconds.
 * @param {'text' | 'bytes'} kind
 * @param {'here' | 'away'} direction whether the peer sends them, or this node
 * @param {number} part 0.5 for the median, 0.99 for what one of a hundred takes at least
 */
export async function nodesBesideLarge(otpFolder, kind, direction, part, count = 400) {
  const pair = await openPair(otpFolder);
  const { node, inbox } = pair;
  const echo = await pair.ask('echo');
  if (direction === 'here') {
    await pair.ask('stream', atom(kind), node.spawn(largeSink, inbox.pid));
  } else {
    node.spawn(stream, atom(kind), await pair.ask('large_sink', inbox.pid));
  }
  await inbox.next((message) => message === FLOWING);
  const { fire, fired } = signal();
  /** @type {number[]} */
  const trips = [];
  let start = 0;
  node.spawn({
    name: 'ping',
    init(self) {
      start = performance.now();
      self.send(echo, tuple(atom('ping'), self.pid));
    },
    handle(self) {
      const now = performance.now();
      trips.push(now - start);
      if (trips.length === count) {
        fire();
        self.exit('normal');
      }
      start = now;
      self.send(echo, tuple(atom('ping'), self.pid));
    },
  });
  await fired;
  await pair.close();
  trips.sort((a, b) => a - b);
  return trips[Math.floor(count * part)];
}

/** Broadcasts to `members` members on the peer, until each has had every message. Deliveries per second. */
export async function nodesBroadcast(
  otpFolder,
  members = 1_000,
  rounds = otpFolder === undefined ? 5_000 : 200,
) {
  const pair = await openPair(otpFolder);
  const { node } = pair;
  await pair.ask('members', members, rounds);
  while (notes.getMembers(node).length < members) await new Promise((resolve) => setImmediate(resolve));
  const seconds = await bestSeconds(async () => {
    sendAll(pair, rounds, otpFolder === undefined ? BATCH : 1, (self) =>
      notes.broadcast(self, 'note_created', note),
    );
    await pair.inbox.next(isDone);
  });
  await pair.close();
  return (members * rounds) / seconds;
}

/** Two nodes with `count` groups each connect: until both know all. The best of five, in milliseconds. */
export async function nodesSync(otpFolder, count = 10_000) {
  const pair = await openPair(otpFolder);
  const { node, peer, inbox } = pair;
  // Before the follower looks, so that it counts only the groups of the peer.
  const own = node.spawn({ name: 'grouped', init: () => undefined, handle: () => undefined });
  for (let i = 1; i <= count; i++) pg.join(node, 'nova_scope', tuple(atom('ours'), i), own);
  const synced = { fire: () => undefined, fired: Promise.resolve() };
  const left = { ...synced };
  node.spawn({
    name: 'follower',
    init(self) {
      pg.monitorScope(self, 'nova_scope');
      return { joined: 0, left: 0 };
    },
    handle(self, message, state) {
      if (message instanceof GroupJoined && ++state.joined === count) {
        state.joined = 0;
        synced.fire();
      } else if (message instanceof GroupLeft && ++state.left === count) {
        state.left = 0;
        left.fire();
      }
    },
  });
  Object.assign(synced, signal());
  await pair.ask('groups', atom('theirs'), count);
  await synced.fired;
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    Object.assign(left, signal());
    node.disconnect(peer);
    await Promise.all([left.fired, inbox.next((message) => message instanceof NodeDown)]);
    Object.assign(synced, signal());
    const start = performance.now();
    await node.connect(peer);
    await Promise.all([synced.fired, inbox.next((message) => message === SYNCED)]);
    best = Math.min(best, performance.now() - start);
  }
  await pair.close();
  return best;
}
