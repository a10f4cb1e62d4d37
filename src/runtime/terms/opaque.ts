/**
 * Terms that JavaScript has nothing like. They arrive, can be compared and shown, and go back as they came.
 */
import { type Origin, channelOf } from './pid.ts';
import type { Atom } from './atom.ts';
import { formatTerm } from './format.ts';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A list that does not end with the empty list: `[1, 2 | tail]`. */
export class ImproperList {
  declare readonly items: readonly unknown[];
  /** What stands after the bar; no list. */
  declare readonly tail: unknown;

  /** @param items at least one. */
  constructor(items: readonly unknown[], tail: unknown) {
    this.items = items;
    this.tail = tail;
  }

  toString(): string {
    return formatTerm(this);
  }

  [inspect](): string {
    return this.toString();
  }
}

/** A bitstring whose length is no multiple of eight. */
export class BitString {
  declare readonly bytes: Uint8Array;
  /** How many bits of the last byte count, from the highest: 1 to 7. */
  declare readonly bits: number;

  constructor(bytes: Uint8Array, bits: number) {
    this.bytes = bytes;
    this.bits = bits;
  }

  toString(): string {
    return formatTerm(this);
  }

  [inspect](): string {
    return this.toString();
  }
}

/** A port of a BEAM node. See erlang:port(). */
export class Port {
  declare readonly origin: Origin;
  declare readonly id: bigint;

  constructor(origin: Origin, id: bigint) {
    this.origin = origin;
    this.id = id;
  }

  /** A string that is equal for equal ports and different for different ones. */
  get key(): string {
    return `${this.origin.node}/${this.origin.creation}|${this.id}`;
  }

  toString(): string {
    return `#Port<${channelOf(this.origin.node)}.${this.id}>`;
  }

  [inspect](): string {
    return this.toString();
  }
}

/** `fun module:name/arity`. */
export class ExternalFunction {
  declare readonly module: Atom;
  declare readonly name: Atom;
  declare readonly arity: number;

  constructor(module: Atom, name: Atom, arity: number) {
    this.module = module;
    this.name = name;
    this.arity = arity;
  }

  toString(): string {
    return formatTerm(this);
  }

  [inspect](): string {
    return this.toString();
  }
}

/** A function that is a closure of another node: it cannot be called here, only handed on. */
export class OpaqueFunction {
  /** The term as it came, from its tag on. */
  declare readonly raw: Uint8Array;

  constructor(raw: Uint8Array) {
    this.raw = raw;
  }

  toString(): string {
    return '#Fun<opaque>';
  }

  [inspect](): string {
    return this.toString();
  }
}

/** A native record of OTP 29. */
export class NativeRecord {
  declare readonly module: Atom;
  declare readonly name: Atom;
  declare readonly exported: boolean;
  declare readonly fields: ReadonlyArray<readonly [name: Atom, value: unknown]>;

  constructor(
    module: Atom,
    name: Atom,
    exported: boolean,
    fields: ReadonlyArray<readonly [name: Atom, value: unknown]>,
  ) {
    this.module = module;
    this.name = name;
    this.exported = exported;
    this.fields = fields;
  }

  toString(): string {
    return formatTerm(this);
  }

  [inspect](): string {
    return this.toString();
  }
}
