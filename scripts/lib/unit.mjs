// Which test files need nothing but Node.js: those that start no other program. A file starts one when it, or what it imports, directly
// or not, imports `node:child_process` or a client of a browser or a database. Derived from the imports, so that there is no list to keep.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run.mjs';

/** Modules that start programs, or connect with them. */
const STARTS_PROGRAMS = ['node:child_process', 'node:cluster', 'playwright-core', 'postgres'];
/** The public names, as in vitest.config.ts. */
const ENTRIES = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports;
/** Imports and re-exports by a text; types alone start nothing. */
const IMPORT =
  /^\s*(?:import|export)(?!\s+type\b)\s+(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]|new URL\(\s*['"](\.[^'"]+)['"]/gm;

/** @returns {string[]} the paths of the files, from the root, in order */
export function unitTests() {
  /** @type {Map<string, boolean>} */
  const known = new Map();
  return testFiles('test')
    .filter((path) => !startsPrograms(path, known))
    .toSorted();
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function testFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

/**
 * @param {string} path
 * @param {Map<string, boolean>} known answers; a file that is being looked at counts as one that starts none
 * @returns {boolean}
 */
function startsPrograms(path, known) {
  const before = known.get(path);
  if (before !== undefined) return before;
  known.set(path, false);
  const text = readFileSync(join(root, path), 'utf8');
  const imported = [...text.matchAll(IMPORT)].map(([, from, later, url]) => String(from ?? later ?? url));
  const starts = imported.some((specifier) => {
    if (STARTS_PROGRAMS.includes(specifier)) return true;
    const target = resolve(path, specifier);
    return target !== undefined && startsPrograms(target, known);
  });
  known.set(path, starts);
  return starts;
}

/**
 * The file of the repository that an import means.
 * @param {string} path of who imports
 * @param {string} specifier
 */
function resolve(path, specifier) {
  const entry = /^troupe(\/.*)?$/.exec(specifier);
  const target = entry
    ? ENTRIES[`.${entry[1] ?? ''}`]?.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
    : specifier.startsWith('.')
      ? join(dirname(path), specifier)
      : undefined;
  if (target === undefined || !/\.m?[jt]s$/.test(target)) return undefined;
  const full = join(root, target);
  return existsSync(full) && statSync(full).isFile() ? target : undefined;
}
