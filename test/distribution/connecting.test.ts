// Connecting with Erlang nodes: who sees whom, cookies, attempts that cross, and nodes that come anew.
import { connect } from 'node:net';
import { NodeDown, NodeUp, tuple } from 'troupe';
import { createProbe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import { eventually, evaluates, type Lab, next, nodeWatcher, openLab, telemetry } from './lab.ts';

const part = requirePart('erl');

describe.skipIf(part.missing)('connecting', () => {
  let shared: Lab;
  let erl: ErlNode;
  beforeAll(async () => {
    shared = await openLab();
    erl = await shared.erl('beam');
    await erl.load('agent.erl');
  });
  afterAll(() => shared.close());

  const isUp = (message: unknown) => message instanceof NodeUp && message.node === erl.name;
  const isDown = (message: unknown) => message instanceof NodeDown && message.node === erl.name;

  test('a hidden node answers pings, and is listed as hidden alone', async () => {
    const lab = shared.forTest();
    const troupe = await lab.troupe('hidden');
    const watcher = nodeWatcher(troupe);
    expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pong');
    await next(watcher, isUp);
    expect(troupe.node.nodes()).toEqual([erl.name]);
    expect(await erl.eval('nodes(hidden)')).toBe(`['${troupe.name}']`);
    expect(await erl.eval('nodes()')).toBe('[]');
  });

  test('either side ends a connection, and both hear it', async () => {
    const lab = shared.forTest();
    const troupe = await lab.troupe('leaving');
    const watcher = nodeWatcher(troupe);
    await erl.eval(`agent:start(watcher),
      agent:run(watcher, fun() -> net_kernel:monitor_nodes(true, [{node_type, all}]) end)`);
    for (const end of [
      () => erl.eval(`erlang:disconnect_node('${troupe.name}')`),
      () => troupe.node.disconnect(erl.name),
    ]) {
      expect(await troupe.node.connect(erl.name)).toBe(true);
      await next(watcher, isUp);
      await evaluates(erl, 'nodes(hidden)', `['${troupe.name}']`);
      await end();
      await next(watcher, isDown);
      await evaluates(erl, 'nodes(hidden)', '[]');
      expect(troupe.node.nodes()).toEqual([]);
    }
    expect(await erl.eval('[element(1, M) || M <- agent:kept(watcher)]')).toBe(
      '[nodeup,nodedown,nodeup,nodedown]',
    );
  });

  describe('cookies', () => {
    test('another one is refused, whoever connects, and both say so', async () => {
      const lab = shared.forTest();
      const refused = telemetry('troupe:distribution:refused');
      const troupe = await lab.troupe('stranger', { cookie: 'another' });
      const printed = erl.output().length;
      expect(await troupe.node.connect(erl.name)).toBe(false);
      expect(refused.at(-1)).toMatchObject({ node: troupe.name, peer: erl.name });
      expect(refused.at(-1)?.reason).toMatch(/cookie/);
      await erl.printed(/stranger@127\.0\.0\.1/, printed);

      expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pang');
      await eventually(() => expect(refused).toHaveLength(2));
      expect(refused.at(-1)?.reason).toMatch(/cookie/);
      expect(troupe.node.nodes()).toEqual([]);
    });

    test('one for a single node', async () => {
      const lab = shared.forTest();
      const troupe = await lab.troupe('friend', {
        cookie: 'another',
        cookies: { [erl.name]: 'for-the-two' },
      });
      await erl.eval(`erlang:set_cookie('${troupe.name}', 'for-the-two')`);
      expect(await troupe.node.connect(erl.name)).toBe(true);
      troupe.node.disconnect(erl.name);
      await evaluates(erl, 'nodes(hidden)', '[]');
      expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pong');
    });
  });

  test('a node that lacks required features is refused with a reason', async () => {
    const lab = shared.forTest();
    const refused = telemetry('troupe:distribution:refused');
    const troupe = await lab.troupe('modern');
    const port = Number(await erl.eval('{port, P, _} = erl_epmd:port_please("modern", {127,0,0,1}), P'));
    const name = Buffer.from('ancient@127.0.0.1');
    const greeting = Buffer.alloc(17);
    greeting.writeUInt16BE(15 + name.length, 0);
    greeting.write('N', 2);
    greeting.writeBigUInt64BE(0x100_0000n, 3); // only what the form of this message needs
    greeting.writeUInt32BE(4, 11);
    greeting.writeUInt16BE(name.length, 15);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.concat([greeting, name])));
      socket.on('data', (chunk) => (text += chunk.toString('latin1'))).on('error', reject);
      socket.on('close', () => resolve(text));
    });
    expect(answer.slice(2)).toBe('snot_allowed');
    expect(refused.at(-1)).toMatchObject({ node: troupe.name, peer: 'ancient@127.0.0.1' });
    expect(refused.at(-1)?.reason).toMatch(/flag|DFLAG|lack|mandatory/i);
  });

  test.each(['aaa', 'zzz'])('attempts that cross make one connection (%s)', async (name) => {
    const lab = shared.forTest();
    const troupe = await lab.troupe(name);
    const echo = createProbe(troupe.node, { name: 'echo' });
    for (let round = 0; round < 20; round++) {
      const [ours, theirs] = await Promise.all([
        troupe.node.connect(erl.name),
        erl.eval(`net_kernel:connect_node('${troupe.name}')`),
      ]);
      expect([ours, theirs]).toEqual([true, 'true']);
      await erl.eval(`{echo, '${troupe.name}'} ! {round, ${round}}, ok`);
      expect(String(await next(echo))).toBe(`{round,${round}}`);
      troupe.node.disconnect(erl.name);
      await evaluates(erl, 'nodes(hidden)', '[]');
    }
  });

  test('a node that is killed and started again is another', async () => {
    const lab = shared.forTest();
    const first = await lab.program('again');
    expect(await first.run('connect', { peer: erl.name })).toBe(true);
    await first.run('record', { name: 'recorder' });
    await erl.eval(`agent:start(keeper),
      agent:run(keeper, fun() -> monitor(process, {recorder, '${first.name}'}) end)`);
    await erl.eval(`{recorder, '${first.name}'} ! old, ok`);
    await first.event({ event: 'message', to: 'recorder', text: 'old' });
    await first.kill();
    const second = await lab.program('again');
    expect(await second.run('connect', { peer: erl.name })).toBe(true);
    await second.run('record', { name: 'recorder' });
    await erl.eval(`{recorder, '${second.name}'} ! new, ok`);
    await second.event({ event: 'message', to: 'recorder', text: 'new' });
    expect(await erl.eval('[element(5, M) || M <- agent:kept(keeper)]')).toBe('[noconnection]');
  });

  test('pids of before a restart are of dead processes', async () => {
    const lab = shared.forTest();
    const before = await lab.troupe('twice');
    const old = createProbe(before.node);
    await erl.eval('agent:start(store), ok');
    old.send({ name: 'store', node: erl.name }, old.pid);
    await evaluates(erl, 'length(agent:kept(store))', '1');
    await before.node.stop();
    const after = await lab.troupe('twice');
    const probes = Array.from({ length: 50 }, () => createProbe(after.node));
    expect(after.node.origin.creation).not.toBe(before.node.origin.creation);
    expect(await after.node.connect(erl.name)).toBe(true);
    const down = `[Pid] = agent:kept(store), Pid ! hello, Ref = monitor(process, Pid),
      receive {_, Ref, _, _, Reason} -> Reason end`;
    expect(await erl.eval(down)).toBe('noproc');
    for (const probe of probes) await probe.expectNone();
  });

  test('a node that connects again while the old connection seems up takes its place', async () => {
    const lab = shared.forTest();
    const frozen = await lab.program('frozen');
    expect(await frozen.run('connect', { peer: erl.name })).toBe(true);
    await erl.eval(`agent:start(stale),
      agent:run(stale, fun() -> monitor(process, {net_kernel, '${frozen.name}'}) end)`);
    frozen.pause();
    const anew = await lab.troupe('frozen', { listen: false });
    expect(await anew.node.connect(erl.name)).toBe(true);
    await evaluates(erl, '[element(5, M) || M <- agent:kept(stale)]', '[noconnection]');
    expect(await erl.eval(`net_adm:ping('${anew.name}')`)).toBe('pong');
  });

  test('an Erlang node that connects again while its old connection seems up takes its place', async () => {
    const lab = shared.forTest();
    const troupe = await lab.troupe('steady');
    const probe = createProbe(troupe.node, { name: 'steady' });
    const frozen = await lab.erl('icy');
    expect(await troupe.node.connect(frozen.name)).toBe(true);
    probe.monitor({ name: 'net_kernel', node: frozen.name });
    probe.send({ name: 'nobody', node: frozen.name }, tuple());
    frozen.pause();
    // It cannot register the name, which is taken; it can connect.
    const anew = await lab.erl('icy', { args: ['-dist_listen', 'false'] });
    expect(await anew.eval(`net_kernel:connect_node('${troupe.name}')`)).toBe('true');
    expect(await next(probe)).toMatchObject({ reason: 'noconnection' });
    await anew.eval(`{steady, '${troupe.name}'} ! {anew}, ok`);
    expect(String(await next(probe))).toBe('{anew}');
  });
});
