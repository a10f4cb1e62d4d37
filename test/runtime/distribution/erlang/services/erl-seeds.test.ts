// Seeds that come late, go and come back; nodes that are learnt of from a BEAM node and from one of this runtime. With real
// Erlang nodes.
import { describe, expect, test, vi } from 'vitest';
import type { Node } from 'troupe';
import { ping } from 'troupe/erlang';
import { requirePart } from '../../../../support/parts.ts';
import { reality } from './real.ts';

const erl = requirePart('erl');
const WAIT = { timeout: 20_000, interval: 20 };
const SEED = 'seed@127.0.0.1';

function connected(node: Node, ...names: string[]): Promise<void> {
  return vi.waitFor(() => expect(node.nodes().toSorted()).toEqual(names.toSorted()), WAIT);
}

describe.skipIf(erl.missing)('with BEAM nodes', () => {
  const world = reality();

  test('a seed that comes late, dies and comes back', { timeout: 60_000 }, async () => {
    const { node: make, erl: start } = world();
    const { node } = await make('ts@127.0.0.1', { seeds: [SEED, 'ts@127.0.0.1'] });
    const first = await start(SEED);
    await connected(node, SEED);
    await first.kill();
    await connected(node);
    const second = await start(SEED);
    await connected(node, SEED);
    expect(await second.eval('nodes(hidden)')).toBe("['ts@127.0.0.1']");
    // Not for long, as it is a seed.
    expect(node.disconnect(SEED)).toBe(true);
    await connected(node);
    await connected(node, SEED);
  });

  test('no seed is dialled any more when the node has stopped', async () => {
    const { beam, node: make } = world();
    const { node } = await make('ts@127.0.0.1', { seeds: [beam.name] });
    await connected(node, beam.name);
    await node.stop();
    await vi.waitFor(async () => expect(await beam.eval('nodes(connected)')).toBe('[]'), WAIT);
    expect(node.nodes()).toEqual([]);
  });

  test('a third node that a BEAM node is connected with is learnt of', { timeout: 60_000 }, async () => {
    const { beam, node: make, erl: start } = world();
    const third = await start('third@127.0.0.1');
    expect(await beam.eval("net_kernel:connect_node('third@127.0.0.1')")).toBe('true');
    const { node } = await make('ts@127.0.0.1', { seeds: [beam.name], learn: true });
    await connected(node, beam.name, third.name);

    // The program drops it: it stays away, until it connects by itself.
    expect(node.disconnect(third.name)).toBe(true);
    await connected(node, beam.name);
    expect(await third.eval("net_adm:ping('ts@127.0.0.1')")).toBe('pong');
    await connected(node, beam.name, third.name);
  });

  test('two nodes that know only one BEAM node find each other', { timeout: 60_000 }, async () => {
    const { beam, node: make } = world();
    const { node: a } = await make('a@127.0.0.1', { seeds: [beam.name], learn: true });
    const { node: b } = await make('b@127.0.0.1', { seeds: [beam.name] });
    await connected(a, 'b@127.0.0.1', beam.name);
    expect(await ping(a, 'b@127.0.0.1')).toBe(true);
    expect(b.nodes()).toContain('a@127.0.0.1');
  });

  test('with learn false no node is learnt', async () => {
    const { beam, node: make } = world();
    const a = await make('a@127.0.0.1');
    const b = await make('b@127.0.0.1', { seeds: ['a@127.0.0.1'], learn: false });
    await connected(b.node, 'a@127.0.0.1');
    await a.node.connect(beam.name);
    await connected(a.node, 'b@127.0.0.1', beam.name);
    // What a has told of the BEAM node has come before this answer.
    expect(await ping(b.node, 'a@127.0.0.1')).toBe(true);
    expect(b.carrier.peers().map(({ name }) => name)).toEqual(['a@127.0.0.1']);
  });

  test(
    'nodes of this runtime and of the BEAM are learnt of from one of this runtime',
    { timeout: 60_000 },
    async () => {
      const { beam, node: make, erl: start } = world();
      const learn = { learn: true };
      const a = await make('a@127.0.0.1', learn);
      const b = await make('b@127.0.0.1', { ...learn, seeds: ['a@127.0.0.1'] });
      const c = await make('c@127.0.0.1', { ...learn, seeds: ['a@127.0.0.1'] });
      const all = ['a@127.0.0.1', 'b@127.0.0.1', 'c@127.0.0.1'];
      const others = (name: string, ...more: string[]): string[] => [
        ...all.filter((other) => other !== name),
        ...more,
      ];
      for (const { node } of [a, b, c]) await connected(node, ...others(node.name));
      await a.node.connect(beam.name);
      for (const { node } of [a, b, c]) await connected(node, ...others(node.name, beam.name));

      // The one that they know each other from goes; what they have learnt stays.
      await a.node.stop();
      await connected(b.node, 'c@127.0.0.1', beam.name);
      await connected(c.node, 'b@127.0.0.1', beam.name);
      const late = await start('late@127.0.0.1');
      await late.eval("net_kernel:connect_node('b@127.0.0.1')");
      await connected(c.node, 'b@127.0.0.1', beam.name, late.name);
      expect(c.node.nodes()).toHaveLength(3);
    },
  );

  test('global:sync() returns on BEAM nodes, and global works among them, while a Troupe node is connected', async () => {
    const { node: make, erl: start } = world();
    const [x, y] = [await start('x@127.0.0.1'), await start('y@127.0.0.1')];
    const { node } = await make('ts@127.0.0.1');
    await node.connect(x.name);
    await node.connect(y.name);
    expect(await x.eval(`net_kernel:connect_node('${y.name}')`)).toBe('true');
    expect(await x.eval('global:sync()')).toBe('ok');
    expect(await x.eval('global:register_name(one, spawn(fun() -> receive stop -> ok end end))')).toBe('yes');
    await vi.waitFor(async () => expect(await y.eval('is_pid(global:whereis_name(one))')).toBe('true'), WAIT);
    expect(node.nodes().toSorted()).toEqual([x.name, y.name]);
  });
});
