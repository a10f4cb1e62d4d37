// The program behind `npm run attack`; see scripts/attack.mjs for its arguments.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Family } from './family.ts';
import { peersFamily } from './peers/campaign.ts';
import { serviceFamily } from './service/campaign.ts';

const FAMILIES: readonly Family[] = [serviceFamily, peersFamily];
const MB = 1_000_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    checkout: { type: 'string', default: fileURLToPath(new URL('..', import.meta.url)) },
    'stop-ms': { type: 'string', default: '250' },
    'memory-mb': { type: 'string', default: '1000' },
    tcp: { type: 'boolean', default: false },
    tls: { type: 'boolean', default: false },
    'no-erlang': { type: 'boolean', default: false },
  },
});
const options = {
  short: values.short,
  checkout: resolve(values.checkout),
  stopMs: Number(values['stop-ms']),
  memoryBytes: Number(values['memory-mb']) * MB,
  noErlang: values['no-erlang'],
  transports:
    values.tcp === values.tls
      ? (['TCP', 'TLS'] as const)
      : values.tcp
        ? (['TCP'] as const)
        : (['TLS'] as const),
};
const names = FAMILIES.flatMap(({ name, kinds }) => [
  name,
  ...Array.from(kinds.keys(), (kind) => `${name}:${kind}`),
]);
const unknown = positionals.filter((name) => !names.includes(name));

if (unknown.length > 0 || !(options.stopMs > 0) || !(options.memoryBytes > 0)) {
  print(
    'Usage: npm run attack -- [--short] [--stop-ms N] [--memory-mb N] [--tcp | --tls] [--no-erlang] [FAMILY | FAMILY:KIND ...]',
  );
  for (const { name, kinds } of FAMILIES)
    for (const [kind, title] of kinds) print(`  ${`${name}:${kind}`.padEnd(20)} ${title}`);
  process.exitCode = 2;
} else {
  let broken = 0;
  for (const family of FAMILIES) {
    const isWanted = (kind: string): boolean =>
      positionals.length === 0 ||
      positionals.includes(family.name) ||
      positionals.includes(`${family.name}:${kind}`);
    // oxlint-disable-next-line no-await-in-loop -- one attack at a time
    broken += await family.play([...family.kinds.keys()].filter(isWanted), options, print);
  }
  print(broken === 0 ? 'nothing was lost, and every limit was kept' : `${broken} attacks broke something`);
  process.exitCode = broken === 0 ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
