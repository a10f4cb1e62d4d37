// The client in a pseudo-terminal, made by `script` of util-linux: keys go in, a screen comes out.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { requirePart } from '../../support/parts.ts';
import { CLIENT, cleanEnv } from './application.ts';
import { Screen } from './screen.ts';

/** `script`, or that it is missing. */
export const pty = requirePart('pty');

/** Keys that have no character of their own. */
export const KEYS = {
  enter: '\r',
  tab: '\t',
  ctrlC: '\u0003',
  ctrlD: '\u0004',
  up: '\u001B[A',
  left: '\u001B[D',
} as const;

/** A client in a terminal. */
export class TestTerminal {
  readonly #script: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<[number | null]>;
  readonly #columns: number;
  #output = '';
  /** How far `sees` has looked. */
  #seen = 0;
  #wake: () => void = () => undefined;

  /**
   * @param options `after` is a shell command that runs in the same terminal when the client has ended, `program` what runs in place of the
   * client
   */
  constructor(
    dataDir: string,
    options: {
      columns?: number;
      env?: Record<string, string>;
      after?: string;
      args?: string;
      program?: string;
    } = {},
  ) {
    const { columns = 100, env = {}, after = 'true', args = '', program = CLIENT.join(' ') } = options;
    this.#columns = columns;
    // The terminal tells its name first, so that a test can change its size.
    const client = `sh -c 'echo client pid $$; exec ${program} ${args}'`;
    // Ctrl-C is for the client, and this shell tells how that has ended.
    const command = `trap : INT; stty cols ${columns} rows 40; tty; ${client}; code=$?; ${after}; echo "exit code $code"`;
    this.#script = spawn(pty.path, ['-qfec', command, '/dev/null'], {
      cwd: join(import.meta.dirname, '../../..'),
      env: cleanEnv({ DATA_DIR: dataDir, SHELL: '/bin/sh', ...env }),
    });
    this.#exited = once(this.#script, 'close') as Promise<[number | null]>;
    this.#script.stdout.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
      this.#wake();
    });
  }

  /** All that was printed, with its control sequences. */
  get raw(): string {
    return this.#output;
  }

  /** Whether the client still runs. */
  get running(): boolean {
    return !this.#output.includes('exit code ');
  }

  /** What the screen shows. */
  get screen(): Screen {
    const screen = new Screen(this.#columns);
    screen.write(this.#output);
    return screen;
  }

  type(keys: string): void {
    this.#script.stdin.write(keys);
  }

  /** Waits until a text is printed after the last one that was waited for. Control sequences do not count. */
  async sees(text: string): Promise<void> {
    for (;;) {
      const plain = this.#plain();
      const index = plain.indexOf(text, this.#seen);
      if (index !== -1) {
        this.#seen = index + text.length;
        return;
      }
      // oxlint-disable-next-line no-await-in-loop
      await this.#more(`waited for ${JSON.stringify(text)}`);
    }
  }

  /** Waits until the screen is as it should be. */
  async shows(what: string, condition: (screen: Screen) => boolean): Promise<void> {
    while (!condition(this.screen)) {
      // oxlint-disable-next-line no-await-in-loop
      await this.#more(`waited until the screen shows ${what}`);
    }
  }

  /** The process of the client. */
  get clientPid(): number {
    return Number(/client pid (\d+)/.exec(this.#output)?.[1]);
  }

  /** Changes the size of the terminal. */
  resize(columns: number): void {
    const name = /\/dev\/pts\/\d+/.exec(this.#output)?.[0];
    if (name === undefined) throw new Error('the terminal has not told its name');
    execFileSync('stty', ['-F', name, 'cols', String(columns)]);
  }

  /** Waits until the client has ended. @returns its exit code */
  async exitCode(): Promise<number> {
    await this.#exited;
    return Number(/exit code (\d+)/.exec(this.#output)?.[1]);
  }

  /** Ends it if it has not ended. */
  async close(): Promise<void> {
    this.#script.kill('SIGKILL');
    await this.#exited;
  }

  #plain(): string {
    // oxlint-disable-next-line no-control-regex
    return this.#output.replace(/\u001B\[[\d;?]*[A-Za-z]/g, '');
  }

  async #more(what: string): Promise<void> {
    const printed = new Promise<'printed'>((resolve) => {
      this.#wake = () => {
        resolve('printed');
      };
    });
    const ended = this.#exited.then(() => 'ended' as const);
    if ((await Promise.race([printed, ended])) === 'ended') {
      throw new Error(`${what}, but the terminal was closed:\n${this.screen.lines.join('\n')}`);
    }
  }
}
