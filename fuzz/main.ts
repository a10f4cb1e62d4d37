// The program behind `npm run fuzz`; see scripts/fuzz.mjs for its arguments.
import { randomInt } from 'node:crypto';
import { inspect, parseArgs } from 'node:util';
import { campaign, Finding, type Outcome } from './campaign.ts';
import { allTargets } from './targets.ts';

const DEFAULT_INPUTS = 1_200_000;
const LIMIT_MS = 10 * 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: String(DEFAULT_INPUTS) },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : number('seed', values.seed);
const targets = allTargets();
const unknown = positionals.filter((name) => !targets.some((target) => target.name === name));

if (unknown.length > 0) {
  print(`unknown: ${unknown.join(', ')}; there are ${targets.map(({ name }) => name).join(', ')}`);
  process.exitCode = 2;
} else {
  await run();
}

async function run(): Promise<void> {
  const inputs = number('inputs', values.inputs);
  print(`seed ${seed}, ${inputs} inputs`);
  try {
    const outcomes = await campaign(
      {
        targets: targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
        inputs,
        seed,
        from: number('from', values.from),
        limitMs: LIMIT_MS,
      },
      (outcome) => print(describe(outcome)),
    );
    const done = outcomes.reduce((sum, outcome) => sum + outcome.inputs, 0);
    print(
      `${done} inputs, nothing found${done < inputs ? ` in the ${LIMIT_MS / 60_000} minutes that it may take` : ''}`,
    );
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    print(error.message);
    for (
      let cause = error.cause;
      cause !== undefined;
      cause = cause instanceof Error ? cause.cause : undefined
    ) {
      print(cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause));
    }
    print(`input, in hexadecimal: ${error.input.toString('hex')}`);
    const count = error.index - error.from + 1;
    print(`again: npm run fuzz -- --seed ${seed} --from ${error.from} --inputs ${count} ${error.target}`);
    process.exitCode = 1;
  }
}

function describe({ target, inputs, ms, grownBytes }: Outcome): string {
  const memory =
    grownBytes === undefined
      ? ''
      : `, memory ${grownBytes < 0 ? '' : '+'}${(grownBytes / 1e6).toFixed(1)} MB`;
  return `${target.padEnd(10)} ${String(inputs).padStart(9)} inputs  ${(ms / 1_000).toFixed(1).padStart(6)} s${memory}`;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < 0)
    throw new TypeError(`--${name} is a whole number`);
  return value;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
