// The reference of the model test against Erlang/OTP: the same random programs, one operation at a time, must end in the
// same processes, reasons, links, monitors, names and mailboxes. What the runtime is held to is what Erlang does.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { requirePart } from '../../support/parts.ts';
import { inAnOrder, lookAt } from './model/compare.ts';
import { FIRST_PROCESSES, type Op, program } from './model/program.ts';
import { Reference, type Result } from './model/reference.ts';

const PROGRAMS = 150;
const erl = requirePart('erl');

type Steps = ReadonlyArray<{ readonly actor: number; readonly op: Op }>;

/** What Erlang showed after one operation. */
interface Shown {
  readonly result: Result | null;
  readonly taken: string;
  readonly looks: ReadonlyArray<{ readonly name?: string | null; readonly mailbox?: readonly string[] }>;
}

/** An operation as an Erlang tuple: its fields in the order in which program.ts lists them. */
function tuple(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(tuple).join(',')}}`;
  return String(value);
}

async function runOnErlang(programs: readonly Steps[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-model-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'programs');
  const terms = programs.map(
    (steps) => `[${steps.map(({ actor, op }) => tuple([actor, Object.values(op)])).join(',')}].\n`,
  );
  await writeFile(file, terms.join(''));
  const source = join(import.meta.dirname, 'model', 'model.erl');
  const run =
    `{ok, model, Code} = compile:file(${JSON.stringify(source)}, [binary]), ` +
    `{module, model} = code:load_binary(model, "model.erl", Code), ` +
    `model:main(${JSON.stringify(file)}), halt().`;
  const { stdout } = await promisify(execFile)(
    erl.path,
    ['+S', '1:1', '-noshell', '-noinput', '-eval', run],
    {
      maxBuffer: 2 ** 28,
      timeout: 90_000,
    },
  );
  return stdout.trimEnd().split('\n');
}

/** Does one operation on the reference, and compares what Erlang showed. */
function difference(reference: Reference, actor: number, op: Op, shown: Shown): unknown {
  const id = actor % reference.processes.length;
  if (reference.processes[id]?.alive === true) {
    const result = reference.perform(id, op, shown.taken);
    // "Not all such cases are cheap to check": Erlang does not mind the monitor of another process here.
    const checked = result !== 'TROUPE_BAD_ARGUMENT';
    const answer = op.do === 'take' ? shown.taken : (shown.result ?? undefined);
    if (checked && answer !== result) return { answer, expected: result };
  }
  for (const { id: process, mailbox } of reference.processes) {
    const { mailbox: texts = [], ...look } = shown.looks[process] ?? {};
    const seen = 'name' in look ? { ...look, name: look.name ?? undefined } : look;
    const letters = mailbox.map(({ text }) => text);
    const got = JSON.stringify([process, seen, inAnOrder(texts, mailbox)]);
    const expected = JSON.stringify([process, lookAt(reference, process), inAnOrder(letters, mailbox)]);
    if (got !== expected) return { got, expected };
  }
  return undefined;
}

test.skipIf(erl.missing)(
  'random programs do on Erlang what the reference says',
  { timeout: 120_000 },
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const programs: Steps[] = fc
      .sample(program, { seed, numRuns: PROGRAMS })
      .map((steps) => steps.flatMap(({ actor, ops }) => ops.map((op) => ({ actor, op }))));
    const lines = await runOnErlang(programs);
    for (const [index, steps] of programs.entries()) {
      const reference = new Reference();
      for (let i = 0; i < FIRST_PROCESSES; i++) reference.spawn(false);
      for (const [at, { actor, op }] of steps.entries()) {
        const shown = JSON.parse(lines.shift() ?? '') as Shown;
        const found = difference(reference, actor, op, shown);
        const done = steps.slice(0, at + 1);
        expect(found, `seed ${seed}, program ${index}: ${JSON.stringify(done)}`).toBeUndefined();
      }
      expect(lines.shift()).toBe('end');
    }
  },
);
