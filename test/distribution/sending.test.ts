// Messages between processes of Erlang and Troupe: to pids and names, dead ones too, large ones, and many in order.
import { type Pid, type Tuple, tuple } from 'troupe';
import { createProbe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import type { Troupe } from '../support/troupe-node.ts';
import { connected, evaluates, type Lab, next, openLab } from './lab.ts';

const part = requirePart('erl');
const LARGE_BYTES = 20_000_000;
/** Sent by two senders each way. */
const MANY = 250_000;
/** How many messages a sender here sends before it gives way. */
const BATCH = 512;

describe.skipIf(part.missing)('sending', () => {
  let lab: Lab;
  let erl: ErlNode;
  let troupe: Troupe;
  beforeAll(async () => {
    lab = await openLab();
    [erl, troupe] = await Promise.all([lab.erl('beam'), lab.troupe('ts')]);
    await erl.load('agent.erl');
    await connected(troupe, erl);
  });
  afterAll(() => lab.close());

  const kept = (name: string) => erl.eval(`agent:kept(${name})`);

  test('from pid to pid and to registered names, both ways', async () => {
    await erl.eval('agent:echo(echo), ok');
    const probe = createProbe(troupe.node, { name: 'probe' });
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, 'by name'));
    const [first, echo] = ((await next(probe)) as Tuple<[string, Pid]>).elements;
    expect(first).toBe('by name');
    expect(echo.node).toBe(erl.name);
    probe.send(echo, tuple(probe.pid, 'by pid'));
    expect([...((await next(probe)) as Tuple)]).toEqual(['by pid', echo]);
    await erl.eval(`{probe, '${troupe.name}'} ! {named}, ok`);
    expect(String(await next(probe))).toBe('{named}');
    expect(await erl.eval(`whereis(echo)`)).toMatch(/^<0\./);
  });

  test('a sender that is seen here is the process there, and the other way round', async () => {
    const probe = createProbe(troupe.node);
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, probe.pid));
    const [own, echo] = ((await next(probe)) as Tuple<[Pid, Pid]>).elements;
    expect(own).toBe(probe.pid);
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, echo));
    expect([...((await next(probe)) as Tuple)]).toEqual([echo, echo]);
  });

  test('to dead pids and unknown names nothing happens', async () => {
    await erl.eval('agent:start(keeper), ok');
    const probe = createProbe(troupe.node, { name: 'lively' });
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, 1));
    const [, echo] = ((await next(probe)) as Tuple<[number, Pid]>).elements;
    await erl.eval('exit(whereis(echo), kill), ok');
    probe.send(echo, 'to the dead');
    probe.send({ name: 'nobody', node: erl.name }, 'to nobody');
    probe.send({ name: 'keeper', node: erl.name }, 'to the living');
    await evaluates(erl, 'agent:kept(keeper)', '[<<"to the living">>]');
    const dead = createProbe(troupe.node);
    dead.send({ name: 'keeper', node: erl.name }, dead.pid);
    troupe.node.exit(dead.pid, 'kill');
    await evaluates(erl, 'length(agent:kept(keeper))', '2');
    await erl.eval(`lists:last(agent:kept(keeper)) ! hello,
      {nobody, '${troupe.name}'} ! hello, {lively, '${troupe.name}'} ! {alive}, ok`);
    expect(String(await next(probe))).toBe('{alive}');
    expect(troupe.node.nodes()).toEqual([erl.name]);
  });

  test('20 MB and small messages, at the same time', async () => {
    await erl.eval('agent:start(heap), ok');
    const probe = createProbe(troupe.node, { name: 'heap' });
    const large = new Uint8Array(LARGE_BYTES).fill(7);
    large[0] = 255;
    for (let i = 0; i < 5; i++) probe.send({ name: 'heap', node: erl.name }, i);
    probe.send({ name: 'heap', node: erl.name }, large);
    for (let i = 5; i < 10; i++) probe.send({ name: 'heap', node: erl.name }, i);
    await evaluates(erl, 'length(agent:kept(heap))', '11');
    expect(await erl.eval('[I || I <- agent:kept(heap), is_integer(I)]')).toBe('[0,1,2,3,4,5,6,7,8,9]');
    expect(await erl.eval('[B] = [B || B <- agent:kept(heap), is_binary(B)], erlang:md5(B)')).toBe(
      await erl.eval(`erlang:md5(<<255, (binary:copy(<<7>>, ${LARGE_BYTES - 1}))/binary>>)`),
    );
    // The large message of one sender and the small ones of another; they come while it is under way.
    await erl.eval(`To = {heap, '${troupe.name}'}, Self = self(),
      spawn(fun() -> To ! {large, <<255, (binary:copy(<<8>>, ${LARGE_BYTES}))/binary>>}, Self ! sent end),
      spawn(fun() -> [To ! {small, I} || I <- lists:seq(1, 100)], Self ! sent end),
      receive sent -> receive sent -> ok end end`);
    const came: Tuple[] = [];
    for (let i = 0; i < 101; i++) came.push((await next(probe)) as Tuple);
    const sizes = came.map(({ elements: [tag, value] }) =>
      String(tag) === 'large' ? (value as Uint8Array).length : (value as number),
    );
    expect(sizes.filter((size) => size <= 100)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(sizes).toContain(LARGE_BYTES + 1);
    const bytes = came.find(({ elements }) => String(elements[0]) === 'large')?.elements[1] as Uint8Array;
    expect([bytes[0], bytes[1], bytes.at(-1)]).toEqual([255, 8, 8]);
  });

  test('half a million messages from Erlang arrive in order', async () => {
    const last = [0, 0, 0];
    const told = createProbe(troupe.node);
    troupe.node.spawnWith(
      { name: 'counter' },
      {
        name: 'counter',
        init: () => undefined,
        handle(self, message) {
          const [sender, i] = (message as Tuple<[number, number]>).elements;
          if (i !== (last[sender] ?? 0) + 1) self.send(told.pid, `${i} came after ${last[sender]}`);
          last[sender] = i;
          if (last[1] === MANY && last[2] === MANY) self.send(told.pid, 'all came in order');
        },
      },
    );
    await erl.eval(`[agent:flood({counter, '${troupe.name}'}, S, ${MANY}) || S <- [1, 2]], ok`);
    expect(await next(told)).toBe('all came in order');
    expect(last).toEqual([0, MANY, MANY]);
  });

  test('half a million messages from Troupe arrive in order', async () => {
    await erl.eval(`agent:counter(counter, ${MANY}), ok`);
    const to = { name: 'counter', node: erl.name };
    for (const sender of [1, 2]) {
      troupe.node.spawn({
        name: 'source',
        init: (self) => self.send(self.pid, 0),
        async handle(self, from: number) {
          await troupe.carrier.drained(erl.name);
          const end = Math.min(MANY, from + BATCH);
          for (let i = from + 1; i <= end; i++) self.send(to, tuple(sender, i));
          if (end === MANY) self.exit('normal');
          self.send(self.pid, end);
        },
      });
    }
    await evaluates(erl, 'agent:kept(counter)', `[{1,${MANY}},{2,${MANY}}]`);
    expect(await kept('counter')).toBe(`[{1,${MANY}},{2,${MANY}}]`);
  });
});
