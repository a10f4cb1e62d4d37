// Nodes that are kept connected, and those that others tell of: when they are dialled, when again, and when no more.
import { describe, expect, test } from 'vitest';
import { createManualClock, type ManualClock } from 'troupe/testing';
import {
  ATTEMPTS_MAX,
  DIALS_MAX,
  NODES_MAX,
  Redialler,
  REST_MS,
  STEADY_MS,
} from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { makeNode } from '../../../process/helpers.ts';
import { FakeCarrier } from './fake-peer.ts';

const SEED = 'seed@x';

/** A node and its redialler; waits are the longest, unless `random` says otherwise. */
function begin(random = 0) {
  const clock: ManualClock = createManualClock();
  const carrier = new FakeCarrier();
  const node = makeNode({ name: 'here@x', carrier, clock });
  const redialler = new Redialler(node, () => random);
  const up = (name: string): void => {
    carrier.host?.nodeUp(name, 7);
    redialler.up(name);
  };
  const down = (name: string, left = false): void => {
    carrier.host?.nodeDown(name, 'gone');
    redialler.down(name, left);
  };
  /** How long it takes until something is dialled. */
  const waits = async (): Promise<number> => {
    const before = carrier.dialled.length;
    const start = clock.now();
    while (carrier.dialled.length === before) await clock.advance(50);
    return clock.now() - start;
  };
  return { clock, carrier, node, redialler, up, down, waits };
}

describe('a seed', () => {
  test('is dialled at once, and again after waits that double up to 30 s', async () => {
    const { carrier, redialler, clock, waits } = begin();
    redialler.keep(SEED);
    expect(carrier.dialled).toEqual([SEED]);
    await clock.advance(0);
    const waited: number[] = [];
    for (let count = 0; count < 10; count++) waited.push(await waits());
    expect(waited).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  });

  test('after waits that are shorter by chance, by up to a half', async () => {
    const { redialler, clock, waits } = begin(1);
    redialler.keep(SEED);
    await clock.advance(0);
    expect([await waits(), await waits(), await waits()]).toEqual([250, 500, 1_000]);
  });

  test('an attempt that throws has failed', async () => {
    const { carrier, redialler, clock, waits } = begin();
    carrier.onConnect = () => Promise.reject(new Error('no'));
    redialler.keep(SEED);
    await clock.advance(0);
    expect(await waits()).toBe(500);
  });

  test('is dialled again when it is lost, with short waits again', async () => {
    const { carrier, redialler, clock, waits, up, down } = begin();
    redialler.keep(SEED);
    await clock.advance(0);
    await waits();
    await waits();
    carrier.onConnect = (name) => {
      up(name);
      return true;
    };
    await waits();
    await clock.advance(100_000);
    const dialled = carrier.dialled.length;
    down(SEED);
    carrier.onConnect = () => false;
    expect([await waits(), await waits()]).toEqual([500, 500]);
    expect(carrier.dialled.length).toBe(dialled + 2);
  });

  test('that does not stay connected is waited for ever longer, until it has stayed', async () => {
    const { redialler, clock, waits, up, down, carrier } = begin();
    carrier.onConnect = (name) => {
      up(name);
      return true;
    };
    redialler.keep(SEED);
    await clock.advance(0);
    const waited: number[] = [];
    for (let count = 0; count < 8; count++) {
      down(SEED);
      waited.push(await waits());
      await clock.advance(0);
    }
    expect(waited).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    await clock.advance(STEADY_MS);
    down(SEED);
    expect(await waits()).toBe(500);
  });

  test('also when the program has disconnected it', async () => {
    const { redialler, waits, up, down } = begin();
    up(SEED);
    redialler.keep(SEED);
    down(SEED, true);
    expect(await waits()).toBe(500);
  });

  test('that connects by itself is not dialled', async () => {
    const { carrier, redialler, clock, up, down } = begin();
    redialler.keep(SEED);
    await clock.advance(0);
    up(SEED);
    await clock.advance(100_000);
    expect(carrier.dialled).toHaveLength(1);
    redialler.keep('other@x');
    up('other@x');
    down('other@x');
    up('other@x');
    await clock.advance(100_000);
    expect(carrier.dialled).toHaveLength(2);
  });

  test('a connection that was made and lost while it was dialled', async () => {
    const { carrier, redialler, clock, waits, up, down } = begin();
    let answer: (connected: boolean) => void = () => undefined;
    carrier.onConnect = () => new Promise((resolve) => (answer = resolve));
    redialler.keep(SEED);
    up(SEED);
    down(SEED);
    answer(true);
    await clock.advance(0);
    expect(await waits()).toBe(500);
  });

  test('the name of the node itself is ignored', () => {
    const { carrier, redialler } = begin();
    redialler.keep('here@x');
    redialler.learn('here@x');
    expect([carrier.dialled, redialler.known]).toEqual([[], []]);
  });

  test('nothing after the end', async () => {
    const { carrier, redialler, clock, up, down } = begin();
    let answer: (connected: boolean) => void = () => undefined;
    carrier.onConnect = () => new Promise((resolve) => (answer = resolve));
    redialler.keep(SEED);
    redialler.keep('other@x');
    up('other@x');
    down('other@x');
    redialler.close();
    answer(false);
    redialler.keep('third@x');
    await clock.advance(100_000);
    expect(carrier.dialled).toEqual([SEED, 'other@x']);
  });
});

describe('a node that was learnt of', () => {
  test('is given up after so many failures, and not tried again for a while', async () => {
    const { carrier, redialler, clock } = begin();
    redialler.learn('b@x');
    await clock.advance(200_000);
    expect(carrier.dialled).toHaveLength(ATTEMPTS_MAX);
    redialler.learn('b@x');
    await clock.advance(1_000);
    expect(carrier.dialled).toHaveLength(ATTEMPTS_MAX);
    await clock.advance(REST_MS);
    expect(redialler.known).toEqual([]);
    redialler.learn('b@x');
    expect(carrier.dialled).toHaveLength(ATTEMPTS_MAX + 1);
  });

  test('comes up by itself while it rests', async () => {
    const { redialler, clock, waits, up, down } = begin();
    redialler.learn('b@x');
    await clock.advance(200_000);
    up('b@x');
    await clock.advance(REST_MS);
    expect(redialler.known).toEqual(['b@x']);
    down('b@x');
    expect(await waits()).toBe(500);
  });

  test('is left alone when the program has disconnected it, until it connects by itself', async () => {
    const { carrier, redialler, clock, waits, up, down } = begin();
    redialler.learn('b@x');
    up('b@x');
    await clock.advance(0);
    down('b@x', true);
    redialler.learn('b@x');
    await clock.advance(REST_MS * 2);
    expect(carrier.dialled).toHaveLength(1);
    up('b@x');
    down('b@x');
    expect(await waits()).toBe(500);
  });

  test('may be a seed, or become one', async () => {
    const { carrier, redialler, clock } = begin();
    redialler.keep(SEED);
    redialler.learn(SEED);
    redialler.learn('b@x');
    redialler.keep('b@x');
    await clock.advance(2_000_000);
    expect(carrier.dialled.filter((name) => name === SEED).length).toBeGreaterThan(ATTEMPTS_MAX);
    expect(carrier.dialled.filter((name) => name === 'b@x').length).toBeGreaterThan(ATTEMPTS_MAX);
  });

  test('limits: how many are known, and how many are dialled at a time', async () => {
    const { carrier, redialler, clock } = begin();
    const answers: Array<(connected: boolean) => void> = [];
    carrier.onConnect = () => new Promise((resolve) => answers.push(resolve));
    for (let index = 0; index < NODES_MAX + 10; index++) redialler.learn(`n${index}@x`);
    expect([redialler.known.length, carrier.dialled.length]).toEqual([NODES_MAX, DIALS_MAX]);
    redialler.keep(SEED);
    expect(redialler.known).toHaveLength(NODES_MAX + 1);
    answers[0]?.(false);
    await clock.advance(0);
    expect(carrier.dialled).toHaveLength(DIALS_MAX + 1);
  });

  test.each(['', 'b', '@x', 'b@', 'b c@x', 'b@x y', 'b@x@y', `${'b'.repeat(254)}@x`])(
    'is none with the name %j',
    (name) => {
      const { carrier, redialler } = begin();
      redialler.learn(name);
      expect([redialler.known, carrier.dialled]).toEqual([[], []]);
    },
  );
});
