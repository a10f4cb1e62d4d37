// The inspector of another node over the Erlang distribution protocol, asked by Troupe and by Erlang.
import { defineServer } from 'troupe';
import { inspectNode, inspectRemote, inspectServer } from 'troupe/inspect';
import { expect, test } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { connected, openLab } from './lab.ts';

const part = requirePart('erl');

const counter = defineServer({
  name: 'counter',
  init: () => ({ count: 7 }),
  call: { add: (state, by: number) => (state.count += by) },
  info: () => undefined,
});

test.skipIf(part.missing)('a node is inspected and traced from Troupe and from Erlang', async () => {
  const lab = (await openLab()).forTest();
  const [here, there, erl] = await Promise.all([lab.troupe('here'), lab.troupe('there'), lab.erl('erl')]);
  const { pid } = await there.node.start(counter, [], { name: 'counter' });
  await there.node.start(inspectServer, [], { name: 'troupe_inspect' });
  expect(await here.node.connect(there.name)).toBe(true);
  await connected(there, erl);

  const remote = inspectRemote(here.node, there.name);
  expect(await remote.process('counter')).toMatchObject({
    node: there.name,
    pid: pid.toString(),
    state: '{ count: 7 }',
  });
  const peers = await remote.peers();
  expect(peers.map(({ node, state }) => [node, state])).toEqual([
    [erl.name, 'up'],
    [here.name, 'up'],
  ]);
  expect(peers[1]?.receivedBytes).toBeGreaterThan(0);
  expect((await inspectNode(there.node).nodes()).map(({ node }) => node)).toEqual([
    there.name,
    erl.name,
    here.name,
  ]);
  await expect(remote.exit('counter', 'kill')).rejects.toMatchObject({ code: 'TROUPE_NOT_ALLOWED' });

  const trace = await remote.trace('counter', { limit: 3 });
  expect(
    await erl.eval(
      `{counter, '${there.name}'} ! {hello, <<"world">>}, gen_server:call({counter, '${there.name}'}, {add, 1})`,
    ),
  ).toBe('8');
  const seen: string[] = [];
  for await (const { direction, kind, text } of trace) seen.push(`${direction} ${kind} ${text}`);
  expect(seen).toEqual(['in message {hello,<<"world">>}', 'in call add(1)', 'out reply 8']);

  const asked = `gen_server:call({troupe_inspect, '${there.name}'}, {ask, [<<"process">>, <<"[\\"counter\\"]">>]})`;
  expect(await erl.eval(`binary:match(${asked}, <<"{ count: 8 }">>) =/= nomatch`)).toBe('true');
  const killing = `gen_server:call({troupe_inspect, '${there.name}'}, {ask, [<<"exit">>, <<"[\\"counter\\",\\"kill\\"]">>]})`;
  expect(await erl.eval(`binary:match(${killing}, <<"TROUPE_NOT_ALLOWED">>) =/= nomatch`)).toBe('true');
  expect(there.node.isAlive(pid)).toBe(true);
});
