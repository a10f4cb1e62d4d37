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

/** A pass that a test ends. */
function manualPass() {
  let flush: (() => void) | undefined;
  const pass = new Pass((next) => {
    flush = next;
  });
  return {
    pass,
    end: () => {
      const due = flush;
      flush = undefined;
      due?.();
    },
  };
}

test('what is sent in one pass leaves in one write, which clients that get the same share', () => {
  const { pass, end } = manualPass();
  const clients = Array.from({ length: 3 }, () => setUp({}, pass));
  const frames = ['first', 'second', 'third'].map((each) => text(each));
  for (const frame of frames) for (const { put } of clients) put(frame);
  expect(clients.map(({ socket }) => socket.sent)).toEqual([[], [], []]);
  end();
  for (const { socket } of clients) {
    expect(socket.sent).toEqual(['first', 'second', 'third']);
    expect(socket.writes).toEqual([3]);
    expect(socket.buffers[0]).toBe(clients[0]?.socket.buffers[0]);
  }
});

test('a frame of its own keeps its place, and one that all get is written as it is', () => {
  const { pass, end } = manualPass();
  const [one, other] = [setUp({}, pass), setUp({}, pass)];
  const [first, second] = [text('to all'), text('to all, too')];
  for (const { put } of [one, other]) put(first);
  one.put(ping('x'));
  for (const { put } of [one, other]) put(second);
  end();
  expect(one.socket.sent).toEqual(['to all', 'ping x', 'to all, too']);
  expect(other.socket.sent).toEqual(['to all', 'to all, too']);
  for (const { socket } of [one, other]) socket.take();
  for (const { put } of [one, other]) put(first);
  end();
  expect(one.socket.buffers[1]).toBe(first.bytes);
  expect(other.socket.buffers[1]).toBe(first.bytes);
});

test('a frame that lives on keeps nothing of its pass', () => {
  const { pass, end } = manualPass();
  const { put } = setUp({}, pass);
  const pong = text('pong');
  put('before');
  put(pong);
  expect(pong.run?.count).toBe(2);
  end();
  expect(pong.run).toBeNull();
});

test('frames of the pass count as waiting', () => {
  const { pass, end } = manualPass();
  const { outbox, socket, put } = setUp({ sendHighWaterBytes: 10, sendLimitBytes: 200 }, pass);
  expect(put('01234')).toBe(true);
  expect(outbox.bytes).toBe(5);
  expect(put('56789')).toBe(true);
  expect(put('next')).toBe(true);
  expect(outbox.bytes).toBe(10 + 4 + 64);
  expect(put('x'.repeat(150))).toBe(false);
  end();
  expect(socket.sent).toEqual(['01234', '56789']);
  socket.take();
  expect(socket.sent).toEqual(['01234', '56789', 'next']);
});

test('for a socket that has not taken what came before, nothing is copied', () => {
  const { pass, end } = manualPass();
  const { socket, put } = setUp({}, pass);
  put('before');
  end();
  const frames = [text('one'), text('two')];
  for (const frame of frames) put(frame);
  end();
  expect(socket.buffers.slice(1)).toEqual(frames.map(({ bytes }) => bytes));
  frames.forEach(({ bytes }, index) => expect(socket.buffers[index + 1]).toBe(bytes));
});

test('for many that have not taken what came before, their run is copied once', () => {
  const { pass, end } = manualPass();
  const clients = [setUp({}, pass), setUp({}, pass)];
  for (const frame of [text('before'), text('one'), text('two')]) {
    for (const { put } of clients) put(frame);
    if (frame.data === 'before') end();
  }
  end();
  for (const { socket } of clients) {
    expect(socket.writes).toEqual([1, 2]);
    expect(socket.sent).toEqual(['before', 'one', 'two']);
    expect(socket.buffers[1]).toBe(clients[0]?.socket.buffers[1]);
  }
});

test('a large frame leaves at once, behind what came before, and is not copied', () => {
  const { pass, end } = manualPass();
  const { socket, put } = setUp({}, pass);
  const large = Buffer.alloc(100_000, 'x');
  put('before');
  put(binary(large));
  put('behind');
  expect(socket.sent).toEqual(['before', large.toString()]);
  end();
  expect(socket.sent).toEqual(['before', large.toString(), 'behind']);
});

test('a pass that is long is written before it ends', () => {
  const { pass } = manualPass();
  const { socket, put } = setUp({}, pass);
  for (let n = 0; n < 100; n++) put('x'.repeat(1_000));
  expect(socket.sent.length).toBeGreaterThan(60);
});

test('a socket that is closing gets nothing more', () => {
  const { pass, end } = manualPass();
  const { socket, put } = setUp({}, pass);
  put('too late');
  Object.assign(socket, { readyState: 2 });
  end();
  expect(socket.sent).toEqual([]);
});

test('while `ws` has something in its queue, frames go through it', () => {
  const { socket, put } = setUp({});
  const sent: unknown[] = [];
  Object.assign(socket, {
    send: (data: unknown) => sent.push(data),
    ping: (data: unknown) => sent.push(data),
  });
  Object.assign(socket, { _sender: { _state: 1, _queue: [] } });
  put('text');
  put(ping('ping'));
  expect(sent).toEqual(['text', 'ping']);
  expect(socket.sent).toEqual([]);
});

test('with `drop` the owner is told when there is room again', () => {
  const { socket, told, put } = setUp({ sendHighWaterBytes: 10, slowClient: 'drop' });
  for (let n = 0; n < 3; n++) put('01234');
  expect(told).toEqual([]);
  socket.take();
  expect(told).toEqual(['room']);
  socket.take();
  expect(told).toEqual(['room']);
  expect(put('larger than the mark')).toBe(false);
  expect(told).toEqual(['room', 'room']);
});

test('with `latest` a frame that waits gives way to a later one of its key, and the order stays', () => {
  const { socket, outbox, told, put } = setUp({ sendHighWaterBytes: 4, slowClient: 'latest' });
  const state = (key: string, value: string) => text(`${key}=${value}`, { key });
  put('full');
  put(state('a', '1'));
  put(text('no key'));
  put(state('b', '1'));
  put(state('a', '2'));
  put(state('a', '3'));
  expect(told).toEqual(['replaced', 'replaced']);
  expect(outbox.bytes).toBe(4 + (6 + 3 + 3) + 3 * 64);
  while (socket.untaken > 0) socket.take();
  expect(socket.sent).toEqual(['full', 'no key', 'b=1', 'a=3']);
  expect(outbox.bytes).toBe(0);
  put(state('a', '4'));
  expect(socket.sent.at(-1)).toBe('a=4');
});

test('with `latest` memory is bounded: by the number of keys, or else by the limit', async () => {
  const { clock, outbox, told, put } = setUp({
    sendHighWaterBytes: 10,
    sendLimitBytes: 2_000,
    slowClient: 'latest',
    sendTimeoutMs: 1_000,
  });
  put('0123456789');
  for (let n = 0; n < 100_000; n++) expect(put(text('0123456789', { key: n % 20 }))).toBe(true);
  expect(outbox.bytes).toBe(10 + 20 * 74);
  await clock.advance(100_000);
  expect(told).not.toContain('stuck');
  let others = 0;
  while (put('no key')) others++;
  expect(others).toBeLessThan(10);
  expect(put(text('0123456789', { key: 3 }))).toBe(true);
});
