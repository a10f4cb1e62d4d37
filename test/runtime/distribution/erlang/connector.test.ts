// Setting connections up between nodes of Troupe over loopback: both directions, crossing attempts, stale connections, limits,
// and others that do not keep to the protocol.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { TroupeError } from 'troupe';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  digest,
  FLAGS,
  OWN_FLAGS,
  readChallenge,
  writeChallenge,
  writeName,
  writeReply,
  writeStatus,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { type Places, site, Wire } from './connector-helpers.ts';

const failed = (reason: string) => expect.objectContaining({ code: 'TROUPE_CONNECT_FAILED', reason });
const flags = OWN_FLAGS;

/** What a promise is rejected with. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Lets something be waited for and let go. */
function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

/** A listening socket that accepts and hands connections to the test. */
async function stub(
  places: Places,
  name: string,
): Promise<{ next: () => Promise<Wire>; count: () => number; closed: () => number }> {
  const wires: Wire[] = [];
  let taken = 0;
  const server = createServer((socket) => void wires.push(new Wire(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  places.set(name, { host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  return {
    count: () => wires.length,
    closed: () => wires.filter(({ socket }) => socket.closed).length,
    next: async () => {
      if (wires.length === taken) await once(server, 'connection');
      return wires[taken++]!;
    },
  };
}

describe('dialling', () => {
  test('a node: both are told, with name, creation and flags of the other', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    await Promise.all([a.connector.dial('b@h'), a.connector.dial('b@h')]);
    await b.happened(/up a@h/);
    expect(a.up.get('b@h')).toMatchObject({ peer: 'b@h', creation: 101, flags, initiator: true });
    expect(b.up.get('a@h')).toMatchObject({ peer: 'a@h', creation: 100, flags, initiator: false });
    await a.connector.dial('b@h');
    expect([a.log, b.log]).toEqual([['up b@h'], ['up a@h']]);
  });

  test('the connection has no async context, whoever dialled', async () => {
    const storage = new AsyncLocalStorage<string>();
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    await storage.run('a request', () => a.connector.dial('b@h'));
    await b.happened(/up a@h/);
    const seen = new Promise((resolve) => {
      a.up.get('b@h')?.socket.once('data', () => resolve(storage.getStore()));
    });
    b.up.get('a@h')?.socket.write('x');
    expect(await seen).toBeUndefined();
  });

  test('what is sent right after the handshake is not lost', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const dialled = a.connector.dial('b@h');
    const wire = await server.next();
    await wire.receive();
    wire.send(writeStatus('ok'), writeChallenge({ flags, challenge: 5, creation: 9, name: 'b@h' }));
    const reply = await wire.receive();
    expect(reply?.subarray(5)).toEqual(digest('secret', 5));
    const ack = Buffer.concat([
      Buffer.from([0, 17]),
      Buffer.from('a'),
      digest('secret', reply!.readUInt32BE(1)),
    ]);
    wire.socket.write(Buffer.concat([ack, Buffer.from('first')]));
    await dialled;
    expect(a.up.get('b@h')?.leftover.toString()).toBe('first');
  });

  test('a node that is not there, not known, or cannot be', async () => {
    const places: Places = new Map();
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    places.set('gone@h', { host: '127.0.0.1', port: (gone.address() as AddressInfo).port });
    places.set('nowhere@h', { host: '127.0.0.1', port: 70_000 });
    await new Promise((resolve) => gone.close(resolve));
    const a = await site('a@h', places, {
      resolve: (node) =>
        node === 'lost@h' ? Promise.reject(new Error('no')) : Promise.resolve(places.get(node)),
    });
    await expect(a.connector.dial('gone@h')).rejects.toThrow(failed('unreachable'));
    await expect(a.connector.dial('nowhere@h')).rejects.toThrow(failed('unreachable'));
    await expect(a.connector.dial('lost@h')).rejects.toThrow(failed('unreachable'));
    await expect(a.connector.dial('unknown@h')).rejects.toThrow(failed('not_registered'));
    await expect(a.connector.dial('a@h')).rejects.toThrow(failed('own_name'));
    await expect(a.connector.dial('nobody')).rejects.toThrow(failed('bad_name'));
    expect(a.refused.map(({ peer }) => peer)).toEqual([
      'gone@h',
      'nowhere@h',
      'lost@h',
      'unknown@h',
      'a@h',
      'nobody',
    ]);
  });

  test('a node with another cookie: both sides hear of the cookie', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places, { cookie: () => 'other' });
    await expect(a.connector.dial('b@h')).rejects.toThrow(failed('cookie'));
    await expect(b.connector.dial('a@h')).rejects.toThrow(failed('cookie'));
    await a.happened(/refused b@h cookie: has another/);
    await b.happened(/refused a@h cookie: has another/);
  });

  test('another node answers', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    await site('b@h', places);
    places.set('c@h', places.get('b@h')!);
    await expect(a.connector.dial('c@h')).rejects.toThrow(failed('wrong_node'));
  });

  test('a node that says nothing: limited in time', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places, { setupTimeoutMs: 30 });
    await stub(places, 'b@h');
    await expect(a.connector.dial('b@h')).rejects.toThrow(failed('timeout'));
    const slow = await site('s@h', places, { setupTimeoutMs: 30, resolve: () => new Promise(() => {}) });
    await expect(slow.connector.dial('b@h')).rejects.toThrow(failed('timeout'));
  });

  test('a node that lacks flags', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const dialled = a.connector.dial('b@h');
    const wire = await server.next();
    wire.send(
      writeStatus('ok'),
      writeChallenge({ flags: FLAGS.MAP_TAG, challenge: 5, creation: 9, name: 'b@h' }),
    );
    await expect(dialled).rejects.toThrow(/BIG_CREATION/);
    await wire.closed;
  });

  test('can be given up, at any time', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const one = a.connector.dial('b@h');
    a.connector.abort('b@h');
    await expect(one).rejects.toThrow(failed('aborted'));
    const two = a.connector.dial('b@h');
    const wire = await server.next();
    await wire.receive();
    a.connector.abort('b@h');
    await expect(two).rejects.toThrow(failed('aborted'));
    await wire.closed;
    a.connector.abort('b@h');
    expect(a.log).toEqual([]);
  });

  test('ends when the connector closes', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const dialled = a.connector.dial('b@h');
    const failure = failureOf(dialled);
    const wire = await server.next();
    await a.connector.close();
    expect(await failure).toEqual(failed('aborted'));
    await wire.closed;
    await expect(a.connector.dial('b@h')).rejects.toThrow(failed('aborted'));
  });
});

describe('attempts that cross', () => {
  test('when both dial at once there is one connection, and all who wait have it', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    for (let round = 0; round < 20; round++) {
      await Promise.all([a.connector.dial('b@h'), b.connector.dial('a@h')]);
      await vi.waitFor(() => expect([a.up.size, b.up.size]).toEqual([1, 1]), { interval: 2 });
      const [one, other] = [a.up.get('b@h')!, b.up.get('a@h')!];
      expect(one.initiator).toBe(!other.initiator);
      one.socket.destroy();
      await vi.waitFor(() => expect([a.up.size, b.up.size]).toEqual([0, 0]), { interval: 2 });
    }
    expect([...a.refused, ...b.refused]).toEqual([]);
  });

  test('the greater name keeps dialling, and refuses the other with nok', async () => {
    const places: Places = new Map();
    const hold = gate();
    const b = await site('b@h', places, {
      resolve: async (node) => {
        await hold.promise;
        return places.get(node);
      },
    });
    const a = await site('a@h', places);
    const fromB = b.connector.dial('a@h');
    const fromA = a.connector.dial('b@h');
    const wire = Wire.to(b.port).send(writeName(flags, 1, 'a@h'));
    expect((await wire.receive())?.toString()).toBe('snok');
    hold.open();
    await Promise.all([fromA, fromB]);
    expect(a.up.get('b@h')?.initiator).toBe(false);
    expect(b.up.get('a@h')?.initiator).toBe(true);
  });

  test('the lesser name gives way with ok_simultaneous, and its callers get the connection of the other', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const fromA = a.connector.dial('b@h');
    const own = await server.next();
    await own.receive();
    const wire = Wire.to(a.port).send(writeName(flags, 8, 'b@h'));
    expect((await wire.receive())?.toString()).toBe('sok_simultaneous');
    const challenge = await wire.receive();
    wire.send(writeReply(1, digest('secret', readChallenge(challenge!, 0, challenge!.length)!.challenge)));
    await Promise.all([fromA, own.closed]);
    expect(a.up.get('b@h')).toMatchObject({ initiator: false, creation: 8 });
  });

  test('nok, and the other does not come: dials again, three times in all', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places, { setupTimeoutMs: 20 });
    const server = await stub(places, 'b@h');
    const failure = failureOf(a.connector.dial('b@h'));
    for (let attempt = 0; attempt < 3; attempt++) (await server.next()).send(writeStatus('nok'));
    expect(await failure).toEqual(failed('nok'));
    expect(server.count()).toBe(3);
  });

  test('the attempt of the other fails: this node dials again', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places, { listen: false });
    const server = await stub(places, 'b@h');
    const fromA = a.connector.dial('b@h');
    const own = await server.next();
    await own.receive();
    const wire = Wire.to(a.port).send(writeName(flags, 8, 'b@h'));
    await wire.receive();
    own.send(writeStatus('nok'));
    await own.closed;
    wire.socket.destroy();
    const again = await server.next();
    expect((await again.receive())?.subarray(0, 1).toString()).toBe('N');
    await b.connector.dial('a@h');
    await fromA;
  });

  test('claims to be a node, which fail, use up no try to dial it', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const dialled = a.connector.dial('b@h');
    for (const claims of [1, 2, 3, 4]) {
      // The first claim has it dialled once more, the others do not.
      const dials = Math.min(claims, 2);
      if (claims === dials) (await server.next()).send(writeStatus('nok'));
      await vi.waitFor(() => expect(server.closed()).toBe(dials), { interval: 2 });
      const claim = Wire.to(a.port).send(writeName(flags, 8, 'b@h'));
      expect((await claim.receive())?.toString()).toBe('sok');
      claim.socket.destroy();
      await vi.waitFor(() => expect(a.refused).toHaveLength(claims), { interval: 2 });
    }
    expect(server.count()).toBe(2);
    await (await site('b@h', places)).connector.dial('a@h');
    await dialled;
  });

  test('who only says to be a node keeps nobody from it: the node is dialled, and others who say so are let in', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const claims = Array.from({ length: 3 }, () => Wire.to(a.port).send(writeName(flags, 8, 'b@h')));
    for (const claim of claims) expect((await claim.receive())?.toString()).toBe('sok');
    const b = await site('b@h', places);
    await a.connector.dial('b@h');
    expect(a.up.get('b@h')).toMatchObject({ initiator: true });
    a.up.get('b@h')?.socket.destroy();
    await vi.waitFor(() => expect([a.up.size, b.up.size]).toEqual([0, 0]), { interval: 2 });
    await b.connector.dial('a@h');
    await vi.waitFor(() => expect(a.up.get('b@h')).toMatchObject({ initiator: false }), { interval: 2 });
  });
});

describe('a node that is connected', () => {
  test('and comes anew: it says so, proves who it is, and only then the old connection ends', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    await b.connector.dial('a@h');
    await a.happened(/up b@h/);

    const imposter = Wire.to(a.port).send(writeName(flags, 1, 'b@h'));
    expect((await imposter.receive())?.toString()).toBe('salive');
    imposter.send(writeStatus('true'));
    await imposter.receive();
    imposter.send(writeReply(1, Buffer.alloc(16)));
    await imposter.closed;
    expect(a.up.size).toBe(1);

    const wire = Wire.to(a.port).send(writeName(flags, 55, 'b@h'));
    await wire.receive();
    wire.send(writeStatus('true'));
    const challenge = await wire.receive();
    wire.send(writeReply(1, digest('secret', readChallenge(challenge!, 0, challenge!.length)!.challenge)));
    expect((await wire.receive())?.subarray(0, 1).toString()).toBe('a');
    await a.happened(/retire/);
    expect(a.up.get('b@h')?.creation).toBe(55);
    expect(a.log.filter((line) => !line.startsWith('refused'))).toEqual([
      'up b@h',
      'retire b@h',
      'up b@h',
      'down b@h',
    ]);
  });

  test('and dials though it is connected: it keeps what it has', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    await b.connector.dial('a@h');
    await a.happened(/up b@h/);
    const wire = Wire.to(a.port).send(writeName(flags, 1, 'b@h'));
    await wire.receive();
    wire.send(writeStatus('false'));
    await wire.closed;
    expect([a.up.size, a.refused]).toEqual([1, []]);
  });

  test('to one that does not know any more: it is told true', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const dialled = a.connector.dial('b@h');
    const wire = await server.next();
    await wire.receive();
    wire.send(writeStatus('alive'));
    expect((await wire.receive())?.toString()).toBe('strue');
    a.connector.abort('b@h');
    await expect(dialled).rejects.toThrow(failed('aborted'));
  });
});

describe('listening', () => {
  test('who has a challenge of this node answered by it gets no answer', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const server = await stub(places, 'b@h');
    const failure = failureOf(a.connector.dial('b@h'));
    const own = await server.next();
    await own.receive();
    // Under another name, as this node would go on to wait for who says to be the one it dials.
    const wire = Wire.to(a.port).send(writeName(flags, 8, 'c@h'));
    await wire.receive();
    const given = (await wire.receive())!;
    const { challenge } = readChallenge(given, 0, given.length)!;
    own.send(writeStatus('ok')).send(writeChallenge({ flags, challenge, creation: 8, name: 'b@h' }));
    expect(await own.receive()).toBeUndefined();
    expect(await failure).toEqual(failed('reflected'));
  });

  test('what may be set up at a time is limited: the oldest gives way, of the address with the most', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places, { maxPending: 3, maxPerAddress: 2 });
    const [one, two] = [Wire.to(a.port), Wire.to(a.port)];
    one.send(writeName(flags, 1, 'b@h'));
    await one.receive();
    two.send(writeName(flags, 1, 'c@h'));
    await two.receive();
    const three = Wire.to(a.port).send(writeName(flags, 1, 'd@h'));
    expect((await three.receive())?.toString()).toBe('sok');
    await one.closed;
    expect(a.refused).toMatchObject([{ peer: undefined, reason: 'gave_way' }]);
    two.socket.destroy();
    await a.happened(/refused c@h closed/);
  });

  test('a crowd that says nothing keeps no node out', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    const crowd = Array.from({ length: 300 }, () => Wire.to(a.port));
    await a.happened(/refused .*gave_way/);
    await b.connector.dial('a@h');
    expect(b.up.has('a@h')).toBe(true);
    for (const wire of crowd) wire.socket.destroy();
  });

  test('how many nodes are dialled at a time is limited; one that is given up makes room', async () => {
    const unknown = new Promise<undefined>(() => undefined);
    const a = await site('a@h', new Map(), { maxDialled: 2, resolve: () => unknown });
    const reasonOf = (name: string) => a.connector.dial(name).catch((error: TroupeError) => error.reason);
    const dialled = ['b@h', 'c@h'].map(reasonOf);
    expect(await reasonOf('d@h')).toBe('too_many');
    a.connector.abort('b@h');
    dialled.push(reasonOf('d@h'));
    await a.connector.close();
    expect(await Promise.all(dialled)).toEqual(['aborted', 'aborted', 'aborted']);
    expect(a.refused).toMatchObject([{ peer: 'd@h', reason: expect.stringMatching(/^too_many/) }]);
  });

  test('who says nothing is closed in time', async () => {
    const a = await site('a@h', new Map(), { setupTimeoutMs: 30 });
    await Wire.to(a.port).closed;
    expect(a.refused).toMatchObject([{ peer: undefined, reason: expect.stringMatching(/^timeout/) }]);
  });

  test('who speaks something else is closed', async () => {
    const a = await site('a@h', new Map());
    for (const text of ['GET / HTTP/1.1\r\n\r\n', '\u0000\u0003abc', '\u0000\u0000', '\u0004\u0001']) {
      const wire = Wire.to(a.port);
      wire.socket.write(text, 'latin1');
      await wire.closed;
    }
    expect(a.refused.map(({ reason }) => reason.split(':')[0])).toEqual(
      Array.from({ length: 4 }, () => 'bad_message'),
    );
  });

  test('who asks for a name, or has the name of this node, is told not_allowed', async () => {
    const a = await site('a@h', new Map());
    for (const message of [writeName(flags | FLAGS.NAME_ME, 0, 'h'), writeName(flags, 1, 'a@h')]) {
      const wire = Wire.to(a.port).send(message);
      expect((await wire.receive())?.toString()).toBe('snot_allowed');
      await wire.closed;
    }
    expect(a.refused.map(({ reason }) => reason.split(':')[0])).toEqual(['dynamic_name', 'own_name']);
  });

  test('on a port that is taken', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const listen = { host: '127.0.0.1', port: a.port };
    await expect(site('b@h', places, { listen })).rejects.toThrow(
      expect.objectContaining({ code: 'TROUPE_LISTEN_FAILED', reason: 'EADDRINUSE' }),
    );
  });

  test('not at all: others cannot come in, but can be dialled', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places, { listen: false });
    const b = await site('b@h', places);
    expect(a.port).toBe(0);
    await a.connector.dial('b@h');
    await b.happened(/up a@h/);
  });

  test('ends with the connector, and connections that are up go on', async () => {
    const places: Places = new Map();
    const a = await site('a@h', places);
    const b = await site('b@h', places);
    await b.connector.dial('a@h');
    const pending = Wire.to(a.port).send(writeName(flags, 1, 'c@h'));
    await pending.receive();
    await a.connector.close();
    await pending.closed;
    await expect(b.connector.dial('a@h')).resolves.toBeUndefined();
    expect([a.up.size, b.up.size]).toEqual([1, 1]);
    const late = Wire.to(a.port);
    expect(await late.receive()).toBeUndefined();
  });
});
