/**
 * Runs functions for other nodes: each in a process of its own, which ends with what the function has ended with.
 *
 * Only what is on the allow-list runs. A caller that asks for something else gets the error that Erlang has for a function
 * which is not there. At most so many run for one node at a time.
 */
import { ProcessExit } from '../../../process/messages.ts';
import { type Watch, addWatch } from '../../../process/monitor.ts';
import { isThenable } from '../../../process/behaviour.ts';
import type { Node } from '../../../process/node.ts';
import type { Pid, Ref } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { publishDropped } from './dropped.ts';
import type { AllowList, ExposedFunction } from './expose.ts';
import { type FunctionName, returned, thrown, undefinedFunction } from './outcome.ts';

/** A function to be run. */
export interface Execution extends FunctionName {
  /** The node that asks. */
  readonly peer: string;
  readonly args: readonly unknown[];
  /** Where Erlang would have its output go. */
  readonly groupLeader: Pid | undefined;
  /** Marks the outcome; undefined when nobody waits for it. */
  readonly tag: Ref | undefined;
}

/** Counts what runs for a node. */
class Running implements Watch {
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  readonly #counts: Map<string, number>;
  readonly #peer: string;

  constructor(counts: Map<string, number>, peer: string) {
    this.#counts = counts;
    this.#peer = peer;
    counts.set(peer, (counts.get(peer) ?? 0) + 1);
  }

  targetExited(): void {
    const left = (this.#counts.get(this.#peer) ?? 1) - 1;
    if (left === 0) this.#counts.delete(this.#peer);
    else this.#counts.set(this.#peer, left);
  }
}

/** Runs functions for other nodes. */
export class Executor {
  readonly #node: Node;
  readonly #allowed: AllowList;
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  /** @param limit how many functions may run for one node at a time. */
  constructor(node: Node, allowed: AllowList, limit: number) {
    this.#node = node;
    this.#allowed = allowed;
    this.#limit = limit;
  }

  /**
   * Starts a process that runs the function. It has not begun when this returns, so that it can still be monitored.
   * @returns undefined when too many run already.
   * @throws TroupeError TROUPE_SYSTEM_LIMIT, TROUPE_NODE_STOPPED
   */
  start(execution: Execution): Process | undefined {
    const { peer, module, name, args, groupLeader } = execution;
    if ((this.#counts.get(peer) ?? 0) >= this.#limit) return undefined;
    const run = this.#allowed.find(module, name, args.length);
    if (run === undefined) {
      publishDropped(
        this.#node,
        peer,
        () => `a call of ${module}:${name}/${args.length}, which is not exposed`,
      );
    }
    const process = this.#node.create((self: Process) => execute(self, run, execution), [], undefined, {
      label: `${module}:${name}/${args.length}`,
    });
    if (groupLeader !== undefined) process.extras.groupLeader = groupLeader;
    addWatch(process, new Running(this.#counts, peer));
    return process;
  }
}

function execute(self: Process, run: ExposedFunction | undefined, execution: Execution): unknown {
  const { tag, args } = execution;
  if (run === undefined) {
    throw new ProcessExit(tag === undefined ? 'undef' : undefinedFunction(tag, execution, args));
  }
  // What a cast throws ends its process, as any error does.
  if (tag === undefined) return run(self, ...(args as never[]));
  let result: unknown;
  try {
    result = run(self, ...(args as never[]));
  } catch (error) {
    throw new ProcessExit(thrown(tag, error, execution, args.length));
  }
  if (!isThenable(result)) throw new ProcessExit(returned(tag, result));
  return settle(result, tag, execution);
}

async function settle(result: PromiseLike<unknown>, tag: Ref, execution: Execution): Promise<never> {
  let value: unknown;
  try {
    value = await result;
  } catch (error) {
    throw new ProcessExit(thrown(tag, error, execution, execution.args.length));
  }
  throw new ProcessExit(returned(tag, value));
}
