// The in-memory network as a carrier: order, copies, connections, cuts, holds, delays, limits. Nodes without pg.
import { describe, expect, test } from 'vitest';
import { createManualClock, type MemoryNetworkOptions } from 'troupe/testing';
import { Cluster, collector, encodeFault } from './cluster.ts';
import { createNode, type Node, NodeDown, NodeUp } from 'troupe';

/** A network and nodes on it. */
function cluster(names: readonly string[], options: MemoryNetworkOptions = {}) {
  const made = new Cluster(options);
  const start = (name: string, creation?: number): Node =>
    made.node(name, creation === undefined ? {} : { creation });
  return { network: made.network, start, nodes: made.nodes(...names) };
}

describe('connections', () => {
  test('the first send connects; both nodes are told', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const seen = [collector(a), collector(b)];
    a.monitorNodes(seen[0]!.pid, true);
    b.monitorNodes(seen[1]!.pid, true);
    const { pid, got } = collector(b);
    a.send(pid, 'hello');
    expect(got).toEqual([]);
    await network.settle();
    expect(got).toEqual(['hello']);
    expect(a.nodes()).toEqual(['b@x']);
    expect(b.nodes()).toEqual(['a@x']);
    expect(seen.map((one) => one.got)).toEqual([[new NodeUp('b@x')], [new NodeUp('a@x')]]);
    expect(network.inFlight).toBe(0);
  });

  test('two nodes that connect at once make one connection', async () => {
    const { nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const seen = collector(a);
    a.monitorNodes(seen.pid, true);
    expect(await Promise.all([a.connect('b@x'), b.connect('a@x'), a.connect('b@x')])).toEqual([
      true,
      true,
      true,
    ]);
    expect(seen.got).toEqual([new NodeUp('b@x')]);
  });

  test('a node that is not there cannot be reached; a monitor says noconnection', async () => {
    const { network, nodes } = cluster(['a@x']);
    const [a] = nodes as [Node];
    expect(await a.connect('b@x')).toBe(false);
    const got: unknown[] = [];
    a.spawn(async (self) => {
      self.monitor({ name: 'any', node: 'b@x' });
      got.push(await self.receive());
    });
    await network.settle();
    expect(got).toEqual([expect.objectContaining({ reason: 'noconnection' })]);
    expect(a.nodes()).toEqual([]);
  });

  test('a cut pair cannot connect until healed', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    await a.connect('b@x');
    const seen = [collector(a), collector(b)];
    a.monitorNodes(seen[0]!.pid, true);
    b.monitorNodes(seen[1]!.pid, true);
    network.cut('a@x', 'b@x');
    await network.settle();
    expect(seen.map((one) => one.got)).toEqual([
      [new NodeDown('b@x', 'net_tick_timeout')],
      [new NodeDown('a@x', 'net_tick_timeout')],
    ]);
    expect(await a.connect('b@x')).toBe(false);
    network.heal('a@x', 'b@x');
    expect(await b.connect('a@x')).toBe(true);
    network.cut('a@x', 'b@x');
    network.heal();
    expect(await a.connect('b@x')).toBe(true);
  });

  test('disconnect and drop end a connection, and the next send makes another', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    expect(a.disconnect('b@x')).toBe(false);
    expect(network.drop('a@x', 'b@x')).toBe(false);
    await a.connect('b@x');
    expect(a.disconnect('b@x')).toBe(true);
    expect(a.disconnect('b@x')).toBe(false);
    await network.settle();
    expect([a.nodes(), b.nodes()]).toEqual([[], []]);
    a.send(pid, 1);
    await network.settle();
    expect(network.drop('b@x', 'a@x')).toBe(true);
    await network.settle();
    a.send(pid, 2);
    await network.settle();
    expect(got).toEqual([1, 2]);
  });

  test('what is under way is lost with the connection, and nothing of it comes later', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    await a.connect('b@x');
    a.send(pid, 'lost');
    network.drop('a@x', 'b@x');
    // The sender has not noticed yet: this goes into the broken connection.
    a.send(pid, 'lost too');
    await network.settle();
    a.send(pid, 'new');
    await network.settle();
    expect(got).toEqual(['new']);
  });

  test('a stopped node says goodbye, and its last signals arrive', async () => {
    const { network, start, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const { pid } = collector(b);
    const downs: unknown[] = [];
    a.spawn(async (self) => {
      self.monitor(pid);
      downs.push(await self.receive());
    });
    await network.settle();
    await b.stop();
    await network.settle();
    expect(downs).toEqual([expect.objectContaining({ reason: 'shutdown' })]);
    expect(a.nodes()).toEqual([]);
    const again = start('b@x');
    expect(await a.connect('b@x')).toBe(true);
    expect(a.router.creationOf('b@x')).toBe(again.origin.creation);
    expect(() => b.send(pid, 1)).not.toThrow();
  });

  test('a crashed node says nothing; its successor has another creation, and old pids reach nobody', async () => {
    const { network, start, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const { pid } = collector(b);
    const downs: unknown[] = [];
    a.spawn(async (self) => {
      self.monitor(pid);
      downs.push(await self.receive());
      self.monitor(pid);
      downs.push(await self.receive());
    });
    await network.settle();
    network.crash('b@x');
    const again = start('b@x', b.origin.creation === 77 ? 78 : 77);
    const { got, pid: other } = collector(again);
    expect([other.id, other.serial]).toEqual([pid.id, pid.serial]);
    await network.settle();
    a.send(pid, 'to the old one');
    await network.settle();
    expect(got).toEqual([]);
    expect(downs).toEqual([
      expect.objectContaining({ reason: 'noconnection' }),
      expect.objectContaining({ reason: 'noproc' }),
    ]);
  });

  test('two nodes of one name cannot be on the network at once, and a carrier serves the node it was made for', () => {
    const { network, start } = cluster(['a@x']);
    expect(() => start('a@x')).toThrow(/TROUPE_BAD_ARGUMENT/);
    expect(() => createNode({ name: 'b@x', carrier: network.carrier('c@x') })).toThrow(/TROUPE_BAD_ARGUMENT/);
  });
});

describe('order', () => {
  test('of one pair is kept, with any seed', async () => {
    for (const seed of [undefined, 1, 2, 3]) {
      const { network, nodes } = cluster(['a@x', 'b@x'], seed === undefined ? {} : { seed });
      const [a, b] = nodes as [Node, Node];
      const { pid, got } = collector(b);
      const numbers = Array.from({ length: 300 }, (_, index) => index);
      for (const number of numbers) a.send(pid, number);
      await network.settle();
      expect(got).toEqual(numbers);
    }
  });

  test('without a seed everything arrives in the order sent; with one, peers are interleaved and the seed decides', async () => {
    const run = async (seed?: number): Promise<unknown[]> => {
      const { network, nodes } = cluster(['a@x', 'b@x', 'c@x'], seed === undefined ? {} : { seed });
      const [a, b, c] = nodes as [Node, Node, Node];
      const { pid, got } = collector(c);
      await Promise.all([a.connect('c@x'), b.connect('c@x')]);
      for (let index = 0; index < 20; index++) (index % 2 === 0 ? a : b).send(pid, index);
      await network.settle();
      return got;
    };
    const inOrder = Array.from({ length: 20 }, (_, index) => index);
    expect(await run()).toEqual(inOrder);
    const [first, second, other] = [await run(5), await run(5), await run(6)];
    expect(first).toEqual(second);
    expect(first).not.toEqual(inOrder);
    expect(first).not.toEqual(other);
    expect(first.filter((index) => Number(index) % 2 === 0)).toEqual(
      inOrder.filter((index) => index % 2 === 0),
    );
  });

  test('with a seed, what breaks may let a first part through, never a later one without it', async () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 12; seed++) {
      const { network, nodes } = cluster(['a@x', 'b@x'], { seed });
      const [a, b] = nodes as [Node, Node];
      const { pid, got } = collector(b);
      await a.connect('b@x');
      for (let index = 0; index < 10; index++) a.send(pid, index);
      network.cut('a@x', 'b@x');
      await network.settle();
      expect(got).toEqual(Array.from({ length: got.length }, (_, index) => index));
      expect(b.nodes()).toEqual([]);
      lengths.add(got.length);
    }
    expect(lengths.size).toBeGreaterThan(2);
  });
});

describe('holding and delaying', () => {
  test('what is held arrives after release, in order, and the other direction goes on', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const [toA, toB] = [collector(a), collector(b)];
    await a.connect('b@x');
    network.hold('a@x', 'b@x');
    a.send(toB.pid, 1);
    a.send(toB.pid, 2);
    b.send(toA.pid, 'back');
    await network.settle();
    expect([toB.got, toA.got]).toEqual([[], ['back']]);
    expect(network.inFlight).toBe(2);
    network.release('a@x', 'b@x');
    await network.settle();
    expect(toB.got).toEqual([1, 2]);
  });

  test('the end of a connection is noticed although its signals are held, and loses them', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x'], { seed: 4 });
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    await a.connect('b@x');
    network.hold('a@x', 'b@x');
    a.send(pid, 1);
    network.cut('a@x', 'b@x');
    await network.settle();
    expect(b.nodes()).toEqual([]);
    network.release();
    await network.settle();
    expect(got).toEqual([]);
  });

  test('a node that stops while its signals are held is noticed, too', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x']);
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(a);
    await a.connect('b@x');
    network.hold('b@x', 'a@x');
    b.send(pid, 1);
    await b.stop();
    await network.settle();
    expect([a.nodes(), got, network.inFlight]).toEqual([[], [], 0]);
  });

  test('a delay counts by the clock of the network', async () => {
    const clock = createManualClock();
    const { network, nodes } = cluster(['a@x', 'b@x'], { clock });
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    await a.connect('b@x');
    network.delay('a@x', 'b@x', 100);
    a.send(pid, 1);
    await network.settle();
    await clock.advance(50);
    a.send(pid, 2);
    await network.settle();
    expect(got).toEqual([]);
    await clock.advance(50);
    await network.settle();
    expect(got).toEqual([1]);
    await clock.advance(50);
    await network.settle();
    expect(got).toEqual([1, 2]);
    a.send(pid, 3);
    network.release();
    await network.settle();
    expect(got).toEqual([1, 2, 3]);
    expect(() => network.delay('a@x', 'b@x', -1)).toThrow(/TROUPE_BAD_ARGUMENT/);
  });
});

describe('limits', () => {
  test('of depth and of values', () => {
    const { nodes } = cluster(['a@x', 'b@x'], { maxDepth: 2, maxValues: 5 });
    const [a, b] = nodes as [Node, Node];
    const { pid } = collector(b);
    expect(encodeFault(() => a.send(pid, [[1]]))).toBe('sent');
    expect(encodeFault(() => a.send(pid, [[[1]]]))).toMatch(/deeper than 2 levels/);
    expect(encodeFault(() => a.send(pid, [1, 2, 3, 4, 500]))).toBe('sent');
    expect(encodeFault(() => a.send(pid, [1, 2, 3, 4, 5, 600]))).toMatch(/more than 5 values/);
  });

  test('of what waits on a connection: it breaks', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x'], { maxQueuedSignals: 10 });
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    const seen = collector(a);
    await a.connect('b@x');
    a.monitorNodes(seen.pid, true);
    for (let index = 0; index < 11; index++) a.send(pid, index);
    await network.settle();
    expect(got).toEqual([]);
    expect(seen.got).toEqual([new NodeDown('b@x', 'queue_full')]);
  });

  test('of what waits for a connection: it is not made', async () => {
    const { network, nodes } = cluster(['a@x', 'b@x'], { maxQueuedSignals: 10 });
    const [a, b] = nodes as [Node, Node];
    const { pid, got } = collector(b);
    for (let index = 0; index < 11; index++) a.send(pid, index);
    await network.settle();
    expect(got).toEqual([]);
    for (let index = 0; index < 10; index++) a.send(pid, index);
    await network.settle();
    expect(got).toHaveLength(10);
  });

  test('of the time that settle waits', async () => {
    const { network, nodes } = cluster(['a@x']);
    const [a] = nodes as [Node];
    const restless = a.spawn({
      name: 'restless',
      init: (self) => self.send(self.pid, 1),
      handle: (self) => self.send(self.pid, 1),
    });
    await expect(network.settle(50)).rejects.toThrow(/TROUPE_NOT_SETTLED/);
    a.exit(restless, 'kill');
    await network.settle();
  });
});
