/**
 * Finds maps whose keys were chosen to collide. A Map of the engine looks for a key in a chain of those with the same low bits of
 * a hash, and for numbers that hash can be computed by anybody: a map of a few hundred kilobytes keeps a program busy for minutes.
 * For texts the engine has a secret, and objects are counted through.
 *
 * The hash is that of V8. With an engine that has another, or a secret for numbers, too, nothing is found, and nothing is lost.
 */

/** A map with fewer keys is quickly made, whatever they are. */
export const MANY_KEYS = 2_048;
/** How many keys may be in one chain: chance makes a dozen of them, however large a map is. */
const MAX_CHAIN = 64;
const WORD = 2n ** 64n - 1n;

/** How the keys of one map are spread. */
export class KeySpread {
  readonly #chains: Uint8Array;

  /** @param count how many keys the map is going to have. */
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

/** The hash of a key that anybody can compute. */
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
