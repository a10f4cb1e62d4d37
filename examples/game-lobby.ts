// A game lobby over two nodes: players wait in a process group that spans the cluster, a matchmaker pairs the first two, and a match watches
// both players, wherever they run. When a node goes down, its players have lost. Run it with `npx tsx examples/game-lobby.ts`.
import {
  createNode,
  defineServer,
  Down,
  GroupJoined,
  type Node,
  pg,
  type Pid,
  type Process,
  tuple,
  Tuple,
  UNHANDLED,
} from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';
import { awaitConverged } from 'troupe/testing';

const SCOPE = 'game';
const LOBBY = 'lobby';

/** Pairs players as they join the lobby. One runs in the cluster; it keeps no list of who waits, the group does. */
const matchmaker = defineServer({
  name: 'matchmaker',
  init(self) {
    pg.monitor(self, SCOPE, LOBBY);
    return { matches: 0, paired: new Set<string>() };
  },
  call: { matches: (state) => state.matches },
  info(state, message, self) {
    if (!(message instanceof GroupJoined)) return UNHANDLED;
    // Who was paired is about to leave the lobby: its node says so when it has heard of the match.
    const waiting = pg.getMembers(self, SCOPE, LOBBY).filter((pid) => !state.paired.has(pid.toString()));
    const [one, other] = waiting.toSorted((a, b) => a.node.localeCompare(b.node));
    if (one === undefined || other === undefined) return undefined;
    for (const pid of [one, other]) state.paired.add(pid.toString());
    state.matches++;
    self.spawn(match, one, other);
    return undefined;
  },
});

/** A match: introduces the players to each other, then compares their numbers. */
async function match(self: Process, one: Pid, other: Pid): Promise<void> {
  for (const player of [one, other]) self.monitor(player);
  self.send(one, tuple('matched', self.pid, other));
  self.send(other, tuple('matched', self.pid, one));
  const moves = new Map<string, number>();
  while (moves.size < 2) {
    const message = await self.receive();
    if (message instanceof Down) {
      const winner = (message.target as Pid).equals(one) ? other : one;
      self.send(winner, tuple('result', 'won: the other is gone'));
      return;
    }
    if (message instanceof Tuple)
      moves.set((message.elements[1] as Pid).toString(), message.elements[2] as number);
  }
  const [first, second] = [moves.get(one.toString())!, moves.get(other.toString())!];
  self.send(one, tuple('result', first > second ? 'won' : 'lost'));
  self.send(other, tuple('result', first > second ? 'lost' : 'won'));
}

const tagged =
  (tag: string) =>
  (message: unknown): message is Tuple =>
    message instanceof Tuple && message.elements[0] === tag;

/** A player: waits in the lobby, plays a number, or none at all, and tells how it went. */
function play(node: Node, name: string, move: number | undefined): Promise<string> {
  return new Promise((resolve) => {
    node.spawn(async (self) => {
      pg.join(self, SCOPE, LOBBY);
      const matched = await self.receive(tagged('matched'));
      pg.leave(self, SCOPE, LOBBY);
      if (move !== undefined) self.send(matched.elements[1] as Pid, tuple('move', self.pid, move));
      const result = await self.receive(tagged('result'));
      resolve(`${name} ${String(result.elements[1])}`);
    });
  });
}

async function join(name: string, seeds: string[]): Promise<Node> {
  const carrier = createErlangCarrier({ cookie: 'a secret of all nodes', seeds, epmdPort: 24_373 });
  const node = createNode({ name, carrier });
  await carrier.ready();
  pg.start(node, SCOPE);
  return node;
}

const paris = await join('paris@127.0.0.1', []);
const rome = await join('rome@127.0.0.1', ['paris@127.0.0.1']);
await rome.connect('paris@127.0.0.1');
await awaitConverged([paris, rome], SCOPE);
const referee = await paris.start(matchmaker);

// A match between players of two nodes.
const results = await Promise.all([play(paris, 'Asterix', 7), play(rome, 'Caesar', 3)]);
for (const result of results) console.log(result);

// A player on each node again; then one node is gone.
const survivor = play(paris, 'Obelix', undefined);
void play(rome, 'Brutus', undefined);
while ((await referee.call('matches')) < 2) await new Promise((resolve) => setImmediate(resolve));
await rome.stop();
console.log(await survivor);
console.log('matches', await referee.call('matches'));
await paris.stop();

// Prints:
// Asterix won
// Caesar lost
// Obelix won: the other is gone
// matches 2
