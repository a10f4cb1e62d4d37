// Starts the application of fixture-program.ts, and clients of its REPL.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attach, type ClientConnection } from '../../../src/runtime/repl/internal.ts';

const root = join(import.meta.dirname, '../../..');
const TSX = ['--import', 'tsx'];
/** The client's command line, to be run in `root`. */
export const CLIENT = [process.execPath, ...TSX, 'src/runtime/cli/main.ts'] as const;

/** The environment of programs that are tested: without what the one of the tests says about colours and terminals. */
export function cleanEnv(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const {
    FORCE_COLOR: _a,
    NO_COLOR: _b,
    CI: _e,
    TROUPE_REPL_HISTORY: _c,
    DATA_DIR: _d,
    ...rest
  } = process.env;
  return { ...rest, LC_ALL: 'C.UTF-8', TERM: 'xterm', ...env };
}

/** A running application. */
export interface Application {
  readonly process: ChildProcessWithoutNullStreams;
  readonly dataDir: string;
  readonly socket: string;
  /** What it has printed. */
  output(): string;
  /** Tells it to stop, and waits until it has. @returns its exit code */
  stop(): Promise<number | null>;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/** A folder of its own, and a function that removes it. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'troupe-repl-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/**
 * Starts the application with a data folder; resolves when its REPL can be attached to.
 * @param syncLimitMs how long a line may run before its first `await`
 */
export async function startApplication(dataDir: string, syncLimitMs = 2_000): Promise<Application> {
  const child = spawn(process.execPath, [...TSX, 'test/runtime/repl/fixture-program.ts'], {
    cwd: root,
    env: cleanEnv({ DATA_DIR: dataDir, SYNC_LIMIT_MS: String(syncLimitMs) }),
  });
  let output = '';
  const exited = once(child, 'exit') as Promise<[number | null]>;
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('"ready":true')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void exited.then(() => {
      reject(new Error(`the application did not start:\n${output}`));
    });
  });
  return {
    process: child,
    dataDir,
    socket: join(dataDir, 'repl.sock'),
    output: () => output,
    stop: async () => {
      child.stdin.end();
      return (await exited)[0];
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** What a program printed, and how it ended. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the client to its end. */
export async function runClient(
  args: readonly string[],
  options: {
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly prefix?: readonly string[];
  } = {},
): Promise<Ran> {
  const [command = '', ...rest] = [...(options.prefix ?? []), ...CLIENT, ...args];
  const child = spawn(command, rest, { cwd: root, env: cleanEnv(options.env) });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** A client inside of the tests, and what was printed to it. */
export interface TestClient {
  readonly connection: ClientConnection;
  readonly printed: string[];
  /** Why the connection has ended. */
  readonly ended: Promise<string>;
  /** Runs code. @returns the text of its result; with `! ` before it when it failed */
  run(code: string): Promise<string>;
  /** Waits until something has been printed that contains a text. */
  prints(text: string): Promise<void>;
}

/** Attaches to an application from inside the tests. */
export async function attachTo(
  application: Pick<Application, 'socket'>,
  how: { readonly json?: boolean; readonly interactive?: boolean; readonly columns?: number } = {},
): Promise<TestClient> {
  const connection = await attach(application.socket, {
    columns: 0,
    colour: false,
    unicode: true,
    json: false,
    interactive: true,
    ...how,
  });
  const printed: string[] = [];
  let wake: () => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    connection.use({
      onPrint: (_stream, text) => {
        printed.push(text);
        wake();
      },
      onEnd: ({ message }) => {
        resolve(message);
      },
    });
  });
  return {
    connection,
    printed,
    ended,
    run: async (code) => {
      const { status, text } = await connection.evaluate(code);
      return status === 'ok' ? text : `! ${text}`;
    },
    prints: async (text) => {
      while (!printed.join('').includes(text)) {
        // oxlint-disable-next-line no-await-in-loop
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
