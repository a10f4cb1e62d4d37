// What waits for a client that reads slowly, with a socket that a test empties by hand.
import { binary, type ConnectionLimits, type OutgoingFrame, ping, text } from 'troupe/fastify';
import { createManualClock } from 'troupe/testing';
import { createNode } from 'troupe';
import { expect, test } from 'vitest';
import { connectionLimits, Outbox, Pass } from '../../../src/runtime/fastify/internal.ts';

/** A socket that keeps what is written until the test lets the client take it. */
class Socket {
  readonly readyState = 1;
  readonly sent: string[] = [];
  /** How many frames each write had. */
  readonly writes: number[] = [];
  /** The buffers that were written. */
  readonly buffers: Uint8Array[] = [];
  bufferedAmount = 0;
  readonly #taken: (() => void)[] = [];
  #header = Buffer.alloc(0);

  /** What `ws` has inside. */
  readonly _sender = { _state: 0, _queue: [] };
  readonly _extensions = {};
  get _socket() {
    return this;
  }

  cork(): void {}
  uncork(): void {}

  write(data: Uint8Array, taken?: () => void): void {
    const bytes = Buffer.concat([this.#header, data]);
    // The header of a large frame comes first.
    if (taken === undefined) {
      this.#header = bytes;
      return;
    }
    this.#header = Buffer.alloc(0);
    const frames = framesOf(bytes);
    const payload = frames.reduce((sum, each) => sum + each.length, 0);
    this.sent.push(...frames.map(String));
    this.writes.push(frames.length);
    this.buffers.push(data);
    this.bufferedAmount += payload;
    this.#taken.push(() => {
      this.bufferedAmount -= payload;
      taken();
    });
  }

  send(): never {
    throw new Error('a frame that is not written');
  }

  /** The client takes the first write that it has not taken. */
  take(): void {
    this.#taken.shift()?.();
  }

  /** How many writes it has not taken. */
  get untaken(): number {
    return this.#taken.length;
  }
}

/** The frames in some bytes, pings marked as such. */
function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const short = bytes.readUInt8(at + 1);
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    const payload = bytes.subarray(start, start + length);
    expect(payload).toHaveLength(length);
    frames.push(bytes[at] === 0x89 ? Buffer.concat([Buffer.from('ping '), payload]) : payload);
    at = start + length;
  }
  return frames;
}

/** Ends as soon as something is sent. */
const atOnce = () => new Pass((flush) => flush());

function setUp(limits: Partial<ConnectionLimits>, pass = atOnce()) {
  const clock = createManualClock();
  const { timers } = createNode({ clock });
  const socket = new Socket();
  const told: string[] = [];
  const outbox = new Outbox(
    socket as never,
    connectionLimits(limits),
    timers,
    {
      onTaken: () => told.push('taken'),
      onStuck: () => told.push('stuck'),
      onRoom: () => told.push('room'),
      onReplaced: () => told.push('replaced'),
    },
    pass,
  );
  const put = (frame: OutgoingFrame | string) => outbox.put(typeof frame === 'string' ? text(frame) : frame);
  return { clock, socket, outbox, told, put };
}

test('the socket gets little at a time, and everything in order', () => {
  const { socket, outbox, put } = setUp({ sendHighWaterBytes: 10 });
  const frames = Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(4, '.'));
  for (const frame of frames) expect(put(frame)).toBe(true);
  expect(socket.sent).toEqual(frames.slice(0, 2));
  while (socket.untaken > 0) {
    expect(socket.bufferedAmount).toBeLessThanOrEqual(10);
    socket.take();
  }
  expect(socket.sent).toEqual(frames);
  expect(outbox.bytes).toBe(0);
});

test('a frame larger than the mark is handed over alone', () => {
  const { socket, put } = setUp({ sendHighWaterBytes: 10 });
  for (const frame of ['small', 'a very long frame', 'another very long frame', 'small']) put(frame);
  expect(socket.sent).toEqual(['small']);
  for (const count of [2, 3, 4]) {
    socket.take();
    expect(socket.sent).toHaveLength(count);
    expect(socket.untaken).toBe(1);
  }
});

test('however small they are, the socket holds no more than some frames', () => {
  const { socket, put } = setUp({});
  for (let n = 0; n < 5_000; n++) expect(put('')).toBe(true);
  expect(socket.untaken).toBe(1_024);
  while (socket.untaken > 0) socket.take();
  expect(socket.sent).toHaveLength(5_000);
});

test('pings keep their place', () => {
  const { socket, put } = setUp({ sendHighWaterBytes: 4 });
  put('abcd');
  put('efgh');
  put(ping('x'));
  while (socket.untaken > 0) socket.take();
  expect(socket.sent).toEqual(['abcd', 'efgh', 'ping x']);
});

test('what passes the limit is refused, and frames that wait count a little more than their payload', () => {
  const { socket, outbox, put } = setUp({ sendHighWaterBytes: 100, sendLimitBytes: 1_000 });
  put(binary(Buffer.alloc(100)));
  expect(outbox.bytes).toBe(100);
  put(binary(Buffer.alloc(400)));
  expect(outbox.bytes).toBe(564);
  expect(put(binary(Buffer.alloc(437)))).toBe(false);
  expect(put(binary(Buffer.alloc(436)))).toBe(true);
  socket.take();
  expect(outbox.bytes).toBe(900);
  expect(put(binary(Buffer.alloc(101)))).toBe(false);
  expect(put(binary(Buffer.alloc(100)))).toBe(true);
  let refusedAt = 0;
  while (put('')) refusedAt++;
  expect(refusedAt).toBeLessThan(2_000);
});

test('a client that takes something is never stuck; one that takes nothing is, after sendTimeoutMs', async () => {
  const { clock, socket, told, put } = setUp({ sendHighWaterBytes: 10, sendTimeoutMs: 1_000 });
  for (let n = 0; n < 5; n++) put('0123456789');
  for (let n = 0; n < 4; n++) {
    await clock.advance(999);
    socket.take();
  }
  expect(told).toEqual(['taken', 'taken', 'taken', 'taken']);
  // The last one is on the socket, and nothing behind it: that is for the heartbeat to see.
  await clock.advance(10_000);
  expect(told).not.toContain('stuck');
  expect(clock.pending).toBe(0);
  put('0123456789');
  await clock.advance(999);
  expect(told).not.toContain('stuck');
  await clock.advance(1);
  expect(told.at(-1)).toBe('stuck');
});

test('the first frames tell nothing of the client: they may be in buffers of the system', () => {
  const { socket, told, put } = setUp({ sendHighWaterBytes: 100 });
  for (let n = 0; n < 5; n++) put('0123456789');
  while (socket.untaken > 0) socket.take();
  expect(told).toEqual([]);
});

test('with `drop` nobody is stuck, and what passes the mark is refused', async () => {
  const { clock, told, put } = setUp({ sendHighWaterBytes: 10, slowClient: 'drop', sendTimeoutMs: 1_000 });
  expect(put('0123456789')).toBe(true);
  expect(put('x')).toBe(false);
  await clock.advance(100_000);
  expect(told).toEqual([]);
});

test('at the end what waits is handed over, or forgotten', async () => {
  for (const flush of [true, false]) {
    const { clock, socket, outbox, told, put } = setUp({ sendHighWaterBytes: 4 });
    for (const frame of ['abcd', 'efgh', 'ijkl']) put(frame);
    outbox.end({ flush });
    expect(socket.sent).toEqual(flush ? ['abcd', 'efgh', 'ijkl'] : ['abcd']);
    while (socket.untaken > 0) socket.take();
    expect(outbox.bytes).toBe(0);
    await clock.advance(1_000_000);
    expect(told).toEqual([]);
  }
});
