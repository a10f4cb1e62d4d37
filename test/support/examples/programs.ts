// Compiles the examples of the documents in one run of the compiler and runs each as a program of its own.
// They are compiled with src/ into a small package named troupe, so that `import ... from 'troupe'` finds what it would
// find for a user.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toProgram, type Example } from './extract.ts';

const COMPILE_LIMIT_MS = 120_000;
const OUTPUT_MAX_BYTES = 1024 * 1024;

export interface Outcome {
  readonly exitCode: number | null;
  readonly output: string;
}

export interface Programs {
  /** What the compiler says, a line per error, by document and line. */
  readonly errors: readonly string[];
  /** Runs an example to its end; one that does not end in time is killed and has no exit code. */
  run(example: Example, limitMs: number): Promise<Outcome>;
  /** Removes what was written. */
  remove(): void;
}

/**
 * Compiles examples.
 * @param root of the repository
 * @param name of the folder in .tmp/ to work in
 */
export async function compileExamples(
  root: string,
  name: string,
  examples: readonly Example[],
): Promise<Programs> {
  const folder = join(root, '.tmp', name);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  remove();
  mkdirSync(join(folder, 'out'), { recursive: true });
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: {
      noEmit: false,
      rootDir: '../..',
      outDir: 'out',
      sourceMap: true,
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: [],
    exclude: [],
    files: examples.map((example) => `${programName(example)}.ts`),
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'out/package.json'), JSON.stringify(ownPackage(root)));
  for (const example of examples) {
    const program = toProgram(example, '../../test/support/examples/check.ts');
    writeFileSync(join(folder, `${programName(example)}.ts`), program);
  }
  const { output, exitCode } =
    examples.length === 0
      ? { output: '', exitCode: 0 }
      : await runNode(
          [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'],
          root,
          COMPILE_LIMIT_MS,
        );
  if (exitCode !== 0 && output.trim() === '') throw new Error(`tsc ended with exit code ${exitCode}`);
  return {
    errors: output
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => toDocument(line, examples)),
    run: (example, limitMs) => {
      const program = join(folder, 'out/.tmp', name, `${programName(example)}.js`);
      return runNode(['--enable-source-maps', program], folder, limitMs);
    },
    remove,
  };
}

/** The package.json of the repository, with the entry points where the compiler puts them here. */
function ownPackage(root: string): object {
  const { name, type, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    name: string;
    type: string;
    exports: Record<string, string | { default: string }>;
  };
  const entries = Object.entries(exports).map(([key, target]) => [
    key,
    typeof target === 'string' ? target : target.default.replace('./dist/', './src/'),
  ]);
  return { name, type, exports: Object.fromEntries(entries) as object };
}

function programName({ document, line }: Example): string {
  return `${document.replaceAll('/', '-')}-${line}`;
}

/** Turns the compiler's `.tmp/x/README.md-45.ts(47,3): error` into `README.md:47: error`. */
function toDocument(message: string, examples: readonly Example[]): string {
  const [, file = '', line = '', rest = ''] = /([^/]+)\.ts\((\d+),\d+\)(.*)$/.exec(message) ?? [];
  const example = examples.find((candidate) => programName(candidate) === file);
  return example === undefined ? message : `${example.document}:${line}${rest}`;
}

function runNode(args: string[], cwd: string, limitMs: number): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '' },
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      if (output.length < OUTPUT_MAX_BYTES) output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => {
      output += `\nnot ended after ${limitMs} ms\n`;
      child.kill('SIGKILL');
    }, limitMs);
    child.on('error', reject);
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, output });
    });
  });
}
