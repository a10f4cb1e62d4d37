// Channels: what nova_pubsub does, what its members receive, and what goes to other nodes.
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  Broadcast,
  type Carrier,
  createNode,
  defineChannel,
  defineServer,
  type Node,
  on,
  type Process,
  pubsub,
  type Signal,
  UNHANDLED,
} from 'troupe';
import { createManualClock } from 'troupe/testing';
import { Cluster, collector, forever, keys } from '../distribution/cluster.ts';
import { inProcess, makeNode, recordTelemetry } from '../process/helpers.ts';

/** Lets what was sent be handled. */
const handled = (node: Node) => inProcess(node, () => undefined);

describe('one node', () => {
  test('join/1, broadcast/3: every member receives, the sender too', async () => {
    const node = makeNode();
    const other = collector(node);
    pubsub.join(node, 'notes', other.pid);
    await inProcess(node, async (self) => {
      expect(pubsub.join(self, 'notes')).toBe(undefined);
      expect(pubsub.broadcast(self, 'notes', 'note_created', { id: 1 })).toBe(undefined);
      const message = await self.receive();
      expect(message).toBeInstanceOf(Broadcast);
      expect(message).toEqual(new Broadcast('notes', self.pid, 'note_created', { id: 1 }));
      expect(other.got).toEqual([message]);
      expect(other.got[0]).toBe(message);
      const [channel, sender, topic, payload] = message as Broadcast;
      expect([channel, sender, topic, payload]).toEqual(['notes', self.pid, 'note_created', { id: 1 }]);
      expect(Object.isFrozen(message)).toBe(true);
      expect(pubsub.leave(self, 'notes')).toBe('ok');
      expect(pubsub.leave(self, 'notes')).toBe('not_joined');
      pubsub.broadcast(self, 'notes', 'note_deleted', { id: 1 });
      expect(self.mailboxLength).toBe(0);
    });
    expect(other.got).toHaveLength(2);
  });

  test('broadcasts and deliveries are events, also without members', async () => {
    const node = makeNode();
    const [broadcasts, deliveries] = [
      recordTelemetry('troupe:pubsub:broadcast'),
      recordTelemetry('troupe:pubsub:delivered'),
    ] as const;
    pubsub.broadcast(node, 'notes', 'first', 1);
    pubsub.join(node, 'notes', [collector(node).pid, collector(node).pid]);
    pubsub.broadcast(node, 'notes', 'second', 2);
    pubsub.localBroadcast(node, 'notes', 'third', 3);
    await handled(node);
    const about = { node: node.name, channel: 'notes' };
    const sent = (topic: string) => ({ ...about, topic, sender: node.initPid });
    expect(broadcasts).toEqual(['first', 'second', 'third'].map(sent));
    expect(deliveries).toEqual([
      { ...about, members: 2 },
      { ...about, members: 2 },
    ]);
  });

  test('a node can broadcast: its init process is the sender', async () => {
    const node = makeNode();
    const member = collector(node);
    pubsub.join(node, 'notes', [member.pid]);
    pubsub.broadcast(node, 'notes', 'topic', 1);
    pubsub.localBroadcast(node, 'notes', 'topic', 2);
    await handled(node);
    expect(member.got).toEqual([
      new Broadcast('notes', node.initPid, 'topic', 1),
      new Broadcast('notes', node.initPid, 'topic', 2),
    ]);
  });

  test('who joins twice receives twice, and in the order sent', async () => {
    const node = makeNode();
    const [twice, once] = [collector(node), collector(node)];
    pubsub.join(node, 'notes', [twice.pid, once.pid, twice.pid]);
    for (const id of [1, 2]) pubsub.broadcast(node, 'notes', 'topic', id);
    await handled(node);
    const payloads = (got: readonly unknown[]) => got.map((message) => (message as Broadcast).payload);
    expect([payloads(twice.got), payloads(once.got)]).toEqual([
      [1, 1, 2, 2],
      [1, 2],
    ]);
    expect(keys(pubsub.getMembers(node, 'notes'))).toEqual(keys([twice.pid, twice.pid, once.pid]));
    pubsub.leave(node, 'notes', twice.pid);
    pubsub.broadcast(node, 'notes', 'topic', 3);
    await handled(node);
    expect([payloads(twice.got).at(-1), twice.got.length, once.got.length]).toEqual([3, 5, 3]);
  });

  test('channels are apart from each other; topics filter nothing', async () => {
    const node = makeNode();
    const [one, both] = [collector(node), collector(node)];
    pubsub.join(node, 'one', [one.pid, both.pid]);
    pubsub.join(node, 'two', both.pid);
    pubsub.broadcast(node, 'one', 'a', 1);
    pubsub.broadcast(node, 'one', 'b', 2);
    pubsub.broadcast(node, 'two', 'a', 3);
    pubsub.broadcast(node, 'none', 'a', 4);
    await handled(node);
    const seen = (got: readonly unknown[]) =>
      got.map((message) => [...(message as Broadcast)].toSpliced(1, 1));
    expect(seen(one.got)).toEqual([
      ['one', 'a', 1],
      ['one', 'b', 2],
    ]);
    expect(seen(both.got)).toEqual([
      ['one', 'a', 1],
      ['one', 'b', 2],
      ['two', 'a', 3],
    ]);
  });

  test('any string is a channel or a topic, but the empty one', () => {
    const node = makeNode();
    const pid = forever(node);
    for (const name of ['__proto__', 'constructor', ' ', 'é😀', 'i1;', 'x'.repeat(10_000)]) {
      pubsub.join(node, name, pid);
      expect(pubsub.getMembers(node, name)).toEqual([pid]);
      expect(() => pubsub.broadcast(node, name, name, 1)).not.toThrow();
    }
    for (const bad of ['', 1, undefined, null, ['a']] as string[]) {
      for (const run of [
        () => pubsub.join(node, bad, pid),
        () => pubsub.leave(node, bad, pid),
        () => pubsub.broadcast(node, bad, 'topic', 1),
        () => pubsub.localBroadcast(node, 'channel', bad, 1),
        () => pubsub.getMembers(node, bad),
        () => pubsub.getLocalMembers(node, bad),
        () => defineChannel(bad),
      ]) {
        expect(run).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_CHANNEL' }));
      }
    }
  });

  test('a name that is too long for other nodes is refused as a channel', () => {
    const node = makeNode();
    const { pid } = collector(node);
    pubsub.join(node, 'x'.repeat(65_536), pid);
    const bad = 'x'.repeat(65_537);
    for (const run of [() => pubsub.join(node, bad, pid), () => pubsub.broadcast(node, bad, 'topic', 1)]) {
      expect(run).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_CHANNEL' }));
    }
  });

  test('members that end, leave or join because of a broadcast disturb no other', async () => {
    const node = makeNode();
    const bounded = { mailbox: { limit: 1, policy: 'exit' as const } };
    const members = Array.from({ length: 9 }, (_, index) => {
      const got: unknown[] = [];
      const body = {
        name: 'member',
        init: () => undefined,
        handle: (_self: Process, message: unknown) => void got.push(message),
      };
      return { got, pid: node.spawnWith(index % 3 === 0 ? bounded : {}, body) };
    });
    pubsub.join(
      node,
      'notes',
      members.map(({ pid }) => pid),
    );
    // Within one turn: the second broadcast finds the bounded mailboxes full, and they exit while it is delivered.
    for (const id of [1, 2, 3]) pubsub.broadcast(node, 'notes', 'topic', id);
    await handled(node);
    for (const [index, { got, pid }] of members.entries()) {
      expect(node.isAlive(pid)).toBe(index % 3 !== 0);
      expect(got).toHaveLength(index % 3 === 0 ? 0 : 3);
    }
    expect(pubsub.getMembers(node, 'notes')).toHaveLength(6);
  });

  test('a process that has ended can neither join nor broadcast', async () => {
    const node = makeNode();
    let dead: Process | undefined;
    await inProcess(node, (self) => {
      dead = self;
    });
    expect(() => pubsub.join(dead!, 'notes')).toThrow(/TROUPE_PROCESS_DEAD/);
    expect(() => pubsub.broadcast(dead!, 'notes', 'topic', 1)).toThrow(/TROUPE_PROCESS_DEAD/);
    expect(() => pubsub.join(node as unknown as Process, 'notes')).toThrow(/TROUPE_BAD_ARGUMENT/);
  });
});

describe('the scope under the channels', () => {
  test('starts with the first use, and is nova_scope', () => {
    const node = makeNode();
    expect(node.whereis('nova_scope')).toBe(undefined);
    expect(pubsub.getMembers(node, 'notes')).toEqual([]);
    expect(node.whereis('nova_scope')).toBeDefined();
    pubsub.start(node);
    const explicit = makeNode();
    pubsub.start(explicit);
    expect(explicit.whereis('nova_scope')).toBeDefined();
  });

  test('is started again when it dies, with the members that live, as often as they had joined', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    pubsub.start(a);
    pubsub.start(b);
    await cluster.mesh([a, b]);
    const events = recordTelemetry('troupe:pubsub:restarted');
    const [one, two, other] = [forever(a), forever(a), forever(b)];
    pubsub.join(a, 'notes', [one, one, two]);
    pubsub.join(a, 'second', two);
    pubsub.join(b, 'notes', other);
    await cluster.settle();
    a.exit(a.whereis('nova_scope')!, 'kill');
    expect(a.whereis('nova_scope')).toBe(undefined);
    a.exit(two, 'kill');
    await cluster.settle();
    expect(events).toEqual([{ node: 'a@x', pid: a.whereis('nova_scope') }]);
    for (const node of [a, b]) {
      expect(keys(pubsub.getMembers(node, 'notes'))).toEqual(keys([one, one, other]));
      expect(pubsub.getMembers(node, 'second')).toEqual([]);
    }
    pubsub.leave(a, 'notes', one);
    a.exit(one, 'kill');
    await cluster.settle();
    expect(keys(pubsub.getMembers(b, 'notes'))).toEqual(keys([other]));
  });

  test('a use before the restart finds the members, too', () => {
    const node = makeNode();
    const pid = forever(node);
    pubsub.join(node, 'notes', pid);
    node.exit(node.whereis('nova_scope')!, 'kill');
    expect(pubsub.getMembers(node, 'notes')).toEqual([pid]);
  });

  test('after ten restarts in ten seconds it waits for a second, or for a use', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const pid = forever(node);
    pubsub.join(node, 'notes', pid);
    const kill = async () => {
      node.exit(node.whereis('nova_scope')!, 'kill');
      await handled(node);
    };
    for (let count = 0; count < 10; count++) {
      await kill();
      expect(node.whereis('nova_scope')).toBeDefined();
    }
    await kill();
    expect(node.whereis('nova_scope')).toBe(undefined);
    await clock.advance(999);
    expect(node.whereis('nova_scope')).toBe(undefined);
    await clock.advance(1);
    expect(node.whereis('nova_scope')).toBeDefined();
    await kill();
    expect(node.whereis('nova_scope')).toBe(undefined);
    expect(pubsub.getMembers(node, 'notes')).toEqual([pid]);
    await clock.advance(10_000);
    await kill();
    expect(node.whereis('nova_scope')).toBeDefined();
    expect(pubsub.getMembers(node, 'notes')).toEqual([pid]);
  });

  test('a restart that fails because the name is taken is tried again', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const events = recordTelemetry('troupe:pubsub:restart_failed');
    const pid = forever(node);
    pubsub.join(node, 'notes', pid);
    node.exit(node.whereis('nova_scope')!, 'kill');
    const thief = forever(node);
    node.register('nova_scope', thief);
    await handled(node);
    expect(events).toEqual([
      { node: node.name, error: expect.objectContaining({ code: 'TROUPE_NAME_TAKEN' }) as unknown },
    ]);
    expect(() => pubsub.getMembers(node, 'notes')).toThrow(/TROUPE_NAME_TAKEN/);
    node.exit(thief, 'kill');
    await clock.advance(1_000);
    expect(pubsub.getLocalMembers(node, 'notes')).toEqual([pid]);
  });

  test('ends with its node', async () => {
    const node = createNode();
    pubsub.join(node, 'notes', forever(node));
    await node.stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(node.processes()).toEqual([]);
    expect(() => pubsub.getMembers(node, 'notes')).toThrow(/TROUPE_NODE_STOPPED/);
  });
});

/** A carrier that notes what goes through it. */
class Noting implements Carrier {
  readonly sent: Array<readonly [peer: string, signal: Signal]> = [];
  readonly #inner: Carrier;

  constructor(inner: Carrier) {
    this.#inner = inner;
  }

  attach: Carrier['attach'] = (host) => {
    this.#inner.attach(host);
  };
  send: Carrier['send'] = (peer, signal) => {
    this.#inner.send(peer, signal);
    this.sent.push([peer, signal]);
  };
  connect: Carrier['connect'] = (peer) => this.#inner.connect(peer);
  disconnect: Carrier['disconnect'] = (peer) => this.#inner.disconnect(peer);
  close: Carrier['close'] = () => this.#inner.close();
}

describe('several nodes', () => {
  async function three() {
    const cluster = new Cluster();
    const carrier = new Noting(cluster.network.carrier('a@x'));
    const a = makeNode({ name: 'a@x', carrier });
    const [b, c] = cluster.nodes('b@x', 'c@x') as [Node, Node];
    for (const node of [a, b, c]) pubsub.start(node);
    await cluster.mesh([a, b, c]);
    return { cluster, carrier, a, b, c };
  }

  test('broadcast reaches all members on all nodes, local_broadcast those of its own', async () => {
    const { cluster, a, b, c } = await three();
    const members = [a, b, c].map((node) => collector(node));
    [a, b, c].forEach((node, index) => pubsub.join(node, 'notes', members[index]!.pid));
    await cluster.settle();
    const sender = forever(b);
    pubsub.broadcast(b.find(sender)!, 'notes', 'note_created', { id: 1, tags: ['x'] });
    pubsub.localBroadcast(b, 'notes', 'note_deleted', { id: 1 });
    await cluster.settle();
    const [atA, atB, atC] = members.map(({ got }) => got as Broadcast[]);
    expect([atA!.length, atB!.length, atC!.length]).toEqual([1, 2, 1]);
    for (const got of [atA, atB, atC]) {
      const message = got![0]!;
      expect(message).toBeInstanceOf(Broadcast);
      expect(Object.isFrozen(message)).toBe(true);
      expect(message).toMatchObject({
        channel: 'notes',
        topic: 'note_created',
        payload: { id: 1, tags: ['x'] },
      });
      expect(message.sender.equals(sender)).toBe(true);
    }
    expect(keys(pubsub.getMembers(c, 'notes'))).toEqual(keys(members.map(({ pid }) => pid)));
    expect(keys(pubsub.getLocalMembers(c, 'notes'))).toEqual(keys([members[2]!.pid]));
  });

  test('one signal goes to each node that has members, whatever their number; members there share one message', async () => {
    const { cluster, carrier, a, b, c } = await three();
    const atB = Array.from({ length: 50 }, () => collector(b));
    pubsub.join(b, 'notes', [...atB.map(({ pid }) => pid), atB[0]!.pid]);
    pubsub.join(c, 'other', forever(c));
    await cluster.settle();
    carrier.sent.length = 0;
    pubsub.broadcast(a, 'notes', 'topic', 'payload');
    expect(carrier.sent.map(([peer, { op }]) => [peer, op])).toEqual([['b@x', 'sendMany']]);
    await cluster.settle();
    expect(atB[0]!.got).toHaveLength(2);
    expect(new Set(atB.flatMap(({ got }) => got)).size).toBe(1);
  });

  test('a payload that cannot leave the node is refused before anybody gets it, when it would have to', async () => {
    const { cluster, a, b } = await three();
    const [here, there] = [collector(a), collector(b)];
    pubsub.join(a, 'notes', here.pid);
    pubsub.broadcast(a, 'notes', 'topic', () => 'fine within the node');
    pubsub.join(b, 'notes', there.pid);
    await cluster.settle();
    expect(() => pubsub.broadcast(a, 'notes', 'topic', () => 1)).toThrow(/TROUPE_NOT_ENCODABLE/);
    pubsub.localBroadcast(a, 'notes', 'topic', () => 'fine');
    await cluster.settle();
    expect([here.got.length, there.got.length]).toEqual([2, 0]);
  });

  test('a broadcast makes no connection, and what is lost with one never arrives later', async () => {
    const { cluster, a, b } = await three();
    const member = collector(b);
    pubsub.join(b, 'notes', member.pid);
    await cluster.settle();
    cluster.network.cut('a@x', 'b@x');
    pubsub.broadcast(a, 'notes', 'topic', 1);
    await cluster.settle();
    cluster.network.heal();
    pubsub.broadcast(a, 'notes', 'topic', 2);
    await cluster.settle();
    expect(a.nodes()).toEqual(['c@x']);
    await cluster.mesh([a, b]);
    pubsub.broadcast(a, 'notes', 'topic', 3);
    await cluster.settle();
    expect(member.got.map((message) => (message as Broadcast).payload)).toEqual([3]);
  });
});

describe('typed channels', () => {
  interface Topics {
    note_created: { id: number; title: string };
    note_deleted: { id: number };
  }

  test('do what the functions do', async () => {
    const node = makeNode();
    const notes = defineChannel<Topics>('notes');
    expect(notes.name).toBe('notes');
    const member = collector(node);
    notes.join(node, member.pid);
    await inProcess(node, async (self) => {
      notes.join(self);
      expect(keys(notes.getMembers(self))).toEqual(keys([self.pid, member.pid]));
      expect(notes.getLocalMembers(node)).toHaveLength(2);
      notes.broadcast(self, 'note_created', { id: 1, title: 'a' });
      notes.localBroadcast(self, 'note_deleted', { id: 1 });
      pubsub.broadcast(self, 'other', 'note_deleted', { id: 2 });
      self.send(self.pid, 'else');
      const deleted = await self.receive(notes.matching('note_deleted'));
      expect(deleted.payload.id).toBe(1);
      const any = await self.receive(notes.matching());
      expect(any.topic).toBe('note_created');
      const last = await self.receive();
      expect([notes.matches(last), notes.matches(any), notes.matches(any, 'note_deleted')]).toEqual([
        false,
        true,
        false,
      ]);
      expect(notes.matches(any, 'note_created', 'note_deleted')).toBe(true);
      expect(defineChannel('others').matches(any)).toBe(false);
      expect(notes.leave(self)).toBe('ok');
    });
    expect(notes.leave(node, member.pid)).toBe('ok');
    expect(notes.leave(node, [member.pid])).toBe('not_joined');
    expect(member.got).toHaveLength(2);
  });

  test('on: a server handles topics, and leaves all else to the next handler', async () => {
    const node = makeNode();
    const notes = defineChannel<Topics>('notes');
    const left: unknown[] = [];
    const titles = defineServer({
      init(self: Process) {
        notes.join(self);
        return new Map<number, string>();
      },
      call: { all: (state) => [...state.values()] },
      info: [
        on(notes, {
          note_created: (state, { id, title }, self, message) => {
            expect(self.pid).not.toBe(message.sender);
            state.set(id, title);
          },
        }),
        (_state, message) => {
          left.push(message);
        },
      ],
    });
    const server = await node.start(titles);
    notes.broadcast(node, 'note_created', { id: 1, title: 'one' });
    notes.broadcast(node, 'note_deleted', { id: 1 });
    pubsub.join(node, 'other', server.pid);
    pubsub.broadcast(node, 'other', 'note_created', { id: 2, title: 'two' });
    pubsub.broadcast(node, 'notes', 'constructor', {});
    node.send(server.pid, 'hello');
    expect(await server.call('all')).toEqual(['one']);
    expect(left.map((message) => (message instanceof Broadcast ? message.topic : message))).toEqual([
      'note_deleted',
      'note_created',
      'constructor',
      'hello',
    ]);
  });

  test('on: what a handler returns is passed on', () => {
    const node = makeNode();
    const notes = defineChannel<Topics>('notes');
    const self = node.find(forever(node))!;
    const handler = on(notes, { note_deleted: (state: number, { id }) => state + id });
    expect(handler(1, new Broadcast('notes', self.pid, 'note_deleted', { id: 2 }), self)).toBe(3);
    expect(handler(1, new Broadcast('notes', self.pid, 'note_created', {}), self)).toBe(UNHANDLED);
    expect(handler(1, 'else', self)).toBe(UNHANDLED);
  });
});

test('a broadcast shows a place in a history only when it has one', () => {
  const node = makeNode();
  const plain = new Broadcast('notes', node.initPid, 'topic', 1);
  expect(inspect(plain)).toMatch(/^Broadcast \{\n? +channel: 'notes',[^]*topic: 'topic',\s+payload: 1\s+\}$/);
  expect([plain.epoch, plain.position, plain.id]).toEqual([undefined, undefined, undefined]);
  const stored = new Broadcast('notes', node.initPid, 'topic', 1, { epoch: 'e', position: 7 });
  expect(inspect(stored)).toContain("epoch: 'e',");
  expect(stored.id).toBe('e:7');
});
