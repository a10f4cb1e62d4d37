// Other nodes, with the cookie and without it: forged senders, floods, terms that are wide, deep or slow to handle, set-ups that go
// nowhere, reflected challenges, fragments without an end.
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { readFileSync } from 'node:fs';
import { registerNode } from './epmd.ts';
import type { Kind, Scene } from './kind.ts';
import { Peer, Wire, oneOf, socketTo, term, u32 } from './wire.ts';
import {
  OWN_FLAGS,
  readChallenge,
  readName,
  readReply,
  writeChallenge,
  writeName,
  writeReply,
  writeStatus,
} from '../../src/runtime/distribution/erlang/internal.ts';
import { atom, tuple } from 'troupe';

const SILENT_SOCKETS = 600;
const RECONNECTS = 10;
const FLOOD_PEERS = 4;
const FLOOD_MESSAGES = 100_000;
const FLOOD_BATCH = 1_000;
const EXIT_LINK = 24;
const LINK = 1;
const FRAGMENT_BYTES = 65_536;

/** Messages in the name of others: broadcasts of the attacked node, exits of its supervisor and of its child. */
async function forged({ victim }: Scene): Promise<readonly string[]> {
  const peer = await Peer.connect(victim, 'forger@127.0.0.1');
  const [tree, member] = [peer.pidThere(0), peer.pidThere(1)];
  for (let count = 0; count < 1_000; count++) {
    peer.send(term(tuple(atom('nova_pubsub'), 'notes', tree, 'note_created', { id: 2n ** 70n })));
    peer.send(term(tuple(atom('EXIT'), tree, atom('shutdown'))));
    peer.sendNamed('tree', term(tuple(atom('EXIT'), member, atom('normal'))));
    peer.sendNamed('tree', term(tuple(atom('DOWN'), 1, atom('process'), member, atom('killed'))));
    peer.sendNamed('nova_scope', term(tuple(atom('leave'), tree, member, ['notes'])));
  }
  peer.send(term(tuple(atom('nova_pubsub'), 'notes', peer.pid, 'note_created', { id: 1 })));
  await peer.drained();
  const heard = await until(async () => (await victim.report()).heard > 0);
  peer.close();
  const { forged: count } = await victim.report();
  return [
    ...(heard ? [] : ['a broadcast in its own name was not heard']),
    ...(count === 0 ? [] : [`${count} broadcasts in the name of the attacked node were taken for its own`]),
  ];
}

/** Very many messages, and one message for a list that names one receiver a million times. */
async function flood({ victim }: Scene): Promise<readonly string[]> {
  const names = Array.from({ length: FLOOD_PEERS }, (_, at) => `flood${at}@127.0.0.1`);
  await Promise.all(
    names.map(async (name) => {
      const peer = await Peer.connect(victim, name);
      const payload = term('x');
      for (let sent = 0; sent < FLOOD_MESSAGES; sent += FLOOD_BATCH) {
        peer.socket.cork();
        for (let count = 0; count < FLOOD_BATCH; count++) peer.send(payload);
        peer.socket.uncork();
        // oxlint-disable-next-line no-await-in-loop -- the attacker's own memory is not what is attacked
        await peer.drained();
      }
      peer.close();
    }),
  );
  const peer = await Peer.connect(victim, 'lists@127.0.0.1');
  const receiver = peer.pidThere(1);
  const ids = Buffer.alloc(8 * 1_048_576);
  for (let at = 0; at < ids.length; at += 8) ids.writeUInt32BE(receiver.id, at);
  const many = (to: unknown): Buffer => term(tuple(atom('many'), 1, to, 'x'));
  peer.sendNamed('$troupe', term(tuple(atom('hello'), 1)));
  peer.sendNamed('$troupe', many(ids));
  for (let count = 0; count < 100; count++) peer.sendNamed('$troupe', many([]));
  await peer.drained();
  await taken(peer);
  return [];
}

/** Few bytes that take long: wide, deep, with large integers, with keys that collide; as messages and as reasons. */
async function terms({ victim }: Scene): Promise<readonly string[]> {
  const peer = await Peer.connect(victim, 'terms@127.0.0.1');
  const list = (count: number, each: Uint8Array): Buffer =>
    Buffer.concat([Buffer.of(108), u32(count), ...Array.from({ length: count }, () => each), Buffer.of(106)]);
  const map = (count: number, key: (at: number) => Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.of(116),
      u32(count),
      ...Array.from({ length: count }, (_, at) => Buffer.concat([key(at), Buffer.of(106)])),
    ]);
  const big = (at: number, size: number): Buffer =>
    Buffer.concat([Buffer.of(111), u32(size), Buffer.of(0), Buffer.alloc(size - 4, 0xab), u32(at + 1)]);
  const deep = Buffer.concat([Buffer.alloc(2 * 100_000, Buffer.of(104, 1)), Buffer.of(106)]);
  const payloads = [
    list(17_000_000, Buffer.of(104, 0)),
    list(1_000_000, Buffer.of(104, 0)),
    map(340_000, (at) => Buffer.concat([Buffer.of(98), u32(at)])),
    map(30_000, (at) => Buffer.concat([Buffer.of(110, 12, 0), Buffer.alloc(8, 5), u32(at + 1)])),
    map(200, (at) => Buffer.concat([Buffer.of(104, 1), big(at, 60_000)])),
    Buffer.concat([Buffer.of(109), u32(60_000_000), Buffer.alloc(60_000_000, 'é')]),
    list(1_000, big(1, 65_536)),
    deep,
  ];
  for (const payload of payloads) {
    peer.send(payload);
    peer.sendNamed('nobody', payload);
    // oxlint-disable-next-line no-await-in-loop -- the attacker's own memory is not what is attacked
    await peer.drained();
  }
  for (const reason of [list(1_000, big(1, 65_536)), deep]) {
    peer.write(term(tuple(LINK, peer.pid, peer.pidThere(0))));
    peer.write(term(tuple(EXIT_LINK, peer.pid, peer.pidThere(0))), reason);
  }
  // What could not be read has cost its message alone.
  const before = (await victim.report()).heard;
  peer.send(term(tuple(atom('nova_pubsub'), 'notes', peer.pid, 'note_created', { id: 1 })));
  const heard = await until(async () => (await victim.report()).heard > before);
  peer.close();
  return heard ? [] : ['a message after those that cannot be read did not arrive'];
}

/** Sockets that say nothing, and some that claim to be a good peer, while that peer reconnects. */
async function silent({ victim, witnesses }: Scene): Promise<readonly string[]> {
  const sockets: Socket[] = [];
  const more = (): void => {
    const socket = socketTo(victim);
    sockets.push(socket);
    socket.on('connect', () => socket.resume());
  };
  for (let count = 0; count < SILENT_SOCKETS; count++) more();
  const claims = Array.from({ length: 3 }, () => {
    const wire = new Wire(socketTo(victim, true), victim.options.tls !== undefined);
    wire.send(writeName(OWN_FLAGS, 1, 'good@127.0.0.1'));
    return wire;
  });
  const refill = setInterval(more, 5);
  let out = 0;
  for (let count = 0; count < RECONNECTS; count++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    if (!(await witnesses.reconnect())) out++;
  }
  clearInterval(refill);
  for (const socket of sockets) socket.destroy();
  for (const { socket } of claims) socket.destroy();
  return out === 0 ? [] : [`a good peer was kept out ${out} of ${RECONNECTS} times`];
}

/** Stands where a node is expected, and has the attacked node answer its own challenge. */
async function reflected({ victim }: Scene): Promise<readonly string[]> {
  const { tls, epmdPort, name } = victim.options;
  const server =
    tls === undefined
      ? createServer()
      : createSecureServer({ key: readFileSync(tls.key), cert: readFileSync(tls.cert) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const registration = await registerNode('seed', (server.address() as AddressInfo).port, epmdPort);
  const dialled = once(server, tls === undefined ? 'connection' : 'secureConnection');
  const connected = victim.connect('seed@127.0.0.1');
  const [socket] = (await dialled) as [Socket];
  socket.on('error', () => undefined);
  const secure = tls !== undefined;
  const outer = new Wire(socket, secure);
  const first = await outer.receive();
  let came = false;
  if (first !== undefined && readName(first, 0, first.length) !== undefined) {
    const inner = new Wire(socketTo(victim, true), secure);
    inner.send(writeName(OWN_FLAGS, 1, 'thief@127.0.0.1'));
    await inner.receive();
    const given = await inner.receive();
    const challenge = given === undefined ? 0 : (readChallenge(given, 0, given.length)?.challenge ?? 0);
    outer.send(writeStatus('ok'));
    outer.send(writeChallenge({ flags: OWN_FLAGS, challenge, creation: 1, name: 'seed@127.0.0.1' }));
    const reply = await Promise.race([outer.receive(), elapsed(2_000)]);
    const answer = reply === undefined ? undefined : readReply(reply, 0, reply.length)?.answer;
    if (answer !== undefined) {
      inner.send(writeReply(1, answer));
      came = (await inner.receive()) !== undefined;
    }
    inner.socket.destroy();
  }
  socket.destroy();
  server.close();
  registration.destroy();
  await connected;
  return came ? [`who has no cookie is connected with ${name}`] : [];
}

/** Many messages of which only the first fragments come. */
async function fragments({ victim }: Scene): Promise<readonly string[]> {
  const peer = await Peer.connect(victim, 'fragments@127.0.0.1');
  const control = term(tuple(22, peer.pid, peer.pidThere(1)));
  const body = Buffer.alloc(FRAGMENT_BYTES, 106);
  const fragment = (first: boolean, sequence: number, left: number): boolean => {
    const counters = Buffer.alloc(16);
    counters.writeBigUInt64BE(BigInt(sequence), 0);
    counters.writeBigUInt64BE(BigInt(left), 8);
    return first
      ? peer.raw(Buffer.concat([Buffer.of(131, 69), counters, Buffer.of(0), control, body]))
      : peer.raw(Buffer.concat([Buffer.of(131, 70), counters, body]));
  };
  for (let left = 100; left > 60; left--) {
    for (let sequence = 0; sequence < 100 && !peer.socket.destroyed; sequence++) {
      // oxlint-disable-next-line no-await-in-loop -- the attacker's own memory is not what is attacked
      if (!fragment(left === 100, sequence, left)) await peer.drained();
    }
  }
  const closed = await until(() => Promise.resolve(peer.socket.destroyed));
  peer.close();
  return closed ? [] : ['250 MB of messages that nobody finishes are kept'];
}

/** In the order in which they are played. */
export const allKinds: readonly Kind[] = [
  {
    name: 'forged',
    title: 'messages in the name of others, and exits and downs that nobody has sent',
    attack: forged,
  },
  { name: 'flood', title: 'very many messages, and one message for a million receivers', attack: flood },
  { name: 'terms', title: 'terms that are wide, deep, large or slow to handle', attack: terms },
  { name: 'silent', title: 'set-ups that go nowhere, and claims of names', attack: silent },
  { name: 'reflected', title: 'challenges that are reflected', attack: reflected },
  { name: 'fragments', title: 'fragments without an end', attack: fragments },
];

/** Waits until all that a peer has sent was read: the attacked node answers nothing, but closes its side when told to. */
async function taken(peer: Peer): Promise<void> {
  peer.socket.end();
  await Promise.race([oneOf(peer.socket, 'close'), elapsed(10_000)]);
  peer.close();
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  for (let count = 0; count < 200; count++) {
    // oxlint-disable-next-line no-await-in-loop -- asked again and again
    if (await holds()) return true;
    // oxlint-disable-next-line no-await-in-loop -- as above
    await elapsed(100);
  }
  return false;
}

function elapsed(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}
