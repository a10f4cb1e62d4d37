// Keeps what goes wrong in code that was typed into a REPL from ending the application.
//
// Errors that a line throws or rejects with are its result. This file is about those that come later and that nobody
// catches: a promise that nobody waits for, a timer, a callback, an `error` that nobody listens to. Node.js ends the process
// for them. Here each is traced to the REPL whose code it comes from and told to that REPL; all others take their course,
// untouched:
//
// - by a mark on what was current when it failed (see `marks.ts`): a promise, a socket, a child process, a tick. So also what
//   is no error, and an error of Node.js in whose stack nobody stands, are known.
// - by its stack, in which code of a REPL bears the REPL's name.
// - what timers and microtasks of a REPL throw is caught where it is thrown: see `guard`.
//
// What is found is taken out before listeners of `uncaughtException` and `unhandledRejection` see it, by wrapping
// `process.emit`: a listener could not keep the others, or the default, from ending the process.
//
// `process.exit()` and `process.abort()` are refused to code of a REPL. A signal to the process is not: who sends one means it.
import { executionAsyncResource } from 'node:async_hooks';
import { Fault } from './shell.ts';
import { innermost, type Maker, markOf, sessionBegins, sessionEnds } from './marks.ts';

/** Where the errors of one REPL go. */
export interface ErrorSink {
  /** The name of its code in stacks, without the number of the line. */
  readonly scriptName: string;
  /** Where its code runs. */
  readonly maker: Maker;
  /** Tells an error that nobody caught; must not throw. */
  uncaught(error: unknown): void;
}

/** How the files of REPL code are called. */
const SCRIPT_NAME = /REPL<[\d.]+>(?=#\d+:\d+:\d+)/;

/** By script name. What belongs to a REPL that has ended goes to `orphans`. */
const sinks = new Map<string, ErrorSink>();
let orphans: (error: unknown) => void = () => undefined;
let installed = false;

/**
 * Begins to contain the errors of a REPL.
 * @returns a function that ends it: errors that come afterwards go to `onOrphan`
 */
export function contain(sink: ErrorSink, onOrphan: (error: unknown) => void): () => void {
  install();
  orphans = onOrphan;
  sinks.set(sink.scriptName, sink);
  sessionBegins();
  return () => {
    if (sinks.delete(sink.scriptName)) sessionEnds();
  };
}

/** A function that calls another one, and tells what it throws or its promise rejects with. */
export function guard<Args extends readonly unknown[]>(
  sink: ErrorSink,
  callback: (...args: Args) => unknown,
): (...args: Args) => void {
  return (...args) => {
    try {
      const result = callback(...args);
      if (result instanceof Promise) result.catch((error: unknown) => void tell(sink.scriptName, error));
    } catch (error) {
      tell(sink.scriptName, error);
    }
  };
}

/** What a callback throws goes to the maker of what runs now: when Node.js hears of it, nothing of that is left. */
function guardMicrotasks(): void {
  const { queueMicrotask: queue } = globalThis;
  globalThis.queueMicrotask = (callback) => {
    const owner = typeof callback === 'function' ? markOf(executionAsyncResource()) : undefined;
    const who = owner === undefined ? undefined : innermost();
    if (owner === undefined || who === 'scheduler' || who === 'application') {
      queue(callback);
      return;
    }
    queue(() => {
      try {
        callback();
      } catch (error) {
        tell(owner, error);
      }
    });
  };
}

/** Wraps functions of Node.js, once and for good: what a REPL has left behind may fail long after it. */
function install(): void {
  if (installed) return;
  installed = true;
  const { emit } = process;
  const contained = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event === 'uncaughtException' || event === 'uncaughtExceptionMonitor') {
      const owner = markOf(executionAsyncResource()) ?? ownerByStack(args[0]);
      if (owner !== undefined) return event === 'uncaughtException' ? tell(owner, args[0]) : false;
    } else if (event === 'unhandledRejection') {
      const owner = markOf(args[1] as object) ?? ownerByStack(args[0]);
      if (owner !== undefined) return tell(owner, args[0]);
    }
    return Reflect.apply(emit, process, [event, ...args]) as boolean;
  };
  process.emit = contained as typeof process.emit;
  guardMicrotasks();
  for (const name of ['exit', 'abort'] as const) refuseToMakers(name);
}

/** Who types it wants to leave the REPL, as that of Node.js is left, and not to end the service. */
function refuseToMakers(name: 'exit' | 'abort'): void {
  const before = process[name] as (...args: unknown[]) => never;
  process[name] = (...args: unknown[]): never => {
    if (innermost() !== 'repl') return Reflect.apply(before, process, args);
    throw new Fault(
      `process.${name}() would end the application: .exit leaves the REPL, and process.kill(process.pid) stops the application in order`,
    );
  };
}

/** Whose code an error comes from, by its stack. */
function ownerByStack(error: unknown): string | undefined {
  try {
    // A getter of its own, or a proxy, may throw: it has no stack to go by.
    return error instanceof Error ? SCRIPT_NAME.exec(String(error.stack))?.[0] : undefined;
  } catch {
    return undefined;
  }
}

function tell(owner: string, error: unknown): true {
  const sink = sinks.get(owner);
  if (sink === undefined) orphans(error);
  else sink.uncaught(error);
  return true;
}
