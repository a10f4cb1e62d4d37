// The program behind `npm run attack`; see scripts/attack.mjs for its arguments.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { campaign, type Outcome } from './campaign.ts';
import { allKinds } from './kinds.ts';
import { root } from './lib/service.ts';

const STOP_MS = '250';
const MEMORY_BYTES = 1e9;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    checkout: { type: 'string', default: root },
    'stop-ms': { type: 'string', default: STOP_MS },
  },
});
const kinds = allKinds();
const stopMs = Number(values['stop-ms']);
const unknown = positionals.filter((name) => !kinds.some((kind) => kind.name === name));

if (unknown.length > 0 || !(stopMs > 0)) {
  print(`Usage: npm run attack -- [--short] [--stop-ms N] [--checkout FOLDER] [KIND...]\nKinds:`);
  for (const { name, title } of kinds) print(`  ${name.padEnd(12)} ${title}`);
  process.exitCode = 2;
} else {
  print(`${'kind'.padEnd(12)} longest stop   memory  good: made refused  seconds`);
  const outcomes = await campaign(
    {
      kinds: kinds.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
      scale: values.short ? 'short' : 'full',
      checkout: resolve(values.checkout),
      limits: { stopMs, memoryBytes: MEMORY_BYTES },
    },
    (outcome) => print(describe(outcome)),
  );
  const broken = outcomes.filter(({ problems }) => problems.length > 0).length;
  print(
    broken === 0
      ? 'nothing was lost, and every limit was kept'
      : `${broken} of ${outcomes.length} kinds broke something`,
  );
  process.exitCode = broken === 0 ? 0 : 1;
}

function describe({
  kind,
  skipped,
  longestStopMs,
  peakBytes,
  made,
  refused,
  seconds,
  problems,
}: Outcome): string {
  if (skipped !== undefined) return `${kind.padEnd(12)} skipped: ${skipped}`;
  const row = [
    kind.padEnd(12),
    `${longestStopMs.toFixed(0)} ms`.padStart(12),
    `${(peakBytes / 1e6).toFixed(0)} MB`.padStart(8),
    String(made).padStart(11),
    String(refused).padStart(7),
    seconds.toFixed(0).padStart(8),
  ].join(' ');
  return [row, ...problems.map((problem) => `  - ${problem}`)].join('\n');
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
