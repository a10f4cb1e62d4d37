// The way from a request to a frame, as docs/ARCHITECTURE.md draws it: each of its functions is in the file that it names, and the way
// enters no room twice in one direction.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Step {
  readonly names: readonly string[];
  readonly file: string;
}

/** The rows of the table: what is done, by which functions, in which file. */
function steps(): Step[] {
  const [, text = ''] = read('docs/ARCHITECTURE.md').split('## From a request to a frame');
  const rows = text.split('\n').filter((line) => /^\| .*\.ts` *\|$/.test(line));
  return rows.map((row) => {
    const [, , functions = '', file = ''] = row.split('|');
    return {
      names: [...functions.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name),
      file: /`([^`]+)`/.exec(file)?.[1] ?? '',
    };
  });
}

/** Whether a file declares a function, a constant, or a method of a class. */
function declares(text: string, name: string): boolean {
  const [owner = '', method] = name.split('.');
  if (method === undefined)
    return new RegExp(`^(export )?(async )?(function|const|class) ${owner}\\b`, 'm').test(text);
  const [, body = ''] = text.split(new RegExp(`^export class ${owner}\\b`, 'm'));
  return new RegExp(`^  (async )?${method}[(<]`, 'm').test(body);
}

test('what counts as a declaration', () => {
  const text = 'export function a() {}\nconst b = 1;\nexport class C {\n  async d(x) {}\n}\n';
  expect(['a', 'b', 'C.d'].map((name) => declares(text, name))).toEqual([true, true, true]);
  expect(['d', 'C.a', 'D.d', 'bb'].map((name) => declares(text, name))).toEqual([false, false, false, false]);
});

test('the functions that docs/ARCHITECTURE.md names are where it says', () => {
  const all = steps();
  expect(all.length).toBeGreaterThan(10);
  const missing = all.flatMap(({ names, file }) =>
    names.filter((name) => !declares(read(file), name)).map((name) => `${name} in ${file}`),
  );
  expect(missing).toEqual([]);
  expect(all.every(({ names }) => names.length > 0)).toBe(true);
});

test('the way enters each room once in each direction', () => {
  const rooms = steps().map(({ file }) => dirname(file).replace(/^(src\/runtime\/pg|src\/app)\/.*/, '$1'));
  const turn = rooms.indexOf('src/runtime/process');
  for (const way of [rooms.slice(0, turn), rooms.slice(turn)]) {
    const entered = way.filter((room, index) => room !== way[index - 1]);
    expect(entered.filter((room) => room !== 'src/runtime/fastify')).toEqual([
      ...new Set(entered.filter((room) => room !== 'src/runtime/fastify')),
    ]);
  }
});

test('docs/ARCHITECTURE.md names every folder', () => {
  const text = read('docs/ARCHITECTURE.md');
  const folders = ['runtime', 'app', 'runtime/distribution', 'runtime/pg'].flatMap((parent) =>
    readdirSync(join(root, 'src', parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${parent}/${name}`),
  );
  expect(folders.length).toBeGreaterThan(20);
  expect(
    folders.filter((folder) => folder !== 'runtime/distribution' && !text.includes(`\`${folder}\``)),
  ).toEqual([]);
});
