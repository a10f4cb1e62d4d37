// The service under torture: instances of the built program, each a process of its own, that are killed and started again on the
// same ports. Between instances there are proxies, which can be cut.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { root } from '../scripts/lib/run.mjs';

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const STDERR_KEPT = 4_000;

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/** One instance, whichever process it is at the moment. */
export class Instance {
  readonly port: number;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #stderr = '';

  constructor(port: number, env: Readonly<Record<string, string>>) {
    this.port = port;
    this.#env = env;
  }

  /** Starts it; answers when it is ready. @throws Error when it ends, or is not ready in time */
  async start(): Promise<void> {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, [join(root, 'dist/app/main.js')], {
      cwd: tmpdir(),
      env: { PATH, HOME, PORT: String(this.port), LOG_LEVEL: 'error', ...this.#env },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // a group of its own, with the processes that it starts
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_KEPT);
    });
    this.#child = child;
    const end = performance.now() + START_LIMIT_MS;
    while (performance.now() < end && child.exitCode === null && child.signalCode === null) {
      const isReady = await fetch(`http://127.0.0.1:${this.port}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (isReady) return;
      await pause(50);
    }
    throw new Error(
      `an instance is not ready (${child.signalCode ?? `exit code ${child.exitCode}`}): ${this.#stderr}`,
    );
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get runs(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Kills it, with every process that it has started. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || !this.runs) return;
    const exit = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await exit;
  }

  /** Stops it in order, as an update does: it says goodbye to its clients. Kills it when that takes too long. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.runs) return;
    const exit = once(child, 'exit');
    const timer = setTimeout(() => void this.kill(), STOP_LIMIT_MS);
    child.kill('SIGTERM');
    await exit;
    clearTimeout(timer);
  }

  /** Freezes it, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#child?.pid !== undefined && this.runs) process.kill(-this.#child.pid, signal);
  }
}

/** Passes the connections between nodes on to one of them, until they are cut. */
export class Proxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(target: number): Promise<Proxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new Proxy(server, (server.address() as { port: number }).port);
    server.on('connection', (near) => {
      const far = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        proxy.#sockets.add(from);
        from.setNoDelay(true);
        from.on('error', () => {}); // a close follows
        from.on('close', () => {
          proxy.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    return proxy;
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets nothing through, in either direction, and ends nothing. */
  hold(): () => void {
    const held = [...this.#sockets];
    for (const socket of held) socket.unpipe().pause();
    return () => {
      for (const socket of held) socket.destroy(); // what was on its way is lost with the connection
    };
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** A folder of data; `remove` removes it. */
export function dataFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'troupe-torture-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
