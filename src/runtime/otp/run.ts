/**
 * A program that is one supervision tree: `run` starts it, keeps Node.js alive while it runs, stops it in order on a signal, and
 * ends the process with an exit code.
 *
 *     starting ──started──▶ running ──signal──▶ stopping ──stopped──▶ exit 0
 *        │ fails                │ the root ends       │ the time is over, or a second signal
 *        ▼                      ▼                     ▼
 *      exit 1       exit 1, or 0 for `normal`       exit 1
 *
 * Without it an idle tree keeps nothing alive: Node.js ends when no timer, socket or request is left, whatever processes wait.
 * This is the only file of the runtime that ends the process.
 */
import { TroupeError } from '../errors.ts';
import { type ExitReason, formatReason } from '../process/messages.ts';
import { createNode, type Node } from '../process/node.ts';
import type { Startable } from '../process/behaviour.ts';
import type { Pid } from '../terms/identifiers.ts';
import { say } from '../process/report.ts';
import { timerLength } from '../process/timers.ts';
import { stopProcess } from './proc-lib.ts';

/** How long the tree may take to stop by default, in milliseconds. */
const DEFAULT_STOP_TIMEOUT_MS = 10_000;
const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
/** The longest interval that Node.js has; nothing happens when it is over. */
const HOLD_MS = 0x7fff_ffff;

/** What `run` needs of `process`. */
export interface Program {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  removeListener(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): void;
}

/** How a program runs, besides the options of the start of its root. */
export interface RunOptions {
  /** The node that it runs on, which is stopped with it. Default: a new one without a carrier. */
  readonly node?: Node;
  /** Milliseconds that the tree and the node may take to stop before the process exits anyway. Default 10,000. */
  readonly stopTimeoutMs?: number;
  /** The signals that stop it. Default SIGTERM, SIGINT, SIGHUP. */
  readonly signals?: readonly NodeJS.Signals[];
  /** In place of `process`, for tests. */
  readonly program?: Program;
}

/** Arguments and options of {@link run}. */
type RunArguments<Args extends readonly unknown[], Options> = [] extends Args
  ? [args?: Args, options?: RunOptions & Options]
  : [args: Args, options?: RunOptions & Options];

/**
 * Runs a program: starts its root, a supervisor or a server, and ends the process with it.
 *
 * Exit codes: 0 when a signal has stopped it, or the root ended with `normal`; 1 when the root could not be started, when it
 * ended with another reason, such as a supervisor that gives up, and when it did not stop in time or a second signal came.
 * @returns what the start of the root answers, once it has; it does not settle when the root cannot be started.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for a bad time.
 */
export async function run<
  Args extends readonly unknown[],
  Options extends object,
  Handle extends { readonly pid: Pid },
>(
  root: Startable<Args, Options, Handle>,
  ...[args, options]: RunArguments<Args, NoInfer<Options>>
): Promise<Handle> {
  const {
    node = createNode(),
    stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS,
    signals = DEFAULT_SIGNALS,
    program = process,
    ...rest
  } = (options ?? {}) as RunOptions;
  const running = new Running(node, program, signals, timerLength(stopTimeoutMs));
  const starting = node.startMonitor(root, (args ?? []) as unknown as Args, rest as Options);
  return running.follow(starting);
}

class Running {
  readonly #node: Node;
  readonly #program: Program;
  readonly #signals: readonly NodeJS.Signals[];
  readonly #stopTimeoutMs: number;
  readonly #hold = setInterval(() => undefined, HOLD_MS);
  readonly #listeners = new Map<NodeJS.Signals, () => void>();
  #root: Pid | undefined = undefined;
  #stopping = false;
  #over = false;

  constructor(node: Node, program: Program, signals: readonly NodeJS.Signals[], stopTimeoutMs: number) {
    this.#node = node;
    this.#program = program;
    this.#signals = signals;
    this.#stopTimeoutMs = stopTimeoutMs;
    for (const signal of this.#signals) {
      const listener = (): void => this.#signalled(signal);
      this.#listeners.set(signal, listener);
      program.on(signal, listener);
    }
  }

  async follow<Handle extends { readonly pid: Pid }>(
    starting: Promise<{ readonly handle: Handle; readonly ended: Promise<ExitReason> }>,
  ): Promise<Handle> {
    let started: Awaited<typeof starting>;
    try {
      started = await starting;
    } catch (error) {
      if (!this.#stopping) {
        say(`troupe: the program did not start: ${error instanceof Error ? error.message : String(error)}`);
        void this.#stop(1);
      }
      return new Promise(() => undefined);
    }
    const { handle, ended } = started;
    this.#root = handle.pid;
    void ended.then((reason) => {
      if (this.#stopping) return;
      if (reason !== 'normal') say(`troupe: the root of the program has ended: ${formatReason(reason)}`);
      void this.#stop(reason === 'normal' ? 0 : 1);
    });
    return handle;
  }

  #signalled(signal: NodeJS.Signals): void {
    if (!this.#stopping) {
      void this.#stop(0);
      return;
    }
    say(`troupe: ${signal} while stopping: the program ends at once`);
    this.#exit(1);
  }

  /** Stops the tree, then the node, and ends the process with a code. */
  async #stop(code: number): Promise<void> {
    this.#stopping = true;
    // Not by the node's clock, which a test may hold: it is the operating system that waits.
    const limit = setTimeout(() => {
      say(`troupe: the program was not stopped after ${this.#stopTimeoutMs} ms and is ended`);
      this.#exit(1);
    }, this.#stopTimeoutMs);
    let result = code;
    try {
      if (this.#root !== undefined && this.#node.isAlive(this.#root)) {
        await stopProcess(this.#node, this.#root, 'shutdown');
      }
      await this.#node.stop();
    } catch (error) {
      say(
        `troupe: the program did not stop in order: ${error instanceof TroupeError ? error.what : String(error)}`,
      );
      result = 1;
    }
    clearTimeout(limit);
    this.#exit(result);
  }

  #exit(code: number): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#hold);
    for (const [signal, listener] of this.#listeners) this.#program.removeListener(signal, listener);
    this.#program.exit(code);
  }
}
