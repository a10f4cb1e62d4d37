/** A peer speaks for its own processes only; the BEAM drops a connection on which another's pid is the sender. */
import { describe, expect, test } from 'vitest';
import {
  atom,
  Broadcast,
  type Carrier,
  type CarrierHost,
  child,
  createNode,
  defineSupervisor,
  onTelemetry,
  pg,
  Pid,
  type Signal,
  tuple,
} from 'troupe';
import { Origin } from '../../../src/runtime/terms/internal.ts';
import { Cluster, collector, forever } from './cluster.ts';

/** A carrier that only hands over what a test gives it. */
function captive(): Carrier & { host: CarrierHost; sent: string[] } {
  const carrier = {
    host: undefined as unknown as CarrierHost,
    sent: [] as string[],
    attach(host: CarrierHost) {
      carrier.host = host;
    },
    send: (peer: string) => void carrier.sent.push(peer),
    connect: () => Promise.resolve(false),
    disconnect: () => false,
    close: () => Promise.resolve(),
  };
  return carrier;
}

describe('a signal whose sender is of another node is left out and reported', () => {
  test.each<(to: Pid, from: Pid) => Signal>([
    (to, from) => ({ op: 'link', from, to }),
    (to, from) => ({ op: 'exit', from, to, reason: 'kill' }),
    (to, from) => ({ op: 'send', from, to, message: 'hello' }),
  ])('%#', async (signal) => {
    const carrier = captive();
    const node = createNode({ name: 'a@h', carrier });
    const pid = node.spawn((self) => self.receive());
    const reported: string[] = [];
    const unsubscribe = onTelemetry('troupe:node:bad_signal', ({ peer }) => reported.push(peer));
    carrier.host.nodeUp('evil@h', 5);
    for (const from of [new Pid(new Origin('victim@h', 7), 3, 0), node.initPid]) {
      carrier.host.receive('evil@h', signal(pid, from));
    }
    unsubscribe();
    expect(reported).toEqual(['evil@h', 'evil@h']);
    expect(node.processInfo(pid)).toMatchObject({ links: [], messageQueueLength: 0 });
    await node.stop();
    expect(carrier.sent).toEqual([]);
  });
});

/** A pid as a node knows it on which it does not live. */
const elsewhere = ({ origin, id, serial }: Pid): Pid => new Pid(origin, id, serial);

describe('what a message says about others makes nothing more of it', () => {
  test('a broadcast in the name of another node, this one included, arrives as a tuple and not as a broadcast', async () => {
    const cluster = new Cluster();
    const [one, evil, third] = cluster.nodes('one@x', 'evil@x', 'third@x');
    const { pid, got } = collector(one!);
    for (const sender of [one!.initPid, third!.initPid, evil!.initPid]) {
      evil!.send(pid, new Broadcast('notes', sender, 'note_created', { id: 1 }));
    }
    await cluster.settle();
    const forged = (sender: Pid) => tuple(atom('nova_pubsub'), 'notes', sender, expect.anything(), { id: 1 });
    expect(got).toEqual([
      forged(one!.initPid),
      forged(elsewhere(third!.initPid)),
      new Broadcast('notes', elsewhere(evil!.initPid), 'note_created', { id: 1 }),
    ]);
  });

  test('the exit of a child or of the parent, as a message, ends no supervisor and no server', async () => {
    const cluster = new Cluster();
    const [one, evil] = cluster.nodes('one@x', 'evil@x');
    const inner = defineSupervisor({ strategy: 'one_for_one', children: [] });
    const tree = await one!.start(
      defineSupervisor({
        strategy: 'one_for_one',
        intensity: 0,
        children: [child(inner, [], { id: 'inner', name: 'inner' })],
      }),
    );
    const innerPid = one!.whereis('inner') as Pid;
    const exit = (from: Pid, reason: string) => tuple(atom('EXIT'), from, atom(reason));
    evil!.send(tree.pid, exit(innerPid, 'normal'));
    evil!.send(innerPid, exit(tree.pid, 'shutdown'));
    await cluster.settle();
    expect([one!.isAlive(tree.pid), one!.isAlive(innerPid)]).toEqual([true, true]);
  });

  test('a node can tell a scope of the members of no other node', async () => {
    const cluster = new Cluster();
    const [one, two, evil] = cluster.nodes('one@x', 'two@x', 'evil@x');
    for (const node of [one!, two!, evil!]) pg.start(node, 'scope');
    await cluster.mesh([one!, two!, evil!]);
    const member = forever(two!);
    pg.join(two!, 'scope', 'group', member);
    await cluster.settle();
    expect(pg.getMembers(one!, 'scope', 'group')).toEqual([elsewhere(member)]);
    const bad: unknown[] = [];
    const unsubscribe = onTelemetry('troupe:pg:bad_message', ({ message }) => bad.push(message));
    const speaker = two!.whereis('scope') as Pid;
    const to = { name: 'scope', node: 'one@x' };
    evil!.send(to, tuple(atom('leave'), speaker, member, ['group']));
    evil!.send(to, tuple(atom('join'), speaker, 'others', member));
    await cluster.settle();
    unsubscribe();
    expect(bad).toHaveLength(2);
    expect(pg.getMembers(one!, 'scope', 'group')).toEqual([elsewhere(member)]);
    expect(pg.getMembers(one!, 'scope', 'others')).toEqual([]);
  });
});
