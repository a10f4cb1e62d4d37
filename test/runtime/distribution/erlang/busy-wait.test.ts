// Staying awake for a moment: as long as it is to, once at a time, and not at all when it is not to.
import { afterEach, expect, test, vi } from 'vitest';
import { BusyWait } from '../../../../src/runtime/distribution/erlang/internal.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** A clock and an event loop that are stepped by hand. */
function loop() {
  const turns: Array<() => void> = [];
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  vi.spyOn(globalThis, 'setImmediate').mockImplementation(((turn: () => void) => {
    turns.push(turn);
  }) as never);
  return {
    turns,
    at(now: number) {
      clock.mockReturnValue(now);
    },
    turn() {
      for (const turn of turns.splice(0)) turn();
    },
  };
}

test('it is awake until its time is over, counted from what came last', () => {
  const { turns, at, turn } = loop();
  const wait = new BusyWait(2);
  wait.begin();
  at(1);
  wait.begin();
  expect(turns).toHaveLength(1);
  at(2.5);
  turn();
  expect(turns).toHaveLength(1);
  at(3);
  turn();
  expect(turns).toHaveLength(0);
  wait.begin();
  expect(turns).toHaveLength(1);
});

test('with 0 it never is', () => {
  const { turns } = loop();
  new BusyWait(0).begin();
  expect(turns).toHaveLength(0);
});
