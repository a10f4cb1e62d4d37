// Troupe nodes for tests of the distribution: one in the test's own process, and one in an operating system process of its
// own (troupe-node-program.ts), for tests that kill, freeze or cut off a node.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createNode, type Node, type NodeOptions } from 'troupe';
import { createErlangCarrier, type ErlangCarrier, type ErlangCarrierOptions } from 'troupe/erlang';
import { TEST_COOKIE } from './erl.ts';
import { freeze, thaw } from './freeze.ts';
import type { Commands, ProgramEvent } from './troupe-node-program.ts';

const START_LIMIT_MS = 30_000;

/** What a node is made from: the carrier's options, and the name. All of it can be written as JSON for a program. */
export interface TroupeOptions extends ErlangCarrierOptions {
  readonly name: string;
}

export interface Troupe {
  readonly name: string;
  readonly node: Node;
  readonly carrier: ErlangCarrier;
}

/** Starts a node in this process; answers when it listens and is registered. */
export async function startTroupe(options: TroupeOptions, more: NodeOptions = {}): Promise<Troupe> {
  const { name, cookie = TEST_COOKIE, ...rest } = options;
  const carrier = createErlangCarrier({ cookie, epmd: 'client', ...rest });
  const node = createNode({ ...more, name, carrier });
  await carrier.ready();
  return { name, node, carrier };
}

/** How many bytes wait to be sent to a node. */
export function queuedBytes(carrier: ErlangCarrier, peer: string): number {
  return carrier.peers().find(({ name }) => name === peer)?.queuedBytes ?? 0;
}

type CommandName = keyof Commands;
type Argument<Name extends CommandName> = Parameters<Commands[Name]>[0];
type Answer<Name extends CommandName> = Awaited<ReturnType<Commands[Name]>>;

/** A node in an operating system process of its own. */
export class TroupeProgram {
  readonly name: string;
  /** All that it has told so far. */
  readonly events: ProgramEvent[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: { value?: unknown; error?: string }) => void>();
  readonly #watchers = new Set<() => void>();
  #lastId = 0;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    if (child.stdout === null) throw new Error('no pipe');
    createInterface({ input: child.stdout }).on('line', (line) => this.#receive(line));
    child.on('close', () => {
      for (const answer of this.#waiting.values()) answer({ error: 'the node has ended' });
      this.#waiting.clear();
      this.#look();
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Runs one of the program's commands. */
  run<Name extends CommandName>(command: Name, argument: Argument<Name>): Promise<Answer<Name>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as Answer<Name>);
        else reject(new Error(`${this.name}: ${command}: ${error}`));
      });
      this.#child.stdin?.write(`${JSON.stringify({ id, command, argument })}\n`);
    });
  }

  /** Waits for an event, one that has come already included. */
  async event(what: Partial<ProgramEvent>, start = 0): Promise<ProgramEvent> {
    const matches = (event: ProgramEvent) =>
      Object.entries(what).every(([key, value]) => event[key as keyof ProgramEvent] === value);
    for (;;) {
      const found = this.events.slice(start).find(matches);
      if (found !== undefined) return found;
      if (!isRunning(this.#child)) throw new Error(`${this.name} has ended without ${JSON.stringify(what)}`);
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  /** Freezes it: its connections stay up and say nothing. */
  pause(): void {
    freeze(this.pid);
  }

  resume(): void {
    thaw(this.pid);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!isRunning(this.#child)) return;
    const gone = once(this.#child, 'close');
    this.#child.kill(signal);
    await gone;
  }

  #receive(line: string): void {
    const told = JSON.parse(line) as { id: number; value?: unknown; error?: string } | ProgramEvent;
    if ('event' in told) {
      this.events.push(told);
      this.#look();
    } else {
      const answer = this.#waiting.get(told.id);
      this.#waiting.delete(told.id);
      answer?.(told);
    }
  }

  #look(): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher();
  }
}

/** Starts a node in a process of its own, `within` a command such as `nsenter`; answers when it is registered. */
export async function startTroupeProgram(
  options: TroupeOptions,
  within: readonly string[] = [],
): Promise<TroupeProgram> {
  const program = join(import.meta.dirname, 'troupe-node-program.ts');
  const node = [process.execPath, '--import', 'tsx', program, JSON.stringify(options)];
  const command = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--'] : [];
  const [first = '', ...args] = [...command, ...within, ...node];
  const child = spawn(first, args, {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => child.stdin.destroy()); // it is gone: 'close' tells who waits
  const running = new TroupeProgram(options.name, child);
  const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS);
  try {
    await running.event({ event: 'started' });
  } finally {
    clearTimeout(timer);
  }
  return running;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
