// Results as JSON, for scripts. JSON has no word for much of what JavaScript has; this is how it is written, so that a
// result always is valid JSON and never fails:
//
// - pids and refs (all that has toJSON) as they print; dates as ISO 8601; bigints as strings of digits
// - undefined as null, also as the value of a property; NaN and the infinities as strings
// - an Error as {name, message} with code, reason, cause and its other own properties, without its stack
// - a Map as an array of [key, value], a Set as an array, bytes as an array of numbers
// - functions, symbols and what has no other form as the REPL prints them; what contains itself as "[Circular]"
import { inspect } from 'node:util';

import { Fault } from './shell.ts';

/** How deep values are written; below that as "[Object]". */
const DEPTH_MAX = 64;
/** How many values one result may hold. */
const VALUES_MAX = 2_000_000;

/** A value as JSON, on one line. @throws Fault when it holds more than two million values. */
export function toJson(value: unknown): string {
  return JSON.stringify(new Writer().plain(value));
}

/** Makes what JSON.stringify writes as it is. */
class Writer {
  #count = 0;
  /** The objects that the value at hand is in. */
  readonly #above = new Set<object>();

  plain(value: unknown): unknown {
    // An object that is reached by many ways is written for each of them.
    if (++this.#count > VALUES_MAX) throw new Fault('the result holds too many values to be written as JSON');
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'undefined':
        return null;
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
        return String(value);
      case 'object':
        return value === null ? null : this.#object(value);
      default:
        return inspect(value);
    }
  }

  #object(value: object): unknown {
    if (this.#above.has(value)) return '[Circular]';
    if (this.#above.size === DEPTH_MAX) return Array.isArray(value) ? '[Array]' : '[Object]';
    const each = (item: unknown): unknown => this.plain(item);
    this.#above.add(value);
    try {
      // Most are one of these two; all that follows looks at classes.
      if (Array.isArray(value)) return value.length === 0 ? [] : Array.from(value, each);
      if (isPlain(value)) return this.#record(value);
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
      if (value instanceof Set || isBytes(value)) return Array.from(value, each);
      if (value instanceof Map) return Array.from(value, ([key, item]) => [each(key), each(item)]);
      if (value instanceof Error) return plainError(value, each);
      if ('toJSON' in value && typeof value.toJSON === 'function') return each(value.toJSON());
      if (OPAQUE.some((kind) => value instanceof kind)) return inspect(value, { depth: 0 });
      return this.#record(value);
    } catch (error) {
      if (error instanceof Fault) throw error;
      return `[cannot be read: ${String(error)}]`; // a getter, a proxy or a toJSON of its own that throws
    } finally {
      this.#above.delete(value);
    }
  }

  #record(value: object): object {
    const record = Object.create(null) as Record<string, unknown>;
    for (const name of Object.keys(value))
      record[name] = this.plain((value as Record<string, unknown>)[name]);
    return record;
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value);
}

function plainError(error: Error, each: (item: unknown) => unknown): Record<string, unknown> {
  const written: Record<string, unknown> = { name: error.name, message: error.message };
  if ('cause' in error) written['cause'] = each(error.cause);
  if (error instanceof AggregateError) written['errors'] = each(error.errors);
  for (const [name, item] of Object.entries(error)) written[name] ??= each(item);
  return written;
}

function isBytes(value: object): value is Iterable<number | bigint> & object {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** What says nothing by its properties. */
const OPAQUE: readonly (abstract new (...args: never[]) => object)[] = [
  Promise,
  WeakMap,
  WeakSet,
  WeakRef,
  RegExp,
  ArrayBuffer,
  SharedArrayBuffer,
  DataView,
  Number,
  String,
  Boolean,
];
