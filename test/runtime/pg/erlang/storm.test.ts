// Joins and leaves without rest on both sides, while the nodes connect and disconnect, scopes end and channels are declared.
// The scope process of Erlang must not end: it does of a leave that it does not expect. When it is over all agree.
import * as fc from 'fast-check';
import { atom, defineChannel, type Node, pg, type Pid, tuple } from 'troupe';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Epmd, freePort, startEpmd, startErl } from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { forever } from '../../distribution/cluster.ts';
import { Beam, startNode, union, type View, viewAt, WAIT } from './beam.ts';

const part = requirePart('erl');

/** What happens on the node of the test. Numbers choose among what there is. */
type Step =
  | { readonly do: 'join' | 'leave'; readonly who: number; readonly group: number; readonly times: number }
  | { readonly do: 'kill'; readonly who: number }
  | { readonly do: 'connect' | 'disconnect' | 'reconnect' | 'restartScope' | 'dialled' }
  | { readonly do: 'declare'; readonly group: number }
  | { readonly do: 'wait'; readonly turns: number };

const small = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom('join' as const, 'leave'),
      who: small,
      group: small,
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), who: small }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'connect' as const,
        'connect',
        'disconnect',
        'reconnect',
        'reconnect',
        'restartScope',
        'dialled',
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('declare' as const), group: small }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 8 }) }),
  },
);

/** A scope, and what its groups are called on both sides. */
interface Names {
  readonly scope: string;
  readonly here: readonly unknown[];
  readonly there: readonly unknown[];
}

let histories = 0;

function terms(): Names {
  const names = [atom('one'), 'one', tuple(atom('room'), 1), ['room', 1]];
  return { scope: `storm_${++histories}`, here: names, there: names };
}

function channels(): Names {
  histories++;
  const here = ['a', 'b', 'c'].map((letter) => `${letter} ${histories}`);
  return { scope: 'nova_scope', here, there: here.flatMap((name) => [name, atom(name)]) };
}

/** The node of the test, and what it does. */
class Here {
  readonly node: Node;
  readonly #beam: Beam;
  readonly #names: Names;
  #members: Pid[] = [];

  constructor(node: Node, beam: Beam, names: Names) {
    this.node = node;
    this.#beam = beam;
    this.#names = names;
    this.#members = Array.from({ length: 4 }, () => forever(node));
    pg.start(node, names.scope);
  }

  async perform(what: Step): Promise<void> {
    const { node } = this;
    const { scope, here } = this.#names;
    switch (what.do) {
      case 'join':
      case 'leave': {
        const pid = this.#members[what.who % this.#members.length]!;
        const pids = Array.from({ length: what.times }, () => pid);
        const change = what.do === 'join' ? pg.join : pg.leave;
        change(node, scope, here[what.group % here.length], pids);
        return;
      }
      case 'kill': {
        const at = what.who % this.#members.length;
        node.exit(this.#members[at]!, 'kill');
        this.#members[at] = forever(node);
        return;
      }
      case 'connect':
        void node.connect(this.#beam.name);
        return;
      case 'disconnect':
        node.disconnect(this.#beam.name);
        return;
      case 'reconnect':
        node.disconnect(this.#beam.name);
        void node.connect(this.#beam.name);
        return;
      case 'dialled':
        void this.#beam.call('net_kernel', 'connect_node', atom(node.name));
        return;
      case 'restartScope':
        node.exit(node.whereis(scope)!, 'kill');
        pg.start(node, scope);
        return;
      case 'declare':
        if (scope === 'nova_scope') defineChannel(here[what.group % here.length] as string);
        return;
      default:
        for (let turn = 0; turn < what.turns; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

describe.skipIf(part.missing)('a storm with Erlang', () => {
  let epmd: Epmd;
  let beam: Beam;

  beforeAll(async () => {
    epmd = await startEpmd(await freePort());
    beam = new Beam(await startErl({ name: 'storm@127.0.0.1', epmdPort: epmd.port }));
    await beam.erl.load('pg_storm.erl');
    await beam.startScope('nova_scope');
  });

  afterAll(async () => {
    await beam?.erl.stop();
    await epmd?.stop();
  });

  test.each<[string, () => Names]>([
    ['of groups that are named by terms', terms],
    ['of channels', channels],
  ])('%s', { timeout: 120_000 }, async (_what, makeNames) => {
    const history = async (seed: number, steps: readonly Step[]): Promise<void> => {
      const names = makeNames();
      const { scope } = names;
      if (scope !== 'nova_scope') await beam.startScope(scope);
      const process = await beam.scope(scope);
      const here = new Here(await startNode(epmd.port), beam, names);
      const storm = await beam.call('pg_storm', 'start', atom(scope), names.there, 6, seed);
      for (const each of steps) await here.perform(each);
      await beam.call('pg_storm', 'stop', storm);
      await vi.waitFor(async () => expect(await here.node.connect(beam.name)).toBe(true), WAIT);
      await vi.waitFor(async () => {
        const own = viewAt(here.node, scope, true);
        const all = channelView(union([own, await beam.view(scope, true)]), scope);
        expect(viewAt(here.node, scope)).toEqual(all);
        expect(channelView(await beam.view(scope), scope)).toEqual(all);
      }, WAIT);
      expect(await beam.scope(scope)).toEqual(process);
      await here.node.stop();
      await beam.ask('{S, P} = X, exit(P, kill), ok', tuple(atom(scope), storm));
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(step, { minLength: 100, maxLength: 300, size: 'max' }), history),
      { numRuns: 8, endOnFailure: true },
    );
    expect(beam.erl.output()).not.toMatch(/badkey|badarg|badmatch/);
  });
});

/** Groups of `nova_scope` by channel: what is called by an atom and by a binary is one. */
function channelView(view: View, scope: string): View {
  if (scope !== 'nova_scope') return view;
  return union(
    Object.entries(view).map(([name, pids]) => ({ [name.replace(/^\{'(.*)'\}$/, '"$1"')]: pids })),
  );
}
