/**
 * The terms for which JavaScript has no values: tuples, floats without a fraction, charlists, and those that only pass
 * through (improper lists, bitstrings, functions, native records).
 *
 * To Erlang `1` and `1.0` are different values; a JavaScript number without a fraction is the integer, and `Float` stands for
 * the other one. A number with a fraction is a float, and so is `-0`. A string is a binary to Erlang; where it expects a list
 * of characters, `charlist('text')` says so. A list of numbers arrives as an array of numbers, as nothing distinguishes a text from
 * it; `text` reads one. What only passes through can be compared and shown, and goes back as it came.
 */
import { formatAtom, formatFloat, type Formatter, shortened, SHOWN_ELEMENTS, Term, TEXT } from './format.ts';
import { badArgument } from '../errors.ts';
import type { Atom } from './atom.ts';

/** A tuple, `{point, 1, 2}`: a fixed number of values that belong together. Make one with {@link tuple}. It can be iterated,
 * and so destructured. See erlang:tuple(). */
export class Tuple<Elements extends readonly unknown[] = readonly unknown[]> extends Term {
  declare readonly elements: Elements;

  /** @param elements are not copied, and may not be changed afterwards. */
  constructor(elements: Elements) {
    super();
    this.elements = elements;
  }

  /** How many elements it has. See `erlang:tuple_size/1`. */
  get length(): Elements['length'] {
    return this.elements.length;
  }

  /** Its elements in order. */
  [Symbol.iterator](): IterableIterator<Elements[number]> {
    return this.elements[Symbol.iterator]();
  }

  toJSON(): readonly unknown[] {
    return this.elements;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return `{${formatter.items(this.elements, depth)}}`;
  }
}

/** A tuple of some values: `tuple(atom('point'), 1, 2)` is `{point, 1, 2}`. */
export function tuple<const Elements extends readonly unknown[]>(...elements: Elements): Tuple<Elements> {
  return new Tuple(elements);
}

/** A float that has no fraction; make one with {@link float}. It counts as its value in arithmetic. */
export class Float extends Term {
  declare readonly value: number;

  constructor(value: number) {
    super();
    this.value = value;
  }

  override valueOf(): number {
    return this.value;
  }

  toJSON(): number {
    return this.value;
  }

  /** @internal */
  [TEXT](): string {
    return formatFloat(this.value);
  }
}

/**
 * A number that is a float to Erlang, also when it has no fraction: `float(1)` is `1.0`.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for NaN and infinities, which Erlang does not have.
 */
export function float(value: number): number | Float {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw badArgument(`A float is a finite number, not ${String(value)}.`);
  }
  return Number.isInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
}

/** A text that is a list of code points on the wire; make one with {@link charlist}. */
export class Charlist {
  declare readonly text: string;

  constructor(characters: string) {
    this.text = characters;
  }

  toString(): string {
    return this.text;
  }

  /** @internal */
  [TEXT](): string {
    return `"${shortened(this.text, '"')}"`;
  }

  toJSON(): string {
    return this.text;
  }
}

/** A text that goes to Erlang as a list of its characters. */
export function charlist(characters: string): Charlist {
  return new Charlist(characters);
}

/**
 * Reads a text in any of its forms: a string (a binary), a charlist (an array of code points), or a `Charlist`.
 * @returns undefined when the value is not a text.
 */
export function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof Charlist) return value.text;
  if (!Array.isArray(value)) return undefined;
  const points = value as readonly unknown[];
  if (!points.every(isCodePoint)) return undefined;
  let read = '';
  // Not all at once: a call takes only so many arguments.
  for (let start = 0; start < points.length; start += 4_096) {
    read += String.fromCodePoint(...points.slice(start, start + 4_096));
  }
  return read;
}

function isCodePoint(value: unknown): value is number {
  return (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= 0 &&
    value <= 0x10ffff &&
    (value < 0xd800 || value > 0xdfff)
  );
}

/** A list that does not end with the empty list: `[1, 2 | tail]`. */
export class ImproperList extends Term {
  declare readonly items: readonly unknown[];
  /** What stands after the bar; no list. */
  declare readonly tail: unknown;

  /** @param items at least one. */
  constructor(items: readonly unknown[], tail: unknown) {
    super();
    this.items = items;
    this.tail = tail;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return `[${formatter.items(this.items, depth)}|${formatter.format(this.tail, depth)}]`;
  }
}

/** A bitstring whose length is not a multiple of eight. */
export class BitString extends Term {
  declare readonly bytes: Uint8Array;
  /** How many bits of the last byte count, from the highest: 1 to 7. */
  declare readonly bits: number;

  constructor(bytes: Uint8Array, bits: number) {
    super();
    this.bytes = bytes;
    this.bits = bits;
  }

  /** @internal */
  [TEXT](formatter: Formatter): string {
    const { bytes, bits } = this;
    const last = (bytes.at(-1) ?? 0) >>> (8 - bits);
    const whole = bytes.subarray(0, Math.min(bytes.length - 1, SHOWN_ELEMENTS + 1));
    return `<<${formatter.items([...whole], 0)}${whole.length > 0 ? ',' : ''}${last}:${bits}>>`;
  }
}

/** `fun module:name/arity`. */
export class ExternalFunction extends Term {
  declare readonly module: Atom;
  declare readonly name: Atom;
  declare readonly arity: number;

  constructor(module: Atom, name: Atom, arity: number) {
    super();
    this.module = module;
    this.name = name;
    this.arity = arity;
  }

  /** @internal */
  [TEXT](): string {
    return `fun ${formatAtom(this.module.name)}:${formatAtom(this.name.name)}/${this.arity}`;
  }
}

/** A function that is a closure of another node: it cannot be called here, only handed on. */
export class OpaqueFunction extends Term {
  /** The term as it came, from its tag on. */
  declare readonly raw: Uint8Array;

  constructor(raw: Uint8Array) {
    super();
    this.raw = raw;
  }

  /** @internal */
  [TEXT](): string {
    return '#Fun<opaque>';
  }
}

/** A native record of OTP 29. */
export class NativeRecord extends Term {
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
    super();
    this.module = module;
    this.name = name;
    this.exported = exported;
    this.fields = fields;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    const fields = formatter.pairs(this.fields, (key) => formatter.format(key, depth), depth, '=');
    return `#${formatAtom(this.module.name)}:${formatAtom(this.name.name)}${fields.slice(1)}`;
  }
}
