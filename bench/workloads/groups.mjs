/** Groups: broadcasts to members of a channel, joining and leaving. */
import { createNode, defineChannel, pg } from '../../dist/runtime/index.js';
import { bestSeconds, signal } from '../lib/measure.mjs';

/** How much is sent before the sender gives way: a JavaScript function cannot be preempted. */
const BATCH = 512;

const notes = defineChannel('notes');
const note = { id: 1, title: 'title', body: 'body', author: 'author' };

/** Broadcasts to `members` members until every member has had every message. Deliveries per second. */
export async function broadcast(members) {
  const rounds = Math.max(Math.floor(2_000_000 / members), 5);
  const node = createNode();
  let left = 0;
  let done = signal();
  const member = {
    name: 'member',
    init(self) {
      notes.join(self);
      return { missing: rounds };
    },
    handle(self, message, state) {
      if (message.channel !== 'notes' || message.topic !== 'note_created') return;
      if (--state.missing !== 0) return;
      state.missing = rounds;
      if (--left === 0) done.fire();
    },
  };
  for (let i = 0; i < members; i++) node.spawn(member);
  while (notes.getMembers(node).length < members) await new Promise((resolve) => setImmediate(resolve));
  const perTurn = Math.max(1, Math.floor(BATCH / members));
  const seconds = await bestSeconds(async () => {
    done = signal();
    left = members;
    node.spawn({
      name: 'caster',
      init: (self) => self.send(self.pid, rounds),
      handle(self, missing) {
        const now = Math.min(missing, perTurn);
        for (let i = 0; i < now; i++) notes.broadcast(self, 'note_created', note);
        if (missing === now) self.exit('normal');
        self.send(self.pid, missing - now);
      },
    });
    await done.fired;
  });
  await node.stop();
  return (members * rounds) / seconds;
}

/** Processes that wait for ever, with their pids. */
async function waiting(node, count) {
  const idle = { name: 'idle', init: () => undefined, handle: () => undefined };
  const pids = Array.from({ length: count }, () => node.spawn(idle));
  await new Promise((resolve) => setTimeout(resolve, 100));
  return pids;
}

/** Each of `count` processes joins a group of its own and leaves it. Operations per second. */
export async function joinLeaveOwnGroups(count = 50_000) {
  const node = createNode();
  pg.start(node, 'nova_scope');
  const rooms = (await waiting(node, count)).map((pid, i) => ({ pid, group: ['room', i + 1] }));
  const seconds = await bestSeconds(() => {
    for (const { pid, group } of rooms) pg.join(node, 'nova_scope', group, pid);
    for (const { pid, group } of rooms) pg.leave(node, 'nova_scope', group, pid);
  });
  await node.stop();
  return (2 * count) / seconds;
}

/** `count` processes join one group and leave it. Operations per second. */
export async function joinLeaveOneGroup(count = 2_000) {
  const node = createNode();
  pg.start(node, 'nova_scope');
  const pids = await waiting(node, count);
  const seconds = await bestSeconds(() => {
    for (const pid of pids) pg.join(node, 'nova_scope', 'big', pid);
    for (const pid of pids) pg.leave(node, 'nova_scope', 'big', pid);
  });
  await node.stop();
  return (2 * count) / seconds;
}
