// Who does not read: a Troupe node holds its senders up; an Erlang node is disconnected before it fills this one.
import { NodeDown } from 'troupe';
import { createProbe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { queuedBytes } from '../support/troupe-node.ts';
import { eventually, evaluates, type Lab, next, nodeWatcher, openLab, telemetry } from './lab.ts';

const part = requirePart('erl');
const MIB = 1_048_576;

describe.skipIf(part.missing)('a peer that does not read', () => {
  let shared: Lab;
  beforeAll(async () => {
    shared = await openLab();
  });
  afterAll(() => shared.close());

  test('Troupe: senders there are suspended, and go on when it reads again', async () => {
    const lab = shared.forTest();
    const [erl, program] = await Promise.all([lab.erl('sends'), lab.program('reads')]);
    expect(await program.run('connect', { peer: erl.name })).toBe(true);
    await program.run('count', { name: 'counter' });
    program.pause();
    const before = Number(await erl.eval('erlang:memory(total)'));
    const count = 50_000; // 200 MB
    await erl.eval(`register(sender, spawn(fun() ->
      Message = binary:copy(<<"x">>, 4096),
      [{counter, '${program.name}'} ! Message || _ <- lists:seq(1, ${count})] end)), ok`);
    await evaluates(erl, 'element(2, process_info(whereis(sender), status))', 'suspended');
    const after = Number(await erl.eval('erlang:memory(total)'));
    expect(after - before).toBeLessThan(20 * MIB);
    program.resume();
    await eventually(async () => expect(await program.run('counted', { name: 'counter' })).toBe(count));
    expect(await program.run('memory', undefined)).toBeLessThan(600 * MIB);
    expect(await erl.eval('nodes(hidden)')).toBe(`['${program.name}']`);
  });

  test('Erlang: what waits is bounded; the connection is closed, and said to be', async () => {
    const lab = shared.forTest();
    const sendQueue = { highWaterBytes: MIB, maxBytes: 8 * MIB };
    const [erl, troupe] = await Promise.all([lab.erl('stuck'), lab.troupe('bounded', { sendQueue })]);
    const busy = telemetry('troupe:distribution:busy');
    const full = telemetry('troupe:distribution:queue_full');
    const watcher = nodeWatcher(troupe);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    erl.pause();
    const sender = createProbe(troupe.node);
    const ref = sender.monitor({ name: 'nobody', node: erl.name });
    let highest = 0;
    for (let sent = 0; full.length === 0 && sent < 20_000; sent++) {
      sender.send({ name: 'nobody', node: erl.name }, 'x'.repeat(4096));
      highest = Math.max(highest, queuedBytes(troupe.carrier, erl.name));
      if (sent % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(busy).toHaveLength(1);
    expect(full).toMatchObject([{ node: troupe.name, peer: erl.name }]);
    expect(highest).toBeLessThanOrEqual(8 * MIB + 64 * 1024);
    expect(await next(watcher, (message) => message instanceof NodeDown)).toMatchObject({ node: erl.name });
    expect(await next(sender)).toMatchObject({ ref, reason: 'noconnection' });
    erl.resume();
    await eventually(async () => expect(await troupe.node.connect(erl.name)).toBe(true));
    await evaluates(erl, 'nodes(hidden)', `['${troupe.name}']`);
  });

  test('Erlang: who waits until nothing is queued loses nothing', async () => {
    const lab = shared.forTest();
    const sendQueue = { highWaterBytes: MIB, maxBytes: 4 * MIB };
    const [erl, troupe] = await Promise.all([lab.erl('slow'), lab.troupe('waits', { sendQueue })]);
    await erl.load('agent.erl');
    await erl.eval(`agent:counter(counter, 1), agent:start(keeper), ok`);
    const full = telemetry('troupe:distribution:queue_full');
    expect(await troupe.node.connect(erl.name)).toBe(true);
    erl.pause();
    const count = 4_000; // 16 MB
    troupe.node.spawn({
      name: 'source',
      init: (self) => self.send(self.pid, count),
      async handle(self, missing: number) {
        if (queuedBytes(troupe.carrier, erl.name) > MIB) await troupe.carrier.drained(erl.name);
        if (missing === 0) self.exit('normal');
        self.send({ name: 'keeper', node: erl.name }, 'x'.repeat(4096));
        self.send(self.pid, missing - 1);
      },
    });
    await eventually(() => expect(queuedBytes(troupe.carrier, erl.name)).toBeGreaterThan(MIB));
    erl.resume();
    await evaluates(erl, 'length(agent:kept(keeper))', String(count));
    expect(full).toEqual([]);
  });
});
