// Marks cost something, so they are made only while there is something to mark.
import { setImmediate as turn } from 'node:timers/promises';
import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  begin,
  isMarking,
  Maker,
  markOf,
  sessionBegins,
  sessionEnds,
} from '../../../src/runtime/repl/internal.ts';

beforeEach(turns);
afterEach(() => {
  vi.useRealTimers();
});

/** Ticks and immediates come before the hook goes off. */
async function turns(): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop
  for (let i = 0; i < 4; i++) await turn();
}

/** A function as a REPL has it. */
function typed(code: string): (...args: unknown[]) => object {
  return runInThisContext(`(${code})`, { filename: 'REPL<0.1.0>#1' }) as () => object;
}

test('while code runs, and no longer', async () => {
  const end = begin();
  expect(isMarking()).toBe(true);
  end();
  end();
  await turns();
  expect(isMarking()).toBe(false);
});

test('while a promise of it is pending', async () => {
  const { promise, settle } = new Maker('REPL<0.1.0>').run(
    typed(
      '() => { let settle; const promise = new Promise((done) => { settle = done }); return { promise, settle } }',
    ),
  ) as { promise: object; settle: () => void };
  expect(markOf(promise)).toBe('REPL<0.1.0>');
  await turns();
  expect(isMarking()).toBe(true);
  settle();
  await turns();
  expect(isMarking()).toBe(false);
});

test('for a minute after the last REPL has ended, whatever is pending', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  sessionBegins();
  const promise = new Maker('REPL<0.1.0>').run(typed('() => new Promise(() => {})'));
  sessionEnds();
  vi.advanceTimersByTime(59_999);
  await turns();
  expect(isMarking()).toBe(true);
  vi.advanceTimersByTime(1);
  await turns();
  expect(isMarking()).toBe(false);
  expect(markOf(promise)).toBe('REPL<0.1.0>');
});

test('not what the application makes for itself meanwhile', () => {
  const own = (): unknown => setImmediate(() => undefined);
  const run = typed('(own) => own()');
  expect(markOf(new Maker('REPL<0.1.0>').run(() => run(own)))).toBeUndefined();
  const theirs = typed('() => setImmediate(() => undefined)');
  expect(markOf(new Maker('REPL<0.1.0>').run(theirs))).toBe('REPL<0.1.0>');
});
