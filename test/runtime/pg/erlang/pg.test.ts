// pg together with Erlang's own: each side sees the members of the other, whatever comes first, and whatever ends.
import {
  atom,
  GroupJoined,
  type GroupLeft,
  type Node,
  pg,
  type Pid,
  type Ref,
  tuple,
  type Tuple,
} from 'troupe';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { syncLimits } from '../../../../src/runtime/pg/internal.ts';
import { type Epmd, type ErlNode, freePort, startEpmd, startErl } from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { collector, forever, keys } from '../../distribution/cluster.ts';
import { Beam, expectMembers, startBeam, startNode, union, viewAt, WAIT } from './beam.ts';

const part = requirePart('erl');

describe.skipIf(part.missing)('pg with Erlang', () => {
  let epmd: Epmd;
  let erl: ErlNode;
  let beam: Beam;
  let scopes = 0;

  beforeAll(async () => {
    epmd = await startEpmd(await freePort());
    erl = await startErl({ name: 'pg@127.0.0.1', epmdPort: epmd.port });
    beam = new Beam(erl);
    await erl.load('agent.erl');
  });

  afterAll(async () => {
    await erl?.stop();
    await epmd?.stop();
  });

  /** A node that is not connected, and the name of a scope that runs nowhere. */
  async function begin(): Promise<{ node: Node; scope: string }> {
    return { node: await startNode(epmd.port), scope: `scope${++scopes}` };
  }

  /** A node that is connected with the Erlang node, and a scope on both. */
  async function connected(): Promise<{ node: Node; scope: string; there: Pid }> {
    const { node, scope } = await begin();
    const there = await beam.startScope(scope);
    pg.start(node, scope);
    expect(await node.connect(beam.name)).toBe(true);
    return { node, scope, there };
  }

  describe('the scope is started', () => {
    test('before the nodes connect, with members on both sides', async () => {
      const { node, scope } = await begin();
      await beam.startScope(scope);
      pg.start(node, scope);
      const own = forever(node);
      const [other] = (await beam.spawn(1)) as [Pid];
      pg.join(node, scope, atom('g'), own);
      await beam.join(scope, atom('g'), other);
      await node.connect(beam.name);
      await expectMembers(node, scope, atom('g'), [own, other]);
      await expectMembers(beam, scope, atom('g'), [own, other]);
      expect(pg.whichGroups(node, scope)).toEqual([atom('g')]);
    });

    test('before Erlang dials', async () => {
      const { node, scope } = await begin();
      await beam.startScope(scope);
      pg.start(node, scope);
      const own = forever(node);
      pg.join(node, scope, atom('g'), own);
      expect(await beam.call('net_kernel', 'connect_node', atom(node.name))).toBe(true);
      await expectMembers(beam, scope, atom('g'), [own]);
    });

    test('here, after the nodes connect', async () => {
      const { node, scope } = await begin();
      await beam.startScope(scope);
      const [other] = (await beam.spawn(1)) as [Pid];
      await beam.join(scope, atom('g'), other);
      await node.connect(beam.name);
      pg.start(node, scope);
      const own = forever(node);
      pg.join(node, scope, atom('g'), own);
      await expectMembers(node, scope, atom('g'), [own, other]);
      await expectMembers(beam, scope, atom('g'), [own, other]);
      expect(pg.whichGroups(node, scope)).toEqual([atom('g')]);
    });

    test('there, after the nodes connect: it is asked for again', async () => {
      const { node, scope } = await begin();
      pg.start(node, scope);
      const own = forever(node);
      pg.join(node, scope, atom('g'), own);
      await node.connect(beam.name);
      await beam.startScope(scope);
      const [other] = (await beam.spawn(1)) as [Pid];
      await beam.join(scope, atom('g'), other);
      await expectMembers(beam, scope, atom('g'), [own, other]);
      await expectMembers(node, scope, atom('g'), [own, other]);
      expect(pg.whichGroups(node, scope)).toEqual([atom('g')]);
    });
  });

  describe('members', () => {
    test('join and leave here: one, several, and several times', async () => {
      const { node, scope, there } = await connected();
      const [one, two] = [forever(node), forever(node)];
      const g = tuple(atom('room'), 7, 'é');
      pg.join(node, scope, g, one);
      await expectMembers(beam, scope, g, [one]);
      pg.join(node, scope, g, [one, two, one]);
      await expectMembers(beam, scope, g, [one, one, one, two]);
      pg.leave(node, scope, g, one);
      await expectMembers(beam, scope, g, [one, one, two]);
      pg.leave(node, scope, g, [one, two, two]);
      await expectMembers(beam, scope, g, [one]);
      pg.leave(node, scope, g, one);
      await expectMembers(beam, scope, g, []);
      expect(await beam.view(scope)).toEqual({});
      expect(await beam.scope(scope)).toEqual(there);
    });

    test('join and leave there', async () => {
      const { node, scope } = await connected();
      const [one, two] = (await beam.spawn(2)) as [Pid, Pid];
      const g = tuple(atom('room'), 7, 'é');
      await beam.join(scope, g, one);
      await expectMembers(node, scope, g, [one]);
      await beam.join(scope, g, [one, two, one]);
      await expectMembers(node, scope, g, [one, one, one, two]);
      await beam.leave(scope, g, one);
      await expectMembers(node, scope, g, [one, one, two]);
      await beam.leave(scope, g, [one, two]);
      await expectMembers(node, scope, g, [one]);
      await beam.leave(scope, g, one);
      await expectMembers(node, scope, g, []);
      expect(pg.whichGroups(node, scope)).toEqual([]);
    });

    test('that end have left all their groups, as often as they had joined', async () => {
      const { node, scope, there } = await connected();
      const own = forever(node);
      const [other] = (await beam.spawn(1)) as [Pid];
      for (const group of ['g', atom('g'), ['g']]) {
        pg.join(node, scope, group, [own, own]);
        await beam.join(scope, group, [other, other]);
      }
      for (const group of ['g', atom('g'), ['g']]) {
        await expectMembers(beam, scope, group, [own, own, other, other]);
        await expectMembers(node, scope, group, [own, own, other, other]);
      }
      node.exit(own, 'kill');
      await beam.call('erlang', 'exit', other, atom('kill'));
      await vi.waitFor(async () => expect(await beam.view(scope)).toEqual({}), WAIT);
      await vi.waitFor(() => expect(pg.whichGroups(node, scope)).toEqual([]), WAIT);
      expect(await beam.scope(scope)).toEqual(there);
    });

    test('are gone with the connection, and back with the next one', async () => {
      const { node, scope, there } = await connected();
      const own = forever(node);
      const [other] = (await beam.spawn(1)) as [Pid];
      pg.join(node, scope, 'g', own);
      await beam.join(scope, 'g', other);
      await expectMembers(beam, scope, 'g', [own, other]);
      node.disconnect(beam.name);
      await expectMembers(beam, scope, 'g', [other]);
      await expectMembers(node, scope, 'g', [own]);
      await node.connect(beam.name);
      await expectMembers(beam, scope, 'g', [own, other]);
      await expectMembers(node, scope, 'g', [own, other]);
      expect(await beam.scope(scope)).toEqual(there);
    });

    test('of groups that Erlang finds to be one are in one: bytes and text, 0.0 and -0.0, texts as lists', async () => {
      const { node, scope, there } = await connected();
      const pids = [forever(node), forever(node)] as const;
      const zero = (await beam.ask('0.0')) as object;
      const names: ReadonlyArray<readonly [unknown, unknown]> = [
        ['text', Buffer.from('text')],
        [zero, -0],
        [[97, 98], await beam.ask('"ab"')],
        [null, atom('nil')],
      ];
      for (const [one, other] of names) {
        pg.join(node, scope, one, pids[0]);
        pg.join(node, scope, other, pids[1]);
      }
      await vi.waitFor(async () => expect(Object.keys(await beam.view(scope))).toHaveLength(4), WAIT);
      for (const [one] of names) await expectMembers(beam, scope, one, pids);
      for (const [one, other] of names) {
        pg.leave(node, scope, one, pids[1]);
        pg.leave(node, scope, other, pids[0]);
      }
      await vi.waitFor(async () => expect(await beam.view(scope)).toEqual({}), WAIT);
      expect(await beam.scope(scope)).toEqual(there);
    });
  });

  describe('following', () => {
    test('pg:monitor and pg:monitor_scope there hear of members here', async () => {
      const { node, scope } = await connected();
      const own = forever(node);
      const agents = [`group_${scope}`, `scope_${scope}`].map((name) => atom(name));
      for (const agent of agents) await beam.call('agent', 'start', agent);
      const [ofGroup, ofScope] = (await beam.ask(
        `{S, [A, B]} = X, [agent:run(A, fun() -> pg:monitor(S, g) end), agent:run(B, fun() -> pg:monitor_scope(S) end)]`,
        tuple(atom(scope), agents),
      )) as [Tuple<[Ref, Pid[]]>, Tuple<[Ref, object]>];
      expect([ofGroup.elements[1], ofScope.elements[1]]).toEqual([[], {}]);
      pg.join(node, scope, atom('g'), [own, own]);
      pg.join(node, scope, atom('h'), own);
      pg.leave(node, scope, atom('g'), own);
      node.exit(own, 'kill');
      const kept = async (agent: unknown) => {
        const messages = (await beam.call('agent', 'kept', agent)) as Array<
          Tuple<[Ref, object, object, Pid[]]>
        >;
        return messages.map(({ elements: [, what, group, pids] }) => [what, group, keys(pids)].map(String));
      };
      const expected = [
        ['join', 'g', String([own.key, own.key])],
        ['join', 'h', own.key],
        ['leave', 'g', own.key],
      ];
      await vi.waitFor(async () => {
        const [group, all] = [await kept(agents[0]), await kept(agents[1])];
        expect(group).toEqual([expected[0], expected[2], expected[2]]);
        expect(all.slice(0, 3)).toEqual(expected);
        expect(all.slice(3).map(String).toSorted()).toEqual([`leave,g,${own.key}`, `leave,h,${own.key}`]);
      }, WAIT);
    });

    test('pg.monitor and pg.monitorScope here hear of members there', async () => {
      const { node, scope } = await connected();
      const [other] = (await beam.spawn(1)) as [Pid];
      const [group, all] = [collector(node), collector(node)];
      pg.monitor(node.find(group.pid)!, scope, atom('g'));
      pg.monitorScope(node.find(all.pid)!, scope);
      await beam.join(scope, atom('g'), [other, other]);
      await beam.join(scope, atom('h'), other);
      await beam.leave(scope, atom('g'), other);
      await beam.call('erlang', 'exit', other, atom('kill'));
      const shown = (got: readonly unknown[]) =>
        got.map((event) => {
          const { group: name, pids } = event as GroupJoined | GroupLeft;
          return `${event instanceof GroupJoined ? 'join' : 'leave'} ${String(name)} ${pids.length}`;
        });
      await vi.waitFor(() => {
        expect(shown(group.got)).toEqual(['join g 2', 'leave g 1', 'leave g 1']);
        expect(shown(all.got).slice(0, 3)).toEqual(['join g 2', 'join h 1', 'leave g 1']);
        expect(shown(all.got).slice(3).toSorted()).toEqual(['leave g 1', 'leave h 1']);
      }, WAIT);
    });
  });

  describe('a scope that ends and starts again', () => {
    test('there: its members are gone, and come back with it', async () => {
      const { node, scope } = await connected();
      const own = forever(node);
      const [other] = (await beam.spawn(1)) as [Pid];
      pg.join(node, scope, 'g', own);
      await beam.join(scope, 'g', other);
      await expectMembers(beam, scope, 'g', [own, other]);
      await expectMembers(node, scope, 'g', [own, other]);
      await beam.ask('exit(whereis(X), kill)', atom(scope));
      await expectMembers(node, scope, 'g', [own]);
      // While it is away things go on here.
      const late = forever(node);
      pg.join(node, scope, 'g', late);
      pg.leave(node, scope, 'g', own);
      const again = await beam.startScope(scope);
      await beam.join(scope, 'g', other);
      await expectMembers(beam, scope, 'g', [late, other]);
      await expectMembers(node, scope, 'g', [late, other]);
      expect(await beam.scope(scope)).toEqual(again);
    });

    test('there, so fast that no node sees it away', async () => {
      const { node, scope } = await connected();
      const own = forever(node);
      pg.join(node, scope, 'g', own);
      await expectMembers(beam, scope, 'g', [own]);
      const restart =
        'P = whereis(X), M = monitor(process, P), exit(P, kill), receive {_, M, _, _, _} -> ok end, pg:start(X)';
      for (let count = 0; count < 20; count++) {
        await beam.ask(restart, atom(scope));
        pg.leave(node, scope, 'g', own);
        pg.join(node, scope, 'g', own);
      }
      const last = await beam.scope(scope);
      await expectMembers(beam, scope, 'g', [own]);
      pg.leave(node, scope, 'g', own);
      await expectMembers(beam, scope, 'g', []);
      expect(await beam.scope(scope)).toEqual(last);
    });

    test('here: its members are gone there, and its successor is another peer', async () => {
      const { node, scope, there } = await connected();
      const own = forever(node);
      const [other] = (await beam.spawn(1)) as [Pid];
      await beam.join(scope, 'g', other);
      pg.join(node, scope, 'g', own);
      await expectMembers(beam, scope, 'g', [own, other]);
      for (let count = 0; count < 20; count++) {
        node.exit(node.whereis(scope)!, 'kill');
        pg.start(node, scope);
        pg.join(node, scope, ['round', count], own);
      }
      await expectMembers(beam, scope, 'g', [other]);
      await expectMembers(beam, scope, ['round', 19], [own]);
      await expectMembers(node, scope, 'g', [other]);
      expect(pg.whichGroups(node, scope)).toHaveLength(2);
      expect(Object.keys(await beam.view(scope))).toHaveLength(2);
      expect(await beam.scope(scope)).toEqual(there);
    });
  });

  test('10,000 groups are announced in both directions', async () => {
    const { node, scope } = await begin();
    pg.start(node, scope);
    await beam.startScope(scope);
    const own = forever(node);
    const [other] = (await beam.spawn(1)) as [Pid];
    for (let group = 0; group < 10_000; group++) pg.join(node, scope, ['here', group], own);
    await beam.ask(
      '{S, P} = X, [pg:join(S, {there, N}, P) || N <- lists:seq(1, 10000)], ok',
      tuple(atom(scope), other),
    );
    await node.connect(beam.name);
    await vi.waitFor(() => expect(pg.whichGroups(node, scope)).toHaveLength(20_000), WAIT);
    await vi.waitFor(
      async () => expect(await beam.ask('length(pg:which_groups(X))', atom(scope))).toBe(20_000),
      WAIT,
    );
    await expectMembers(beam, scope, ['here', 9_999], [own]);
    await expectMembers(node, scope, tuple(atom('there'), 10_000), [other]);
    node.exit(own, 'kill');
    await vi.waitFor(
      async () => expect(await beam.ask('length(pg:which_groups(X))', atom(scope))).toBe(10_000),
      WAIT,
    );
    // So that no scope sends 10,000 groups to the tests that follow.
    await beam.ask('exit(whereis(X), kill)', atom(scope));
  });

  test('a snapshot that goes out in slices, with changes meanwhile, and a member of them all that ends', async () => {
    const limits = { ...syncLimits };
    onTestFinished(() => void Object.assign(syncLimits, limits));
    Object.assign(syncLimits, { pids: 100 * 16, pidsLater: 16 });
    const { node, scope } = await begin();
    const there = await beam.startScope(scope);
    pg.start(node, scope);
    const [one, two] = [forever(node), forever(node)];
    for (let group = 0; group < 2_000; group++) pg.join(node, scope, ['here', group], [one, one]);
    await node.connect(beam.name);
    await vi.waitFor(async () => {
      expect(await beam.ask('length(pg:which_groups(X))', atom(scope))).toBeGreaterThan(0);
    }, WAIT);
    for (const group of [0, 1_999, 2_000]) pg.join(node, scope, ['here', group], two);
    for (const group of [1, 1_998]) pg.leave(node, scope, ['here', group], [one, one]);
    await vi.waitFor(async () => expect(await beam.view(scope)).toEqual(viewAt(node, scope)), WAIT);
    node.exit(one, 'kill');
    await vi.waitFor(async () => {
      expect(await beam.ask('lists:sort(pg:which_groups(X))', atom(scope))).toEqual(
        [0, 1_999, 2_000].map((group) => ['here', group]),
      );
    }, WAIT);
    for (const group of [0, 1_999, 2_000]) await expectMembers(beam, scope, ['here', group], [two]);
    expect((await beam.scope(scope)).equals(there)).toBe(true);
  });

  test('two Erlang nodes and two others agree', async () => {
    const { node, scope } = await begin();
    const second = await startNode(epmd.port);
    const other = await startBeam('pg2', epmd.port);
    await beam.startScope(scope);
    await other.startScope(scope);
    for (const each of [node, second]) pg.start(each, scope);
    await beam.call('net_kernel', 'connect_node', atom(other.name));
    for (const each of [node, second]) {
      await each.connect(beam.name);
      await each.connect(other.name);
    }
    await node.connect(second.name);
    const groups = [atom('one'), 'two', tuple(3)];
    const join = async () => {
      for (const [at, group] of groups.entries()) {
        for (const each of [beam, other]) await each.join(scope, group, await each.spawn(at + 1));
        for (const each of [node, second]) pg.join(each, scope, group, [forever(each), forever(each)]);
      }
    };
    const agree = () =>
      vi.waitFor(async () => {
        const all = union([
          await beam.view(scope, true),
          await other.view(scope, true),
          viewAt(node, scope, true),
          viewAt(second, scope, true),
        ]);
        expect(Object.keys(all)).toHaveLength(3);
        for (const view of [await beam.view(scope), await other.view(scope)]) expect(view).toEqual(all);
        for (const each of [node, second]) expect(viewAt(each, scope)).toEqual(all);
      }, WAIT);
    await join();
    await agree();
    node.disconnect(beam.name);
    second.disconnect(node.name);
    await join();
    await node.connect(beam.name);
    await second.connect(node.name);
    await agree();
  });
});
