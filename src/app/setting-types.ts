// Types that several settings share; see `config.ts` and `cluster/settings.ts`.
import { Type } from 'typebox';

/** An IP address or the name of a host, without a port. */
export const HOST = { pattern: '^[A-Za-z0-9._:%-]{1,253}$' } as const;

/** A whole number within bounds. @param note its unit, or what a value of it means */
export function wholeNumber(value: number, minimum: number, maximum: number, note: string) {
  const description = `a whole number from ${minimum} to ${maximum} (${note}); ${value} when unset`;
  return Type.Integer({ default: value, minimum, maximum, description });
}
