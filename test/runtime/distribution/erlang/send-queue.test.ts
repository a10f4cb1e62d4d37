// The way out of a connection, with a socket that takes whatever it is given at once: a large message goes out some fragments in a
// turn of the event loop, what others send passes it, and its bytes are written from where they are.
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { FRAGMENT_BYTES, SendQueue } from '../../../../src/runtime/distribution/erlang/internal.ts';
import { ByteWriter } from '../../../../src/runtime/distribution/etf/internal.ts';

const MEBIBYTE = 1_048_576;
const LARGE = 16 * MEBIBYTE;
const FRAGMENTS = LARGE / FRAGMENT_BYTES;
/** As many as may wait in a socket. */
const MOST_IN_A_TURN = 4;

/** A socket whose system takes everything. */
class HungrySocket {
  readonly writableLength = 0;
  readonly written: Uint8Array[] = [];

  cork(): void {}
  uncork(): void {}

  write(bytes: Uint8Array, done?: () => void): void {
    this.written.push(bytes);
    if (done !== undefined) process.nextTick(done);
  }
}

function open() {
  const socket = new HungrySocket();
  const writer = new ByteWriter(1_024, 2 * LARGE);
  let drained!: () => void;
  const gone = new Promise<void>((resolve) => (drained = resolve));
  const limits = { highWaterBytes: 2 * LARGE, maxBytes: 2 * LARGE };
  const queue = new SendQueue(socket as unknown as Socket, writer, limits, {
    busy: () => expect.unreachable(),
    full: () => expect.unreachable(),
    drained,
  });
  const small = (text: string, sender: number): void => {
    const start = writer.length;
    writer.bytes(Buffer.from(text));
    queue.added(start, sender);
  };
  return { socket, queue, small, gone };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a large message goes out some fragments a turn, and others pass it, however much the system takes', async () => {
  const { socket, queue, small, gone } = open();
  const payload = Buffer.alloc(LARGE, 7);
  queue.addLarge(Buffer.of(0), payload, 1);
  const parts = () => socket.written.filter(({ buffer }) => buffer === payload.buffer);
  let most = 0;
  for (let turn = 0; turn < 3; turn++) {
    const before = parts().length;
    await nextTurn();
    most = Math.max(most, parts().length - before);
  }
  expect(parts().length).toBeLessThan(FRAGMENTS);
  small('past it', 2);
  small('behind it', 1);
  await gone;
  const at = (text: string) => socket.written.findIndex((bytes) => Buffer.from(bytes).toString() === text);
  const last = socket.written.lastIndexOf(parts().at(-1) as Uint8Array);
  expect(most).toBeLessThanOrEqual(2 * MOST_IN_A_TURN);
  expect(at('past it')).toBeGreaterThan(0);
  expect(at('past it')).toBeLessThan(last);
  expect(at('behind it')).toBeGreaterThan(last);
  // Nothing of it was copied.
  expect(parts()).toHaveLength(FRAGMENTS);
  expect(Buffer.concat(parts()).equals(payload)).toBe(true);
});
