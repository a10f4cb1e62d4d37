// Clusters of several nodes of both kinds: what they find by themselves, what BEAM's own services make of hidden nodes,
// and nodes that are killed.
import { atom, pg } from 'troupe';
import { expect, test } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { eventually, evaluates, openLab } from './lab.ts';

const part = requirePart('erl');

test.skipIf(part.missing)(
  'global:sync() returns, and names can be registered, while Troupe is connected',
  async () => {
    const lab = (await openLab()).forTest();
    const [one, two, troupe] = await Promise.all([lab.erl('one'), lab.erl('two'), lab.troupe('ts')]);
    expect(await troupe.node.connect(one.name)).toBe(true);
    expect(await one.eval(`net_adm:ping('${two.name}')`)).toBe('pong');
    expect(await troupe.node.connect(two.name)).toBe(true);
    expect(await one.eval('global:sync()')).toBe('ok');
    expect(await two.eval('global:sync()')).toBe('ok');
    expect(await one.eval('global:register_name(here, self())')).toBe('yes');
    expect(await two.eval('global:trans({lock, self()}, fun() -> done end)')).toBe('done');
    expect(await one.eval('global:sync()')).toBe('ok');
  },
);

test.skipIf(part.missing)(
  'three Erlang and two Troupe nodes: some are killed, the others stay and find them again',
  async () => {
    const lab = (await openLab()).forTest();
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => lab.erl(name)));
    if (a === undefined || b === undefined || c === undefined) throw new Error('no nodes');
    for (const to of [b, c]) expect(await a.eval(`net_adm:ping('${to.name}')`)).toBe('pong');
    await evaluates(b, 'lists:sort(nodes())', `['${a.name}','${c.name}']`);
    const others = { d: 'd@127.0.0.1', e: 'e@127.0.0.1' };
    // Each knows one seed, and learns of the others.
    const seeds = [a.name];
    const here = await lab.troupe('d', { seeds: [...seeds, others.e] });
    let there = await lab.program('e', { seeds: [...seeds, others.d] });
    const whole = [a.name, b.name, c.name].toSorted();
    const nodesHere = (...names: string[]) =>
      eventually(() => expect(here.node.nodes().toSorted()).toEqual([...names].toSorted()));
    const nodesThere = (...names: string[]) =>
      eventually(async () =>
        expect((await there.run('nodes', undefined)).toSorted()).toEqual(names.toSorted()),
      );
    await nodesHere(...whole, others.e);
    await nodesThere(...whole, others.d);

    // A member on each node.
    const join =
      'pg:start(test_scope), register(m, spawn(fun() -> pg:join(test_scope, all, self()), receive x -> ok end end)), ok';
    for (const erl of [a, b, c]) await erl.eval(join);
    pg.start(here.node, 'test_scope');
    pg.join(
      here.node,
      'test_scope',
      atom('all'),
      here.node.spawn({ name: 'm', init: () => 0, handle: () => undefined }),
    );
    await there.run('joinAll', { scope: 'test_scope' });
    const members = 'lists:sort([node(P) || P <- pg:get_members(test_scope, all)])';
    const listed = (...names: string[]) =>
      `[${names
        .toSorted()
        .map((name) => `'${name}'`)
        .join(',')}]`;
    const everywhere = [...whole, others.d, others.e];
    for (const erl of [a, b, c]) await evaluates(erl, members, listed(...everywhere));

    await there.kill();
    await nodesHere(...whole);
    for (const erl of [a, b, c]) {
      await evaluates(erl, members, listed(...whole, others.d));
      expect(erl.output()).not.toMatch(/overlapping partitions/);
    }
    await c.kill();
    await nodesHere(a.name, b.name);
    for (const erl of [a, b]) await evaluates(erl, members, listed(a.name, b.name, others.d));
    expect(
      pg
        .getMembers(here.node, 'test_scope', atom('all'))
        .map(({ node }) => node)
        .toSorted(),
    ).toEqual([a.name, b.name, others.d].toSorted());

    // `global` of the others has heard that it was lost before it comes back.
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      await evaluates(one, 'nodes()', `['${other.name}']`);
      await one.eval('sys:get_state(global_name_server), ok');
      await one.eval(`net_adm:ping('${other.name}')`);
    }
    for (const erl of [a, b]) await erl.eval('sys:get_state(global_name_server), ok');

    const again = await lab.erl('c');
    expect(await again.eval(`net_adm:ping('${b.name}')`)).toBe('pong');
    there = await lab.program('e', { seeds: [...seeds, others.d] });
    await again.eval(join);
    await there.run('joinAll', { scope: 'test_scope' });
    for (const erl of [a, b, again]) await evaluates(erl, members, listed(...everywhere));
    await nodesHere(...whole, others.e);
    await nodesThere(...whole, others.d);
    // Of an Erlang node that was killed, the others may hear from each other before they notice themselves, and warn. That is
    // so without Troupe, too; no other node may be named.
    const ofKilled =
      /.*requested disconnect from node 'c@127\.0\.0\.1' in order to prevent overlapping partitions/g;
    for (const erl of [a, b, again]) {
      expect(erl.output().replaceAll(ofKilled, '')).not.toMatch(/overlapping partitions/);
      expect(await erl.eval('global:sync()')).toBe('ok');
    }
  },
);
