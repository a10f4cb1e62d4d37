// Setting connections up with a real Erlang node, in both directions: with and without the same cookie and flags, at the same
// time, and again while connected.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Epmd } from '../../../../src/runtime/distribution/epmd/internal.ts';
import {
  type ConnectorOptions,
  flagNames,
  FLAGS,
  OWN_FLAGS,
  readStatus,
  writeName,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import {
  type Epmd as EpmdProgram,
  type ErlNode,
  freePort,
  startEpmd,
  startErl,
  TEST_COOKIE,
} from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { type Places, type Site, site, Wire } from './connector-helpers.ts';

const erl = requirePart('erl');
const OTP = 'otp@127.0.0.1';
const failed = (reason: string) => expect.objectContaining({ code: 'TROUPE_CONNECT_FAILED', reason });

describe.skipIf(erl.missing)('with Erlang', () => {
  let program: EpmdProgram;
  let node: ErlNode;
  let epmdPort = 0;

  beforeAll(async () => {
    epmdPort = await freePort();
    program = await startEpmd(epmdPort);
    node = await startErl({ name: OTP, epmdPort, args: ['-kernel', 'net_setuptime', '2'] });
  });
  afterAll(async () => {
    await node?.stop();
    await program?.stop();
  });

  /** A connector under its own name in the same epmd. */
  async function registered(name: string, changes: Partial<ConnectorOptions> = {}): Promise<Site> {
    const epmd = new Epmd({ mode: 'client', port: epmdPort }, { state: () => {} });
    onTestFinished(() => epmd.close());
    const places: Places = new Map();
    const made = await site(name, places, {
      cookie: () => TEST_COOKIE,
      resolve: (peer) => epmd.resolve(peer),
      ...changes,
    });
    await epmd.register(name.slice(0, name.indexOf('@')), made.port, true);
    return made;
  }

  test('Troupe dials: connected, as a hidden node', async () => {
    const a = await registered('a@127.0.0.1');
    await a.connector.dial(OTP);
    const link = a.up.get(OTP)!;
    expect(flagNames(link.flags)).toEqual(flagNames(OWN_FLAGS));
    expect(String(link.creation)).toBe(await node.eval('erlang:system_info(creation)'));
    expect(await node.eval('{nodes(), nodes(hidden)}')).toBe("{[],['a@127.0.0.1']}");
  });

  test('Erlang dials', async () => {
    const a = await registered('b@127.0.0.1');
    expect(await node.eval("net_kernel:connect_node('b@127.0.0.1')")).toBe('true');
    await a.happened(/up otp/);
    expect(a.up.get(OTP)).toMatchObject({ initiator: false });
    expect(await node.eval('nodes(hidden)')).toBe("['b@127.0.0.1']");
  });

  test('Troupe dials with another cookie: Erlang closes, and says so in its log', async () => {
    const a = await registered('c@127.0.0.1', { cookie: () => 'other' });
    await expect(a.connector.dial(OTP)).rejects.toThrow(failed('cookie'));
    await node.printed(/Connection attempt from node 'c@127.0.0.1' rejected. Invalid challenge reply/);
  });

  test('Erlang dials with another cookie', async () => {
    const a = await registered('d@127.0.0.1', { cookie: () => 'other' });
    expect(await node.eval("net_kernel:connect_node('d@127.0.0.1')")).toBe('false');
    await a.happened(/refused otp@127.0.0.1 cookie/);
  });

  test('a cookie for one node', async () => {
    const a = await registered('e@127.0.0.1', { cookie: (peer) => (peer === OTP ? 'ours' : 'other') });
    await node.eval("erlang:set_cookie('e@127.0.0.1', ours)");
    await a.connector.dial(OTP);
    expect(await node.eval('nodes(hidden)')).toBe("['e@127.0.0.1']");
  });

  test('Troupe lacks a flag: not_allowed, and Erlang names it in its log', async () => {
    const start = node.output().length;
    const wire = Wire.to((await lookUp()).port);
    const flags = OWN_FLAGS & ~FLAGS.MANDATORY_25_DIGEST & ~FLAGS.MAP_TAG;
    wire.send(writeName(flags, 9, 'f@127.0.0.1'));
    const status = await wire.receive();
    expect(readStatus(status!, 0, status!.length)).toBe('not_allowed');
    await node.printed(/MAP_TAG/, start);
  });

  test('Erlang asks for a name: refused', async () => {
    const a = await registered('g@127.0.0.1');
    const nameless = await startErl({ name: 'undefined@127.0.0.1', epmdPort });
    onTestFinished(() => nameless.stop());
    expect(await nameless.eval("net_kernel:connect_node('g@127.0.0.1')")).toBe('false');
    await a.happened(/refused undefined dynamic_name/);
  });

  test.each([
    ['less', 'aaa@127.0.0.1'],
    ['greater', 'zzz@127.0.0.1'],
  ])('both dial at the same time, the name of Troupe is %s', async (_what, name) => {
    let open = () => {};
    const held = new Promise<void>((resolve) => {
      open = resolve;
    });
    const known = await lookUp();
    const a = await registered(name, {
      resolve: async () => {
        await held;
        return known;
      },
    });
    const fromTroupe = a.connector.dial(OTP);
    const fromErlang = node.eval(`net_kernel:connect_node('${name}')`);
    if (name < OTP) {
      // Troupe gives way to Erlang's attempt although its own has not begun.
      await a.happened(/up otp/);
    }
    open();
    await fromTroupe;
    // An attempt that was refused with nok waits for the connection of the other.
    expect(await fromErlang).toBe('true');
    expect(a.up.get(OTP)?.initiator).toBe(name > OTP);
    expect(await node.eval('nodes(hidden)')).toBe(`['${name}']`);
  });

  test('both dial at once, many times: one connection each time', async () => {
    const a = await registered('m@127.0.0.1');
    for (let round = 0; round < 20; round++) {
      const [, answer] = await Promise.all([
        a.connector.dial(OTP),
        node.eval("net_kernel:connect_node('m@127.0.0.1')"),
      ]);
      expect(answer).toBe('true');
      expect(a.up.size).toBe(1);
      const start = a.log.length;
      await node.eval("erlang:disconnect_node('m@127.0.0.1')");
      while (!a.log.slice(start).includes(`down ${OTP}`))
        await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('Troupe connects again while Erlang takes it for connected', async () => {
    const a = await registered('n@127.0.0.1');
    await a.connector.dial(OTP);
    const old = a.up.get(OTP)!;
    // Lost here only: as when the program was killed and the machine has not said so.
    a.up.delete(OTP);
    await a.connector.dial(OTP);
    expect(a.up.get(OTP)).not.toBe(old);
    expect(await node.eval('nodes(hidden)')).toBe("['n@127.0.0.1']");
  });

  test('Erlang connects again while Troupe takes it for connected', async () => {
    const a = await registered('o@127.0.0.1');
    const other = await startErl({ name: 'other@127.0.0.1', epmdPort });
    onTestFinished(() => other.stop());
    await a.connector.dial('other@127.0.0.1');
    const old = a.up.get('other@127.0.0.1')!;
    await other.kill();
    await a.happened(/down other/);
    // As when the machine of the other went down, and nobody has closed its connections.
    const start = a.log.length;
    a.up.set('other@127.0.0.1', old);
    const again = await startErl({ name: 'other@127.0.0.1', epmdPort });
    onTestFinished(() => again.stop());
    expect(await again.eval("net_kernel:connect_node('o@127.0.0.1')")).toBe('true');
    await a.happened(/retire other/);
    expect(a.log.slice(start).filter((line) => /^(retire|up)/.test(line))).toEqual([
      'retire other@127.0.0.1',
      'up other@127.0.0.1',
    ]);
    expect(a.up.get('other@127.0.0.1')?.creation).not.toBe(old.creation);
  });

  async function lookUp(): Promise<{ host: string; port: number }> {
    const epmd = new Epmd({ mode: 'client', port: epmdPort }, { state: () => {} });
    try {
      const found = await epmd.resolve(OTP);
      if (found === undefined) throw new Error(`${OTP} is not registered`);
      return found;
    } finally {
      await epmd.close();
    }
  }
});
