/**
 * Floats without a fraction. To Erlang `1` and `1.0` are different values; a JavaScript number without a fraction is the
 * integer, and this class stands for the other one. Numbers with a fraction are floats by themselves, and so is `-0`.
 */
import { TroupeError } from '../errors.ts';
import { formatTerm } from './format.ts';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A float that has no fraction; make one with {@link float}. It counts as its value in arithmetic. */
export class Float {
  declare readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }

  toString(): string {
    return formatTerm(this);
  }

  toJSON(): number {
    return this.value;
  }

  [inspect](): string {
    return this.toString();
  }
}

/**
 * A number that is a float to Erlang, also when it has no fraction: `float(1)` is `1.0`.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for NaN and infinities, which Erlang does not have.
 */
export function float(value: number): number | Float {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TroupeError('TROUPE_BAD_ARGUMENT', `A float is a finite number, not ${String(value)}.`);
  }
  return Number.isInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
}
