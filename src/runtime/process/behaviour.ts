/**
 * What a process runs: a function, or a behaviour whose `handle` is called for each message.
 *
 * A function is the shape of Erlang's own processes: it receives when it likes and the process ends when it returns. A
 * behaviour is the quick shape: no promise is made for a message whose handler is synchronous. `defineServer` and the
 * others build on behaviours.
 */
import type { Process } from './process.ts';

/**
 * A process body as callbacks.
 *
 * `State` is what `init` made; it is handed to `handle` by reference, and to be changed in place. The callbacks are methods
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
   * @internal For who must know over which connection a message came, and has the flag `ASKS_FROM`: what is put into the mailbox
   * in place of a message that another node has sent.
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
   * The async context (`AsyncLocalStorage`, the current trace) that the process runs in for good: none, or the one that is
   * current when it is spawned. Who sends to it, calls or ends it makes no difference. Default `none`.
   */
  readonly asyncContext?: 'none' | 'spawner';
  /**
   * Bounds the mailbox. Signals (exits of linked processes, downs) and system messages, such as a stop, are never dropped, whatever
   * the limit.
   * By default a mailbox is unbounded.
   */
  readonly mailbox?: { readonly limit: number; readonly policy: MailboxPolicy };
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
