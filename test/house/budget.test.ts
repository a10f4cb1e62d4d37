// Budgets of the runtime: how much code it is, in how many files. They keep what was reached: needing more means raising a
// figure here, in a commit that says why.
//
// A line of code is one that is not blank when comments and imports are left out. `internal.ts`, which only tests import, does not
// count as a file.
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { isSyntax, listFiles, parse, type SourceFile } from '../support/tidy/source.ts';

const RUNTIME = 'src/runtime/';
/** Not part of the core, like the rooms that came later: what connects nodes, what tests use, the REPL. */
const BESIDE_THE_CORE: readonly string[] = ['distribution', 'testing', 'repl'];
const CORE_LINES_MAX = 11_192;
const FILES_MAX = 141;
/** Rooms that came after the figures for the whole runtime were set; each has figures of its own. */
const LATER: Readonly<Record<string, { readonly files: number; readonly lines: number }>> = {
  cli: { files: 6, lines: 720 },
  client: { files: 2, lines: 255 },
  inspect: { files: 17, lines: 1_916 },
  observer: { files: 23, lines: 3_000 },
  log: { files: 2, lines: 320 },
  otel: { files: 1, lines: 85 },
  'pg/durable': { files: 6, lines: 830 },
};
/** A shorter file has to serve at least two others. */
const LINES_MIN = 40;
/** Stands for itself, and may be short. */
const ALONE: readonly string[] = ['src/runtime/backoff.ts', 'src/runtime/cli/main.ts'];
/** Entry points for users and tests. */
const DOORS: readonly string[] = ['index.ts', 'internal.ts'];

const root = join(import.meta.dirname, '../..');
/** A program for browsers, of which users get what it is built to: one file. */
const PAGE = 'src/runtime/observer/page/';
const files = listFiles(root, RUNTIME.slice(0, -1)).filter(
  ({ path }) => path.endsWith('.ts') && !path.startsWith(PAGE),
);
const withoutDoors = files.filter(({ path }) => basename(path) !== 'internal.ts');

/** The room of a file: the folder below `src/runtime`, or a later room within it. */
function roomOf({ path }: SourceFile): string {
  const inside = path.slice(RUNTIME.length);
  return Object.keys(LATER).find((room) => inside.startsWith(`${room}/`)) ?? inside.split('/')[0] ?? '';
}

function isLater(file: SourceFile): boolean {
  return Object.hasOwn(LATER, roomOf(file));
}

function linesOfCode(file: SourceFile): number {
  const { program, comments } = parse(file);
  const body = Array.isArray(program['body']) ? program['body'].filter(isSyntax) : [];
  const left = [...comments, ...body.filter(({ type }) => type === 'ImportDeclaration')];
  let text = file.text;
  for (const { start, end } of left) {
    text = text.slice(0, start) + text.slice(start, end).replaceAll(/[^\n]/g, ' ') + text.slice(end);
  }
  return text.split('\n').filter((line) => line.trim() !== '').length;
}

function sumOfLines(some: readonly SourceFile[]): number {
  return some.reduce((sum, file) => sum + linesOfCode(file), 0);
}

function linesOf(file: SourceFile): number {
  return file.text.trimEnd().split('\n').length;
}

/** How many other files of the runtime import it. */
function users(file: SourceFile): number {
  const specifier = new RegExp(
    `from '(\\./|(\\.\\./)+)([\\w-]+/)*${basename(file.path).replace('.', '\\.')}'`,
  );
  return files.filter((other) => other !== file && specifier.test(other.text)).length;
}

test('lines of code are counted without comments, blank lines and imports', () => {
  const text = "/** A.\n * B. */\nimport {\n  a,\n} from './a.ts';\n\nexport const b = a; // c\n// d\nb();\n";
  expect(linesOfCode({ path: 'src/runtime/a.ts', text })).toBe(2);
});

test('the runtime without distribution, testing and REPL stays within its lines of code', () => {
  const core = files.filter((file) => !isLater(file) && !BESIDE_THE_CORE.includes(roomOf(file)));
  expect(core.length).toBeGreaterThan(50);
  expect(sumOfLines(core)).toBeLessThanOrEqual(CORE_LINES_MAX);
});

test('the runtime stays within its number of files', () => {
  const counted = withoutDoors.filter((file) => !isLater(file));
  expect(counted.length).toBeGreaterThan(100);
  expect(counted.length).toBeLessThanOrEqual(FILES_MAX);
});

test.each(Object.entries(LATER))('%s stays within its figures', (room, { files: most, lines }) => {
  const inside = withoutDoors.filter((file) => roomOf(file) === room);
  expect(inside.length).toBeLessThanOrEqual(most);
  expect(sumOfLines(inside)).toBeLessThanOrEqual(lines);
});

test('a short file serves several others', () => {
  const short = files.filter((file) => linesOf(file) < LINES_MIN && !DOORS.includes(basename(file.path)));
  const found = short.filter((file) => users(file) < 2).map(({ path }) => path);
  expect(found.filter((path) => !ALONE.includes(path))).toEqual([]);
});
