// erpc: functions that are called on other nodes (erpc:call/5, erpc:cast/4). The other node is none; what it would answer
// is made up.
import { describe, expect, test } from 'vitest';
import { atom, type Pid, type Process, Ref, tuple, type Tuple } from 'troupe';
import { awaitExit, createManualClock, createProbe } from 'troupe/testing';
import { FLAGS, OWN_FLAGS, spawnClientOf } from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { erpc } from 'troupe/erlang';
import { expectFailure, failure } from '../../../otp/helpers.ts';
import { makeGate, makeNode, recordTelemetry } from '../../../process/helpers.ts';
import { type FakePeer, makeSite, type Site } from './fake-peer.ts';

/** The request that was sent last. */
function requestAt(peer: FakePeer): {
  ref: Ref;
  from: Pid;
  leader: Pid;
  tag: Ref;
  terms: readonly unknown[];
} {
  const [control, terms] = peer.controls.at(-1) ?? [];
  const [op, ref, from, leader] = (control as Tuple).elements;
  expect(op).toBe(29);
  const [tag] = terms as readonly [Ref];
  return { ref: ref as Ref, from: from as Pid, leader: leader as Pid, tag, terms: terms as unknown[] };
}

/** Answers the last request: a process runs it, and ends with a reason. */
function answer(site: Site, peer: FakePeer, reason: (tag: Ref) => unknown): void {
  const { ref, from, tag } = requestAt(peer);
  const pid = peer.pid();
  site.services.spawnReply(peer, { ref, to: from, flags: 2, result: pid });
  peer.receive({ op: 'down', target: pid, to: from, ref, reason: reason(tag) });
}

function demonitors(site: Site): unknown[] {
  return site.carrier.sent.map(({ signal }) => signal).filter(({ op }) => op === 'demonitor');
}

describe('a call', () => {
  test('is a SPAWN_REQUEST for erpc:execute_call/4, with the io process as group leader', async () => {
    const site = makeSite();
    const peer = site.peer();
    const sorted = erpc.call(site.node, peer.name, 'lists', 'sort', [[3, 1, 2]]);
    const { ref, from, leader, tag, terms } = requestAt(peer);
    expect(peer.controls[0]?.[0]).toEqual(
      tuple(29, ref, site.node.initPid, leader, tuple(atom('erpc'), atom('execute_call'), 4), [
        atom('monitor'),
      ]),
    );
    expect(terms).toEqual([tag, atom('lists'), atom('sort'), [[3, 1, 2]]]);
    expect([from, leader]).toEqual([site.node.initPid, site.node.whereis('troupe_io')]);
    answer(site, peer, (mark) => tuple(mark, atom('return'), [1, 2, 3]));
    expect(await sorted).toEqual([1, 2, 3]);
    expect(spawnClientOf(site.node).kept).toBe(0);
    expect(site.node.router.connectedPeer(peer.name)?.outgoing.size).toBe(0);
  });

  test('comes from the process that calls', async () => {
    const site = makeSite();
    const peer = site.peer();
    const { self } = createProbe(site.node);
    const called = erpc.call(site.node, peer.name, 'erlang', 'node', [], { from: self });
    expect(requestAt(peer).from).toBe(self.pid);
    answer(site, peer, (tag) => tuple(tag, atom('return'), atom('beam@x')));
    expect(await called).toBe(atom('beam@x'));
  });

  test.each<[string, (tag: Ref) => unknown, unknown]>([
    ['a throw', (tag) => tuple(tag, atom('throw'), 'ball'), { class: 'throw', reason: 'ball' }],
    ['an exit', (tag) => tuple(tag, atom('exit'), atom('normal')), { class: 'exit', reason: 'normal' }],
    [
      'an exit with a tuple',
      (tag) => tuple(tag, atom('exit'), tuple(atom('shutdown'), atom('why'))),
      { class: 'exit', reason: ['shutdown', atom('why')] },
    ],
    [
      'an error',
      (tag) => tuple(tag, atom('error'), atom('badarg'), [tuple(atom('m'), atom('f'), 1, [])]),
      { class: 'error', reason: atom('badarg'), stack: [tuple(atom('m'), atom('f'), 1, [])] },
    ],
    ['an error without a stack', (tag) => tuple(tag, atom('error'), 1), { class: 'error', reason: 1 }],
    ['the end of the process', () => 'killed', { class: 'exit', reason: tuple(atom('signal'), 'killed') }],
    [
      'an outcome with another tag',
      () => tuple(new Ref({ node: 'x', creation: 4, equals: () => false }, 1, 1), atom('return'), 1),
      { class: 'exit' },
    ],
    ['a malformed outcome', (tag) => tuple(tag, atom('return')), { class: 'exit' }],
  ])('fails with %s', async (_what, reason, expected) => {
    const site = makeSite();
    const peer = site.peer();
    const called = failure(erpc.call(site.node, peer.name, 'm', 'f'));
    answer(site, peer, reason);
    const error = await called;
    expect([error.code, error.reason]).toEqual([
      'TROUPE_ERPC_FAILED',
      expect.objectContaining(expected as object),
    ]);
  });

  test('fails at once when the node cannot run it', async () => {
    const site = makeSite();
    const peer = site.peer();
    const called = failure(erpc.call(site.node, peer.name, 'm', 'f'));
    const { ref, from } = requestAt(peer);
    site.services.spawnReply(peer, { ref, to: from, flags: 0, result: atom('system_limit') });
    expect((await called).reason).toEqual({
      class: 'error',
      reason: tuple(atom('erpc'), atom('system_limit')),
    });

    const old = site.peer('old@x', OWN_FLAGS & ~FLAGS.SPAWN);
    const unsupported = await failure(erpc.call(site.node, old.name, 'm', 'f'));
    expect(unsupported.reason).toEqual({ class: 'error', reason: tuple(atom('erpc'), atom('notsup')) });
    expect(old.controls).toEqual([]);
    expect(spawnClientOf(site.node).kept).toBe(0);
  });

  test('connects first; without a connection it fails', async () => {
    const site = makeSite();
    site.carrier.onConnect = () => false;
    await expectFailure(erpc.call(site.node, 'beam@x', 'm', 'f'), 'TROUPE_CALL_NODEDOWN', 'nodedown');
    let peer: FakePeer | undefined;
    site.carrier.onConnect = () => {
      peer = site.peer();
      return true;
    };
    const called = erpc.call(site.node, 'beam@x', 'm', 'f');
    await site.settle();
    answer(site, peer as unknown as FakePeer, (tag) => tuple(tag, atom('return'), 1));
    expect(await called).toBe(1);
  });

  test('fails when the connection is lost', async () => {
    const site = makeSite();
    const peer = site.peer();
    const first = failure(erpc.call(site.node, peer.name, 'm', 'f'));
    const { ref, from } = requestAt(peer);
    site.services.spawnReply(peer, { ref, to: from, flags: 2, result: peer.pid() });
    const second = failure(erpc.call(site.node, peer.name, 'm', 'f'));
    site.lose(peer);
    expect([(await first).code, (await second).code]).toEqual([
      'TROUPE_CALL_NODEDOWN',
      'TROUPE_CALL_NODEDOWN',
    ]);
    expect(spawnClientOf(site.node).kept).toBe(0);
    expect(site.carrier.sent).toHaveLength(1);
  });

  test('an argument that cannot leave the node', async () => {
    const site = makeSite();
    const peer = site.peer();
    expect((await failure(erpc.call(site.node, peer.name, 'm', 'f', [() => 0]))).code).toBe(
      'TROUPE_NOT_ENCODABLE',
    );
    expect(spawnClientOf(site.node).kept).toBe(0);
    expect(site.node.router.connectedPeer(peer.name)?.outgoing.size).toBe(0);
  });

  test.each([
    ['arguments that are no array', 'none' as never],
    ['too many arguments', Array(256).fill(0)],
  ])('%s', async (_what, args) => {
    const { node } = makeSite();
    expect((await failure(erpc.call(node, 'beam@x', 'm', 'f', args))).code).toBe('TROUPE_BAD_ARGUMENT');
  });

  test('a node without such a carrier', async () => {
    expect((await failure(erpc.call(makeNode(), 'beam@x', 'm', 'f'))).code).toBe('TROUPE_NO_CARRIER');
  });
});

describe('a call that is given up', () => {
  test('in time: a late answer is dropped, and the monitor is ended', async () => {
    const clock = createManualClock();
    const site = makeSite({}, { clock });
    const peer = site.peer();
    const called = failure(erpc.call(site.node, peer.name, 'm', 'f', [], { timeoutMs: 10 }));
    const { ref, from, tag } = requestAt(peer);
    const pid = peer.pid();
    site.services.spawnReply(peer, { ref, to: from, flags: 2, result: pid });
    await clock.advance(10);
    expect((await called).code).toBe('TROUPE_CALL_TIMEOUT');
    expect(demonitors(site)).toEqual([{ op: 'demonitor', from, target: pid, ref }]);
    peer.receive({ op: 'down', target: pid, to: from, ref, reason: tuple(tag, atom('return'), 1) });
  });

  test('before its process is known: the monitor is ended when it is', async () => {
    const site = makeSite();
    const peer = site.peer();
    const controller = new AbortController();
    const called = failure(erpc.call(site.node, peer.name, 'm', 'f', [], { signal: controller.signal }));
    controller.abort();
    expect((await called).code).toBe('TROUPE_CALL_ABORTED');
    expect(demonitors(site)).toEqual([]);
    const { ref, from } = requestAt(peer);
    const pid = peer.pid();
    site.services.spawnReply(peer, { ref, to: from, flags: 2, result: pid });
    site.services.spawnReply(peer, { ref, to: from, flags: 2, result: pid });
    expect(demonitors(site)).toEqual([{ op: 'demonitor', from, target: pid, ref }]);
    expect(spawnClientOf(site.node).kept).toBe(0);
  });

  test('at most 1,000 of these are remembered', async () => {
    const clock = createManualClock();
    const site = makeSite({}, { clock });
    const peer = site.peer();
    const calls = Array.from({ length: 1_100 }, () =>
      failure(erpc.call(site.node, peer.name, 'm', 'f', [], { timeoutMs: 10 })),
    );
    const first = (peer.controls[0]?.[0] as Tuple | undefined)?.elements[1] as Ref;
    await clock.advance(10);
    await Promise.all(calls);
    expect(spawnClientOf(site.node).kept).toBe(1_000);
    site.services.spawnReply(peer, { ref: first, to: site.node.initPid, flags: 2, result: peer.pid() });
    expect(demonitors(site)).toEqual([]);
  });

  test('before there is a connection', async () => {
    const site = makeSite();
    const gate = makeGate();
    let peer: FakePeer | undefined;
    site.carrier.onConnect = async () => {
      await gate.opened;
      peer = site.peer();
      return true;
    };
    const controller = new AbortController();
    const called = failure(erpc.call(site.node, 'beam@x', 'm', 'f', [], { signal: controller.signal }));
    controller.abort();
    await called;
    gate.open();
    await site.settle();
    expect(peer?.controls).toEqual([]);
  });

  test('by the end of the process that calls', async () => {
    const site = makeSite();
    const peer = site.peer();
    let ended = false;
    const caller = site.node.spawn(async (self) => {
      try {
        await erpc.call(site.node, peer.name, 'm', 'f', [], { from: self });
      } finally {
        ended = true;
      }
    });
    await site.settle();
    const { ref, from } = requestAt(peer);
    const pid = peer.pid();
    site.services.spawnReply(peer, { ref, to: from, flags: 2, result: pid });
    const exit = awaitExit(site.node, caller);
    site.node.exit(caller, 'kill');
    await exit;
    await site.settle();
    expect(ended).toBe(true);
    expect(demonitors(site)).toEqual([{ op: 'demonitor', from: caller, target: pid, ref }]);
  });

  test('a signal that has fired before', async () => {
    const site = makeSite();
    const peer = site.peer();
    const called = erpc.call(site.node, peer.name, 'm', 'f', [], { signal: AbortSignal.abort() });
    await expectFailure(called, 'TROUPE_CALL_ABORTED');
    expect(peer.controls).toEqual([]);
  });
});

describe('replies that fit no request', () => {
  test('are dropped', async () => {
    const site = makeSite();
    const peer = site.peer();
    const other = site.peer('other@x');
    const called = failure(erpc.call(site.node, peer.name, 'm', 'f'));
    const { ref, from } = requestAt(peer);
    site.services.spawnReply(other, { ref, to: from, flags: 0, result: atom('notsup') });
    site.services.spawnReply(peer, { ref: peer.ref(), to: from, flags: 0, result: atom('notsup') });
    site.services.spawnReply(peer, { ref, to: peer.pid(), flags: 0, result: atom('notsup') });
    site.services.spawnReply(peer, { ref, to: from, flags: 0, result: atom('last') });
    expect((await called).reason).toEqual({ class: 'error', reason: tuple(atom('erpc'), atom('last')) });
  });

  test('a process without the monitor that was asked for', async () => {
    const site = makeSite();
    const peer = site.peer();
    const called = failure(erpc.call(site.node, peer.name, 'm', 'f'));
    const { ref, from } = requestAt(peer);
    site.services.spawnReply(peer, { ref, to: from, flags: 0, result: peer.pid() });
    expect((await called).reason).toEqual({ class: 'error', reason: tuple(atom('erpc'), atom('notsup')) });
  });
});

describe('a cast', () => {
  test('asks for a process without a monitor', () => {
    const site = makeSite();
    const peer = site.peer();
    const { self } = createProbe(site.node);
    erpc.cast(site.node, peer.name, 'm', 'f', [1], { from: self });
    const [control, terms] = peer.controls[0] ?? [];
    expect((control as Tuple).elements.slice(2)).toEqual([
      self.pid,
      site.node.whereis('troupe_io'),
      tuple(atom('erpc'), atom('execute_cast'), 3),
      [],
    ]);
    expect(terms).toEqual([atom('m'), atom('f'), [1]]);
    expect(() => erpc.cast(site.node, peer.name, 'm', 'f', [() => 0])).toThrow(/TROUPE_NOT_ENCODABLE/);
    expect(spawnClientOf(site.node).kept).toBe(0);
  });

  test('connects first', async () => {
    const undeliverable = recordTelemetry('troupe:message:undeliverable');
    const site = makeSite();
    erpc.cast(site.node, 'nobody@x', 'm', 'f');
    let peer: FakePeer | undefined;
    site.carrier.onConnect = () => {
      peer = site.peer();
      return true;
    };
    erpc.cast(site.node, 'beam@x', 'm', 'f', [() => 0]);
    erpc.cast(site.node, 'beam@x', 'm', 'f', [1]);
    await site.settle();
    expect(peer?.controls.map(([, terms]) => terms)).toEqual([[atom('m'), atom('f'), [1]]]);
    expect(undeliverable).toMatchObject([{ to: 'm:f/1 on beam@x', error: { code: 'TROUPE_NOT_ENCODABLE' } }]);
  });

  test('nothing to a node that runs nothing for others', () => {
    const site = makeSite();
    const old = site.peer('old@x', OWN_FLAGS & ~FLAGS.SPAWN);
    erpc.cast(site.node, old.name, 'm', 'f');
    expect(old.controls).toEqual([]);
  });
});

describe('calls of functions of the own node', () => {
  const seen: unknown[] = [];
  const expose = {
    m: {
      add: (_self: Process, a: number, b: number) => a + b,
      note: (_self: Process, value: unknown) => void seen.push(value),
      waits: () => new Promise<never>(() => undefined),
    },
  };

  test('find what is exposed', async () => {
    const { node, settle } = makeSite({ expose });
    expect(await erpc.call(node, node.name, 'm', 'add', [1, 2])).toBe(3);
    const error = await failure(erpc.call(node, node.name, 'm', 'remove'));
    expect(error.reason).toMatchObject({ class: 'error', reason: atom('undef') });
    erpc.cast(node, node.name, 'm', 'note', ['cast']);
    await settle();
    expect(seen).toEqual(['cast']);
  });

  test('have the same limit', async () => {
    const { node } = makeSite({ expose, maxExecutions: 1 });
    const signal = new AbortController();
    const first = failure(erpc.call(node, node.name, 'm', 'waits', [], { signal: signal.signal }));
    const second = await failure(erpc.call(node, node.name, 'm', 'add', [1, 2]));
    expect(second.reason).toMatchObject({ reason: tuple(atom('erpc'), atom('system_limit')) });
    const dropped = recordTelemetry('troupe:distribution:dropped');
    erpc.cast(node, node.name, 'm', 'note', ['too many']);
    expect(dropped).toEqual([expect.objectContaining({ what: expect.stringContaining('m:note/1') })]);
    signal.abort();
    await first;
  });
});
