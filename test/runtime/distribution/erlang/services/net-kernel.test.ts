// net_kernel and rex, as other nodes address them by message (net_kernel.erl, rpc.erl), and that the processes of the
// carrier are there as long as it is.
import { describe, expect, test } from 'vitest';
import { atom, call, cast, type Process, tuple } from 'troupe';
import { ping } from 'troupe/erlang';
import { Cast, ForeignTag, RemoteCall } from '../../../../../src/runtime/otp/internal.ts';
import { expectFailure } from '../../../otp/helpers.ts';
import { makeGate, recordTelemetry } from '../../../process/helpers.ts';
import { type FakePeer, makeSite, type Site } from './fake-peer.ts';

const gate = makeGate();
const expose = {
  m: {
    add: (_self: Process, a: number, b: number) => a + b,
    throws: (_self: Process, value: unknown) => {
      throw value;
    },
    fail: () => {
      throw new Error('bad day');
    },
    exits: (self: Process, reason: unknown) => self.exit(reason),
    waits: () => gate.opened,
  },
};

/** Sends a message to a name; answers what is sent back. */
async function tell(site: Site, peer: FakePeer, to: string, message: unknown): Promise<unknown[]> {
  const before = site.carrier.sent.length;
  peer.receive({ op: 'sendNamed', from: peer.pid(), to, message });
  await site.settle();
  return site.carrier.sent.slice(before).map(({ signal }) => ('message' in signal ? signal.message : signal));
}

describe('net_kernel', () => {
  test('says yes to who asks whether it is there', async () => {
    const site = makeSite();
    const peer = site.peer();
    const request = new RemoteCall(peer.pid(), peer.ref(), 'is_auth', atom('beam@x'));
    expect(await tell(site, peer, 'net_kernel', request)).toEqual([atom('yes')]);
    expect(await call(site.node, 'net_kernel', 'is_auth', null)).toBe(atom('yes'));
  });

  test('refuses all other calls at once', async () => {
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = makeSite();
    const peer = site.peer();
    const ref = peer.ref();
    const from = peer.pid();
    peer.receive({ op: 'monitor', from, target: 'net_kernel', ref });
    const request = new RemoteCall(from, ref, 'get_status', undefined);
    expect(await tell(site, peer, 'net_kernel', request)).toMatchObject([{ op: 'down', ref }]);
    await expectFailure(call(site.node, 'net_kernel', 'spawn', null), 'TROUPE_UNKNOWN_CALL');
    expect(await tell(site, peer, 'net_kernel', new RemoteCall(null as never, ref, 'x', 1))).toEqual([]);
    expect(await tell(site, peer, 'net_kernel', tuple('x'))).toEqual([]);
    expect(dropped.map(({ peer: from_ }) => from_)).toEqual([peer.name, 'here@x', '', '']);
  });

  test('ping: true when the other answers', async () => {
    const site = makeSite();
    const peer = site.peer();
    const asked = ping(site.node, peer.name);
    const sent = site.carrier.sent.at(-1)?.signal;
    expect(sent).toMatchObject({
      op: 'sendNamed',
      to: 'net_kernel',
      message: { name: 'is_auth', argument: atom('here@x') },
    });
    const { alias } = (sent as { message: RemoteCall }).message;
    peer.receive({ op: 'sendAlias', from: peer.pid(), to: alias as never, message: atom('yes') });
    expect(await asked).toBe(true);
  });

  test('ping: false when it does not, is not there or is lost; true for the own node', async () => {
    const site = makeSite();
    const peer = site.peer();
    expect(await ping(site.node, site.node.name)).toBe(true);
    expect(await ping(site.node, peer.name, { timeoutMs: 0 })).toBe(false);
    const asked = ping(site.node, peer.name);
    site.lose(peer);
    expect(await asked).toBe(false);
    await expectFailure(ping(site.node, peer.name, { timeoutMs: -1 }), 'TROUPE_BAD_ARGUMENT');
  });
});

describe('rex', () => {
  const request = (kind: string, name: string, args: unknown, peer: FakePeer): unknown =>
    tuple(atom(kind), atom('m'), atom(name), args, peer.pid());

  test.each([
    ['add', [1, 2], 3],
    ['throws', ['ball'], 'ball'],
    ['exits', ['normal'], tuple(atom('badrpc'), tuple(atom('EXIT'), atom('normal')))],
  ])('call and block_call of %s(%j)', async (name, args, expected) => {
    const site = makeSite({ expose });
    const peer = site.peer();
    for (const kind of ['call', 'block_call']) {
      const message = new RemoteCall(peer.pid(), peer.ref(), '$request', request(kind, name, args, peer));
      expect(await tell(site, peer, 'rex', message)).toEqual([expected]);
    }
    expect(await call(site.node, 'rex', '$request', request('call', name, args, peer))).toEqual(expected);
  });

  test('errors, and functions that are not exposed, are badrpc', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const error = (name: string): Promise<unknown> =>
      call(site.node, 'rex', '$request', request('call', name, [], peer));
    const described = expect.objectContaining({ message: 'bad day' });
    const stack = (name: string, args: unknown): unknown => [tuple(atom('m'), atom(name), args, [])];
    const bad = (...reason: unknown[]): unknown =>
      tuple(atom('badrpc'), tuple(atom('EXIT'), tuple(...reason)));
    expect(await error('fail')).toEqual(bad(described, stack('fail', 0)));
    expect(await error('remove')).toEqual(bad(atom('undef'), stack('remove', [])));
  });

  test('the answer goes to who called, whatever the tag', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const tag = tuple(peer.ref(), atom('here@x'));
    const message = new RemoteCall(
      peer.pid(),
      new ForeignTag(tag),
      '$request',
      request('call', 'add', [1, 2], peer),
    );
    expect(await tell(site, peer, 'rex', message)).toEqual([tuple(tag, 3)]);
  });

  test('a process that is ended', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const answer = call(site.node, 'rex', '$request', request('call', 'waits', [], peer));
    await site.settle();
    const running = site.node.processes().find((pid) => site.node.processInfo(pid)?.label === 'm:waits/0');
    site.node.exit(running as never, 'kill');
    expect(await answer).toEqual(tuple(atom('badrpc'), tuple(atom('EXIT'), atom('killed'))));
  });

  test('its limit', async () => {
    const site = makeSite({ expose, maxExecutions: 1 });
    const peer = site.peer();
    void call(site.node, 'rex', '$request', request('call', 'waits', [], peer)).catch(() => undefined);
    expect(await call(site.node, 'rex', '$request', request('call', 'add', [1, 2], peer))).toEqual(
      tuple(atom('badrpc'), tuple(atom('EXIT'), atom('system_limit'))),
    );
  });

  test('casts, and the question for features', async () => {
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = makeSite({ expose });
    const peer = site.peer();
    expect(await tell(site, peer, 'rex', tuple(peer.pid(), atom('features_request')))).toEqual([
      tuple(atom('features_reply'), atom('here@x'), [atom('erpc')]),
    ]);
    await tell(site, peer, 'rex', new Cast('$request', request('cast', 'add', [1, 2], peer)));
    expect(dropped).toEqual([]);
    cast(site.node, 'rex', '$request', request('cast', 'remove', [], peer));
    await tell(site, peer, 'rex', new Cast('$request', tuple(atom('cast'))));
    await tell(site, peer, 'rex', 'what');
    expect(dropped).toHaveLength(3);
  });

  test.each([
    ['another request', tuple(atom('sbcast'), atom('name'), 'message')],
    ['another kind', tuple(atom('server_call'), atom('m'), atom('add'), [1, 2], 1)],
    ['no list of arguments', tuple(atom('call'), atom('m'), atom('add'), 1, 1)],
  ])('refuses %s', async (_what, argument) => {
    const site = makeSite({ expose });
    await expectFailure(call(site.node, 'rex', '$request', argument), 'TROUPE_UNKNOWN_CALL');
    const peer = site.peer();
    expect(
      await tell(site, peer, 'rex', new RemoteCall(null as never, peer.ref(), '$request', argument)),
    ).toEqual([]);
  });
});

describe('the processes of the carrier', () => {
  const names = ['logger_proxy', 'net_kernel', 'rex', 'troupe_cluster', 'troupe_io'];

  test('are started again when something ends them', async () => {
    const { node, settle } = makeSite();
    for (const name of names) {
      const before = node.whereis(name);
      node.exit(before as never, 'shutdown');
      expect(node.whereis(name)).toBe(before);
      node.exit(before as never, 'kill');
      await settle();
      expect(node.whereis(name)).toBeDefined();
      expect(node.whereis(name)).not.toBe(before);
    }
    expect(await ping(node, node.name)).toBe(true);
  });

  test('are not, when the program has taken the name, or the node or the carrier stops', async () => {
    const { node, services, settle } = makeSite();
    node.exit(node.whereis('rex') as never, 'kill');
    const own = node.spawnWith({ name: 'rex' }, (self) => self.receive());
    await settle();
    expect(node.whereis('rex')).toBe(own);
    services.close();
    await settle();
    expect(node.registered().toSorted()).toEqual(['init', 'rex']);
    const stopped = makeSite();
    await stopped.node.stop();
    await stopped.settle();
    expect(stopped.node.processes()).toEqual([]);
  });
});
