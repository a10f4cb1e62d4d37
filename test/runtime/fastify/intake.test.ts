// What many clients send at once, read in several turns of the event loop.
// oxlint-disable no-underscore-dangle -- the method of `Writable`
import { defineWebSocketHandler, text, webSocketHandler } from 'troupe/fastify';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ReadTurns } from '../../../src/runtime/fastify/internal.ts';
import { open, serve } from './helpers.ts';

type Done = (error?: Error | null) => void;

/** Turns that a test ends by hand, and a clock that shows a reading's cost in milliseconds. */
function turns() {
  let now = 0;
  const due: (() => void)[] = [];
  const read: string[] = [];
  const all = new ReadTurns(
    () => now,
    (run) => due.push(run),
  );
  return {
    read,
    /** A receiver that has read a chunk after so many milliseconds. */
    receiver(costMs: number) {
      const receiver = {
        _write(chunk: Buffer, _encoding: BufferEncoding, done: Done) {
          now += costMs;
          read.push(chunk.toString());
          done();
        },
      };
      all.bound(receiver);
      return (chunk: string, done: Done = () => undefined) =>
        receiver._write(Buffer.from(chunk), 'utf8', done);
    },
    next: () => due.shift()?.(),
    get due() {
      return due.length;
    },
  };
}

test('what comes is read at once until the turn has taken long enough, then in order in later turns', () => {
  const loop = turns();
  const [quick, slow] = [loop.receiver(1), loop.receiver(8)];
  slow('a');
  quick('b');
  quick('c');
  expect(loop.read).toEqual(['a', 'b', 'c']);
  slow('d');
  quick('e');
  slow('f');
  quick('g');
  expect(loop.read).toEqual(['a', 'b', 'c']);
  loop.next();
  expect(loop.read.slice(3)).toEqual(['d', 'e', 'f']);
  // What waits goes first.
  quick('h');
  loop.next();
  expect(loop.read.slice(6)).toEqual(['g', 'h']);
  loop.next();
  expect(loop.due).toBe(0);
});

test('the rest of what a receiver was given stands behind what others were', () => {
  const loop = turns();
  const [one, other] = [loop.receiver(10), loop.receiver(10)];
  one('a');
  one('b', () => one('d'));
  other('c');
  for (let turn = 0; turn < 3; turn++) loop.next();
  expect(loop.read).toEqual(['a', 'b', 'c', 'd']);
});

test('one that throws does not keep the others from their turn, and is not read twice', () => {
  const loop = turns();
  const slow = loop.receiver(10);
  slow('a');
  slow('b', () => {
    throw new Error('of a listener');
  });
  slow('c');
  expect(loop.next).toThrow('of a listener');
  loop.next();
  expect(loop.read).toEqual(['a', 'b', 'c']);
});

test('clients that send at the same time do not take one turn of the event loop', async () => {
  let turn = 0;
  const turnsOfFrames = new Set<number>();
  const handler = defineWebSocketHandler({
    name: 'echo',
    init: () => undefined,
    handle: (_state, frame) => (frame.type === 'text' ? text(frame.data) : undefined),
  });
  const { port, app } = await serve((routes) => {
    routes.get('/socket', { websocket: true }, webSocketHandler(handler));
  });
  const clients = await Promise.all(Array.from({ length: 20 }, () => open(port)));
  for (const socket of app.websocketServer.clients) socket.on('message', () => turnsOfFrames.add(turn));
  // Whatever is read takes longer than a turn may.
  let now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1_000));
  onTestFinished(() => clock.mockRestore());
  let count = setImmediate(function next() {
    turn++;
    count = setImmediate(next);
  });
  onTestFinished(() => clearImmediate(count));
  for (const client of clients) for (let sent = 0; sent < 10; sent++) client.send(String(sent));
  const answers = await Promise.all(clients.map((client) => client.take(10)));
  for (const answer of answers) expect(answer).toEqual(Array.from({ length: 10 }, (_, sent) => String(sent)));
  expect(turnsOfFrames.size).toBeGreaterThanOrEqual(clients.length);
  for (const client of clients) client.socket.close(1000, 'done');
  for (const client of clients) expect(await client.closed).toMatchObject({ code: 1000 });
});
