// Monitors between processes of Erlang and Troupe, by pid and by name, in both directions.
import { Down, type Pid } from 'troupe';
import { createProbe, type Probe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import type { Troupe } from '../support/troupe-node.ts';
import { connected, evaluates, type Lab, next, openLab, startAgent } from './lab.ts';

const part = requirePart('erl');
const isDown = (message: unknown): message is Down => message instanceof Down;

describe.skipIf(part.missing)('monitors', () => {
  let lab: Lab;
  let erl: ErlNode;
  let troupe: Troupe;
  let probe: Probe;
  let number = 0;
  beforeAll(async () => {
    lab = await openLab();
    [erl, troupe] = await Promise.all([lab.erl('beam'), lab.troupe('ts')]);
    await erl.load('agent.erl');
    await erl.eval('agent:start(observer), ok');
    await connected(troupe, erl);
    probe = createProbe(troupe.node, { name: 'probe' });
  });
  afterAll(() => lab.close());

  const agent = () => startAgent(erl, troupe, probe, `agent${++number}`);

  /** Lets the observer there, which forgets what it had, monitor something. */
  async function observe(target: string): Promise<void> {
    await erl.eval('agent:clear(observer)');
    // The message behind it says that it has arrived.
    await erl.eval(`Target = ${target}, agent:run(observer, fun() ->
      put(ref, monitor(process, Target)), {probe, '${troupe.name}'} ! {monitored} end)`);
    await next(probe);
  }
  const observed = "[{element(4, M), element(5, M)} || M <- agent:kept(observer), element(1, M) =:= 'DOWN']";
  const monitors = 'element(2, process_info(whereis(observer), monitors))';

  /** An expression for the pid of a process here. */
  async function pidThere(pid: Pid): Promise<string> {
    const name = `of${++number}`;
    await erl.eval(`agent:start(${name}), ok`);
    troupe.node.send({ name, node: erl.name }, pid);
    await evaluates(erl, `length(agent:kept(${name}))`, '1');
    return `hd(agent:kept(${name}))`;
  }

  describe('from here', () => {
    test('of a pid: its end, with the reason', async () => {
      const { name, pid } = await agent();
      const own = createProbe(troupe.node);
      const ref = own.monitor(pid);
      await evaluates(erl, `length(element(2, process_info(whereis(${name}), monitored_by)))`, '1');
      await erl.eval(`exit(whereis(${name}), {shutdown, 7}), ok`);
      expect(await next(own)).toMatchObject({ ref, target: pid, reason: ['shutdown', 7] });
    });

    test('of a name: its end, and the name as it was given', async () => {
      const { name } = await agent();
      const own = createProbe(troupe.node);
      const target = { name, node: erl.name };
      const ref = own.monitor(target);
      await evaluates(erl, `length(element(2, process_info(whereis(${name}), monitored_by)))`, '1');
      await erl.eval(`exit(whereis(${name}), kill), ok`);
      expect(await next(own)).toMatchObject({ ref, target, reason: 'killed' });
    });

    test('of who is not there', async () => {
      const { name, pid } = await agent();
      await erl.eval(`exit(whereis(${name}), kill), ok`);
      const own = createProbe(troupe.node);
      const first = own.monitor(pid);
      expect(await next(own)).toMatchObject({ ref: first, reason: 'noproc' });
      const second = own.monitor({ name: 'nobody', node: erl.name });
      expect(await next(own)).toMatchObject({ ref: second, reason: 'noproc' });
    });

    test('given up: nothing arrives, and nothing stays there', async () => {
      const { name, pid } = await agent();
      const own = createProbe(troupe.node);
      const refs = [own.monitor(pid), own.monitor({ name, node: erl.name })];
      await evaluates(erl, `length(element(2, process_info(whereis(${name}), monitored_by)))`, '2');
      for (const ref of refs) own.self.demonitor(ref);
      await evaluates(erl, `element(2, process_info(whereis(${name}), monitored_by))`, '[]');
      const there = await pidThere(own.pid);
      await erl.eval(`exit(whereis(${name}), kill), ${there} ! {last}, ok`);
      expect(String(await next(own))).toBe('{last}');
    });

    test('of a node that cannot be reached', async () => {
      const own = createProbe(troupe.node);
      const ref = own.monitor({ name: 'any', node: 'nobody@127.0.0.1' });
      expect(await next(own)).toMatchObject({ ref, reason: 'noconnection' });
    });
  });

  describe('from there', () => {
    test('of a pid: its end, with the reason', async () => {
      const own = createProbe(troupe.node, { trapExit: false });
      const pid = await pidThere(own.pid);
      await observe(pid);
      troupe.node.exit(own.pid, ['shutdown', 'why']);
      await evaluates(erl, `[{P =:= ${pid}, R} || {P, R} <- ${observed}]`, '[{true,{shutdown,<<"why">>}}]');
      expect(await erl.eval(monitors)).toBe('[]');
    });

    test('of a name: its end, and the name as it was given', async () => {
      const own = createProbe(troupe.node, { name: 'watched', trapExit: false });
      await observe(`{watched, '${troupe.name}'}`);
      troupe.node.exit(own.pid, 'kill');
      await evaluates(erl, `length(${observed})`, '1');
      expect(await erl.eval(observed)).toBe(`[{{watched,'${troupe.name}'},killed}]`);
    });

    test('of who is not there', async () => {
      const own = createProbe(troupe.node);
      const pid = await pidThere(own.pid);
      troupe.node.exit(own.pid, 'kill');
      await observe(pid);
      await evaluates(erl, `[R || {_, R} <- ${observed}]`, '[noproc]');
      await observe(`{nobody, '${troupe.name}'}`);
      await evaluates(erl, `length(${observed})`, '1');
      expect(await erl.eval(observed)).toBe(`[{{nobody,'${troupe.name}'},noproc}]`);
    });

    test('given up: nothing arrives', async () => {
      const own = createProbe(troupe.node, { name: 'unobserved' });
      const pid = await pidThere(own.pid);
      await observe(pid);
      await erl.eval('agent:run(observer, fun() -> demonitor(get(ref)) end)');
      await observe(`{unobserved, '${troupe.name}'}`);
      await erl.eval('agent:run(observer, fun() -> demonitor(get(ref)) end)');
      expect(await erl.eval(monitors)).toBe('[]');
      // A message to the process shows that what was sent before has arrived.
      await erl.eval(`agent:run(observer, fun() -> {unobserved, '${troupe.name}'} ! {sent} end), ok`);
      await next(own);
      troupe.node.exit(own.pid, 'kill');
      troupe.node.send({ name: 'observer', node: erl.name }, 'after');
      await evaluates(erl, 'agent:kept(observer)', '[<<"after">>]');
    });
  });

  test('when the connection is lost both sides hear it', async () => {
    const { pid } = await agent();
    const own = createProbe(troupe.node);
    const ref = own.monitor(pid);
    const there = await pidThere(own.pid);
    await observe(there);
    await erl.eval(`erlang:disconnect_node('${troupe.name}')`);
    expect(await next(own, isDown)).toMatchObject({ ref, target: pid, reason: 'noconnection' });
    await evaluates(erl, `[R || {_, R} <- ${observed}]`, '[noconnection]');
    expect(await troupe.node.connect(erl.name)).toBe(true);
    await own.expectNone(isDown);
  });

  test('thousands of monitors end with the one they are of', async () => {
    const { name, pid } = await agent();
    const own = createProbe(troupe.node);
    for (let i = 0; i < 2_000; i++) own.monitor(pid);
    await evaluates(erl, `length(element(2, process_info(whereis(${name}), monitored_by)))`, '2000');
    await erl.eval(`exit(whereis(${name}), kill), ok`);
    const refs = new Set<unknown>();
    for (let i = 0; i < 2_000; i++) refs.add((await next(own, isDown)).ref);
    expect(refs.size).toBe(2_000);
    await own.expectNone(isDown);
  });
});
