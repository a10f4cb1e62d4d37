// Random programs of crashes and requests: a supervisor must do what the reference does, and leave nothing behind. The
// reference itself is held against OTP in supervisor-otp.test.ts.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Program, program } from './supervisor-model/program.ts';
import { type Look, Reference } from './supervisor-model/reference.ts';
import { Subject } from './supervisor-model/subject.ts';

/** Its children are all that the supervisor is linked to, and all that lives; no monitor, watch or message is left. */
function expectTidy(subject: Subject, look: Look): void {
  const { node, process } = subject;
  const running = look.children.filter(([, pid]) => pid !== 'undefined').length;
  expect(node.processes()).toHaveLength(1 + (process === null ? 0 : 1 + running));
  if (process === null) return;
  expect(process.links?.size ?? 0).toBe(running);
  expect(process.monitors).toBeNull();
  expect(process.mailboxLength).toBe(0);
  for (const pid of process.links ?? []) expect(node.find(pid)?.watchers).toBeNull();
}

async function run(made: Program): Promise<void> {
  const subject = new Subject(made);
  const reference = new Reference(made);
  try {
    let look = await subject.begin();
    expect(look).toEqual(reference.begin());
    for (const burst of made.bursts) {
      if (look.ended !== null) break;
      look = await subject.burst(burst);
      expect(look).toEqual(reference.burst(burst));
      expectTidy(subject, look);
    }
  } finally {
    await subject.node.stop();
  }
}

test('random programs do what the reference does', { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(program, run), { numRuns: 1_000 });
});
