// Helpers of the tests of the database: wait for a state, and talk to a TypeScript program in another process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { Database, DatabaseEvent, DatabaseState } from '../../../src/app/database/internal.ts';

export interface Watched {
  readonly events: DatabaseEvent[];
  /** Waits for the next event with this state that comes after the ones that were waited for before. */
  next(state: DatabaseState): Promise<DatabaseEvent>;
}

/** Keeps the events of a database from now on. */
export function watch(database: Database): Watched {
  const events: DatabaseEvent[] = [];
  let seen = 0;
  let wake = (): void => {};
  database.onEvent((event) => {
    events.push(event);
    wake();
  });
  return {
    events,
    async next(state) {
      for (;;) {
        for (; seen < events.length; seen++) {
          const event = events[seen];
          if (event?.state !== state) continue;
          seen++;
          return event;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

const DRIZZLE = join(import.meta.dirname, '../../../drizzle');

/** A copy of the migrations, without those from a name on. */
export function migrationsBefore(name: string): string {
  const folder = join(temporaryFolder(), 'drizzle');
  cpSync(DRIZZLE, folder, { recursive: true });
  const journal = { ...readJournal(), entries: readJournal().entries.filter(({ tag }) => tag < name) };
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify(journal));
  return folder;
}

/** What is told when a new database has been migrated. */
export function allMigrations(): { readonly count: number; readonly last: string | undefined } {
  const { entries } = readJournal();
  return { count: entries.length, last: entries.at(-1)?.tag };
}

function readJournal(): { readonly entries: ReadonlyArray<{ readonly tag: string }> } {
  return JSON.parse(readFileSync(join(DRIZZLE, 'meta/_journal.json'), 'utf8')) as ReturnType<
    typeof readJournal
  >;
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-database-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Program {
  readonly pid: number;
  /** The next line that it prints. */
  line(): Promise<string>;
  say(line: string): void;
  /** Sends a signal; for one that ends it, waits until it has ended. */
  signal(signal: NodeJS.Signals): Promise<void>;
}

/** Starts a TypeScript file of this folder. It is killed when the test ends. */
export function startProgram(file: string, ...args: string[]): Program {
  const path = join(import.meta.dirname, file);
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), path, ...args], {
    cwd: tmpdir(), // nothing depends on the folder that a program is started in
    env: { ...process.env, TSX_TSCONFIG_PATH: join(import.meta.dirname, '../../../tsconfig.json') },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async line() {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${file} ended without a line more`);
      return value;
    },
    say: (line) => child.stdin.write(`${line}\n`),
    async signal(signal) {
      const ended = ['SIGKILL', 'SIGTERM'].includes(signal) ? once(child, 'exit') : undefined;
      child.kill(signal);
      await ended;
    },
  };
}
