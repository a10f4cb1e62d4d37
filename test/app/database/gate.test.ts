// The gate: so many inside, so many in line, first come first served, and who gives up never gets in.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Gate, GateFullError } from '../../../src/app/database/internal.ts';

const patient = new AbortController().signal;

test('the line is first come, first served', async () => {
  const gate = new Gate({ insideMax: 1, waitingMax: 3 });
  const order: number[] = [];
  const leave = await gate.enter(patient);
  const calls = [1, 2, 3].map(async (n) => {
    const leaveAgain = await gate.enter(patient);
    order.push(n);
    leaveAgain();
  });
  await expect(gate.enter(patient)).rejects.toThrow(new GateFullError('3 calls wait already'));
  leave();
  await Promise.all(calls);
  expect(order).toEqual([1, 2, 3]);
});

test('who gives up leaves the line, and the place goes to the next', async () => {
  const gate = new Gate({ insideMax: 1, waitingMax: 2 });
  const leave = await gate.enter(patient);
  const hasty = new AbortController();
  const first = gate.enter(hasty.signal);
  const second = gate.enter(patient);
  const reason = new Error('too late');
  hasty.abort(reason);
  await expect(first).rejects.toBe(reason);
  leave();
  (await second)();
  await gate.empty();
  await expect(gate.enter(hasty.signal)).rejects.toBe(reason);
  (await gate.enter(patient))();
});

test('it is empty when the last has left, for all who wait for that', async () => {
  const gate = new Gate({ insideMax: 2, waitingMax: 1 });
  const leaves = [await gate.enter(patient), await gate.enter(patient)];
  const waiting = gate.enter(patient);
  const seen: string[] = [];
  const empties = ['a', 'b'].map((name) => gate.empty().then(() => seen.push(name)));
  for (const leave of leaves) leave();
  const last = await waiting;
  expect(seen).toEqual([]);
  last();
  await Promise.all(empties);
  expect(seen).toEqual(['a', 'b']);
});

test('any run of calls keeps the limits, and everyone gets in, gives up or is refused', async () => {
  const step = fc.constantFrom('enter', 'leave', 'give up');
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 3 }),
      fc.array(step, { maxLength: 60 }),
      async (insideMax, waitingMax, steps) => {
        const gate = new Gate({ insideMax, waitingMax });
        const inside: Array<() => void> = [];
        const waiting: AbortController[] = [];
        const outcomes = { entered: 0, left: 0, gaveUp: 0, refused: 0 };
        const calls: Array<Promise<void>> = [];
        const enter = async (controller: AbortController) => {
          try {
            inside.push(await gate.enter(controller.signal));
            outcomes.entered++;
          } catch (error) {
            if (error instanceof GateFullError) outcomes.refused++;
            else outcomes.gaveUp++;
          }
          waiting.splice(waiting.indexOf(controller), 1);
        };
        const settle = () => new Promise(setImmediate);
        const leaveOne = () => {
          inside.shift()?.();
          outcomes.left++;
        };
        for (const what of steps) {
          if (what === 'enter') {
            const controller = new AbortController();
            waiting.push(controller);
            calls.push(enter(controller));
          } else if (what === 'leave' && inside.length > 0) leaveOne();
          else if (what === 'give up') waiting.at(-1)?.abort(new Error('gave up'));
          await settle();
          expect(inside.length).toBeLessThanOrEqual(insideMax);
          expect(waiting.length).toBeLessThanOrEqual(waitingMax);
          // Nobody waits while there is a place.
          expect(waiting.length === 0 || inside.length === insideMax).toBe(true);
        }
        while (inside.length > 0) {
          leaveOne();
          await settle();
        }
        await Promise.all(calls);
        await gate.empty();
        expect(outcomes.entered).toBe(outcomes.left);
        expect(outcomes.entered + outcomes.gaveUp + outcomes.refused).toBe(calls.length);
      },
    ),
  );
});
