// The program behind `npm run torture`; see scripts/torture.mjs for its arguments.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { findPart } from '../scripts/lib/parts.mjs';
import { LONG, type Report, SHORT, SLOW, STORM, torture, type TortureOptions } from './run.ts';
import { slow } from './slow.ts';
import { storm } from './storm.ts';

const DATABASES = ['postgres', 'pglite'] as const;
const PARTS = [...DATABASES, 'storm', 'slow'] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string' },
    events: { type: 'string' },
    gap: { type: 'string' },
  },
});
const seed = Number(values.seed ?? randomInt(2 ** 31));
const wanted = PARTS.filter((name) => positionals.length === 0 || positionals.includes(name));
const events = values.events === undefined ? undefined : Number(values.events);
const gap = values.gap === undefined ? undefined : Number(values.gap);

if (
  !Number.isSafeInteger(seed) ||
  positionals.length > wanted.length ||
  (events !== undefined && !(events > 0)) ||
  (gap !== undefined && !(gap > 0))
) {
  print(
    'Usage: npm run torture -- [--short] [--seed N] [--events N] [--gap N] [postgres] [pglite] [storm] [slow]',
  );
  process.exitCode = 2;
} else {
  print(`seed ${seed}`);
  for (const part of wanted) {
    if (part === 'slow') await runSlow();
    else if (part === 'storm') await runStorm();
    else await run(part);
  }
}

async function run(database: TortureOptions['database']): Promise<void> {
  if (database === 'postgres' && isMissing('postgres')) return;
  const settings = (values.short ? SHORT : LONG)[database];
  const report = await torture({
    database,
    seed,
    ...settings,
    ...(events !== undefined && { events }),
    ...(gap !== undefined && { gap }),
  });
  for (const line of describe(database, report)) print(line);
  if (report.faults.length > 0) {
    print(`again: npm run torture -- --seed ${seed}${values.short ? ' --short' : ''} ${database}`);
    process.exitCode = 1;
  }
}

/** Says so when PostgreSQL is. */
function isMissing(what: string): boolean {
  const part = findPart('postgres');
  if (!part.found) print(`${what.padEnd(10)} left out: ${part.reason}`);
  return !part.found;
}

async function runStorm(): Promise<void> {
  if (isMissing('storm')) return;
  const settings = values.short ? { ...STORM, clients: 60 } : STORM;
  const report = await storm({ ...settings, seed });
  print(
    `storm      ${settings.clients} clients on three instances; ${report.events} events, ${report.delivered} deliveries, ${report.resets} resets`,
  );
  for (const { name, lost, advised, attempts, busiest, seconds } of report.storms) {
    const delays =
      advised.length === 0
        ? 'no delay was named'
        : `a delay named to ${advised.length}: ${advised[0]} to ${advised.at(-1)} ms, half of them up to ${median(advised)}`;
    print(
      `  ${name.padEnd(16)} ${lost} connections lost; ${delays}; ${attempts} attempts, ${busiest} in the busiest 100 ms; all live after ${seconds.toFixed(1)} s`,
    );
  }
  for (const line of faultLines(report.faults)) print(line);
  if (report.faults.length > 0) process.exitCode = 1;
}

async function runSlow(): Promise<void> {
  const settings = values.short ? { ...SLOW, clients: 100, rounds: 1 } : SLOW;
  const report = await slow(settings);
  const list = (numbers: readonly number[]): string => numbers.map((ms) => ms.toFixed(0)).join(', ');
  const ratios = report.beside.map((ms, round) => ms / (report.without[round] ?? Number.NaN));
  print(
    `slow       ${settings.clients} clients, ${report.deliveries} deliveries to those that read, ${report.seconds.toFixed(0)} s`,
  );
  print(
    `  p99      ${list(report.without)} ms; beside a client that does not read ${list(report.beside)} ms`,
  );
  print(
    `           ${median(ratios).toFixed(2)} times, in single rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}; asked for is at most 1.1`,
  );
  print(`  memory   ${list(report.memory.map((bytes) => bytes / 1e6))} MB`);
  print(
    `  the slow one was closed ${report.closed} times, reset ${report.resets} times, and has missed ${report.missed} events`,
  );
  if (report.missed > 0 || report.closed === 0) process.exitCode = 1;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function describe(database: string, report: Report): string[] {
  const played = [...report.played].map(([name, times]) => `${times} × ${name}`).join(', ');
  const { faults } = report;
  return [
    `${database.padEnd(10)} ${report.events} events in ${report.seconds.toFixed(0)} s; ${report.answered} answered, ${report.unanswered} requests without a sure answer`,
    `  faults   ${played}; ${report.losses} connections of clients dropped`,
    `  clients  ${report.delivered} deliveries; ${report.resets} resets for ${report.skipped} events; the index was compared with ${report.indexed} notes`,
    ...faultLines(faults),
  ];
}

function faultLines(faults: readonly string[]): string[] {
  if (faults.length === 0) return ['  nothing lost, nothing twice, nothing out of order'];
  return faults.map((fault) => `  FAULT    ${fault}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
