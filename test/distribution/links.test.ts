// Links between processes of Erlang and Troupe: made and ended from either side, at the same time too, and what goes over them.
import * as fc from 'fast-check';
import { Exit, type ExitReason, type Pid, tuple } from 'troupe';
import { createProbe, type Probe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import type { Troupe } from '../support/troupe-node.ts';
import { connected, evaluates, type Lab, next, openLab, startAgent } from './lab.ts';

const part = requirePart('erl');
const isExit = (message: unknown): message is Exit => message instanceof Exit;

describe.skipIf(part.missing)('links', () => {
  let lab: Lab;
  let erl: ErlNode;
  let troupe: Troupe;
  let probe: Probe;
  let number = 0;
  beforeAll(async () => {
    lab = await openLab();
    [erl, troupe] = await Promise.all([lab.erl('beam'), lab.troupe('ts')]);
    await erl.load('agent.erl');
    await connected(troupe, erl);
    probe = createProbe(troupe.node, { name: 'probe' });
  });
  afterAll(() => lab.close());

  const agent = (trapExit = false) => startAgent(erl, troupe, probe, `agent${++number}`, trapExit);

  /** Tells an agent the pid of a process here, kept by the node's dictionary of names. */
  async function tell(name: string, pid: Pid): Promise<void> {
    troupe.node.send({ name, node: erl.name }, pid);
    await evaluates(erl, `length([P || P <- agent:kept(${name}), is_pid(P)])`, '1');
  }

  const peerOf = (name: string) => `hd([P || P <- agent:kept(${name}), is_pid(P)])`;
  const links = (name: string) => `element(2, process_info(whereis(${name}), links))`;

  /** Links an agent with a probe from that side. */
  async function linkThere(name: string, to: Probe): Promise<void> {
    await tell(name, to.pid);
    // The message behind it says that it has arrived.
    await erl.eval(`P = ${peerOf(name)}, agent:run(${name}, fun() ->
      link(P), {probe, '${troupe.name}'} ! {linked} end)`);
    await next(probe);
  }

  describe('made here', () => {
    test('the end there arrives', async () => {
      const { name, pid } = await agent();
      const own = createProbe(troupe.node);
      own.link(pid);
      await evaluates(erl, `length(${links(name)})`, '1');
      await erl.eval(`exit(whereis(${name}), {shutdown, done}), ok`);
      expect(await next(own, isExit)).toMatchObject({ from: pid, reason: ['shutdown', expect.anything()] });
    });

    test('the end here arrives', async () => {
      const { name, pid } = await agent(true);
      const own = createProbe(troupe.node);
      own.link(pid);
      await evaluates(erl, `length(${links(name)})`, '1');
      troupe.node.exit(own.pid, 'kill');
      await evaluates(erl, `[R || {'EXIT', _, R} <- agent:kept(${name})]`, '[killed]');
      expect(await erl.eval(links(name))).toBe('[]');
    });

    test('it takes who does not trap along', async () => {
      const { name, pid } = await agent();
      const own = createProbe(troupe.node, { trapExit: false });
      own.link(pid);
      await evaluates(erl, `length(${links(name)})`, '1');
      await erl.eval(`exit(whereis(${name}), boom), ok`);
      await expect(next(own)).rejects.toMatchObject({ code: 'TROUPE_PROCESS_DEAD' });
      expect(String(own.self.exitReason)).toBe('boom');
    });

    test('with the dead there it ends at once with noproc', async () => {
      const { name, pid } = await agent();
      await erl.eval(`exit(whereis(${name}), kill), ok`);
      const own = createProbe(troupe.node);
      own.link(pid);
      expect(await next(own, isExit)).toMatchObject({ from: pid, reason: 'noproc' });
    });
  });

  describe('made there', () => {
    test('the end here arrives, with its reason', async () => {
      const { name } = await agent(true);
      const own = createProbe(troupe.node);
      await linkThere(name, own);
      troupe.node.exit(own.pid, 'shutdown');
      await expect(next(own, isExit)).resolves.toMatchObject({ reason: 'shutdown' });
      own.self.trapExit(false);
      troupe.node.exit(own.pid, ['shutdown', 'why']);
      await evaluates(erl, `[R || {'EXIT', _, R} <- agent:kept(${name})]`, '[{shutdown,<<"why">>}]');
    });

    test('the end there arrives', async () => {
      const { name, pid } = await agent();
      const own = createProbe(troupe.node);
      await linkThere(name, own);
      await erl.eval(`exit(whereis(${name}), kill), ok`);
      expect(await next(own, isExit)).toMatchObject({ from: pid, reason: 'killed' });
    });

    test('with the dead here it ends at once with noproc', async () => {
      const { name } = await agent(true);
      const own = createProbe(troupe.node);
      await tell(name, own.pid);
      troupe.node.exit(own.pid, 'kill');
      await erl.eval(`P = ${peerOf(name)}, agent:run(${name}, fun() -> link(P) end)`);
      await evaluates(erl, `[R || {'EXIT', _, R} <- agent:kept(${name})]`, '[noproc]');
      expect(await erl.eval(links(name))).toBe('[]');
    });
  });

  describe('ended', () => {
    test('here', async () => {
      const { name, pid } = await agent(true);
      const own = createProbe(troupe.node);
      own.link(pid);
      await evaluates(erl, `length(${links(name)})`, '1');
      own.unlink(pid);
      await evaluates(erl, links(name), '[]');
      troupe.node.exit(own.pid, 'kill');
      own.self.node.send({ name, node: erl.name }, 'after');
      await evaluates(erl, `length(agent:kept(${name}))`, '1');
      expect(await erl.eval(`agent:kept(${name})`)).toBe('[<<"after">>]');
    });

    test('there', async () => {
      const { name } = await agent();
      const own = createProbe(troupe.node);
      await linkThere(name, own);
      await erl.eval(`P = ${peerOf(name)}, agent:run(${name}, fun() -> unlink(P) end)`);
      await evaluates(erl, links(name), '[]');
      await erl.eval(`P = ${peerOf(name)}, P ! {last}, exit(whereis(${name}), kill), P ! {after_kill}, ok`);
      expect(String(await next(own))).toBe('{last}');
      expect(String(await next(own))).toBe('{after_kill}');
      await own.expectNone();
    });

    test('and made again, from both sides at the same time, in any order', async () => {
      const operations = fc.array(fc.constantFrom('link', 'unlink', 'there:link', 'there:unlink'), {
        minLength: 2,
        maxLength: 12,
      });
      await fc.assert(
        fc.asyncProperty(operations, async (script) => {
          const { name, pid } = await agent(true);
          const own = createProbe(troupe.node);
          await tell(name, own.pid);
          const there: Array<Promise<unknown>> = [];
          for (const operation of script) {
            if (operation === 'link') own.link(pid);
            else if (operation === 'unlink') own.unlink(pid);
            else {
              const verb = operation.slice('there:'.length);
              there.push(erl.eval(`P = ${peerOf(name)}, agent:run(${name}, fun() -> ${verb}(P) end)`));
            }
          }
          await Promise.all(there);
          // Both unlink: whatever crossed, nothing is left on either side, and an end is told to nobody.
          own.unlink(pid);
          await erl.eval(`P = ${peerOf(name)}, agent:run(${name}, fun() -> unlink(P) end)`);
          await evaluates(erl, links(name), '[]');
          await erl.eval(`P = ${peerOf(name)}, exit(whereis(${name}), kill), P ! {last}, ok`);
          expect(String(await next(own))).toBe('{last}');
          expect(troupe.node.processInfo(own.pid)?.links).toEqual([]);
        }),
        { numRuns: 15 },
      );
      expect(troupe.node.nodes()).toEqual([erl.name]);
    });
  });

  describe('exit signals', () => {
    test.each<[reason: ExitReason, there: string]>([
      ['shutdown', 'shutdown'],
      [['shutdown', 7], '{shutdown,7}'],
      ['not a word', '<<"not a word">>'],
      [tuple('a', [1]), '{<<"a">>,[1]}'],
      [undefined, 'undefined'],
    ])('%j arrives as %s and comes back as it was', async (reason, there) => {
      const { name, pid } = await agent(true);
      const own = createProbe(troupe.node);
      own.self.exit(pid, reason);
      await evaluates(erl, `[R || {'EXIT', _, R} <- agent:kept(${name})]`, `[${there}]`);
      await tell(name, own.pid);
      await erl.eval(`P = ${peerOf(name)},
        [exit(P, R) || {'EXIT', _, R} <- agent:kept(${name})], ok`);
      expect(await next(own, isExit)).toMatchObject({ reason });
    });

    test('kill cannot be trapped, on either side', async () => {
      const { name, pid } = await agent(true);
      const own = createProbe(troupe.node);
      const watch = own.monitor(pid);
      own.self.exit(pid, 'kill');
      expect(await next(own)).toMatchObject({ ref: watch, reason: 'killed' });
      expect(await erl.eval(`whereis(${name})`)).toBe('undefined');
      const other = await agent();
      await tell(other.name, own.pid);
      await erl.eval(`exit(${peerOf(other.name)}, kill), ok`);
      await expect(next(own)).rejects.toMatchObject({ code: 'TROUPE_PROCESS_DEAD' });
      expect(own.self.exitReason).toBe('killed');
    });

    test('normal ends nobody else', async () => {
      const { name, pid } = await agent();
      const own = createProbe(troupe.node, { trapExit: false });
      own.self.exit(pid, 'normal');
      own.send(pid, own.pid);
      await evaluates(erl, `length(agent:kept(${name}))`, '1');
      await erl.eval(`P = ${peerOf(name)}, exit(P, normal), P ! {still}, ok`);
      expect(String(await next(own))).toBe('{still}');
    });
  });

  test('when the connection is lost both ends hear it, and nothing stays behind', async () => {
    const { name, pid } = await agent(true);
    const own = createProbe(troupe.node);
    own.link(pid);
    await linkThere(name, own);
    await evaluates(erl, `length(${links(name)})`, '1');
    troupe.node.disconnect(erl.name);
    expect(await next(own, isExit)).toMatchObject({ from: pid, reason: 'noconnection' });
    await evaluates(erl, `[R || {'EXIT', _, R} <- agent:kept(${name})]`, '[noconnection]');
    expect(await erl.eval(links(name))).toBe('[]');
    expect(troupe.node.processInfo(own.pid)?.links).toEqual([]);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    await own.expectNone();
  });
});
