/** Tuples: a fixed number of values that belong together, as `{point, 1, 2}` in Erlang. */
import { formatTerm } from './format.ts';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A tuple; make one with {@link tuple}. It can be iterated, and so destructured. See erlang:tuple(). */
export class Tuple<Elements extends readonly unknown[] = readonly unknown[]> {
  declare readonly elements: Elements;

  /** @param elements are not copied, and may not be changed afterwards. */
  constructor(elements: Elements) {
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

  /** As Erlang prints it. */
  toString(): string {
    return formatTerm(this);
  }

  toJSON(): readonly unknown[] {
    return this.elements;
  }

  [inspect](): string {
    return this.toString();
  }
}

/** A tuple of some values: `tuple(atom('point'), 1, 2)` is `{point, 1, 2}`. */
export function tuple<const Elements extends readonly unknown[]>(...elements: Elements): Tuple<Elements> {
  return new Tuple(elements);
}
