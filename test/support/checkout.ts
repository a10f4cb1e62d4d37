// A small checkout in a temporary folder, with the real scripts/ and stand-ins for what they run: to try the scripts
// without installing or building anything.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';

export interface Checkout {
  readonly folder: string;
  write(path: string, text: string): void;
  /** Writes a program for node_modules/.bin. It runs in the folder of the checkout. */
  tool(name: string, javascript: string): void;
  /** Makes a file look written at a time, in seconds since 1970. */
  touch(path: string, seconds: number): void;
  /** Runs a script to its end. */
  run(script: string, args?: string[], env?: Record<string, string>): Promise<Ended>;
  /** Starts a script. */
  start(script: string, args?: string[], env?: Record<string, string>): Started;
  remove(): void;
}

export interface Started {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Answers when a text has come on stdout. */
  readonly printed: (text: string) => Promise<void>;
  readonly ended: Promise<Ended>;
}

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Makes a checkout whose node_modules is up to date and which has no dist/. */
export function createCheckout(): Checkout {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-checkout-'));
  cpSync(join(import.meta.dirname, '../../scripts'), join(folder, 'scripts'), { recursive: true });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const start = (script: string, args: string[] = [], env: Record<string, string> = {}): Started => {
    const child = spawn(process.execPath, [join(folder, 'scripts', script), ...args], {
      cwd: tmpdir(), // scripts find the checkout by themselves
      env: { ...process.env, CI: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    const ended = once(child, 'close').then(([exitCode]) => ({
      exitCode: exitCode as number | null,
      ...output,
    }));
    const printed = async (text: string) => {
      while (!output.stdout.includes(text)) {
        const news = await Promise.race([once(child.stdout, 'data'), ended]);
        if (!Array.isArray(news) && !news.stdout.includes(text)) {
          throw new Error(`ended without printing ${text}: ${JSON.stringify(news)}`);
        }
      }
    };
    return { child, printed, ended };
  };
  write('package.json', '{ "type": "module" }');
  write('package-lock.json', '{}');
  write('node_modules/.package-lock.json', '{}');
  return {
    folder,
    write,
    tool(name, javascript) {
      const path = `node_modules/.bin/${name}`;
      write(path, `#!/usr/bin/env node\n${javascript}`);
      chmodSync(join(folder, path), 0o755);
    },
    touch: (path, seconds) => utimesSync(join(folder, path), seconds, seconds),
    start,
    run: (script, args, env) => start(script, args, env).ended,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
