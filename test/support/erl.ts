// Real Erlang nodes for tests: `erl` and `epmd` on ports of their own, driven over a pipe and not over distribution, so that
// a node answers while its net is cut. Nothing that is started here outlives the test process: the pipe ends it and,
// on Linux, the kernel, however the test process ends.
// Ask `requirePart('erl')` first.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { freeze, thaw } from './freeze.ts';
import { requirePart } from './parts.ts';

const START_LIMIT_MS = 30_000;
const PORT_ATTEMPTS_MAX = 50;
/** Below the range that the kernel takes ports for outgoing connections from. */
const PORTS = { from: 15_000, to: 32_000 };
/** The most that is kept of what a node prints. */
const OUTPUT_CHARACTERS_MAX = 1_000_000;
/** Few threads: a machine with few cores runs many nodes at a time. */
const OWN_ARGUMENTS = '-noinput -start_epmd false -s erl_control +S 1:1 +SDio 1 +A 1 +sbwt none'.split(' ');

/** The cookie of nodes that are given none. */
export const TEST_COOKIE = 'troupe-test';

export interface ErlOptions {
  /** Full name, `x@127.0.0.1`; without one the node is not distributed. */
  readonly name?: string;
  /** Default {@link TEST_COOKIE}. */
  readonly cookie?: string;
  /** Port of the epmd that the node asks. It never starts one itself. */
  readonly epmdPort?: number;
  /** More arguments of `erl`, such as `-hidden` or `-kernel net_ticktime 4`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A command to run `erl` with, such as `ip netns exec name`. */
  readonly within?: readonly string[];
}

/** A running `erl`. */
export interface ErlNode {
  readonly name: string;
  readonly pid: number;
  /**
   * Evaluates expressions in a process of their own, which ends with its answer. `input` is bound to `Input`.
   * @returns the value as `~0tp` prints it
   * @throws Error with Erlang's class, reason and stack
   */
  eval(expressions: string, input?: Uint8Array): Promise<string>;
  /** As `eval`, but answers the value as `term_to_binary/1` does. */
  evalBytes(expressions: string, input?: Uint8Array): Promise<Buffer>;
  /** Compiles and loads a module: the name of a file in test/support/erlang. */
  load(source: string): Promise<void>;
  /** All that the node has printed and logged. */
  output(): string;
  /** Waits until the output from `start` on, a number of characters, matches. */
  printed(pattern: RegExp, start?: number): Promise<void>;
  /** Freezes the node at once: its connections stay up and say nothing. */
  pause(): void;
  resume(): void;
  /** Ends it at once, SIGKILL by default; answers when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** As `kill`; for `afterAll`. */
  stop(): Promise<void>;
}

export interface Epmd {
  readonly port: number;
  stop(): Promise<void>;
}

const sources = join(import.meta.dirname, 'erlang');
let compiled: string | undefined;

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${PORTS.from} and ${PORTS.to} in ${PORT_ATTEMPTS_MAX} attempts`);
}

/** Starts an epmd on 127.0.0.1, or on all addresses of a network namespace; answers when it takes connections. */
export async function startEpmd(port: number, within?: readonly string[]): Promise<Epmd> {
  const epmd = requirePart('erl').path.replace(/erl$/, 'epmd');
  const address = within === undefined ? ['-address', '127.0.0.1'] : [];
  const child = launch(
    [...(within ?? []), epmd, '-port', String(port), ...address, '-relaxed_command_check'],
    {
      stdio: ['ignore', 'ignore', 'ignore'],
    },
  );
  const taken = async () => {
    if (within === undefined) return await takesConnections(port);
    return names(epmd, port, within);
  };
  const limit = Date.now() + START_LIMIT_MS;
  while (!(await taken())) {
    if (!isRunning(child) || Date.now() > limit) {
      await end(child, 'SIGKILL');
      throw new Error(`epmd did not start on port ${port}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, stop: () => end(child, 'SIGKILL') };
}

/** Starts a node; answers when it runs, and is registered with epmd where it has a name. */
export async function startErl(options: ErlOptions): Promise<ErlNode> {
  const { name, cookie = TEST_COOKIE, epmdPort, args = [], env = {}, within = [] } = options;
  const erl = requirePart('erl').path;
  const folder = compileControl(erl);
  const distributed = name === undefined ? [] : ['-name', name, '-setcookie', cookie];
  const command = [...within, erl, ...distributed, ...OWN_ARGUMENTS, '-pa', folder, ...args];
  const child = launch(command, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      LC_ALL: 'C.UTF-8',
      ERL_CRASH_DUMP_SECONDS: '0',
      ...(epmdPort === undefined ? {} : { ERL_EPMD_PORT: String(epmdPort) }),
      ...env,
    },
  });
  return new RunningErl(name ?? 'nonode@nohost', child).started();
}

class RunningErl implements ErlNode {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  readonly #waiting = new Map<number, (ok: boolean, bytes: Buffer) => void>();
  readonly #watchers = new Set<() => void>();
  #lastId = 0;
  #received: Buffer = Buffer.alloc(0);
  #output = '';

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#pipe = child.stdio[3] as Duplex;
    this.#pipe.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#pipe.on('error', () => this.#pipe.destroy()); // the node is gone: 'exit' tells who waits
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#print(text));
    }
    child.on('close', () => {
      for (const answer of this.#waiting.values()) answer(false, Buffer.from('the node has ended'));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Answers when the node has said that it runs. */
  async started(): Promise<this> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), START_LIMIT_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.set(0, (ok) =>
          ok ? resolve() : reject(new Error(`erl did not start: ${this.#output}`)),
        );
        this.#child.on('error', reject);
      });
    } finally {
      clearTimeout(timer);
    }
    return this;
  }

  async eval(expressions: string, input?: Uint8Array): Promise<string> {
    return (await this.#evaluate('e', expressions, input)).toString();
  }

  evalBytes(expressions: string, input?: Uint8Array): Promise<Buffer> {
    return this.#evaluate('b', expressions, input);
  }

  async load(source: string): Promise<void> {
    await this.#request('l', Buffer.from(join(sources, source)));
  }

  output(): string {
    return this.#output;
  }

  printed(pattern: RegExp, start = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.test(this.#output.slice(start));
        if (!found && isRunning(this.#child)) return;
        this.#watchers.delete(look);
        if (found) resolve();
        else
          reject(new Error(`the node has ended and did not print ${pattern}: ${this.#output.slice(start)}`));
      };
      this.#watchers.add(look);
      this.#child.once('close', look);
      look();
    });
  }

  pause(): void {
    freeze(this.pid);
  }

  resume(): void {
    thaw(this.pid);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return end(this.#child, signal);
  }

  stop(): Promise<void> {
    return this.kill();
  }

  #evaluate(kind: string, expressions: string, input: Uint8Array = Buffer.alloc(0)): Promise<Buffer> {
    const source = Buffer.from(expressions);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(source.length);
    return this.#request(kind, Buffer.concat([length, source, input]));
  }

  #request(kind: string, bytes: Uint8Array): Promise<Buffer> {
    if (!isRunning(this.#child)) return Promise.reject(new Error(`${this.name}: the node has ended`));
    const id = ++this.#lastId;
    const head = Buffer.alloc(9);
    head.writeUInt32BE(bytes.length + 5);
    head.writeUInt32BE(id, 4);
    head.write(kind, 8, 'latin1');
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (ok, answer) => {
        if (ok) resolve(answer);
        else reject(new Error(`${this.name}: ${answer.toString()}`));
      });
      this.#pipe.write(Buffer.concat([head, bytes]));
    });
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const length = 4 + this.#received.readUInt32BE();
      if (this.#received.length < length) return;
      const id = this.#received.readUInt32BE(4);
      const answer = this.#waiting.get(id);
      this.#waiting.delete(id);
      answer?.(this.#received[8] === 1, this.#received.subarray(9, length));
      this.#received = this.#received.subarray(length);
    }
  }

  #print(text: string): void {
    this.#output += text;
    if (this.#output.length > OUTPUT_CHARACTERS_MAX) throw new Error(`${this.name} printed too much`);
    for (const look of this.#watchers) look();
  }
}

/** Starts a program that the kernel ends with this process. */
function launch(command: readonly string[], options: Parameters<typeof spawn>[2]): ChildProcess {
  const whole = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--', ...command] : command;
  const [program = '', ...args] = whole;
  return spawn(program, args, options);
}

/** Compiles what drives the nodes, once for each test process. */
function compileControl(erl: string): string {
  if (compiled !== undefined) return compiled;
  const folder = mkdtempSync(join(tmpdir(), 'troupe-erl-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = `case compile:file("${join(sources, 'erl_control.erl')}", [report, {outdir, "${folder}"}]) of
    {ok, _} -> halt(0); _ -> halt(1) end.`;
  const result = spawnSync(erl, ['-noinput', '-boot', 'start_clean', '-eval', program], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`erl_control.erl: ${result.stdout}${result.stderr}`);
  compiled = folder;
  return folder;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!isRunning(child)) return;
  const gone = once(child, 'close');
  child.kill(signal);
  await gone;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(port, '127.0.0.1');
    probe.on('error', () => resolve(false));
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
  });
}

/** Whether the epmd of a network namespace answers. */
function names(epmd: string, port: number, within: readonly string[]): boolean {
  const command: readonly string[] = [...within, epmd, '-port', String(port), '-names'];
  const [program = epmd, ...args] = command;
  return spawnSync(program, args).status === 0;
}
