// The clock that stands still until it is told to go on.
import { call, type Process } from 'troupe';
import { createManualClock, createProbe, type ManualClock } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { makeNode } from '../process/helpers.ts';

/** Arms timers that write into a log when they fire. */
function logged(clock: ManualClock) {
  const log: unknown[] = [];
  const arm = (delayMs: number, what: unknown = delayMs) =>
    clock.set(delayMs, () => log.push([clock.now(), what]));
  return { log, arm };
}

describe('by itself', () => {
  test('time only moves when it is advanced', async () => {
    const clock = createManualClock({ wallTimeMs: 1000 });
    expect([clock.now(), clock.wallTime()]).toEqual([0, 1000]);
    await clock.advance(12.5);
    await clock.advance(0);
    expect([clock.now(), clock.wallTime()]).toEqual([12.5, 1012.5]);
  });

  test('timers fire at their times, in the order of those, then of arming', async () => {
    const clock = createManualClock();
    const { log, arm } = logged(clock);
    for (const [delay, what] of [
      [20, 'c'],
      [10, 'a'],
      [10, 'b'],
      [30, 'd'],
    ] as const) {
      arm(delay, what);
    }
    expect([clock.pending, clock.nextInMs]).toEqual([4, 10]);
    await clock.advance(25);
    expect(log).toEqual([
      [10, 'a'],
      [10, 'b'],
      [20, 'c'],
    ]);
    expect([clock.now(), clock.pending, clock.nextInMs]).toEqual([25, 1, 5]);
  });

  test('what is armed while it advances fires on the way, when it is due by then', async () => {
    const clock = createManualClock();
    const { log, arm } = logged(clock);
    clock.set(10, () => {
      arm(5);
      arm(500);
    });
    await clock.advance(100);
    expect(log).toEqual([[15, 5]]);
  });

  test('a cleared timer does not fire; clearing it again has no effect', async () => {
    const clock = createManualClock();
    const { log, arm } = logged(clock);
    const timer = arm(10);
    arm(10, 'other');
    clock.clear(timer);
    clock.clear(timer);
    await clock.advance(10);
    expect(log).toEqual([[10, 'other']]);
    expect([clock.pending, clock.nextInMs]).toEqual([0, undefined]);
  });

  test('steps follow one another, whether or not each is awaited', async () => {
    const clock = createManualClock();
    const { log, arm } = logged(clock);
    arm(10);
    arm(20);
    const steps = [clock.advance(10), clock.advance(10)];
    await steps[1];
    expect([clock.now(), log.length]).toEqual([20, 2]);
    await steps[0];
  });

  test('what a timer throws fails the step, and the next goes on', async () => {
    const clock = createManualClock();
    const { log, arm } = logged(clock);
    clock.set(5, () => {
      throw new Error('in the timer');
    });
    arm(10);
    await expect(clock.advance(20)).rejects.toThrow('in the timer');
    await clock.advance(10);
    expect(log).toEqual([[10, 10]]);
  });

  test.each([-1, Number.NaN, Infinity])('it cannot be advanced by %d ms', async (ms) => {
    await expect(createManualClock().advance(ms)).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });

  test('a timer that restarts itself without the time going on is found out', async () => {
    const clock = createManualClock();
    const again = (): void => void clock.set(0, again);
    again();
    await expect(clock.advance(1, { withinMs: 60_000 })).rejects.toThrow(
      'At 0 ms timers fire again and again',
    );
  });
});

describe('with nodes', () => {
  test('processes run before each timer fires, and after the last', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const log: unknown[] = [];
    node.spawn(async (self) => {
      for (let i = 0; i < 3; i++) {
        await self.receive(() => false, { after: 10 });
        log.push([clock.now(), i]);
      }
    });
    await clock.advance(30);
    expect(log).toEqual([
      [10, 0],
      [20, 1],
      [30, 2],
    ]);
  });

  test('what a timer sets off has come to rest before the next one fires, however long it takes', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock, sliceMs: 0.001 });
    let hops = 0;
    let hopsAtSecond = 0;
    const ring = node.spawn({
      name: 'ring',
      init: () => undefined,
      handle: (self: Process) => {
        hops++;
        if (hops < 5000) self.send(self.pid, 'on');
      },
    });
    const second = node.spawn({
      name: 'second',
      init: () => undefined,
      handle: () => {
        hopsAtSecond = hops;
      },
    });
    node.sendAfter(10, ring, 'on');
    node.sendAfter(11, second, 'look');
    await clock.advance(11);
    expect(hopsAtSecond).toBe(5000);
  });

  test('several nodes can share it', async () => {
    const clock = createManualClock();
    const probes = ['one@clock', 'two@clock'].map((name) => createProbe(makeNode({ name, clock })));
    for (const probe of probes) probe.self.sendAfter(10, probe.pid, 'tick');
    await clock.advance(10);
    expect(probes.map((probe) => probe.messages())).toEqual([['tick'], ['tick']]);
  });

  test('an hour of timeouts takes no time', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const server = createProbe(node);
    const outcome = call(node, server.pid, 'get', 0, { timeoutMs: 3_600_000 }).catch(
      (error: { code: string }) => error.code,
    );
    await clock.advance(3_600_000);
    expect(await outcome).toBe('TROUPE_CALL_TIMEOUT');
  });

  test('nodes that do not come to rest are reported', async () => {
    const clock = createManualClock();
    const node = makeNode({ clock });
    const pid = node.spawn({
      name: 'endless',
      init: () => undefined,
      handle: (self: Process) => self.send(self.pid, 'again'),
    });
    node.send(pid, 'go');
    await expect(clock.advance(1, { withinMs: 20 })).rejects.toThrow(
      'the nodes had not come to rest at 0 ms of the clock',
    );
  });
});
