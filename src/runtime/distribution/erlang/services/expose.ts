/**
 * The functions that other nodes may call here: an allow-list, by module, name and arity. What is not on it does not exist
 * for them.
 *
 * An arity counts the arguments that the caller passes; the process that runs the function comes before them.
 */
import { TroupeError } from '../../../errors.ts';
import type { Process } from '../../../process/process.ts';

/** The most arguments of a function, as in Erlang. */
export const MAX_ARITY = 255;

/**
 * A function that other nodes may call. It may return a promise. `self` is the process that runs it: it ends with the
 * function, and its `signal` fires when the caller's node has it ended. The arguments are what the caller sent, unchecked.
 */
export type ExposedFunction = (self: Process, ...args: never[]) => unknown;

/** A function together with the arities that it may be called with; made by {@link exposeFunction}. */
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
 * Says how many arguments a function takes, where its declaration does not: with default values or a rest parameter.
 * @param options `arity`: the number of arguments, or several, not counting the process.
 * @throws TroupeError TROUPE_BAD_ARGUMENT
 */
export function exposeFunction(
  run: ExposedFunction,
  { arity }: { readonly arity: number | readonly number[] },
): DeclaredFunction {
  const arities: readonly number[] = typeof arity === 'number' ? [arity] : arity;
  if (typeof run !== 'function' || !Array.isArray(arities) || !arities.every(isArity)) {
    throw new TroupeError(
      'TROUPE_BAD_ARGUMENT',
      `exposeFunction takes a function and its arity, 0 to ${MAX_ARITY}, or several.`,
    );
  }
  return new DeclaredFunction(run, arities);
}

/** The allow-list of a node. */
export class AllowList {
  readonly #functions = new Map<string, ExposedFunction>();

  /** @throws TroupeError TROUPE_BAD_ARGUMENT for something that is no function. */
  constructor(modules: ExposedModules) {
    for (const [module, functions] of Object.entries(modules)) {
      for (const [name, exposed] of Object.entries(functions)) this.#add(module, name, exposed);
    }
  }

  /** The function of a module with so many arguments. */
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
      throw new TroupeError('TROUPE_BAD_ARGUMENT', `expose.${module}.${name} is no function.`);
    }
  }
}

function keyOf(module: string, name: string, arity: number): string {
  return JSON.stringify([module, name, arity]);
}

function isArity(arity: unknown): boolean {
  return Number.isInteger(arity) && (arity as number) >= 0 && (arity as number) <= MAX_ARITY;
}
