// What oxlint says of an example, by the repository's own configuration: it shows that a rule of the house is switched on,
// and for which files.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Fault, SourceFile } from './source.ts';

const root = join(import.meta.dirname, '../../..');

interface Report {
  readonly diagnostics: ReadonlyArray<{
    readonly code: string;
    readonly message: string;
    readonly labels: ReadonlyArray<{ readonly span: { readonly line: number } }>;
  }>;
}

/**
 * The faults that certain rules of oxlint find in a file, as if it stood in the repository.
 * @param rules their names without the plugin
 */
export function lintFaults(rules: readonly string[]): (file: SourceFile) => Fault[] {
  return ({ path, text }) => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-lint-'));
    try {
      copyFileSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
      return diagnose(folder)
        .filter(({ code }) => rules.some((rule) => code.endsWith(`(${rule})`)))
        .map(({ labels, message }) => ({ at: `${path}:${labels[0]?.span.line}`, message }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

function diagnose(folder: string): Report['diagnostics'] {
  try {
    const output = oxlint(folder);
    return (JSON.parse(output) as Report).diagnostics;
  } catch (error) {
    // It ends with 1 when it has found something.
    const { status, stdout } = error as { status?: number; stdout?: string };
    if (status !== 1 || stdout === undefined) throw error;
    return (JSON.parse(stdout) as Report).diagnostics;
  }
}

function oxlint(folder: string): string {
  const command = join(root, 'node_modules/.bin/oxlint');
  return execFileSync(command, ['--format=json', '.'], { cwd: folder, encoding: 'utf8' });
}
