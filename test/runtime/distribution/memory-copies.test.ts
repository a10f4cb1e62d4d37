// What messages become on the in-memory network: as from a real node. What cannot leave a node, and says so.
import { describe, expect, test } from 'vitest';
import {
  atom,
  atomKeys,
  BitString,
  charlist,
  Down,
  ErlMap,
  Exit,
  ExternalFunction,
  float,
  ImproperList,
  NativeRecord,
  type Node,
  NodeDown,
  NodeUp,
  OpaqueFunction,
  Pid,
  Port,
  type Ref,
  tuple,
} from 'troupe';
import { Origin } from '../../../src/runtime/terms/internal.ts';
import { Cluster, collector, encodeFault } from './cluster.ts';

/** Two nodes that are not connected. */
function two() {
  const cluster = new Cluster();
  return { network: cluster.network, nodes: cluster.nodes('a@x', 'b@x') };
}

describe('copies', () => {
  test('values are copied, and what the sender changes afterwards does not travel', async () => {
    const { network, nodes } = two();
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    const ref = a.makeRef();
    const sent = {
      text: 'é😀',
      list: [1, -0, 2.5, 10n, null, undefined, true],
      map: new ErlMap([[['k'], { deep: 1 }]]),
      bytes: new Uint8Array([1, 2, 3]),
      pid,
      ['__proto__']: 'a key like any other',
    };
    a.send(pid, { ...sent, own: a.initPid, ref });
    sent.list.push(7);
    sent.bytes[0] = 9;
    await network.settle();
    const { own, ref: copiedRef, ...copy } = got[0] as typeof sent & { own: Pid; ref: Ref };
    expect(copy).toEqual({ ...sent, list: sent.list.slice(0, -1), bytes: new Uint8Array([1, 2, 3]) });
    expect(Object.is(copy.list[1], -0)).toBe(true);
    expect(copy.pid).toBe(pid);
    expect(own).not.toBe(a.initPid);
    expect(own.equals(a.initPid)).toBe(true);
    expect(own.process).toBe(null);
    expect(copiedRef).not.toBe(ref);
    expect(copiedRef.equals(ref)).toBe(true);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(Object.keys(copy)).toContain('__proto__');
  });

  test('what is a signal elsewhere arrives as the tuple that it is to Erlang; an Error in it is described', async () => {
    const { network, nodes } = two();
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    const ref = a.makeRef();
    a.send(pid, new Exit(a.initPid, ['shutdown', new RangeError('too far')]));
    a.send(pid, new Down(ref, { name: 'n', node: 'a@x' }, 'normal'));
    await network.settle();
    const described = { name: 'RangeError', message: 'too far', stack: expect.any(String) };
    expect(got).toEqual([
      tuple(atom('EXIT'), new Pid(a.origin, 0, 0), tuple(atom('shutdown'), described)),
      tuple(atom('DOWN'), ref, atom('process'), tuple(atom('n'), atom('a@x')), atom('normal')),
    ]);
  });

  test('within a message, and where nobody sends them, they are the tuples that they are to Erlang', async () => {
    const { network, nodes } = two();
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    a.send(pid, [new Exit(b.initPid, 'normal')]);
    a.send(pid, new NodeUp('c@x'));
    await network.settle();
    expect(got).toEqual([
      [tuple(atom('EXIT'), b.initPid, atom('normal'))],
      tuple(atom('nodeup'), atom('c@x')),
    ]);
  });

  test.each<[string, () => unknown, () => unknown]>([
    ['an atom', () => atom('ok'), () => atom('ok')],
    ['a tuple', () => tuple(atom('ok'), [1]), () => tuple(atom('ok'), [1])],
    ['a charlist, as an array', () => charlist('aé😀'), () => [97, 0xe9, 0x1f600]],
    ['a float', () => [float(1), float(1.5), -0], () => [float(1), 1.5, -0]],
    ['an object with atoms for keys', () => atomKeys({ a: 1 }), () => new ErlMap([[atom('a'), 1]])],
    ['a Map with strings for keys, as an object', () => new Map([['a', { b: 1 }]]), () => ({ a: { b: 1 } })],
    ['a Map', () => new Map<unknown, unknown>([[[1], 2]]), () => new ErlMap([[[1], 2]])],
    ['an improper list', () => new ImproperList([1], atom('t')), () => new ImproperList([1], atom('t'))],
    ['bits', () => new BitString(new Uint8Array([0xa0]), 3), () => new BitString(new Uint8Array([0xa0]), 3)],
    ['bytes that are text', () => Buffer.from('text'), () => new Uint8Array(Buffer.from('text'))],
    [
      'a port',
      () => new Port(new Origin('c@x', 7), 2n ** 40n),
      () => new Port(new Origin('c@x', 7), 2n ** 40n),
    ],
    [
      'an external function',
      () => new ExternalFunction(atom('m'), atom('f'), 2),
      () => new ExternalFunction(atom('m'), atom('f'), 2),
    ],
    [
      'a native record',
      () => new NativeRecord(atom('m'), atom('r'), true, [[atom('f'), 1]]),
      () => new NativeRecord(atom('m'), atom('r'), true, [[atom('f'), 1]]),
    ],
    ['a small bigint', () => [5n, 2n ** 60n], () => [5n, 2n ** 60n]],
    ['atoms that are values here', () => [atom('true'), atom('nil')], () => [true, null]],
  ])('%s arrives as from a real node', async (_what, value, expected) => {
    const { network, nodes } = two();
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    a.send(pid, value());
    await network.settle();
    expect(got).toStrictEqual([expected()]);
  });

  test('what cannot be read breaks the connection, as on a wire', async () => {
    const { network, nodes } = two();
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    const seen = collector(b);
    await a.connect('b@x');
    b.monitorNodes(seen.pid, true);
    a.send(pid, new OpaqueFunction(new Uint8Array([112, 0, 0])));
    await network.settle();
    a.send(pid, 'fine');
    await network.settle();
    expect(got).toEqual(['fine']);
    expect(seen.got).toEqual([new NodeDown('a@x', 'bad_frame'), new NodeUp('a@x')]);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['a function', () => () => 1, /a function/],
    ['a symbol', () => ({ in: [Symbol('s')] }), /a symbol at in\.0/],
    ['a key that is a symbol', () => ({ [Symbol('s')]: 1 }), /symbol for a key/],
    ['another class', () => [new Date()], /an instance of Date at 0/],
    ['a Set', () => new Set([1]), /an instance of Set/],
    ['an Error', () => new Error('x'), /an instance of Error/],
    ['NaN', () => Number.NaN, /NaN/],
    ['infinity', () => -Infinity, /-Infinity/],
    ['an unsafe integer', () => 2 ** 53, /beyond 2\^53/],
    ['half a surrogate pair', () => '\ud800', /surrogate/],
    ['a hole', () => Object.assign([], { length: 2 }), /holes/],
    ['a cycle', () => cycle(), /within itself/],
  ])('%s cannot leave, and says so in the stack of the sender', async (_what, value, message) => {
    const { network, nodes } = two();
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    expect(encodeFault(() => a.send(pid, value()))).toMatch(message);
    await network.settle();
    expect(got).toEqual([]);
    expect(a.nodes()).toEqual([]);
    a.send(pid, 'fine');
    await network.settle();
    expect(got).toEqual(['fine']);
  });
});

function cycle(): unknown {
  const value: unknown[] = [];
  value.push([value]);
  return value;
}
