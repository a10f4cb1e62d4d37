/**
 * Runs functions for other nodes: which ones (an allow-list), each in a process of its own, and how they end.
 *
 * Only what is exposed runs, by module, name and arity; anything else does not exist for other nodes, and a caller gets the
 * error that Erlang has for an undefined function. The number of functions that run for one node at a time is limited.
 */
import { ProcessExit } from '../../../process/messages.ts';
import { Watcher, addWatch } from '../../../process/monitor.ts';
import { isThenable } from '../../../process/behaviour.ts';
import type { Node } from '../../../process/node.ts';
import type { Pid, Ref } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { publishDropped } from './service-process.ts';
import { badArgument, TroupeError } from '../../../errors.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple } from '../../../terms/values.ts';
import { describeError, isReasonWord, reasonAtom } from '../../../terms/reasons.ts';

// ---- what may run ----

/** The maximum number of arguments, as in Erlang. */
export const MAX_ARITY = 255;

/**
 * A function that other nodes may call. It may return a promise. `self` is the process that runs it: it ends with the function, and
 * its `signal` fires if the caller's node ends it. The arguments are what the caller sent, unchecked.
 */
export type ExposedFunction = (self: Process, ...args: never[]) => unknown;

/** A function together with the arities it may be called with; made by {@link exposeFunction}. */
export class DeclaredFunction {
  readonly run: ExposedFunction;
  readonly arities: readonly number[];

  /** @internal Use {@link exposeFunction}. */
  constructor(run: ExposedFunction, arities: readonly number[]) {
    this.run = run;
    this.arities = arities;
  }
}

/** Functions by module and name: `{ calculator: { add: (self, a: number, b: number) => a + b } }`. */
export type ExposedModules = Readonly<
  Record<string, Readonly<Record<string, ExposedFunction | DeclaredFunction>>>
>;

/**
 * Declares how many arguments a function takes when its parameters do not show it: with default values or a rest parameter.
 * @param options `arity`: the number of arguments, or several, not counting the process.
 * @throws TroupeError TROUPE_BAD_ARGUMENT
 */
export function exposeFunction(
  run: ExposedFunction,
  { arity }: { readonly arity: number | readonly number[] },
): DeclaredFunction {
  const arities: readonly number[] = typeof arity === 'number' ? [arity] : arity;
  if (typeof run !== 'function' || !Array.isArray(arities) || !arities.every(isArity)) {
    throw badArgument(`exposeFunction takes a function and its arity, 0 to ${MAX_ARITY}, or several.`);
  }
  return new DeclaredFunction(run, arities);
}

/** The allow-list of a node. An arity counts the arguments that the caller passes, without the process that comes first. */
export class AllowList {
  readonly #functions = new Map<string, ExposedFunction>();

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for anything but a function. */
  constructor(modules: ExposedModules) {
    for (const [module, functions] of Object.entries(modules)) {
      for (const [name, exposed] of Object.entries(functions)) this.#add(module, name, exposed);
    }
  }

  /** The function of a module with that many arguments. */
  find(module: string, name: string, arity: number): ExposedFunction | undefined {
    return this.#functions.get(keyOf(module, name, arity));
  }

  #add(module: string, name: string, exposed: unknown): void {
    if (exposed instanceof DeclaredFunction) {
      for (const arity of exposed.arities) this.#functions.set(keyOf(module, name, arity), exposed.run);
    } else if (typeof exposed === 'function') {
      const arity = Math.max(0, exposed.length - 1);
      this.#functions.set(keyOf(module, name, arity), exposed as ExposedFunction);
    } else {
      throw badArgument(`expose.${module}.${name} is not a function.`);
    }
  }
}

function keyOf(module: string, name: string, arity: number): string {
  return JSON.stringify([module, name, arity]);
}

function isArity(arity: unknown): boolean {
  return Number.isInteger(arity) && (arity as number) >= 0 && (arity as number) <= MAX_ARITY;
}

// ---- running ----

/** A function to run. */
export interface Execution extends FunctionName {
  /** The node that asked for it. */
  readonly peer: string;
  readonly args: readonly unknown[];
  /** The process that gets its output in Erlang. */
  readonly groupLeader: Pid | undefined;
  /** Marks the outcome; undefined for a cast. */
  readonly tag: Ref | undefined;
}

/** Counts the functions that run for a node. */
class Running extends Watcher {
  readonly #counts: Map<string, number>;
  readonly #peer: string;

  constructor(counts: Map<string, number>, peer: string) {
    super();
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
   * Starts a process that runs the function. It has not begun when this returns, so it can still be monitored.
   * @returns undefined if too many run already.
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
    if (groupLeader !== undefined) process.ensureExtra().groupLeader = groupLeader;
    addWatch(process, new Running(this.#counts, peer));
    return process;
  }

  /** As `start`, for a node that is told by undefined, too, that this node is full or stopping. */
  startForPeer(execution: Execution): Process | undefined {
    try {
      return this.start(execution);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      return undefined;
    }
  }
}

function execute(self: Process, run: ExposedFunction | undefined, execution: Execution): unknown {
  const { tag, args } = execution;
  if (run === undefined) {
    throw new ProcessExit(tag === undefined ? 'undef' : undefinedFunction(tag, execution, args));
  }
  // What a cast throws ends its process, like any error.
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

// ---- outcomes ----

const RETURN = atom('return');
const THROW = atom('throw');
const EXIT = atom('exit');
const ERROR = atom('error');
const UNDEF = atom('undef');

/** A function, as Erlang names it. */
export interface FunctionName {
  readonly module: string;
  readonly name: string;
}

/**
 * How a function ended that one node ran for another: the exit reason of the process that ran it, as `erpc` expects it.
 *
 *     {Tag, return, Value} | {Tag, throw, Value} | {Tag, exit, Reason} | {Tag, error, Reason, Stack}
 *
 * The tag is the caller's; it distinguishes an outcome from any other exit reason. `stack` comes with errors. See `erpc:execute_call/4`.
 */
export interface FunctionOutcome {
  readonly class: 'return' | 'throw' | 'exit' | 'error';
  readonly value: unknown;
  readonly stack?: unknown;
}

/** It has returned. */
function returned(tag: Ref, value: unknown): Tuple {
  return new Tuple([tag, RETURN, value]);
}

/**
 * It has thrown an Error, an exit (`self.exit(reason)`), or any other value.
 * @param args the number of its arguments.
 */
function thrown(tag: Ref, value: unknown, { module, name }: FunctionName, args: number): Tuple {
  if (value instanceof ProcessExit) return new Tuple([tag, EXIT, reasonToTerm(value.reason)]);
  if (!(value instanceof Error)) return new Tuple([tag, THROW, value]);
  const stack = [new Tuple([atom(module), atom(name), args, []])];
  return new Tuple([tag, ERROR, describeError(value), stack]);
}

/** The function does not exist, or is not exposed. */
function undefinedFunction(tag: Ref, { module, name }: FunctionName, args: readonly unknown[]): Tuple {
  return new Tuple([tag, ERROR, UNDEF, [new Tuple([atom(module), atom(name), args, []])]]);
}

/** Its result cannot leave the node. */
export function notEncodable(tag: Ref, message: string): Tuple {
  return new Tuple([tag, ERROR, new Tuple([atom('not_encodable'), message]), []]);
}

/** Reads an exit reason. @returns undefined unless it is an outcome with this tag. */
export function readOutcome(reason: unknown, tag: Ref): FunctionOutcome | undefined {
  if (!(reason instanceof Tuple)) return undefined;
  const [given, kind, value, stack] = reason.elements;
  if (!tag.equals(given)) return undefined;
  switch (reason.length === 3 ? kind : undefined) {
    case RETURN:
      return { class: 'return', value };
    case THROW:
      return { class: 'throw', value };
    case EXIT:
      return { class: 'exit', value: termToReason(value) };
    case ERROR:
      return { class: 'error', value };
    default:
      return reason.length === 4 && kind === ERROR ? { class: 'error', value, stack } : undefined;
  }
}

/** An exit reason as a term that can be part of others; see `terms/reason-words.ts`. */
export function reasonToTerm(reason: unknown): unknown {
  if (typeof reason === 'string') return reasonAtom(reason) ?? reason;
  if (reason instanceof Error) return describeError(reason);
  if (!Array.isArray(reason) || typeof reason[0] !== 'string' || !isReasonWord(reason[0])) return reason;
  return new Tuple(reason.map(reasonToTerm));
}

/** The exit reason that such a term stands for. */
function termToReason(term: unknown): unknown {
  if (term instanceof Atom) return isReasonWord(term.name) ? term.name : term;
  if (!(term instanceof Tuple)) return term;
  const [first] = term.elements;
  return first instanceof Atom && isReasonWord(first.name) ? term.elements.map(termToReason) : term;
}
