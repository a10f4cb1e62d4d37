// The life of a carrier and its connections: names, what waits for a connection, how one is lost and comes again.
import { createServer, type AddressInfo } from 'node:net';
import { atom, call, createNode, defineServer, NodeDown, NodeUp, type Pid, tuple } from 'troupe';
import { createErlangCarrier, encodeTerm } from 'troupe/erlang';
import { describe, expect, onTestFinished, test } from 'vitest';
import { thrown } from '../../otp/helpers.ts';
import { recordTelemetry } from '../../process/helpers.ts';
import { collector, forever } from '../cluster.ts';
import { puppet } from '../pair.ts';
import { Authority, hasOpenssl } from './certificates.ts';
import { addresses, rawPeer, SOON, startSite } from './raw-peer.ts';

const NAMES = ['one@life', 'two@life', 'three@life'] as const;

/** Where nobody listens. */
async function nowhere(name: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  addresses[name] = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

/** Takes connections and says nothing. @returns how many there were. */
async function mute(name: string): Promise<() => number> {
  let count = 0;
  const server = createServer((socket) => {
    count++;
    socket.on('error', () => socket.destroy());
    socket.resume();
    onTestFinished(() => void socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  addresses[name] = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  onTestFinished(() => void server.close());
  return () => count;
}

describe('the node', () => {
  test.each(['nonode', 'a@', '@b', 'a@b@c', 'ä@b'])('cannot be called %s', (name) => {
    const carrier = createErlangCarrier({ cookie: 'c', epmd: false });
    expect(thrown(() => createNode({ name, carrier })).code).toBe('TROUPE_BAD_ARGUMENT');
  });

  test('has a carrier of its own', async () => {
    const { carrier } = await startSite(NAMES[0]);
    expect(thrown(() => createNode({ name: NAMES[1], carrier })).code).toBe('TROUPE_BAD_ARGUMENT');
    const unused = createErlangCarrier({ cookie: 'c', epmd: false });
    await expect(unused.ready()).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
    await unused.close();
  });

  test('whose port is taken cannot be reached, and reaches others', async () => {
    const told = recordTelemetry('troupe:distribution:epmd');
    const { carrier: first } = await startSite(NAMES[0]);
    const carrier = createErlangCarrier({
      cookie: 'raw',
      host: '127.0.0.1',
      port: first.port,
      epmd: false,
      addresses,
    });
    const node = createNode({ name: NAMES[1], carrier });
    onTestFinished(() => node.stop());
    await expect(carrier.ready()).rejects.toMatchObject({ code: 'TROUPE_LISTEN_FAILED' });
    expect(told).toMatchObject([
      { node: NAMES[1], state: 'failed', error: { code: 'TROUPE_LISTEN_FAILED' } },
    ]);
    expect(await node.connect(NAMES[0])).toBe(true);
  });

  test('that does not listen has no port', async () => {
    const { node: one } = await startSite(NAMES[0]);
    const { node: two, carrier } = await startSite(NAMES[1], { listen: false });
    expect(carrier.port).toBe(0);
    expect(await two.connect(NAMES[0])).toBe(true);
    expect(one.nodes()).toEqual([NAMES[1]]);
  });
});

describe('connecting', () => {
  test('to itself, to a node twice, and from both sides at once', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    expect(await one.node.connect(NAMES[0])).toBe(true);
    const both = [one.node.connect(NAMES[1]), two.node.connect(NAMES[0]), one.node.connect(NAMES[1])];
    expect(await Promise.all(both)).toEqual([true, true, true]);
    expect(await one.node.connect(NAMES[1])).toBe(true);
    expect([one.node.nodes(), two.node.nodes()]).toEqual([[NAMES[1]], [NAMES[0]]]);
    const [out] = one.carrier.peers();
    const [back] = two.carrier.peers();
    expect(new Set([out?.direction, back?.direction])).toEqual(new Set(['in', 'out']));
    expect(out).toMatchObject({
      name: NAMES[1],
      creation: two.node.origin.creation,
      state: 'up',
    });
  });

  test('fails with the reason, and lets nothing wait', async () => {
    await nowhere(NAMES[1]);
    const refused = recordTelemetry('troupe:distribution:refused');
    const { node, carrier } = await startSite(NAMES[0]);
    const { self, got } = puppet(node);
    self.monitor({ name: 'any', node: NAMES[1] });
    self.send({ name: 'any', node: NAMES[1] }, 'lost');
    expect(carrier.peers()).toMatchObject([{ name: NAMES[1], state: 'connecting' }]);
    expect(carrier.peers()[0]?.queuedBytes).toBeGreaterThan(0);
    expect(await node.connect(NAMES[1])).toBe(false);
    await expect.poll(() => got, SOON).toMatchObject([{ reason: 'noconnection' }]);
    expect(refused).toMatchObject([{ node: NAMES[0], peer: NAMES[1] }]);
    expect(carrier.peers()).toEqual([]);
    for (const name of ['unknown@life', 'nonsense', '']) expect(await node.connect(name)).toBe(false);
    expect(carrier.peers()).toEqual([]);
  });

  test('with the wrong cookie fails on both sides', async () => {
    const refused = recordTelemetry('troupe:distribution:refused');
    const one = await startSite(NAMES[0]);
    await startSite(NAMES[1], { cookie: 'another' });
    expect(await one.node.connect(NAMES[1])).toBe(false);
    await expect.poll(() => refused.length, SOON).toBe(2);
    expect(refused.every(({ reason }) => reason.includes('cookie'))).toBe(true);
    // A cookie for that node alone.
    const three = await startSite(NAMES[2], { cookies: { [NAMES[1]]: 'another' } });
    expect(await three.node.connect(NAMES[1])).toBe(true);
  });

  test('what waits goes out in order, before what is sent later', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const { pid, got } = collector(two.node, 'named');
    const { self } = puppet(one.node);
    const mutable = { count: 0 };
    for (let count = 0; count < 100; count++) {
      mutable.count = count;
      self.send(count % 2 === 0 ? pid : { name: 'named', node: NAMES[1] }, mutable);
    }
    one.node.router.peer(NAMES[1]).send({ op: 'sendMany', from: self.pid, to: [pid, pid], message: 'many' });
    one.node.monitorNodes(self.pid, true);
    await one.node.connect(NAMES[1]);
    self.send(pid, 'last');
    const expected = [...Array.from({ length: 100 }, (_, count) => ({ count })), 'many', 'many', 'last'];
    await expect.poll(() => got, SOON).toEqual(expected);
  });

  test('what cannot be sent fails where it is sent, connected or not, and nothing goes out', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const { pid, got } = collector(two.node);
    const { self } = puppet(one.node);
    const bad: unknown[] = [
      () => 1,
      Symbol('x'),
      Number.NaN,
      '\uD800',
      2 ** 60,
      [new Date()],
      { a: { b: WeakMap } },
    ];
    const tryAll = () => {
      for (const message of bad) {
        for (const to of [pid, { name: 'named', node: NAMES[1] }]) {
          expect(thrown(() => self.send(to, message)).code).toBe('TROUPE_NOT_ENCODABLE');
        }
        const many = { op: 'sendMany', from: self.pid, to: [pid, pid], message } as const;
        expect(thrown(() => one.node.router.peer(NAMES[1]).send(many)).code).toBe('TROUPE_NOT_ENCODABLE');
      }
    };
    tryAll();
    expect(one.carrier.peers()).toEqual([]);
    await one.node.connect(NAMES[1]);
    await expect.poll(() => one.carrier.peers()[0]?.troupe, SOON).toBe(true);
    tryAll();
    self.send(pid, 'good');
    await expect.poll(() => got, SOON).toEqual(['good']);
  });

  test('what is as large as may be, and names that can be no atoms, fail where they are sent, or not at all', async () => {
    const one = await startSite(NAMES[0], { sendQueue: { maxBytes: 100_000 } });
    const two = await startSite(NAMES[1]);
    const { pid, got } = collector(two.node);
    const { self } = puppet(one.node);
    const tryAll = () => {
      for (const name of ['x'.repeat(256), '\uD800']) {
        const to = { name, node: NAMES[1] };
        expect(thrown(() => self.send(to, 1)).code).toBe('TROUPE_NOT_ENCODABLE');
        expect(thrown(() => self.monitor(to)).code).toBe('TROUPE_NOT_ENCODABLE');
      }
      expect(one.node.router.peer(NAMES[1]).outgoing.size).toBe(0);
      expect(self.monitors).toBeNull();
    };
    tryAll();
    const called = call(one.node, { name: 'x'.repeat(256), node: NAMES[1] }, 'x', 1);
    await expect(called).rejects.toMatchObject({ code: 'TROUPE_NOT_ENCODABLE' });
    expect(one.node.router.aliases.size).toBe(0);
    // Just what may wait; with what comes around it, it is longer than a frame that is sent at once may be.
    self.send(pid, 'x'.repeat(99_860));
    await one.node.connect(NAMES[1]);
    await expect.poll(() => got.length, SOON).toBe(1);
    tryAll();
    self.send(pid, 'y');
    await expect.poll(() => got.length, SOON).toBe(2);
  });

  test('a process ends whatever its reason: one that cannot be sent goes as the beginning of its text', async () => {
    const one = await startSite(NAMES[0], { sendQueue: { maxBytes: 100_000 } });
    const two = await startSite(NAMES[1]);
    const { self, got } = puppet(two.node);
    for (const reason of ['half of \uD800', 'x'.repeat(200_000), () => 1]) {
      const { pid } = puppet(one.node);
      self.monitor(pid);
      await expect.poll(() => one.node.processInfo(pid)?.monitoredBy.length, SOON).toBe(1);
      one.node.exit(pid, reason);
      expect(one.node.isAlive(pid)).toBe(false);
    }
    await expect
      .poll(() => got, SOON)
      .toMatchObject([{ reason: 'half of \uFFFD' }, { reason: 'x'.repeat(10_000) }, { reason: '() => 1' }]);
  });

  test('a message whose getter sends others does not mix with them', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const { pid, got } = collector(two.node);
    const other = forever(two.node);
    const { self } = puppet(one.node);
    const tricky = (id: number) => ({
      get id() {
        self.link(other);
        self.send(pid, { from: 'getter', id });
        return id;
      },
    });
    self.send(pid, tricky(1));
    await one.node.connect(NAMES[1]);
    self.send(pid, tricky(2));
    one.node.router.peer(NAMES[1]).send({ op: 'sendMany', from: self.pid, to: [pid], message: tricky(3) });
    self.send(pid, 'end');
    await expect.poll(() => got.at(-1), SOON).toBe('end');
    expect(got.filter((message) => (message as { from?: string }).from === undefined)).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3 },
      'end',
    ]);
    expect(got).toHaveLength(7);
    expect(two.node.processInfo(other)?.links.map(({ key }) => key)).toEqual([self.pid.key]);
  });

  test.each([
    ['signals', { maxPendingSignals: 10 }, 1],
    ['bytes', { sendQueue: { maxBytes: 100_000 } }, 20_000],
  ])('more %s than may wait: it fails, once', async (_what, options, size) => {
    const dialled = await mute(NAMES[1]);
    const full = recordTelemetry('troupe:distribution:queue_full');
    const { node, carrier } = await startSite(NAMES[0], options);
    const { self, got } = puppet(node);
    self.monitor({ name: 'any', node: NAMES[1] });
    const connecting = node.connect(NAMES[1]);
    for (let count = 0; count < 20; count++) self.send({ name: 'any', node: NAMES[1] }, 'x'.repeat(size));
    expect(await connecting).toBe(false);
    await expect.poll(() => got, SOON).toMatchObject([{ reason: 'noconnection' }]);
    expect(full).toMatchObject([{ node: NAMES[0], peer: NAMES[1] }]);
    expect(carrier.peers()[0]?.queuedBytes ?? 0).toBe(0);
    await expect.poll(dialled, SOON).toBeGreaterThan(0);
  });

  test('a node that stops while it connects', async () => {
    await mute(NAMES[1]);
    const { node, carrier } = await startSite(NAMES[0]);
    const connecting = node.connect(NAMES[1]);
    node.send({ name: 'any', node: NAMES[1] }, 'lost');
    await node.stop();
    expect(await connecting).toBe(false);
    expect(carrier.peers()).toEqual([]);
    expect(await carrier.connect(NAMES[1])).toBe(false);
    expect(carrier.disconnect(NAMES[1])).toBe(false);
  });

  test('a node that gives no answer: the attempt ends in time', async () => {
    await mute(NAMES[1]);
    const { node } = await startSite(NAMES[0], { setupTimeoutMs: 20 });
    expect(await node.connect(NAMES[1])).toBe(false);
  });
});

describe('losing a connection', () => {
  test('by disconnect: what was sent before arrives, both hear of it, and what is sent next goes over another', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const { pid, got } = collector(two.node);
    const [watcher, other] = [puppet(one.node), puppet(two.node)];
    one.node.monitorNodes(watcher.pid, true);
    two.node.monitorNodes(other.pid, true);
    expect(one.node.disconnect(NAMES[1])).toBe(false);
    await one.node.connect(NAMES[1]);
    one.node.send(pid, 'x'.repeat(200_000));
    one.node.send(pid, 'before');
    expect(one.node.disconnect(NAMES[1])).toBe(true);
    expect(one.node.disconnect(NAMES[1])).toBe(false);
    one.node.send(pid, 'behind');
    expect(thrown(() => one.node.send(pid, () => 1)).code).toBe('TROUPE_NOT_ENCODABLE');
    await expect
      .poll(() => other.got, SOON)
      .toEqual([new NodeUp(NAMES[0]), new NodeDown(NAMES[0], 'connection_closed'), new NodeUp(NAMES[0])]);
    await expect
      .poll(() => watcher.got, SOON)
      .toEqual([new NodeUp(NAMES[1]), new NodeDown(NAMES[1], 'disconnect'), new NodeUp(NAMES[1])]);
    await expect
      .poll(() => got.map((text) => (text as string).slice(0, 6)), SOON)
      .toEqual(['xxxxxx', 'before', 'behind']);
  });

  test('by disconnect and connect at once: another connection', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const watcher = puppet(one.node);
    one.node.monitorNodes(watcher.pid, true);
    await one.node.connect(NAMES[1]);
    one.node.disconnect(NAMES[1]);
    expect(await one.node.connect(NAMES[1])).toBe(true);
    expect(watcher.got).toEqual([
      new NodeUp(NAMES[1]),
      new NodeDown(NAMES[1], 'disconnect'),
      new NodeUp(NAMES[1]),
    ]);
    await expect.poll(() => two.node.nodes(), SOON).toEqual([NAMES[0]]);
  });

  test('with the end of the other node', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    await one.node.connect(NAMES[1]);
    const { self, got } = puppet(one.node, true);
    const target = forever(two.node);
    self.monitor(target);
    self.link(target);
    await expect.poll(() => two.node.processInfo(target)?.monitoredBy.length, SOON).toBe(1);
    await two.node.stop();
    await expect.poll(() => one.node.nodes(), SOON).toEqual([]);
    // Its last signals have arrived before.
    expect(got).toMatchObject([{ reason: 'shutdown' }, { reason: 'shutdown' }]);
  });

  test('a new incarnation takes the place of one that seems to be up', async () => {
    const one = await startSite(NAMES[0]);
    const watcher = puppet(one.node, true);
    one.node.monitorNodes(watcher.pid, true);
    const before = await rawPeer(one, { name: NAMES[1], creation: 11 });
    watcher.self.link(before.pid(5));
    before.send([22, before.pid(5), watcher.pid], 'hello');
    await expect.poll(() => watcher.got.length, SOON).toBe(2);
    // A connection that is up is ended by the handshake of the next.
    const after = await startSite(NAMES[1]);
    expect(await after.node.connect(NAMES[0])).toBe(true);
    await before.closed();
    await expect
      .poll(() => watcher.got.slice(2), SOON)
      .toMatchObject([
        { reason: 'noconnection' },
        new NodeDown(NAMES[1], 'connection_closed'),
        new NodeUp(NAMES[1]),
      ]);
    expect(one.carrier.peers()).toMatchObject([{ name: NAMES[1], creation: after.node.origin.creation }]);
    one.node.send(before.pid(5), 'to one of before');
    expect(one.node.nodes()).toEqual([NAMES[1]]);
  });

  test('calls end with it', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const slow = defineServer({ init: () => 0, call: { never: () => new Promise<never>(() => undefined) } });
    const { pid } = await two.node.start(slow, [], { name: 'slow' });
    const calls = [pid, { name: 'slow', node: NAMES[1] }].map((to) => call(one.node, to, 'never', undefined));
    const ends = Promise.allSettled(calls);
    await expect.poll(() => two.node.nodes(), SOON).toEqual([NAMES[0]]);
    two.node.disconnect(NAMES[0]);
    expect(await ends).toMatchObject([
      { reason: { code: 'TROUPE_CALL_NODEDOWN' } },
      { reason: { code: 'TROUPE_CALL_NODEDOWN' } },
    ]);
  });
});

describe.skipIf(!hasOpenssl())('over TLS', () => {
  const authority = new Authority('carrier');
  const tls = authority.issue('node', 'DNS:life');
  authority.remove();

  test('large and small messages arrive, and the end is in good order', async () => {
    const [one, two] = [await startSite(NAMES[0], { tls }), await startSite(NAMES[1], { tls })];
    const { pid, got } = collector(two.node);
    const [large, small] = [puppet(one.node), puppet(one.node)];
    expect(await one.node.connect(NAMES[1])).toBe(true);
    large.self.send(pid, Buffer.alloc(5_000_000, 'tls'));
    for (let count = 0; count < 10_000; count++) small.self.send(pid, count);
    large.self.send(pid, 'last');
    await one.node.stop();
    await expect.poll(() => two.node.nodes(), SOON).toEqual([]);
    expect(got.filter((item) => typeof item === 'number')).toEqual(
      Array.from({ length: 10_000 }, (_, at) => at),
    );
    expect(got.flatMap((item) => (item instanceof Uint8Array ? item.length : []))).toEqual([5_000_000]);
    expect(got.at(-1)).toBe('last');
  });
});

describe('terms between nodes', () => {
  test('arrive as they were sent', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const { pid, got } = collector(two.node);
    const { self } = puppet(one.node);
    const messages: unknown[] = [
      null,
      undefined,
      true,
      0,
      -0,
      1.5,
      2 ** 53 - 1,
      5n,
      2n ** 200n,
      '',
      'ä😀',
      atom('ok'),
    ];
    messages.push([], [1, [2]], {}, { a: { b: undefined } }, Uint8Array.of(1, 2), Uint8Array.of(65));
    for (const message of messages) self.send(pid, message);
    await expect.poll(() => got, SOON).toEqual(messages);
  });

  test('large bytes stay what they are, however many texts of the same size come afterwards', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const { pid, got } = collector(two.node);
    const { self } = puppet(one.node);
    const size = 3_000_000;
    const bytes = (fill: number): Uint8Array => Buffer.alloc(size, fill);
    const messages = [
      bytes(1),
      'a'.repeat(size),
      'b'.repeat(size),
      bytes(2),
      'ü'.repeat(size / 2),
      'c'.repeat(size),
      tuple('d'.repeat(size / 2), bytes(3)),
      'e'.repeat((3 * size) / 2),
      'f'.repeat(size),
    ];
    for (const [at, message] of messages.entries()) {
      self.send(pid, message);
      // Each is read before the next one comes.
      await expect.poll(() => got.length, SOON).toBe(at + 1);
    }
    // Comparing megabytes item by item takes seconds.
    const same = messages.map(
      (message, at) => Buffer.compare(encodeTerm(message), encodeTerm(got[at])) === 0,
    );
    expect(same).toEqual(messages.map(() => true));
  });

  test('a pid that went around is the own one again', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const [here, there] = [puppet(one.node), puppet(two.node)];
    here.self.send(there.pid, here.pid);
    await expect.poll(() => there.got.length, SOON).toBe(1);
    there.self.send(there.got[0] as Pid, [there.got[0], there.pid]);
    await expect.poll(() => here.got.length, SOON).toBe(1);
    expect((here.got[0] as Pid[])[0]).toBe(here.pid);
  });

  test('a server is called by name and by pid', async () => {
    const [one, two] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
    const server = defineServer({ init: () => 0, call: { echo: (_state, value: unknown) => value } });
    const { pid } = await two.node.start(server, [], { name: 'server' });
    expect(await call(one.node, pid, 'echo', { id: 1 })).toEqual({ id: 1 });
    expect(await call(one.node, { name: 'server', node: NAMES[1] }, 'echo', [1n])).toEqual([1n]);
  });
});
