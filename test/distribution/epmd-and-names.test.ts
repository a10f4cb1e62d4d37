// How nodes of Erlang and Troupe find each other: with an epmd, with Troupe as the epmd, and with none.
import { NodeUp } from 'troupe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import { startTroupe } from '../support/troupe-node.ts';
import { eventually, evaluates, Lab, next, nodeWatcher, openLab, telemetry } from './lab.ts';

const part = requirePart('erl');

describe.skipIf(part.missing)('with an epmd', () => {
  let shared: Lab;
  beforeAll(async () => {
    shared = await openLab();
  });
  afterAll(() => shared.close());

  test('a node registers, is found and finds', async () => {
    const lab = shared.forTest();
    const [erl, troupe] = await Promise.all([lab.erl('found'), lab.troupe('finder')]);
    const names = await erl.eval('{ok, Names} = erl_epmd:names({127,0,0,1}), [N || {N, _} <- Names]');
    expect(names).toContain('"finder"');
    expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pong');
    troupe.node.disconnect(erl.name);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    expect(await troupe.node.connect('nobody@127.0.0.1')).toBe(false);
  });

  test('a name that is taken is refused', async () => {
    const lab = shared.forTest();
    const erl = await lab.erl('taken');
    await expect(startTroupe({ name: erl.name, epmdPort: lab.epmdPort })).rejects.toMatchObject({
      code: 'TROUPE_LISTEN_FAILED',
    });
  });

  test('a node that has stopped is registered no longer', async () => {
    const lab = shared.forTest();
    const [erl, troupe] = await Promise.all([lab.erl('asks'), lab.troupe('stops')]);
    await troupe.node.stop();
    await evaluates(erl, 'erl_epmd:port_please("stops", {127,0,0,1})', 'noport');
    expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pang');
  });
});

test.skipIf(part.missing)('when epmd restarts, nodes register again, as they were', async () => {
  const lab = new Lab(await freePort()).forTest();
  const first = await lab.epmd();
  const states = telemetry('troupe:distribution:epmd');
  const troupe = await lab.troupe('stays');
  const creation = troupe.node.origin.creation;
  await first.stop();
  await eventually(() => expect(states.map(({ state }) => state)).toContain('lost'));
  await lab.epmd();
  await eventually(() => expect(states.at(-1)?.state).toBe('registered'));
  const erl = await lab.erl('later');
  expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pong');
  expect(troupe.node.origin.creation).toBe(creation);
  const pid = troupe.node.spawn({ name: 'p', init: () => undefined, handle: () => undefined });
  expect(pid.origin.creation).toBe(creation);
});

test.skipIf(part.missing)('without an epmd Troupe is the epmd, of Erlang nodes too', async () => {
  const lab = new Lab(await freePort()).forTest();
  const server = await lab.troupe('server', { epmd: 'embedded' });
  const [one, two, client] = await Promise.all([
    lab.erl('one'),
    lab.erl('two'),
    lab.troupe('client', { epmd: 'auto' }),
  ]);
  expect(await one.eval(`net_adm:ping('${two.name}')`)).toBe('pong');
  expect(await one.eval(`net_adm:ping('${server.name}')`)).toBe('pong');
  expect(await two.eval(`net_adm:ping('${client.name}')`)).toBe('pong');
  // The one that was no server becomes it when that ends, and the others register again.
  await server.node.stop();
  client.node.disconnect(two.name);
  await evaluates(one, `erl_epmd:port_please("two", {127,0,0,1}) =/= noport`, 'true');
  await evaluates(two, `net_adm:ping('${client.name}')`, 'pong');
});

test.skipIf(part.missing)('with no epmd at all nodes listen at a port that all know', async () => {
  const lab = new Lab(await freePort()).forTest();
  const port = await freePort();
  const options = { epmd: false, port, host: '127.0.0.2' } as const;
  const troupe = await lab.troupe('ts@127.0.0.2', options);
  const erl = await lab.erl('beam', {
    args: ['-erl_epmd_port', String(port), '-kernel', 'inet_dist_use_interface', '{127,0,0,1}'],
  });
  const watcher = nodeWatcher(troupe);
  expect(await erl.eval(`net_adm:ping('${troupe.name}')`)).toBe('pong');
  await next(watcher, (message) => message instanceof NodeUp && message.node === erl.name);
  await erl.eval(`erlang:disconnect_node('${troupe.name}')`);
  await eventually(() => expect(troupe.node.nodes()).toEqual([]));
  expect(await troupe.node.connect(erl.name)).toBe(true);
});
