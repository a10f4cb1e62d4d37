// Random programs against a server: whatever the handlers return, requests are worked off one by one in the order sent.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { defineServer, type From, type Node, noReply, type Process, reply, sys, UNHANDLED } from 'troupe';
import { settle } from 'troupe/testing';
import { inProcess, makeNode } from '../process/helpers.ts';

/** How a handler goes about its work. */
interface Work {
  readonly id: number;
  readonly later: boolean;
  /** Replaces the state instead of changing it in place. */
  readonly replaces: boolean;
  /** How many `continue`s follow. */
  readonly continues: number;
  /** Answers, if a call, by `from.reply` before it returns, after it has, or by what it returns. */
  readonly answers: 'return' | 'action' | 'before' | 'after';
}

type Step =
  | { readonly kind: 'call' | 'cast' | 'info'; readonly work: Work }
  | { readonly kind: 'suspend' | 'resume' | 'state' | 'turn' };

type Log = readonly string[];

function work(log: Log, { id, later, replaces, continues, answers }: Work, from?: From): unknown {
  const next = [...log, `${id}`];
  if (!replaces) (log as string[]).push(`${id}`);
  const then = {
    ...(replaces ? { state: next } : {}),
    ...(continues === 0 ? {} : { continue: { id, continues } }),
  };
  const answer = next.length;
  if (answers === 'before') from?.reply(answer);
  if (answers === 'after') setImmediate(() => from?.reply(answer));
  const deferred = answers === 'before' || answers === 'after' || from === undefined;
  const plain = answers === 'return' && !replaces && continues === 0 && from !== undefined;
  const result = plain ? answer : deferred ? noReply(then) : reply(answer, then);
  return later ? Promise.resolve().then(() => result) : result;
}

const worker = defineServer({
  init: (): Log => [],
  call: { work: (log, given: Work, _self, from: From<number>) => work(log, given, from as From) },
  cast: { work: (log, given: Work) => work(log, given) },
  info: [() => UNHANDLED, (log, message) => work(log, message as Work), async () => UNHANDLED],
  continue(log, { id, continues }: { id: number; continues: number }) {
    const state = [...log, `${id} continued ${continues}`];
    return noReply(continues > 1 ? { state, continue: { id, continues: continues - 1 } } : { state });
  },
});

/** What the log must be. */
function expected(steps: readonly Step[]): { log: string[]; answers: number[] } {
  const log: string[] = [];
  const answers: number[] = [];
  for (const step of steps) {
    if (!('work' in step)) continue;
    log.push(`${step.work.id}`);
    if (step.kind === 'call') answers.push(log.length);
    for (let left = step.work.continues; left > 0; left--) log.push(`${step.work.id} continued ${left}`);
  }
  return { log, answers };
}

async function run(
  node: Node,
  self: Process,
  steps: readonly Step[],
): Promise<{ log: Log; answers: number[] }> {
  const ref = await node.start(worker);
  const calls: Promise<unknown>[] = [];
  const looks: Promise<unknown>[] = [];
  for (const step of steps) {
    if (step.kind === 'call') calls.push(ref.call('work', step.work, { from: self }));
    else if (step.kind === 'cast') ref.cast('work', step.work, { from: self });
    else if (step.kind === 'info') self.send(ref, step.work);
    else if (step.kind === 'suspend') looks.push(sys.suspend(node, ref));
    else if (step.kind === 'resume') looks.push(sys.resume(node, ref));
    else if (step.kind === 'state') looks.push(sys.getState(node, ref));
    else await new Promise((resolve) => void setImmediate(resolve));
  }
  await sys.resume(node, ref);
  const answers = (await Promise.all(calls)) as number[];
  await Promise.all(looks);
  await settle(node, { except: [self.pid] });
  const log = (await sys.getState(node, ref)) as Log;
  await ref.stop();
  return { log, answers };
}

const anyWork = fc.record({
  id: fc.nat(99),
  later: fc.boolean(),
  replaces: fc.boolean(),
  continues: fc.nat(3),
  answers: fc.constantFrom('return' as const, 'action' as const, 'before' as const, 'after' as const),
});

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('call', 'cast', 'info'), work: anyWork }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('suspend', 'resume', 'state', 'turn') }) },
);

test('one by one, in the order sent', async () => {
  const node = makeNode();
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 40 }), async (steps) => {
      const outcome = await inProcess(node, (self) => run(node, self, steps));
      expect(outcome).toEqual(expected(steps));
    }),
    { numRuns: 300 },
  );
});
