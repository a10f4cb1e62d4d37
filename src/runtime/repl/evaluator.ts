// Runs what is typed into one REPL, and keeps its variables.
//
// - Variables live in a scope of the REPL's own, before the globals of the application: two REPLs do not see each other's,
//   and nothing that is assigned without a declaration becomes a global.
// - The part of a line up to its first `await`, what its timers and microtasks call, and the showing of what it comes to may run
//   for a limited time: a loop without end would stop the application, and nobody could interrupt it. What runs after an
//   `await`, or what anything else calls, has no such limit.
// - What timers, immediates and microtasks of the REPL throw is told to it, and its timers end with it.
import { randomUUID } from 'node:crypto';
import { isBuiltin } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { runInThisContext, Script } from 'node:vm';
import { type ErrorSink, guard } from './containment.ts';
import { Fault } from './shell.ts';
import { begin } from './marks.ts';
import { type Transformed, transform } from './transform.ts';

/** How long the part of a line before its first `await` may run by default. */
export const SYNC_LIMIT_MS = 5_000;

/** What became of an input. */
export type Evaluation =
  | { readonly kind: 'incomplete' | 'wrong'; readonly error: SyntaxError }
  | {
      readonly kind: 'running';
      readonly value: Promise<unknown>;
      /** To be called when nobody waits for the value any more: promises of the application cost less again. */
      readonly abandon: () => void;
    };

/** What a program is before it is given its scope. */
type Prepare = (scope: object, load: typeof importFor) => () => Promise<unknown>;

/** Evaluates the input of one REPL. */
export class Evaluator {
  /** The variables, by name; helpers are put here first. */
  readonly variables: Record<string, unknown>;
  readonly #sink: ErrorSink;
  readonly #syncLimitMs: number;
  /** What ends each timer that has not fired. */
  readonly #timers = new Map<NodeJS.Timeout | NodeJS.Immediate, () => void>();
  #count = 0;

  constructor(sink: ErrorSink, syncLimitMs: number) {
    this.#sink = sink;
    this.#syncLimitMs = syncLimitMs;
    this.variables = Object.assign(Object.create(null) as object, this.#globals());
  }

  /** Runs an input. The value comes as a promise, which is awaited if it is one itself; it never throws. */
  run(input: string): Evaluation {
    const parsed = transform(input);
    if (parsed.kind !== 'program') return parsed;
    const abandon = begin();
    const value = this.#start(parsed);
    value.then(abandon, abandon);
    return { kind: 'running', value, abandon };
  }

  /** Calls what may be code of the REPL. @throws Fault when it takes too long, and what it throws */
  call<T>(callback: () => T): T {
    return this.#sink.maker.run(() => withTimeLimit(this.#syncLimitMs, callback));
  }

  /** Code of the REPL that is called later, at once and in its time; what it throws is told to the REPL. */
  #later(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => void {
    return guard(this.#sink, (...args) => this.call(() => callback(...args)));
  }

  /** Ends the timers. */
  close(): void {
    for (const stop of this.#timers.values()) stop();
    this.#timers.clear();
  }

  async #start(program: Transformed): Promise<unknown> {
    const script = new Script(program.source, {
      filename: `${this.#sink.scriptName}#${++this.#count}`,
      columnOffset: -program.columnOffset,
    });
    const prepare = script.runInThisContext() as Prepare;
    const scope = this.#scope(program.assigned);
    const run = prepare(scope, importFor);
    return await this.call(run);
  }

  /** The scope of one input: it has what it assigns to, so that an assignment does not go to the globals. */
  #scope(assigned: ReadonlySet<string>): object {
    return new Proxy(this.variables, {
      has: (variables, name) => name in variables || (typeof name === 'string' && assigned.has(name)),
      get: (variables, name) => {
        if (name === Symbol.unscopables) return undefined;
        return name in variables
          ? variables[name as string]
          : (globalThis as Record<string | symbol, unknown>)[name];
      },
    });
  }

  #globals(): Record<string, unknown> {
    const once = this.#starter<NodeJS.Timeout>(setTimeout, clearTimeout, true);
    const repeated = this.#starter<NodeJS.Timeout>(setInterval, clearInterval, false);
    const soon = this.#starter<NodeJS.Immediate>(setImmediate, clearImmediate, true);
    const later = (callback: (held: unknown) => unknown) => this.#later(callback);
    return {
      // Nothing of what made it is current when it calls.
      FinalizationRegistry: class extends FinalizationRegistry<unknown> {
        constructor(callback: (held: unknown) => unknown) {
          super(later(callback));
        }
      },
      setTimeout: Object.assign(once, { [promisify.custom]: promisify(setTimeout) }),
      setInterval: repeated,
      setImmediate: Object.assign(soon, { [promisify.custom]: promisify(setImmediate) }),
      queueMicrotask: (callback: () => unknown) => {
        queueMicrotask(this.#later(callback));
      },
      clearTimeout: this.#stopper<NodeJS.Timeout>(clearTimeout),
      clearInterval: this.#stopper<NodeJS.Timeout>(clearInterval),
      clearImmediate: this.#stopper<NodeJS.Immediate>(clearImmediate),
    };
  }

  /** A function such as setTimeout whose timers are contained and end with the REPL. */
  #starter<Timer extends NodeJS.Timeout | NodeJS.Immediate>(
    start: (callback: (...args: unknown[]) => void, ...args: never[]) => Timer,
    stop: (timer: Timer) => void,
    once: boolean,
  ): (callback: (...args: unknown[]) => unknown, ...args: unknown[]) => Timer {
    return (callback, ...args) => {
      if (typeof callback !== 'function') throw new TypeError('the first argument is not a function');
      const guarded = this.#later(callback);
      const timer = start(
        (...values) => {
          if (once) this.#timers.delete(timer);
          guarded(...values);
        },
        ...(args as never[]),
      );
      this.#timers.set(timer, () => {
        stop(timer);
      });
      return timer;
    };
  }

  #stopper<Timer extends NodeJS.Timeout | NodeJS.Immediate>(
    stop: (timer: Timer) => void,
  ): (timer: Timer) => void {
    return (timer) => {
      this.#timers.delete(timer);
      stop(timer);
    };
  }
}

/** Imports for code that has no file: paths are relative to the working folder, packages are the application's. */
function importFor(specifier: unknown, options?: ImportCallOptions): Promise<unknown> {
  const text = String(specifier);
  const isPath = /^\.{0,2}\//.test(text);
  const target = isPath
    ? pathToFileURL(resolve(text)).href
    : isBuiltin(text)
      ? `node:${text.replace(/^node:/, '')}`
      : text;
  return import(target, options);
}

const CALL_KEY = `troupe.repl.${randomUUID()}`;

/** Calls a function, and stops it with an error when it takes too long. */
function withTimeLimit<T>(limitMs: number, callback: () => T): T {
  // Only a script can be given a time; it finds what to call in a property that is there only meanwhile.
  Object.defineProperty(globalThis, CALL_KEY, { value: callback, configurable: true, enumerable: false });
  try {
    return runInThisContext(`globalThis[${JSON.stringify(CALL_KEY)}]()`, { timeout: limitMs }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new Fault(`it ran for ${limitMs} ms without an await, and was stopped`);
  } finally {
    Reflect.deleteProperty(globalThis, CALL_KEY);
  }
}
