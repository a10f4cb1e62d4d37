/**
 * What a process runs, and what it is spawned or started from.
 *
 * A process runs a function, or a behaviour whose `handle` is called for each message. A function is the shape of Erlang's
 * own processes: it receives when it likes and the process ends when it returns. A behaviour is the quick shape: no promise
 * is made for a message whose handler is synchronous. `defineServer` and the others build on behaviours, and what they
 * define is started by way of {@link Startable}.
 */
import { badArgument, checkInteger, checkOneOf, kindOf, type OptionNames } from '../errors.ts';
import type { Node } from './node.ts';
import type { Process } from './process.ts';

/**
 * A process body as callbacks.
 *
 * `State` is what `init` made; `handle` gets it by reference and changes it in place. The callbacks are methods
 * by declaration, so that a behaviour of some state is a behaviour of an unknown one.
 */
export interface Behaviour<State = unknown, Args extends readonly unknown[] = readonly never[]> {
  /** What the process runs, as process info shows it. */
  readonly name: string;
  /** Runs first, in the new process. What it throws, or rejects with, ends the process. */
  init(self: Process, ...args: Args): State | Promise<State>;
  /**
   * Handles one message. When it returns a promise the process handles nothing else until it settles. What it throws,
   * or rejects with, ends the process.
   */
  handle(self: Process, message: unknown, state: State): void | Promise<void>;
  /**
   * @internal For a behaviour that must know over which connection a message came; its process has the flag `ASKS_FROM`. What it
   * returns goes into the mailbox in place of the message that another node has sent.
   */
  fromPeer?(peer: string, message: unknown): unknown;
}

/** A process body as one function; the process ends with `normal` when it returns or its promise resolves. */
export type ProcessFunction<Args extends readonly unknown[] = readonly never[]> = (
  self: Process,
  ...args: Args
) => unknown;

/** Anything that a process can be spawned from. */
export type Body<Args extends readonly unknown[]> = ProcessFunction<Args> | Behaviour<unknown, Args>;

/** What to do with a message that comes when a bounded mailbox is full. */
export type MailboxPolicy =
  /** Drop the message that comes; a call fails with TROUPE_MAILBOX_FULL. */
  | 'reject'
  /** Drop the oldest message; a dropped call fails with TROUPE_MAILBOX_FULL. */
  | 'dropOldest'
  /** The process exits with `['mailbox_full', limit]`. */
  | 'exit';

/** Options of `spawnWith`. See `erlang:spawn_opt/4`. */
export interface SpawnOptions {
  /** A word for people, shown by process info and telemetry. See `proc_lib:set_label/1`. */
  readonly label?: string;
  /** Registers the process under this name before it runs. */
  readonly name?: string;
  /** Starts with exits trapped. */
  readonly trapExit?: boolean;
  /**
   * The async context (`AsyncLocalStorage`, the current trace) that the process always runs in: none, or the one that is
   * current when it is spawned. A process that sends to it, calls it or ends it does not change that. Default `none`.
   */
  readonly asyncContext?: 'none' | 'spawner';
  /**
   * Bounds the mailbox. Signals (exits of linked processes, downs) and system messages, such as a stop, are never dropped, whatever
   * the limit.
   * By default a mailbox is unbounded.
   */
  readonly mailbox?: { readonly limit: number; readonly policy: MailboxPolicy };
}

/** @internal The options of a spawn. */
export const SPAWN_OPTIONS: OptionNames<SpawnOptions> = {
  label: true,
  name: true,
  trapExit: true,
  asyncContext: true,
  mailbox: true,
};

const POLICIES: readonly MailboxPolicy[] = ['reject', 'dropOldest', 'exit'];

/** @internal Checks the options of a spawn. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkSpawnOptions({ mailbox, asyncContext }: SpawnOptions): void {
  if (asyncContext !== undefined && asyncContext !== 'none' && asyncContext !== 'spawner') {
    throw badArgument(`asyncContext is 'none' or 'spawner', not '${String(asyncContext)}'.`);
  }
  if (mailbox === undefined) return;
  checkInteger('The limit of a mailbox', mailbox.limit, 1);
  checkOneOf('The policy of a mailbox', mailbox.policy, POLICIES);
}

/** @internal Checks a body that is not a function. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkBehaviour(body: unknown): void {
  const { name, init, handle } = Object(body) as Readonly<Record<string, unknown>>;
  if (typeof name === 'string' && typeof init === 'function' && typeof handle === 'function') return;
  throw badArgument(
    'A process is spawned from a function, or from a behaviour with a name, init and handle.',
  );
}

/** @internal A function and its arguments, as the state of a process that runs it. */
export class Closure {
  readonly run: ProcessFunction;
  readonly args: readonly never[];

  constructor(run: ProcessFunction, args: readonly never[]) {
    this.run = run;
    this.args = args;
  }
}

/** @internal Stands in `Process.behaviour` for a process that runs a function. */
export const functionBody: Behaviour = {
  name: 'function',
  init: (self) => {
    const body = self.state as ProcessFunction | Closure;
    return body instanceof Closure ? body.run(self, ...body.args) : body(self);
  },
  handle: () => undefined,
};

/** @internal True for what looks like a promise. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

// ---- what a start takes ----

/** Something that `start` and `startLink` can start: a server, a supervisor. */
export interface Startable<Args extends readonly unknown[], Options, Handle> {
  /**
   * Starts it; `Node.start` and `Process.startLink` call it.
   * @param parent the process that starts it, or undefined for code outside of any process.
   * @param linked whether to link it to the parent.
   * @returns its handle once it has initialised; rejects with TROUPE_START_FAILED when that fails.
   */
  [START](
    node: Node,
    parent: Process | undefined,
    linked: boolean,
    args: Args,
    options: Options | undefined,
  ): Promise<Handle>;
}

/** The method by which something is started. Programs call `Node.start` or `Process.startLink` instead. */
export const START: unique symbol = Symbol('start');

/** @internal Checks what is started, and that its arguments are a list. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkStartable(startable: unknown, args?: unknown): void {
  if (typeof (startable as { readonly [START]?: unknown } | null | undefined)?.[START] !== 'function') {
    throw badArgument(`Start what defineServer or defineSupervisor has made, not ${kindOf(startable)}.`);
  }
  if (args === undefined || Array.isArray(args)) return;
  throw badArgument(
    `The arguments of a start are an array, not ${kindOf(args)}; options follow it: (definition, [], { name: 'counter' }).`,
  );
}

/** Arguments of a start: they may be left out where none are needed. */
export type StartArguments<Args extends readonly unknown[], Options> = [] extends Args
  ? [args?: Args, options?: Options]
  : [args: Args, options?: Options];
