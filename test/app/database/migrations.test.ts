// The migrations in drizzle/ make the tables that the code declares.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from './support.ts';

const root = join(import.meta.dirname, '../../..');

test('no migration is missing', () => {
  const folder = join(temporaryFolder(), 'drizzle');
  cpSync(join(root, 'drizzle'), folder, { recursive: true });
  const before = readdirSync(folder, { recursive: true });
  const paths = ['--schema', './src/app/notes/schema.ts', '--out', relative(root, folder)]; // it takes no absolute ones
  const args = ['generate', '--dialect', 'postgresql', ...paths];
  const result = spawnSync(process.execPath, [join(root, 'node_modules/drizzle-kit/bin.cjs'), ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(result).toMatchObject({ status: 0, stdout: expect.stringContaining('No schema changes') });
  expect(readdirSync(folder, { recursive: true })).toEqual(before);
});
