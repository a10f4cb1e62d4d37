// The repository's files as the tidiness rules see them: text, line numbers and, for code, the syntax tree.
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { parseSync } from 'vite';

/** A place that breaks a rule. `at` is `file:line`, which editors open. */
export interface Fault {
  readonly at: string;
  readonly message: string;
}

export interface SourceFile {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** A node of the syntax tree, as far as the rules look into it. */
export interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface SyntaxTree {
  readonly program: Syntax;
  readonly comments: ReadonlyArray<{ type: 'Line' | 'Block'; value: string; start: number; end: number }>;
}

/** In a worktree `.git` is a file. */
const SKIPPED = new Set(['node_modules', '.git', '.tmp', 'coverage', 'data', 'drizzle', 'dist']);
const TEXT = new Set([
  '.ts',
  '.mts',
  '.js',
  '.mjs',
  '.css',
  '.html',
  '.md',
  '.json',
  '.erl',
  '.sh',
  '.sql',
  '.yml',
  '',
]);
const CODE = new Set(['.ts', '.mts', '.js', '.mjs']);

/** The text files of a folder and the folders in it, without what is derived or installed. */
export function listFiles(root: string, folder = ''): SourceFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(entry.name)) return [];
    if (entry.isDirectory()) return entry.name.startsWith('dist.') ? [] : listFiles(root, path);
    const wanted = entry.isFile() && TEXT.has(extname(entry.name)) && entry.name !== 'package-lock.json';
    return wanted ? [{ path, text: readFileSync(join(root, path), 'utf8') }] : [];
  });
}

export function isCode(path: string): boolean {
  return CODE.has(extname(path));
}

/** The fault of a rule broken at an offset of the text. */
export function faultAt(file: SourceFile, offset: number, message: string): Fault {
  return { at: `${file.path}:${file.text.slice(0, offset).split('\n').length}`, message };
}

/** Parses TypeScript or JavaScript. Throws on a syntax error: nothing that a rule says would be right. */
export function parse(file: SourceFile): SyntaxTree {
  const { program, comments, errors } = parseSync(file.path, file.text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file.path}: ${error.message}`);
  return { program: program as unknown as Syntax, comments };
}

/** Calls back for each node of a tree, parents first. */
export function visit(node: unknown, callback: (node: Syntax) => void): void {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, callback);
  } else if (isSyntax(node)) {
    callback(node);
    for (const child of Object.values(node)) if (typeof child === 'object') visit(child, callback);
  }
}

export function isSyntax(value: unknown): value is Syntax {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}
