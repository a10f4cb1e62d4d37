// The connection over fake sockets and a hand-driven clock.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { connectionLimits as limits, keepConnected } from '../../../src/app/web/connection.ts';
import type { Connection, ConnectionStatus } from '../../../src/app/web/connection.ts';
import { FakeSocket } from './fake-socket.ts';
import { ManualTime } from './manual-time.ts';

const ALMOST_ONE = 1 - Number.EPSILON;

class Bench {
  readonly time = new ManualTime();
  readonly sockets: FakeSocket[] = [];
  readonly statuses: ConnectionStatus[] = [];
  readonly messages: string[] = [];
  readonly connection: Connection;

  constructor(random: () => number = () => ALMOST_ONE) {
    this.connection = keepConnected({
      open: () => {
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket;
      },
      scheduler: this.time,
      random,
      onStatus: (status) => this.statuses.push(status),
      onMessage: (text) => this.messages.push(text),
    });
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  get status(): ConnectionStatus {
    return this.statuses.at(-1) as ConnectionStatus;
  }

  get phase(): string {
    return this.status.phase;
  }

  /** Milliseconds until the next attempt. */
  get delayMs(): number {
    return this.status.phase === 'waiting' ? this.status.retryAt - this.time.now() : Number.NaN;
  }

  goOnline(): void {
    this.socket.open();
    this.socket.receive('pong');
  }
}

describe('getting online', () => {
  test('is the answer to a ping, not the opening of the socket', () => {
    const bench = new Bench();
    expect(bench.phase).toBe('connecting');
    bench.socket.open();
    expect(bench.socket.sent).toEqual(['ping']);
    expect(bench.phase).toBe('connecting');
    bench.socket.receive('pong');
    expect(bench.phase).toBe('online');
  });

  test('has a limit, from the attempt on', () => {
    const bench = new Bench();
    bench.socket.open();
    bench.time.pass(limits.onlineWithinMs - 1);
    expect(bench.phase).toBe('connecting');
    bench.time.pass(1);
    expect(bench.phase).toBe('waiting');
    expect(bench.socket.closed).toBe(true);
  });

  test('is not waited for by messages, which may come before', () => {
    const bench = new Bench();
    bench.socket.open();
    bench.socket.receive('{"event":"x"}');
    bench.socket.receive(new ArrayBuffer(1));
    bench.socket.receive('pong');
    expect(bench.messages).toEqual(['{"event":"x"}']);
  });
});

describe('heartbeat', () => {
  test('pings again and again while it is answered', () => {
    const bench = new Bench();
    bench.goOnline();
    for (let round = 2; round <= 4; round += 1) {
      bench.time.pass(limits.pingEveryMs);
      expect(bench.socket.sent).toHaveLength(round);
      bench.socket.receive('pong');
    }
    expect(bench.statuses.map(({ phase }) => phase)).toEqual(['connecting', 'online']);
  });

  test('gives a socket up that does not answer in time', () => {
    const bench = new Bench();
    bench.goOnline();
    bench.time.pass(limits.pingEveryMs + limits.pongWithinMs - 1);
    expect(bench.phase).toBe('online');
    bench.time.pass(1);
    expect(bench.phase).toBe('waiting');
    expect(bench.socket.closed).toBe(true);
  });
});

describe('coming back', () => {
  test('doubles the ceiling of the delay with each attempt, up to the cap', () => {
    const bench = new Bench();
    const ceilings: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      bench.socket.drop();
      ceilings.push(bench.delayMs);
      expect(bench.status).toMatchObject({ attempt });
      bench.time.pass(bench.delayMs);
      expect(bench.sockets).toHaveLength(attempt + 1);
    }
    expect(ceilings).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  test('takes a random part of the ceiling', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (part, losses) => {
          const bench = new Bench(() => part);
          for (let loss = 1; loss < losses; loss += 1) {
            bench.socket.drop();
            bench.time.pass(bench.delayMs);
          }
          bench.socket.drop();
          const ceilingMs = Math.min(limits.delayCapMs, limits.delayBaseMs * 2 ** (losses - 1));
          expect(bench.delayMs).toBe(Math.round(part * ceilingMs));
        },
      ),
    );
  });

  test('starts over with the delay after a connection that held, not after one that was dropped at once', () => {
    const bench = new Bench();
    bench.socket.drop();
    bench.time.pass(bench.delayMs);
    bench.goOnline();
    bench.time.pass(limits.stableAfterMs - 1);
    bench.socket.drop();
    expect(bench.delayMs).toBe(limits.delayBaseMs * 2);
    bench.time.pass(bench.delayMs);
    bench.goOnline();
    bench.time.pass(limits.stableAfterMs);
    bench.socket.drop();
    expect(bench.delayMs).toBe(limits.delayBaseMs);
  });

  test('wake while waiting tries at once, and once', () => {
    const bench = new Bench();
    bench.socket.drop();
    bench.connection.wake();
    expect(bench.sockets).toHaveLength(2);
    bench.connection.wake();
    bench.time.pass(limits.delayBaseMs);
    expect(bench.sockets).toHaveLength(2);
  });

  test('wake while online has the connection prove that it lives', () => {
    const bench = new Bench();
    bench.goOnline();
    bench.connection.wake();
    bench.connection.wake();
    expect(bench.socket.sent).toEqual(['ping', 'ping']);
    bench.time.pass(limits.pongWithinMs);
    expect(bench.phase).toBe('waiting');
  });

  test('a socket that was given up is not heard any more', () => {
    const bench = new Bench();
    bench.goOnline();
    const old = bench.socket;
    bench.time.pass(limits.pingEveryMs + limits.pongWithinMs);
    bench.time.pass(bench.delayMs);
    bench.goOnline();
    old.receive('late');
    old.drop();
    expect(bench.messages).toEqual([]);
    expect(bench.phase).toBe('online');
  });

  test('reset gives a socket up that makes no sense', () => {
    const bench = new Bench();
    bench.goOnline();
    bench.connection.reset();
    expect(bench.phase).toBe('waiting');
    expect(bench.socket.closed).toBe(true);
    bench.connection.reset(); // nothing to give up
    expect(bench.statuses.filter(({ phase }) => phase === 'waiting')).toHaveLength(1);
  });
});

test('after close nothing happens any more', () => {
  const bench = new Bench();
  bench.goOnline();
  bench.connection.close();
  expect(bench.socket.closed).toBe(true);
  expect(bench.time.pending).toBe(0);
  bench.socket.drop();
  bench.connection.wake();
  bench.connection.reset();
  expect(bench.sockets).toHaveLength(1);
  expect(bench.phase).toBe('online');
});

test('whatever happens, one socket at most is in use, one timer runs, and it comes back', () => {
  const step = fc.constantFrom('open', 'pong', 'drop', 'dropOld', 'pass', 'passLong', 'wake', 'reset');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bench = new Bench(() => 0.5);
      for (const name of steps) {
        if (name === 'open') bench.socket.open();
        else if (name === 'pong') bench.socket.receive('pong');
        else if (name === 'drop') bench.socket.drop();
        else if (name === 'dropOld') bench.sockets[0]?.drop();
        else if (name === 'pass') bench.time.pass(300);
        else if (name === 'passLong') bench.time.pass(30_000);
        else bench.connection[name]();
        expect(bench.sockets.slice(0, -1).every(({ closed }) => closed)).toBe(true);
        expect(bench.time.pending).toBe(1);
        expect(bench.phase !== 'waiting' || bench.socket.closed).toBe(true);
      }
      bench.time.pass(limits.pingEveryMs + limits.pongWithinMs + limits.onlineWithinMs); // whatever was half dead is over
      if (bench.phase === 'waiting') bench.connection.wake();
      bench.goOnline();
      expect(bench.phase).toBe('online');
    }),
  );
});
