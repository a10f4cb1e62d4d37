// The process of the embedded database, as its owner sees it: its start, its end, and why it ended. `pglite-server.ts` is what it
// runs.
//
// The connection is an unnamed pair of sockets, created with the process: no other program can reach the database, and the file
// system shows nothing of it. A second pair carries nothing: it closes when the owner ends, which the process notices.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { within } from './gate.ts';
import { CLIENT_FD, EXIT_UNUSABLE, HAS_DATA } from './pglite-exit.ts';

/** Compiled, or from the sources, where the program needs the options of this one. */
const extension = extname(import.meta.url);
const program = fileURLToPath(new URL(`pglite-server${extension}`, import.meta.url));

/** How a process ended. */
export interface Ended {
  /** One line for the operator. */
  readonly reason: string;
  /** Whether the folder cannot be used, so that starting another process is useless. */
  readonly isUnusable: boolean;
}

/** How much of its stderr is kept: the end, where the reason is. */
const SAID_MAX = 4_096;
const REASON_MAX = 500;
const LAST_WORDS_MS = 1_000;

export class PgliteProcess {
  /** How it ended; never rejects. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #said = '';
  #killed: string | undefined;

  /** @param hasData whether the folder has been opened before; then it is not created when missing */
  constructor(folder: string, hasData: boolean) {
    const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
    const child = spawn(process.execPath, [...loader, program, folder, ...(hasData ? [HAS_DATA] : [])], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-SAID_MAX);
    });
    // They are missing when no descriptor was left for them.
    for (const socket of child.stdio ?? []) socket?.on('error', () => {}); // its end tells more
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        resolve({ reason: `its process could not be started: ${error.message}`, isUnusable: false });
      });
      child.once('close', (code, signal) => resolve(this.#howItEnded(code, signal)));
    });
  }

  /** The connection. @throws Error when the process could not be started */
  get socket(): Socket {
    const socket = this.#child.stdio?.[CLIENT_FD];
    if (socket === undefined || socket === null) {
      throw Object.assign(new Error('no file descriptor is left for a process'), { code: 'EMFILE' });
    }
    return socket as Socket;
  }

  /** Waits briefly for its end, since a process that breaks its connection is about to say why, and then ends it. */
  async endSoon(reason: string): Promise<Ended> {
    await within(LAST_WORDS_MS, this.ended);
    this.kill(reason);
    return await this.ended;
  }

  /** Ends it at once; what it had not committed is undone when the folder is opened again. */
  kill(reason: string): void {
    this.#killed ??= reason;
    this.#child.kill('SIGKILL');
  }

  #howItEnded(code: number | null, signal: NodeJS.Signals | null): Ended {
    const lastLine = this.#said.trim().split('\n').at(-1)?.slice(0, REASON_MAX) ?? '';
    if (code === EXIT_UNUSABLE) return { reason: lastLine, isUnusable: true };
    if (code === null && this.#killed !== undefined) return { reason: this.#killed, isUnusable: false };
    const end = signal === null ? `exit code ${code}` : signal;
    return { reason: lastLine === '' ? `its process ended with ${end}` : lastLine, isUnusable: false };
  }
}
