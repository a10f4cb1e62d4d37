// Keeps what goes wrong in code that was typed into a REPL from ending the application.
//
// Errors that a line throws or rejects with are its result. This file is about those that come later and that nobody
// catches: a promise that nobody waits for, a timer, a callback. Node.js ends the process for them. Here each is traced to
// the REPL whose code it comes from and told to that REPL; all others take their course, untouched:
//
// - a promise by a mark. While code of a REPL runs, an async hook marks the promises that it makes, those that functions
//   of the application make for it included, and the promises that are made while such a promise is worked off. The hook
//   is on only while an evaluation is under way: it makes every promise of the process about twice as slow, and node:repl,
//   whose domains do the same with a hook that is never taken out again, more than ten times.
// - an exception by its stack, in which code of a REPL bears the REPL's name.
// - what timers and microtasks of a REPL throw is caught where it is thrown: see `guard`.
//
// What is found is taken out before listeners of `uncaughtException` and `unhandledRejection` see it, by wrapping
// `process.emit`: a listener could not keep the others, or the default, from ending the process. Not found is a promise
// that code of the application makes, and rejects with an error without a trace, for code of a REPL that goes on after its
// line was answered, and drops it.
import { createHook, executionAsyncResource } from 'node:async_hooks';

/** Where the errors of one REPL go. */
export interface ErrorSink {
  /** The name of its code in stacks, without the number of the line. */
  readonly scriptName: string;
  /** Tells an error that nobody caught. */
  uncaught(error: unknown): void;
}

/** How the files of REPL code are called. */
const SCRIPT_NAME = /REPL<[\d.]+>(?=#\d+:\d+:\d+)/;

const marked = new WeakMap<object, ErrorSink>();
/** By script name. What belongs to a REPL that has ended goes to `orphans`. */
const sinks = new Map<string, ErrorSink>();
let orphans: (error: unknown) => void = () => undefined;
let running: ErrorSink | undefined = undefined;
let hookUsers = 0;
let installed = false;

const hook = createHook({
  init(_id, type, _trigger, resource) {
    if (type !== 'PROMISE') return;
    const sink = running ?? marked.get(executionAsyncResource());
    if (sink !== undefined) marked.set(resource, sink);
  },
});

/**
 * Begins to contain the errors of a REPL.
 * @returns a function that ends it: errors that come afterwards go to `onOrphan`
 */
export function contain(sink: ErrorSink, onOrphan: (error: unknown) => void): () => void {
  install();
  orphans = onOrphan;
  sinks.set(sink.scriptName, sink);
  return () => {
    sinks.delete(sink.scriptName);
  };
}

/** Marks the promises that are made from now on until the returned function is called. */
export function track(): () => void {
  if (hookUsers++ === 0) hook.enable();
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--hookUsers === 0) hook.disable();
  };
}

/** Runs code of a REPL. What it makes before it returns is the REPL's. */
export function runAs<T>(sink: ErrorSink, code: () => T): T {
  const before = running;
  const untrack = track();
  running = sink;
  try {
    return code();
  } finally {
    running = before;
    untrack();
  }
}

/** A function that calls another one, as code of a REPL, and tells what it throws or its promise rejects with. */
export function guard<Args extends readonly unknown[]>(
  sink: ErrorSink,
  callback: (...args: Args) => unknown,
): (...args: Args) => void {
  return (...args) => {
    try {
      const result = runAs(sink, () => callback(...args));
      if (result instanceof Promise) result.catch((error: unknown) => void tell(sink, error));
    } catch (error) {
      tell(sink, error);
    }
  };
}

/** Wraps `process.emit`, once and for good: what a REPL has left behind may fail long after it. */
function install(): void {
  if (installed) return;
  installed = true;
  const { emit } = process;
  const contained = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event === 'uncaughtException' || event === 'uncaughtExceptionMonitor') {
      const sink = sinkOfError(args[0]);
      if (sink !== undefined) return event === 'uncaughtException' ? tell(sink, args[0]) : false;
    } else if (event === 'unhandledRejection') {
      const sink = marked.get(args[1] as object) ?? sinkOfError(args[0]);
      if (sink !== undefined) return tell(sink, args[0]);
    }
    return Reflect.apply(emit, process, [event, ...args]) as boolean;
  };
  process.emit = contained as typeof process.emit;
}

/** Whose code an error comes from, by its stack. */
function sinkOfError(error: unknown): ErrorSink | undefined {
  if (!(error instanceof Error)) return undefined;
  const scriptName = SCRIPT_NAME.exec(stackOf(error))?.[0];
  if (scriptName === undefined) return undefined;
  return sinks.get(scriptName) ?? { scriptName, uncaught: orphans };
}

function stackOf(error: Error): string {
  try {
    return String(error.stack);
  } catch {
    return ''; // a getter of its own that throws: it has no stack to go by
  }
}

function tell(sink: ErrorSink, error: unknown): true {
  if (sinks.get(sink.scriptName) === sink) sink.uncaught(error);
  else orphans(error);
  return true;
}
