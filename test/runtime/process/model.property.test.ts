// Random programs of spawns, links, monitors, exit signals, names and messages, on the runtime and on a reference that is
// written from the Erlang reference manual: after each step both must show the same processes, reasons, links, monitors,
// names and mailboxes. A failing run prints its seed and the shortest program that fails.
import * as fc from 'fast-check';
import { createNode } from 'troupe';
import { expect, test } from 'vitest';
import { inAnOrder, lookAt } from './model/compare.ts';
import { FIRST_PROCESSES, program, type Step } from './model/program.ts';
import { Reference } from './model/reference.ts';
import { Subject } from './model/subject.ts';

async function start(): Promise<{ subject: Subject; reference: Reference }> {
  const node = createNode();
  const [subject, reference] = [new Subject(node), new Reference()];
  for (let i = 0; i < FIRST_PROCESSES; i++) {
    subject.spawn();
    reference.spawn(false);
  }
  await subject.perform(0, []);
  return { subject, reference };
}

/** Does a step on both. */
async function perform({ actor, ops }: Step, subject: Subject, reference: Reference): Promise<void> {
  const id = actor % reference.processes.length;
  const isAlive = (): boolean => reference.processes[id]?.alive === true;
  if (!isAlive()) {
    // Who has ended does nothing; instead an exit signal comes from outside.
    const signal = ops.find((op) => op.do === 'signal');
    if (signal === undefined) return;
    subject.outside(signal.target, signal.reason);
    reference.outside(signal.target, signal.reason);
    return;
  }
  const performed = await subject.perform(id, ops);
  const expected: typeof performed = [];
  for (const op of ops) {
    if (!isAlive()) break;
    const taken = performed[expected.length]?.taken;
    const result = reference.perform(id, op, taken);
    expected.push(taken === undefined ? { op, result } : { op, result, taken });
  }
  expect(performed).toEqual(expected);
}

test('random programs do what the reference manual says', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(program, async (steps) => {
      const { subject, reference } = await start();
      try {
        for (const step of steps) {
          await perform(step, subject, reference);
          expect(subject.pids).toHaveLength(reference.processes.length);
          for (const { id, mailbox } of reference.processes) {
            expect(subject.look(id)).toEqual(lookAt(reference, id));
            const expected = mailbox.map(({ text }) => text);
            expect(inAnOrder(subject.mailbox(id), mailbox)).toEqual(inAnOrder(expected, mailbox));
          }
        }
      } finally {
        await subject.close();
      }
    }),
    { numRuns: 400 },
  );
});
