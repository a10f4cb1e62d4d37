// The runtime's own messages as Erlang's, and back; what only looks like one stays a term.
import {
  atom,
  atomKeys,
  Broadcast,
  charlist,
  Down,
  ErlMap,
  Exit,
  float,
  ImproperList,
  NodeDown,
  NodeUp,
  Pid,
  Ref,
  Tuple,
  tuple,
} from 'troupe';
import { beforeAll, describe, expect, test } from 'vitest';
import { declareChannel } from '../../../../src/runtime/pg/internal.ts';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { TermReader } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Cast, ForeignTag, RemoteCall } from '../../../../src/runtime/otp/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { Messages } from '../../../../src/runtime/distribution/erlang/internal.ts';

const origin = new Origin('a@h', 5);
const pid = new Pid(origin, 1, 2);
const ref = new Ref(origin, 3, 4);

/** The term that Erlang gets. */
function toErlang(value: unknown): unknown {
  return decodeTerm(encodeTerm(value));
}

/** What a node reads as a message. */
function message(term: unknown): unknown {
  const bytes = Buffer.from(encodeTerm(term));
  const reader = new TermReader({ origin, internPid: (found) => found });
  reader.reset(bytes, 1, bytes.length);
  const read = reader.message(new Messages('a@h'));
  expect(reader.peek()).toBe(-1);
  return read;
}

describe('messages that are records to both', () => {
  test.each<[string, object, Tuple]>([
    ['Cast', new Cast('add', 1), tuple(atom('$gen_cast'), tuple(atom('add'), 1))],
    ['Cast without argument', new Cast('tick', undefined), tuple(atom('$gen_cast'), atom('tick'))],
    ['Cast of any term', new Cast('$request', [1, 2]), tuple(atom('$gen_cast'), [1, 2])],
    ['Cast of a tuple', new Cast('$request', tuple(1, 2)), tuple(atom('$gen_cast'), tuple(1, 2))],
    [
      'RemoteCall',
      new RemoteCall(pid, ref, 'get', { a: 1 }),
      tuple(
        atom('$gen_call'),
        tuple(pid, new ImproperList([atom('alias')], ref)),
        tuple(atom('get'), { a: 1 }),
      ),
    ],
    [
      'RemoteCall with another tag',
      new RemoteCall(pid, new ForeignTag(tuple(ref, atom('b@h'))), '$request', tuple(atom('get'), 1, 2)),
      tuple(atom('$gen_call'), tuple(pid, tuple(ref, atom('b@h'))), tuple(atom('get'), 1, 2)),
    ],
    [
      'RemoteCall with a ref',
      new RemoteCall(pid, new ForeignTag(ref), 'stop', undefined),
      tuple(atom('$gen_call'), tuple(pid, ref), atom('stop')),
    ],
  ])('%s', (_, record, term) => {
    expect(toErlang(record)).toStrictEqual(term);
    expect(message(record)).toStrictEqual(record);
  });

  test('are tuples when they are part of a message', () => {
    const exit = new Exit(pid, 'normal');
    expect(message([exit])).toStrictEqual([tuple(atom('EXIT'), pid, atom('normal'))]);
    expect(message(tuple(atom('x'), exit))).toStrictEqual(
      tuple(atom('x'), tuple(atom('EXIT'), pid, atom('normal'))),
    );
  });
});

describe('records that are tuples to the receiver, since only signals make them, or nobody', () => {
  test.each<[string, object, Tuple]>([
    ['Exit', new Exit(pid, 'normal'), tuple(atom('EXIT'), pid, atom('normal'))],
    ['Down', new Down(ref, pid, 'noproc'), tuple(atom('DOWN'), ref, atom('process'), pid, atom('noproc'))],
    [
      'Down of a name',
      new Down(ref, { name: 'db', node: 'a@h' }, ['shutdown', 'why']),
      tuple(
        atom('DOWN'),
        ref,
        atom('process'),
        tuple(atom('db'), atom('a@h')),
        tuple(atom('shutdown'), 'why'),
      ),
    ],
    ['NodeUp', new NodeUp('b@h'), tuple(atom('nodeup'), atom('b@h'))],
    [
      'NodeDown',
      new NodeDown('b@h', 'noconnection'),
      tuple(atom('nodedown'), atom('b@h'), atom('noconnection')),
    ],
  ])('%s', (_, record, term) => {
    expect(message(record)).toStrictEqual(term);
  });
});

describe('tuples that only look like records', () => {
  test.each<[string, Tuple]>([
    ['an exit', tuple(atom('EXIT'), pid, atom('shutdown'))],
    ['the end of a monitored process', tuple(atom('DOWN'), ref, atom('process'), pid, atom('normal'))],
    ['the end of a connection', tuple(atom('nodedown'), atom('b@h'), atom('noconnection'))],
    [
      'a broadcast whose sender is of another node',
      tuple(atom('nova_pubsub'), 'c', new Pid(new Origin('b@h', 5), 1, 2), [116], { a: 1 }),
    ],
    ['a cast of two', tuple(atom('$gen_cast'), 1, 2)],
    ['a call of no pid', tuple(atom('$gen_call'), tuple(1, ref), atom('x'))],
    ['a call of no from', tuple(atom('$gen_call'), pid, atom('x'))],
    ['a call from three', tuple(atom('$gen_call'), tuple(pid, ref, 1), atom('x'))],
    ['a broadcast of no pid', tuple(atom('nova_pubsub'), atom('c'), 1, [116], { a: 1 })],
    ['a broadcast on no channel', tuple(atom('nova_pubsub'), 1, pid, [116], { a: 1 })],
    ['a broadcast on true, of nobody', tuple(atom('nova_pubsub'), true, 1, [116], 1)],
    ['a broadcast without topic', tuple(atom('nova_pubsub'), atom('c'), pid, 7, { a: 1 })],
    ['a broadcast with no text for a topic', tuple(atom('nova_pubsub'), 'c', pid, [-1], { a: 1 })],
    ['a broadcast with bytes for a topic', tuple(atom('nova_pubsub'), 'c', pid, Uint8Array.from([255]), 1)],
    ['a broadcast of six', tuple(atom('nova_pubsub'), atom('c'), pid, [116], 1, 2)],
    ['a text', tuple('EXIT', pid, atom('normal'))],
    ['another tuple', tuple(atom('ok'), null, [1])],
    ['an atom that is a value', tuple(true, 1)],
    ['one element', tuple(atom('EXIT'))],
    ['no element', tuple()],
  ])('%s', (_, term) => {
    expect(message(term)).toStrictEqual(term);
  });

  test('and what is no tuple at all', () => {
    for (const term of [atom('x'), 1, 'x', [atom('EXIT')], { a: 1 }])
      expect(message(term)).toStrictEqual(term);
  });

  test('a large tuple', () => {
    const large = new Tuple([atom('EXIT'), ...Array.from({ length: 300 }, () => 1)]);
    expect(message(large)).toStrictEqual(large);
  });
});

describe('broadcasts', () => {
  beforeAll(() => {
    declareChannel('etf_plain');
    declareChannel('etf_keyed', { atomKeys: ['id', 'title', 'tags'] });
    declareChannel('etf_binary', { topics: 'binary' });
  });

  const payload = { id: 1, title: 'x', other: { id: 2 }, tags: [{ id: 3 }] };

  test('on a channel that nobody declared: texts, and the topic as characters', () => {
    const broadcast = new Broadcast('etf/user/7', pid, 'töpic', payload);
    expect(toErlang(broadcast)).toStrictEqual(
      tuple(atom('nova_pubsub'), 'etf/user/7', pid, [...Buffer.from('töpic', 'latin1')], payload),
    );
    expect(message(broadcast)).toStrictEqual(broadcast);
  });

  test('on a declared one: an atom', () => {
    const broadcast = new Broadcast('etf_plain', pid, 'note_created', payload);
    expect(toErlang(broadcast)).toStrictEqual(
      tuple(atom('nova_pubsub'), atom('etf_plain'), pid, [...Buffer.from('note_created')], payload),
    );
    expect(message(broadcast)).toStrictEqual(broadcast);
  });

  test('with keys that are atoms, at any depth', () => {
    const broadcast = new Broadcast('etf_keyed', pid, 't', payload);
    const [id, title, tags] = [atom('id'), atom('title'), atom('tags')];
    expect(toErlang(broadcast)).toStrictEqual(
      tuple(
        atom('nova_pubsub'),
        atom('etf_keyed'),
        pid,
        [116],
        new ErlMap<unknown>([
          [id, 1],
          [title, 'x'],
          ['other', new ErlMap([[id, 2]])],
          [tags, [new ErlMap([[id, 3]])]],
        ]),
      ),
    );
    expect(message(broadcast)).toStrictEqual(broadcast);
    // Only in the payload, and only of plain objects.
    expect(toErlang([broadcast, { id: 1 }])).toHaveProperty('1', { id: 1 });
    expect(message(new Broadcast('etf_keyed', pid, 't', new Map([['id', 1]])))).toHaveProperty('payload', {
      id: 1,
    });
  });

  test('whose keys are read, also those that were not declared', () => {
    const read = (term: unknown): unknown => {
      const broadcast = message(tuple(atom('nova_pubsub'), atom('etf_keyed'), pid, charlist('t'), term));
      expect(broadcast).toBeInstanceOf(Broadcast);
      return (broadcast as Broadcast).payload;
    };
    expect(read(new ErlMap([[atom('new'), 1]]))).toStrictEqual({ new: 1 });
    expect(
      read(
        new ErlMap<unknown>([
          [atom('a'), 1],
          ['b', 2],
          [atom('c'), 3],
        ]),
      ),
    ).toStrictEqual({ a: 1, b: 2, c: 3 });
    expect(
      read(
        new ErlMap<unknown>([
          [true, 1],
          [null, 2],
          [undefined, 3],
        ]),
      ),
    ).toStrictEqual({ true: 1, nil: 2, undefined: 3 });
    expect(read(new ErlMap([[atom('__proto__'), 1]]))).toStrictEqual(JSON.parse('{"__proto__":1}'));
    const nested = new ErlMap<unknown>([
      [atom('a'), new ErlMap([[atom('b'), 1]])],
      [1, 2],
    ]);
    expect(read(nested)).toStrictEqual(
      new ErlMap<unknown>([
        [atom('a'), { b: 1 }],
        [1, 2],
      ]),
    );
    // Two keys of one name: nothing may get lost.
    for (const clash of [
      new ErlMap<unknown>([
        [atom('a'), 1],
        ['a', 2],
      ]),
      new ErlMap<unknown>([
        ['a', 1],
        [atom('a'), 2],
      ]),
      new ErlMap<unknown>([
        [true, 1],
        ['true', 2],
        ['c', 3],
      ]),
    ]) {
      expect(read(clash)).toStrictEqual(clash);
    }
  });

  test('keys of maps within which there are maps stay what they are', () => {
    const payloadOf = (value: unknown): unknown =>
      (message(new Broadcast('etf_keyed', pid, 't', value)) as Broadcast).payload;
    const keys = new ErlMap<unknown>([
      [{ id: 1 }, 'text'],
      [atomKeys({ id: 1 }), 'atom'],
      [[new Map([['id', 2]])], { id: 3 }],
    ]);
    expect(payloadOf(keys)).toStrictEqual(
      new ErlMap<unknown>([
        [{ id: 1 }, 'text'],
        [new ErlMap([[atom('id'), 1]]), 'atom'],
        [[{ id: 2 }], { id: 3 }],
      ]),
    );
  });

  test('whose topic is a binary', () => {
    const broadcast = new Broadcast('etf_binary', pid, 'note', 1);
    expect(toErlang(broadcast)).toStrictEqual(tuple(atom('nova_pubsub'), atom('etf_binary'), pid, 'note', 1));
    expect(message(broadcast)).toStrictEqual(broadcast);
  });

  test('whose topic has other characters', () => {
    for (const topic of ['', 'é', 'notes', '日本', '\u{1f600}', 'é'.repeat(100), 'x'.repeat(70_000)]) {
      const broadcast = new Broadcast('etf_plain', pid, topic, float(1));
      expect(message(broadcast)).toStrictEqual(broadcast);
      expect(message(tuple(atom('nova_pubsub'), 'etf_plain', pid, topic, float(1)))).toStrictEqual(broadcast);
    }
  });

  test('a topic of Latin-1 is not the text whose UTF-8 it could be', () => {
    const characters = 'Ã©';
    const read = (): unknown => message(new Broadcast('etf_plain', pid, characters, 1));
    expect(read()).toHaveProperty('topic', characters);
    expect(message(tuple(atom('nova_pubsub'), 'etf_plain', pid, 'é', 1))).toHaveProperty('topic', 'é');
    expect(read()).toHaveProperty('topic', characters);
  });
});
