// The way in of a connection, with a socket that is led by hand: what had come before the end counts, and the event loop has its
// turn however much comes within one.
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { createNode, Pid, tuple } from 'troupe';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { Inbound, Unfinished } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { TermWriter } from '../../../../src/runtime/distribution/etf/internal.ts';
import { Origin } from '../../../../src/runtime/terms/internal.ts';
import { framed, FULL_FLAGS } from './raw-peer.ts';

const SEND_SENDER = 22;
/** More frames than are worked on at a time. */
const MANY = 5_000;

class ManualSocket extends EventEmitter {
  destroyed = false;
  paused = true;

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

function start(unfinished?: Unfinished) {
  const node = createNode({ name: 'here@x' });
  onTestFinished(() => node.stop());
  const socket = new ManualSocket();
  const events: string[] = [];
  const count = (what: string) => () => void events.push(what);
  const link = {
    socket: socket as unknown as Socket,
    leftover: Buffer.alloc(0),
    peer: 'there@x',
    creation: 7,
    flags: FULL_FLAGS,
    initiator: true,
  };
  const inbound = new Inbound(
    link,
    node.router,
    { maxFrameBytes: 1_000_000, fragmentTimeMs: 60_000, unfinished },
    {
      signal: count('signal'),
      spawnRequest: count('spawnRequest'),
      spawnReply: count('spawnReply'),
      leftOut: count('leftOut'),
      hello: count('hello'),
      came: () => undefined,
      tick: count('tick'),
      bad: () => {
        events.push('bad');
        inbound.stop();
      },
      closed: count('closed'),
    },
  );
  inbound.start();
  const writer = new TermWriter();
  for (const byte of [131, 68, 0]) writer.u8(byte);
  writer.term(tuple(SEND_SENDER, new Pid(new Origin('there@x', 7), 1, 0), node.initPid));
  writer.term('hello');
  return { socket, events, frame: framed(writer.buffer.subarray(0, writer.length)) };
}

afterEach(() => void vi.restoreAllMocks());

test('what had come before the other side closed the connection is delivered before the close is reported', async () => {
  const { socket, events, frame } = start();
  socket.emit('data', Buffer.concat(Array.from({ length: MANY }, () => frame)));
  expect(events.length).toBeLessThan(MANY);
  socket.emit('end');
  socket.emit('close');
  await expect.poll(() => events.length, { interval: 1, timeout: 20_000 }).toBe(MANY + 1);
  expect(events.indexOf('closed')).toBe(MANY);
});

test.each([
  ['TCP', 64 * 1024],
  ['TLS', 16 * 1024],
])('chunks of one turn wait for the next when the time is over: %s', async (_what, size) => {
  const { socket, events, frame } = start();
  // One message, and ticks.
  const chunk = Buffer.concat([frame, Buffer.alloc(size)]);
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  socket.emit('data', chunk);
  const first = events.length;
  expect(socket.paused).toBe(false);
  now = 1_000;
  socket.emit('data', chunk);
  expect(socket.paused).toBe(true);
  expect(events.length).toBe(first);
  await expect.poll(() => events.length, { interval: 1, timeout: 20_000 }).toBe(2 * first);
  expect(socket.paused).toBe(false);
});

test('between some fragments of a large message the processes have their turn', async () => {
  const { socket, events, frame } = start();
  // On a busy machine the slice could end, and the rest wait for a turn of the event loop, which does not come here.
  vi.spyOn(performance, 'now').mockReturnValue(0);
  const fragments = 15;
  const parts = Array.from({ length: fragments }, (_, at) => {
    const head = Buffer.alloc(18);
    head.set([131, at === 0 ? 69 : 70]);
    head.writeBigUInt64BE(1n, 2);
    head.writeBigUInt64BE(BigInt(fragments + 1 - at), 10);
    // Of an unfinished message; the number of its atoms stands before the first.
    return [framed(Buffer.concat([head, Buffer.alloc(at === 0 ? 1 : 0), Buffer.alloc(60_000)])), frame];
  });
  const turns: number[] = [];
  socket.emit('data', Buffer.concat(parts.flat()));
  while (events.length < fragments) {
    turns.push(events.length);
    await Promise.resolve();
  }
  expect(events.every((event) => event === 'signal')).toBe(true);
  const most = Math.max(...turns.map((count, at) => count - (turns[at - 1] ?? 0)));
  expect(most).toBeLessThanOrEqual(5);
});

test('of connections that hold too much of unfinished messages together, the one that holds the most ends', () => {
  vi.spyOn(performance, 'now').mockReturnValue(0);
  const unfinished = new Unfinished(1_000_000);
  const [one, other, third] = [start(unfinished), start(unfinished), start(unfinished)];
  /** The beginning of a frame. */
  const begin = (bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUInt32BE(900_000);
    return buffer;
  };
  /** A fragment of a message of a hundred. */
  const fragment = (number: number, bytes: number): Buffer => {
    const head = Buffer.alloc(18);
    head.set([131, number === 100 ? 69 : 70]);
    head.writeBigUInt64BE(1n, 2);
    head.writeBigUInt64BE(BigInt(number), 10);
    return framed(Buffer.concat([head, Buffer.alloc(bytes)]));
  };
  one.socket.emit('data', begin(300_000));
  for (let number = 100; number > 94; number--) other.socket.emit('data', fragment(number, 100_000));
  expect(unfinished.bytes).toBeGreaterThan(890_000);
  third.socket.emit('data', begin(200_000));
  expect([one.events, other.events, third.events]).toEqual([[], ['bad'], []]);
  expect(unfinished.bytes).toBe(499_992);
  // There is room again, and the others go on.
  third.socket.emit('data', Buffer.alloc(400_000));
  expect([one.events, third.events]).toEqual([[], []]);
  one.socket.emit('data', Buffer.alloc(500_000));
  expect([one.events, third.events]).toEqual([['bad'], []]);
  // What a connection holds anyway does not count.
  const many = Array.from({ length: 100 }, () => start(unfinished));
  for (const { socket } of many) socket.emit('data', begin(100_000));
  expect([...many.flatMap(({ events }) => events), ...third.events]).toEqual([]);
});
