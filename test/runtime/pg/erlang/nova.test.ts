// Channels together with an application of Nova: the Erlang side is written as its users write it, with atoms for channels and
// keys and strings for topics, and has no idea of what is on the other side.
import {
  atom,
  Broadcast,
  charlist,
  defineChannel,
  defineServer,
  type ErlMap,
  type Node,
  on,
  pg,
  type Pid,
  type Process,
  pubsub,
  text,
  tuple,
  type Tuple,
} from 'troupe';
import { createProbe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Epmd, freePort, startEpmd, startErl } from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { collector, forever, keys } from '../../distribution/cluster.ts';
import { Beam, expectMembers, startNode, WAIT } from './beam.ts';

const part = requirePart('erl');

interface Note {
  id: number;
  title: string;
  tags: string[];
  author: { name: string } | null;
}

const notes = defineChannel<{ note_created: Note; note_deleted: { id: number } }>('notes', {
  atomKeys: ['id', 'title', 'tags', 'author', 'name'],
});

describe.skipIf(part.missing)('channels with Nova', () => {
  let epmd: Epmd;
  let beam: Beam;

  beforeAll(async () => {
    epmd = await startEpmd(await freePort());
    beam = new Beam(await startErl({ name: 'nova@127.0.0.1', epmdPort: epmd.port }));
    for (const module of ['agent', 'nova_pubsub', 'note_keeper']) await beam.erl.load(`${module}.erl`);
    await beam.call('nova_pubsub', 'start');
  });

  afterAll(async () => {
    await beam?.erl.stop();
    await epmd?.stop();
  });

  /** A node that is connected, and knows the members there. */
  async function begin(): Promise<Node> {
    const node = await startNode(epmd.port);
    pubsub.start(node);
    await node.connect(beam.name);
    return node;
  }

  /** A process there that keeps what it gets, a member of a channel. */
  async function agent(name: string, channel: unknown): Promise<Pid> {
    const pid = (await beam.call('agent', 'start', atom(name))) as Pid;
    await beam.call('nova_pubsub', 'join', channel, pid);
    return pid;
  }

  const kept = async (name: string) => (await beam.call('agent', 'kept', atom(name))) as Tuple[];

  test('a broadcast there arrives here, typed, with its sender', async () => {
    const node = await begin();
    const arrived: Array<Broadcast> = [];
    const index = defineServer({
      init(self: Process) {
        notes.join(self);
        return new Map<number, string>();
      },
      call: { all: (titles) => [...titles] },
      info: on(notes, {
        note_created: (titles, { id, title, tags, author }, _self, message) => {
          titles.set(id, `${title} ${tags.join('+')} ${author?.name}`);
          arrived.push(message);
        },
        note_deleted: (titles, { id }) => titles.delete(id),
      }),
    });
    const server = await node.start(index);
    await expectMembers(beam, 'nova_scope', atom('notes'), [server.pid]);
    const sender = await beam.ask(
      `nova_pubsub:broadcast(notes, "note_created",
         #{id => 1, title => <<"Grüße"/utf8>>, tags => [<<"a">>, <<"b">>], author => #{name => <<"Ann">>}}),
       nova_pubsub:broadcast(notes, <<"note_created">>, #{id => 2, title => <<"two">>, tags => [], author => nil}),
       nova_pubsub:broadcast(notes, "note_created", #{id => 3, title => <<>>, tags => [], author => nil}),
       nova_pubsub:broadcast(notes, "note_deleted", #{id => 3}),
       nova_pubsub:broadcast(notes, "something_else", ok),
       self()`,
    );
    await vi.waitFor(async () => {
      expect(await server.call('all')).toEqual([
        [1, 'Grüße a+b Ann'],
        [2, 'two  undefined'],
      ]);
    }, WAIT);
    expect(arrived[0]).toEqual(
      new Broadcast('notes', sender as Pid, 'note_created', {
        id: 1,
        title: 'Grüße',
        tags: ['a', 'b'],
        author: { name: 'Ann' },
      }),
    );
    expect(arrived[0]!.sender.equals(sender)).toBe(true);
  });

  test('a broadcast here arrives in a server there, which matches atoms and strings', async () => {
    const node = await begin();
    await beam.call('note_keeper', 'start');
    const [keeper] = (await beam.ask('[whereis(note_keeper)]')) as [Pid];
    await expectMembers(node, 'nova_scope', 'notes', [keeper]);
    const sender = forever(node);
    notes.broadcast(node.find(sender)!, 'note_created', { id: 1, title: 'Grüße', tags: ['a'], author: null });
    notes.broadcast(node, 'note_deleted', { id: 1 });
    await vi.waitFor(async () => {
      const [created, deleted, ...more] = (await beam.call('note_keeper', 'kept')) as Tuple[];
      const [what, title, note, from] = created!.elements;
      expect([what, title]).toEqual([atom('created'), 'Grüße']);
      // In which order a map tells its keys differs between the releases.
      expect(new Map(note as ErlMap)).toEqual(
        new Map<unknown, unknown>([
          [atom('author'), null],
          [atom('id'), 1],
          [atom('tags'), ['a']],
          [atom('title'), 'Grüße'],
        ]),
      );
      expect((from as Pid).equals(sender)).toBe(true);
      expect(deleted).toEqual(tuple(atom('deleted'), 1));
      expect(more).toEqual([]);
    }, WAIT);
    await beam.ask('gen_server:stop(note_keeper)');
  });

  test('a channel of members there only is not affected', async () => {
    const node = await begin();
    const channel = atom('among_themselves');
    const [one, two] = [await agent('one', channel), await agent('two', channel)];
    await expectMembers(node, 'nova_scope', 'among_themselves', [one, two]);
    await beam.ask('nova_pubsub:broadcast(X, "topic", {any, [term | improper]})', channel);
    await vi.waitFor(
      async () => expect([(await kept('one')).length, (await kept('two')).length]).toEqual([1, 1]),
      WAIT,
    );
    expect((await kept('one'))[0]!.elements.slice(0, 2)).toEqual([atom('nova_pubsub'), channel]);
    expect(keys((await beam.call('nova_pubsub', 'get_members', channel)) as Pid[])).toEqual(keys([one, two]));
    node.disconnect(beam.name);
    await beam.ask('nova_pubsub:broadcast(X, "topic", 2)', channel);
    await vi.waitFor(async () => expect(await kept('two')).toHaveLength(2), WAIT);
  });

  test('local_broadcast stays where it is', async () => {
    const node = await begin();
    const here = collector(node);
    const there = await agent('local', atom('local'));
    pubsub.join(node, atom('local'), here.pid);
    await expectMembers(beam, 'nova_scope', atom('local'), [here.pid, there]);
    await expectMembers(node, 'nova_scope', 'local', [here.pid, there]);
    await beam.ask('nova_pubsub:local_broadcast(local, "there", 1)');
    pubsub.localBroadcast(node, 'local', 'here', 1);
    pubsub.broadcast(node, 'local', 'everywhere', 1);
    await beam.ask('nova_pubsub:broadcast(local, "everywhere too", 1)');
    await vi.waitFor(async () => {
      expect(here.got.map((message) => (message as Broadcast).topic)).toEqual([
        'here',
        'everywhere',
        'everywhere too',
      ]);
      const topics = (await kept('local')).map(({ elements }) => String(text(elements[3])));
      expect(topics.toSorted()).toEqual(['everywhere', 'everywhere too', 'there']);
    }, WAIT);
  });

  test('a channel that was never declared is a binary there, and its topics are strings', async () => {
    const node = await begin();
    const user = 'room of <user>';
    const there = await agent('binary', user);
    const { pid, got } = collector(node);
    pubsub.join(node, user, pid);
    await expectMembers(node, 'nova_scope', user, [there, pid]);
    await expectMembers(beam, 'nova_scope', user, [there, pid]);
    pubsub.broadcast(node, user, 'said', { text: 'hello', at: 1 });
    await vi.waitFor(async () => expect(await kept('binary')).toHaveLength(1), WAIT);
    await beam.ask('nova_pubsub:broadcast(X, "said", #{<<"text">> => <<"hi">>})', user);
    await vi.waitFor(async () => {
      expect(got).toHaveLength(2);
      const [message] = await kept('binary');
      const [, channel, , topic, payload] = message!.elements;
      expect([channel, topic, payload]).toEqual([user, [...Buffer.from('said')], { text: 'hello', at: 1 }]);
    }, WAIT);
    expect((got[1] as Broadcast).payload).toEqual({ text: 'hi' });
  });

  test('topics are binaries where that is declared', async () => {
    const node = await begin();
    const binary = defineChannel<{ said: string }>('binary_topics', { topics: 'binary' });
    const there = await agent('topics', atom('binary_topics'));
    await expectMembers(node, 'nova_scope', 'binary_topics', [there]);
    binary.broadcast(node, 'said', 'hello');
    await vi.waitFor(async () => {
      expect((await kept('topics')).map(({ elements }) => elements[3])).toEqual(['said']);
    }, WAIT);
  });

  test('a channel that is known from there alone is called by its atom', async () => {
    const node = await begin();
    const there = await agent('unknown', atom('known_there'));
    await expectMembers(node, 'nova_scope', 'known_there', [there]);
    const { pid, got } = collector(node);
    pubsub.join(node, 'known_there', pid);
    await expectMembers(beam, 'nova_scope', atom('known_there'), [there, pid]);
    pubsub.broadcast(node, 'known_there', 'topic', 1);
    await vi.waitFor(async () => {
      const [message] = await kept('unknown');
      expect(message!.elements.slice(0, 2)).toEqual([atom('nova_pubsub'), atom('known_there')]);
      expect(got).toHaveLength(1);
    }, WAIT);
  });

  test('a name that was announced stays the same until its members have left, whatever is declared', async () => {
    const node = await begin();
    const scope = await beam.scope('nova_scope');
    const [one, two] = [forever(node), forever(node)];
    pubsub.join(node, 'declared_late', one);
    await expectMembers(beam, 'nova_scope', 'declared_late', [one]);
    defineChannel('declared_late');
    pubsub.join(node, 'declared_late', two);
    await expectMembers(beam, 'nova_scope', 'declared_late', [one, two]);
    pubsub.leave(node, 'declared_late', one);
    node.exit(two, 'kill');
    await expectMembers(beam, 'nova_scope', 'declared_late', []);
    pubsub.join(node, 'declared_late', one);
    await expectMembers(beam, 'nova_scope', atom('declared_late'), [one]);
    await expectMembers(beam, 'nova_scope', 'declared_late', []);
    expect(await beam.scope('nova_scope')).toEqual(scope);
  });

  test('one message goes to a node there, whatever the number of its members', async () => {
    const node = await begin();
    const pids = (await beam.ask(
      `Counter = spawn(fun F() -> receive {From, count} -> From ! element(2, process_info(self(), message_queue_len)), F() end end),
       Members = [spawn(fun F() -> receive M -> Counter ! M, F() end end) || _ <- lists:seq(1, 500)],
       register(many_counter, Counter), pg:join(nova_scope, many, Members), Members`,
    )) as Pid[];
    await vi.waitFor(() => expect(pg.getMembers(node, 'nova_scope', 'many')).toHaveLength(500), WAIT);
    pubsub.broadcast(node, 'many', 'topic', charlist('x'.repeat(1_000)));
    await vi.waitFor(async () => {
      const count = await beam.ask('many_counter ! {self(), count}, receive N -> N end');
      expect(count).toBe(pids.length);
    }, WAIT);
  });

  test('a process here is watched and notified like any other: what it got from there can be answered', async () => {
    const node = await begin();
    const probe = createProbe(node);
    pubsub.join(node, atom('asked'), probe.pid);
    await expectMembers(beam, 'nova_scope', atom('asked'), [probe.pid]);
    const answer = beam.ask(
      'nova_pubsub:broadcast(asked, "who", nobody), receive Answer -> Answer after 10000 -> none end',
    );
    const question = (await probe.receive((message) => message instanceof Broadcast)) as Broadcast;
    expect(question.payload).toBe(atom('nobody'));
    node.send(question.sender, tuple(atom('me'), probe.pid));
    expect(String(await answer)).toBe(String(tuple(atom('me'), probe.pid)));
  });
});
