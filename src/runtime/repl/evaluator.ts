// Runs what is typed into one REPL: an `Evaluator` any code, keeping its variables; `Questions`, for a REPL that may only ask, calls
// of the helpers that look.
//
// - Variables live in a scope of the REPL's own, before the globals of the application: two REPLs do not see each other's,
//   and an assignment without a declaration does not become a global.
// - A time limit holds for the part of a line up to its first `await`, for what its timers and microtasks call, and for showing its
//   result: an endless loop would stop the application, and nobody could interrupt it. What runs after an `await`, or what
//   anything else calls, has no such limit.
// - What timers, immediates and microtasks of the REPL throw is printed in it, and its timers end with it.
// - `Questions` evaluates nothing: the line is parsed, the helper is looked up by its name, and its arguments, which must be literals,
//   are built from the syntax tree.
import { randomUUID } from 'node:crypto';
import { isBuiltin } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { runInThisContext, Script } from 'node:vm';
import { type AnyNode, type Expression, parse } from 'acorn';
import { begin, type ErrorSink, guard } from './containment.ts';
import { questionHelpers } from './helpers/inspect.ts';
import { Fault, type Helper, type Shell } from './shell.ts';
import { transform, type Transformed } from './transform.ts';

/** How long the part of a line before its first `await` may run by default. */
export const SYNC_LIMIT_MS = 5_000;

/** The outcome of reading an input. */
export type Evaluation =
  | { readonly kind: 'incomplete' | 'wrong'; readonly error: SyntaxError }
  | {
      readonly kind: 'running';
      readonly value: Promise<unknown>;
      /** Call it when nobody waits for the value any more: it makes the application's promises cheap again. */
      readonly abandon: () => void;
    };

/** A program before it has its scope. */
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

  /** Calls what may be code of the REPL. @throws Fault when it takes too long; what it throws itself passes through */
  call<T>(callback: () => T): T {
    return this.#sink.maker.run(() => withTimeLimit(this.#syncLimitMs, callback));
  }

  /** Wraps code of the REPL that is called later: with the time limit, and its errors printed in the REPL. */
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
      // Nothing that made it is current when it calls.
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
  // Only a script can have a time limit; a property that exists only during the call says what to call.
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

// ---- questions ----

const REFUSED =
  'this REPL only answers questions: call one helper, with literals as arguments; help() lists the helpers';

/** What is no question. */
class Refusal extends Error {}

/** Answers questions, in place of an `Evaluator`. */
export class Questions {
  /** The helpers, by name. */
  readonly variables: Record<string, unknown>;
  readonly #helpers: Readonly<Record<string, Helper>>;
  /** What to do to evaluate, where that can be said. */
  readonly #advice: string;

  constructor(shell: Shell) {
    this.#helpers = questionHelpers(shell);
    const { node } = shell.inspector;
    this.#advice =
      node === shell.node.name ? '' : `; to evaluate on ${node}, its REPL must be started with remote: true`;
    this.variables = Object.assign(
      Object.create(null) as Record<string, unknown>,
      Object.fromEntries(Object.entries(this.#helpers).map(([name, { run }]) => [name, run])),
    );
  }

  /** Answers a question. */
  run(input: string): Evaluation {
    const parsed = transform(input);
    if (parsed.kind !== 'program') return parsed;
    const value = this.#answer(input).catch((error: unknown) => {
      throw error instanceof Refusal ? new Fault(error.message + this.#advice) : error;
    });
    return { kind: 'running', value, abandon: () => undefined };
  }

  /** Calls a function that shows a result. */
  call<T>(callback: () => T): T {
    return callback();
  }

  /** There is nothing to end. */
  close(): void {
    Object.freeze(this.variables);
  }

  async #answer(input: string): Promise<unknown> {
    const { body } = parse(input, { ecmaVersion: 'latest', allowAwaitOutsideFunction: true });
    const statements = body.filter(({ type }) => type !== 'EmptyStatement');
    if (statements.length === 0) return undefined;
    const [statement] = statements;
    if (statements.length > 1 || statement?.type !== 'ExpressionStatement') throw new Refusal(REFUSED);
    const { expression } = statement;
    const asked = expression.type === 'AwaitExpression' ? expression.argument : expression;
    if (asked.type !== 'CallExpression' || asked.callee.type !== 'Identifier') throw new Refusal(REFUSED);
    const { name } = asked.callee;
    const helper = Object.hasOwn(this.#helpers, name) ? this.#helpers[name] : undefined;
    if (helper === undefined) throw new Refusal(`there is no question '${name}' here; help() lists them`);
    const run = helper.run as (...args: unknown[]) => unknown;
    return await run(...asked.arguments.map(literal));
  }
}

/** The value of a literal. @throws Fault for what would have to be evaluated */
function literal(node: AnyNode | null): unknown {
  switch (node?.type) {
    case 'Literal':
      if (node.regex === undefined) return node.value;
      break;
    case 'Identifier':
      if (node.name === 'undefined') return undefined;
      break;
    case 'UnaryExpression':
      if (node.operator === '-' && node.argument.type === 'Literal') return -Number(node.argument.value);
      break;
    case 'ArrayExpression':
      return node.elements.map((each) => literal(each as Expression | null));
    case 'ObjectExpression':
      return Object.fromEntries(
        node.properties.map((property) => {
          if (property.type !== 'Property' || property.computed || property.kind !== 'init')
            throw new Refusal(REFUSED);
          const { key, value } = property;
          if (key.type === 'Identifier') return [key.name, literal(value)];
          if (key.type === 'Literal') return [String(key.value), literal(value)];
          throw new Refusal(REFUSED);
        }),
      );
  }
  throw new Refusal(REFUSED);
}
