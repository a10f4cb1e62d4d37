// Keeps what goes wrong in code that was typed into a REPL from ending the application.
//
// Errors that a line throws or rejects with are its result. This file is about those that come later and that nobody catches: a
// promise that nobody waits for, a timer, a callback, an `error` that nobody listens to. Node.js ends the process for them. Here
// each is traced to the REPL whose code caused it, and is printed there; all others take their course, untouched. It is traced
//
// - by a mark on what was current when it failed (see below): a promise, a socket, a child process, a tick. This covers rejections
//   with values other than errors, and errors of Node.js whose stacks hold no code of anybody;
// - by its stack, in which code of a REPL bears the REPL's name;
// - where it is thrown, if a timer or a microtask of a REPL throws it: see `guard`.
//
// `process.emit` is wrapped, so that listeners of `uncaughtException` and `unhandledRejection` never see such an error: another
// listener could not keep them, or the default, from ending the process.
//
// `process.exit()` and `process.abort()` are refused to code of a REPL. A signal to the process is not: whoever sends one means it.
//
// Marks lie on promises and on what Node.js calls asynchronous resources, such as sockets, requests, child processes, timers, ticks:
//
// - Marked is what is made while code of a REPL runs, and what is made while something that is marked is worked off.
// - Not marked is what the application makes for itself meanwhile: the turn in which a process gets a message that a REPL sent,
//   a connection to its database. The innermost function of the stack decides, leaving out Node.js and packages. A promise
//   belongs to the caller unless the scheduler made it.
// - An async hook does it. It makes every promise of the process about twice as slow, so it is on only while a line runs, or
//   something is under way that code of a REPL has begun: a promise that is pending, a socket or a child process that has not
//   been collected as garbage. A minute after the last REPL has left it goes off at the latest. Marks stay.
//   (node:repl, whose domains do the same with a hook that is never taken out again, costs more than ten times as much.)
import { AsyncResource, createHook, executionAsyncResource } from 'node:async_hooks';
import { Fault } from './shell.ts';

/** Where the errors of one REPL go. */
export interface ErrorSink {
  /** The name of its code in stacks, without the number of the line. */
  readonly scriptName: string;
  /** Where its code runs. */
  readonly maker: Maker;
  /** Gets an error that nobody caught; must not throw. */
  uncaught(error: unknown): void;
}

/** The names of files of REPL code, in stacks. */
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

/** Wraps a function: what it throws, or its promise rejects with, goes to the sink. */
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

/** What a callback throws goes to the REPL whose code runs now: when Node.js reports the error, that context is gone. */
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

/** Whoever types it wants to leave the REPL, as one leaves that of Node.js, and not to end the service. */
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

// ---- marks ----

/** How long to track what the last REPL has left behind. */
const LEFTOVERS_MS = 60_000;
/** How many functions of a stack to look at, from the innermost. */
const STACK_MAX = 20;
/** The names of files of REPL code. */
const REPL_CODE = /^REPL<[\d.]+>#\d+$/;
const SCHEDULER = /\/runtime\/process\/scheduler\.[jt]s$/;
const TRANSPARENT = /^node:|[\\/]node_modules[\\/]|\/repl\/containment\.[jt]s$/;
/** Resources that live for one turn of the event loop: the hook stays on that long anyway. */
const SHORT_LIVED: ReadonlySet<string> = new Set(['TickObject', 'Immediate', 'Microtask']);

/** The name of the code that made each resource. */
const marked = new WeakMap<object, string>();
/** The ids of what is under way. */
const underWay = new Set<number>();
const collected = new FinalizationRegistry<number>(over);
/** How many pieces of code are running. */
let runs = 0;
let sessions = 0;
let enabled = false;
/** The settings of Error, to be restored after looking at a stack. */
let ownWay: Partial<Pick<ErrorConstructor, 'prepareStackTrace' | 'stackTraceLimit'>> | undefined = undefined;
let leftovers: NodeJS.Timeout | undefined = undefined;

const hook = createHook({
  init(id, type, _trigger, resource) {
    const owner = markOf(executionAsyncResource());
    if (owner === undefined || isOfApplication(type)) return;
    marked.set(resource, owner);
    if (SHORT_LIVED.has(type)) return;
    underWay.add(id);
    collected.register(resource, id);
  },
  promiseResolve: over,
});

/** The name of the code that made something; undefined if no REPL did. */
export function markOf(resource: object): string | undefined {
  return marked.get(resource);
}

/** Where code of one REPL runs: what it makes there is marked with its name. */
export class Maker {
  readonly #scope = new AsyncResource('TROUPE_REPL');

  constructor(name: string) {
    marked.set(this.#scope, name);
  }

  run<T>(code: () => T): T {
    const end = begin();
    try {
      return this.#scope.runInAsyncScope(code);
    } finally {
      writeStacksAsBefore(); // code that exceeds its time is stopped anywhere, and runs no `finally`
      end();
    }
  }
}

/** Marks at least until the returned function is called. */
export function begin(): () => void {
  runs++;
  if (!enabled) hook.enable();
  enabled = true;
  let done = false;
  return () => {
    if (done) return;
    done = true;
    runs--;
    disableSoon();
  };
}

/** A REPL is attached. */
export function sessionBegins(): void {
  sessions++;
  clearTimeout(leftovers);
}

/** A REPL has ended. */
export function sessionEnds(): void {
  if (--sessions > 0) return;
  leftovers = setTimeout(() => {
    underWay.clear();
    disableSoon();
  }, LEFTOVERS_MS).unref();
}

/** Whether marks are made, and promises cost more. */
export function isMarking(): boolean {
  return enabled;
}

/** Whose code stands innermost in the stack; undefined when there is only that of Node.js and of packages. */
function innermost(): 'repl' | 'scheduler' | 'application' | undefined {
  for (const file of filesOfStack()) {
    if (TRANSPARENT.test(file)) continue;
    if (REPL_CODE.test(file)) return 'repl';
    return SCHEDULER.test(file) ? 'scheduler' : 'application';
  }
  return undefined;
}

/** The files of the functions on the stack, from the innermost. Formatting the stack as text would take ten times as long. */
function filesOfStack(): readonly string[] {
  let files: string[] = [];
  ownWay = { prepareStackTrace: Error.prepareStackTrace, stackTraceLimit: Error.stackTraceLimit };
  Error.prepareStackTrace = (_error, sites) => {
    files = sites.map((site) => site.getFileName() ?? 'node:');
    return '';
  };
  Error.stackTraceLimit = STACK_MAX;
  try {
    void new Error().stack;
  } finally {
    writeStacksAsBefore();
  }
  return files;
}

function writeStacksAsBefore(): void {
  if (ownWay === undefined) return;
  Object.assign(Error, ownWay);
  ownWay = undefined;
}

function isOfApplication(type: string): boolean {
  try {
    const who = innermost();
    return who === 'scheduler' || (who === 'application' && type !== 'PROMISE');
  } catch {
    return false; // the stack is full, or a custom prepareStackTrace failed; an error thrown by a hook would end the process
  }
}

function over(id: number): void {
  if (underWay.delete(id) && underWay.size === 0) disableSoon();
}

/** Waits for pending ticks and immediates: they may begin more. */
function disableSoon(): void {
  if (!enabled || runs > 0 || underWay.size > 0) return;
  const look = (): void => {
    if (!enabled || runs > 0 || underWay.size > 0) return;
    enabled = false;
    hook.disable();
  };
  setImmediate(() => setImmediate(look).unref()).unref();
}
