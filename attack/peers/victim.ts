// Starts the attacked program in a process of its own, and asks it how it is.
import { type ChildProcess, fork } from 'node:child_process';

/** Paths of a key, its certificate and the authority that has signed it. */
export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** How the attacked node is reached. */
export interface VictimOptions {
  readonly name: string;
  readonly epmdPort: number;
  readonly cookie: string;
  readonly tls?: TlsFiles | undefined;
}

/** How it was with an attack. */
export interface Report {
  readonly longestMs: number;
  readonly peakBytes: number;
  /** Whether the supervisor and its child are those of the start. */
  readonly alive: boolean;
  /** How many broadcasts came in the name of the attacked node itself, which sends none, and of others. */
  readonly forged: number;
  readonly heard: number;
  readonly nodes: readonly string[];
}

type Answer = { readonly ask: string } & Record<string, unknown>;

/** The attacked program. */
export class Victim {
  readonly #child: ChildProcess;
  readonly options: VictimOptions;
  port = 0;
  /** Creation, and the ids of the supervisor and its child. */
  pids: readonly number[] = [];

  private constructor(dist: string, options: VictimOptions) {
    this.options = options;
    this.#child = fork(new URL('victim.mjs', import.meta.url), [JSON.stringify({ dist, ...options })], {
      execArgv: [],
    });
  }

  /** @param dist the built output that is attacked */
  static async start(dist: string, options: VictimOptions): Promise<Victim> {
    const victim = new Victim(dist, options);
    const { port, pid } = await victim.#answer('ready');
    victim.port = port as number;
    victim.pids = pid as number[];
    return victim;
  }

  /** Forgets what was measured so far. */
  async begin(): Promise<void> {
    await this.#ask({ ask: 'begin' });
  }

  async report(): Promise<Report> {
    return (await this.#ask({ ask: 'report' })) as unknown as Report;
  }

  /** Has it connect with a node. */
  async connect(peer: string): Promise<boolean> {
    return (await this.#ask({ ask: 'connect', peer }))['connected'] === true;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve();
      this.#child.once('exit', () => resolve());
      this.#child.kill();
    });
  }

  #ask(question: { readonly ask: string; readonly peer?: string }): Promise<Answer> {
    this.#child.send(question);
    return this.#answer(question.ask);
  }

  #answer(ask: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null): void =>
        reject(new Error(`the attacked program has ended with ${signal ?? code}`));
      const heard = (answer: Answer): void => {
        if (answer.ask !== ask) return;
        this.#child.off('message', heard);
        this.#child.off('exit', ended);
        resolve(answer);
      };
      this.#child.on('message', heard);
      this.#child.once('exit', ended);
    });
  }
}
