// The guide says what there is: every setting with its default, and the Erlang that the tests run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clusterVariables } from '../../../src/app/cluster/internal.ts';

const root = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const guide = read('docs/guide/clustering.md');

test.each(Object.entries(clusterVariables))('%s is in the table of settings', (name, schema) => {
  const row = guide.split('\n').find((line) => line.startsWith('| `') && line.includes(`\`${name}\``));
  const value: unknown = 'default' in schema ? schema.default : undefined;
  const unset = name === 'TROUPE_DIST_HOST' ? 'the host in the name' : 'none';
  const shown = typeof value === 'string' || typeof value === 'number' ? String(value) : unset;
  expect(row?.split('|').at(-2)).toContain(shown);
});

test.each([
  ['Erlang', 'test/support/erlang/note_titles.erl', '-module'],
  ['Elixir', 'test/support/elixir/note_titles.ex', 'defmodule'],
])('the indexer in %s is the one that is tested', (_language, path, first) => {
  const source = read(path);
  expect(guide).toContain(source.slice(source.indexOf(first)));
});
