/**
 * Which maps that arrive are plain objects: those whose keys are texts, and in the payload of a channel that is declared so
 * those whose keys are atoms.
 */
import { Atom } from '../../terms/atom.ts';
import type { ErlMap } from '../../terms/erl-map.ts';

/** Sets a key, also the one that assignment takes for something else. */
export function setKey(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[key] = value;
  }
}

/** The plain object of a map whose keys are atoms and texts; undefined when there are others, or two of one name. */
export function plainOf(map: ErlMap): Record<string, unknown> | undefined {
  const entries: Array<[string, unknown]> = [];
  for (const [key, value] of map) {
    const name = nameOf(key);
    if (name === undefined) return undefined;
    entries.push([name, value]);
  }
  const object = Object.fromEntries(entries);
  return Object.keys(object).length === entries.length ? object : undefined;
}

/** The name that a key of a plain object has; undefined when there is none. */
export function nameOf(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  if (key instanceof Atom) return key.name;
  if (key === null) return 'nil';
  return typeof key === 'boolean' || key === undefined ? String(key) : undefined;
}
