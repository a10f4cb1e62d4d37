// Who is silent is gone; who is idle, or busy for a while, is not.
import { NodeDown } from 'troupe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { evaluates, type Lab, next, nodeWatcher, openLab } from './lab.ts';

const part = requirePart('erl');
/** The shortest that Erlang's whole seconds and four ticks allow. */
const TICK_TIME_S = 4;
const netTickTimeMs = TICK_TIME_S * 1_000;
const args = ['-kernel', 'net_ticktime', String(TICK_TIME_S)];

describe.skipIf(part.missing)('ticks', () => {
  let shared: Lab;
  beforeAll(async () => {
    shared = await openLab();
  });
  afterAll(() => shared.close());

  test.concurrent('an idle connection stays up, three times as long as silence may last', async ({
    onTestFinished,
  }) => {
    const lab = shared.forTest(onTestFinished);
    const [erl, troupe] = await Promise.all([
      lab.erl('idle', { args }),
      lab.troupe('still', { netTickTimeMs }),
    ]);
    const watcher = nodeWatcher(troupe);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    // The Erlang node waits, of which nothing is sent to this one.
    await erl.eval(`timer:sleep(${3 * netTickTimeMs})`);
    expect(await erl.eval('nodes(hidden)')).toBe(`['${troupe.name}']`);
    expect(troupe.node.nodes()).toEqual([erl.name]);
    await watcher.expectNone((message) => message instanceof NodeDown);
  });

  test.concurrent('a silent Erlang node is gone within 0.75 and 1.25 of the time', async ({
    onTestFinished,
  }) => {
    const lab = shared.forTest(onTestFinished);
    const [erl, troupe] = await Promise.all([
      lab.erl('silent', { args }),
      lab.troupe('listens', { netTickTimeMs }),
    ]);
    const watcher = nodeWatcher(troupe);
    expect(await troupe.node.connect(erl.name)).toBe(true);
    erl.pause();
    const start = performance.now();
    await next(watcher, (message) => message instanceof NodeDown);
    // The tick before the pause was up to a quarter of the time earlier; a busy machine is late.
    expect(performance.now() - start).toBeGreaterThan(0.5 * netTickTimeMs);
    erl.resume();
    await erl.eval(`net_adm:ping('${troupe.name}')`);
    expect(troupe.node.nodes()).toEqual([erl.name]);
  });

  test.concurrent('a silent Troupe node is gone for Erlang', async ({ onTestFinished }) => {
    const lab = shared.forTest(onTestFinished);
    const [erl, program] = await Promise.all([
      lab.erl('awake', { args }),
      lab.program('asleep', { netTickTimeMs }),
    ]);
    expect(await program.run('connect', { peer: erl.name })).toBe(true);
    program.pause();
    await evaluates(erl, 'nodes(hidden)', '[]');
    program.resume();
    await program.event({ event: 'nodedown', peer: erl.name });
    expect(await program.run('connect', { peer: erl.name })).toBe(true);
  });

  test.concurrent('an event loop that is busy for a third of the time drops no connection', async ({
    onTestFinished,
  }) => {
    const lab = shared.forTest(onTestFinished);
    // 20 s of 60 s, on a smaller scale.
    const [erl, program] = await Promise.all([
      lab.erl('patient', { args: ['-kernel', 'net_ticktime', '8'] }),
      lab.program('busy', { netTickTimeMs: 8_000 }),
    ]);
    expect(await program.run('connect', { peer: erl.name })).toBe(true);
    await program.run('block', { ms: 2_700 });
    expect(await program.run('nodes', undefined)).toEqual([erl.name]);
    expect(await erl.eval('nodes(hidden)')).toBe(`['${program.name}']`);
    // Even when it was busy for longer than the peer may be silent: what the peer has sent counts before the clock does.
    await program.run('block', { ms: 2_700 });
    await program.run('block', { ms: 2_700 });
    expect(await program.run('nodes', undefined)).toEqual([erl.name]);
    expect(program.events.filter(({ event }) => event === 'nodedown')).toEqual([]);
  });
});
