// Epmd together with OTP's: with the program `epmd`, and with nodes of Erlang that find each other through ours.
import { execFile } from 'node:child_process';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ErlNode, type ErlOptions, freePort, startEpmd, startErl } from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { decodeRegisterAnswer } from '../../../../src/runtime/distribution/epmd/internal.ts';
import { Raw, recorded, registering, startProgram } from './helpers.ts';

const part = requirePart('erl');

/** An epmd of OTP's on a port of its own. */
async function otpEpmd(port: number): Promise<{ stop(): Promise<void> }> {
  const epmd = await startEpmd(port);
  onTestFinished(() => epmd.stop());
  return epmd;
}

async function erl(options: ErlOptions): Promise<ErlNode> {
  const node = await startErl(options);
  onTestFinished(() => node.stop());
  return node;
}

/** Runs the program `epmd` as a client. @returns what it prints */
function epmdPrints(port: number, ...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    const program = part.path.replace(/erl$/, 'epmd');
    // It fails where it is refused, and prints that too.
    execFile(program, ['-port', String(port), ...args], (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

/** Waits until an Erlang node finds a name at an epmd. */
function foundBy(node: ErlNode, name: string): Promise<void> {
  return vi.waitFor(
    async () => {
      const answer = await node.eval(`erl_epmd:port_please("${name}", {127,0,0,1})`);
      if (!answer.startsWith('{port,')) throw new Error(answer);
    },
    { interval: 50, timeout: 20_000 },
  );
}

describe.skipIf(part.missing)("with OTP's epmd", () => {
  test('registers, is found, finds Erlang nodes, and gives the name back', async () => {
    const port = await freePort();
    await otpEpmd(port);
    const ours = recorded({ port, mode: 'client' });
    await ours.epmd.register('ours', 5_001, true);
    expect(ours.states).toStrictEqual(['registered']);
    const beam = await erl({ name: 'beam@127.0.0.1', epmdPort: port });
    expect(await beam.eval('erl_epmd:port_please("ours", {127,0,0,1})')).toBe('{port,5001,6}');
    const listens = await beam.eval('element(2, erl_epmd:port_please("beam", {127,0,0,1}))');
    expect(await ours.epmd.resolve('beam@127.0.0.1')).toStrictEqual({
      host: '127.0.0.1',
      port: Number(listens),
    });
    const names = await ours.epmd.names();
    expect(names.map(({ name }) => name).toSorted()).toStrictEqual(['beam', 'ours']);
    expect(await ours.epmd.resolve('nobody@127.0.0.1')).toBeUndefined();
    await ours.epmd.close();
    await vi.waitFor(
      async () => expect(await beam.eval('erl_epmd:port_please("ours", {127,0,0,1})')).toBe('noport'),
      { interval: 20 },
    );
  });

  test('auto asks it and does not serve', async () => {
    const port = await freePort();
    await otpEpmd(port);
    const ours = recorded({ port });
    await ours.epmd.register('ours', 5_001, false);
    expect(ours.states).toStrictEqual(['registered']);
    expect(await epmdPrints(port, '-names')).toContain('name ours at port 5001');
  });

  test('is refused a name that is taken', async () => {
    const port = await freePort();
    await otpEpmd(port);
    const first = recorded({ port });
    await first.epmd.register('same', 5_001, true);
    const second = recorded({ port });
    await expect(second.epmd.register('same', 5_002, true)).rejects.toMatchObject({
      code: 'TROUPE_LISTEN_FAILED',
      reason: 'epmd_taken',
    });
    expect(await first.epmd.resolve('same@127.0.0.1')).toMatchObject({ port: 5_001 });
  });

  test('registers again when it was killed and started anew', async () => {
    const port = await freePort();
    const epmd = await otpEpmd(port);
    const nodes = [recorded({ port, mode: 'client' }), recorded({ port, mode: 'client' })];
    for (const [index, { epmd: node }] of nodes.entries()) await node.register(`n${index}`, 5_000, true);
    await epmd.stop();
    for (const { told } of nodes) {
      await told('lost');
      await told('failed');
    }
    await otpEpmd(port);
    for (const { told } of nodes) await told('registered');
    const names = await nodes[0]?.epmd.names();
    expect(names?.map(({ name }) => name).toSorted()).toStrictEqual(['n0', 'n1']);
  });

  test('auto takes its place when it is killed', async () => {
    const port = await freePort();
    const epmd = await otpEpmd(port);
    const ours = recorded({ port });
    await ours.epmd.register('ours', 5_001, true);
    await epmd.stop();
    await ours.told('serving');
    await ours.told('registered');
    expect(await epmdPrints(port, '-names')).toContain('name ours at port 5001');
  });

  test('its limits on names are ours', async () => {
    const port = await freePort();
    await otpEpmd(port);
    const served = await freePort();
    await recorded({ port: served }).epmd.register('server', 5_000, true);
    for (const name of [Buffer.alloc(300, 'x'), Buffer.from('é'), Buffer.from('plain'), Buffer.of(0xff)]) {
      const [theirs, ours] = await Promise.all(
        [port, served].map(async (one) =>
          decodeRegisterAnswer(await new Raw(one).send(registering(name)).bytes(6)),
        ),
      );
      expect(ours?.accepted).toBe(theirs?.accepted);
    }
  });
});

describe.skipIf(part.missing)('as epmd for Erlang', () => {
  test('nodes register, find each other and are found, and are gone when they end', async () => {
    const port = await freePort();
    const ours = recorded({ port, mode: 'embedded' });
    await ours.epmd.register('ours', 5_001, true);
    const [one, two] = await Promise.all([
      erl({ name: 'one@127.0.0.1', epmdPort: port }),
      erl({ name: 'two@127.0.0.1', epmdPort: port }),
    ]);
    expect(await one.eval("net_adm:ping('two@127.0.0.1')")).toBe('pong');
    expect(await two.eval('nodes()')).toBe("['one@127.0.0.1']");
    expect(await two.eval('erl_epmd:port_please("ours", {127,0,0,1})')).toBe('{port,5001,6}');
    expect(await two.eval('erl_epmd:port_please("nobody", {127,0,0,1})')).toBe('noport');
    expect(await one.eval('{ok, L} = net_adm:names({127,0,0,1}), lists:sort([N || {N, _} <- L])')).toBe(
      '["one","ours","two"]',
    );
    expect(await ours.epmd.resolve('one@127.0.0.1')).toMatchObject({ host: '127.0.0.1' });
    await two.kill();
    await vi.waitFor(async () => expect(await ours.epmd.resolve('two@127.0.0.1')).toBeUndefined(), {
      interval: 10,
    });
    const again = await erl({ name: 'two@127.0.0.1', epmdPort: port });
    expect(await again.eval("net_adm:ping('one@127.0.0.1')")).toBe('pong');
  });

  test('nodes with short names, and a second one of the same name', async () => {
    const port = await freePort();
    const ours = recorded({ port });
    await ours.epmd.register('ours', 5_001, true);
    const one = await erl({ epmdPort: port, args: ['-sname', 'one@localhost', '-setcookie', 'c'] });
    const two = await erl({ epmdPort: port, args: ['-sname', 'two@localhost', '-setcookie', 'c'] });
    expect(await one.eval("net_adm:ping('two@localhost')")).toBe('pong');
    expect(await ours.epmd.resolve('two@localhost')).toMatchObject({ host: 'localhost' });
    await expect(erl({ epmdPort: port, args: ['-sname', 'two@localhost'] })).rejects.toThrow(
      'seems to be in use by another Erlang node',
    );
    expect(await two.eval('node()')).toBe('two@localhost');
  });

  test('a node that starts an epmd uses ours', async () => {
    const port = await freePort();
    const ours = recorded({ port });
    await ours.epmd.register('ours', 5_001, true);
    await erl({ name: 'one@127.0.0.1', epmdPort: port, args: ['-start_epmd', 'true'] });
    expect((await ours.epmd.names()).map(({ name }) => name)).toStrictEqual(['ours', 'one']);
  });

  test('the program epmd lists our names, and cannot stop us', async () => {
    const port = await freePort();
    const ours = recorded({ port });
    await ours.epmd.register('ours', 5_001, true);
    const program = startProgram({ port, stays: true });
    await program.printed('registered');
    expect(await epmdPrints(port, '-names')).toBe(
      `epmd: up and running on port ${port} with data:\nname ours at port 5001\nname program at port 5999\n`,
    );
    await epmdPrints(port, '-stop', 'program');
    await epmdPrints(port, '-kill');
    expect(await ours.epmd.names()).toHaveLength(2);
    expect(ours.states).toStrictEqual(['serving', 'registered']);
  });

  test('when we are killed, Erlang nodes find who takes over', async () => {
    const port = await freePort();
    const program = startProgram({ port, stays: true });
    await program.printed('registered');
    const ours = recorded({ port });
    await ours.epmd.register('ours', 5_001, true);
    const beam = await erl({ name: 'beam@127.0.0.1', epmdPort: port });
    program.child.kill('SIGKILL');
    await ours.told('serving');
    await ours.told('registered');
    await foundBy(beam, 'beam');
    expect(await beam.eval('erl_epmd:port_please("ours", {127,0,0,1})')).toBe('{port,5001,6}');
    expect(await ours.epmd.resolve('program@127.0.0.1')).toBeUndefined();
  });
});
