// Connections that read into one buffer: what came over one of them stays what it is while others read.
import { EventEmitter, once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createNode, Pid, type Signal, tuple } from 'troupe';
import { expect, onTestFinished, test } from 'vitest';
import { Inbound } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { framed, FULL_FLAGS } from './raw-peer.ts';

const SEND_SENDER = 22;
/** More frames than are worked on at a time, in less than the buffer holds. */
const MANY = 3_000;
/** The numbers of a list that is read in slices; it takes 60 KB, less than the buffer. */
const LONG = 12_000;

/** Both ends of a TCP connection. */
async function pair(): Promise<[near: Socket, far: Socket]> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  server.close();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

const BUFFER: unique symbol = Symbol('kBuffer');
const CALLBACK: unique symbol = Symbol('kBufferCb');

/** A socket that is led by hand, with what `net.Socket` has for reading into a buffer. */
class LedSocket extends EventEmitter {
  destroyed = false;
  readonly [BUFFER] = null;
  [CALLBACK]: (length: number) => boolean = () => true;
  #buffer: Buffer = Buffer.alloc(0);
  readonly _handle = { useUserBuffer: (buffer: Buffer) => void (this.#buffer = buffer) };

  pause(): void {}
  resume(): void {}

  read(): null {
    return null;
  }

  /** Bytes arrive in one read. */
  arrives(bytes: Buffer): void {
    if (bytes.copy(this.#buffer) < bytes.length) throw new Error('more than fits');
    this[CALLBACK](bytes.length);
  }
}

function openOn(near: Socket, name: string) {
  const node = createNode({ name: 'here@x' });
  onTestFinished(() => node.stop());
  const messages: unknown[] = [];
  const faults: string[] = [];
  const nothing = (): void => undefined;
  const inbound = new Inbound(
    { socket: near, leftover: Buffer.alloc(0), peer: name, creation: 7, flags: FULL_FLAGS, initiator: true },
    node.router,
    { maxFrameBytes: 1_000_000, fragmentTimeMs: 60_000 },
    {
      signal: (signal: Signal) => void messages.push('message' in signal ? signal.message : signal),
      spawnRequest: nothing,
      spawnReply: nothing,
      leftOut: (what) => void faults.push(what),
      hello: nothing,
      came: nothing,
      tick: nothing,
      bad: (reason) => void faults.push(reason),
      closed: nothing,
    },
  );
  const frame = (message: unknown, sender = 1): Buffer => {
    const writer = new TermWriter();
    for (const byte of [131, 68, 0]) writer.u8(byte);
    writer.term(tuple(SEND_SENDER, new Pid(new Origin(name, 7), sender, 0), node.initPid));
    writer.term(message);
    return framed(Buffer.from(writer.buffer.subarray(0, writer.length)));
  };
  return { messages, faults, frame, inbound };
}

async function open(name: string) {
  const [near, far] = await pair();
  return { near, far, ...openOn(near, name) };
}

test('a list that waits to be read stays what it is when the next bytes arrive', async () => {
  const [one, two] = ['one@x', 'two@x'].map((name) => {
    const socket = new LedSocket();
    return { socket, ...openOn(socket as unknown as Socket, name) };
  });
  if (one === undefined || two === undefined) throw new Error('there are two');
  const list = Array.from({ length: LONG }, (_, count) => 1_000 + count);
  for (const { inbound } of [one, two]) inbound.start();
  one.socket.arrives(one.frame(list));
  two.socket.arrives(two.frame(list.toReversed()));
  for (const { messages } of [one, two]) {
    await expect.poll(() => messages.length, { interval: 1, timeout: 20_000 }).toBe(1);
  }
  expect([one.messages, two.messages]).toEqual([[list], [list.toReversed()]]);
  expect([one.faults, two.faults]).toEqual([[], []]);
});

test('frames and long messages stay what they are while another connection reads', async () => {
  const [one, two] = await Promise.all([open('one@x'), open('two@x')]);
  const sent = [one, two].map(({ frame }, index) => {
    const list = Array.from({ length: LONG }, (_, count) => 1_000 * (count + 1) + index);
    const messages: unknown[] = Array.from({ length: MANY }, (_, count) => `${index} ${count}`);
    messages.splice(MANY / 2, 0, list, 'behind it', list);
    return { messages, bytes: Buffer.concat(messages.map((message) => frame(message))) };
  });
  for (const each of [one, two]) each.inbound.start();
  expect([one.near.listenerCount('data'), two.near.listenerCount('data')]).toEqual([0, 0]);
  for (let round = 0; round < 3; round++) {
    for (const [index, { far }] of [one, two].entries()) far.write(sent[index]?.bytes ?? '');
  }
  for (const [index, { messages }] of [one, two].entries()) {
    const expected = Array.from({ length: 3 }, () => sent[index]?.messages ?? []).flat();
    await expect.poll(() => messages.length, { interval: 1, timeout: 20_000 }).toBe(expected.length);
    expect(messages).toEqual(expected);
  }
  expect([one.faults, two.faults]).toEqual([[], []]);
});

test('what a socket had read before comes first', async () => {
  const { near, far, messages, faults, frame, inbound } = await open('early@x');
  near.pause();
  far.write(frame('early'));
  await expect.poll(() => near.readableLength, { interval: 1, timeout: 20_000 }).toBeGreaterThan(0);
  far.write(frame('later'));
  inbound.start();
  far.write(frame('last'));
  await expect.poll(() => messages.length, { interval: 1, timeout: 20_000 }).toBe(3);
  expect([messages, faults]).toEqual([['early', 'later', 'last'], []]);
});
