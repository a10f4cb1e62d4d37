/**
 * Checks of what users pass in options, so that a slip is an error where it was made and not a strange behaviour later.
 *
 * Each throws TROUPE_BAD_ARGUMENT with a sentence that names the option, what it may be and what it was. What an option
 * means is said where it is declared, and so are its limits.
 */
import { TroupeError } from './errors.ts';

/** @internal The error of an argument or option that cannot be used. */
export function badArgument(what: string): TroupeError {
  return new TroupeError('TROUPE_BAD_ARGUMENT', what);
}

/** @internal Checks a whole number. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkInteger(
  what: string,
  value: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw badArgument(`${what} must be a whole number from ${min} to ${max}, not ${String(value)}.`);
}

/** @internal Checks a number, with or without a fraction. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkNumber(what: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw badArgument(`${what} must be a number from ${min} to ${max}, not ${String(value)}.`);
}

/**
 * @internal Checks a number above 0.
 * @param max the largest that is allowed; may be Infinity.
 * @throws TroupeError TROUPE_BAD_ARGUMENT.
 */
export function checkPositive(what: string, value: number, max: number): number {
  if (typeof value === 'number' && value > 0 && value <= max) return value;
  throw badArgument(`${what} must be above 0 and at most ${max}, not ${String(value)}.`);
}

/** @internal Checks a value against a list. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkOneOf<T>(what: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  const listed = allowed.map((one) => `'${String(one)}'`).join(', ');
  throw badArgument(`${what} must be one of ${listed}, not '${String(value)}'.`);
}
