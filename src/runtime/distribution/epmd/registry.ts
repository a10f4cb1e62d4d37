/**
 * The names that are registered with the epmd of this process.
 *
 * A name is had once. Each registration gets a creation that none before it had: a count that starts from the time, so that
 * an epmd which follows another does not give out what that one did. The number of names is limited.
 *
 * Source: "Protocol between a Node and epmd"; `epmd_srv.c`.
 */
import { type Entry, isName } from './protocol.ts';

/** 0 to 3 are not given out: they are what old nodes and nodes without epmd count from. */
const FIRST_CREATION = 4;
const CREATIONS = 0x1_0000_0000 - FIRST_CREATION;

/** Names, each with what its node has told of itself. */
export class Registry {
  readonly #maxEntries: number;
  /** By the bytes of the name, as Latin-1. */
  readonly #entries = new Map<string, Entry>();
  #count: number;

  /** @param seed where the creations begin; the seconds since 1970 when left out */
  constructor(maxEntries: number, seed: number = Math.floor(Date.now() / 1_000)) {
    this.#maxEntries = maxEntries;
    this.#count = seed;
  }

  /** @returns the creation; undefined when the name is taken or none can be had */
  add(entry: Entry): number | undefined {
    const key = keyOf(entry.name);
    if (!isName(entry.name) || this.#entries.has(key) || this.#entries.size >= this.#maxEntries) {
      return undefined;
    }
    this.#entries.set(key, entry);
    return FIRST_CREATION + (this.#count++ % CREATIONS);
  }

  remove(entry: Entry): void {
    this.#entries.delete(keyOf(entry.name));
  }

  find(name: Buffer): Entry | undefined {
    return this.#entries.get(keyOf(name));
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }
}

function keyOf(name: Buffer): string {
  return name.toString('latin1');
}
