// The programs of examples/ run, print what the end of each says, and use the runtime by its public names only.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { execute } from '../support/package/project.ts';

const root = join(import.meta.dirname, '../..');
const RUN_LIMIT_MS = 60_000;
const programs = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts'));
const read = (name: string) => readFileSync(join(root, 'examples', name), 'utf8');

/** What a program says that it prints: the comment at its end. */
function printed(text: string): string {
  const lines = text.slice(text.indexOf('// Prints:\n')).split('\n').slice(1, -1);
  return lines.map((line) => `${line.slice('// '.length)}\n`).join('');
}

test('there are four', () => {
  expect(programs).toEqual(['chat-rooms.ts', 'elixir-node.ts', 'game-lobby.ts', 'job-queue.ts']);
});

describe.each(programs)('examples/%s', (name) => {
  test('is a page or two, and imports only what a user can', () => {
    const text = read(name);
    expect(text.split('\n').length).toBeGreaterThan(60);
    expect(text.split('\n').length).toBeLessThanOrEqual(200);
    const imported = [...text.matchAll(/\bfrom '([^']+)'/g)].map(([, specifier]) => specifier);
    expect(imported.filter((specifier) => !/^(troupe(\/\w+)?|node:\w+|fastify)$/.test(specifier!))).toEqual(
      [],
    );
  });

  const elixir = name.startsWith('elixir') && (requirePart('elixir').missing || requirePart('erl').missing);
  test.skipIf(elixir)('prints what it says', { timeout: 2 * RUN_LIMIT_MS }, async () => {
    const args = ['--import', 'tsx', `examples/${name}`];
    const { exitCode, stdout, stderr } = await execute(process.execPath, args, root, RUN_LIMIT_MS);
    expect(stdout, `its errors:\n${stderr}`).toBe(printed(read(name)));
    expect(exitCode).toBe(0);
  });
});
