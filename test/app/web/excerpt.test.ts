// What is shown of a long body.
import { expect, test } from 'vitest';
import { excerptOf, FOLD_CHARACTERS, FOLD_LINES } from '../../../src/app/web/internal.ts';

test('a short body is its own excerpt', () => {
  const lines = Array.from({ length: FOLD_LINES }, (_, line) => `line ${line}`).join('\n');
  for (const body of ['', 'a', 'x'.repeat(FOLD_CHARACTERS), lines]) expect(excerptOf(body)).toBe(body);
});

test('of a long one it is the beginning, in characters and in lines', () => {
  expect(excerptOf('x'.repeat(FOLD_CHARACTERS + 1))).toBe('x'.repeat(FOLD_CHARACTERS));
  expect(excerptOf('x\n'.repeat(FOLD_LINES))).toBe('x\n'.repeat(FOLD_LINES).slice(0, -1));
  expect(excerptOf('\n'.repeat(100_000))).toBe('\n'.repeat(FOLD_LINES - 1));
});

test('no character is cut in two', () => {
  const body = `${'x'.repeat(FOLD_CHARACTERS - 1)}😀 and more`;
  expect(excerptOf(body)).toBe('x'.repeat(FOLD_CHARACTERS - 1));
});
