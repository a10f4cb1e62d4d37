// Which nodes there are: what nodes of Troupe tell each other, and what BEAM nodes are asked.
import { describe, expect, test } from 'vitest';
import { atom, Pid, type Ref, tuple, type Tuple } from 'troupe';
import { createManualClock } from 'troupe/testing';
import {
  ASKED_EVERY_MS,
  CLUSTER,
  FIRST_ASKED_MS,
  NODES_MAX,
  type ServicesOptions,
} from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { Origin } from '../../../../../src/runtime/terms/internal.ts';
import { type FakePeer, makeSite, type Site } from './fake-peer.ts';

function begin(options: ServicesOptions = {}) {
  const clock = createManualClock();
  const site = makeSite({ learn: true, random: () => 0, ...options }, { clock });
  /** What was told by message, as [node, names]. */
  const told = (): unknown[] =>
    site.carrier.sent.splice(0).flatMap(({ peer, signal }) => {
      if (signal.op !== 'sendNamed' || signal.to !== CLUSTER) return [];
      const [tag, pid, names] = signal.message as Tuple;
      expect([tag, pid]).toEqual([atom(CLUSTER), site.node.whereis(CLUSTER)]);
      return [[peer, names]];
    });
  const settle = (): Promise<void> => clock.advance(0);
  return { ...site, site, clock, told, settle };
}

/** A node says that it is one of Troupe, and with which nodes it is connected. */
function tells(peer: FakePeer, names: unknown, from: unknown = peer.pid()): void {
  const message = tuple(atom(CLUSTER), from, names);
  peer.receive({ op: 'sendNamed', from: peer.pid(), to: CLUSTER, message });
}

/** How often a node was asked for its nodes. */
function asked(peer: FakePeer): number {
  return peer.controls.filter(([, terms]) => Array.isArray(terms) && terms[2] === atom('nodes')).length;
}

/** Answers the last question. */
function answers(site: Site, peer: FakePeer, reason: (tag: Ref) => unknown): void {
  const [control, terms] = peer.controls.at(-1) as [Tuple, readonly [Ref]];
  const [, ref, from] = control.elements as readonly [number, Ref, Pid];
  const result = peer.pid();
  site.services.spawnReply(peer, { ref, to: from, flags: 2, result });
  peer.receive({ op: 'down', target: result, to: from, ref, reason: reason(terms[0]) });
}

describe('nodes of Troupe', () => {
  test('tell a node that comes up of all others, and the others of it', () => {
    const { peer, told } = begin();
    const a = peer('a@x');
    expect(told()).toEqual([['a@x', []]]);
    tells(a, []);
    const b = peer('b@x');
    expect(told()).toEqual([['b@x', ['a@x']]]);
    tells(b, []);
  });

  test('tell the others only when they have said that they are of Troupe', async () => {
    const { peer, told, settle } = begin();
    tells(peer('a@x'), []);
    peer('beam@x');
    await settle();
    told();
    peer('c@x');
    expect(told()).toEqual([
      ['c@x', ['a@x', 'beam@x']],
      ['a@x', ['c@x']],
    ]);
  });

  test('connect with the nodes that they hear of', async () => {
    const { peer, carrier, settle } = begin();
    tells(peer('a@x'), ['b@x', 'c@x', 'here@x', 'a@x']);
    await settle();
    expect(carrier.dialled).toEqual(['b@x', 'c@x']);
  });

  test('with learn false they tell, and do not connect', async () => {
    const { peer, carrier, told, settle, clock } = begin({ learn: false });
    const a = peer('a@x');
    tells(a, ['b@x']);
    await settle();
    peer('c@x');
    expect(told()).toContainEqual(['a@x', ['c@x']]);
    await clock.advance(ASKED_EVERY_MS);
    expect([carrier.dialled, asked(a)]).toEqual([[], 0]);
  });

  test('are not asked by erpc', async () => {
    const { peer, clock } = begin();
    const a = peer('a@x');
    tells(a, []);
    await clock.advance(ASKED_EVERY_MS * 2);
    expect(asked(a)).toBe(0);
  });

  test('what is malformed, or from a node that is not connected, is left out', async () => {
    const { peer, carrier, settle } = begin();
    const a = peer('a@x');
    tells(a, 'none');
    tells(a, ['b@x'], 'nobody');
    tells(a, ['b@x'], new Pid(new Origin('far@x', 7), 1, 0));
    tells(a, [5, null, 'no name', tuple('b@x'), ['b@x']]);
    a.receive({ op: 'sendNamed', from: a.pid(), to: CLUSTER, message: 'hello' });
    a.receive({ op: 'sendNamed', from: a.pid(), to: CLUSTER, message: tuple() });
    await settle();
    expect(carrier.dialled).toEqual([]);
  });

  test('a message with too many names', async () => {
    const { peer, carrier, settle } = begin();
    carrier.onConnect = () => new Promise(() => undefined);
    const names = Array.from({ length: NODES_MAX }, () => 'same@x');
    tells(peer('a@x'), [...names, 'late@x']);
    await settle();
    expect(carrier.dialled).toEqual(['same@x']);
  });

  test('one that is lost is dialled again; one that the program has disconnected is not', async () => {
    const { site, peer, carrier, clock, settle } = begin();
    carrier.onConnect = () => true;
    const a = peer('a@x');
    tells(a, ['b@x', 'c@x']);
    await settle();
    const [b, c] = [peer('b@x'), peer('c@x')];
    carrier.dialled.length = 0;
    site.lose(b);
    site.lose(c, 'disconnect');
    await clock.advance(1_000);
    expect(carrier.dialled).toEqual(['b@x']);
  });
});

describe('BEAM nodes', () => {
  const nodes =
    (...names: string[]) =>
    (tag: Ref): unknown =>
      tuple(tag, atom('return'), names.map(atom));

  test('are asked for their visible nodes when they are up, and then at intervals', async () => {
    const { site, peer, carrier, clock, settle } = begin();
    const beam = peer();
    await clock.advance(FIRST_ASKED_MS - 1);
    expect(asked(beam)).toBe(0);
    await clock.advance(1);
    answers(site, beam, nodes('b@x'));
    await settle();
    expect(carrier.dialled).toEqual(['b@x']);
    await clock.advance(ASKED_EVERY_MS);
    expect(asked(beam)).toBe(2);
    answers(site, beam, nodes('b@x', 'c@x'));
    await settle();
    expect(carrier.dialled).toContain('c@x');
  });

  test('the interval is an option', async () => {
    const { site, peer, clock, settle } = begin({ learnEveryMs: 100 });
    const beam = peer();
    await clock.advance(FIRST_ASKED_MS);
    answers(site, beam, nodes());
    await settle();
    await clock.advance(100);
    expect(asked(beam)).toBe(2);
  });

  test('one that does not answer is asked again; one that cannot is not', async () => {
    const { site, peer, clock, settle } = begin();
    const slow = peer('slow@x');
    const other = peer('other@x');
    const odd = peer('odd@x');
    await clock.advance(FIRST_ASKED_MS);
    answers(site, other, (tag) => tuple(tag, atom('error'), atom('undef'), []));
    answers(site, odd, (tag) => tuple(tag, atom('return'), 'none'));
    await settle();
    await clock.advance(5_000 + ASKED_EVERY_MS);
    expect([slow, other, odd].map(asked)).toEqual([2, 1, 2]);
  });

  test('not after they are lost, or the carrier has closed', async () => {
    const { site, services, peer, clock } = begin();
    const beam = peer();
    site.lose(beam);
    const other = peer('other@x');
    await clock.advance(FIRST_ASKED_MS);
    const third = peer('third@x');
    services.close();
    await clock.advance(ASKED_EVERY_MS * 2);
    expect([beam, other, third].map(asked)).toEqual([0, 1, 0]);
  });

  test('an answer that comes after the connection was lost and made again counts for nothing', async () => {
    const { site, peer, clock } = begin();
    const beam = peer();
    await clock.advance(FIRST_ASKED_MS);
    site.lose(beam);
    const again = peer();
    await clock.advance(FIRST_ASKED_MS);
    await clock.advance(5_000);
    expect([asked(beam), asked(again)]).toEqual([1, 1]);
  });
});

test('seeds are kept connected from the first turn on', async () => {
  const { carrier, site } = begin({ seeds: ['seed@x', 'here@x'] });
  await site.settle();
  expect(carrier.dialled).toEqual(['seed@x']);
});
