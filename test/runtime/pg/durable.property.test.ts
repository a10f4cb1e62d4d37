// Random histories of two nodes with one store: events that are published at once, later or never, logs that are killed, connections that
// break, processes that follow from anywhere. Each of them sees what was stored since, once and in order.
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChannelLive, createMemoryStore, createNode, type EventSource, type Node, type Pid } from 'troupe';
import { createManualClock, createMemoryNetwork, settle } from 'troupe/testing';

import { add, bare, follow, notes, numbers, type Seen, startLog } from './durable-helpers.ts';

describe('any history', () => {
  type Step =
    | { readonly do: 'store'; readonly publish: 'now' | 'later' | 'never' }
    | { readonly do: 'follow'; readonly node: number; readonly since: number }
    | { readonly do: 'kill'; readonly node: number }
    | { readonly do: 'cut' }
    | { readonly do: 'turns'; readonly count: number }
    | { readonly do: 'time'; readonly count: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('store' as const),
        publish: fc.constantFrom('now' as const, 'now', 'later', 'never'),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('follow' as const),
        node: fc.nat({ max: 1 }),
        since: fc.nat({ max: 20 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('kill' as const), node: fc.nat({ max: 1 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 30 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('time' as const), count: fc.integer({ min: 1, max: 30 }) }),
    },
  );

  test('who follows sees what was stored since, each once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const network = createMemoryNetwork();
        const clock = createManualClock();
        const nodes = ['a@test', 'b@test'].map((name) =>
          createNode({ name, clock, carrier: network.carrier(name) }),
        );
        const store = createMemoryStore();
        // As a database: what was read is old when it arrives.
        const source: EventSource = {
          ...bare(store),
          watch: store.watch.bind(store),
          read: async (...args) => {
            const page = await store.read(...args);
            await setImmediate();
            return page;
          },
        };
        const logs = await Promise.all(nodes.map((node) => startLog(node, source)));
        await nodes[0]?.connect('b@test');
        const later: Array<() => void> = [];
        const followers: Array<{ readonly from: number; readonly seen: readonly Seen[] }> = [];
        let stored = 0;
        for (const now of steps) {
          const node = nodes['node' in now ? now.node : stored % 2] as Node;
          if (now.do === 'store') {
            const event = await add(store, ++stored);
            if (now.publish === 'now') notes.publish(node, event);
            else if (now.publish === 'later') later.push(() => notes.publish(node, event));
          } else if (now.do === 'follow') {
            const from = Math.min(now.since, stored);
            followers.push({ from, seen: follow(node, `${store.epoch}:${from}`).seen });
          } else if (now.do === 'kill') {
            node.exit((logs[now.node] as { readonly pid: Pid }).pid, 'kill');
            logs[now.node] = await startLog(node, source);
          } else if (now.do === 'cut') {
            network.drop('a@test', 'b@test');
          } else if (now.do === 'time') {
            await clock.advance(now.count);
            later.splice(0, 1).forEach((publish) => publish());
          } else for (let turn = 0; turn < now.count; turn += 10) await setImmediate();
        }
        for (const publish of later) publish();
        await settle(nodes);
        await clock.advance(100);
        await settle(nodes);
        for (const { from, seen } of followers) {
          const live = seen.findIndex((message) => message instanceof ChannelLive);
          expect(live).toBeGreaterThanOrEqual(0);
          expect(numbers(seen)).toEqual(
            Array.from({ length: stored - from }, (_, index) => from + index + 1),
          );
        }
        await Promise.all(nodes.map((each) => each.stop()));
      }),
      {
        numRuns: 150,
        examples: [
          // The second follower finds a read under way that is older than its position.
          [
            [
              { do: 'store', publish: 'never' },
              { do: 'follow', node: 0, since: 1 },
              { do: 'store', publish: 'now' },
              { do: 'store', publish: 'now' },
              { do: 'follow', node: 0, since: 3 },
            ],
          ],
        ],
      },
    );
  });
});
