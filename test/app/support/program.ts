// The program as it is run: `node dist/app/main.js` in a process of its own, with an environment of its own and its output
// kept. What a test leaves running is killed when the test ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ensureBuild } from '../../../scripts/lib/fresh.mjs';
import { root } from '../../../scripts/lib/run.mjs';
import { openPglite } from '../../../src/app/database/internal.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly pid: number;
  /** Where it listens, as soon as it does. */
  readonly port: Promise<number>;
  /** Waits until it has printed something that matches, on either of its outputs; fails when it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  signal(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** What is run in place of `node dist/app/main.js`. */
  readonly command?: readonly [string, ...string[]];
  /** Where it is started; by default in a folder that has nothing to do with it. */
  readonly cwd?: string;
}

/** Builds dist/ when it is not up to date, as `npm start` does; for `beforeAll`. */
export const buildProgram = ensureBuild;

/** Starts the program. Of the environment of the test it gets PATH and HOME alone. */
export function startProgram({ env = {}, args = [], command, cwd = tmpdir() }: ProgramOptions = {}): Program {
  const [file, ...first] = command ?? [process.execPath, join(root, 'dist/app/main.js')];
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(file, [...first, ...args], {
    cwd,
    env: { PATH, HOME, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString();
      for (const look of watchers) look();
    });
  }
  const ended: Promise<Ended> = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }));
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(output.stdout) ?? pattern.exec(output.stderr);
        if (found === null) return;
        watchers.delete(look);
        resolve(found);
      };
      watchers.add(look);
      look();
      void ended.then((end) =>
        reject(new Error(`it ended without printing ${pattern}: ${JSON.stringify(end)}`)),
      );
    });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const port = printed(/Server listening at http:\/\/127\.0\.0\.1:(\d+)/).then(([, number]) =>
    Number(number),
  );
  port.catch(() => {}); // tests that await the port get the error; others check how the program ended
  return { pid: child.pid ?? 0, port, printed, signal: (signal) => void child.kill(signal), ended };
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-program-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface DataFolders {
  /** A data folder with a database that is empty and made already, which saves seconds; removed when the test ends. */
  make(): string;
  remove(): void;
}

/** Makes the database that all data folders of a test file begin with. */
export async function prepareDataFolders(): Promise<DataFolders> {
  const template = mkdtempSync(join(tmpdir(), 'troupe-data-'));
  const database = openPglite({ kind: 'pglite', folder: join(template, 'pglite'), queryTimeoutMs: 20_000 });
  await database.opened();
  await database.close();
  return {
    make() {
      const folder = temporaryFolder();
      const data = join(folder, 'data');
      mkdirSync(data);
      cpSync(join(template, 'pglite'), join(data, 'pglite'), { recursive: true });
      return data;
    },
    remove: () => rmSync(template, { recursive: true, force: true }),
  };
}

export interface MadeNote {
  readonly id: number;
  readonly title: string;
}

/** Makes a note over HTTP. */
export async function makeNote(port: number, title: string): Promise<MadeNote> {
  const response = await fetch(`http://127.0.0.1:${port}/api/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title, body: 'body', author: 'author' }),
  });
  if (response.status !== 201) throw new Error(`not made: ${response.status} ${await response.text()}`);
  return (await response.json()) as MadeNote;
}

/** The titles of the notes, newest first; with a query those that it finds. */
export async function titlesAt(port: number, query = ''): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/api/notes?q=${encodeURIComponent(query)}`);
  const { notes } = (await response.json()) as { notes: MadeNote[] };
  return notes.map(({ title }) => title);
}
