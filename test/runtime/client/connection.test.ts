// How a client of a channel gets a connection, keeps it and comes back, over fake sockets and a hand-driven clock.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bench } from './bench.ts';

const ALMOST_ONE = 1 - Number.EPSILON;

/** The client's defaults, in milliseconds. */
const limits = {
  delayBaseMs: 500,
  delayCapMs: 15_000,
  liveWithinMs: 10_000,
  pingEveryMs: 20_000,
  pongWithinMs: 5_000,
  stableAfterMs: 10_000,
};

type Bench = ReturnType<typeof bench>;

function live(at: Bench): void {
  at.socket.onopen?.();
  at.socket.say({ event: 'live', id: 'e:0' });
}

const isWaiting = ({ client }: Bench): boolean => client.status.retryAt !== undefined;

describe('getting live', () => {
  test('is the word of the server, not the opening of the socket', () => {
    const at = bench();
    expect(at.client.status.state).toBe('connecting');
    at.socket.onopen?.();
    expect(at.client.status.state).toBe('resuming');
    at.socket.say({ event: 'live', id: 'e:0' });
    expect(at.client.status.state).toBe('live');
  });

  test('has a limit, from the attempt on', () => {
    const at = bench();
    at.socket.onopen?.();
    at.pass(limits.liveWithinMs - 1);
    expect(at.client.status.state).toBe('resuming');
    at.pass(1);
    expect(isWaiting(at)).toBe(true);
    expect(at.socket.closed).toBe(true);
  });

  test('is not waited for by messages, which may come before', () => {
    const at = bench();
    at.socket.onopen?.();
    at.socket.say({ event: 'added', data: { n: 1 }, id: 'e:1' });
    at.socket.onmessage?.({ data: new ArrayBuffer(1) });
    live(at);
    expect(at.log).toEqual([['added', 1, 'e:1']]);
  });
});

describe('heartbeat', () => {
  test('pings again and again while it is answered', async () => {
    const at = bench();
    live(at);
    for (let round = 1; round <= 3; round += 1) {
      at.pass(limits.pingEveryMs);
      expect(at.socket.sent).toHaveLength(round);
      at.socket.say('pong');
    }
    await Promise.resolve();
    expect(at.states).toEqual(['resuming', 'live', 'live']); // the last one is what it is told at first
  });

  test('gives a socket up that does not answer in time', () => {
    const at = bench();
    live(at);
    at.pass(limits.pingEveryMs + limits.pongWithinMs - 1);
    expect(at.client.status.state).toBe('live');
    at.pass(1);
    expect(isWaiting(at)).toBe(true);
    expect(at.socket.closed).toBe(true);
  });
});

describe('coming back', () => {
  test('doubles the ceiling of the delay with each attempt, up to the cap', () => {
    const at = bench();
    at.random = ALMOST_ONE;
    const ceilings: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      at.socket.drop();
      ceilings.push(at.delayMs);
      expect(at.client.status).toMatchObject({ attempt });
      at.pass(at.delayMs);
      expect(at.sockets).toHaveLength(attempt + 1);
    }
    expect(ceilings).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  test('takes a random part of the ceiling', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (part, losses) => {
          const at = bench();
          at.random = part;
          for (let loss = 1; loss < losses; loss += 1) {
            at.socket.drop();
            at.pass(at.delayMs);
          }
          at.socket.drop();
          const ceilingMs = Math.min(limits.delayCapMs, limits.delayBaseMs * 2 ** (losses - 1));
          expect(at.delayMs).toBe(Math.round(part * ceilingMs));
        },
      ),
    );
  });

  test('starts over with the delay after a connection that held, not after one that was dropped at once', () => {
    const at = bench();
    at.random = ALMOST_ONE;
    at.socket.drop();
    at.pass(at.delayMs);
    live(at);
    at.pass(limits.stableAfterMs - 1);
    at.socket.drop();
    expect(at.delayMs).toBe(limits.delayBaseMs * 2);
    at.pass(at.delayMs);
    live(at);
    at.pass(limits.stableAfterMs);
    at.socket.drop();
    expect(at.delayMs).toBe(limits.delayBaseMs);
  });

  test('wake while waiting tries at once, and once', () => {
    const at = bench();
    at.socket.drop();
    at.client.wake();
    expect(at.sockets).toHaveLength(2);
    at.client.wake();
    at.pass(limits.delayBaseMs);
    expect(at.sockets).toHaveLength(2);
  });

  test('wake while online has the connection prove that it lives', () => {
    const at = bench();
    live(at);
    at.client.wake();
    at.client.wake();
    expect(at.socket.sent).toEqual(['ping']);
    at.pass(limits.pongWithinMs);
    expect(isWaiting(at)).toBe(true);
  });

  test('a socket that was given up is not heard any more', () => {
    const at = bench();
    live(at);
    const old = at.socket;
    at.pass(limits.pingEveryMs + limits.pongWithinMs);
    at.pass(at.delayMs);
    live(at);
    old.say({ event: 'added', data: { n: 1 }, id: 'e:1' });
    old.drop();
    expect(at.log).toEqual([]);
    expect(at.client.status.state).toBe('live');
  });

  test('nonsense gives the socket up', () => {
    const at = bench();
    live(at);
    at.socket.say('nonsense');
    expect(isWaiting(at)).toBe(true);
    expect(at.socket.closed).toBe(true);
    at.socket.say('nonsense'); // nothing to give up
    expect(at.client.status.attempt).toBe(1);
  });
});

test('after close nothing happens any more', () => {
  const at = bench();
  live(at);
  at.client.close();
  expect(at.socket.closed).toBe(true);
  expect(at.timers).toBe(0);
  at.socket.drop();
  at.client.wake();
  at.socket.say('nonsense');
  expect(at.sockets).toHaveLength(1);
  expect(at.client.status.state).toBe('closed');
});

test('whatever happens, one socket at most is in use, one timer runs, and it comes back', () => {
  const step = fc.constantFrom('open', 'live', 'drop', 'dropOld', 'pass', 'passLong', 'wake', 'nonsense');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const at = bench();
      for (const name of steps) {
        if (name === 'open') at.socket.onopen?.();
        else if (name === 'live') at.socket.say({ event: 'live', id: 'e:0' });
        else if (name === 'drop') at.socket.drop();
        else if (name === 'dropOld') at.sockets[0]?.drop();
        else if (name === 'pass') at.pass(300);
        else if (name === 'passLong') at.pass(30_000);
        else if (name === 'wake') at.client.wake();
        else at.socket.say(name);
        expect(at.sockets.slice(0, -1).every(({ closed }) => closed)).toBe(true);
        expect(at.timers).toBe(1);
        expect(!isWaiting(at) || at.socket.closed).toBe(true);
      }
      at.pass(limits.pingEveryMs + limits.pongWithinMs + limits.liveWithinMs); // whatever was half dead is over
      if (isWaiting(at)) at.client.wake();
      live(at);
      expect(at.client.status.state).toBe('live');
    }),
  );
});
