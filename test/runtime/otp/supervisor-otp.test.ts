// The reference of the model test against OTP's supervisor: the same random programs must have the same answers, starts,
// stops, children and ends.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { requirePart } from '../../support/parts.ts';
import { type Op, type Program, program, type Spec } from './supervisor-model/program.ts';
import { type Look, Reference } from './supervisor-model/reference.ts';

const PROGRAMS = 1_000;
const erl = requirePart('erl');

function term(value: unknown): string {
  return Array.isArray(value) ? `{${value.map(term).join(',')}}` : String(value);
}

const list = (items: readonly string[]): string => `[${items.join(',')}]`;

const specTerm = ({ id, restart, significant, shutdown }: Spec): string =>
  term([id, restart, significant, shutdown]);

function opTerm(op: Op): string {
  if (op.do === 'plan') return term(['plan', op.id, list(op.outcomes)]);
  if (op.do === 'start') return term(['start', specTerm(op.spec)]);
  return op.do === 'crash' ? term(['crash', op.id, op.reason]) : term([op.do, op.id]);
}

function programTerm({ strategy, intensity, autoShutdown, children, plan, bursts }: Program): string {
  return term([
    strategy,
    intensity,
    autoShutdown,
    list(children.map(specTerm)),
    list(plan.map(({ id, outcomes }) => term([id, list(outcomes)]))),
    list(bursts.map((ops) => list(ops.map(opTerm)))),
  ]);
}

async function runOnErlang(programs: readonly Program[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-supervised-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'programs');
  await writeFile(file, programs.map((made) => `${programTerm(made)}.\n`).join(''));
  const source = join(import.meta.dirname, 'supervisor-model', 'supervised.erl');
  const run =
    `{ok, supervised, Code} = compile:file(${JSON.stringify(source)}, [binary]), ` +
    `{module, supervised} = code:load_binary(supervised, "supervised.erl", Code), ` +
    `supervised:main(${JSON.stringify(file)}), halt().`;
  const { stdout } = await promisify(execFile)(
    erl.path,
    ['+S', '1:1', '-noshell', '-noinput', '-eval', run],
    { maxBuffer: 2 ** 28, timeout: 90_000 },
  );
  return stdout.trimEnd().split('\n');
}

test.skipIf(erl.missing)(
  "random programs do on OTP's supervisor what the reference says",
  { timeout: 120_000 },
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const programs = fc.sample(program, { seed, numRuns: PROGRAMS });
    const lines = await runOnErlang(programs);
    const next = (): Look => JSON.parse(lines.shift() ?? 'null') as Look;
    for (const [index, made] of programs.entries()) {
      const reference = new Reference(made);
      let look = reference.begin();
      const where = `seed ${seed}, program ${index}: ${JSON.stringify(made)}`;
      expect({ where, look }).toEqual({ where, look: next() });
      for (const [at, ops] of made.bursts.entries()) {
        if (look.ended !== null) break;
        look = reference.burst(ops);
        expect({ at, where, look }).toEqual({ at, where, look: next() });
      }
      expect(lines.shift()).toBe('end');
    }
  },
);
