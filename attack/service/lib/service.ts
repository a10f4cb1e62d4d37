// The built application in a process of its own, watched: how long its event loop stands, how much memory it and its child
// processes hold, and whether it ends on its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How the program is started. */
export interface ServiceOptions {
  /** The folder of the data; one that is removed afterwards when left out. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The most descriptors that it may open. */
  readonly descriptorsMax?: number;
}

/** What the attack has cost. */
export interface Cost {
  readonly longestStopMs: number;
  /** Resident memory of the program and its children, in bytes, at most. */
  readonly peakBytes: number;
}

const WATCH = new URL('watch.mjs', import.meta.url).href;
const START_LIMIT_MS = 60_000;
const REPORT_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
const SAMPLE_MS = 25;
const STDERR_KEPT = 2_000;

export class Service {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly base: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #sampler: NodeJS.Timeout;
  readonly #remove: () => void;
  readonly #stderr: () => string;
  #peakBytes = 0;

  private constructor(child: ChildProcess, port: number, stderr: () => string, remove: () => void) {
    this.#child = child;
    this.port = port;
    this.base = `http://127.0.0.1:${port}`;
    this.pid = child.pid ?? 0;
    this.#stderr = stderr;
    this.#remove = remove;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Starts the program of a checkout and waits until it is ready. What the start costs does not count. */
  static async start(checkout: string, options: ServiceOptions = {}): Promise<Service> {
    const own = options.dataDir === undefined ? mkdtempSync(join(tmpdir(), 'troupe-attack-')) : undefined;
    const program = ['--import', WATCH, join(checkout, 'dist/app/main.js')];
    const limit = `ulimit -n ${options.descriptorsMax}; exec "$0" "$@"`;
    const [file, args] =
      options.descriptorsMax === undefined
        ? [process.execPath, program]
        : ['/bin/sh', ['-c', limit, process.execPath, ...program]];
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(file, args, {
      cwd: checkout,
      env: { PATH, HOME, PORT: '0', DATA_DIR: options.dataDir ?? join(own ?? '', 'data'), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-STDERR_KEPT)));
    const port = await portOf(child, () => stderr);
    const remove = (): void => {
      if (own !== undefined) rmSync(own, { recursive: true, force: true });
    };
    const service = new Service(child, port, () => stderr, remove);
    await service.#untilReady();
    child.send('reset');
    service.#peakBytes = 0;
    return service;
  }

  /** How it has ended; undefined while it runs. */
  get ended(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return undefined;
    return `the program has ended (${signalCode ?? `exit code ${exitCode}`}): ${this.#stderr()}`;
  }

  /** What it has cost so far. */
  async cost(): Promise<Cost> {
    const report = once(this.#child, 'message', { signal: AbortSignal.timeout(REPORT_LIMIT_MS) });
    this.#child.send('report');
    const [{ longestStopMs }] = (await report) as [{ longestStopMs: number }];
    return { longestStopMs, peakBytes: this.#peakBytes };
  }

  /** Ends it as an operator does. @returns what was wrong with how it ended */
  async stop(): Promise<string | undefined> {
    clearInterval(this.#sampler);
    const already = this.ended;
    try {
      if (already !== undefined) return undefined; // told as such
      const exit = once(this.#child, 'exit', { signal: AbortSignal.timeout(STOP_LIMIT_MS) });
      this.#child.kill('SIGTERM');
      const [code] = (await exit) as [number | null];
      return code === 0 ? undefined : `SIGTERM ended it with ${code}: ${this.#stderr()}`;
    } catch {
      this.#child.kill('SIGKILL');
      return `SIGTERM did not end it within ${STOP_LIMIT_MS / 1_000} s`;
    } finally {
      this.#remove();
    }
  }

  async #untilReady(): Promise<void> {
    const end = performance.now() + START_LIMIT_MS;
    while (performance.now() < end && this.ended === undefined) {
      if (await fetch(`${this.base}/readyz`).then((answer) => answer.ok)) return;
    }
    throw new Error(this.ended ?? 'the program was not ready in time');
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, residentBytes(this.pid));
  }
}

/** The port, from the line that says where it listens. */
function portOf(child: ChildProcess, stderr: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the program did not listen within ${START_LIMIT_MS / 1_000} s: ${stderr()}`));
    }, START_LIMIT_MS);
    const look = (chunk: Buffer): void => {
      text += chunk.toString();
      const port = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      clearTimeout(limit);
      child.stdout?.off('data', look).resume();
      resolve(Number(port));
    };
    child.stdout?.on('data', look);
    child.once('exit', (code) => {
      clearTimeout(limit);
      reject(new Error(`the program did not start (exit code ${code}): ${stderr()}`));
    });
  });
}

/** Resident memory of a process and its children; 0 where the system does not tell or the process is gone. */
function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const own = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1_024;
    return children.filter(Boolean).reduce((sum, child) => sum + residentBytes(Number(child)), own);
  } catch {
    return 0;
  }
}
