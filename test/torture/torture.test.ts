// A short run of the torture (`npm run torture`), and that it notices what it is there for.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { Dice } from '../../fuzz/dice.ts';
import { ensureBuild } from '../../scripts/lib/fresh.mjs';
import { faultsOf, type Stored } from '../../torture/check.ts';
import { Follower } from '../../torture/followers.ts';
import { SHORT, torture } from '../../torture/run.ts';
import { storm } from '../../torture/storm.ts';
import { requirePart } from '../support/parts.ts';

// Starts several programs again and again, and the machine may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 300_000 });

describe('the torture', () => {
  beforeAll(ensureBuild);

  test.skipIf(requirePart('postgres').missing)(
    'costs nobody an event with three instances on PostgreSQL',
    async () => {
      const report = await torture({ database: 'postgres', seed: 20_260_101, ...SHORT.postgres });
      expect(report.faults).toEqual([]);
      expect(report.events).toBeGreaterThanOrEqual(report.answered);
      expect(report.played.size).toBeGreaterThan(0);
    },
  );

  test.skipIf(requirePart('postgres').missing)(
    'spreads clients that all lose their connections at once, by delays that servers name where they can',
    async () => {
      const report = await storm({ clients: 24, writers: 2, seed: 20_260_101 });
      expect(report.faults).toEqual([]);
      const [inTurn, atOnce, killed] = report.storms;
      expect(inTurn?.advised.length).toBeGreaterThanOrEqual(24);
      expect(atOnce?.advised.length).toBeGreaterThanOrEqual(24);
      expect(new Set(atOnce?.advised).size).toBeGreaterThan(12);
      expect(killed).toMatchObject({ name: 'killed at once', advised: [] });
    },
  );

  test('costs nobody an event with one instance on PGlite', async () => {
    const report = await torture({ database: 'pglite', seed: 20_260_101, ...SHORT.pglite });
    expect(report.faults).toEqual([]);
    expect(report.events).toBeGreaterThanOrEqual(report.answered);
    expect(report.played.size).toBeGreaterThan(0);
  });
});

describe('it notices', () => {
  const note = (id: number, title = `n${id}`) => ({ id, title, body: 'b', author: 'a', updatedAt: 'now' });
  const created = (id: number, position = id, title?: string) => ({
    event: 'note_created',
    data: note(id, title),
    id: `e:${position}`,
  });
  const live = (position: number) => ({ event: 'live', data: {}, id: `e:${position}` });
  const reset = (position: number) => ({ event: 'reset', data: {}, id: `e:${position}` });
  const stored: Stored = {
    events: [1, 2, 3].map((position) => ({
      position,
      topic: 'note_created',
      payload: JSON.stringify(note(position)),
    })),
    notes: [1, 2, 3].map((id) => ({ id, title: `n${id}` })),
    index: { wrong: [], marked: 0 },
  };

  /** A follower after a server has said all this to it. */
  async function told(...messages: object[]): Promise<Follower> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => server.close());
    await once(server, 'listening');
    const follower = new Follower('client', [(server.address() as AddressInfo).port], new Dice(1, 1));
    server.on('connection', (socket) => {
      for (const message of [...messages, { event: 'told' }]) socket.send(JSON.stringify(message));
    });
    const heard = new Promise<void>((resolve) => {
      follower.onUnplaced = resolve;
    });
    follower.come();
    onTestFinished(() => follower.leave());
    await heard;
    return follower;
  }

  test.each([
    ['nothing wrong', [live(0), created(1), created(2), created(3)], []],
    ['nothing wrong after a reset', [live(0), created(1), reset(2), live(2), created(3)], []],
    ['an event that is lost', [live(0), created(1), created(3)], ['1 lost, 0 twice, 0 out of order']],
    ['one lost before the client is live', [live(0), created(1), live(3)], ['2 lost']],
    ['one seen twice', [live(0), created(1), created(2), created(2), created(3)], ['0 lost, 1 twice']],
    ['one out of order', [live(0), created(1), created(3), created(2)], ['1 out of order']],
    ['one changed', [live(0), created(1), created(2, 2, 'other'), created(3)], ['1 changed']],
    ['one that has not come', [live(0), created(1), created(2)], ['1 not seen']],
  ])('%s', async (_what, messages, faults) => {
    const found = faultsOf(stored, [await told(...messages)], []);
    expect(found).toEqual(faults.map((fault) => expect.stringContaining(fault)));
  });

  test('an answered change without an event, a gap, notes without events, and an index of other words', () => {
    const [first, , third] = stored.events;
    const broken = { ...stored, events: [first!, third!], index: { wrong: [2], marked: 3 } };
    expect(faultsOf(broken, [], [{ topic: 'note_created', id: 2, title: 'n2' }])).toEqual([
      'the history has 1 gaps',
      '1 of 3 notes are not what the events say; these have made 2',
      'the index has other words than 1 notes',
      '3 notes are not indexed',
      '1 changes were answered and have no event',
    ]);
  });
});
