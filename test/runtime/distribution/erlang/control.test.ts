// Signals on the wire, both ways: what a node writes for each, and what it makes of all that `erl_dist_protocol` lets a peer
// send. The peer is led by hand.
import { atom, defineServer, Down, Exit, ImproperList, Pid, Ref, Tuple, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import { recordTelemetry } from '../../process/helpers.ts';
import { collector, forever } from '../cluster.ts';
import { puppet } from '../pair.ts';
import { FEW_FLAGS, FULL_FLAGS, rawPeer, type RawPeer, type Received, SOON, startSite } from './raw-peer.ts';

const SITE = 'control@x';
const UNUSED = atom('');
const TOKEN = tuple(0, 'label', 1, 2, 3);

/** A node and a peer. */
async function begin(flags = FULL_FLAGS) {
  const site = await startSite(SITE);
  const peer = await rawPeer(site, { flags });
  // Nodes of Troupe greet; so do their services.
  await peer.next(({ payload }) => payload instanceof Tuple && payload.elements[0] === atom('hello'));
  return { site, node: site.node, peer };
}

/** Waits until the node has handled all that the peer has sent so far: a monitor is answered in order. */
async function handled(peer: RawPeer): Promise<void> {
  const ref = peer.ref(9, 9, 9, ++marks);
  peer.send([19, peer.pid(1), atom('nobody has this name'), ref]);
  await peer.next(({ control }) => [21, 28].includes(control[0] as number) && ref.equals(control[3]));
}
let marks = 0;

/** A message with pids and refs as their keys, and atoms as `:name`. */
function shown({ control, payload }: Received): unknown[] {
  return payload === undefined ? control.map(show) : [...control.map(show), show(payload)];
}

function show(term: unknown): unknown {
  if (term instanceof Pid || term instanceof Ref) return term.key;
  if (term instanceof Tuple) return { tuple: term.elements.map(show) };
  if (term instanceof ImproperList) return { list: term.items.map(show), tail: show(term.tail) };
  return typeof term === 'object' && term !== null && 'name' in term ? `:${String(term.name)}` : term;
}

/** What is sent about a process: everything but the business of services. */
function about(peer: RawPeer, pid: Pid): Promise<Received> {
  return peer.next(({ control }) => control.some((item) => pid.equals(item)));
}

describe.each([
  ['headers and payloads', FULL_FLAGS, true],
  ['as few as possible', FEW_FLAGS, false],
])('what is written with %s', (_what, flags, full) => {
  test('messages', async () => {
    const { node, peer } = await begin(flags);
    const { self } = puppet(node);
    self.send(peer.pid(5), { id: 1 });
    const sent = await peer.next(({ control }) => control[0] === (full ? 22 : 2));
    expect(shown(sent)).toEqual([full ? 22 : 2, full ? self.pid.key : ':', peer.pid(5).key, { id: 1 }]);
    self.send({ name: 'somebody', node: 'raw@x' }, 'hello');
    expect(shown(await about(peer, self.pid))).toEqual([6, self.pid.key, ':', ':somebody', 'hello']);
  });

  test('exit signals', async () => {
    const { node, peer } = await begin(flags);
    const [one, two] = [puppet(node), puppet(node)];
    const to = peer.pid(5);
    one.self.exit(to, 'kill');
    expect(shown(await about(peer, one.pid))).toEqual([full ? 26 : 8, one.pid.key, to.key, ':kill']);
    two.self.link(to);
    expect(shown(await about(peer, two.pid))).toEqual([1, two.pid.key, to.key]);
    node.exit(two.pid, ['shutdown', 7]);
    const reason = { tuple: [':shutdown', 7] };
    expect(shown(await about(peer, two.pid))).toEqual([full ? 24 : 3, two.pid.key, to.key, reason]);
  });

  test('a monitored process ends', async () => {
    const { node, peer } = await begin(flags);
    const [target, named] = [forever(node), collector(node, 'named').pid];
    peer.send([19, peer.pid(5), target, peer.ref(1, 2, 3)]);
    peer.send([19, peer.pid(5), atom('named'), peer.ref(1, 2, 4)]);
    peer.send([19, peer.pid(5), atom('named'), peer.ref(1, 2, 5)]);
    peer.send([20, peer.pid(5), atom('named'), peer.ref(1, 2, 5)]);
    await handled(peer);
    node.exit(target, 'boom');
    node.exit(named, 'kill');
    const op = full ? 28 : 21;
    const to = peer.pid(5).key;
    expect(shown(await peer.op(op))).toEqual([op, target.key, to, peer.ref(1, 2, 3).key, 'boom']);
    expect(shown(await peer.op(op))).toEqual([op, ':named', to, peer.ref(1, 2, 4).key, ':killed']);
    await handled(peer);
    expect(peer.received.filter(({ control }) => control[0] === op)).toEqual([]);
  });

  test('links and monitors of processes that are not there end at once', async () => {
    const { node, peer } = await begin(flags);
    const dead = forever(node);
    node.exit(dead, 'kill');
    peer.send([1, peer.pid(5), dead]);
    expect(shown(await about(peer, dead))).toEqual([full ? 24 : 3, dead.key, peer.pid(5).key, ':noproc']);
    peer.send([19, peer.pid(5), dead, peer.ref(1, 2, 3)]);
    const { control } = await about(peer, dead);
    expect(control.slice(0, 1).map(show)).toEqual([full ? 28 : 21]);
  });

  test('the group leader', async () => {
    const { node, peer } = await begin(flags);
    const leader = forever(node);
    node.router.peer('raw@x').send({ op: 'groupLeader', leader, to: peer.pid(5) });
    expect(shown(await about(peer, leader))).toEqual([7, leader.key, peer.pid(5).key]);
  });

  test('a large message arrives whole', async () => {
    const { node, peer } = await begin(flags);
    const text = 'x'.repeat(300_000);
    const { self } = puppet(node);
    self.send(peer.pid(5), [text, 1]);
    const { payload } = await peer.next(({ control }) => control[0] === (full ? 22 : 2));
    expect(payload).toEqual([text, 1]);
    expect(peer.frameBytes.some((bytes) => bytes > 100_000)).toBe(!full);
  });
});

describe('monitors and unlinks', () => {
  test('unlink has an id, and is over when that is acknowledged', async () => {
    const { node, peer } = await begin();
    const { self } = puppet(node);
    const to = peer.pid(5);
    self.link(to);
    self.unlink(to);
    expect(shown(await about(peer, self.pid))).toEqual([1, self.pid.key, to.key]);
    expect(shown(await about(peer, self.pid))).toEqual([35, 1, self.pid.key, to.key]);
    // An exit that crosses it has no effect.
    peer.send([24, to, self.pid], atom('late'));
    peer.send([36, 1, to, self.pid]);
    await handled(peer);
    expect(self.extra?.remoteLinks?.size).toBe(0);
    expect(node.isAlive(self.pid)).toBe(true);
  });

  test('for a peer without ids it is the old UNLINK, and over at once', async () => {
    const { node, peer } = await begin(FEW_FLAGS);
    const { self } = puppet(node);
    self.link(peer.pid(5));
    self.unlink(peer.pid(5));
    expect(self.extra?.remoteLinks?.size).toBe(0);
    await about(peer, self.pid);
    expect(shown(await about(peer, self.pid))).toEqual([4, self.pid.key, peer.pid(5).key]);
    peer.send([1, peer.pid(6), self.pid]);
    peer.send([4, peer.pid(6), self.pid]);
    peer.send([35, 9, peer.pid(6), self.pid]);
    await handled(peer);
    expect(self.extra?.remoteLinks?.size).toBe(0);
    expect(peer.received.filter(({ control }) => control[0] === 36)).toEqual([]);
  });

  test.each([1, 255, 2 ** 40, 2n ** 53n, 2n ** 64n - 1n])(
    'an unlink of a peer: id %d goes back',
    async (id) => {
      const { node, peer } = await begin();
      const pid = forever(node);
      peer.send([1, peer.pid(5), pid]);
      peer.send([35, id, peer.pid(5), pid]);
      const { control } = await about(peer, pid);
      expect([BigInt(control[1] as number), ...control.slice(2).map(show)]).toEqual([
        BigInt(id),
        pid.key,
        peer.pid(5).key,
      ]);
      expect(node.processInfo(pid)?.links).toEqual([]);
    },
  );

  test('a monitor and its end', async () => {
    const { node, peer } = await begin();
    const { self, got } = puppet(node);
    const ref = self.monitor(peer.pid(5));
    expect(shown(await about(peer, self.pid))).toEqual([19, self.pid.key, peer.pid(5).key, ref.key]);
    self.demonitor(ref);
    expect(shown(await about(peer, self.pid))).toEqual([20, self.pid.key, peer.pid(5).key, ref.key]);
    const byName = self.monitor({ name: 'srv', node: 'raw@x' });
    expect(shown(await about(peer, self.pid))).toEqual([19, self.pid.key, ':srv', byName.key]);
    peer.send([28, atom('srv'), self.pid, byName], atom('noproc'));
    await handled(peer);
    await expect.poll(() => got, SOON).toEqual([new Down(byName, { name: 'srv', node: 'raw@x' }, 'noproc')]);
  });

  test('a peer that knows no monitors is sent none', async () => {
    const { node, peer } = await begin(FEW_FLAGS);
    const { self } = puppet(node);
    self.demonitor(self.monitor(peer.pid(5)));
    self.send(peer.pid(5), 'next');
    expect(shown(await peer.op(2))).toEqual([2, ':', peer.pid(5).key, 'next']);
    expect(peer.received.filter(({ control }) => [19, 20].includes(control[0] as number))).toEqual([]);
  });
});

describe('what comes with a message', () => {
  const cases: ReadonlyArray<readonly [string, (peer: RawPeer, to: Pid) => readonly unknown[]]> = [
    ['SEND_SENDER', (peer, to) => [22, peer.pid(5), to]],
    ['SEND_SENDER_TT', (peer, to) => [23, peer.pid(5), to, TOKEN]],
    ['SEND', (_peer, to) => [2, UNUSED, to]],
    ['SEND_TT', (_peer, to) => [12, UNUSED, to, TOKEN]],
    ['REG_SEND', (peer) => [6, peer.pid(5), UNUSED, atom('named')]],
    ['REG_SEND_TT', (peer) => [16, peer.pid(5), UNUSED, atom('named'), TOKEN]],
    ['ALTACT_SIG_SEND to a pid', (peer, to) => [37, 1, peer.pid(5), to]],
    ['ALTACT_SIG_SEND with a token', (peer, to) => [37, 3, peer.pid(5), to, TOKEN]],
    ['ALTACT_SIG_SEND to a name', (peer) => [37, 8, peer.pid(5), atom('named')]],
    ['ALTACT_SIG_SEND with unknown flags', (peer, to) => [37, 2n ** 70n, peer.pid(5), to, TOKEN, 'more']],
  ];

  test.each(cases)('%s', async (_name, control) => {
    for (const flags of [FULL_FLAGS, FEW_FLAGS]) {
      const { node, peer } = await begin(flags);
      const { pid, got } = collector(node, 'named');
      peer.send(control(peer, pid), { text: 'ä', list: [1, 2, 3] });
      await expect.poll(() => got, SOON).toEqual([{ text: 'ä', list: [1, 2, 3] }]);
      await node.stop();
    }
  });

  test('nobody is there: nothing happens', async () => {
    const { node, peer } = await begin();
    const dead = forever(node);
    node.exit(dead, 'kill');
    for (const [, control] of cases) peer.send(control(peer, dead), 'hello');
    peer.send([22, peer.pid(5), peer.pid(6)], 'to myself');
    await handled(peer);
    expect(node.nodes()).toEqual(['raw@x']);
  });
});

describe('answers to calls', () => {
  const server = defineServer({ init: () => 0, call: { echo: (_state, value: unknown) => value } });

  test('go to the alias', async () => {
    const { node, peer } = await begin();
    const { pid } = await node.start(server, []);
    const ref = peer.ref(7, 8, 9);
    const from = tuple(peer.pid(5), new ImproperList([atom('alias')], ref));
    peer.send([22, peer.pid(5), pid], tuple(atom('$gen_call'), from, tuple(atom('echo'), 'x')));
    const answer = { tuple: [{ list: [':alias'], tail: ref.key }, 'x'] };
    expect(shown(await peer.op(33))).toEqual([33, pid.key, ref.key, answer]);
  });

  test.each([
    ['ALIAS_SEND', (peer: RawPeer, _to: Pid, alias: Ref) => [33, peer.pid(5), alias]],
    ['ALIAS_SEND_TT', (peer: RawPeer, _to: Pid, alias: Ref) => [34, peer.pid(5), alias, TOKEN]],
    ['ALTACT_SIG_SEND', (peer: RawPeer, _to: Pid, alias: Ref) => [37, 4, peer.pid(5), alias]],
    ['SEND_SENDER', (peer: RawPeer, to: Pid) => [22, peer.pid(5), to]],
  ])('come as %s', async (_name, control) => {
    const { node, peer } = await begin();
    const { call } = await import('troupe');
    const answer = call(node, { name: 'srv', node: 'raw@x' }, 'get', 1);
    const { payload } = await peer.next(
      (received) => received.payload instanceof Tuple && received.payload.elements[0] === atom('$gen_call'),
    );
    const [, from] = (payload as Tuple).elements;
    const [pid, tag] = (from as Tuple).elements as [Pid, ImproperList];
    const alias = tag.tail as Ref;
    // What is no answer to this call is left out.
    const left = recordTelemetry('troupe:distribution:dropped');
    peer.send([33, peer.pid(5), alias], 'a plain message');
    peer.send([33, peer.pid(5), alias], tuple(new ImproperList([atom('alias')], peer.ref(1)), 'wrong'));
    peer.send(control(peer, pid, alias), tuple(tag, 'right'));
    expect(await answer).toBe('right');
    expect(left).toMatchObject([{ peer: 'raw@x' }, { peer: 'raw@x' }]);
  });
});

describe('what comes with a reason', () => {
  test.each([
    ['PAYLOAD_EXIT', [24], true],
    ['PAYLOAD_EXIT_TT', [25], true],
    ['EXIT', [3], false],
    ['EXIT_TT', [13], false],
    ['PAYLOAD_EXIT2', [26], true],
    ['PAYLOAD_EXIT2_TT', [27], true],
    ['EXIT2', [8], false],
    ['EXIT2_TT', [18], false],
  ])('%s', async (_name, [op], payload) => {
    for (const flags of [FULL_FLAGS, FEW_FLAGS]) {
      const { node, peer } = await begin(flags);
      const { pid, got } = puppet(node, true);
      const reason = tuple(atom('shutdown'), 'bye');
      const token = [25, 13, 27, 18].includes(op as number) ? [TOKEN] : [];
      peer.send([1, peer.pid(5), pid]);
      if (payload) peer.send([op, peer.pid(5), pid, ...token], reason);
      else peer.send([op, peer.pid(5), pid, ...token, reason]);
      await expect.poll(() => got.length, SOON).toBe(1);
      expect(got[0]).toBeInstanceOf(Exit);
      expect((got[0] as Exit).reason).toEqual(['shutdown', 'bye']);
      await node.stop();
    }
  });

  test('ALTACT_SIG_SEND, to a pid; to others it is left out', async () => {
    const { node, peer } = await begin();
    const left = recordTelemetry('troupe:distribution:dropped');
    const { pid } = puppet(node, true);
    peer.send([37, 16 + 4, peer.pid(5), peer.ref(1, 2, 3)], atom('kill'));
    peer.send([37, 16 + 8, peer.pid(5), atom('somebody')], atom('kill'));
    peer.send([37, 16, peer.pid(5), pid], atom('kill'));
    await handled(peer);
    expect(node.isAlive(pid)).toBe(false);
    expect(left).toHaveLength(2);
  });

  test.each([
    ['PAYLOAD_MONITOR_P_EXIT', 28],
    ['MONITOR_P_EXIT', 21],
  ])('%s, of a pid, a name, and a name with its node', async (_name, op) => {
    const { node, peer } = await begin();
    const { self, got } = puppet(node);
    const target = { name: 'srv', node: 'raw@x' };
    const ends: ReadonlyArray<readonly [unknown, Ref]> = [
      [peer.pid(5), self.monitor(peer.pid(5))],
      [atom('srv'), self.monitor(target)],
      [tuple(atom('srv'), atom('raw@x')), self.monitor(target)],
    ];
    for (const [object, ref] of ends) {
      if (op === 28) peer.send([28, object, self.pid, ref], atom('killed'));
      else peer.send([21, object, self.pid, ref, atom('killed')]);
    }
    await expect.poll(() => got.length, SOON).toBe(3);
    expect(got).toMatchObject([
      { reason: 'killed' },
      { reason: 'killed', target },
      { reason: 'killed', target },
    ]);
  });
});

describe('incarnations', () => {
  test('the end of a link is not told to a pid of an earlier one: a BEAM node would close the connection', async () => {
    const { node, peer } = await begin();
    const pid = forever(node);
    const dead = forever(node);
    node.exit(dead, 'kill');
    peer.send([1, peer.pid(5, 76), dead]);
    peer.send([1, peer.pid(5, 76), pid]);
    peer.send([1, peer.pid(5), pid]);
    await handled(peer);
    node.exit(pid, 'boom');
    expect(shown(await peer.op(24))).toEqual([24, pid.key, peer.pid(5).key, 'boom']);
    await handled(peer);
    expect(peer.received.filter(({ control }) => control[0] === 24)).toEqual([]);
  });

  test('who speaks for another node is not heard, and stays connected', async () => {
    const { node, peer } = await begin();
    const bad = recordTelemetry('troupe:node:bad_signal');
    const { pid, got } = collector(node);
    peer.send([22, node.initPid, pid], 'forged');
    peer.send([26, node.initPid, pid], atom('kill'));
    await handled(peer);
    expect([got, bad.length, node.isAlive(pid)]).toEqual([[], 2, true]);
  });
});

describe('other control messages', () => {
  test('GROUP_LEADER', async () => {
    const { node, peer } = await begin();
    const pid = forever(node);
    peer.send([7, peer.pid(5), pid]);
    await handled(peer);
    expect(node.processInfo(pid)?.groupLeader?.key).toBe(peer.pid(5).key);
  });

  test.each([29, 30])('SPAWN_REQUEST %d', async (op) => {
    const { peer } = await begin();
    const [ref, from] = [peer.ref(1, 2, 3), peer.pid(5)];
    const what = tuple(atom('lists'), atom('sort'), 1);
    const token = op === 30 ? [TOKEN] : [];
    peer.send([op, ref, from, peer.pid(6), what, [atom('monitor')], ...token], [[3, 1, 2]]);
    expect(shown(await peer.op(31))).toEqual([31, ref.key, from.key, 0, ':notsup']);
  });

  test.each([31, 32])('SPAWN_REPLY %d that nobody asked for', async (op) => {
    const { node, peer } = await begin();
    const token = op === 32 ? [TOKEN] : [];
    peer.send([op, node.makeRef(), node.initPid, 0, atom('notsup'), ...token]);
    peer.send([op, node.makeRef(), node.initPid, 2, peer.pid(5), ...token]);
    await handled(peer);
    expect(node.nodes()).toEqual(['raw@x']);
  });

  test('what came with the last message of the handshake is read first', async () => {
    const site = await startSite(SITE);
    const { got } = collector(site.node, 'named');
    const other = await rawPeer(site, { name: 'other@x' });
    const frame = (text: string) => other.frame([6, other.pid(5), UNUSED, atom('named')], text);
    const [first, second] = [frame('first'), frame('second')];
    const leftover = Buffer.concat([first, second.subarray(0, 20)]);
    // The pid of another node in it is fine as long as the connection is that node's.
    other.socket.destroy();
    await expect.poll(() => site.node.nodes(), SOON).toEqual([]);
    const peer = await rawPeer(site, { name: 'other@x', leftover });
    peer.write(second.subarray(20));
    await expect.poll(() => got, SOON).toEqual(['first', 'second']);
  });
});
