/** The documents that list things list all of them: errors, events, records of decisions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { errorAdvice } from 'troupe';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The sources of the runtime but the one file that defines what is looked for. */
function sourcesBut(file: string): string {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path !== file)
    .map((path) => read(join('src', path)))
    .join('\n');
}

describe('docs/errors.md', () => {
  const rows = new Map(
    [...read('docs/errors.md').matchAll(/^\| `(TROUPE_\w+)` +\| (.*?) +\|$/gm)].map(([, code, advice]) => [
      code,
      advice,
    ]),
  );

  test('has each error with its advice, and no other', () => {
    expect(Object.fromEntries(rows)).toEqual(errorAdvice);
  });

  test.each(Object.keys(errorAdvice))('%s is thrown somewhere', (code) => {
    expect(sourcesBut('runtime/errors.ts')).toMatch(new RegExp(`\\b${code}\\b`));
  });
});

describe('docs/telemetry.md', () => {
  const names = (text: string, pattern: RegExp) =>
    [...text.matchAll(pattern)].map(([, name]) => String(name)).toSorted((a, b) => a.localeCompare(b));
  const defined = names(read('src/runtime/telemetry.ts'), /^ {2}'(troupe:[\w:]+)': \{/gm);

  test('has each event, and no other', () => {
    expect(names(read('docs/telemetry.md'), /^\| `(troupe:[\w:]+)`/gm)).toEqual(defined);
  });

  test.each(defined)('%s is published somewhere', (name) => {
    expect(sourcesBut('runtime/telemetry.ts')).toContain(`telemetry('${name}')`);
  });
});

describe('docs/adr/README.md', () => {
  const records = readdirSync(join(root, 'docs/adr'))
    .filter((name) => /^\d/.test(name))
    .toSorted();
  const linked = [...read('docs/adr/README.md').matchAll(/\[(\d{4})\]\(([\w.-]+)\)/g)];

  test('lists each record once, in order', () => {
    expect(linked.map(([, , name]) => name)).toEqual(records);
    expect(linked.map(([, number]) => number)).toEqual(records.map((name) => name.slice(0, 4)));
  });

  test.each(records)('%s has its number in its title', (name) => {
    expect(read(join('docs/adr', name))).toMatch(new RegExp(`^# ${name.slice(0, 4)} `));
  });
});
