// Random histories of some nodes and a scope of OTP: joins, leaves, kills, cuts, holds, drops, restarts of scopes and
// nodes, in any interleaving; some changes happen within the arrival of a signal, before the scope process has handled it.
// When the network is whole again all scopes agree with a model that knows nothing of messages; no scope process has died,
// also not that of OTP, which was told nothing that it dies of; and who follows a scope knows its state.
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import {
  type Atom,
  atom,
  charlist,
  createNode,
  float,
  type Node,
  onTelemetry,
  type Pid,
  tuple,
} from 'troupe';
import { createManualClock, createMemoryNetwork, type ManualClock, type MemoryNetwork } from 'troupe/testing';
import { expect, onTestFinished, test } from 'vitest';
import { canonicalText, declareChannel, sliceLimits, syncLimits } from '../../../src/runtime/pg/internal.ts';
import { forever } from '../distribution/cluster.ts';
import { type Membership, OtpScope } from './otp-scope.ts';
import { type Change, Site } from './site.ts';

/** What can happen. Numbers choose among what there is. */
type Action =
  | { readonly do: 'change'; readonly node: number; readonly change: Change }
  | { readonly do: 'reflex'; readonly node: number; readonly change: Change; readonly skip: number }
  | { readonly do: 'otp'; readonly change: Change }
  | { readonly do: 'restartNode'; readonly node: number }
  | { readonly do: 'restartOtpNode' }
  | { readonly do: 'flicker' | Disturbance; readonly node: number; readonly other: number }
  | { readonly do: 'declare'; readonly group: number }
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
  { weight: 8, arbitrary: fc.record({ do: fc.constant('otp' as const), change }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restartNode' as const), node: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restartOtpNode' as const) }) },
  {
    weight: 7,
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
  { weight: 1, arbitrary: fc.record({ do: fc.constant('declare' as const), group: index }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 4 }) }),
  },
);

/** A scope by name, and what its groups are called here and by OTP. */
interface Names {
  readonly scope: string;
  readonly groups: readonly unknown[];
  readonly otpGroups: readonly unknown[];
}

/** Names that are terms: OTP and the others write the same one in different ways. */
const terms: Names = {
  scope: 's',
  groups: ['one', 'two', 1, ['room', 1], tuple(atom('room'), 1), atom('one'), -0, charlist('ab')],
  otpGroups: [
    Buffer.from('one'),
    'two',
    1n,
    ['room', 1n],
    tuple(atom('room'), 1),
    atom('one'),
    float(0),
    [97, 98],
  ],
};

let histories = 0;

/** Channels that nothing was declared of yet. OTP has groups of the same text by an atom and by a binary. */
function channels(): Names {
  const names = ['a', 'b'].map((letter) => `model ${++histories} ${letter}`);
  return { scope: 'nova_scope', groups: names, otpGroups: names.flatMap((name) => [atom(name), name]) };
}

const OTP = 'otp@x';

class World {
  readonly network: MemoryNetwork;
  readonly sites: Site[];
  readonly names: Names;
  otpNode!: Node;
  otp!: OtpScope;
  /** What the scopes of OTP that are gone died of. */
  readonly faults: string[] = [];
  readonly #clock: ManualClock;
  readonly #visible: boolean;
  #otpMembers: Pid[] = [];

  constructor(size: number, seed: number, visible: boolean, names: Names) {
    this.#clock = createManualClock();
    this.network = createMemoryNetwork({ seed, clock: this.#clock });
    this.names = names;
    this.#visible = visible;
    this.#startOtp();
    this.sites = Array.from({ length: size }, (_, at) => {
      const name = `n${at}@x`;
      return new Site(name, names.scope, names.groups, () => this.network.carrier(name), this.#clock);
    });
  }

  async perform(step: Action): Promise<void> {
    if (step.do === 'wait') {
      for (let turn = 0; turn < step.turns; turn++) await setImmediate();
      return;
    }
    switch (step.do) {
      case 'change':
        this.#site(step.node).perform(step.change);
        return;
      case 'reflex':
        this.#site(step.node).later(step.change, step.skip);
        return;
      case 'otp':
        this.#changeOtp(step.change);
        return;
      case 'restartNode': {
        const site = this.#site(step.node);
        this.network.crash(site.name);
        void site.node.stop();
        site.start();
        return;
      }
      case 'restartOtpNode':
        this.network.crash(OTP);
        void this.otpNode.stop();
        this.#startOtp();
        return;
      case 'declare':
        if (this.names !== terms)
          declareChannel(this.names.groups[step.group % this.names.groups.length] as string);
        return;
      default:
        this.#disturb(step.do, step.node, step.other);
    }
  }

  #site(at: number): Site {
    return this.sites[at % this.sites.length]!;
  }

  #startOtp(): void {
    this.otpNode = createNode({
      name: OTP,
      carrier: this.network.carrier(OTP),
      clock: this.#clock,
      sliceMs: 1_000,
    });
    this.#otpMembers = [forever(this.otpNode), forever(this.otpNode)];
    this.otp = new OtpScope(this.otpNode, this.names.scope, this.#visible, this.faults);
  }

  #changeOtp(step: Change): void {
    const members = this.#otpMembers;
    if (step.do === 'spawn') {
      members.push(forever(this.otpNode));
    } else if (step.do === 'restartScope') {
      this.otp.start();
    } else {
      const at = step.who % Math.max(1, members.length);
      const pid = members[at];
      if (pid === undefined) return;
      if (step.do === 'join' || step.do === 'leave') {
        const group = this.names.otpGroups[step.group % this.names.otpGroups.length];
        const pids = Array.from({ length: step.times }, () => pid);
        this.otp[step.do](group, pids);
        return;
      }
      members.splice(at, 1);
      this.otpNode.exit(pid, 'kill');
    }
  }

  #disturb(what: 'flicker' | Disturbance, at: number, other: number): void {
    const nodes = [this.otpNode, ...this.sites.map(({ node }) => node)];
    const node = nodes[at % nodes.length]!;
    const peer = nodes[other % nodes.length]!;
    if (peer === node) return;
    if (what === 'connect') {
      void node.connect(peer.name);
    } else if (what === 'flicker') {
      this.network.drop(node.name, peer.name);
      void node.connect(peer.name);
    } else {
      this.network[what](node.name, peer.name);
    }
  }

  /** Makes the network whole, and lets all come to rest. */
  async rest(): Promise<void> {
    this.network.heal();
    this.network.release();
    await this.network.settle();
    const nodes = [...this.sites.map(({ node }) => node), this.otpNode];
    for (const [at, node] of nodes.entries()) {
      for (const other of nodes.slice(at + 1)) {
        if (!(await node.connect(other.name))) throw new Error(`${node.name} cannot reach ${other.name}`);
      }
    }
    await this.network.settle();
  }

  async stop(): Promise<void> {
    for (const { node } of this.sites) await node.stop();
    await this.otpNode.stop();
  }

  /** Members by the names that groups have here. */
  here(members: Membership): Membership {
    if (this.names === terms) return members;
    return union([...members].map(([text, pids]) => new Map([[this.#channelText(text), pids]])));
  }

  #channelText(text: string): string {
    const name = this.otp.nameOf(text);
    return canonicalText(typeof name === 'string' ? name : (name as Atom).name);
  }
}

function union(parts: readonly Membership[]): Membership {
  const all: Membership = new Map();
  for (const part of parts) {
    for (const [group, members] of part) {
      const known = all.get(group) ?? new Map<string, number>();
      for (const [key, count] of members) known.set(key, (known.get(key) ?? 0) + count);
      all.set(group, known);
    }
  }
  return all;
}

/** All scopes know what they should in the end. */
function check(world: World): void {
  const { sites, otp, faults } = world;
  const here = (members: Membership) => world.here(members);
  expect(faults).toEqual([]);
  const all = union([...sites.map(({ local }) => local), here(otp.members('local'))]);
  for (const site of sites) {
    expect(site.seen(true)).toEqual(site.local);
    expect(site.seen(false)).toEqual(all);
    expect(site.followed).toEqual(all);
    const told = otp.told(site.pid);
    expect(here(told)).toEqual(site.local);
    // Nobody tells of a group under two names.
    expect(told.size).toBe(site.local.size);
  }
  expect(here(otp.members('all'))).toEqual(all);
  expect(otp.peers).toBe(sites.length);
}

const usual = { slices: { ...sliceLimits }, sync: { ...syncLimits } };
/** All that peers tell, and are told, goes a step at a time, with all else in between, and little may wait. */
const singly: typeof usual = {
  slices: { atOnce: 1, later: 1, waiting: 2, mostWaiting: 6 },
  sync: { pids: 0, pidsLater: 0 },
};

test.each<[string, () => Names, typeof usual]>([
  ['with names that are terms', () => terms, usual],
  ['with channels, some of which are declared meanwhile', channels, usual],
  ['with names that are terms, in slices of a step', () => terms, singly],
  ['with channels, in slices of a step', channels, singly],
])('scopes agree whatever happened before: %s', async (_what, names, steps) => {
  const limit = ({ slices, sync }: typeof usual) => {
    Object.assign(sliceLimits, slices);
    Object.assign(syncLimits, sync);
  };
  limit(steps);
  onTestFinished(() => {
    limit(usual);
  });
  const crashes: unknown[] = [];
  const stopListening = onTelemetry('troupe:process:crash', (event) => crashes.push(event));
  const history = async (
    size: number,
    seed: number,
    visible: boolean,
    actions: readonly Action[],
  ): Promise<void> => {
    const world = new World(size, seed, visible, names());
    try {
      for (const step of actions) await world.perform(step);
      await world.rest();
      check(world);
      expect(crashes).toEqual([]);
    } finally {
      crashes.length = 0;
      await world.stop();
    }
  };
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.nat(),
        fc.boolean(),
        fc.array(action, { maxLength: 80, size: 'large' }),
        history,
      ),
      { numRuns: 200 },
    );
  } finally {
    stopListening();
  }
});
