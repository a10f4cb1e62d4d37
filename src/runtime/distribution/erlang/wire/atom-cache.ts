/**
 * The atom cache, in both directions: atoms that earlier messages of a connection named, and later ones refer to by number. A
 * message begins with references to them, new ones with their text; the terms in it hold indices into that list. See
 * `erl_ext_dist`, "Distribution Header".
 *
 * `AtomCache` reads. The peer decides which 2,048 atoms the table of a connection holds, and cannot make it larger.
 *
 * `SentAtoms` writes, and only for a message that goes to several processes of a BEAM node: without it the receiver looks each
 * name up for each of them, which costs it more than all else (docs/adr/0012). It works on one message at a time, from `begin`
 * to `end`: the message is encoded first, and each of its frames begins with the header.
 *
 * Invariants: a number means the same atom as long as the connection lasts. No frame may pass the one that names an atom it
 * refers to: a caller begins a message only while nothing is held back, so that such a frame is either written before all later
 * ones, or held back together with them.
 *
 * Limits: 2,048 atoms for a connection. Later ones are written out, and so are those beyond 255 bytes, or beyond 255 different
 * ones in a message.
 */
import { isUtf8 } from 'node:buffer';
import { type Atom, atom } from '../../../terms/atom.ts';
import type { AtomNumbers, ByteWriter } from '../../etf/scalar-writer.ts';
import { SMALL_ATOM_UTF8 } from '../../etf/tags.ts';

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

// ---- writing ----

const MAX_ATOMS_OF_MESSAGE = 255;

/** An atom of a message. */
interface Mention {
  readonly name: string;
  /** With its tag. */
  readonly encoded: Uint8Array;
}

/** The atoms that one peer knows by number. */
export class SentAtoms implements AtomNumbers {
  /** Where the peer has them. */
  readonly #slots = new Map<string, number>();
  /** The atoms of the message, and the number that each has in it. */
  readonly #mentions: Mention[] = [];
  readonly #numbers = new Map<string, number>();
  /** How many of them the peer does not know yet. */
  #unknown = 0;
  #state: 'idle' | 'encoding' | 'writing' = 'idle';
  /** The header, once the peer knows all atoms in it. */
  #header: Uint8Array | undefined;

  /** Begins a message. @returns false while another one is under way: a getter in it sends. */
  begin(): boolean {
    if (this.#state !== 'idle') return false;
    this.#state = 'encoding';
    this.#mentions.length = 0;
    this.#numbers.clear();
    this.#unknown = 0;
    this.#header = undefined;
    return true;
  }

  numberOf(name: string, encoded: Uint8Array): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#mentions.length;
    // Once the header stands, only the atoms in it have numbers.
    if (this.#state !== 'encoding' || number >= MAX_ATOMS_OF_MESSAGE || encoded[0] !== SMALL_ATOM_UTF8)
      return -1;
    if (!this.#slots.has(name)) {
      if (this.#slots.size + this.#unknown >= ATOM_CACHE_ENTRIES) return -1;
      this.#unknown++;
    }
    this.#mentions.push({ name, encoded });
    this.#numbers.set(name, number);
    return number;
  }

  /** Writes the header of a frame. The message is encoded, and its next frame comes behind this one. */
  writeHeader(writer: ByteWriter): void {
    this.#state = 'writing';
    if (this.#header !== undefined) {
      writer.bytes(this.#header);
      return;
    }
    const start = writer.length;
    const tells = this.#write(writer);
    if (!tells) this.#header = Uint8Array.prototype.slice.call(writer.buffer, start, writer.length);
  }

  /** The message is sent, or given up. */
  end(): void {
    this.#state = 'idle';
  }

  /** @returns whether it names an atom that the peer does not know. */
  #write(writer: ByteWriter): boolean {
    const slots = this.#slots;
    const mentions = this.#mentions;
    const count = mentions.length;
    writer.u8(count);
    if (count === 0) return false;
    const first = slots.size;
    for (const { name } of mentions) if (!slots.has(name)) slots.set(name, slots.size);
    const flags = (mention: Mention | undefined): number => {
      if (mention === undefined) return 0;
      const slot = slots.get(mention.name) as number;
      return (slot >= first ? NEW_ENTRY : 0) | (slot >> 8);
    };
    // Half a byte for each, and one for the whole: no name has a length of two bytes.
    for (let at = 0; at <= count; at += 2) writer.u8(flags(mentions[at]) | (flags(mentions[at + 1]) << 4));
    for (const { name, encoded } of mentions) {
      const slot = slots.get(name) as number;
      writer.u8(slot & 255);
      // Its length and its text, as behind the tag.
      if (slot >= first) writer.bytes(encoded.subarray(1));
    }
    return slots.size > first;
  }
}
