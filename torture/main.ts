// The program behind `npm run torture`; see scripts/torture.mjs for its arguments.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { findPart } from '../scripts/lib/parts.mjs';
import { LONG, type Report, SHORT, torture, type TortureOptions } from './run.ts';

const DATABASES = ['postgres', 'pglite'] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string' },
    events: { type: 'string' },
  },
});
const seed = Number(values.seed ?? randomInt(2 ** 31));
const wanted = DATABASES.filter((name) => positionals.length === 0 || positionals.includes(name));
const events = values.events === undefined ? undefined : Number(values.events);

if (
  !Number.isSafeInteger(seed) ||
  positionals.length > wanted.length ||
  (events !== undefined && !(events > 0))
) {
  print('Usage: npm run torture -- [--short] [--seed N] [--events N] [postgres] [pglite]');
  process.exitCode = 2;
} else {
  print(`seed ${seed}`);
  for (const database of wanted) await run(database);
}

async function run(database: TortureOptions['database']): Promise<void> {
  const part = findPart('postgres');
  if (database === 'postgres' && !part.found) {
    print(`postgres   left out: ${part.reason}`);
    return;
  }
  const settings = (values.short ? SHORT : LONG)[database];
  const report = await torture({ database, seed, ...settings, ...(events !== undefined && { events }) });
  for (const line of describe(database, report)) print(line);
  if (report.faults.length > 0) {
    print(`again: npm run torture -- --seed ${seed}${values.short ? ' --short' : ''} ${database}`);
    process.exitCode = 1;
  }
}

function describe(database: string, report: Report): string[] {
  const played = [...report.played].map(([name, times]) => `${times} × ${name}`).join(', ');
  const { faults } = report;
  return [
    `${database.padEnd(10)} ${report.events} events in ${report.seconds.toFixed(0)} s; ${report.answered} answered, ${report.unanswered} requests without a sure answer`,
    `  faults   ${played}; ${report.losses} connections of clients dropped`,
    `  clients  ${report.delivered} deliveries; ${report.resets} resets for ${report.skipped} events`,
    ...(faults.length === 0
      ? ['  nothing lost, nothing twice, nothing out of order']
      : faults.map((fault) => `  FAULT    ${fault}`)),
  ];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
