// Net splits: a node that is frozen, and networks cut apart. Members vanish on both sides, and come back once.
import { atom, Down, NodeDown, NodeUp, pg } from 'troupe';
import { createProbe } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { freePort, startEpmd, startErl } from '../support/erl.ts';
import { createNetwork } from '../support/netns.ts';
import { requirePart } from '../support/parts.ts';
import { startTroupeProgram } from '../support/troupe-node.ts';
import { eventually, evaluates, Lab, next, nodeWatcher, openLab } from './lab.ts';

const part = requirePart('erl');
const namespaces = requirePart('netns');
const TICK_TIME_S = 4;
const TICK = ['-kernel', 'net_ticktime', String(TICK_TIME_S)];
const netTickTimeMs = TICK_TIME_S * 1_000;
const ROOMS = 10_000;
/** Joins {room, I} for each I, as the program's `joinRooms` does with lists: groups of both are lists here. */
const joinRooms = (count: number) => `register(rooms, spawn(fun() ->
  [ok = pg:join(test_scope, [<<"room">>, I], self()) || I <- lists:seq(0, ${count - 1})], receive stop -> ok end end))`;
const roomMembers = (count: number) =>
  `lists:sum([length(pg:get_members(test_scope, [<<"room">>, I])) || I <- lists:seq(0, ${count - 1})])`;

describe.skipIf(part.missing)('an Erlang node that is frozen', () => {
  test('its members vanish and come back once, with nothing of before', async () => {
    const lab = (await openLab()).forTest();
    const [erl, troupe] = await Promise.all([
      lab.erl('frozen', { args: TICK }),
      lab.troupe('warm', { netTickTimeMs }),
    ]);
    await erl.load('agent.erl');
    await erl.eval(`pg:start(test_scope), agent:start(one), agent:start(two),
      pg:join(test_scope, shared, [whereis(one), whereis(two)])`);
    pg.start(troupe.node, 'test_scope');
    const own = createProbe(troupe.node);
    const group = atom('shared');
    pg.join(troupe.node, 'test_scope', group, own.pid);
    const members = () => pg.getMembers(troupe.node, 'test_scope', group).map(({ node }) => node);
    const whole = [erl.name, erl.name, troupe.name].toSorted();
    const watcher = nodeWatcher(troupe);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    await eventually(() => expect(members().toSorted()).toEqual(whole));
    const there = 'lists:sort([node(P) || P <- pg:get_members(test_scope, shared)])';
    const all = `['${erl.name}','${erl.name}','${troupe.name}']`;
    await evaluates(erl, there, all);
    const far = pg.getMembers(troupe.node, 'test_scope', group).find(({ node }) => node === erl.name);
    if (far === undefined) throw new Error('no member there');
    own.monitor(far);

    erl.pause();
    await next(watcher, (message) => message instanceof NodeDown);
    expect(await next(own, (message) => message instanceof Down)).toMatchObject({ reason: 'noconnection' });
    expect(members()).toEqual([troupe.name]);
    erl.resume();
    // The Erlang node notices by itself that the connection is gone.
    await evaluates(erl, there, `['${erl.name}','${erl.name}']`);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    await next(watcher, (message) => message instanceof NodeUp);
    await eventually(() => expect(members().toSorted()).toEqual(whole));
    await evaluates(erl, there, all);
    own.send(far, 'still there');
    await evaluates(erl, 'agent:kept(one) ++ agent:kept(two)', '[<<"still there">>]');
  });
});

describe.skipIf(part.missing || namespaces.missing)('networks cut apart', () => {
  test('members vanish on both sides; 10,000 groups each come back once', async () => {
    const network = await createNetwork(2);
    const lab = new Lab(await freePort()).forTest();
    const close: Array<() => Promise<void>> = [];
    try {
      const [there, here] = network.sites;
      if (there === undefined || here === undefined) throw new Error('no sites');
      const epmdPort = lab.epmdPort;
      for (const { within } of network.sites) {
        const epmd = await startEpmd(epmdPort, within);
        close.push(() => epmd.stop());
      }
      const erl = await startErl({
        name: `beam@${there.address}`,
        epmdPort,
        within: there.within,
        args: TICK,
      });
      close.push(() => erl.stop());
      const troupe = await startTroupeProgram(
        { name: `ts@${here.address}`, epmdPort, netTickTimeMs, seeds: [erl.name] },
        here.within,
      );
      close.push(() => troupe.kill());
      await erl.eval('pg:start(test_scope), ok');
      await erl.eval(joinRooms(ROOMS));
      await troupe.run('scope', { scope: 'test_scope' });
      await troupe.run('joinRooms', { scope: 'test_scope', count: ROOMS });
      const ours = () => troupe.run('roomMembers', { scope: 'test_scope', count: ROOMS });
      const allHere = (count: number) => eventually(async () => expect(await ours()).toBe(count));
      await troupe.event({ event: 'nodeup', peer: erl.name });
      await allHere(2 * ROOMS);
      await evaluates(erl, roomMembers(ROOMS), String(2 * ROOMS));

      for (let split = 0; split < 2; split++) {
        const before = troupe.events.length;
        network.cut();
        await troupe.event({ event: 'nodedown', peer: erl.name }, before);
        await evaluates(erl, 'nodes(hidden)', '[]');
        await allHere(ROOMS);
        await evaluates(erl, roomMembers(ROOMS), String(ROOMS));
        network.heal();
        await troupe.event({ event: 'nodeup', peer: erl.name }, before);
        await allHere(2 * ROOMS);
        await evaluates(erl, roomMembers(ROOMS), String(2 * ROOMS));
      }
    } finally {
      for (const end of close.toReversed()) await end();
      await network.remove();
    }
  });
});
