/**
 * The atoms that a peer named in earlier messages and refers to by number since. Each message begins with references to
 * them, new ones with their text; the terms in it then hold indices into that list. See `erl_ext_dist`, "Distribution Header".
 *
 * It only reads; `sent-atoms.ts` writes. A node which says that it understands the cache may send messages without references
 * for ever. The table holds 2048 atoms for a connection; the peer decides which, and cannot make it larger.
 */
import { isUtf8 } from 'node:buffer';
import { type Atom, atom } from '../../../terms/atom.ts';

/** How many atoms the cache of a connection holds: eight segments of 256. */
export const ATOM_CACHE_ENTRIES = 2048;
const MAX_ATOM_CHARACTERS = 255;
const NEW_ENTRY = 8;
const SEGMENT = 7;
const LONG_ATOMS = 1;

/** Why a header could not be read. */
export type HeaderFault = 'header_truncated' | 'header_empty_slot' | 'header_bad_atom';

/** The atoms a peer has named on one connection, in the order in which they arrive. */
export class AtomCache {
  readonly #entries: Array<Atom | undefined> = Array.from({ length: ATOM_CACHE_ENTRIES });
  /**
   * The atoms of the header read last; a term's reference n means the one at index n. The array is used again for the next
   * header, and longer than `count` when an earlier one had more: copy what has to be kept.
   */
  readonly refs: Atom[] = [];
  /** How many of `refs` belong to the header read last. */
  count = 0;
  /** Why the last `read` answered -1. */
  fault: HeaderFault | undefined;

  /** A copy of the atoms of the header read last, for a message whose rest has yet to come. */
  keepRefs(): readonly Atom[] {
    return this.refs.slice(0, this.count);
  }

  /**
   * Reads the references of a header: `at` is where their number stands (in tag 68 the byte after it, in tag 69 the byte after
   * the two counters). @returns where the control message begins, or -1 when `fault` says what is wrong; the connection is of
   * no use then.
   */
  read(buffer: Buffer, at: number, end: number): number {
    this.count = 0;
    if (at >= end) return this.#fail('header_truncated');
    const count = buffer[at]!;
    if (count === 0) return at + 1;
    const flags = at + 1;
    let next = flags + (count >> 1) + 1;
    if (next > end) return this.#fail('header_truncated');
    // The half byte after those of the references: whether lengths have two bytes.
    const long = (nibble(buffer, flags, count) & LONG_ATOMS) !== 0;
    for (let index = 0; index < count; index++) {
      if (next >= end) return this.#fail('header_truncated');
      const flag = nibble(buffer, flags, index);
      const slot = ((flag & SEGMENT) << 8) | buffer[next++]!;
      let entry: Atom | undefined;
      if ((flag & NEW_ENTRY) === 0) {
        entry = this.#entries[slot];
        if (entry === undefined) return this.#fail('header_empty_slot');
      } else {
        if (next + (long ? 2 : 1) > end) return this.#fail('header_truncated');
        const length = long ? (buffer[next]! << 8) | buffer[next + 1]! : buffer[next]!;
        next += long ? 2 : 1;
        if (next + length > end) return this.#fail('header_truncated');
        entry = atomText(buffer, next, next + length);
        if (entry === undefined) return this.#fail('header_bad_atom');
        next += length;
        this.#entries[slot] = entry;
      }
      this.refs[index] = entry;
    }
    this.count = count;
    return next;
  }

  #fail(fault: HeaderFault): -1 {
    this.fault = fault;
    return -1;
  }
}

function nibble(buffer: Buffer, flags: number, index: number): number {
  const byte = buffer[flags + (index >> 1)]!;
  return (index & 1) === 0 ? byte & 15 : byte >> 4;
}

function atomText(buffer: Buffer, start: number, end: number): Atom | undefined {
  if (end - start > MAX_ATOM_CHARACTERS && characters(buffer, start, end) > MAX_ATOM_CHARACTERS)
    return undefined;
  if (!isUtf8(buffer.subarray(start, end))) return undefined;
  return atom(buffer.toString('utf8', start, end));
}

/** How many characters UTF-8 has: its bytes without those that continue one. */
function characters(buffer: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) if ((buffer[at]! & 0xc0) !== 0x80) count++;
  return count;
}
