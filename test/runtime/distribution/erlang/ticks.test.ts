// Ticks: what keeps an idle connection alive, and what ends one whose other side is gone.
import { NodeDown, NodeUp } from 'troupe';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Ticked, Ticks } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { puppet } from '../pair.ts';
import { turns } from '../../process/helpers.ts';
import { rawPeer, SOON, startSite } from './raw-peer.ts';

const NEVER_MS = 2 ** 31 - 1;
const TICK = Buffer.alloc(4);

/** A connection of which only the counters are real. */
class Subject implements Ticked {
  readCount = 0;
  writeCount = 0;
  working = false;
  ticks = 0;
  ended = 0;

  sendTick(): void {
    this.ticks++;
    this.writeCount++;
  }

  silent(): void {
    this.ended++;
  }
}

/** Its checks are made by hand. */
function begin() {
  const subject = new Subject();
  const ticks = new Ticks(subject, NEVER_MS);
  onTestFinished(() => ticks.stop());
  return { subject, ticks };
}

describe('checks', () => {
  test('send a tick when nothing was written since the one before', () => {
    const { subject, ticks } = begin();
    ticks.check();
    ticks.check();
    expect(subject.ticks).toBe(2);
    subject.writeCount++;
    ticks.check();
    expect(subject.ticks).toBe(2);
    ticks.check();
    expect(subject.ticks).toBe(3);
  });

  test('a tick is answered at once, but only one between two checks', () => {
    const { subject, ticks } = begin();
    ticks.received();
    ticks.received();
    expect(subject.ticks).toBe(1);
    // It counts as written.
    ticks.check();
    expect(subject.ticks).toBe(1);
    ticks.received();
    expect(subject.ticks).toBe(2);
    subject.writeCount++;
    ticks.check();
    subject.writeCount++;
    ticks.received();
    expect(subject.ticks).toBe(2);
  });

  test('a tick that the check has sent need not be followed by an answer', () => {
    const { subject, ticks } = begin();
    ticks.check();
    ticks.received();
    expect(subject.ticks).toBe(1);
  });

  test('four without anything read end it, after another look', async () => {
    const { subject, ticks } = begin();
    for (let count = 0; count < 3; count++) ticks.check();
    await turns(2);
    expect(subject.ended).toBe(0);
    ticks.check();
    expect(subject.ended).toBe(0);
    await turns(2);
    expect(subject.ended).toBe(1);
  });

  test('anything read restarts the count', async () => {
    const { subject, ticks } = begin();
    for (let count = 0; count < 20; count++) {
      if (count % 4 === 3) subject.readCount++;
      ticks.check();
    }
    await turns(2);
    expect(subject.ended).toBe(0);
  });

  test('what comes before the other look is in time: the event loop was blocked', async () => {
    const { subject, ticks } = begin();
    for (let count = 0; count < 4; count++) ticks.check();
    subject.readCount++;
    await turns(2);
    expect(subject.ended).toBe(0);
    for (let count = 0; count < 5; count++) ticks.check();
    await turns(2);
    expect(subject.ended).toBe(1);
  });

  test('while what was read is worked on, nothing can be read', async () => {
    const { subject, ticks } = begin();
    subject.working = true;
    for (let count = 0; count < 10; count++) ticks.check();
    await turns(2);
    expect(subject.ended).toBe(0);
  });

  test('are over when it is stopped', async () => {
    const { subject, ticks } = begin();
    for (let count = 0; count < 4; count++) ticks.check();
    ticks.stop();
    await turns(2);
    expect(subject.ended).toBe(0);
  });
});

describe('connections', () => {
  test('a silent peer is sent ticks, and then disconnected', async () => {
    const site = await startSite('ticking@x', { netTickTimeMs: 40 });
    const { pid, got } = puppet(site.node);
    site.node.monitorNodes(pid, true);
    const peer = await rawPeer(site);
    await peer.closed();
    expect(peer.ticks).toBeGreaterThan(0);
    await expect
      .poll(() => got, SOON)
      .toEqual([new NodeUp('raw@x'), new NodeDown('raw@x', 'net_tick_timeout')]);
  });

  test('a peer that answers ticks stays', async () => {
    const site = await startSite('ticking@x', { netTickTimeMs: 100 });
    const peer = await rawPeer(site);
    let answered = 0;
    while (answered < 12) {
      await peer.until(() => peer.ticks > answered);
      answered = peer.ticks;
      peer.write(TICK);
    }
    expect(site.node.nodes()).toEqual(['raw@x']);
    expect(site.carrier.peers()[0]?.received.ticks).toBeGreaterThan(8);
  });

  test('idle nodes stay connected, however different their times', async () => {
    const one = await startSite('ticking@x', { netTickTimeMs: 120 });
    const two = await startSite('tacking@x', { netTickTimeMs: 400 });
    await one.node.connect('tacking@x');
    const { pid, got } = puppet(one.node);
    one.node.monitorNodes(pid, true);
    await expect.poll(() => two.carrier.peers()[0]?.received.ticks ?? 0, SOON).toBeGreaterThan(12);
    expect(got).toEqual([]);
    expect(one.node.nodes()).toEqual(['tacking@x']);
  });
});
