// A project of somebody who installs the package: an empty folder, the tarball, and what else a test wants in it.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const INSTALL_LIMIT_MS = 120_000;

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; one that takes longer is killed and has no exit code. */
export function execute(
  program: string,
  args: readonly string[],
  cwd: string,
  limitMs: number,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(),
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.on('error', reject);
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout, stderr });
    });
  });
}

/** That of a shell: npm, which runs the tests, tells its own settings to what it starts. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST)/i.test(name));
  return { ...Object.fromEntries(inherited), NODE_OPTIONS: '', NO_COLOR: '1', CI: '' };
}

export interface Project {
  readonly folder: string;
  /** Copies a file of test/support/package into it. */
  copy(name: string): void;
  write(name: string, text: string): void;
  /** The packages that it has installed, by path. */
  installed(): string[];
  run(program: string, args: readonly string[], limitMs: number): Promise<Ended>;
  remove(): void;
}

/** Makes a project and installs packages in it. Answers what npm said when it could not. */
export async function createProject(packages: readonly string[]): Promise<Project | { reason: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-project-'));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  write('package.json', JSON.stringify({ name: 'project', private: true, type: 'module' }));
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...packages];
  const { exitCode, stderr } = await execute('npm', args, folder, INSTALL_LIMIT_MS);
  if (exitCode !== 0) {
    remove();
    return { reason: `npm install ended with exit code ${exitCode}: ${stderr.trim()}` };
  }
  return {
    folder,
    copy: (name) => copyFileSync(join(import.meta.dirname, name), join(folder, name)),
    write,
    installed: () => {
      const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
        packages: object;
      };
      return Object.keys(lock.packages).filter((path) => path !== '');
    },
    run: (program, programArgs, limitMs) => execute(program, programArgs, folder, limitMs),
    remove,
  };
}

/** A package with the version that this repository has installed. */
export function asInstalledHere(name: string): string {
  const file = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8');
  return `${name}@${(JSON.parse(file) as { version: string }).version}`;
}

/** Whether npm finds a package at all: where it does, what cannot be installed is a fault. */
export async function registryAnswers(): Promise<boolean> {
  const { exitCode } = await execute(
    'npm',
    ['view', 'acorn', 'version', '--prefer-online'],
    tmpdir(),
    30_000,
  );
  return exitCode === 0;
}
