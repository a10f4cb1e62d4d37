// What groups are called: terms in any scope, but channels in `nova_scope`, where an atom and a binary are the same one. Which
// name goes out is seen by a peer that notes what it is told.
import { describe, expect, test } from 'vitest';
import { atom, Broadcast, defineChannel, GroupJoined, GroupLeft, type Node, pg, pubsub, tuple } from 'troupe';
import { declaredForm, discover, join, leave, sync } from '../../../src/runtime/pg/internal.ts';
import { Cluster, collector, forever, keys } from '../distribution/cluster.ts';
import { Spy } from './spy.ts';

/** A node with a scope, and a peer of it that is known already. */
async function watched(scope: string) {
  const cluster = new Cluster();
  const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
  const spy = new Spy(b, scope);
  if (scope === 'nova_scope') pubsub.start(a);
  else pg.start(a, scope);
  await cluster.mesh([a, b]);
  const tell = async (...messages: readonly unknown[]) => {
    for (const message of messages) spy.tell(a, scope, message);
    await cluster.settle();
  };
  await tell(discover(spy.pid));
  spy.clear();
  /** What the peer has received since, by kind. */
  const told = async () => {
    await cluster.settle();
    const names = spy.messages.map((message) => {
      if (message.kind === 'sync') return ['sync', ...message.groups.map(([name]) => name)];
      if (message.kind === 'join') return ['join', message.group];
      return message.kind === 'leave' ? ['leave', ...message.groups] : ['discover'];
    });
    spy.clear();
    expect(spy.faults).toEqual([]);
    return names;
  };
  return { cluster, a, b, spy, tell, told };
}

describe('in any scope', () => {
  test('names are terms: an atom is another group than the string', async () => {
    const { a, b, spy, tell, told } = await watched('s');
    const [one, two, three] = [forever(a), forever(a), forever(a)];
    pg.join(a, 's', atom('notes'), one);
    pg.join(a, 's', 'notes', two);
    pg.join(a, 's', tuple(atom('room'), 1), three);
    expect(await told()).toEqual([
      ['join', atom('notes')],
      ['join', 'notes'],
      ['join', tuple(atom('room'), 1)],
    ]);
    const there = forever(b);
    await tell(join(spy.pid, atom('notes'), there));
    expect(keys(pg.getMembers(a, 's', atom('notes')))).toEqual(keys([one, there]));
    expect(keys(pg.getMembers(a, 's', 'notes'))).toEqual(keys([two]));
    a.exit(one, 'kill');
    expect(await told()).toEqual([['leave', atom('notes')]]);
  });

  test('a string and its bytes are one group, which goes out under the name it had first', async () => {
    const { a, b, spy, tell, told } = await watched('s');
    const [one, two] = [forever(a), forever(a)];
    pg.join(a, 's', Buffer.from('text'), one);
    pg.join(a, 's', 'text', two);
    pg.leave(a, 's', 'text', one);
    expect(await told()).toEqual([
      ['join', 'text'],
      ['join', 'text'],
      ['leave', 'text'],
    ]);
    await tell(join(spy.pid, Buffer.from('text'), forever(b)));
    expect(pg.getMembers(a, 's', 'text')).toHaveLength(2);
  });
});

describe('a channel', () => {
  test('goes out as an atom when it is declared, else as a binary', async () => {
    const { a, told } = await watched('nova_scope');
    const pid = forever(a);
    const notes = defineChannel('declared before');
    notes.join(a, pid);
    pubsub.join(a, 'never declared', pid);
    pubsub.join(a, atom('declared by use'), pid);
    pg.join(a, 'nova_scope', atom('declared by pg'), pid);
    expect(await told()).toEqual([
      ['join', atom('declared before')],
      ['join', 'never declared'],
      ['join', atom('declared by use')],
      ['join', atom('declared by pg')],
    ]);
    a.exit(pid, 'kill');
    expect((await told())[0]!.slice(1).map(String).toSorted()).toEqual([
      "'declared before'",
      "'declared by pg'",
      "'declared by use'",
      'never declared',
    ]);
  });

  test('is the string here, whatever it is called, in all functions', async () => {
    const { a } = await watched('nova_scope');
    const { pid, got } = collector(a);
    const name = atom('all functions');
    pubsub.join(a, name, pid);
    pg.join(a, 'nova_scope', Buffer.from('all functions'), pid);
    expect(pg.whichGroups(a, 'nova_scope')).toEqual(['all functions']);
    expect(pubsub.getMembers(a, 'all functions')).toHaveLength(2);
    expect(pubsub.getLocalMembers(a, name)).toHaveLength(2);
    expect(pg.getMembers(a, 'nova_scope', name)).toHaveLength(2);
    const follower = collector(a);
    const { members } = pg.monitor(a.find(follower.pid)!, 'nova_scope', name);
    expect(members).toHaveLength(2);
    expect(pubsub.leave(a, name, pid)).toBe('ok');
    pubsub.broadcast(a, name, 'topic', 1);
    pubsub.localBroadcast(a, name, 'topic', 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(follower.got).toEqual([expect.any(GroupLeft)]);
    expect((follower.got[0] as GroupLeft).group).toBe('all functions');
    expect(got).toEqual([
      new Broadcast('all functions', a.initPid, 'topic', 1),
      new Broadcast('all functions', a.initPid, 'topic', 2),
    ]);
    expect(() => pubsub.join(a, atom(''), pid)).toThrow(/TROUPE_BAD_CHANNEL/);
  });

  test('that a peer calls by an atom goes out as an atom, too; its members by both names are members', async () => {
    const { a, b, spy, tell, told } = await watched('nova_scope');
    const [one, two] = [forever(b), forever(b)];
    await tell(
      sync(spy.pid, [
        [atom('heard'), [one]],
        ['heard', [two, one]],
      ]),
    );
    expect(pg.whichGroups(a, 'nova_scope')).toEqual(['heard']);
    expect(keys(pubsub.getMembers(a, 'heard'))).toEqual(keys([one, one, two]));
    pubsub.join(a, 'heard', forever(a));
    expect(await told()).toEqual([['join', atom('heard')]]);
    await tell(leave(spy.pid, one, ['heard']));
    expect(pubsub.getMembers(a, 'heard')).toHaveLength(3);
    // Who leaves one of the two more often than he has joined it stays in the other.
    await tell(leave(spy.pid, [one, one, two], [atom('heard')]));
    expect(pubsub.getMembers(a, 'heard')).toHaveLength(2);
    await tell(sync(spy.pid, [[atom('heard'), [one, two]]]));
    expect(keys(pubsub.getMembers(a, 'heard').slice(1))).toEqual(keys([one, two]));
    await tell(leave(spy.pid, [one, two], ['heard']));
    expect(pubsub.getMembers(a, 'heard')).toHaveLength(3);
    await tell(leave(spy.pid, [one, two], [atom('heard')]));
    expect(pubsub.getMembers(a, 'heard')).toHaveLength(1);
    expect(declaredForm('heard')).toBe(undefined);
  });

  test('keeps the name under which peers know it until its last local member has left', async () => {
    const { cluster, a, b, spy, tell, told } = await watched('nova_scope');
    const [one, two] = [forever(a), forever(a)];
    pubsub.join(a, 'sticky', one);
    expect(await told()).toEqual([['join', 'sticky']]);
    defineChannel('sticky');
    await tell(join(spy.pid, atom('sticky'), forever(b)));
    pubsub.join(a, 'sticky', two);
    // Another peer is told under it, too.
    const c = cluster.node('c@x');
    const other = new Spy(c, 'nova_scope');
    await cluster.mesh([a, c]);
    other.tell(a, 'nova_scope', discover(other.pid));
    await tell(discover(spy.pid));
    expect(other.of('sync')[0]!.groups.map(([name]) => name)).toEqual(['sticky']);
    pubsub.leave(a, 'sticky', one);
    a.exit(two, 'kill');
    expect(await told()).toEqual([
      ['join', 'sticky'],
      ['sync', 'sticky'],
      ['leave', 'sticky'],
      ['leave', 'sticky'],
    ]);
    pubsub.join(a, 'sticky', forever(a));
    expect(await told()).toEqual([['join', atom('sticky')]]);
    expect([spy.faults, other.faults]).toEqual([[], []]);
  });

  test('that was joined before any peer knew of it may still be declared', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    const spy = new Spy(b, 'nova_scope');
    const pid = forever(a);
    pubsub.join(a, 'declared late', [pid, pid]);
    pubsub.leave(a, 'declared late', pid);
    defineChannel('declared late');
    await cluster.mesh([a, b]);
    spy.tell(a, 'nova_scope', discover(spy.pid));
    await cluster.settle();
    expect(spy.of('sync')[0]!.groups.map(([name]) => name)).toEqual([atom('declared late')]);
  });

  test('may be called as the atoms that are values here', async () => {
    const { a, b, spy, tell, told } = await watched('nova_scope');
    const names = ['true', 'false', 'nil', 'undefined'];
    const pid = forever(a);
    for (const name of names) defineChannel(name).join(a, pid);
    // As the wire has them: atoms that arrive as these values.
    expect(await told()).toEqual([true, false, null, undefined].map((value) => ['join', value]));
    await tell(join(spy.pid, null, forever(b)));
    expect(pubsub.getMembers(a, 'nil')).toHaveLength(2);
    pg.join(a, 'nova_scope', true, pid);
    expect(pg.whichGroups(a, 'nova_scope').map(String).toSorted()).toEqual(names.toSorted());
    expect(await told()).toEqual([['join', true]]);
  });

  test('that is only heard as an atom is declared when something is broadcast on it', async () => {
    const { a, b, spy, tell } = await watched('nova_scope');
    const { pid, got } = collector(b);
    await tell(join(spy.pid, atom('answered'), pid), join(spy.pid, 'by string', pid));
    pubsub.localBroadcast(a, 'answered', 'topic', 1);
    expect(declaredForm('answered')).toBe(undefined);
    pubsub.broadcast(a, 'answered', 'topic', 2);
    pubsub.broadcast(a, 'by string', 'topic', 3);
    expect(declaredForm('answered')).toBeDefined();
    expect(declaredForm('by string')).toBe(undefined);
    await tell();
    expect(got.map((message) => (message as Broadcast).payload)).toEqual([2, 3]);
  });

  test('is one for two nodes of which one has not declared it', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    for (const node of [a, b]) pubsub.start(node);
    await cluster.mesh([a, b]);
    const [atA, atB] = [collector(a), collector(b)];
    pubsub.join(b, 'of two', atB.pid);
    await cluster.settle();
    pubsub.join(a, atom('of two'), atA.pid);
    await cluster.settle();
    for (const node of [a, b]) expect(pubsub.getMembers(node, 'of two')).toHaveLength(2);
    pubsub.broadcast(a, 'of two', 'topic', 'a');
    pubsub.broadcast(b, atom('of two'), 'topic', 'b');
    await cluster.settle();
    for (const { got } of [atA, atB]) {
      expect(got.map((message) => String((message as Broadcast).payload)).toSorted()).toEqual(['a', 'b']);
    }
    const follower = collector(a);
    pg.monitorScope(a.find(follower.pid)!, 'nova_scope');
    b.exit(atB.pid, 'kill');
    pubsub.join(b, 'of two', forever(b));
    await cluster.settle();
    expect(follower.got.map((event) => [event instanceof GroupJoined, (event as GroupLeft).group])).toEqual([
      [false, 'of two'],
      [true, 'of two'],
    ]);
  });
});

describe('the pids of a peer in a group', () => {
  test('are one frozen array until they change', async () => {
    const cluster = new Cluster();
    const [a, b] = cluster.nodes('a@x', 'b@x') as [Node, Node];
    const spy = new Spy(b, 'nova_scope');
    const lists: unknown[] = [];
    const original = a.router.peer('b@x');
    const send = original.send.bind(original);
    original.send = (signal) => {
      if (signal.op === 'sendMany') lists.push(signal.to);
      send(signal);
    };
    pubsub.start(a);
    await cluster.mesh([a, b]);
    const [one, two] = [forever(b), forever(b)];
    const tell = async (message: unknown) => {
      spy.tell(a, 'nova_scope', message);
      await cluster.settle();
      pubsub.broadcast(a, 'list', 'topic', 1);
    };
    await tell(sync(spy.pid, [['list', [one, two]]]));
    // None of these changes anything.
    await tell(sync(spy.pid, [['list', [two, one]]]));
    await tell(join(spy.pid, 'list', []));
    await tell(leave(spy.pid, [], ['list']));
    await tell(leave(spy.pid, a.initPid, ['list', 'other']));
    await tell(join(spy.pid, 'other', one));
    expect(lists).toHaveLength(6);
    expect(new Set(lists).size).toBe(1);
    expect(Object.isFrozen(lists[0])).toBe(true);
    await tell(join(spy.pid, 'list', one));
    await tell(leave(spy.pid, one, ['list']));
    expect(new Set(lists).size).toBe(3);
    expect(lists.at(-1)).toEqual(lists[0]);
  });
});
