// The atoms of a message for several processes, by number: what is written is read again, whatever was sent before and goes
// out beside it.
import * as fc from 'fast-check';
import { atom, type Node, Pid, tuple } from 'troupe';
import { describe, expect, test } from 'vitest';
import {
  ATOM_CACHE_ENTRIES,
  AtomCache,
  SentAtoms,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { ByteWriter, TermReader, TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { requirePart } from '../../../support/parts.ts';
import { rawPeer, type RawPeer, type Site, startSite } from './raw-peer.ts';
import { reality } from './services/real.ts';

const HERE = 'atoms@one';
const BEAM = 'beam@127.0.0.1';

class Bytes extends ByteWriter {
  constructor() {
    super(64, 1_000_000);
  }
}

/** Both sides of a connection, without one. */
class Wire {
  readonly atoms = new SentAtoms();
  readonly #cache = new AtomCache();
  readonly #writer = new TermWriter();
  readonly #terms = new TermReader({ origin: new Origin('x@y', 1), internPid: (pid) => pid });
  /** How many bytes the headers of the message had that was sent last. */
  headers: number[] = [];

  /** Writes a term, and answers what the other side reads from each of some frames with it. */
  send(value: unknown, frames = 1): unknown[] {
    if (!this.atoms.begin()) throw new Error('another message is under way');
    const body = this.encode(value);
    this.headers = [];
    const got = Array.from({ length: frames }, () => {
      const frame = new Bytes();
      this.atoms.writeHeader(frame);
      this.headers.push(frame.length);
      frame.bytes(body);
      return this.#read(frame);
    });
    this.atoms.end();
    return got;
  }

  encode(value: unknown): Buffer {
    const writer = this.#writer;
    writer.reset();
    writer.numbers = this.atoms;
    try {
      writer.term(value);
    } finally {
      writer.numbers = null;
    }
    return Buffer.from(writer.buffer.subarray(0, writer.length));
  }

  #read({ buffer, length }: ByteWriter): unknown {
    const start = this.#cache.read(buffer, 0, length);
    if (start < 0) throw new Error(this.#cache.fault);
    this.#terms.reset(buffer, start, length, this.#cache.keepRefs());
    return this.#terms.term();
  }
}

const atoms = (from: number, count: number) =>
  tuple(...Array.from({ length: count }, (_, index) => atom(`atom-${from + index}`)));

describe('headers', () => {
  test('are read as they were written, message after message', () => {
    const name = fc.oneof(
      fc.nat({ max: 5_000 }).map((number) => `a${number}`),
      fc.string({ maxLength: 8, unit: 'binary' }),
      fc.constantFrom('', 'x'.repeat(255), 'é'.repeat(127), 'é'.repeat(128), '𝄞'.repeat(255)),
    );
    const message = fc.record({
      names: fc.oneof(
        fc.array(name, { maxLength: 12 }),
        fc
          .tuple(fc.nat({ max: 5_000 }), fc.integer({ min: 200, max: 600 }))
          .map(([from, count]) => Array.from({ length: count }, (_, index) => `a${from + index}`)),
      ),
      frames: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
        const wire = new Wire();
        for (const { names, frames } of messages) {
          const value = tuple(...names.map((text) => atom(text)));
          expect(wire.send(value, frames)).toEqual(Array(frames).fill(value));
        }
      }),
      { numRuns: 60 },
    );
  });

  test('name an atom once', () => {
    const wire = new Wire();
    const value = atoms(0, 9);
    wire.send(value, 3);
    const [first = 0, second = 0, third = 0] = wire.headers;
    expect(second).toBe(1 + 5 + 9);
    expect([first - second, third]).toEqual([9 * (1 + 'atom-0'.length), second]);
    wire.send(tuple(atom('atom-8'), atom('atom-0')));
    expect(wire.headers).toEqual([1 + 2 + 2]);
  });

  test('number no more atoms than the peer has room for, nor than one message may', () => {
    const wire = new Wire();
    for (let from = 0; from < ATOM_CACHE_ENTRIES + 500; from += 250)
      expect(wire.send(atoms(from, 250))).toEqual([atoms(from, 250)]);
    expect(wire.send(atoms(ATOM_CACHE_ENTRIES, 300))).toEqual([atoms(ATOM_CACHE_ENTRIES, 300)]);
    expect(wire.headers).toEqual([1]);
    expect(wire.send(atoms(0, 600))).toEqual([atoms(0, 600)]);
    expect(wire.headers).toEqual([1 + 128 + 255]);
  });

  test('a message that is given up names nothing, and its atoms are named by the next', () => {
    const wire = new Wire();
    expect(wire.atoms.begin()).toBe(true);
    expect(() => wire.encode([atom('first'), () => 1])).toThrow(/function/);
    expect(wire.atoms.begin()).toBe(false);
    wire.atoms.end();
    expect(wire.send([atom('second'), atom('first')])).toEqual([[atom('second'), atom('first')]]);
    for (let from = 0; from < 2 * ATOM_CACHE_ENTRIES; from += 250) wire.send(atoms(from, 250), 0);
    wire.send(atoms(0, 2 * ATOM_CACHE_ENTRIES));
    wire.send(tuple(atom('still'), atom('numbered')), 2);
    expect(wire.headers.at(-1)).toBe(1 + 2 + 2);
  });
});

function send(node: Node, peer: string, to: readonly Pid[], message: unknown, from = node.initPid): void {
  node.router.peer(peer).send({ op: 'sendMany', from, to, message });
}

describe('on a connection', () => {
  const value = (id: number) => tuple(atom('nova_pubsub'), atom('notes'), [tuple(atom('id'), id)]);
  const large = 'x'.repeat(1_000_000);

  async function begin(): Promise<{ site: Site; peer: RawPeer; list: readonly Pid[] }> {
    const site = await startSite(HERE);
    const peer = await rawPeer(site);
    return { site, peer, list: [peer.pid(5), peer.pid(6), peer.pid(7)] };
  }

  /** The payloads of the messages for a pid, in the order in which they come, until there are so many. */
  async function payloads(peer: RawPeer, count: number, to: Pid): Promise<unknown[]> {
    const mine = () => peer.received.filter(({ control }) => to.equals(control[2]));
    await peer.until(() => mine().length >= count);
    return mine().map(({ payload }) => payload);
  }

  test('each frame but the first is short', async () => {
    const { site, peer, list } = await begin();
    send(site.node, 'raw@x', list, value(1));
    send(site.node, 'raw@x', list, value(2));
    for (const pid of list) expect(await payloads(peer, 2, pid)).toEqual([value(1), value(2)]);
    const [first = 0, ...others] = peer.frameBytes.slice(-6);
    expect(new Set(others).size).toBe(1);
    const named = [HERE, 'raw@x', 'nova_pubsub', 'notes', 'id'];
    expect(first - others[0]!).toBe(named.join('').length + named.length);
  });

  test('frames pass a large message, and none the one that names an atom', async () => {
    const { site, peer, list } = await begin();
    const other = site.node.spawn({ name: 'other', init: () => undefined, handle: () => undefined });
    peer.socket.pause();
    site.node.send(list[0]!, large);
    site.node.router.peer('raw@x').send({ op: 'send', from: other, to: list[0]!, message: large });
    for (let id = 1; id <= 3; id++) {
      send(site.node, 'raw@x', list, value(id));
      send(site.node, 'raw@x', list, tuple(atom(`late${id}`), id), other);
      send(
        site.node,
        'raw@x',
        list,
        [atom(`passing${id}`)],
        site.node.spawn(() => undefined),
      );
    }
    peer.socket.resume();
    const all = await payloads(peer, 9, list[1]!);
    expect(all).toHaveLength(9);
    for (let id = 1; id <= 3; id++) {
      expect(all).toContainEqual(value(id));
      expect(all).toContainEqual(tuple(atom(`late${id}`), id));
      expect(all).toContainEqual([atom(`passing${id}`)]);
    }
    expect(await payloads(peer, 11, list[0]!)).toHaveLength(11);
    send(site.node, 'raw@x', list, [value(4), atom('passing1')]);
    expect((await payloads(peer, 10, list[1]!)).at(-1)).toEqual([value(4), atom('passing1')]);
  });

  test('large messages, in fragments', async () => {
    const { site, peer, list } = await begin();
    const one = tuple(atom('one'), large, atom('two'));
    const two = tuple(atom('two'), large, atom('three'));
    for (const message of [one, two, atom('three')]) send(site.node, 'raw@x', list, message);
    for (const pid of list) expect(await payloads(peer, 3, pid)).toEqual([one, two, atom('three')]);
    const before = peer.frameBytes.length;
    send(site.node, 'raw@x', list, tuple(atom('one'), 1, atom('two')));
    await payloads(peer, 4, list[2]!);
    expect(new Set(peer.frameBytes.slice(before))).toHaveLength(1);
  });

  test('a message whose getter sends others to the same processes, small and large', async () => {
    const { site, peer, list } = await begin();
    let asked = 0;
    const sending = (message: unknown) => ({
      get id() {
        asked++;
        send(site.node, 'raw@x', list, message);
        return atom('of-the-getter');
      },
    });
    send(site.node, 'raw@x', list, [atom('outer'), sending([atom('inner'), sending(atom('innermost'))])]);
    send(site.node, 'raw@x', list, [atom('outer'), sending(large)]);
    send(site.node, 'raw@x', list, [atom('outer'), atom('inner'), atom('of-the-getter')]);
    expect(asked).toBe(3);
    const got = await payloads(peer, 6, list[2]!);
    const outer = [atom('outer'), { id: atom('of-the-getter') }];
    expect(got).toContainEqual(atom('innermost'));
    expect(got).toContainEqual([atom('inner'), { id: atom('of-the-getter') }]);
    expect(got.filter((payload) => Array.isArray(payload) && payload[0] === atom('outer'))).toEqual([
      outer,
      outer,
      [atom('outer'), atom('inner'), atom('of-the-getter')],
    ]);
  });
});

describe.skipIf(requirePart('erl').missing)('to a BEAM node', () => {
  const world = reality();

  test('processes get 5,000 atoms, with large messages between them, over one connection', async () => {
    const { beam, node: make } = world();
    const { node, carrier } = await make('ts@127.0.0.1');
    await beam.load('agent.erl');
    await beam.eval('agent:start(a), agent:start(b), ok');
    await node.connect(BEAM);
    const pids = await Promise.all(
      ['a', 'b'].map(async (name) => {
        const text = await beam.eval(`erlang:pid_to_list(whereis(${name}))`);
        const [, id = '', serial = ''] = /\.(\d+)\.(\d+)>/.exec(text) ?? [];
        const creation = carrier.peers()[0]?.creation ?? 0;
        return new Pid(new Origin(BEAM, creation), Number(id), Number(serial));
      }),
    );
    const rounds = 100;
    const each = 50;
    for (let round = 0; round < rounds; round++) {
      send(node, BEAM, pids, tuple(round, atoms(round * each, each), atom('same')));
      const large = atom(`large-${round}`);
      if (round % 10 === 0) send(node, BEAM, pids, tuple(round, large, 'x'.repeat(200_000), atom('same')));
      // So that some messages begin while nothing is held back, and others while something is.
      if (round % 10 === 5) await carrier.drained(BEAM);
    }
    const expected = `[begin
        Small = {R, list_to_tuple([list_to_atom("atom-" ++ integer_to_list(R * ${each} + I)) || I <- lists:seq(0, ${each - 1})]), same},
        [Small | [{R, list_to_atom("large-" ++ integer_to_list(R)), binary:copy(<<"x">>, 200000), same} || R rem 10 =:= 0]]
      end || R <- lists:seq(0, ${rounds - 1})]`;
    const all = (name: string) => beam.eval(`agent:kept(${name}) =:= lists:append(${expected})`);
    await expect.poll(() => beam.eval('length(agent:kept(b))'), { timeout: 20_000 }).toBe('110');
    expect([await all('a'), await all('b')]).toEqual(['true', 'true']);
    expect(node.nodes()).toEqual([BEAM]);
  });
});
