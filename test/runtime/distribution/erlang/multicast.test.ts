// One message for several processes of another node: one frame to a node of Troupe, one for each to others.
import { atom, defineChannel, ImproperList, type Node, Pid, type Tuple, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import {
  MAX_LISTED,
  MAX_LISTS,
  ReceivedLists,
  SentLists,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { TermReader, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { collector } from '../cluster.ts';
import { puppet } from '../pair.ts';
import {
  FEW_FLAGS,
  FULL_FLAGS,
  rawPeer,
  type RawPeer,
  type Received,
  type Site,
  SOON,
  startSite,
} from './raw-peer.ts';

const NAMES = ['many@one', 'many@two', 'many@three'] as const;
const TROUPE = atom('$troupe');

/** Two nodes that know what they are. */
async function pair(): Promise<[Site, Site]> {
  const sites: [Site, Site] = [await startSite(NAMES[0]), await startSite(NAMES[1])];
  await sites[0].node.connect(NAMES[1]);
  for (const { carrier } of sites) await expect.poll(() => carrier.peers()[0]?.troupe, SOON).toBe(true);
  return sites;
}

function send(node: Node, peer: string, to: readonly Pid[], message: unknown): void {
  node.router.peer(peer).send({ op: 'sendMany', from: node.initPid, to, message });
}

function sent({ carrier }: Site): { messages: number; bytes: number } {
  const { messages = 0, bytes = 0 } = carrier.peers()[0]?.sent ?? {};
  return { messages, bytes: bytes + (carrier.peers()[0]?.queuedBytes ?? 0) };
}

/** What went out while something was done. */
function cost(site: Site, run: () => void): { messages: number; bytes: number } {
  const before = sent(site);
  run();
  const after = sent(site);
  return { messages: after.messages - before.messages, bytes: after.bytes - before.bytes };
}

const isMany = ({ control }: Received) => control[3] === TROUPE;

function elements({ payload }: Received): readonly unknown[] {
  return (payload as Tuple).elements;
}

describe('between nodes of Troupe', () => {
  test('one frame for all, and who they are only once', async () => {
    const [one, two] = await pair();
    const members = Array.from({ length: 1_000 }, () => collector(two.node));
    const list = Object.freeze(members.map(({ pid }) => pid));
    const first = cost(one, () => send(one.node, NAMES[1], list, 'first'));
    const second = cost(one, () => send(one.node, NAMES[1], list, 'second'));
    expect([first.messages, second.messages]).toEqual([1, 1]);
    expect(first.bytes).toBeGreaterThan(8_000);
    expect(second.bytes).toBeLessThan(200);
    await expect.poll(() => members.at(-1)?.got, SOON).toEqual(['first', 'second']);
    expect(members.every(({ got }) => got.length === 2)).toBe(true);
    // A list that may still change is not kept.
    const open = list.slice();
    for (let round = 0; round < 2; round++) {
      expect(cost(one, () => send(one.node, NAMES[1], open, 'third')).bytes).toBeGreaterThan(8_000);
    }
    await expect.poll(() => members.at(-1)?.got.length, SOON).toBe(4);
  });

  test('nobody uses a list before the one who has told of it, whatever waits', async () => {
    const [one, two] = await pair();
    const members = Array.from({ length: 10 }, () => collector(two.node));
    const senders = [one.node.spawn((self) => self.receive()), one.node.spawn((self) => self.receive())];
    const [slow, quick] = senders as [Pid, Pid];
    const list = Object.freeze(members.map(({ pid }) => pid));
    const other = Object.freeze(members.slice(1).map(({ pid }) => pid));
    const peer = one.node.router.peer(NAMES[1]);
    const large = 'x'.repeat(300_000);
    // In fragments, which what others send may pass.
    peer.send({ op: 'send', from: slow, to: list[0] as Pid, message: large });
    peer.send({ op: 'sendMany', from: slow, to: list, message: 'slow' });
    peer.send({ op: 'sendMany', from: quick, to: list, message: 'quick' });
    // One that is itself in fragments.
    await expect.poll(() => members.at(-1)?.got.toSorted(), SOON).toEqual(['quick', 'slow']);
    peer.send({ op: 'sendMany', from: slow, to: other, message: large });
    peer.send({ op: 'sendMany', from: quick, to: other, message: 'after' });
    await expect.poll(() => members.at(-1)?.got.length, SOON).toBe(4);
    expect(members.every(({ got }) => got.length >= 2)).toBe(true);
    expect(one.carrier.peers()[0]?.state).toBe('up');
  });

  test('members that have ended get nothing; one that is there twice gets it twice', async () => {
    const [one, two] = await pair();
    const [alive, dead] = [collector(two.node), collector(two.node)];
    const list = Object.freeze([alive.pid, dead.pid, alive.pid]);
    send(one.node, NAMES[1], list, 1);
    await expect.poll(() => dead.got, SOON).toEqual([1]);
    two.node.exit(dead.pid, 'kill');
    send(one.node, NAMES[1], list, 2);
    await expect.poll(() => alive.got, SOON).toEqual([1, 1, 2, 2]);
    expect(dead.got).toEqual([1]);
  });

  test('all of them share one message object', async () => {
    const [one, two] = await pair();
    const members = Array.from({ length: 3 }, () => collector(two.node));
    send(
      one.node,
      NAMES[1],
      members.map(({ pid }) => pid),
      { id: 1 },
    );
    await expect.poll(() => members.map(({ got }) => got.length), SOON).toEqual([1, 1, 1]);
    expect(new Set(members.map(({ got }) => got[0])).size).toBe(1);
  });

  test('in order with other messages, and for one or nobody like any message', async () => {
    const [one, two] = await pair();
    const { pid, got } = collector(two.node);
    const list = Object.freeze([pid, pid]);
    one.node.send(pid, 1);
    send(one.node, NAMES[1], list, 2);
    one.node.send(pid, 3);
    send(one.node, NAMES[1], list, 4);
    send(one.node, NAMES[1], Object.freeze([pid]), 5);
    expect(cost(one, () => send(one.node, NAMES[1], [], 6)).messages).toBe(0);
    await expect.poll(() => got, SOON).toEqual([1, 2, 2, 3, 4, 4, 5]);
  });

  test('pids of an earlier incarnation are left out', async () => {
    const [one, two] = await pair();
    const { pid, got } = collector(two.node);
    const stale = new Pid(new Origin(NAMES[1], 5), pid.id, pid.serial);
    const list = Object.freeze([stale, pid, stale]);
    for (const message of [1, 2]) send(one.node, NAMES[1], list, message);
    await expect.poll(() => got, SOON).toEqual([1, 2]);
  });

  test('more lists than are kept', async () => {
    const [one, two] = await pair();
    const { pid, got } = collector(two.node);
    const lists = Array.from({ length: MAX_LISTS + 100 }, () => Object.freeze([pid, pid]));
    const known = () =>
      lists.map((list, index) => cost(one, () => send(one.node, NAMES[1], list, index)).bytes);
    const first = known();
    // The last of them are known, the first ones are forgotten; those are told anew, and drive the others out.
    const last = cost(one, () => send(one.node, NAMES[1], lists.at(-1) as readonly Pid[], 'last'));
    expect(last.bytes).toBeLessThan(first.at(-1) as number);
    known();
    await expect.poll(() => got.length, SOON).toBe(4 * lists.length + 2);
  });

  test('a large message goes out in fragments', async () => {
    const [one, two] = await pair();
    const members = Array.from({ length: 3 }, () => collector(two.node));
    const list = Object.freeze(members.map(({ pid }) => pid));
    const text = 'x'.repeat(1_000_000);
    for (let round = 0; round < 2; round++) send(one.node, NAMES[1], list, text);
    for (const { got } of members) await expect.poll(() => got, SOON).toEqual([text, text]);
  });

  test('a broadcast reaches the members of each node', async () => {
    const channel = defineChannel<{ topic: { id: number } }>('multicast-test');
    const sites = [await startSite(NAMES[0]), await startSite(NAMES[1]), await startSite(NAMES[2])];
    const got: unknown[] = [];
    for (const { node } of sites) {
      for (let count = 0; count < 5; count++) {
        node.spawn({
          name: 'member',
          init: (self) => channel.join(self),
          handle: (_self, message) => void got.push(message),
        });
      }
    }
    const [first, ...others] = sites as [Site, Site, Site];
    for (const { node } of others) await first.node.connect(node.name);
    await others[0]?.node.connect(NAMES[2]);
    for (const { node } of sites) await expect.poll(() => channel.getMembers(node).length, SOON).toBe(15);
    const { self } = puppet(first.node);
    channel.broadcast(self, 'topic', { id: 1 });
    await expect.poll(() => got.length, SOON).toBe(15);
    for (const message of got) {
      const [name, sender, topic, payload] = message as [string, Pid, string, unknown];
      expect([name, sender.key, topic, payload]).toEqual([
        'multicast-test',
        self.pid.key,
        'topic',
        { id: 1 },
      ]);
    }
  });
});

describe('to other nodes', () => {
  test.each([
    ['with headers', FULL_FLAGS, 22],
    ['without', FEW_FLAGS, 2],
  ])('a frame for each, %s', async (_what, flags, op) => {
    const site = await startSite(NAMES[0]);
    const peer = await rawPeer(site, { flags });
    const list = Object.freeze([peer.pid(5), peer.pid(6), peer.pid(5)]);
    send(site.node, 'raw@x', list, { id: 1 });
    for (const pid of list) {
      const { control, payload } = await peer.op(op);
      expect([pid.equals(control[2]), payload]).toEqual([true, { id: 1 }]);
    }
  });

  test('until they have said hello', async () => {
    const site = await startSite(NAMES[0]);
    const peer = await rawPeer(site);
    const hello = await peer.next(isMany);
    expect(elements(hello)).toEqual([atom('hello'), 1]);
    const list = Object.freeze([peer.pid(5), peer.pid(6)]);
    greet(peer);
    await expect.poll(() => site.carrier.peers()[0]?.troupe, SOON).toBe(true);
    for (const message of ['first', 'second']) send(site.node, 'raw@x', list, message);
    const ids = Uint8Array.from([0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]);
    expect(elements(await peer.next(isMany))).toEqual([atom('many'), 1, ids, 'first']);
    expect(elements(await peer.next(isMany))).toEqual([atom('many'), 1, [], 'second']);
  });

  test('what cannot be sent leaves a list unknown', async () => {
    const site = await startSite(NAMES[0]);
    const peer = await rawPeer(site);
    greet(peer);
    await expect.poll(() => site.carrier.peers()[0]?.troupe, SOON).toBe(true);
    const list = Object.freeze([peer.pid(5), peer.pid(6)]);
    expect(() => send(site.node, 'raw@x', list, () => 1)).toThrow(/function/);
    send(site.node, 'raw@x', list, 'good');
    await peer.next(isMany);
    expect(elements(await peer.next(isMany)).slice(1)).toMatchObject([1, { length: 16 }, 'good']);
  });

  test('a message in the form of a record is that record; a receiver that is named twice gets it once', async () => {
    const site = await startSite(NAMES[0]);
    const peer = await rawPeer(site);
    const { pid, got } = collector(site.node);
    const ids = Buffer.alloc(16);
    for (const at of [0, 8]) {
      ids.writeUInt32BE(pid.id, at);
      ids.writeUInt32BE(pid.serial, at + 4);
    }
    const control = [6, peer.pid(5), atom(''), TROUPE];
    const cast = tuple(atom('$gen_cast'), tuple(atom('note'), 1));
    peer.send(control, tuple(atom('many'), 9, ids, cast));
    peer.send(control, tuple(atom('many'), 9, [], new ImproperList([1], 2)));
    await expect.poll(() => got.length, SOON).toBe(2);
    expect(got[0]).toMatchObject({ name: 'note', argument: 1 });
    expect(got[1]).toEqual(new ImproperList([1], 2));
  });
});

describe('lists', () => {
  const origin = new Origin('lists@x', 9);
  const terms = new TermReader({ origin, internPid: (pid) => pid });

  /** Sends a list, and reads it at the other side. */
  function pass(from: SentLists, into: ReceivedLists, to: readonly Pid[]): readonly Pid[] | undefined {
    const writer = new TermWriter();
    const id = from.write(writer, to, 'm', true);
    if (id !== 0) from.sent(id, to);
    terms.reset(writer.buffer, 0, writer.length);
    const [, number, ids] = (terms.term() as Tuple).elements;
    return into.read(number, ids, (pid, serial) => new Pid(origin, pid, serial));
  }

  test('are forgotten by both sides alike, by their number and by their sizes', () => {
    const [from, into] = [new SentLists(), new ReceivedLists()];
    const pids = Array.from({ length: MAX_LISTED / 4 }, (_, id) => new Pid(origin, id, 7));
    const large = Array.from({ length: 6 }, (_, index) => Object.freeze(pids.slice(index)));
    const small = Array.from({ length: 1_500 }, (_, index) => Object.freeze(pids.slice(index, index + 2)));
    for (const list of [...large, ...small, ...large, ...small.slice(0, 9), large[0] ?? []]) {
      const received = pass(from, into, list);
      expect(received?.length).toBe(list.length);
      expect([received?.[0]?.key, received?.at(-1)?.key]).toEqual([list[0]?.key, list.at(-1)?.key]);
    }
  });

  test('of too many are refused', () => {
    const into = new ReceivedLists();
    const find = (id: number, serial: number) => new Pid(origin, id, serial);
    expect(into.read(1, new Uint8Array(8 * (MAX_LISTED + 1)), find)).toBeUndefined();
    expect(into.read(0, new Uint8Array(8 * (MAX_LISTED + 1)), find)).toBeUndefined();
    expect(into.read(1, new Uint8Array(8), find)).toHaveLength(1);
    expect(into.read(1, new Uint8Array(8), find)).toBeUndefined();
    expect(into.read(0, new Uint8Array(16), find)).toHaveLength(2);
    expect(into.read(0, [], find)).toBeUndefined();
    expect(into.read(1, [7], find)).toBeUndefined();
    expect(into.read('1', [], find)).toBeUndefined();
  });
});

function greet(peer: RawPeer): void {
  peer.send([6, peer.pid(1), atom(''), TROUPE], tuple(atom('hello'), 1));
}
