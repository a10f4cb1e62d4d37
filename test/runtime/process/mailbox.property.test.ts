// The mailbox against an array, with random programs of all that can be done to it.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EMPTY, Mailbox } from '../../../src/runtime/process/internal.ts';

type Step =
  | { readonly op: 'push' | 'take'; readonly count: number }
  | { readonly op: 'removeAt'; readonly where: number }
  | { readonly op: 'clear' };

const count = fc.integer({ min: 1, max: 40 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant('push' as const), count }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('take' as const), count }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant('removeAt' as const), where: fc.nat(1000) }) },
    { weight: 1, arbitrary: fc.constant({ op: 'clear' as const }) },
  ),
  { maxLength: 120, size: 'max' },
);

/** Does a step to both. @returns what came out of the mailbox and what should have. */
function perform(step: Step, mailbox: Mailbox, model: number[], next: () => number): [unknown[], unknown[]] {
  const [got, expected]: [unknown[], unknown[]] = [[], []];
  if (step.op === 'clear') {
    mailbox.clearMailbox();
    model.length = 0;
  } else if (step.op === 'removeAt') {
    if (model.length === 0) return [got, expected];
    const index = step.where % model.length;
    got.push(mailbox.removeAt(index));
    expected.push(...model.splice(index, 1));
  } else if (step.op === 'push') {
    for (let i = 0; i < step.count; i++) {
      const message = next();
      mailbox.push(message);
      model.push(message);
    }
  } else {
    for (let i = 0; i < step.count && model.length > 0; i++) {
      got.push(mailbox.take());
      expected.push(model.shift());
    }
  }
  return [got, expected];
}

test('a mailbox behaves as an array: order of arrival, removal from anywhere', () => {
  fc.assert(
    fc.property(steps, (program) => {
      const mailbox = new Mailbox();
      const model: number[] = [];
      let last = 0;
      for (const step of program) {
        const [got, expected] = perform(step, mailbox, model, () => ++last);
        expect(got).toEqual(expected);
        expect(mailbox.mailboxLength).toBe(model.length);
        expect(model.map((_, index) => mailbox.peekAt(index))).toEqual(model);
        expect(mailbox.head === EMPTY).toBe(model.length === 0);
      }
    }),
    { numRuns: 200 },
  );
});

test('a mailbox of 100,000 messages keeps their order, and gives its memory back when it is empty', () => {
  const mailbox = new Mailbox();
  for (let i = 0; i < 100_000; i++) mailbox.push(i);
  let inOrder = 0;
  while (inOrder < 100_000 && mailbox.take() === inOrder) inOrder++;
  expect(inOrder).toBe(100_000);
  mailbox.push('last');
  expect(mailbox.take()).toBe('last');
  expect(mailbox.rest).toBeNull();
});

test('any value can be a message, undefined and null included', () => {
  const mailbox = new Mailbox();
  const messages = [undefined, null, 0, '', Number.NaN, undefined];
  for (const message of messages) mailbox.push(message);
  expect(mailbox.mailboxLength).toBe(6);
  expect(messages.map(() => mailbox.take())).toEqual(messages);
});
