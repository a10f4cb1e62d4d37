/**
 * The maps that arrive: which of them are plain objects (those whose keys are texts and, if the reader is set so, atoms), and
 * which have keys that were chosen to collide.
 *
 * A Map of the engine finds a key in a chain of those that share the low bits of a hash, and anybody can compute that hash for
 * numbers: a map of a few hundred kilobytes could keep a program busy for minutes. `KeySpread` finds such a map. For texts the
 * engine keeps a secret, and objects are numbered.
 *
 * The hash is that of V8. With an engine that uses another one, or a secret for numbers too, `KeySpread` finds nothing, and
 * nothing is lost.
 */
import { Atom } from '../../terms/atom.ts';
import type { ErlMap } from '../../terms/canonical.ts';

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

/** The name that a term has as a key of a plain object; undefined when it cannot be one. */
export function nameOf(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  if (key instanceof Atom) return key.name;
  if (key === null) return 'nil';
  return typeof key === 'boolean' || key === undefined ? String(key) : undefined;
}

// ---- keys that collide ----

/** A map with fewer keys is made quickly, whatever they are. */
export const MANY_KEYS = 2_048;
/** How many keys may share a chain. By chance a dozen do, however large the map is. */
const MAX_CHAIN = 64;
const WORD = 2n ** 64n - 1n;

/** How the keys of one map are spread. */
export class KeySpread {
  readonly #chains: Uint8Array;

  /** @param count how many keys the map will have. */
  constructor(count: number) {
    this.#chains = new Uint8Array(2 ** Math.max(9, Math.ceil(Math.log2(count / 2))));
  }

  /** Adds a key. @returns false when too many share a chain. */
  add(key: unknown): boolean {
    const hash = hashOf(key);
    if (hash === undefined) return true;
    const at = hash & (this.#chains.length - 1);
    return ++this.#chains[at]! <= MAX_CHAIN;
  }
}

/** The hash of a key, where anybody can compute it. */
function hashOf(key: unknown): number | undefined {
  if (typeof key === 'number') return (key | 0) === key ? hashOfInteger(key) : hashOfWord(bitsOf(key));
  return typeof key === 'bigint' ? hashOfWord(BigInt.asUintN(64, key < 0n ? -key : key)) : undefined;
}

/** `ComputeUnseededHash` of V8: Thomas Wang's. */
function hashOfInteger(key: number): number {
  let hash = (~key + (key << 15)) | 0;
  hash ^= hash >>> 12;
  hash = (hash + (hash << 2)) | 0;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2057);
  return (hash ^ (hash >>> 16)) & 0x3fff_ffff;
}

/** `ComputeLongHash` of V8. */
function hashOfWord(key: bigint): number {
  let hash = ((key ^ WORD) + (key << 18n)) & WORD;
  hash ^= hash >> 31n;
  hash = (hash * 21n) & WORD;
  hash ^= hash >> 11n;
  hash = (hash + (hash << 6n)) & WORD;
  hash ^= hash >> 22n;
  return Number(hash & 0x3fff_ffffn);
}

const double = new DataView(new ArrayBuffer(8));

function bitsOf(value: number): bigint {
  double.setFloat64(0, value);
  return double.getBigUint64(0);
}
