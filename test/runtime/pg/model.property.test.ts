// Random histories of two to four nodes and a peer that watches: joins, leaves, kills, cuts, holds, drops, restarts of
// scopes and nodes, in any interleaving; some changes happen within the arrival of a signal, before the scope process has
// handled it. When the network is whole again all scopes agree with a model that knows nothing of messages; no scope process
// has died; the peer, which is as strict as OTP's, was told nothing that would crash it; and who follows a scope knows
// its state.
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { createNode, type Node, onTelemetry } from 'troupe';
import { createManualClock } from 'troupe/testing';
import { expect, test } from 'vitest';
import { createMemoryNetwork, type MemoryNetwork } from '../../../src/runtime/distribution/memory.ts';
import { type Change, type Membership, Site } from './site.ts';
import { Spy } from './spy.ts';

/** What can happen. Numbers choose among what there is. */
type Action =
  | { readonly do: 'change'; readonly node: number; readonly change: Change }
  | { readonly do: 'reflex'; readonly node: number; readonly change: Change; readonly skip: number }
  | { readonly do: 'restartNode'; readonly node: number }
  | { readonly do: 'flicker' | Disturbance; readonly node: number; readonly other: number }
  | { readonly do: 'wait'; readonly turns: number };
type Disturbance = 'cut' | 'heal' | 'drop' | 'connect' | 'hold' | 'release';

const index = fc.nat({ max: 11 });
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('join' as const, 'leave'),
      who: index,
      group: index,
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('spawn' as const, 'kill'), who: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restartScope' as const) }) },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('change' as const), node: index, change }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('reflex' as const),
      node: index,
      change,
      skip: fc.nat({ max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restartNode' as const), node: index }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'cut' as const,
        'heal',
        'drop',
        'flicker',
        'flicker',
        'connect',
        'connect',
        'hold',
        'release',
      ),
      node: index,
      other: index,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 4 }) }),
  },
);

class World {
  readonly network: MemoryNetwork;
  readonly sites: Site[];
  readonly watcher: Node;
  readonly spy: Spy;

  constructor(size: number, seed: number) {
    const clock = createManualClock();
    this.network = createMemoryNetwork({ seed, clock });
    this.watcher = createNode({
      name: 'spy@x',
      carrier: this.network.carrier('spy@x'),
      clock,
      sliceMs: 1_000,
    });
    this.spy = new Spy(this.watcher, 's', true);
    this.sites = Array.from({ length: size }, (_, at) => {
      const name = `n${at}@x`;
      return new Site(name, () => this.network.carrier(name), clock);
    });
  }

  async perform(step: Action): Promise<void> {
    if (step.do === 'wait') {
      for (let turn = 0; turn < step.turns; turn++) await setImmediate();
      return;
    }
    const site = this.sites[step.node % this.sites.length]!;
    switch (step.do) {
      case 'change':
        site.perform(step.change);
        return;
      case 'reflex':
        site.later(step.change, step.skip);
        return;
      case 'restartNode':
        this.network.crash(site.name);
        void site.node.stop();
        site.start();
        return;
      default:
        this.#disturb(site, step.do, step.other);
    }
  }

  #disturb(site: Site, what: 'flicker' | Disturbance, other: number): void {
    const names = [...this.sites.map(({ name }) => name), 'spy@x'];
    const peer = names[other % names.length]!;
    if (peer === site.name) return;
    if (what === 'connect') {
      void site.node.connect(peer);
    } else if (what === 'flicker') {
      this.network.drop(site.name, peer);
      void site.node.connect(peer);
    } else {
      this.network[what](site.name, peer);
    }
  }

  /** Makes the network whole, and lets all come to rest. */
  async rest(): Promise<void> {
    this.network.heal();
    this.network.release();
    await this.network.settle();
    const nodes = [...this.sites.map(({ node }) => node), this.watcher];
    for (const [at, node] of nodes.entries()) {
      for (const other of nodes.slice(at + 1)) {
        if (!(await node.connect(other.name))) throw new Error(`${node.name} cannot reach ${other.name}`);
      }
    }
    await this.network.settle();
  }

  async stop(): Promise<void> {
    for (const { node } of this.sites) await node.stop();
    await this.watcher.stop();
  }
}

test('scopes agree whatever happened before', async () => {
  const crashes: unknown[] = [];
  const stopListening = onTelemetry('troupe:process:crash', (event) => crashes.push(event));
  const history = async (size: number, seed: number, actions: readonly Action[]): Promise<void> => {
    const world = new World(size, seed);
    try {
      for (const step of actions) await world.perform(step);
      await world.rest();
      check(world);
      expect(crashes).toEqual([]);
    } finally {
      await world.stop();
    }
  };
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 4 }),
        fc.nat(),
        fc.array(action, { maxLength: 80, size: 'large' }),
        history,
      ),
      { numRuns: 300 },
    );
  } finally {
    stopListening();
  }
});

function check({ sites, spy }: World): void {
  const all: Membership = new Map();
  for (const { local } of sites) {
    for (const [group, members] of local) all.set(group, new Map([...(all.get(group) ?? []), ...members]));
  }
  for (const site of sites) {
    expect(site.seen(true)).toEqual(site.local);
    expect(site.seen(false)).toEqual(all);
    expect(site.followed).toEqual(all);
    expect(spy.told.get(site.node.whereis('s')!.key)).toEqual(site.local);
  }
  expect(spy.told.size).toBe(sites.length);
  expect(spy.faults).toEqual([]);
}
