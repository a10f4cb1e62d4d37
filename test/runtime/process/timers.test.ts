// Messages sent later: erlang:send_after/3, erlang:cancel_timer/1, erlang:read_timer/1; and the clock beneath them.
import { type Clock, type ClockTimer, systemClock } from 'troupe';
import { createManualClock, createProbe, settle } from 'troupe/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { coarseNow } from '../../../src/runtime/process/internal.ts';
import { idle, inProcess, makeNode, recordTelemetry } from './helpers.ts';

function setUp() {
  const clock = createManualClock();
  const node = makeNode({ clock });
  return { clock, node, probe: createProbe(node) };
}

describe('send_after', () => {
  test('erlang:send_after/3: the message arrives when its time is over, not before', async () => {
    const { clock, node, probe } = setUp();
    node.sendAfter(1000, probe.pid, 'tick');
    await clock.advance(999);
    expect(probe.messages()).toEqual([]);
    await clock.advance(1);
    expect(probe.messages()).toEqual(['tick']);
  });

  test('erlang:send_after/3 with the clock of the system', async () => {
    const node = makeNode();
    const probe = createProbe(node);
    node.sendAfter(20, probe.pid, 'second');
    node.sendAfter(0, probe.pid, 'first');
    expect([await probe.receive(), await probe.receive()]).toEqual(['first', 'second']);
  });

  test('timers fire in the order of their times, those of equal length in the order of their start', async () => {
    const { clock, node, probe } = setUp();
    for (const [delay, message] of [
      [30, 'c'],
      [10, 'a1'],
      [20, 'b'],
      [10, 'a2'],
    ] as const) {
      node.sendAfter(delay, probe.pid, message);
    }
    await clock.advance(30);
    expect(probe.messages()).toEqual(['a1', 'a2', 'b', 'c']);
  });

  test('timers of one length started at different times fire at different times', async () => {
    const { clock, node, probe } = setUp();
    node.sendAfter(10, probe.pid, 1);
    await clock.advance(4);
    node.sendAfter(10, probe.pid, 2);
    await clock.advance(6);
    expect(probe.messages()).toEqual([1]);
    await clock.advance(3);
    expect(probe.messages()).toEqual([1]);
    await clock.advance(1);
    expect(probe.messages()).toEqual([1, 2]);
  });

  test('erlang:send_after/3: the timer lives on when the process that started it ends', async () => {
    const { clock, node, probe } = setUp();
    await inProcess(node, (self) => void self.sendAfter(10, probe.pid, 'from the grave'));
    await clock.advance(10);
    expect(probe.messages()).toEqual(['from the grave']);
  });

  test('erlang:send_after/3: a name is looked up when the time is over', async () => {
    const { clock, node, probe } = setUp();
    node.sendAfter(10, 'service', 'to whoever has it');
    node.register('service', probe.pid);
    await clock.advance(10);
    expect(probe.messages()).toEqual(['to whoever has it']);
  });

  test('erlang:send_after/3: a name that is unregistered by then is not an error', async () => {
    const { clock, node } = setUp();
    const undeliverable = recordTelemetry('troupe:message:undeliverable');
    node.sendAfter(10, 'nobody', 'lost');
    await clock.advance(10);
    expect(undeliverable).toEqual([]);
  });

  test('what cannot be sent when its time comes is reported, and other timers go on', async () => {
    const { clock, node, probe } = setUp();
    const undeliverable = recordTelemetry('troupe:message:undeliverable');
    node.sendAfter(10, { name: 'service', node: 'other@host' }, 'lost');
    node.sendAfter(10, probe.pid, 'arrives');
    await clock.advance(10);
    expect(probe.messages()).toEqual(['arrives']);
    expect(undeliverable).toMatchObject([{ message: 'lost', error: { code: 'TROUPE_NO_CARRIER' } }]);
  });

  test('erlang:send_after/3: the longest time is 2^32-1 ms, longer than a timer of Node.js can wait', async () => {
    const { clock, node, probe } = setUp();
    const longest = 0xffff_ffff;
    const timer = node.sendAfter(longest, probe.pid, 'late');
    expect(timer.left()).toBe(longest);
    await clock.advance(longest - 1);
    expect(probe.messages()).toEqual([]);
    await clock.advance(1);
    expect(probe.messages()).toEqual(['late']);
  });

  test.each([-1, 2 ** 32, Number.NaN, Infinity])('erlang:send_after/3: badarg for %d ms', (delayMs) => {
    const { node, probe } = setUp();
    expect(() => node.sendAfter(delayMs, probe.pid, 1)).toThrow(
      expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
    );
  });

  test('fractions of a millisecond are rounded up', async () => {
    const { clock, node, probe } = setUp();
    node.sendAfter(0.2, probe.pid, 'x');
    await clock.advance(0.9);
    expect(probe.messages()).toEqual([]);
    await clock.advance(0.1);
    expect(probe.messages()).toEqual(['x']);
  });
});

describe('cancel_timer and read_timer', () => {
  test('erlang:read_timer/1 and cancel_timer/1 tell what was left; then it does not fire', async () => {
    const { clock, node, probe } = setUp();
    const timer = node.sendAfter(100, probe.pid, 'never');
    await clock.advance(40);
    expect([timer.left(), timer.cancel()]).toEqual([60, 60]);
    await clock.advance(1000);
    expect(probe.messages()).toEqual([]);
  });

  test('erlang:cancel_timer/1: false when it has fired or was cancelled', async () => {
    const { clock, node, probe } = setUp();
    const [fired, cancelled] = [node.sendAfter(10, probe.pid, 1), node.sendAfter(10, probe.pid, 2)];
    cancelled.cancel();
    await clock.advance(10);
    expect([fired.cancel(), fired.left(), cancelled.cancel(), cancelled.left()]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test('erlang:send_after/3: a timer to a pid is cancelled when the process is not alive, or ends', async () => {
    const { node, probe } = setUp();
    const [dead, mortal] = [node.spawn(() => undefined), node.spawn(idle)];
    await settle(node);
    const [late, cut] = [node.sendAfter(100, dead, 1), node.sendAfter(100, mortal, 2)];
    const kept = node.sendAfter(100, probe.pid, 3);
    expect([late.left(), late.cancel(), cut.left()]).toEqual([false, false, 100]);
    node.exit(mortal, 'kill');
    expect([cut.left(), cut.cancel(), kept.left()]).toEqual([false, false, 100]);
  });

  test('any of many timers of one length can be cancelled, first, last and in between', async () => {
    const { clock, node, probe } = setUp();
    const timers = Array.from({ length: 10 }, (_, i) => node.sendAfter(50, probe.pid, i));
    for (const index of [0, 9, 4, 5]) timers[index]?.cancel();
    await clock.advance(50);
    expect(probe.messages()).toEqual([1, 2, 3, 6, 7, 8]);
  });
});

describe('the clock beneath', () => {
  /** The clock of the system, with a count of the timers that keep the operating system process alive. */
  function countingClock(): { clock: Clock; alive: () => number } {
    const timers = new Map<ClockTimer, NodeJS.Timeout>();
    const clock: Clock = {
      ...systemClock,
      set: (delayMs, run) => {
        const timer = systemClock.set(delayMs, () => {
          timers.delete(timer);
          run();
        });
        timers.set(timer, timer as NodeJS.Timeout);
        return timer;
      },
      clear: (timer) => {
        timers.delete(timer);
        systemClock.clear(timer);
      },
    };
    return { clock, alive: () => [...timers.values()].filter((timer) => timer.hasRef()).length };
  }

  test('cancelled timers keep the operating system process alive no longer; a new one does again', () => {
    const { clock, alive } = countingClock();
    const node = makeNode({ clock });
    const timers = [node.sendAfter(60_000, node.initPid, 1), node.sendAfter(60_000, node.initPid, 2)];
    expect(alive()).toBe(1);
    for (const timer of timers) timer.cancel();
    expect(alive()).toBe(0);
    node.sendAfter(60_000, node.initPid, 3);
    expect(alive()).toBe(1);
  });

  test('a node that stops disarms all of its timers', async () => {
    const { clock, alive } = countingClock();
    const node = makeNode({ clock });
    for (const delay of [1000, 2000, 3000]) node.sendAfter(delay, node.initPid, 1);
    expect(alive()).toBe(3);
    await node.stop();
    expect(alive()).toBe(0);
  });

  test('a timer for a process that ends is given up with it', async () => {
    const { clock, alive } = countingClock();
    const node = makeNode({ clock });
    const mortal = node.spawn(idle);
    for (const to of [mortal, { pid: mortal }]) node.sendAfter(60_000, to, 1);
    expect(alive()).toBe(1);
    node.exit(mortal, 'kill');
    expect(alive()).toBe(0);
    node.sendAfter(50_000, mortal, 2);
    expect(alive()).toBe(0);
  });

  test('timers of many lengths that are cancelled leave few behind', () => {
    const { clock, node, probe } = setUp();
    for (let i = 0; i < 10_000; i++) node.sendAfter(60_000 + i, probe.pid, i).cancel();
    expect(clock.pending).toBeLessThanOrEqual(64);
  });

  test('timers of many lengths that wait are kept while others are cancelled', async () => {
    const { clock, node, probe } = setUp();
    for (let i = 0; i < 1_000; i++) {
      node.sendAfter(10 + i, probe.pid, i);
      node.sendAfter(60_000 + i, probe.pid, 'cancelled').cancel();
    }
    await clock.advance(60_000 + 1_000);
    expect(probe.messages()).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  });

  test('100,000 timers of one length need one of the clock', async () => {
    const { clock, node, probe } = setUp();
    for (let i = 0; i < 100_000; i++) node.sendAfter(10, probe.pid, i);
    expect(clock.pending).toBe(1);
    await clock.advance(10);
    expect(probe.messages()).toHaveLength(100_000);
  });
});

describe('the coarse clock', () => {
  test('is too low by a tenth of a second at most, and looks for a second after it was asked', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 0 });
    onTestFinished(() => void vi.useRealTimers());
    vi.advanceTimersByTime(5_000); // what may be left of other tests
    const first = coarseNow();
    expect(first).toBe(Math.trunc(performance.now()));
    expect(vi.getTimerCount()).toBe(1);
    let late = 0;
    for (let ms = 1; ms <= 900; ms++) {
      vi.advanceTimersByTime(1);
      late = Math.max(late, performance.now() - coarseNow());
    }
    expect(late).toBeGreaterThan(50);
    expect(late).toBeLessThanOrEqual(100);
    vi.advanceTimersByTime(5_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(coarseNow()).toBe(Math.trunc(performance.now()));
    vi.advanceTimersByTime(5_000);
  });
});
