// A peer that reads slowly or not at all: what waits for it is bounded and can be seen, and nobody else notices.
import { NodeDown, NodeUp, TroupeError } from 'troupe';
import { describe, expect, test } from 'vitest';
import { recordTelemetry, turns } from '../../process/helpers.ts';
import { collector } from '../cluster.ts';
import { puppet } from '../pair.ts';
import { FEW_FLAGS, FULL_FLAGS, rawPeer, type Received, SOON, startSite } from './raw-peer.ts';

const MEBIBYTE = 1024 * 1024;
/** More than the system keeps for a socket whose other side does not read. */
const LARGE = 48 * MEBIBYTE;

const isSend = ({ control }: Received) => control[0] === 22 || control[0] === 2;

describe('a peer that does not read', () => {
  test('is told of at the high-water mark, and disconnected at the limit', async () => {
    const [busy, full] = [
      recordTelemetry('troupe:distribution:busy'),
      recordTelemetry('troupe:distribution:queue_full'),
    ];
    const limits = { highWaterBytes: MEBIBYTE, maxBytes: 4 * MEBIBYTE };
    const site = await startSite('pressed@x', { sendQueue: limits });
    const { self, got } = puppet(site.node);
    site.node.monitorNodes(self.pid, true);
    const other = await rawPeer(site, { name: 'other@x' });
    const peer = await rawPeer(site);
    peer.socket.pause();
    self.monitor(peer.pid(5));
    let most = 0;
    const text = 'x'.repeat(1000);
    for (let sent = 0; site.node.nodes().includes('raw@x'); sent++) {
      self.send(peer.pid(5), [sent, text]);
      most = Math.max(most, site.carrier.peers().find(({ name }) => name === 'raw@x')?.queuedBytes ?? 0);
      if (sent % 100 === 0) await turns(1);
    }
    expect(busy).toMatchObject([{ node: 'pressed@x', peer: 'raw@x' }]);
    expect(busy[0]?.queuedBytes).toBeGreaterThanOrEqual(MEBIBYTE);
    expect(full).toMatchObject([{ node: 'pressed@x', peer: 'raw@x' }]);
    // A batch more than the limit, at most.
    expect(most).toBeLessThan(5 * MEBIBYTE);
    await expect.poll(() => got.length, SOON).toBe(4);
    expect(got.slice(0, 2)).toEqual([new NodeUp('other@x'), new NodeUp('raw@x')]);
    expect(got.slice(2)).toMatchObject([{ reason: 'noconnection' }, new NodeDown('raw@x', 'queue_full')]);
    self.send(other.pid(5), 'to another');
    expect((await other.next(isSend)).payload).toBe('to another');
  });

  test('one turn that sends without end is stopped by the limit, too', async () => {
    const site = await startSite('pressed@x', { sendQueue: { maxBytes: 2 * MEBIBYTE } });
    const { self } = puppet(site.node);
    const peer = await rawPeer(site);
    peer.socket.pause();
    const text = 'x'.repeat(10_000);
    for (let sent = 0; sent < 5_000; sent++) self.send(peer.pid(5), text);
    // Still so for the rest of the turn: links and monitors end in another.
    expect(site.node.nodes()).toEqual(['raw@x']);
    expect(site.carrier.peers()).toEqual([]);
    await expect.poll(() => site.node.nodes(), SOON).toEqual([]);
  });

  test('one turn that sends without end behind a large message is stopped by the limit, too', async () => {
    const site = await startSite('pressed@x', { sendQueue: { maxBytes: 2 * MEBIBYTE } });
    const { self } = puppet(site.node);
    const peer = await rawPeer(site);
    peer.socket.pause();
    self.send(peer.pid(5), 'x'.repeat(200_000));
    const text = 'x'.repeat(1_000);
    for (let sent = 0; sent < 5_000; sent++) self.send(peer.pid(5), text);
    expect(site.carrier.peers()).toEqual([]);
    await expect.poll(() => site.node.nodes(), SOON).toEqual([]);
  });

  test('small batches do not wait in buffers of their own', async () => {
    const site = await startSite('pressed@x');
    const { self } = puppet(site.node);
    const peer = await rawPeer(site);
    peer.socket.pause();
    const text = 'x'.repeat(100_000);
    while ((site.carrier.peers()[0]?.queuedBytes ?? 0) < MEBIBYTE) {
      self.send(peer.pid(5), text);
      await turns(1);
    }
    const before = site.carrier.peers()[0]?.sent.writes ?? 0;
    for (let sent = 0; sent < 300; sent++) {
      self.send(peer.pid(6), 'small');
      await turns(1);
    }
    expect((site.carrier.peers()[0]?.sent.writes ?? 0) - before).toBeLessThan(5);
    peer.socket.resume();
    for (let sent = 0; sent < 300; sent++) {
      await peer.next(({ control, payload }) => isSend({ control, payload }) && payload === 'small');
    }
    expect(site.carrier.peers()[0]?.queuedBytes).toBe(0);
  });
});

describe('closing in good order', () => {
  /** A node whose peer does not read, and has been sent 20 MB. */
  async function pressed() {
    const site = await startSite('pressed@x');
    const { self } = puppet(site.node);
    const peer = await rawPeer(site);
    peer.socket.pause();
    for (let count = 0; count < 200; count++) self.send(peer.pid(5), 'x'.repeat(100_000));
    return { site, peer };
  }

  test('a peer that still reads gets all that was sent', async () => {
    const { site, peer } = await pressed();
    const stopping = site.node.stop();
    await turns(3);
    peer.socket.resume();
    for (let count = 0; count < 200; count++) await peer.next(isSend);
    await peer.closed();
    await stopping;
    expect(site.carrier.peers()).toEqual([]);
  });

  test('one that does not read holds nobody up', async () => {
    const { site } = await pressed();
    await site.node.stop();
    expect(site.carrier.peers()).toEqual([]);
  });
});

describe('drained', () => {
  test('resolves when nothing waits, or the connection is gone', async () => {
    const busy = recordTelemetry('troupe:distribution:busy');
    const site = await startSite('pressed@x');
    const { self } = puppet(site.node);
    await site.carrier.drained('nobody@x');
    const peer = await rawPeer(site);
    await site.carrier.drained('raw@x');
    for (let round = 1; round <= 3; round++) {
      peer.socket.pause();
      for (let sent = 0; sent < LARGE / MEBIBYTE; sent++) self.send(peer.pid(5), 'x'.repeat(MEBIBYTE - 100));
      await turns(2);
      expect(site.carrier.peers()[0]?.queuedBytes).toBeGreaterThan(MEBIBYTE);
      expect(busy).toHaveLength(round);
      let drained = false;
      const draining = site.carrier.drained('raw@x').then(() => (drained = true));
      await turns(2);
      expect(drained).toBe(false);
      if (round < 3) peer.socket.resume();
      else site.carrier.retire('raw@x');
      await draining;
      expect(site.carrier.peers()[0]?.queuedBytes ?? 0).toBe(0);
    }
  });

  test('while connecting, it waits for that', async () => {
    const [one, two] = [await startSite('pressed@x'), await startSite('reader@x')];
    const { pid, got } = collector(two.node);
    one.node.send(pid, 'hello');
    await one.carrier.drained('reader@x');
    expect(one.node.nodes()).toEqual(['reader@x']);
    await expect.poll(() => got, SOON).toEqual(['hello']);
    one.node.send({ name: 'any', node: 'nobody@x' }, 'lost');
    await one.carrier.drained('nobody@x');
    expect(one.carrier.peers()).toHaveLength(1);
  });
});

describe('large messages', () => {
  test('are passed by what other processes send; their own sender waits behind them', async () => {
    const site = await startSite('pressed@x');
    const [one, two] = [puppet(site.node), puppet(site.node)];
    const peer = await rawPeer(site);
    peer.socket.pause();
    const to = peer.pid(5);
    one.self.send(to, new Uint8Array(LARGE));
    one.self.send(to, 'behind it');
    one.self.link(to);
    two.self.send(to, 'past it');
    await turns(3);
    two.self.send(to, 'past it, too');
    site.node.router.peer('raw@x').send({ op: 'groupLeader', leader: two.pid, to });
    two.self.send(to, 'last');
    await turns(3);
    peer.socket.resume();
    const order: unknown[] = [];
    while (order.length < 7) {
      const { control, payload } = await peer.next(({ control: [op] }) => op !== 6);
      order.push(payload instanceof Uint8Array ? payload.length : (payload ?? control[0]));
    }
    // Who has sent the group leader is not known: it waits, and so does all that follows.
    expect(order).toEqual(['past it', 'past it, too', LARGE, 'behind it', 1, 7, 'last']);
  });

  test('of several senders keep their order, each in pieces of 64 KiB', async () => {
    const site = await startSite('pressed@x');
    const senders = [puppet(site.node), puppet(site.node), puppet(site.node)];
    const peer = await rawPeer(site);
    const text = (round: number) => String(round).repeat(200_000);
    for (let round = 0; round < 3; round++) {
      for (const { self } of senders) self.send(peer.pid(5), [text(round), 'large']);
      for (const { self } of senders) self.send(peer.pid(5), [String(round), 'small']);
    }
    const seen = new Map<string, string[]>();
    for (let count = 0; count < 18; count++) {
      const { control, payload } = await peer.next(isSend);
      const key = (control[1] as { key: string }).key;
      const [digits, size] = payload as [string, string];
      seen.set(key, [...(seen.get(key) ?? []), `${size} ${digits[0]} ${digits.length}`]);
    }
    const each = [0, 1, 2].flatMap((round) => [`large ${round} 200000`, `small ${round} 1`]);
    expect([...seen.values()]).toEqual([each, each, each]);
    expect(Math.max(...peer.frameBytes)).toBeLessThan(65 * 1024);
  });

  test('to several processes of a peer that takes them one by one', async () => {
    for (const flags of [FULL_FLAGS, FEW_FLAGS]) {
      const site = await startSite('pressed@x');
      const { self } = puppet(site.node);
      const peer = await rawPeer(site, { flags });
      const to = [peer.pid(5), peer.pid(6), peer.pid(7)];
      const message = ['x'.repeat(200_000)];
      site.node.router.peer('raw@x').send({ op: 'sendMany', from: self.pid, to, message });
      for (const pid of to) {
        const received = await peer.next(isSend);
        expect([pid.equals(received.control[2]), received.payload]).toEqual([true, message]);
      }
      await site.node.stop();
    }
  });

  test('beyond the limit cannot be sent', async () => {
    const site = await startSite('pressed@x', { sendQueue: { maxBytes: MEBIBYTE } });
    const { self } = puppet(site.node);
    const peer = await rawPeer(site);
    expect(() => self.send(peer.pid(5), new Uint8Array(MEBIBYTE))).toThrow(TroupeError);
    self.send(peer.pid(5), 'a small one');
    expect((await peer.next(isSend)).payload).toBe('a small one');
  });

  test('20 MB both ways with small messages between', async () => {
    const [one, two] = [await startSite('pressed@x'), await startSite('reader@x')];
    const [here, there] = [collector(one.node), collector(two.node)];
    const [large, small] = [puppet(one.node), puppet(one.node)];
    const [back, more] = [puppet(two.node), puppet(two.node)];
    await one.node.connect('reader@x');
    const bytes = Buffer.alloc(20 * MEBIBYTE, 7);
    for (let round = 0; round < 2; round++) {
      large.self.send(there.pid, bytes);
      back.self.send(here.pid, bytes);
      for (let count = 0; count < 100; count++) {
        small.self.send(there.pid, count);
        more.self.send(here.pid, count);
        await turns(1);
      }
    }
    const counts = Array.from({ length: 200 }, (_, index) => index % 100);
    for (const { got } of [here, there]) {
      await expect.poll(() => got.length, SOON).toBe(202);
      expect(got.filter((item) => typeof item === 'number')).toEqual(counts);
      const arrived = got.filter((item) => item instanceof Uint8Array);
      expect(arrived.map((item) => Buffer.compare(item, bytes))).toEqual([0, 0]);
    }
  });

  test('a million small ones arrive in order', async () => {
    const [one, two] = [await startSite('pressed@x'), await startSite('reader@x')];
    let next = 0;
    let wrong = 0;
    const pid = two.node.spawn({
      name: 'counter',
      init: () => undefined,
      handle: (_self, message) => {
        if (message !== next++) wrong++;
      },
    });
    const { self } = puppet(one.node);
    await one.node.connect('reader@x');
    for (let sent = 0; sent < 1_000_000; sent++) {
      self.send(pid, sent);
      if (sent % 10_000 === 9_999) await one.carrier.drained('reader@x');
    }
    await expect.poll(() => next, SOON).toBe(1_000_000);
    expect(wrong).toBe(0);
  });
});
