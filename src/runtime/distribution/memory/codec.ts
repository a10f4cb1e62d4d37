/**
 * Copies signals as a wire would.
 *
 * A signal is packed when it is sent, so that what the sender changes afterwards does not travel, and unpacked when it
 * is delivered, with the pids of the receiving node being those of its live processes. What can be packed is what the
 * Erlang term format can carry: strings, numbers, bigints, booleans, null, undefined, pids, refs, arrays, plain objects,
 * Maps, Uint8Arrays and the runtime's own records. Two references to one object become two copies.
 *
 * Nothing is mapped lossily: what cannot be carried (functions, symbols, other classes, NaN, infinities, integers beyond
 * 2^53, lone surrogates, holes) throws TROUPE_NOT_ENCODABLE with the path to it. In exit reasons an Error is described.
 */
import { TroupeError } from '../../errors.ts';
import { Origin, Pid } from '../../process/pid.ts';
import { Ref } from '../../process/ref.ts';
import { type RecordDefinition, recordOf } from '../../records.ts';
import type { CarrierHost, Signal } from '../carrier.ts';
import { describeError } from '../reason.ts';

/** Limits of one signal. */
export interface CodecLimits {
  /** How deep values may be nested. */
  readonly maxDepth: number;
  /** How many values a signal may hold, counting each element and field. */
  readonly maxValues: number;
}

/** A value in transit: a primitive stands for itself. */
abstract class Packed {
  abstract unpack(into: Unpacker): unknown;
}

class PackedArray extends Packed {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    super();
    this.items = items;
  }
  unpack(into: Unpacker): unknown {
    return this.items.map((item) => into.unpack(item));
  }
}

class PackedObject extends Packed {
  readonly keys: readonly string[];
  readonly values: readonly unknown[];
  constructor(keys: readonly string[], values: readonly unknown[]) {
    super();
    this.keys = keys;
    this.values = values;
  }
  unpack(into: Unpacker): unknown {
    // Not by assignment: '__proto__' is a key as any other.
    return Object.fromEntries(this.keys.map((key, index) => [key, into.unpack(this.values[index])]));
  }
}

class PackedMap extends Packed {
  readonly entries: ReadonlyArray<readonly [unknown, unknown]>;
  constructor(entries: ReadonlyArray<readonly [unknown, unknown]>) {
    super();
    this.entries = entries;
  }
  unpack(into: Unpacker): unknown {
    return new Map(this.entries.map(([key, value]) => [into.unpack(key), into.unpack(value)]));
  }
}

class PackedBytes extends Packed {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.bytes = Uint8Array.from(bytes);
  }
  unpack(): unknown {
    return this.bytes;
  }
}

class PackedPid extends Packed {
  readonly pid: Pid;
  constructor(pid: Pid) {
    super();
    this.pid = pid;
  }
  unpack(into: Unpacker): unknown {
    const { id, serial, origin } = this.pid;
    return into.host.internPid(new Pid(into.origin(origin), id, serial));
  }
}

class PackedRef extends Packed {
  readonly ref: Ref;
  constructor(ref: Ref) {
    super();
    this.ref = ref;
  }
  unpack(into: Unpacker): unknown {
    const { origin, low, high, foreign } = this.ref;
    return new Ref(into.origin(origin), low, high, foreign);
  }
}

class PackedRecord extends Packed {
  readonly definition: RecordDefinition;
  readonly values: readonly unknown[];
  constructor(definition: RecordDefinition, values: readonly unknown[]) {
    super();
    this.definition = definition;
    this.values = values;
  }
  unpack(into: Unpacker): unknown {
    return this.definition.make(this.values.map((value) => into.unpack(value)));
  }
}

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

class Packer {
  readonly #limits: CodecLimits;
  readonly #path: string[] = [];
  #values = 0;

  constructor(limits: CodecLimits) {
    this.#limits = limits;
  }

  /** @param describes whether an Error is described instead of refused. */
  pack(value: unknown, describes: boolean): unknown {
    if (++this.#values > this.#limits.maxValues) {
      throw this.#refused(`more than ${this.#limits.maxValues} values`);
    }
    switch (typeof value) {
      case 'string':
        if (LONE_SURROGATE.test(value)) throw this.#refused('a string with half a surrogate pair');
        return value;
      case 'number':
        if (!Number.isFinite(value)) throw this.#refused(`the number ${value}`);
        if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
          throw this.#refused(`${value}, an integer beyond 2^53: use a bigint`);
        }
        return value;
      case 'bigint':
      case 'boolean':
      case 'undefined':
        return value;
      case 'object':
        return value === null ? null : this.#object(value, describes);
      case 'function':
      case 'symbol':
      default:
        throw this.#refused(`a ${typeof value}`);
    }
  }

  /** Packs a part of a value, which can be found by `key`. */
  #part(key: string, value: unknown, describes: boolean): unknown {
    if (this.#path.length >= this.#limits.maxDepth) {
      throw this.#refused(`something nested deeper than ${this.#limits.maxDepth} levels, or within itself`);
    }
    this.#path.push(key);
    const packed = this.pack(value, describes);
    this.#path.pop();
    return packed;
  }

  #object(value: object, describes: boolean): Packed {
    if (value instanceof Pid) return new PackedPid(value);
    if (value instanceof Ref) return new PackedRef(value);
    if (value instanceof Uint8Array) return new PackedBytes(value);
    if (Array.isArray(value)) return this.#array(value, describes);
    if (value instanceof Map) {
      const entries = [...value].map(
        ([key, item]) =>
          [
            this.#part(`key ${String(key)}`, key, describes),
            this.#part(String(key), item, describes),
          ] as const,
      );
      return new PackedMap(entries);
    }
    if (describes && value instanceof Error) return this.#plain(describeError(value), true);
    const definition = recordOf(value);
    if (definition !== undefined) return this.#record(value, definition);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#plain(value, describes);
    throw this.#refused(`an instance of ${value.constructor?.name ?? 'a class'}`);
  }

  #array(array: readonly unknown[], describes: boolean): Packed {
    if (Object.keys(array).length !== array.length) {
      throw this.#refused('an array with holes or with fields of its own');
    }
    return new PackedArray(array.map((item, index) => this.#part(String(index), item, describes)));
  }

  #plain(object: object, describes: boolean): Packed {
    if (Object.getOwnPropertySymbols(object).length > 0)
      throw this.#refused('an object with a symbol for a key');
    const keys = Object.keys(object);
    const values = keys.map((key) => this.#part(key, (object as Record<string, unknown>)[key], describes));
    return new PackedObject(keys, values);
  }

  #record(record: object, definition: RecordDefinition): Packed {
    const values = definition.fields.map((field) =>
      this.#part(field, (record as Record<string, unknown>)[field], field === definition.reason),
    );
    return new PackedRecord(definition, values);
  }

  #refused(what: string): TroupeError {
    const where = this.#path.length === 0 ? '' : ` at ${this.#path.slice(0, 20).join('.')}`;
    return new TroupeError('TROUPE_NOT_ENCODABLE', `The message holds ${what}${where}.`);
  }
}

class Unpacker {
  readonly host: CarrierHost;
  /** Origins that are likely, so that the pids of one node share one object. */
  readonly #origins: readonly Origin[];

  constructor(host: CarrierHost, peer: Origin) {
    this.host = host;
    this.#origins = [host.origin, peer];
  }

  unpack(value: unknown): unknown {
    return value instanceof Packed ? value.unpack(this) : value;
  }

  origin(origin: Origin): Origin {
    return this.#origins.find((known) => known.equals(origin)) ?? new Origin(origin.node, origin.creation);
  }
}

/** A signal in transit. */
export type PackedSignal = ReadonlyArray<readonly [field: string, value: unknown]>;

/**
 * Packs a signal.
 * @throws TroupeError TROUPE_NOT_ENCODABLE when it holds what cannot leave a node, or exceeds a limit.
 */
export function packSignal(signal: Signal, limits: CodecLimits): PackedSignal {
  return Object.entries(signal).map(([field, value]) => [
    field,
    new Packer(limits).pack(value, field === 'reason'),
  ]);
}

/** Makes a signal of the receiving side. @param peer the node it came from. */
export function unpackSignal(packed: PackedSignal, host: CarrierHost, peer: Origin): Signal {
  const unpacker = new Unpacker(host, peer);
  return Object.fromEntries(
    packed.map(([field, value]) => [field, unpacker.unpack(value)]),
  ) as unknown as Signal;
}
