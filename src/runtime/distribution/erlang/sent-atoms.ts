/**
 * The atoms that a peer was told by name, and is told by number since: the writing half of `atom-cache.ts`. See `erl_ext_dist`,
 * "Distribution Header".
 *
 * It is used for a message that goes to several processes of a BEAM node: the receiver looks each name up for each of them
 * otherwise, which costs it more than all else (docs/adr/0012). So it works on one message at a time, from `begin` to `end`:
 * the message is encoded first, and each of its frames begins with the header.
 *
 * Invariants: a number means the same atom as long as the connection lasts. So frames may pass each other, but none the one in
 * which an atom was named; who writes that frame sees to it.
 *
 * Limits: 2,048 atoms for a connection; those that come later are written out, and so are those beyond 255 bytes, or 255
 * different ones in a message.
 */
import type { ByteWriter } from '../etf/byte-writer.ts';
import type { AtomNumbers } from '../etf/scalar-writer.ts';
import { SMALL_ATOM_UTF8 } from '../etf/tags.ts';
import { ATOM_CACHE_ENTRIES } from './atom-cache.ts';

const MAX_ATOMS_OF_MESSAGE = 255;
const NEW_ENTRY = 8;

interface Entry {
  readonly slot: number;
  /** With its tag, until the peer was told. */
  encoded: Uint8Array | undefined;
  /** The message that it stood in last, and its number in there. */
  message: number;
  number: number;
}

/** The atoms that one peer was told. */
export class SentAtoms implements AtomNumbers {
  readonly #entries = new Map<string, Entry>();
  #message = 0;
  #atoms: Entry[] = [];
  #state: 'idle' | 'encoding' | 'writing' = 'idle';
  /** The header, once the peer knows all atoms in it. */
  #header: Uint8Array | undefined;

  /** Begins a message. @returns false while another one is under way: a getter in it sends. */
  begin(): boolean {
    if (this.#state !== 'idle') return false;
    this.#state = 'encoding';
    this.#message++;
    this.#atoms = [];
    this.#header = undefined;
    return true;
  }

  numberOf(name: string, encoded: Uint8Array): number {
    const entry = this.#entries.get(name) ?? this.#add(name, encoded);
    if (entry === undefined) return -1;
    if (entry.message === this.#message) return entry.number;
    if (this.#state !== 'encoding' || this.#atoms.length >= MAX_ATOMS_OF_MESSAGE) return -1;
    entry.message = this.#message;
    entry.number = this.#atoms.length;
    this.#atoms.push(entry);
    return entry.number;
  }

  /** How many bytes the next header has. */
  get headerBytes(): number {
    const count = this.#atoms.length;
    let bytes = count === 0 ? 1 : 2 + (count >> 1);
    for (const { encoded } of this.#atoms) bytes += encoded?.length ?? 1;
    return bytes;
  }

  /** Writes the header of a frame. The message is encoded, and what is written from now on has no atoms of its own. */
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

  #add(name: string, encoded: Uint8Array): Entry | undefined {
    if (this.#state !== 'encoding' || encoded[0] !== SMALL_ATOM_UTF8) return undefined;
    const slot = this.#entries.size;
    if (slot >= ATOM_CACHE_ENTRIES) return undefined;
    const entry = { slot, encoded, message: 0, number: 0 };
    this.#entries.set(name, entry);
    return entry;
  }

  /** @returns whether it names an atom that the peer does not know. */
  #write(writer: ByteWriter): boolean {
    const atoms = this.#atoms;
    const count = atoms.length;
    writer.u8(count);
    if (count === 0) return false;
    // Half a byte for each, and one for the whole: no name has a length of two bytes.
    for (let at = 0; at <= count; at += 2) writer.u8(flagsOf(atoms[at]) | (flagsOf(atoms[at + 1]) << 4));
    let tells = false;
    for (const entry of atoms) {
      writer.u8(entry.slot & 255);
      if (entry.encoded === undefined) continue;
      // Its length and its text, as behind the tag.
      writer.bytes(entry.encoded.subarray(1));
      entry.encoded = undefined;
      tells = true;
    }
    return tells;
  }
}

function flagsOf(entry: Entry | undefined): number {
  if (entry === undefined) return 0;
  return (entry.encoded === undefined ? 0 : NEW_ENTRY) | (entry.slot >> 8);
}
